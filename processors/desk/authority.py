"""Whether a command comes from whom it names: the desk takes it only from gateways that it knows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from interlock.processors.desk.command import Command
from interlock.processors.desk.refusal import CommandRefused
from interlock.schemas.signed_commands import Signature, read_signature

# A tool sends a command for half a minute, and Kafka takes it within minutes of an outage. Shorter than the time for
# which the desk remembers ids, so that nobody sends a recorded command again later.
MAX_AGE = 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class KnownSigner:
    """`speaks_for`: people whom it has logged in, or only callers who give up waiting for a decision."""

    key: bytes = field(repr=False)
    speaks_for: Literal["people", "callers"] = "people"


class Authority:
    """The signers by name; without any, every command counts as given by whom it names."""

    def __init__(self, signers: Mapping[str, KnownSigner] | None = None) -> None:
        self._signers = signers or {}

    def refusal(
        self, command: Command, value: bytes, headers: Iterable[tuple[str, bytes | None]], now: int
    ) -> CommandRefused | None:
        """Why a command, whose record has `value` and `headers`, does not count; None if it does."""
        if not self._signers:
            return None
        signature = read_signature(headers)
        if signature is None:
            return CommandRefused(
                "unsigned",
                "this desk takes only signed commands: use the console or the HTTP API, or give the tool a key "
                "(INTERLOCK_SIGNING__NAME and …__KEY)",
            )
        signer = self._signer(signature, value)
        if signer is None:
            return CommandRefused(
                "bad-signature",
                f"the signature is not one of {signature.signer!r} that this desk knows: compare the keys of the tool "
                "and of the desk (INTERLOCK_DESK__SIGNERS)",
            )
        if signer.speaks_for == "callers" and command.kind != "expire":
            return CommandRefused(
                "not-yours", f"{signature.signer} speaks for callers who wait, not for people: it may only expire"
            )
        if signature.principal != command.actor:
            return CommandRefused("not-yours", f"{signature.principal} is logged in and may not act as {command.actor}")
        if abs(now - command.issued_at) > MAX_AGE:
            return CommandRefused(
                "stale", "the command was signed more than an hour away from now: is the clock of the sender right?"
            )
        return None

    def distrust(
        self, signed: bytes, issued_at: int, headers: Iterable[tuple[str, bytes | None]], now: int
    ) -> str | None:
        """Why nobody who speaks for people says what the bytes `signed` do, in words; None if somebody does."""
        if not self._signers:
            return None
        signature = read_signature(headers)
        signer = None if signature is None else self._signer(signature, signed)
        if signer is None or signer.speaks_for == "callers":
            return "no tool that speaks for people has signed it (INTERLOCK_SIGNING__NAME and …__KEY)"
        if abs(now - issued_at) > MAX_AGE:
            return "it was signed more than an hour away from now"
        return None

    def _signer(self, signature: Signature, value: bytes) -> KnownSigner | None:
        """Who has signed `value`; None if nobody whom the desk knows."""
        signer = self._signers.get(signature.signer)
        return signer if signer is not None and signature.is_of(value, signer.key) else None
