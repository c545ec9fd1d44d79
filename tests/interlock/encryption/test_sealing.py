"""Sealed values: what they are bound to, and that equal ones are equal bytes."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from interlock.encryption.keys import SubjectKey
from interlock.encryption.sealing import NONCE_BYTES, TAG_BYTES, Cipher, DamagedError

KEY = SubjectKey("ab" * 16, bytes(range(32)))
CIPHER = Cipher(KEY)


@given(st.binary(), st.binary())
def test_a_sealed_value_opens_at_its_place(text: bytes, place: bytes) -> None:
    sealed = CIPHER.seal(text, place)
    assert CIPHER.open(sealed, place) == text
    assert len(sealed) == NONCE_BYTES + len(text) + TAG_BYTES
    # What ClickHouse's decrypt makes of it.
    assert AESGCM(KEY.secret).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place) == text


@given(st.binary(), st.binary(), st.binary(), st.binary())
def test_equal_values_are_equal_bytes_and_no_nonce_serves_two(a: bytes, b: bytes, p: bytes, q: bytes) -> None:
    one, two = CIPHER.seal(a, p), CIPHER.seal(b, q)
    assert (one[:NONCE_BYTES] == two[:NONCE_BYTES]) == ((a, p) == (b, q))
    assert CIPHER.seal(a, p) == one


def test_a_value_of_another_place_or_key_or_with_a_changed_byte_does_not_open() -> None:
    sealed = CIPHER.seal(b"text", b"outcomes/d1")
    with pytest.raises(DamagedError):
        CIPHER.open(sealed, b"outcomes/d2")
    with pytest.raises(DamagedError):
        Cipher(SubjectKey("cd" * 16, bytes(32))).open(sealed, b"outcomes/d1")
    for index in range(len(sealed)):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(DamagedError):
            CIPHER.open(bytes(changed), b"outcomes/d1")
    for length in range(len(sealed)):
        with pytest.raises(DamagedError):
            CIPHER.open(sealed[:length], b"outcomes/d1")
