"""A broker with every kind of security: SASL with PLAIN, SCRAM and OAUTHBEARER, TLS with and without certificates of
clients, and an authorizer. One process, a listener for each kind."""

import base64
import ipaddress
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from interlock.operations.acls import Acl, Operation, Resource
from interlock.operations.granting import grant
from interlock.streams.embedded_kafka import BrokerSettings, EmbeddedKafka, free_port
from interlock.streams.embedded_kafka.settings import password_properties

# Of every keystore and every encrypted key here.
PASSWORD = "of the key"

_SECURITY = {
    "SCRAM": "SASL_PLAINTEXT",
    "OAUTH": "SASL_PLAINTEXT",
    "TLS": "SSL",
    "MUTUAL": "SSL",
    "TLSPLAIN": "SASL_SSL",
    "OTHERHOST": "SSL",
}


_EVERYTHING: Mapping[Resource, tuple[Operation, ...]] = {"topic": ("Read", "Write"), "group": ("Read",)}


@dataclass(frozen=True)
class Identity:
    """A certificate with its key, as files."""

    certificate: Path
    key: Path
    encrypted_key: Path
    keystore: Path


class Authority:
    """A certificate authority that lasts as long as a test."""

    def __init__(self, directory: Path, name: str = "Test CA") -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._certificate = self._signed(self._name, self._key, None)
        self.certificate = directory / "ca.pem"
        self.certificate.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def rehashed(self) -> Path:
        """A directory with the certificate under the name that OpenSSL looks for, as made by `openssl rehash`."""
        directory = self._directory / "rehashed"
        if not directory.exists():
            directory.mkdir()
            (directory / "ca.pem").write_bytes(self.certificate.read_bytes())
            subprocess.run(["openssl", "rehash", directory], check=True)
        return directory

    def issue(self, name: str, host: str | None = None) -> Identity:
        """For a server at `host`, or for a client of that name."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(_name(name), key, host)
        files = Identity(*(self._directory / f"{name}.{kind}" for kind in ("crt", "key", "encrypted.key", "p12")))
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret = serialization.BestAvailableEncryption(PASSWORD.encode())
        for path, encryption in ((files.key, serialization.NoEncryption()), (files.encrypted_key, secret)):
            path.write_bytes(
                key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
            )
        files.keystore.write_bytes(
            pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, [self._certificate], secret)
        )
        return files

    def _signed(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, host: str | None) -> x509.Certificate:
        authority = subject == self._name
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if authority:
            usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
            builder = builder.add_extension(usage, critical=True)
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(host)]), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


class SecuredKafka:
    """`users`: who may log in with SCRAM, and with which password; they may do what access control lists allow. Whoever
    shows a certificate, or a token, is who it names."""

    def __init__(self, directory: Path, users: Mapping[str, str]) -> None:
        self.authority = Authority(directory / "ca")
        self.client = self.authority.issue("interlock-client")
        self._users = users
        self._ports = {name: free_port() for name in _SECURITY}
        server = self.authority.issue("server", "127.0.0.1")
        elsewhere = self.authority.issue("elsewhere", "kafka.example.org")
        settings = BrokerSettings.on_free_ports(directory / "kafka")
        self.kafka = EmbeddedKafka(
            replace(
                settings,
                password="root",
                users={"somebody": "somebody's"},
                properties=self._properties(settings, server, elsewhere),
            )
        )

    def __enter__(self) -> "SecuredKafka":
        self.kafka.start()
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap_servers, **self.root})
        for mechanism in (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512):  # one request takes a user once
            wanted: list[UserScramCredentialAlteration] = [
                UserScramCredentialUpsertion(user, ScramCredentialInfo(mechanism, 4096), password.encode())
                for user, password in self._users.items()
            ]
            for done in admin.alter_user_scram_credentials(wanted).values():
                done.result()
        return self

    def __exit__(self, *error: object) -> None:
        self.kafka.stop()

    @property
    def root(self) -> dict[str, str]:
        """The properties of who may do everything, at `kafka.bootstrap_servers`."""
        return password_properties("root")

    def at(self, listener: str) -> str:
        """The address of a listener: SCRAM, OAUTH, TLS, MUTUAL, TLSPLAIN or OTHERHOST."""
        return f"127.0.0.1:{self._ports[listener]}"

    def scram(self, user: str, password: str | None = None, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        """The properties of a user at `at("SCRAM")`."""
        return {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": mechanism,
            "sasl.username": user,
            "sasl.password": self._users[user] if password is None else password,
        }

    def allow_everything(self, users: Sequence[str]) -> None:
        """To users of that name, on topics and groups."""
        rights: list[Acl] = [
            Acl(f"User:{user}", operation, resource, "*")
            for user in users
            for resource, operations in _EVERYTHING.items()
            for operation in operations
        ]
        grant(AdminClient({"bootstrap.servers": self.kafka.bootstrap_servers, **self.root}), rights)

    def _properties(self, settings: BrokerSettings, server: Identity, elsewhere: Identity) -> dict[str, str]:
        listeners = {"SASL_PLAINTEXT": settings.port, "CONTROLLER": settings.controller_port, **self._ports}
        security = {"SASL_PLAINTEXT": "SASL_PLAINTEXT", "CONTROLLER": "SASL_PLAINTEXT", **_SECURITY}
        found = {
            "listeners": ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items()),
            "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in security.items()),
            # The common name alone, so that `User:interlock-client` is who shows that certificate.
            "ssl.principal.mapping.rules": "RULE:^CN=([^,]+).*$/$1/,DEFAULT",
            "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
            "listener.name.oauth.oauthbearer.sasl.jaas.config": (
                "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
                'unsecuredLoginStringClaim_sub="broker";'
            ),
            "listener.name.tlsplain.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.tlsplain.plain.sasl.jaas.config": (
                "org.apache.kafka.common.security.plain.PlainLoginModule required "
                'user_interlock="root" user_somebody="somebody\'s";'
            ),
            "listener.name.mutual.ssl.client.auth": "required",
            # As by default: clients must not rely on its being switched off.
            "auto.create.topics.enable": "true",
        }
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            found[f"listener.name.scram.{mechanism}.sasl.jaas.config"] = (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            )
        for name in ("tls", "mutual", "tlsplain", "otherhost"):
            shown = elsewhere if name == "otherhost" else server
            both = self.authority.certificate.parent / f"{name}.pem"
            both.write_bytes(shown.key.read_bytes() + shown.certificate.read_bytes())
            found |= {
                f"listener.name.{name}.ssl.keystore.type": "PEM",
                f"listener.name.{name}.ssl.keystore.location": str(both),
                f"listener.name.{name}.ssl.truststore.type": "PEM",
                f"listener.name.{name}.ssl.truststore.location": str(self.authority.certificate),
            }
        return found


@contextmanager
def token_server(clients: Mapping[str, str]) -> Iterator[str]:
    """The address of a server that gives tokens to `clients` (id and secret) by the grant `client_credentials`. They
    are not signed, as brokers without an address of keys take them."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
            name, _, secret = given.partition(":")
            allowed = clients.get(name) == secret
            answer = (
                {"access_token": _token(name), "expires_in": 3600, "token_type": "Bearer"}
                if allowed
                else {"error": "invalid_client"}
            )
            body = json.dumps(answer).encode()
            self.send_response(200 if allowed else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _token(subject: str) -> str:
    now = int(time.time())
    parts = ({"alg": "none", "typ": "JWT"}, {"sub": subject, "iat": now, "exp": now + 3600})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, ""])
