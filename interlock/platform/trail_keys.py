"""The keys of the audit trail: the one that signs anchors, and those that verifiers trust."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.errors import InterlockError, UsageError
from interlock.platform.secrets import TRAIL_KEY_BYTES

if TYPE_CHECKING:
    from interlock.platform.connection import Platform
    from interlock.sinks.trail.anchors import AnchorSigner


class Ed25519Signer:
    """A key in memory. `seed`: its 32 secret bytes."""

    def __init__(self, seed: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def trail_signer(platform: "Platform") -> "AnchorSigner | None":
    """What signs anchors here; None where nothing is set and there is no local instance with a key.

    Raises InterlockError where what is set cannot be used."""
    trail = platform.settings.trail
    if trail.signer is not None:
        return _plugged_in(trail.signer)
    if trail.signing_key_file is not None:
        return Ed25519Signer(_seed(trail.signing_key_file))
    configured = trail.signing_key.get_secret_value() if trail.signing_key else ""
    key = configured or (platform.instance.trail_key if platform.instance else "")
    return Ed25519Signer(bytes.fromhex(key)) if key else None


def trusted_key(platform: "Platform", file: Path | None) -> bytes:
    """The public key that a verifier trusts: of `file`, else of the settings, else of the key that signs here.

    Raises InterlockError if there is none."""
    chosen = file or platform.settings.trail.public_key_file
    if chosen is not None:
        return read_public_key(chosen)
    signer = trail_signer(platform)
    if signer is None:
        raise InterlockError(
            "the audit trail can only be verified with a key that you trust: name the file of the public key "
            "(--public-key, or INTERLOCK_TRAIL__PUBLIC_KEY_FILE). `interlock audit public-key` prints it where the "
            "sink runs."
        )
    return signer.public_key


def read_public_key(file: Path) -> bytes:
    """An Ed25519 key as 64 hex digits or as PEM. Raises InterlockError."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    content = _content(file)
    try:
        if content.startswith(b"-----"):
            key = load_pem_public_key(content)
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("no Ed25519 key")
        else:
            key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(content.decode()))
    except ValueError as error:
        raise UsageError(f"{file} holds no Ed25519 public key, neither as 64 hex digits nor as PEM") from error
    return key.public_bytes_raw()


def _seed(file: Path) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _content(file)
    try:
        if content.startswith(b"-----"):
            key = load_pem_private_key(content, password=None)
            if not isinstance(key, Ed25519PrivateKey):
                raise ValueError("no Ed25519 key")
            return key.private_bytes_raw()
        seed = bytes.fromhex(content.decode())
        if len(seed) != TRAIL_KEY_BYTES:
            raise ValueError("wrong length")
    except (ValueError, TypeError) as error:
        raise InterlockError(
            f"{file} (INTERLOCK_TRAIL__SIGNING_KEY_FILE) holds no Ed25519 key, neither as 64 hex digits nor as PEM "
            f"without a password: `openssl genpkey -algorithm ed25519` makes one"
        ) from error
    return seed


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes().strip()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error


def _plugged_in(name: str) -> "AnchorSigner":
    module, _, function = name.partition(":")
    try:
        signer: AnchorSigner = getattr(import_module(module), function)()
    except (ImportError, AttributeError) as error:
        raise InterlockError(f"INTERLOCK_TRAIL__SIGNER names {name}, which cannot be loaded: {error}") from error
    return signer
