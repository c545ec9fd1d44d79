"""The router as a pure function from a batch of messages and a time to a batch of outputs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import chain
from typing import Any, Protocol

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from policy.compiled import CompiledPolicy, Forced, Group, compile_policy
from policy.load import parse
from policy.words import Route
from processors.router import attributes, coin, dead_letters, envelope, plausible
from processors.router.breaker import Breaker
from processors.router.calibration import calibrate
from processors.router.state import RouterState
from schemas import avro_schemas, catalogue
from schemas.columns import FASTEST, Bad, Decoder, Engine

Codes = NDArray[np.int32]


class Message(Protocol):
    """What the router reads of a Kafka message."""

    def topic(self) -> Any: ...
    def partition(self) -> Any: ...
    def offset(self) -> Any: ...
    def key(self) -> Any: ...
    def value(self) -> Any: ...
    def headers(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Outputs:
    """Records to produce, as columns of equal length `count`; `headers` may be lazy. `counts`: records by topic."""

    topics: Sequence[str]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Iterable[Any]
    count: int
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """`audit_key`: secret of 16 bytes. `max_bad_share`: of the latest messages, above which the router stops."""

    audit_key: bytes
    # One half: a single broken producer among several healthy ones goes to the dead letters, a broken
    # deployment of all of them, or of the router's own schema, stops.
    max_bad_share: float = 0.5
    engine: Engine = FASTEST


@dataclass(frozen=True, slots=True)
class _Plan:
    """A group of one policy."""

    group: Group
    policy_version: str
    calibrated: bool


class Router:
    """Routes batches under a state that changes between them."""

    def __init__(self, state: RouterState, settings: RouterSettings) -> None:
        self._state = state
        self._settings = settings
        self._decoder = Decoder("Decision", avro_schemas.routing_prefix_text(), settings.engine)
        self._breaker = Breaker(settings.max_bad_share)
        default = files("policy").joinpath("default.yaml").read_text()
        self._nobody = compile_policy(parse(default, "policy/default.yaml"))

    def process(self, messages: Sequence[Message], now: int) -> Outputs:
        """The outputs of one batch; `now` in microseconds since the epoch.

        Every message becomes exactly one record of a route topic, with a second one in `reviews.async` where it
        takes effect and is reviewed as well, or exactly one dead letter. Raises TooManyBadMessages.
        """
        decoded = self._decoder.decode([message.value() for message in messages])
        rows, bodies, bad = decoded.rows, decoded.bodies, decoded.bad
        good = messages if decoded.index is None else [messages[i] for i in decoded.index]
        keys = [message.key() for message in good]
        refused = plausible.unusable(rows, keys, decoded.index or range(len(messages)))
        if refused:
            out = {one.row for one in refused}
            kept = [i for i in range(len(good)) if i not in out]
            rows = rows.take(pa.array(kept, type=pa.int64()))
            good = [good[i] for i in kept]
            keys = [keys[i] for i in kept]
            bodies = [bodies[i] for i in kept]
            bad = sorted([*bad, *(one.bad for one in refused)], key=lambda one: one.index)
        self._breaker.observe(len(messages), len(bad))
        topics, values, twice = self._route(rows, bodies, now) if good else ([], [], [])
        again = catalogue.REVIEWS_ASYNC.name
        counts = _count(topics)
        for name, number in ((again, len(twice)), (catalogue.DEAD_LETTER.name, len(bad))):
            if number:
                counts[name] = counts.get(name, 0) + number
        return Outputs(
            topics=[*topics, *(again for _ in twice), *(catalogue.DEAD_LETTER.name for _ in bad)],
            keys=[*keys, *(keys[i] for i in twice), *(messages[one.index].key() for one in bad)],
            values=[*values, *(values[i] for i in twice), *(messages[one.index].value() for one in bad)],
            # Headers are fetched while producing, so that they die young: ten thousand lists of tuples kept
            # alive for a batch would set off the garbage collector again and again.
            headers=chain(
                (message.headers() for message in good),
                (good[i].headers() for i in twice),
                (_dead_letter_headers(messages[one.index], one) for one in bad),
            ),
            count=len(topics) + len(twice) + len(bad),
            counts=counts,
        )

    def _route(self, rows: pa.RecordBatch, bodies: list[bytes], now: int) -> tuple[list[str], list[bytes], list[int]]:
        """Topic and value of every row, and the rows that also go to review."""
        place = rows.schema.get_field_index("attributes")
        maps = rows.column(place)
        frame = pl.from_arrow(rows.remove_column(place))
        assert isinstance(frame, pl.DataFrame)
        forced = plausible.implausible(frame, now) + self._state.halts(frame)
        confidence, calibration, calibrations = calibrate(frame, self._state.calibrations)
        frame = frame.with_columns(raw_confidence=frame["confidence"], confidence=confidence)
        plan, plans = self._evaluate(frame, maps, forced)
        uncalibrated = np.array([not one.calibrated for one in plans])[plan]
        if uncalibrated.any():
            calibration[uncalibrated] = 0
            confidence = frame["raw_confidence"].zip_with(pl.Series(uncalibrated), confidence)
        audited = self._audited(rows.column("decision_id"), plan, plans)
        codes = (plan * len(calibrations) + calibration) * 2 + audited
        size = len(plans) * len(calibrations) * 2
        before, after, topic = [b""] * size, [b""] * size, [""] * size
        again = np.zeros(size, dtype=bool)
        for code in np.flatnonzero(np.bincount(codes, minlength=size)).tolist():
            which, audit = divmod(code, 2)
            which, calibrated = divmod(which, len(calibrations))
            group = plans[which].group
            takes_effect = group.route is Route.AUTO
            reviewed_anyway = not takes_effect or group.override_seconds is not None
            before[code], after[code] = envelope.encode(
                group,
                policy_version=plans[which].policy_version,
                calibration_version=calibrations[calibrated],
                audit=bool(audit),
                propensity=1.0 if reviewed_anyway else group.audit_rate,
                now=now,
            )
            topic[code] = catalogue.ROUTE_TOPICS[group.route].name
            again[code] = takes_effect and (audit or reviewed_anyway)
        order = codes.tolist()
        number = confidence.to_numpy().astype("<f8").tobytes()
        join = b"".join
        values = [
            join((before[code], number[at : at + 8], after[code], body))
            for code, at, body in zip(order, range(0, 8 * len(order), 8), bodies, strict=True)
        ]
        return [topic[code] for code in order], values, np.flatnonzero(again[codes]).tolist()

    def _evaluate(self, frame: pl.DataFrame, maps: pa.MapArray, forced: list[Forced]) -> tuple[Codes, list[_Plan]]:
        """Which plan holds for every row: each row is judged by the policy that owns its domain."""
        owners = self._state.policy_of()
        domain = frame["domain"]
        plan = np.zeros(len(frame), dtype=np.int32)
        plans: list[_Plan] = []
        left = np.ones(len(frame), dtype=bool)

        def judge(policy: CompiledPolicy, version: str, mine: NDArray[np.bool_], also: list[Forced]) -> None:
            everything = bool(mine.all())
            chosen = pl.Series(mine)
            part = frame if everything else frame.filter(chosen)
            part_maps = maps if everything else maps.filter(pa.array(mine))
            if not policy.use_calibration:
                part = part.with_columns(confidence=pl.col("raw_confidence"))
            part = part.with_columns(attributes.typed_columns(part_maps, policy.attributes))
            marks = also if everything else [Forced(f.reason, f.route, f.mask.filter(chosen)) for f in also]
            verdicts = policy.evaluate(part, marks)
            plan[mine] = verdicts.group + len(plans)
            plans.extend(_Plan(group, version, policy.use_calibration) for group in verdicts.groups)

        for name in sorted(self._state.policies):
            policy = self._state.policies[name]
            mine = domain.is_in([d for d, owner in owners.items() if owner is policy]).to_numpy() & left
            if mine.any():
                judge(policy, policy.version, mine, forced)
                left &= ~mine
        if left.any():
            ambiguous = domain.is_in([d for d, owner in owners.items() if owner is None])
            two = [Forced("ambiguous-domain", Route.MANUAL, ambiguous)] if ambiguous.any() else []
            judge(self._nobody, "", left, forced + two)
        return plan, plans

    def _audited(self, ids: pa.StringArray, plan: Codes, plans: list[_Plan]) -> NDArray[np.bool_]:
        """Which rows the audit coin picked, among those that would take effect unseen."""
        picked = np.zeros(len(plan), dtype=bool)
        rates = np.array([one.group.audit_rate for one in plans])
        for rate in np.unique(rates[rates > 0]):
            rows = np.flatnonzero(rates[plan] == rate)
            if len(rows):
                picked[rows] = coin.flip(ids.take(pa.array(rows)), self._settings.audit_key, float(rate))
        return picked


def _count(topics: list[str]) -> dict[str, int]:
    return {topic.name: n for topic in catalogue.ROUTE_TOPICS if (n := topics.count(topic.name))}


def _dead_letter_headers(message: Message, bad: Bad) -> list[tuple[str, bytes | None]]:
    return dead_letters.error_headers(
        message.headers(),
        reason=bad.reason,
        message=bad.message,
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
    )
