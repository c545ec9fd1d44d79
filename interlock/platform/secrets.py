"""Which secrets are none: those that stand in examples, and those that anybody would try first."""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from interlock.schemas import signed_commands

_HOW_TO_MAKE_ONE = "make one with `openssl rand -hex 16`"
_HOW_TO_MAKE_A_LONG_ONE = "make one with `openssl rand -hex 32`"

# What examples say, in this repository and elsewhere, and the first words of every list of passwords.
_PLACEHOLDERS = ("change-me", "change_me", "changeme", "replace-me", "replaceme")
_GUESSED_FIRST = frozenset(
    {
        "password",
        "secret",
        "admin",
        "analyst",
        "clickhouse",
        "default",
        "example",
        "interlock",
        "test",
        "123456",
        "1234",
    }
)

KEY_BYTES = 16

# As long as the hash that it keys.
SESSION_KEY_BYTES = 32

# The secret half of an Ed25519 key.
TRAIL_KEY_BYTES = 32

# Of 16 random bytes some 15 differ; as few as 8 do so once in 10^10 keys. Repeated and hand-made ones stay below.
_FEWEST_DIFFERENT_BYTES = 9


def _password(given: SecretStr) -> SecretStr:
    text = given.get_secret_value().strip().lower()
    if text.startswith(_PLACEHOLDERS) or text in _GUESSED_FIRST:
        raise ValueError(f"this password stands in examples or is guessed first; {_HOW_TO_MAKE_ONE}")
    return given


def _audit_key(given: SecretStr) -> SecretStr:
    if _can_be_guessed(_bytes_of(given, KEY_BYTES, _HOW_TO_MAKE_ONE)):
        raise ValueError(
            "this key can be guessed, and whoever knows it knows which of their decisions are audited; "
            f"{_HOW_TO_MAKE_ONE}, and give every router the same"
        )
    return given


def _session_key(given: SecretStr) -> SecretStr:
    if _can_be_guessed(_bytes_of(given, SESSION_KEY_BYTES, _HOW_TO_MAKE_A_LONG_ONE)):
        raise ValueError(
            "this key can be guessed, and whoever knows it can be anybody; "
            f"{_HOW_TO_MAKE_A_LONG_ONE}, and give every API process the same"
        )
    return given


def _signing_key(given: SecretStr) -> SecretStr:
    if _can_be_guessed(_bytes_of(given, signed_commands.KEY_BYTES, _HOW_TO_MAKE_A_LONG_ONE)):
        raise ValueError(
            f"this key can be guessed, and whoever knows it can speak for anybody; {_HOW_TO_MAKE_A_LONG_ONE}"
        )
    return given


def _bytes_of(given: SecretStr, size: int, how_to_make_one: str) -> bytes:
    try:
        key = bytes.fromhex(given.get_secret_value())
    except ValueError:
        key = b""
    if len(key) != size:
        raise ValueError(f"must be {2 * size} hex digits; {how_to_make_one}")
    return key


def _can_be_guessed(key: bytes) -> bool:
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    return len(set(key)) < _FEWEST_DIFFERENT_BYTES or len(steps) == 1


Password = Annotated[SecretStr, AfterValidator(_password)]
AuditKey = Annotated[SecretStr, AfterValidator(_audit_key)]
SessionKey = Annotated[SecretStr, AfterValidator(_session_key)]
SigningKey = Annotated[SecretStr, AfterValidator(_signing_key)]
