"""User and password of Kafka as settings of their own: a secret store gives a password, and no part of a JSON text."""

import pytest

from interlock.errors import UsageError
from interlock.platform.connection import connect

PROPERTIES = '{"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"}'


@pytest.fixture(autouse=True)
def _kafka(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_KAFKA__BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setenv("INTERLOCK_KAFKA__PROPERTIES", PROPERTIES)
    monkeypatch.setenv("INTERLOCK_KAFKA__USER", "interlock")
    monkeypatch.setenv("INTERLOCK_KAFKA__PASSWORD", "c,o=mp'l{ex")


def _refused() -> str:
    with pytest.raises(UsageError) as refused:
        connect()
    return str(refused.value)


def test_every_client_logs_in_with_them() -> None:
    assert connect().client_properties == {
        "bootstrap.servers": "kafka:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "interlock",
        "sasl.password": "c,o=mp'l{ex",
    }


def test_the_password_is_in_no_text_of_the_settings() -> None:
    assert "c,o=mp'l{ex" not in repr(connect().settings)


@pytest.mark.parametrize("missing", ["INTERLOCK_KAFKA__USER", "INTERLOCK_KAFKA__PASSWORD"])
def test_one_without_the_other_is_refused(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv(missing)
    assert "INTERLOCK_KAFKA__USER and INTERLOCK_KAFKA__PASSWORD belong together: set both or neither" in _refused()


def test_empty_ones_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_KAFKA__USER", "")
    monkeypatch.setenv("INTERLOCK_KAFKA__PASSWORD", "")
    assert "sasl.username" not in connect().client_properties


def test_the_same_in_the_properties_is_refused_and_not_chosen_from(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = PROPERTIES.replace("}", ', "sasl.password": "another"}')
    monkeypatch.setenv("INTERLOCK_KAFKA__PROPERTIES", twice)
    assert "INTERLOCK_KAFKA__PROPERTIES names sasl.password as well: take it out" in _refused()


@pytest.mark.parametrize(
    "properties",
    [
        '{"security.protocol": "plaintext"}',  # the password would never be sent
        '{"security.protocol": "SASL_SSL"}',  # librdkafka would look for a Kerberos ticket
        '{"sasl.mechanism": "PLAIN"}',
        "{}",
    ],
)
def test_a_password_that_would_not_be_used_is_refused(monkeypatch: pytest.MonkeyPatch, properties: str) -> None:
    monkeypatch.setenv("INTERLOCK_KAFKA__PROPERTIES", properties)
    assert "INTERLOCK_KAFKA__USER needs security.protocol and sasl.mechanism" in _refused()


def test_a_password_out_of_an_example_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERLOCK_KAFKA__PASSWORD", "change-me")
    assert "INTERLOCK_KAFKA__PASSWORD: this password stands in examples" in _refused()
