"""The published policies: the one in force for a domain, and the one that routed a decision."""

import threading

from interlock.policy.model import Policy
from interlock.policy.review import owner
from interlock.policy.version import from_resolved
from interlock.schemas import catalogue, wire
from interlock.schemas.keys import check_key
from interlock.streams.ports import Broker
from interlock.streams.tables import newest


class Policies:
    """Reads the topic again when it meets a version it does not know; safe to share between threads."""

    def __init__(self, broker: Broker) -> None:
        """Raises KafkaException."""
        self._broker = broker
        self._lock = threading.Lock()
        self._in_force: dict[str, Policy] = {}
        self._by_version: dict[str, Policy | None] = {}
        self._read()

    @property
    def in_force(self) -> dict[str, Policy]:
        """By name."""
        with self._lock:
            return dict(self._in_force)

    def refresh(self) -> None:
        """Reads the topic again. Raises KafkaException."""
        with self._lock:
            self._read()

    def owner(self, domain: str) -> Policy | None:
        """The policy in force for a domain: its outcomes and reason codes hold for verdicts."""
        return owner(self.in_force, domain)

    def routed_by(self, version: str) -> Policy | None:
        """The policy of a version; None if there is none, or if Kafka has forgotten it since it was replaced."""
        with self._lock:
            if version and version not in self._by_version:
                self._read()
                self._by_version.setdefault(version, None)  # one read for an unknown version, not one for each task
            return self._by_version.get(version)

    def _read(self) -> None:
        def read(name: str, value: bytes) -> Policy:
            record = wire.decode("PolicyVersion", value)
            policy = from_resolved(record["resolved"])
            check_key(name, record["name"], policy.name)
            self._by_version[record["version"]] = policy
            return policy

        def remember(name: str, value: bytes) -> None:
            record = wire.decode("PolicyCandidate", value)
            policy = from_resolved(record["resolved"])
            check_key(name, record["name"], policy.name)
            self._by_version[record["version"]] = policy

        # What a share of the decisions is routed by, without being in force.
        newest(self._broker, catalogue.POLICY_CANDIDATES.name, remember)
        self._in_force = newest(self._broker, catalogue.POLICIES.name, read)
