"""The router as a pure function from a batch of messages and a time to a batch of outputs."""

import struct
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import chain, repeat
from operator import attrgetter

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from interlock.policy.attributes import from_strings
from interlock.policy.compiled import CompiledPolicy, Evaluation, ForcedRoute, Treatment, compile_policy
from interlock.policy.load import parse
from interlock.policy.vocabulary import Route
from interlock.processors.events import Event
from interlock.processors.records import Message, OutputColumns
from interlock.processors.router import attributes, audit_sampling, candidates, envelope, repeats, validation
from interlock.processors.router.breaker import Breaker
from interlock.processors.router.calibration import calibrate
from interlock.processors.router.reading import Reader
from interlock.processors.router.repeats import History, Repeats
from interlock.processors.router.state import RouterState
from interlock.schemas import catalogue, wire
from interlock.schemas.columns import FASTEST, Bad, Engine
from interlock.schemas.dead_letters import DeadLetter, Source, by_reference, dead_letter
from interlock.schemas.reasons import ACTIVE_POOL, AMBIGUOUS_DOMAIN

# Of every row an index into some list.
Indexes = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class RouterOutputs(OutputColumns):
    """`counts`: records by topic; `bad`: dead letters by reason; `repeated`: decisions that came again unchanged;
    `routed`: the messages of the first rows, in order."""

    counts: dict[str, int]
    bad: dict[str, int]
    repeated: int
    routed: Sequence[Message]

    def instead_of(self, row: int) -> tuple[str, DeadLetter] | None:
        """What to write instead of a row that is larger than a record may be; None for the copy of one that was."""
        if row >= len(self.routed):
            return None
        source = Source.of(self.routed[row])
        letter = by_reference(source, "with its envelope it is larger than a routed decision may be", "router")
        return catalogue.DEAD_LETTER.name, letter


