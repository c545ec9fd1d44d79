"""The pictures of an explanation as numbers for a template: confidence against thresholds, and what weighed."""

from collections.abc import Sequence
from dataclasses import dataclass

from interlock.processors.explanation.model import Explanation, Factor
from interlock.processors.explanation.words import shares, signed

# The width of the scale in the units of the picture, which grows and shrinks with the page.
WIDTH = 640.0

# What the label of a threshold needs beside that of an end.
_ROOM = 56.0

# Two marks that are closer than this share one label.
_APART = 4.0


@dataclass(frozen=True)
class Segment:
    """A stretch of the scale on which a route is possible. `route`: auto, async, sync or manual."""

    x: float
    width: float
    route: str
    label: str
    begins: str


@dataclass(frozen=True)
class Mark:
    """Where a confidence stands. `anchor`: on which side of it its label has room."""

    x: float
    label: str
    own: bool
    anchor: str


@dataclass(frozen=True)
class Bar:
    """The whole picture, and what it says for who cannot see it."""

    segments: tuple[Segment, ...]
    marks: tuple[Mark, ...]
    description: str

    @property
    def shows_start(self) -> bool:
        """Whether the label 0 % has room beside that of the first threshold."""
        return all(segment.x > _ROOM for segment in self.segments if segment.begins)

    @property
    def shows_end(self) -> bool:
        """The same of 100 %."""
        return all(segment.x < WIDTH - _ROOM for segment in self.segments if segment.begins)


@dataclass(frozen=True)
class Weight:
    """A factor with its stroke: right of the middle where its importance is positive, which counts for the answer."""

    factor: Factor
    x: float
    width: float
    text: str


_LABELS = {"auto": "takes effect", "async": "a person, in a queue", "sync": "a person, at once", "manual": "a person"}


def confidence_bar(explanation: Explanation) -> Bar | None:
    """None where the thresholds, or a confidence that is a probability, are not known, or two confidences count: they
    have no scale in common."""
    rules, answer = explanation.rules, explanation.answer
    if rules is None or rules.thresholds is None or rules.thresholds.raw or answer is None:
        return None
    if not all(0 <= value <= 1 for value in (answer.confidence, answer.raw_confidence)):
        return None
    marks = _marks(answer.raw_confidence, answer.confidence, corrected=bool(rules.calibration.version))
    return Bar(
        tuple(_segments(rules.thresholds.at_least, own_lane=rules.thresholds.own_lane)),
        marks,
        f"{rules.thresholds.text} {'; '.join(mark.label for mark in marks)}.",
    )


def weights(factors: Sequence[Factor]) -> tuple[Weight, ...]:
    """The factors with strokes in proportion to the heaviest one."""
    heaviest = max((abs(factor.importance) for factor in factors), default=0.0)
    found = []
    for factor in factors:
        width = 50 * abs(factor.importance) / heaviest if heaviest else 0.0
        x = 50.0 if factor.importance >= 0 else round(50 - width, 2)
        found.append(Weight(factor, x, round(width, 2), signed(factor.importance)))
    return tuple(found)


def _segments(at_least: dict[str, float], *, own_lane: bool) -> list[Segment]:
    auto = at_least["auto"] if own_lane else 1.0
    starts = [("manual", 0.0), ("sync", at_least["sync"]), ("async", at_least["async"]), ("auto", auto)]
    ends = [start for _, start in starts[1:]] + [1.0]
    found = []
    for (route, start), end in zip(starts, ends, strict=True):
        if end > start:
            x, width = round(start * WIDTH, 2), round((end - start) * WIDTH, 2)
            # A label needs some seven units for each letter.
            label = _LABELS[route] if width > 7 * len(_LABELS[route]) else ""
            found.append(Segment(x, width, route, label, shares(start)[0] if start else ""))
    return found


def _marks(raw: float, confidence: float, *, corrected: bool) -> tuple[Mark, ...]:
    before, now = shares(raw, confidence)
    if not corrected or abs(raw - confidence) * WIDTH < _APART:
        return (_mark(confidence, now, own=False),)
    return (_mark(raw, f"the model's own: {before}", own=True), _mark(confidence, f"corrected: {now}", own=False))


def _mark(value: float, label: str, *, own: bool) -> Mark:
    x = round(value * WIDTH, 2)
    return Mark(x, label, own, "start" if x < WIDTH * 0.2 else "end" if x > WIDTH * 0.8 else "middle")
