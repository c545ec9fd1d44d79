"""What librdkafka's properties mean to Faust and aiokafka: the same as to every other role, or they are refused by
name."""

import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from faust.auth import OAuthCredentials, SASLCredentials, SSLCredentials

from interlock.streams.kafka_properties import PropertyError, name_known_best

Credentials = SSLCredentials | SASLCredentials | OAuthCredentials

# By the name that is known best. Faust takes seconds for lingering; what is not here only tunes librdkafka.
_TUNING: Mapping[str, tuple[tuple[str, ...], Callable[[str], Any]]] = {
    "client.id": (("broker_client_id",), str),
    "compression.type": (("producer_compression_type",), lambda text: None if text == "none" else text),
    "linger.ms": (("producer_linger",), lambda text: float(text) / 1000),
    "batch.size": (("producer_max_batch_size",), int),
    "metadata.max.age.ms": (("consumer_metadata_max_age_ms", "producer_metadata_max_age_ms"), int),
    "connections.max.idle.ms": (("consumer_connections_max_idle_ms", "producer_connections_max_idle_ms"), int),
}

_TLS = (
    *("ssl.ca.location", "ssl.ca.pem", "ssl.certificate.location", "ssl.certificate.pem", "ssl.cipher.suites"),
    *("ssl.crl.location", "ssl.endpoint.identification.algorithm", "ssl.key.location", "ssl.key.password"),
    *("ssl.key.pem", "ssl.keystore.location", "ssl.keystore.password", "enable.ssl.certificate.verification"),
)
_TOKENS = (
    *("sasl.oauthbearer.method", "sasl.oauthbearer.client.id", "sasl.oauthbearer.client.secret"),
    *("sasl.oauthbearer.scope", "sasl.oauthbearer.extensions", "sasl.oauthbearer.token.endpoint.url"),
    *("sasl.oauthbearer.grant.type", "https.ca.location", "https.ca.pem"),
)
_KNOWN = {"security.protocol", "sasl.mechanism", "sasl.username", "sasl.password", *_TLS, *_TOKENS}
_OF_SECURITY = ("security.", "ssl.", "sasl.", "https.", "enable.ssl.", "enable.sasl.", "plugin.")

_PASSWORDS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


def tuning(properties: Mapping[str, str]) -> dict[str, Any]:
    """Faust's settings for what a user has set. Raises PropertyError for a value that is no number."""
    found: dict[str, Any] = {}
    for name, value in properties.items():
        settings, read = _TUNING.get(name_known_best(name), ((), str))
        try:
            found |= dict.fromkeys(settings, read(value))
        except ValueError as error:
            raise PropertyError(f"wrong Kafka property: {name} is {value!r}, and must be a number") from error
    return found


def credentials(properties: Mapping[str, str]) -> Credentials | None:
    """How aiokafka encrypts and logs in. Raises PropertyError where it cannot do what librdkafka's properties say."""
    given = {name_known_best(name): value for name, value in properties.items()}
    for name in given:
        if name.startswith(_OF_SECURITY) and name not in _KNOWN:
            raise _refused(name, "they know no such property")
    protocol = given.get("security.protocol", "plaintext").upper()
    context = _tls(given) if protocol.endswith("SSL") else None
    if not protocol.startswith("SASL_"):
        return SSLCredentials(context) if context is not None else None
    mechanism = given.get("sasl.mechanism", "GSSAPI").upper()
    if mechanism == "OAUTHBEARER":
        return OAuthCredentials(oauth_cb=_tokens(given), ssl_context=context)
    if mechanism not in _PASSWORDS:
        raise _refused("sasl.mechanism", f"{mechanism} is none of {', '.join(_PASSWORDS)} and OAUTHBEARER")
    return SASLCredentials(
        username=given.get("sasl.username"),
        password=given.get("sasl.password"),
        mechanism=mechanism,
        ssl_context=context,
    )


