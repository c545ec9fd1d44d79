"""Signs the ends of the chains that a sink keeps, again and again, and writes them where others find them."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from interlock.operations.audit_trail import newest_anchor
from interlock.schemas import catalogue
from interlock.sinks.trail.anchors import AnchorSigner, ChainName, signed_anchor
from interlock.streams.ports import Broker

log = structlog.get_logger()

Heads = Mapping[ChainName, tuple[int, bytes]]


class Anchoring:
    """Anchors of one sink. Not for several threads."""

    def __init__(
        self,
        signer: AnchorSigner,
        publish: Callable[[dict[str, Any]], None],
        *,
        name: str,
        previous: str,
        seconds: float,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`publish`: takes an anchor where others find it. `name`: of this process. `previous`: the latest anchor that
        is known. `seconds`: from one anchor to the next."""
        self._signer = signer
        self._publish = publish
        self._name = name
        self._previous = previous
        self._seconds = seconds
        self._monotonic = monotonic
        self._now = now
        self._signed: dict[ChainName, tuple[int, bytes]] = {}
        self._due = monotonic() + seconds

    def look(self, heads: Callable[[], Heads], *, last: bool = False) -> None:
        """Signs what has grown since the latest anchor, if it is time for one. `heads`: tells the ends of all chains.
        `last`: this process ends, and it is time in any case."""
        if not last and self._monotonic() < self._due:
            return
        self._due = self._monotonic() + self._seconds
        # The rows of this anchor become a head themselves: by themselves they are no reason for the next one.
        grown = {chain: head for chain, head in heads().items() if self._signed.get(chain) != head}
        if all(topic == catalogue.AUDIT_ANCHORS.name for _, topic, _ in grown):
            return
        try:
            record = signed_anchor(self._signer, grown, name=self._name, previous=self._previous, now=self._now())
            self._publish(record)
        except Exception as error:  # a signer of somebody else may raise anything
            log.error(
                "no anchor of the audit trail could be signed and written; tried again, and rows are stored meanwhile",
                reason=str(error),
                seconds=self._seconds,
            )
            return
        self._previous = record["anchor_id"]
        self._signed.update(grown)


def latest_anchor(broker: Broker) -> str:
    """The id of the newest anchor in Kafka, empty for none. Raises KafkaException."""
    newest = newest_anchor(broker)
    return str(newest["anchor_id"]) if newest else ""
