"""Which secrets are none: those that stand in examples, and those that anybody would try first."""

from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, SecretStr

_HOW_TO_MAKE_ONE = "make one with `openssl rand -hex 16`"

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

# Of 16 random bytes some 15 differ; as few as 8 do so once in 10^10 keys. Repeated and hand-made ones stay below.
_FEWEST_DIFFERENT_BYTES = 9


def _password(given: SecretStr) -> SecretStr:
    text = given.get_secret_value().strip().lower()
    if text.startswith(_PLACEHOLDERS) or text in _GUESSED_FIRST:
        raise ValueError(f"this password stands in examples or is guessed first; {_HOW_TO_MAKE_ONE}")
    return given


def _audit_key(given: SecretStr) -> SecretStr:
    try:
        key = bytes.fromhex(given.get_secret_value())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError(f"must be 32 hex digits; {_HOW_TO_MAKE_ONE}")
    steps = {(after - before) % 256 for before, after in pairwise(key)}
    if len(set(key)) < _FEWEST_DIFFERENT_BYTES or len(steps) == 1:
        raise ValueError(
            "this key can be guessed, and whoever knows it knows which of their decisions are audited; "
            f"{_HOW_TO_MAKE_ONE}, and give every router the same"
        )
    return given


Password = Annotated[SecretStr, AfterValidator(_password)]
AuditKey = Annotated[SecretStr, AfterValidator(_audit_key)]