@dataclass(frozen=True, slots=True)
class RouterSettings:
    """`audit_key`: secret of 16 bytes. `max_bad_share`: of the latest messages, above which the router stops.
    `remembered_ids`: of how many latest decisions a repetition is recognised at least."""

    audit_key: bytes
    # One half: a single broken producer among several healthy ones goes to the dead letters, a broken
    # deployment of all of them, or of the router's own schema, stops.
    max_bad_share: float = 0.5
    engine: Engine = FASTEST
    # 42 MB at most, and some two seconds of reading at a start; half a day at ten decisions a second.
    remembered_ids: int = 500_000


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one policy does with its rows of one treatment."""

    treatment: Treatment
    policy_version: str
    use_calibration: bool
    trial: candidates.Trial = candidates.NO_TRIAL


@dataclass(frozen=True, slots=True)
class _Routed:
    """Topic and value of every readable row; `copied`: rows that go to review as well, `copies`: their values there.

    `counts`: the first records by topic, without the copies.
    """

    topics: Iterable[str]
    values: Iterable[bytes]
    copied: list[int]
    copies: list[bytes]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class _EnvelopeNumbers:
    """Numbers every combination of plan, calibration and draw: rows with the same number have the same envelope."""

    plans: int
    calibrations: int

    @property
    def count(self) -> int:
        return self.plans * self.calibrations * audit_sampling.DRAWS

    def encode(self, plan: Indexes, calibration: Indexes, draw: Indexes) -> Indexes:
        """The number of every row."""
        return (plan * self.calibrations + calibration) * audit_sampling.DRAWS + draw

    def decode(self, number: int) -> tuple[int, int, int]:
        """Plan, calibration and draw of a number."""
        plan_and_calibration, draw = divmod(number, audit_sampling.DRAWS)
        plan, calibration = divmod(plan_and_calibration, self.calibrations)
        return plan, calibration, draw


@dataclass(frozen=True, slots=True)
class _Envelopes:
    """By envelope number: the topic, the bytes before and after the confidence, and whether a copy goes to review."""

    topics: list[str]
    before: list[bytes]
    after: list[bytes]
    copied: NDArray[np.bool_]


_NOTHING = _Routed((), (), [], [], {})


def _no_history(_partition: int, _start: int, _end: int) -> Iterable[Sequence[Message]]:
    return ()


class Router:
    """Routes batches under a state that changes between them."""

    def __init__(self, state: RouterState, settings: RouterSettings, history: History = _no_history) -> None:
        """`history`: reads decisions again that were read before this router had their partition."""
        self._state = state
        self._settings = settings
        self._history = history
        self._reader = Reader(settings.engine)
        self._breaker = Breaker(settings.max_bad_share)
        self._repeats = Repeats(settings.remembered_ids)
        self._unread: dict[int, int] = {}
        default = files("interlock.policy").joinpath("default.yaml").read_text()
        self._unowned = compile_policy(parse(default, "policy/default.yaml"))

    def assigned(self, partitions: Collection[int]) -> None:
        """The next batches have messages of these partitions too, which another router may have read before."""
        # The ids of all partitions together fit into what is remembered.
        share = self._settings.remembered_ids // max(1, len(partitions))
        self._unread.update(dict.fromkeys(partitions, share))

    def process(self, messages: Sequence[Message], now: int) -> RouterOutputs:
        """The outputs of one batch; `now` in microseconds since the epoch.

        Every message becomes exactly one record of a route topic, with a second one in `reviews.async` where it
        takes effect and is reviewed as well, or one of `decisions.shadow`, or exactly one dead letter; or, being the
        same as an earlier one, nothing. Raises TooManyBadMessagesError, and what `history` raises.
        """
        if self._unread:
            self._read_history(messages)
        read = self._reader.read(messages)
        repeated = self._repeats.find(read)
        alerts = repeats.alerts(read, repeated.contradictions, now)
        bad = sorted([*read.bad, *(bad for _, bad in repeated.contradictions)], key=attrgetter("index"))
        # What cannot be looked up at present says nothing about the producers: it must not stop the router for all.
        unavailable = sum(problem.reason == "schema-unavailable" for problem in bad)
        self._breaker.observe(len(messages), len(bad) - unavailable)
        read = read.without(repeated.rows)
        good, keys = read.messages, read.keys
        routed = self._route(read.rows, read.bodies, now) if good else _NOTHING
        review, dead_letters = catalogue.REVIEWS_ASYNC.name, catalogue.DEAD_LETTER.name
        others = [
            *((dead_letters, *_dead_letter(messages[problem.index], problem)) for problem in bad),
            *map(_alert, alerts),
        ]
        added = Counter([*repeat(review, len(routed.copied)), *(topic for topic, *_ in others)])
        # Values are created as they are written and freed at once: ten thousand, alive for a whole batch, cost cache
        # misses. A message keeps its headers anyway, once they have been read.
        return RouterOutputs(
            topics=chain(routed.topics, repeat(review, len(routed.copied)), (topic for topic, *_ in others)),
            keys=chain(keys, (keys[row] for row in routed.copied), (key for _, key, *_ in others)),
            values=chain(routed.values, routed.copies, (value for _, _, value, _ in others)),
            headers=chain(
                read.headers, (read.headers[row] for row in routed.copied), (headers for *_, headers in others)
            ),
            count=len(good) + len(routed.copied) + len(others),
            counts=dict(Counter(routed.counts) + added),
            bad=Counter(problem.reason for problem in bad),
            repeated=len(repeated.rows) - len(repeated.contradictions),
            routed=good,
        )

    def _read_history(self, messages: Sequence[Message]) -> None:
        """Remembers what stands before a batch, in partitions that were assigned since the one before."""
        starts: dict[int, int] = {}
        for message in messages:
            starts.setdefault(message.partition(), message.offset())
        for partition in sorted(self._unread.keys() & starts.keys()):
            end = starts[partition]
            for part in self._history(partition, max(0, end - self._unread[partition]), end):
                self._repeats.find(self._reader.read(part))
            del self._unread[partition]

    @property
    def bad_share(self) -> float:
        """The share of bad messages among the latest ones, 0 to 1."""
        return self._breaker.share

    def _route(self, rows: pa.RecordBatch, bodies: Sequence[bytes], now: int) -> _Routed:
        attributes_index = rows.schema.get_field_index("attributes")
        maps = rows.column(attributes_index)
        frame = pl.from_arrow(rows.remove_column(attributes_index))
        assert isinstance(frame, pl.DataFrame)
        forced = validation.flag(rows, now) + self._state.halts(frame)
        confidence, calibration_of_row, calibration_versions = calibrate(frame, self._state.calibrations)
        raw = frame.drop_in_place("confidence")
        # hstack, because with_columns builds and plans a query, which costs a small batch 0.3 ms.
        frame = frame.hstack([raw.alias("raw_confidence"), confidence.alias("confidence")])
        plan_of_row, plans = self._evaluate(frame, rows.column("domain"), maps, forced)
        if self._state.candidates:
            self._try_candidates(frame, rows, maps, forced, plan_of_row, plans)
        uncalibrated = np.array([not plan.use_calibration for plan in plans])[plan_of_row]
        if len(calibration_versions) > 1 and uncalibrated.any():
            calibration_of_row[uncalibrated] = 0
            confidence = frame["raw_confidence"].zip_with(pl.Series(uncalibrated), confidence)
        draw_of_row = self._draw(rows.column("decision_id"), plan_of_row, plans)
        numbers = _EnvelopeNumbers(len(plans), len(calibration_versions))
        number_of_row = numbers.encode(plan_of_row, calibration_of_row, draw_of_row)
        sizes = np.bincount(number_of_row, minlength=numbers.count)
        envelopes = _envelopes(numbers, np.flatnonzero(sizes).tolist(), plans, calibration_versions, now)
        return _spliced(envelopes, number_of_row, sizes, confidence, bodies)

    def _evaluate(
        self, frame: pl.DataFrame, domains: pa.StringArray, maps: pa.MapArray, forced: list[ForcedRoute]
    ) -> tuple[Indexes, list[_Plan]]:
        """The plan of every row, by the policy that owns its domain."""
        encoded = domains.dictionary_encode()
        domain_names = encoded.dictionary.to_pylist()
        owners = self._state.policy_of()
        policy_names = sorted({policy.name for domain in domain_names if (policy := owners.get(domain))})
        ambiguous = [domain for domain in domain_names if domain in owners and owners[domain] is None]
        # After the last policy comes that of unowned domains: a person decides what no policy owns, or more than one.
        # Of the latter each has a place of its own, because each demands something else of people.
        unowned = len(policy_names)
        place = {domain: unowned + number for number, domain in enumerate(ambiguous, 1)}
        policy_of_domain = [
            policy_names.index(policy.name) if (policy := owners.get(domain)) else place.get(domain, unowned)
            for domain in domain_names
        ]
        policy_of_row = np.array(policy_of_domain)[encoded.indices.to_numpy()]
        if ambiguous:
            forced = [*forced, ForcedRoute(AMBIGUOUS_DOMAIN, Route.MANUAL, frame["domain"].is_in(ambiguous))]
        plan_of_row = np.zeros(len(frame), dtype=np.int32)
        plans: list[_Plan] = []
        for index in sorted(set(policy_of_domain)):
            mask = policy_of_row == index
            policy = self._unowned if index >= unowned else self._state.policies[policy_names[index]]
            evaluation = _evaluate_rows(policy, frame, maps, forced, mask)
            plan_of_row[mask] = evaluation.index + len(plans)
            version = "" if index >= unowned else policy.version
            treatments = evaluation.treatments
            if index > unowned:
                joint = self._state.joint_duties(ambiguous[index - unowned - 1])
                treatments = [replace(treatment, duties=joint) for treatment in treatments]
            plans.extend(_Plan(treatment, version, policy.use_calibration) for treatment in treatments)
        return plan_of_row, plans

    def _try_candidates(
        self,
        frame: pl.DataFrame,
        rows: pa.RecordBatch,
        maps: pa.MapArray,
        forced: list[ForcedRoute],
        plan_of_row: Indexes,
        plans: list[_Plan],
    ) -> None:
        """Asks candidates about the rows of their domains, which get plans, added to `plans`, that tell of both."""
        owners = self._state.policy_of()
        encoded = rows.column("domain").dictionary_encode()
        names = np.array([self._state.candidate_of(name, owners) for name in encoded.dictionary.to_pylist()])
        name_of_row = names[encoded.indices.to_numpy()]
        for name in sorted(set(names.tolist()) - {""}):
            candidate = self._state.candidates[name]
            mask = name_of_row == name
            evaluation = _evaluate_rows(candidate.policy, frame, maps, forced, mask)
            ids = rows.column("decision_id").filter(pa.array(mask))
            share = candidate.share_beside(self._state.policies.get(name))
            decides = candidates.in_share(ids, self._settings.audit_key, share)
            # Every combination of what the policy in force says, what the candidate says, and who decides.
            combined = (plan_of_row[mask] * np.int64(len(evaluation.treatments)) + evaluation.index) * 2 + decides
            kinds, kind_of_row = np.unique(combined, return_inverse=True)
            plan_of_row[mask] = kind_of_row + len(plans)
            for kind in kinds.tolist():
                live, asked = divmod(kind // 2, len(evaluation.treatments))
                plans.append(_tried(plans[live], evaluation.treatments[asked], candidate.policy, kind % 2 == 1))

    def _draw(self, ids: pa.StringArray, plan_of_row: Indexes, plans: list[_Plan]) -> Indexes:
        """What the audit coin says of the rows that would take effect unseen; UNSEEN for all others."""
        draws = np.full(len(plan_of_row), audit_sampling.UNSEEN, dtype=np.int32)
        chances = [(plan.treatment.audit_rate, plan.treatment.pool) for plan in plans]
        for rate, pool in sorted({chance for chance in chances if chance[0] > 0}):
            rows = np.flatnonzero(np.array([chance == (rate, pool) for chance in chances])[plan_of_row])
            if len(rows):
                draws[rows] = audit_sampling.draw(ids.take(pa.array(rows)), self._settings.audit_key, rate, pool)
        return draws


def _tried(live: _Plan, asked: Treatment, candidate: CompiledPolicy, by_candidate: bool) -> _Plan:
    """The plan of one of both policies, with what the other says."""
    trial = candidates.trial(candidate, asked, live.treatment)
    if by_candidate:
        return _Plan(asked, candidate.version, candidate.use_calibration, trial)
    return replace(live, trial=trial)


def _evaluate_rows(
    policy: CompiledPolicy, frame: pl.DataFrame, maps: pa.MapArray, forced: list[ForcedRoute], mask: NDArray[np.bool_]
) -> Evaluation:
    """The treatments by one policy of the rows in `mask`."""
    if not mask.all():
        series = pl.Series(mask)
        frame = frame.filter(series)
        maps = maps.filter(pa.array(mask))
        forced = [ForcedRoute(route.reason, route.route, route.mask.filter(series)) for route in forced]
    if not policy.use_calibration:
        frame = frame.drop("confidence").hstack([frame["raw_confidence"].alias("confidence")])
    if policy.attributes:
        texts = attributes.columns(maps, policy.attributes)
        frame = frame.hstack(from_strings(texts, policy.attributes, policy.asked_attributes))
    return policy.evaluate(frame, forced)


def _envelopes(
    numbers: _EnvelopeNumbers, used: list[int], plans: list[_Plan], calibration_versions: list[str], now: int
) -> _Envelopes:
    """The envelopes of the numbers in `used`; the others stay empty."""
    topics, before, after = [""] * numbers.count, [b""] * numbers.count, [b""] * numbers.count
    copied = np.zeros(numbers.count, dtype=bool)
    for number in used:
        plan_index, calibration_index, draw = numbers.decode(number)
        plan = plans[plan_index]
        treatment = plan.treatment
        audit = draw == audit_sampling.AUDITED
        takes_effect = treatment.route is Route.AUTO and not treatment.shadow
        waits_for_a_person = not (takes_effect or treatment.shadow)
        # Whatever the coin says: people may look at it, and object.
        open_to_objections = treatment.override_seconds is not None
        if draw == audit_sampling.POOLED:
            treatment = replace(treatment, reasons=(*treatment.reasons, ACTIVE_POOL))
        before[number], after[number] = envelope.encode(
            treatment,
            policy_version=plan.policy_version,
            trial=plan.trial,
            calibration_version=calibration_versions[calibration_index],
            audit=audit,
            propensity=1.0 if waits_for_a_person else treatment.audit_rate,
            now=now,
        )
        topics[number] = (catalogue.SHADOW if treatment.shadow else catalogue.ROUTE_TOPICS[treatment.route]).name
        copied[number] = takes_effect and (audit or open_to_objections)
    return _Envelopes(topics, before, after, copied)


def _spliced(
    envelopes: _Envelopes,
    number_of_row: Indexes,
    sizes: NDArray[np.intp],
    confidence: pl.Series,
    bodies: Sequence[bytes],
) -> _Routed:
    """Every decision's bytes in its envelope. `sizes`: how many rows have each envelope number."""
    confidences = struct.unpack("8s" * len(bodies), confidence.to_numpy().astype("<f8").tobytes())
    numbers = number_of_row.tolist()
    before = map(envelopes.before.__getitem__, numbers)
    after = map(envelopes.after.__getitem__, numbers)
    copied = np.flatnonzero(envelopes.copied[number_of_row]).tolist()
    counts: dict[str, int] = {}
    for topic, size in zip(envelopes.topics, sizes.tolist(), strict=True):
        if size:
            counts[topic] = counts.get(topic, 0) + size
    return _Routed(
        topics=map(envelopes.topics.__getitem__, numbers),
        values=map(b"".join, zip(before, confidences, after, bodies, strict=True)),
        copied=copied,
        copies=[
            b"".join((envelopes.before[numbers[row]], confidences[row], envelopes.after[numbers[row]], bodies[row]))
            for row in copied
        ],
        counts=counts,
    )


def _alert(event: Event) -> tuple[str, bytes, bytes, None]:
    assert event.record is not None
    return event.topic.name, event.key.encode(), wire.encode("Alert", event.record), None


def _dead_letter(message: Message, bad: Bad) -> DeadLetter:
    return dead_letter(Source.of(message), bad.reason, bad.message, "router")