def _tokens(given: Mapping[str, str]) -> Any:
    from interlock.streams.faust_tokens import ClientCredentials  # takes half a second, and few need it

    if given.get("sasl.oauthbearer.method", "default").lower() != "oidc":
        raise _refused("sasl.oauthbearer.method", "OAUTHBEARER needs `oidc` there")
    if (grant := given.get("sasl.oauthbearer.grant.type", "client_credentials")) != "client_credentials":
        raise _refused("sasl.oauthbearer.grant.type", f"{grant} is not client_credentials")
    for name in ("token.endpoint.url", "client.id", "client.secret"):
        if not given.get(f"sasl.oauthbearer.{name}"):
            raise PropertyError(f"the Kafka property sasl.oauthbearer.{name} is missing, which OAUTHBEARER needs")
    authorities = ssl.create_default_context()
    if location := given.get("https.ca.location"):
        with _reading("https.ca.location", location):
            authorities = ssl.create_default_context(cafile=location)
    if text := given.get("https.ca.pem"):
        with _reading("https.ca.pem"):
            authorities = ssl.create_default_context(cadata=text)
    pairs = given.get("sasl.oauthbearer.extensions", "").split(",")
    return ClientCredentials(
        given["sasl.oauthbearer.token.endpoint.url"],
        given["sasl.oauthbearer.client.id"],
        given["sasl.oauthbearer.client.secret"],
        scope=given.get("sasl.oauthbearer.scope"),
        extensions=dict(pair.split("=", 1) for pair in pairs if "=" in pair),
        authorities=authorities,
    )


def _tls(given: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    location, text = given.get("ssl.ca.location", "probe"), given.get("ssl.ca.pem")
    if location != "probe":
        path = Path(location)
        with _reading("ssl.ca.location", location):
            context.load_verify_locations(*((None, location) if path.is_dir() else (location, None)))
    if text is not None:
        with _reading("ssl.ca.pem"):
            context.load_verify_locations(cadata=text)
    if location == "probe" and text is None:
        context.load_default_certs()
    if revoked := given.get("ssl.crl.location"):
        with _reading("ssl.crl.location", revoked):
            context.load_verify_locations(revoked)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    if ciphers := given.get("ssl.cipher.suites"):
        with _reading("ssl.cipher.suites", ciphers):
            context.set_ciphers(ciphers)
    if given.get("ssl.endpoint.identification.algorithm", "https").lower() == "none":
        context.check_hostname = False
    if given.get("enable.ssl.certificate.verification", "true").lower() == "false":
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    _identify(context, given)
    return context


def _identify(context: ssl.SSLContext, given: Mapping[str, str]) -> None:
    """Lets `context` show the client's own certificate, if there is one."""
    keystore = given.get("ssl.keystore.location")
    certificate, key = (_file(given, f"ssl.{what}.location", f"ssl.{what}.pem") for what in ("certificate", "key"))
    password = given.get("ssl.key.password")
    if keystore is not None:
        with _reading("ssl.keystore.location", keystore, "ssl.keystore.password"):
            certificate, key, password = *_opened(keystore, given.get("ssl.keystore.password")), None
    if certificate is None:
        return
    # Python reads them from files only.
    with tempfile.TemporaryDirectory(prefix="interlock-tls-") as directory:
        both = Path(directory) / "certificate.pem"
        both.touch(mode=0o600)
        both.write_bytes((key or b"") + b"\n" + certificate)
        named = [name for name in given if name.startswith(("ssl.certificate.", "ssl.key"))]
        with _reading(" and ".join(named)):
            context.load_cert_chain(both, password=password or "")


def _file(given: Mapping[str, str], location: str, text: str) -> bytes | None:
    if text in given:
        return given[text].encode()
    if location not in given:
        return None
    with _reading(location, given[location]):
        return Path(given[location]).read_bytes()


def _opened(keystore: str, password: str | None) -> tuple[bytes, bytes]:
    """Certificates and key of a keystore, as PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

    secret = password.encode() if password is not None else None
    key, certificate, others = pkcs12.load_key_and_certificates(Path(keystore).read_bytes(), secret)
    if key is None or certificate is None:
        raise ValueError("it has no certificate with a key")
    pem = serialization.Encoding.PEM
    chain = b"".join(each.public_bytes(pem) for each in (certificate, *others))
    return chain, key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@contextmanager
def _reading(name: str, value: str = "", other: str = "") -> Iterator[None]:
    """Names the property whose file or text cannot be used."""
    try:
        yield
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        said = f" is {value}" if value else ""
        also = f", or {other}," if other else ""
        raise PropertyError(f"wrong Kafka property: {name}{said}{also} and cannot be used: {error}") from error


def _refused(name: str, why: str) -> PropertyError:
    return PropertyError(
        f"the Kafka property {name} is not supported by the learning roles (feedback, calibration): {why}. What they "
        "can do is in docs/kafka.md; they may log in in another way than the other roles"
    )
