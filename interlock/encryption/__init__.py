"""Encryption under a key of each subject: destroying the key erases what was written under it.

* `master`: what wraps the secrets of a key store: a key of this process, or a key-management service.
* `keys`: the keys of subjects and the `KeyStore` that gives them out.
* `sqlite_store`: a `KeyStore` in one file.
* `sealing`: values to ciphertexts and back.
* `fields`: personal fields of a decision, sealed before they enter Kafka.
"""
