"""Invariant 1 by counting: every decision, however often it was sent, has exactly one route, or is a dead letter.

Records are told apart by their key, the decision id, as a 64-bit hash: eight bytes a record, so that millions fit.
Python keys its hash differently in every process, so a collision cannot be provoked.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from interlock.schemas import avro_schemas, catalogue
from interlock.schemas.columns import Decoder
from interlock.schemas.copy_headers import is_copy
from interlock.schemas.error_headers import read_error_headers
from interlock.schemas.headers import headers_of
from interlock.schemas.reasons import ACTIVE_POOL, PICKED
from interlock.sinks import dead_letters
from interlock.streams.ports import Message

Integers = NDArray[np.int64]

_REVIEWS = (catalogue.REVIEWS_ASYNC.name, catalogue.REVIEWS_SYNC.name, catalogue.REVIEWS_MANUAL.name)


@dataclass(frozen=True, slots=True)
class RouteCheck:
    """What became of the decisions that the router says it has read.

    `decisions`: how many records were judged. `repetitions`: those of them whose id was there already: the router
    routes an id once as long as it remembers it, and at most as often as it came. `missing`: ids that are neither
    routed nor dead letters. `doubled`: records too many.
    `unknown`: routed records and dead letters without a decision. `wrong_copies`: audits and post_approval decisions
    without exactly one copy in a review topic, copies of nothing, and what the sampler sent twice or was not left.
    `not_judged`: those whose other side Kafka no longer keeps. `wrong`: hashes of the keys concerned.
    """

    decisions: int
    repetitions: int
    routed: int
    copies: int
    dead_letters: int
    missing: int
    doubled: int
    unknown: int
    wrong_copies: int
    not_judged: int
    wrong: Integers = field(repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether invariant 1 holds."""
        return not (self.missing or self.doubled or self.unknown or self.wrong_copies)


