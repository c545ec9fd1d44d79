"""A model on trial against the one that decides: the same cases found in the topics, and compared.

A pair is one decision of each version about the same case: the same value of attribute `pair` where a decision has it,
else the same subject and the same input. Where a case was decided several times, the first goes with the first, and so
on.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from interlock.learning.bounds import wilson
from interlock.learning.comparison import Comparison, Interval, compare
from interlock.schemas import catalogue, wire
from interlock.streams.ports import Broker, Message
from interlock.streams.tables import TableReader

PAIR = "pair"

_DECIDED = (*catalogue.ROUTE_TOPICS, catalogue.SHADOW)

# The first word that a person gives on a decision that routing chose; gold items and appeals are chosen otherwise.
_MEASURED = ("review", "audit", "post_approval")


@dataclass(frozen=True, slots=True)
class Decided:
    """What one version made of one case. `unseen`: it takes effect, and people see it only if the coin says so."""

    decision_id: str
    case: str
    created_at: int
    prediction: str
    auto: bool
    unseen: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said of a decision. `propensity`: the chance it had of being asked about; `blind`: the person did
    not see the prediction."""

    outcome: str
    propensity: float
    blind: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """Cases that both decided, old first; those that only one of them did; people's answers by decision id."""

    pairs: list[tuple[Decided, Decided]]
    only_old: int
    only_new: int
    answers: dict[str, Answer]


def read_trial(broker: Broker, domain: str, old: str, new: str) -> Trial:
    """The trial as the topics have it; `old` and `new` as model_id@model_version. Raises KafkaException."""
    decided: dict[str, dict[str, Decided]] = {old: {}, new: {}}
    # Telling a record apart by its bytes costs a thousandth of decoding it.
    words = [domain.encode(), *{one.rpartition("@")[0].encode() for one in decided}]
    for message in _records(broker, [topic.name for topic in _DECIDED]):
        value = message.value() or b""
        if words[0] not in value or not any(word in value for word in words[1:]):
            continue
        try:
            record = wire.decode_plain("RoutedDecision", value)
        except wire.WireError:
            continue
        decision = record["decision"]
        version = f"{decision['model_id']}@{decision['model_version']}"
        if decision["domain"] == domain and version in decided:
            # What takes effect and is reviewed stands in two topics.
            decided[version].setdefault(decision["decision_id"], _decided(record))
    pairs, only_old, only_new = _paired(decided[old].values(), decided[new].values())
    return Trial(pairs, only_old, only_new, _answers(broker, decided[old].keys() | decided[new].keys()))


def compared(trial: Trial, audit_rate: float) -> dict[str, Any]:
    """The comparison as JSON values, with 95 % intervals; None where nothing can be said.

    `audit_rate`: with which probability people see what takes effect unseen, of either version.
    """
    pairs = trial.pairs
    found: dict[str, Any] = {"pairs": len(pairs), "only_old": trial.only_old, "only_new": trial.only_new}
    found |= dict.fromkeys(("agreement", "auto", "workload", "accuracy", "errors"))
    found |= {"answered": 0, "blind": 0}
    if not pairs:
        return found
    every = np.ones(len(pairs))
    same = sum(a.prediction == b.prediction for a, b in pairs)
    found["agreement"] = asdict(Interval(same / len(pairs), *wilson(same, len(pairs))))
    found["auto"] = asdict(compare([float(a.auto) for a, _ in pairs], [float(b.auto) for _, b in pairs], every))
    unseen = compare([float(a.unseen) for a, _ in pairs], [float(b.unseen) for _, b in pairs], every)
    found["workload"] = asdict(_workload(unseen, audit_rate))
    known = _known(trial)
    if not known:
        return found
    pi = [answer.propensity for _, _, answer in known]
    right = np.array([[a.prediction == one.outcome, b.prediction == one.outcome] for a, b, one in known], dtype=float)
    auto = np.array([[a.auto, b.auto] for a, b, _ in known], dtype=float)
    found["accuracy"] = asdict(compare(right[:, 0], right[:, 1], pi))
    errors = auto * (1 - right)
    found["errors"] = asdict(compare(errors[:, 0], errors[:, 1], pi))
    found["answered"] = len(known)
    found["blind"] = sum(answer.blind for _, _, answer in known)
    return found


