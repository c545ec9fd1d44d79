"""The master key: what wraps the secrets of a key store, and nothing else.

A key store asks it only when it is opened and when keys are rotated, so that a key-management service across a network
may stand in its place.
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Protocol, runtime_checkable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, Hash

from interlock.errors import InterlockError, OperatorRequiredError

# AES-256.
KEY_BYTES = 32

# What AES-GCM takes. Random, because a master key wraps a few secrets in its life, far below the 2^32 that NIST
# SP 800-38D allows.
_NONCE_BYTES = 12


class WrongMasterKeyError(OperatorRequiredError):
    """The master key is not the one under which the key store was made or last rotated."""


@runtime_checkable
class MasterKey(Protocol):
    """Wraps and unwraps secrets of 32 bytes. A client of a key-management service has these three members.

    `context` names the secret; what was wrapped with one context MUST NOT be unwrapped with another.
    """

    @property
    def id(self) -> str:
        """Names the key without telling anything of it; stands beside what it wrapped, and in messages."""
        ...

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        """The secret, to be stored anywhere."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """What `wrap` was given. Raises WrongMasterKeyError where key or context is another."""
        ...


class LocalMasterKey:
    """A master key in the memory of this process."""

    def __init__(self, key: bytes) -> None:
        """Raises InterlockError unless `key` has 32 bytes."""
        if len(key) != KEY_BYTES:
            raise InterlockError(f"a master key has {KEY_BYTES} bytes, not {len(key)}")
        self._cipher = AESGCM(key)
        digest = Hash(SHA256())
        digest.update(b"interlock master key" + key)
        self._id = digest.finalize()[:8].hex()

    @property
    def id(self) -> str:
        return self._id

    def wrap(self, secret: bytes, context: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        try:
            return self._cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError) as error:
            raise WrongMasterKeyError(
                f"master key {self._id} does not open {context.decode(errors='replace')}: it is not the key with which "
                "the key store was made or last rotated"
            ) from error


def from_hex(text: str, where: str) -> LocalMasterKey:
    """The key that `text` has as hexadecimal digits. `where`: named in the error. Raises InterlockError."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise InterlockError(
            f"{where} must have a master key of {2 * KEY_BYTES} hex digits; make one with `openssl rand -hex 32`"
        )
    return LocalMasterKey(key)


def from_file(path: Path) -> LocalMasterKey:
    """The key in a file of hexadecimal digits. Raises InterlockError."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InterlockError(f"the master key file {path} cannot be read: {error}") from error
    return from_hex(text, str(path))


def make_file(path: Path) -> None:
    """A new random key in a file that only its owner can read, unless the file is there already. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "w") as file:
        file.write(os.urandom(KEY_BYTES).hex() + "\n")
        file.flush()
        os.fsync(file.fileno())


def from_provider(name: str) -> MasterKey:
    """What the function at `name` (MODULE:FUNCTION) returns: the plug point for key-management services.

    Raises InterlockError where there is no such function, or what it returns is no MasterKey.
    """
    module, _, function = name.partition(":")
    try:
        made = getattr(import_module(module), function)()
    except (ImportError, AttributeError, ValueError) as error:
        raise InterlockError(
            f"there is no function {name!r} that gives the master key (MODULE:FUNCTION): {error}"
        ) from error
    if not isinstance(made, MasterKey):
        raise InterlockError(f"{name} returned {type(made).__name__}, which has no id, wrap and unwrap of a MasterKey")
    return made
