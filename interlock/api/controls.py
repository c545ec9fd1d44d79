"""The kill switch."""

from typing import Any

from interlock.api.backend import Backend
from interlock.policies.controls import read_halts
from interlock.policies.publishing import publish_control
from interlock.schemas.times import moment


def halt_rows(backend: Backend) -> list[dict[str, Any]]:
    """What is halted, by scope. Raises KafkaException."""
    return [halt.facts() for halt in read_halts(backend.broker)]


def switch(backend: Backend, person: str, scope: str, reason: str, *, halted: bool) -> dict[str, Any]:
    """Halts or resumes a scope, and says who did it when. Raises InterlockError; then nothing changed."""
    record = publish_control(backend.broker, scope, halted, reason, person)
    return {**record, "set_at": moment(record["set_at"])}
