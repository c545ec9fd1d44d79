"""The packs, with the published policies that use each."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError
from interlock.platform import connection
from interlock.policies.publishing import published_policies
from interlock.policy.pack_pages import demands
from interlock.policy.regulation import FEATURES, Regulation
from interlock.policy.version import from_resolved

if TYPE_CHECKING:
    from interlock.streams.ports import Broker

Uses = Mapping[str, list[str]]


def published_uses(broker: "Broker") -> Uses:
    """The names of the policies in force that use each pack, by pack. Raises KafkaException."""
    uses: dict[str, list[str]] = {}
    for name, record in published_policies(broker).items():
        try:
            packs = from_resolved(record["resolved"]).packs
        except ValueError:  # of another version of Interlock; routers refuse it as well
            continue
        for pack in packs:
            uses.setdefault(pack.name, []).append(name)
    return uses


def uses_of_packs(data_dir: str | None) -> Uses | None:
    """The same of the platform that is told; None where none serves."""
    from confluent_kafka import KafkaException

    try:
        return published_uses(connection.connect(data_dir).serving_kafka())
    except (InterlockError, KafkaException):
        return None


def pack_facts(name: str, regulation: Regulation, uses: Uses | None) -> dict[str, Any]:
    """A pack for programs; `used_by` is None where that is unknown."""
    return {
        "name": name,
        "title": regulation.title,
        "because": regulation.pack.because,
        "sources": [source.model_dump() for source in regulation.sources],
        "duties": [
            {**duty.model_dump(mode="json"), "does": FEATURES[duty.enforced_by][0]} for duty in regulation.duties
        ],
        "demands": list(demands(regulation.pack)),
        "used_by": None if uses is None else uses.get(name, []),
    }
