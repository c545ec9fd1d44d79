"""What a signature of a record on a compacted topic is of: the record and its place, so that it stands nowhere else."""


def signed_bytes(topic: str, key: bytes, value: bytes | None) -> bytes:
    """For `Signer.headers` and `Signature.is_of`. `value` None: a tombstone."""
    # The lengths keep the end of one from being the beginning of the other.
    parts = (topic.encode(), key, b"" if value is None else b"=" + value)
    return b"".join(len(part).to_bytes(8) + part for part in parts)