def _known(trial: Trial) -> list[tuple[Decided, Decided, Answer]]:
    """Pairs with people's answers about the decisions of one version: the old one's if there are any.

    Never of both: which cases people saw, and with what probability, is the routing of one version.
    """
    for place in (0, 1):
        known = [
            (*pair, trial.answers[pair[place].decision_id])
            for pair in trial.pairs
            if pair[place].decision_id in trial.answers
        ]
        if known:
            return known
    return []


def _workload(unseen: Comparison, audit_rate: float) -> Comparison:
    """Share of decisions that people see: all but the unseen ones, and of these the audits."""
    rest = 1 - audit_rate

    def seen(one: Interval) -> Interval:
        return Interval(1 - rest * one.value, 1 - rest * one.high, 1 - rest * one.low)

    change = unseen.difference
    less = Interval(-rest * change.value, -rest * change.high, -rest * change.low)
    return Comparison(seen(unseen.old), seen(unseen.new), less)


def _decided(record: dict[str, Any]) -> Decided:
    decision = record["decision"]
    auto = record["route"] == "auto"
    return Decided(
        decision_id=decision["decision_id"],
        case=_case(decision),
        created_at=decision["created_at"],
        prediction=decision["prediction"],
        auto=auto,
        unseen=auto and record["workflow"] != "post_approval",
    )


def _case(decision: dict[str, Any]) -> str:
    """Equal for decisions about the same case; empty where nothing tells which case it is."""
    if decision["attributes"].get(PAIR):
        return f"pair:{decision['attributes'][PAIR]}"
    text = decision["input"]
    with suppress(ValueError):  # what is no JSON counts as it stands
        text = json.dumps(json.loads(text), sort_keys=True)
    return json.dumps([decision["subject_id"], text]) if decision["subject_id"] or text else ""


def _paired(old: Iterable[Decided], new: Iterable[Decided]) -> tuple[list[tuple[Decided, Decided]], int, int]:
    cases: dict[str, tuple[list[Decided], list[Decided]]] = defaultdict(lambda: ([], []))
    lonely = [0, 0]
    for place, its in enumerate((old, new)):
        for one in sorted(its, key=lambda one: (one.created_at, one.decision_id)):
            if one.case:
                cases[one.case][place].append(one)
            else:
                lonely[place] += 1
    pairs: list[tuple[Decided, Decided]] = []
    for _, (mine, others) in sorted(cases.items()):
        pairs += zip(mine, others, strict=False)
        both = min(len(mine), len(others))
        lonely[0] += len(mine) - both
        lonely[1] += len(others) - both
    return pairs, lonely[0], lonely[1]


def _answers(broker: Broker, decisions: set[str]) -> dict[str, Answer]:
    """One answer for each decision: the last that counts, as the second of two people who must agree is."""
    answers = {}
    for message in _records(broker, [catalogue.OUTCOMES.name]):
        if (message.key() or b"").decode(errors="replace") not in decisions:
            continue
        try:
            one = wire.decode("Outcome", message.value())
        except wire.WireError:
            continue
        counts = one["kind"] in _MEASURED and one["round"] == 0 and (one["resolves"] or one["kind"] != "review")
        # Without its chance of being seen nobody knows how many decisions it stands for.
        if counts and one["reviewer"] and 0 < one["propensity"] <= 1:
            answers[one["decision_id"]] = Answer(one["outcome"], one["propensity"], one["blind"])
    return answers


def _records(broker: Broker, topics: list[str]) -> Iterator[Message]:
    with closing(TableReader(broker, topics)) as reader:
        for part in reader.read_parts():
            yield from part
