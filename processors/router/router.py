"""The router as a pure function from a batch of messages and a time to a batch of outputs."""

import struct
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import chain, repeat
from operator import methodcaller

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from interlock.policy.attributes import from_strings
from interlock.policy.compiled import CompiledPolicy, ForcedRoute, Treatment, Verdicts, compile_policy
from interlock.policy.load import parse
from interlock.policy.vocabulary import Route
from interlock.processors.records import Message, OutputColumns
from interlock.processors.router import attributes, envelope
from interlock.processors.router import audit_sampling as coin
from interlock.processors.router import validation as plausible
from interlock.processors.router.breaker import Breaker
from interlock.processors.router.calibration import calibrate
from interlock.processors.router.state import RouterState
from interlock.schemas import avro_schemas, catalogue
from interlock.schemas.columns import FASTEST, Bad, Decoder, Engine
from interlock.schemas.error_headers import dead_letter_headers
from interlock.schemas.reasons import ACTIVE_POOL, AMBIGUOUS_DOMAIN

Codes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class RouterOutputs(OutputColumns):
    """`counts`: records by topic; `bad`: dead letters by reason."""

    counts: dict[str, int]
    bad: dict[str, int]


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

    group: Treatment
    policy_version: str
    calibrated: bool


@dataclass(frozen=True, slots=True)
class _Routed:
    """Topic and value of every readable row; `twice`: rows that also go to review, with their values."""

    topics: Iterable[str]
    values: Iterable[bytes]
    twice: list[int]
    values_again: list[bytes]
    counts: dict[str, int]


_NOTHING = _Routed((), (), [], [], {})

_headers = methodcaller("headers")
_key = methodcaller("key")
_value = methodcaller("value")


