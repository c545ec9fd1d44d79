"""Texts that were encrypted before they entered Kafka: `enc:v1:`, the id of the key, `:`, the ciphertext in base64url.

`interlock.encryption.fields` seals and opens them. Whoever has no key tells by this form that there is a value.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

# The version names the whole construction: cipher, nonces, places, padding.
PREFIX = "enc:v1:"

# A key's id is 16 bytes in hexadecimal digits.
_FORM = re.compile(re.escape(PREFIX) + "([0-9a-f]{32}):([A-Za-z0-9_-]+=*)")


def parts(text: object) -> tuple[str, str] | None:
    """The id of the key and the ciphertext in base64url; None if this is no encrypted text."""
    if not isinstance(text, str) or not text.startswith(PREFIX):
        return None
    match = _FORM.fullmatch(text)
    return (match[1], match[2]) if match else None


def written(key_id: str, ciphertext: str) -> str:
    """The text of a ciphertext in base64url."""
    return f"{PREFIX}{key_id}:{ciphertext}"


def key_ids(value: Any) -> Iterator[str]:
    """The keys of all sealed texts in a record, or in anything that stands in one."""
    match value:
        case str():
            if (found := parts(value)) is not None:
                yield found[0]
        case Mapping():
            for item in value.values():
                yield from key_ids(item)
        # A vector has thousands of numbers and no text.
        case [first, *_] if isinstance(first, str | Mapping | list | tuple):
            for item in value:
                yield from key_ids(item)