class Decisions:
    """Collects the records of topic `decisions`."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Integers, Integers, Integers, Integers]] = []

    def add(self, messages: Sequence[Message]) -> None:
        self._pieces.append(
            (
                key_hashes(messages),
                np.array([message.partition() for message in messages], dtype=np.int64),
                np.array([message.offset() for message in messages], dtype=np.int64),
                np.array([message.timestamp()[1] for message in messages], dtype=np.int64),
            )
        )

    def columns(self) -> tuple[Integers, Integers, Integers, Integers]:
        """Key hash, partition, offset, timestamp (milliseconds) of every record."""
        hashes, partitions, offsets, times = zip(*self._pieces, strict=True) if self._pieces else ((), (), (), ())
        return _joined(hashes), _joined(partitions), _joined(offsets), _joined(times)


class Outputs:
    """Collects the records of the route topics, the shadow topic and the dead letters."""

    def __init__(self) -> None:
        self._routed: list[Integers] = []
        self._copied: list[Integers] = []
        self._copies: list[Integers] = []
        self._pool: list[Integers] = []
        self._picked: list[Integers] = []
        self._dead: list[tuple[int, int]] = []
        self._begun: set[tuple[str, int]] = set()
        self._horizon = -1

    def add(self, topic: str, messages: Sequence[Message]) -> None:
        """Takes a batch of one of those topics."""
        self._look_for_the_beginning(topic, messages)
        if topic == catalogue.DEAD_LETTER.name:
            for message in messages:
                source, partition, offset = dead_letters.source_of(read_error_headers(headers_of(message)))
                if source == catalogue.DECISIONS.name and partition is not None and offset is not None:
                    self._dead.append((partition, offset))
            return
        if topic in _REVIEWS:
            # Dead letters that were sent again and decisions that were filed again stand there a second time.
            messages = [message for message in messages if not is_copy(headers_of(message))]
            if not messages:
                return
        hashes = key_hashes(messages)
        if topic == catalogue.AUTO_APPROVED.name:
            flags = _flags(messages)
            self._copied.append(hashes[flags.reviewed])
            self._pool.append(hashes[flags.in_pool])
        elif topic == catalogue.REVIEWS_ASYNC.name:
            flags = _flags(messages)
            self._copies.append(hashes[flags.takes_effect & ~flags.picked])
            self._picked.append(hashes[flags.picked])
            hashes = hashes[~flags.takes_effect]
        elif topic == catalogue.REVIEWS_MANUAL.name:
            # What took effect unseen and was contested later is copied here, for the desk to take over.
            hashes = hashes[~_flags(messages).takes_effect]
        self._routed.append(hashes)

    def judge(self, decisions: Decisions, before: dict[int, int], after: dict[int, int]) -> RouteCheck:
        """`before`, `after`: the router's offsets by partition, before and after the outputs were read. The outputs of
        what lies before the first must be there; those of what lies between may."""
        keys, partitions, offsets, times = decisions.columns()
        positions = _positions(partitions, offsets)
        dead, dead_times = np.unique(
            _positions(*np.array(self._dead, dtype=np.int64).reshape(-1, 2).T), return_counts=True
        )
        alive = ~np.isin(positions, dead)
        read = offsets < _limits(partitions, before)
        due = read & (times >= self._horizon)
        possible = offsets < _limits(partitions, after)
        routed, copied, copies = _joined(self._routed), _joined(self._copied), _joined(self._copies)

        names, (must, may, actual) = _counts(keys[due & alive], keys[possible & alive], routed)
        missing = ((must > 0) & (actual == 0)).astype(np.int64)
        doubled = np.where(may > 0, np.maximum(actual - may, 0), 0)
        unknown = np.where(may == 0, actual, 0)
        letters_of_nothing = int(np.count_nonzero(~np.isin(dead, positions[possible])))
        not_judged = int(np.count_nonzero(read & ~due))
        if _is_cut_off(partitions, offsets):
            not_judged += int(unknown.sum()) + letters_of_nothing
            unknown, letters_of_nothing = np.zeros_like(unknown), 0

        judged = keys[due]
        copy_names, (should, are) = _counts(copied[np.isin(copied, judged)], copies[np.isin(copies, judged)])
        pool, picks = _joined(self._pool), _joined(self._picked)
        # Of a decision that its producer sent twice one is picked at most, as of any other.
        pick_names, (pickable, picked) = _counts(np.unique(pool), picks[np.isin(picks, judged)])
        overpicked = np.maximum(picked - pickable, 0)
        return RouteCheck(
            decisions=int(np.count_nonzero(due)),
            repetitions=int(np.maximum(must - 1, 0).sum()),
            routed=len(routed),
            copies=len(copies) + len(picks),
            dead_letters=int(dead_times.sum()),
            missing=int(missing.sum()),
            doubled=int(doubled.sum() + (dead_times - 1).sum()),
            unknown=int(unknown.sum()) + letters_of_nothing,
            wrong_copies=int(np.abs(should - are).sum() + overpicked.sum()),
            not_judged=not_judged,
            wrong=np.concatenate(
                [names[(missing + doubled + unknown) > 0], copy_names[should != are], pick_names[overpicked > 0]]
            ),
        )

    def _look_for_the_beginning(self, topic: str, messages: Sequence[Message]) -> None:
        """Where retention has removed the beginning of a partition, outputs older than its first record may be gone,
        and decisions older than that cannot be judged."""
        for message in messages:
            partition = (topic, message.partition())
            if partition not in self._begun:
                self._begun.add(partition)
                if message.offset() > 0:
                    self._horizon = max(self._horizon, message.timestamp()[1])


def key_hashes(messages: Sequence[Message]) -> Integers:
    """A hash of every record key."""
    return np.array([hash(message.key()) for message in messages], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Flags:
    """Of every routed record: whether it takes effect, is reviewed by the router's will although it does, was left to
    the sampler, and was picked. False for what cannot be read: it counts as the record of its topic."""

    takes_effect: NDArray[np.bool_]
    reviewed: NDArray[np.bool_]
    in_pool: NDArray[np.bool_]
    picked: NDArray[np.bool_]


def _flags(messages: Sequence[Message]) -> _Flags:
    decoded = _decoder().decode([message.value() for message in messages])
    rows = np.arange(len(messages)) if decoded.index is None else np.array(decoded.index, dtype=np.int64)
    automatic, reviewed, pool, picked = np.zeros((4, len(messages)), dtype=bool)
    automatic[rows] = pc.equal(decoded.rows["route"], "auto").to_numpy(zero_copy_only=False)
    overridable = pc.is_valid(decoded.rows["override_until"])
    reviewed[rows] = pc.or_(decoded.rows["audit"], overridable).to_numpy(zero_copy_only=False)
    reasons, parents = pc.list_flatten(decoded.rows["reasons"]), pc.list_parent_indices(decoded.rows["reasons"])
    pool[rows[parents.filter(pc.equal(reasons, ACTIVE_POOL)).to_numpy()]] = True
    picked[rows[parents.filter(pc.starts_with(reasons, PICKED)).to_numpy()]] = True
    return _Flags(automatic, automatic & reviewed, automatic & pool, automatic & picked)


@cache
def _decoder() -> Decoder:
    document = json.loads(avro_schemas.text("RoutedDecision"))
    names = [field["name"] for field in document["fields"]]
    document["fields"] = document["fields"][: names.index("override_until") + 1]
    return Decoder("RoutedDecision", json.dumps(document))


def _joined(pieces: Sequence[Integers]) -> Integers:
    return np.concatenate([np.empty(0, dtype=np.int64), *pieces])


def _positions(partitions: Integers, offsets: Integers) -> Integers:
    """One number for each partition and offset: offsets stay far below 2^47, partitions below 2^16."""
    return (partitions << 47) + offsets


def _limits(partitions: Integers, offsets: dict[int, int]) -> Integers:
    table = np.zeros(max(offsets, default=0) + 1, dtype=np.int64)
    for partition, offset in offsets.items():
        table[partition] = offset
    return table[partitions]


def _is_cut_off(partitions: Integers, offsets: Integers) -> bool:
    """Whether retention has removed the beginning of any partition."""
    return any(int(offsets[partitions == number].min()) > 0 for number in np.unique(partitions))


def _counts(*columns: Integers) -> tuple[Integers, list[Integers]]:
    """The different values of all columns together, and how often each occurs in each column."""
    names, indexes = np.unique(np.concatenate(columns), return_inverse=True)
    ends = np.cumsum([len(column) for column in columns])[:-1]
    return names, [np.bincount(piece, minlength=len(names)) for piece in np.split(indexes, ends)]