class Router:
    """Routes batches under a state that changes between them."""

    def __init__(self, state: RouterState, settings: RouterSettings) -> None:
        self._state = state
        self._settings = settings
        self._decoder = Decoder("Decision", avro_schemas.routing_prefix_text(), settings.engine)
        self._breaker = Breaker(settings.max_bad_share)
        default = files("interlock.policy").joinpath("default.yaml").read_text()
        self._nobody = compile_policy(parse(default, "policy/default.yaml"))

    def process(self, messages: Sequence[Message], now: int) -> RouterOutputs:
        """The outputs of one batch; `now` in microseconds since the epoch.

        Every message becomes exactly one record of a route topic, with a second one in `reviews.async` where it
        takes effect and is reviewed as well, or one of `decisions.shadow`, or exactly one dead letter. Raises
        TooManyBadMessages.
        """
        decoded = self._decoder.decode(list(map(_value, messages)))
        rows, bodies, bad = decoded.rows, decoded.bodies, decoded.bad
        good = messages if decoded.index is None else [messages[i] for i in decoded.index]
        keys = list(map(_key, good))
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
        routed = self._route(rows, bodies, now) if good else _NOTHING
        again = catalogue.REVIEWS_ASYNC.name
        counts = dict(routed.counts)
        for name, number in ((again, len(routed.twice)), (catalogue.DEAD_LETTER.name, len(bad))):
            if number:
                counts[name] = counts.get(name, 0) + number
        # Values and headers are made while they are written, so that they die young: ten thousand of each kept
        # alive for a batch cost cache misses and set off the garbage collector.
        return RouterOutputs(
            topics=chain(routed.topics, repeat(again, len(routed.twice)), repeat(catalogue.DEAD_LETTER.name, len(bad))),
            keys=chain(keys, (keys[i] for i in routed.twice), (messages[one.index].key() for one in bad)),
            values=chain(routed.values, routed.values_again, (messages[one.index].value() for one in bad)),
            headers=chain(
                map(_headers, good),
                (good[i].headers() for i in routed.twice),
                (_dead_letter_headers(messages[one.index], one) for one in bad),
            ),
            count=len(good) + len(routed.twice) + len(bad),
            counts=counts,
            bad=Counter(one.reason for one in bad),
        )

    @property
    def bad_share(self) -> float:
        """The share of bad messages among the latest ones, 0 to 1."""
        return self._breaker.share

    def _route(self, rows: pa.RecordBatch, bodies: list[bytes], now: int) -> _Routed:
        place = rows.schema.get_field_index("attributes")
        maps = rows.column(place)
        frame = pl.from_arrow(rows.remove_column(place))
        assert isinstance(frame, pl.DataFrame)
        forced = plausible.implausible(rows, now) + self._state.halts(frame)
        confidence, calibration, calibrations = calibrate(frame, self._state.calibrations)
        raw = frame.drop_in_place("confidence")
        # hstack, because with_columns builds and plans a query, which costs a small batch 0.3 ms.
        frame = frame.hstack([raw.alias("raw_confidence"), confidence.alias("confidence")])
        plan, plans = self._evaluate(frame, rows.column("domain"), maps, forced)
        uncalibrated = np.array([not one.calibrated for one in plans])[plan]
        if len(calibrations) > 1 and uncalibrated.any():
            calibration[uncalibrated] = 0
            confidence = frame["raw_confidence"].zip_with(pl.Series(uncalibrated), confidence)
        drawn = self._drawn(rows.column("decision_id"), plan, plans)
        codes = (plan * len(calibrations) + calibration) * 3 + drawn
        size = len(plans) * len(calibrations) * 3
        before, after, topic = [b""] * size, [b""] * size, [""] * size
        again = np.zeros(size, dtype=bool)
        counts: dict[str, int] = {}
        sizes = np.bincount(codes, minlength=size)
        for code in np.flatnonzero(sizes).tolist():
            which, draw = divmod(code, 3)
            which, calibrated = divmod(which, len(calibrations))
            group = plans[which].group
            audit = draw == coin.AUDITED
            takes_effect = group.route is Route.AUTO and not group.shadow
            reviewed_anyway = not (takes_effect or group.shadow) or group.override_seconds is not None
            if draw == coin.POOLED:
                group = replace(group, reasons=(*group.reasons, ACTIVE_POOL))
            before[code], after[code] = envelope.encode(
                group,
                policy_version=plans[which].policy_version,
                calibration_version=calibrations[calibrated],
                audit=audit,
                propensity=1.0 if reviewed_anyway else group.audit_rate,
                now=now,
            )
            topic[code] = (catalogue.SHADOW if group.shadow else catalogue.ROUTE_TOPICS[group.route]).name
            counts[topic[code]] = counts.get(topic[code], 0) + int(sizes[code])
            again[code] = takes_effect and (audit or reviewed_anyway)
        numbers = struct.unpack("8s" * len(bodies), confidence.to_numpy().astype("<f8").tobytes())
        order = codes.tolist()

        def value(row: int) -> bytes:
            return b"".join((before[order[row]], numbers[row], after[order[row]], bodies[row]))

        joined = zip(map(before.__getitem__, order), numbers, map(after.__getitem__, order), bodies, strict=True)
        twice = np.flatnonzero(again[codes]).tolist()
        return _Routed(
            topics=map(topic.__getitem__, order),
            values=map(b"".join, joined),
            twice=twice,
            values_again=[value(row) for row in twice],
            counts=counts,
        )

    def _evaluate(
        self, frame: pl.DataFrame, domains: pa.StringArray, maps: pa.MapArray, forced: list[ForcedRoute]
    ) -> tuple[Codes, list[_Plan]]:
        """Which plan holds for every row: each row is judged by the policy that owns its domain."""
        encoded = domains.dictionary_encode()
        names = encoded.dictionary.to_pylist()
        owners = self._state.policy_of()
        judges = sorted({policy.name for name in names if (policy := owners.get(name))})
        # The last judge is nobody: a person decides about what no policy owns, or more than one.
        judge_of_name = [judges.index(p.name) if (p := owners.get(name)) else len(judges) for name in names]
        judge = np.array(judge_of_name)[encoded.indices.to_numpy()]
        ambiguous = [name for name in names if name in owners and owners[name] is None]
        if ambiguous:
            forced = [*forced, ForcedRoute(AMBIGUOUS_DOMAIN, Route.MANUAL, frame["domain"].is_in(ambiguous))]
        plan = np.zeros(len(frame), dtype=np.int32)
        plans: list[_Plan] = []
        for number in sorted(set(judge_of_name)):
            mine = judge == number
            policy = self._state.policies[judges[number]] if number < len(judges) else self._nobody
            verdicts = _judge(policy, frame, maps, forced, mine)
            plan[mine] = verdicts.group + len(plans)
            version = policy.version if number < len(judges) else ""
            plans.extend(_Plan(group, version, policy.use_calibration) for group in verdicts.groups)
        return plan, plans

    def _drawn(self, ids: pa.StringArray, plan: Codes, plans: list[_Plan]) -> Codes:
        """What the audit coin says of the rows that would take effect unseen; UNSEEN for all others."""
        drawn = np.zeros(len(plan), dtype=np.int32)
        chances = [(one.group.audit_rate, one.group.pool) for one in plans]
        for rate, pool in sorted({one for one in chances if one[0] > 0}):
            rows = np.flatnonzero(np.array([one == (rate, pool) for one in chances])[plan])
            if len(rows):
                drawn[rows] = coin.draw(ids.take(pa.array(rows)), self._settings.audit_key, rate, pool)
        return drawn


def _judge(
    policy: CompiledPolicy, frame: pl.DataFrame, maps: pa.MapArray, forced: list[ForcedRoute], mine: NDArray[np.bool_]
) -> Verdicts:
    """The verdicts of one policy on the rows that are `mine`."""
    if not mine.all():
        chosen = pl.Series(mine)
        frame = frame.filter(chosen)
        maps = maps.filter(pa.array(mine))
        forced = [ForcedRoute(one.reason, one.route, one.mask.filter(chosen)) for one in forced]
    if not policy.use_calibration:
        frame = frame.drop("confidence").hstack([frame["raw_confidence"].alias("confidence")])
    if policy.attributes:
        frame = frame.hstack(from_strings(attributes.columns(maps, policy.attributes), policy.attributes))
    return policy.evaluate(frame, forced)


def _dead_letter_headers(message: Message, bad: Bad) -> list[tuple[str, bytes | None]]:
    return dead_letter_headers(message, bad.reason, bad.message, "router")
