"""An explanation as headings and lines of text."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from interlock.processors.explanation.model import Effect, Explanation, Rules
from interlock.processors.explanation.people import NOT_KEPT
from interlock.processors.explanation.words import from_iso, quoted, share, signed, when


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    lines: tuple[str, ...]


def sections(explanation: Explanation) -> tuple[Section, ...]:
    """The explanation in the order in which it is read; what has nothing to say is left out."""
    found = [Section(title, tuple(lines)) for title, lines in _sections(explanation)]
    return tuple(section for section in found if section.lines)


def _sections(explanation: Explanation) -> Iterator[tuple[str, Iterable[str]]]:
    yield "In short", explanation.summary
    yield "What the model said", _answer(explanation)
    if explanation.rules is not None:
        yield "Which rules applied", _rules(explanation.rules)
    yield "Who had the case, and what they were shown", _looks(explanation)
    yield (
        "Who decided, and why",
        [f"{when(from_iso(verdict.at))}: {verdict.text}" for verdict in explanation.verdicts],
    )
    yield "What held", [word.text for word in explanation.words]
    yield (
        "What took effect",
        [line for effect in explanation.effects for line in _effect(effect)],
    )
    yield "Deadlines", [deadline.text for deadline in explanation.deadlines]
    yield "How it can be contested", [explanation.contest.text] if explanation.contest else []
    yield (
        "What happened, in order",
        [f"{when(from_iso(one.at))}{_later(one.later)}: {one.text}" for one in explanation.timeline],
    )
    yield "What is missing here", explanation.missing
    yield "Words", [f"{term.word}: {term.meaning}" for term in explanation.glossary]


def _looks(explanation: Explanation) -> Iterator[str]:
    yield from (look.text for look in explanation.looks)
    if explanation.looks:
        yield NOT_KEPT


def _answer(explanation: Explanation) -> Iterator[str]:
    answer = explanation.answer
    if answer is None:
        return
    yield answer.text
    if answer.reasoning:
        yield f"The model's own reason: {quoted(answer.reasoning)}."
    for factor in answer.factors:
        against = "against" if factor.importance < 0 else "for"
        yield f"{factor.feature} = {factor.value} counted {against} the answer (weight {signed(factor.importance)})."
    for one in answer.alternatives:
        yield f"It also considered {quoted(one.option)}, with a probability of {share(one.confidence)}."


def _rules(rules: Rules) -> Iterator[str]:
    yield f"{rules.text} {rules.workflow_text}".strip()
    yield rules.policy.text
    for reason in rules.reasons:
        yield reason.text
    if rules.thresholds is not None:
        yield rules.thresholds.text
    yield rules.calibration.text
    yield rules.controls_text
    for control in rules.controls:
        yield control.text
    if rules.trial_text:
        yield rules.trial_text
    yield rules.sampling_text
    if rules.duties_text:
        yield rules.duties_text


def _effect(effect: Effect) -> Iterator[str]:
    yield f"{when(from_iso(effect.at))}: {effect.text}"
    yield from (f"  {line}" for line in effect.letter.splitlines())


def _later(later: str) -> str:
    return f" ({later})" if later else ""
