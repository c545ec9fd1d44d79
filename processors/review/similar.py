"""Similar cases: decisions of the same domain that people have judged, and how often they confirmed the AI there.

ClickHouse finds them (`interlock/sinks/similar_cases.py`); here stand what may be asked, and what may be said of it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from interlock.learning.bounds import wilson
from interlock.policy.vocabulary import ColumnType
from interlock.processors.review.view import TaskView

Method = Literal["vector", "attributes", "confidence"]

# Methods in the order in which they are tried: a vector is what the model itself saw, a declared attribute is what
# somebody thought worth a rule, and a confidence says only how hard the model found the case.
METHODS: tuple[Method, ...] = ("vector", "attributes", "confidence")

_NUMERIC = frozenset({ColumnType.INT, ColumnType.FLOAT})

# As many as a person can look through; the 95 % interval of a share of 20 is at most 0.40 wide.
NEAREST = 20


@dataclass(frozen=True)
class SimilarCase:
    """A decision that people have judged. `outcome`: what they said last; `overridden`: it is not what the AI proposed.

    `decided_at`: of that last word, in microseconds since the epoch. `similarity`: 1 is the same, as `method` measures.
    """

    case_id: str
    model_id: str
    outcome: str
    prediction: str
    confidence: float
    overridden: bool
    decided_at: int
    similarity: float


@dataclass(frozen=True)
class SimilarCases:
    """The nearest cases first. `method`: how they were compared; "none" if there was nothing to compare with.

    `accuracy`: share of `judged` whose prediction people confirmed, with its 95 % interval; None without such cases.
    `judged`: those of `cases` that the same model had decided. `count`: how many reviewed decisions were compared.
    `note`: all this in sentences for a person.
    """

    cases: tuple[SimilarCase, ...]
    method: Method | Literal["none"]
    accuracy: float | None
    lower: float | None
    upper: float | None
    judged: int
    count: int
    note: str


@dataclass(frozen=True)
class Subject:
    """The decision that others are compared with. `words` and `numbers`: the declared attributes that it has."""

    domain: str
    model_id: str
    prediction: str
    confidence: float
    vector: tuple[float, ...]
    words: dict[str, str]
    numbers: dict[str, float]


def wanted(view: TaskView) -> bool:
    """Similar cases are to be looked for: the producer sent none, and the reader may know the AI's answer."""
    return view.ai is not None and not view.ai.similar_cases


def subject_of(routed: Mapping[str, Any], kinds: Mapping[str, ColumnType]) -> Subject:
    """What of a `RoutedDecision` record is compared. `kinds`: type of every attribute that a policy declares."""
    decision = routed["decision"]
    declared = {name: text for name, text in sorted(decision["attributes"].items()) if name in kinds}
    read = {name: _number(text) for name, text in declared.items() if kinds[name] in _NUMERIC}
    vector = tuple(decision["vector"])
    return Subject(
        domain=decision["domain"],
        model_id=decision["model_id"],
        prediction=decision["prediction"],
        confidence=routed["calibrated_confidence"],
        # No direction, no angle between directions.
        vector=vector if any(vector) and all(map(math.isfinite, vector)) else (),
        words={name: text for name, text in declared.items() if name not in read},
        numbers={name: number for name, number in read.items() if number is not None},
    )


def methods_for(subject: Subject) -> tuple[Method, ...]:
    """The methods that this decision allows, the best first."""
    possible = {
        "vector": bool(subject.vector),
        "attributes": bool(subject.words or subject.numbers),
        "confidence": math.isfinite(subject.confidence),
    }
    return tuple(method for method in METHODS if possible[method])


def summarise(subject: Subject, method: Method, cases: Sequence[SimilarCase], count: int) -> SimilarCases:
    """What is said of the nearest `cases`, of which there is at least one, out of `count` that were compared."""
    own = [case for case in cases if case.model_id == subject.model_id]
    confirmed = sum(not case.overridden for case in own)
    lower, upper = wilson(confirmed, len(own)) if own else (None, None)
    accuracy = confirmed / len(own) if own else None
    said = [_compared(subject, method, len(cases), count)]
    if accuracy is None or lower is None or upper is None:
        said.append(f"None of them was decided by {subject.model_id}, so they say nothing of it.")
    else:
        of_whom = "them" if len(own) == len(cases) else f"the {len(own)} of them that {subject.model_id} decided"
        said.append(f"People confirmed {accuracy:.0%} of {of_whom} (95 % interval {lower:.0%} to {upper:.0%}).")
    said.append("Reviewed decisions only: those that nobody reviewed may be different.")
    return SimilarCases(tuple(cases), method, accuracy, lower, upper, len(own), count, " ".join(said))


def none_found(subject: Subject) -> SimilarCases:
    """Nobody has judged anything that this decision can be compared with."""
    note = f"No similar cases: people have judged no decision of {subject.domain} that this one can be compared with."
    return SimilarCases((), "none", None, None, None, 0, 0, note)


def _compared(subject: Subject, method: Method, shown: int, count: int) -> str:
    match method:
        case "vector":
            population = f"{count:,} reviewed decisions of {subject.model_id} with a vector of the same length"
            how = "the angle between the vectors that came with the decisions"
        case "attributes":
            population = f"{count:,} reviewed decisions of {subject.domain}"
            names = ", ".join(sorted([*subject.words, *subject.numbers]))
            how = f"declared attributes ({names}), numbers by their distance"
        case "confidence":
            population = (
                f"{count:,} reviewed decisions of {subject.domain} for which {subject.model_id} "
                f"had proposed {subject.prediction} too"
            )
            how = "confidence alone, since the decision has neither a vector nor declared attributes to compare"
    nearest = "nearest one" if shown == 1 else f"{shown} nearest"
    return f"The {nearest} of the latest {population}, compared by {how}."


def _number(text: str) -> float | None:
    """None for what is no number: nothing can be near to it."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
