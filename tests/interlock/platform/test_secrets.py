"""Secrets that are none are refused before anything starts."""

import pytest

from interlock.errors import UsageError
from interlock.platform.connection import connect

KEYS = [
    "00" * 16,
    "ff" * 16,
    "0" * 31 + "1",
    "0123456789abcdef" * 2,
    "000102030405060708090a0b0c0d0e0f",
    "deadbeef" * 4,
]


@pytest.mark.parametrize("key", KEYS)
def test_an_audit_key_that_can_be_guessed_is_refused_with_the_way_to_make_one(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("INTERLOCK_ROUTER__AUDIT_KEY", key)
    with pytest.raises(UsageError, match=r"ROUTER__AUDIT_KEY: this key can be guessed.*openssl rand -hex 16"):
        connect()


@pytest.mark.parametrize("key", ["", "abc", "g" * 32, "ab" * 15, "ab" * 17])
def test_an_audit_key_of_another_form_is_refused(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("INTERLOCK_ROUTER__AUDIT_KEY", key)
    with pytest.raises(UsageError, match="INTERLOCK_ROUTER__AUDIT_KEY: must be 32 hex digits; make one"):
        connect()


@pytest.mark.parametrize(
    "key", ["00" * 32, bytes(range(32)).hex(), "deadbeef" * 8, "ab", "g" * 64, "8a1c50e7d3b94f26a07e5c11d9f8b324"]
)
def test_a_session_key_that_can_be_guessed_or_has_another_form_is_refused(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("INTERLOCK_API__SESSION_KEY", key)
    with pytest.raises(UsageError, match=r"API__SESSION_KEY: .*openssl rand -hex 32"):
        connect()


@pytest.mark.parametrize(
    "name", ["CLICKHOUSE__PASSWORD", "CLICKHOUSE__ANALYST_PASSWORD", "WEBHOOKS__SECRET", "WEBHOOKS__PREVIOUS_SECRET"]
)
@pytest.mark.parametrize("password", ["change-me", "Change-Me-Too", "changeme", "password", "interlock"])
def test_a_password_out_of_an_example_is_refused_without_being_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, password: str
) -> None:
    monkeypatch.setenv(f"INTERLOCK_{name}", password)
    with pytest.raises(UsageError, match=f"INTERLOCK_{name}: .* is guessed first; make one with") as refused:
        connect()
    assert f"{password!r}" not in str(refused.value)


def test_good_secrets_and_no_secrets_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_ROUTER__AUDIT_KEY", "8a1c50e7d3b94f26a07e5c11d9f8b324")
    monkeypatch.setenv("INTERLOCK_CLICKHOUSE__PASSWORD", "8a1c50e7d3b94f26a07e5c11d9f8b324")
    monkeypatch.setenv("INTERLOCK_CLICKHOUSE__ANALYST_PASSWORD", "")
    assert connect().audit_key == bytes.fromhex("8a1c50e7d3b94f26a07e5c11d9f8b324")
