"""Keys of subjects, and the store that gives them out."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from interlock.errors import InterlockError

# A ULID: a key is found by it, and nothing can be told from it but when it was made.
KEY_ID_BYTES = 16

# AES-256.
SECRET_BYTES = 32


# A named tuple is made and hashed several times as fast as a dataclass; the sink does both for every row.
class Owner(NamedTuple):
    """Whose key it is: a subject, or the decision itself where a record names no subject."""

    kind: Literal["subject", "decision"]
    id: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


def subject(subject_id: str) -> Owner:
    return Owner("subject", subject_id)


def decision(decision_id: str) -> Owner:
    return Owner("decision", decision_id)


class SubjectKey(NamedTuple):
    """`id`: 32 hex digits, which stand beside every ciphertext. `secret`: 32 bytes."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"SubjectKey({self.id!r})"


@dataclass(frozen=True, slots=True)
class Hold:
    """Nothing of the owner of this key may be erased. `key_id` is empty if the owner had no key yet."""

    key_id: str
    by: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Erased:
    """`key_ids`: the keys that are no more, the owner's own first. `decisions`: how many will not be stored again."""

    key_ids: tuple[str, ...]
    decisions: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What a store has, without secrets. `master`: the id of the master key that wraps it."""

    master: str
    keys: int
    erased: int
    holds: int


class UnknownOwnerError(InterlockError):
    """The store has no key of that subject or decision."""

    code = "unknown-subject"


class HeldError(InterlockError):
    """A legal hold forbids it."""

    code = "legal-hold"

    def __init__(self, owner: Owner, hold: Hold) -> None:
        super().__init__(
            f"{owner} is under a legal hold since {hold.at.isoformat(timespec='seconds')}, set by {hold.by}: "
            f"{hold.reason}. Lift the hold first"
        )
        self.hold = hold


class NoHoldError(InterlockError):
    """There is no hold to lift."""

    code = "no-hold"


class KeyStore(Protocol):
    """Gives out keys. Safe to share between threads; several processes may use one store.

    Owners are stored under a keyed hash only: who has the store, and not the master key, cannot tell who has a key. An
    erased key is gone from the store and its files, and so is the link from its owner to it. A process notices what
    another one has erased before its next call returns.
    """

    def keys_for(self, owners: Collection[Owner]) -> Mapping[Owner, SubjectKey]:
        """A key of every owner, made where there is none. It is stored when this returns. Decisions that were erased
        are left out: they never have a key again."""
        ...

    def erased_of(self, decision_ids: Collection[str]) -> frozenset[str]:
        """Those of the decisions that were erased: nothing of them may be stored again."""
        ...

    def open_keys(self, key_ids: Collection[str]) -> Mapping[str, SubjectKey]:
        """The keys with these ids; those that are no more are left out."""
        ...

    def key_id_of(self, owner: Owner) -> str | None:
        """The id of the owner's key, if there is one."""
        ...

    def erase(self, owner: Owner, decision_ids: Collection[str] = ()) -> Erased:
        """Destroys the key of `owner` and those of `decision_ids`, the owner's decisions, for which no key is made
        any more. Raises UnknownOwnerError and HeldError; then nothing has changed."""
        ...

    def hold(self, owner: Owner, *, by: str, at: datetime, reason: str) -> Hold:
        """Forbids erasure of `owner`; a second hold replaces the first."""
        ...

    def hold_of(self, owner: Owner) -> Hold | None:
        """The hold under which the owner is."""
        ...

    def lift(self, owner: Owner) -> Hold:
        """Ends the hold. Raises NoHoldError."""
        ...

    def counts(self) -> Counts: ...
