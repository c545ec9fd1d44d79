"""What librdkafka's properties mean to the learning roles."""

import ssl
from pathlib import Path
from typing import Any

import pytest

from interlock.streams.faust_app import make_app
from interlock.streams.faust_settings import credentials, tuning
from interlock.streams.kafka_properties import PropertyError
from tests.streams.secured_kafka import PASSWORD, Authority, Identity

TLS = {"security.protocol": "SSL"}
OAUTH = {
    "security.protocol": "SASL_SSL",
    "sasl.mechanism": "OAUTHBEARER",
    "sasl.oauthbearer.method": "oidc",
    "sasl.oauthbearer.client.id": "me",
    "sasl.oauthbearer.client.secret": "secret",
    "sasl.oauthbearer.token.endpoint.url": "https://login.example.org/token",
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def client(authority: Authority) -> Identity:
    return authority.issue("client")


def context(properties: dict[str, str]) -> ssl.SSLContext:
    found = credentials({**TLS, **properties})
    assert found is not None
    made: Any = found
    return getattr(made, "context", None) or made.ssl_context  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("properties", "protocol", "mechanism"),
    [
        ({"security.protocol": "ssl"}, "SSL", None),
        ({"security.protocol": "SASL_PLAINTEXT", "sasl.mechanism": "PLAIN"}, "SASL_PLAINTEXT", "PLAIN"),
        ({"security.protocol": "sasl_ssl", "sasl.mechanisms": "SCRAM-SHA-512"}, "SASL_SSL", "SCRAM-SHA-512"),
        (OAUTH, "SASL_SSL", "OAUTHBEARER"),
    ],
)
def test_protocol_and_mechanism_hold(properties: dict[str, str], protocol: str, mechanism: str | None) -> None:
    found: Any = credentials(properties)
    assert found.protocol.value == protocol
    assert mechanism is None or found.mechanism.value == mechanism


def test_plain_text_needs_no_credentials() -> None:
    assert credentials({"fetch.min.bytes": "1"}) is None


def test_only_the_authorities_that_are_named_are_trusted(authority: Authority, tmp_path: Path) -> None:
    named = {
        "ssl.ca.location": str(authority.certificate),
        "ssl.ca.pem": authority.certificate.read_text(),
    }
    for name, value in named.items():
        assert len(context({name: value}).get_ca_certs()) == 1, name
    assert context({"ssl.ca.location": str(tmp_path)}).get_ca_certs() == []  # of a directory they are read when needed


def test_checks_are_switched_off_as_for_librdkafka() -> None:
    for value in ("none", "NONE"):
        found = context({"ssl.endpoint.identification.algorithm": value})
        assert (found.check_hostname, found.verify_mode) == (False, ssl.CERT_REQUIRED)
    for value in ("false", "False"):
        found = context({"enable.ssl.certificate.verification": value})
        assert (found.check_hostname, found.verify_mode) == (False, ssl.CERT_NONE)
    found = context({})
    assert (found.check_hostname, found.verify_mode) == (True, ssl.CERT_REQUIRED)


def test_a_certificate_may_be_files_text_or_a_keystore(client: Identity) -> None:
    for given in (
        {"ssl.certificate.location": str(client.certificate), "ssl.key.location": str(client.key)},
        {"ssl.certificate.pem": client.certificate.read_text(), "ssl.key.pem": client.key.read_text()},
        {
            "ssl.certificate.location": str(client.certificate),
            "ssl.key.location": str(client.encrypted_key),
            "ssl.key.password": PASSWORD,
        },
        {"ssl.keystore.location": str(client.keystore), "ssl.keystore.password": PASSWORD},
    ):
        context(given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"ssl.ca.location": "/no/ca.pem"}, ["ssl.ca.location is /no/ca.pem", "No such file"]),
        ({"ssl.ca.pem": "no certificate"}, ["ssl.ca.pem"]),
        ({"ssl.keystore.location": "{keystore}", "ssl.keystore.password": "x"}, ["ssl.keystore.password", "password"]),
        (
            {"ssl.certificate.location": "/no.pem", "ssl.key.location": "/no.key"},
            ["ssl.certificate.location is /no.pem"],
        ),
        (
            {"ssl.certificate.location": "{certificate}", "ssl.key.location": "{encrypted_key}"},
            ["ssl.certificate.location and ssl.key.location"],
        ),
        ({"ssl.curves.list": "P-521"}, ["ssl.curves.list", "learning roles"]),
        ({"ssl.engine.id": "x"}, ["ssl.engine.id", "learning roles"]),
        ({"security.protocol": "SASL_SSL"}, ["sasl.mechanism", "GSSAPI"]),  # librdkafka's default
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"}, ["sasl.mechanism", "GSSAPI"]),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "OAUTHBEARER"}, ["sasl.oauthbearer.method", "oidc"]),
        ({**OAUTH, "sasl.oauthbearer.client.secret": ""}, ["sasl.oauthbearer.client.secret is missing"]),
        ({**OAUTH, "sasl.oauthbearer.grant.type": "jwt-bearer"}, ["sasl.oauthbearer.grant.type"]),
        ({**OAUTH, "sasl.oauthbearer.assertion.algorithm": "RS256"}, ["sasl.oauthbearer.assertion.algorithm"]),
    ],
)
def test_what_cannot_be_done_or_read_is_refused_by_name(
    given: dict[str, str], words: list[str], client: Identity
) -> None:
    files = {name: str(getattr(client, name)) for name in ("keystore", "certificate", "encrypted_key")}
    with pytest.raises(PropertyError) as refused:
        credentials({**TLS, **{name: value.format(**files) for name, value in given.items()}})
    for word in words:
        assert word in str(refused.value)


def test_properties_of_the_user_win_in_faust_too() -> None:
    given = {
        "compression.codec": "zstd",
        "linger.ms": "20",
        "batch.size": "50000",
        "client.id": "learners",
        "metadata.max.age.ms": "60000",
        "connections.max.idle.ms": "90000",
    }
    conf = make_app("g", "nowhere:9092", given, "1", 1.0, 2.0).conf
    assert (conf.producer_compression_type, conf.producer_linger, conf.producer_max_batch_size) == ("zstd", 0.02, 50000)
    assert conf.broker_client_id == "learners"
    assert (conf.producer_metadata_max_age_ms, conf.consumer_connections_max_idle_ms) == (60000, 90000)
    assert make_app("g", "nowhere:9092", {}, "1", 1.0, 2.0).conf.producer_compression_type == "lz4"
    assert tuning({"compression.type": "none"}) == {"producer_compression_type": None}


def test_faust_refuses_what_the_other_roles_refuse() -> None:
    with pytest.raises(PropertyError, match=r"auto\.offset\.reset"):
        make_app("g", "nowhere:9092", {"auto.offset.reset": "latest"}, "1", 1.0, 2.0)
    with pytest.raises(PropertyError, match=r"linger\.ms is 'soon'"):
        make_app("g", "nowhere:9092", {"linger.ms": "soon"}, "1", 1.0, 2.0)
