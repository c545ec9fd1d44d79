"""The short form for the person concerned: the procedure and principles that were applied, without names of reviewers
and without what only the inside of the house needs."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from interlock.policy.notices.terms import Notice
from interlock.policy.notices.wording import UnwritableNoticeError, reasons_of_person
from interlock.processors.explanation.effects import notice_words
from interlock.processors.explanation.explain import explain
from interlock.processors.explanation.model import Explanation, Factor, Reason, Rules, Verdict, Word
from interlock.processors.explanation.names import Names
from interlock.processors.explanation.records import Records
from interlock.processors.explanation.rules import policy_of
from interlock.processors.explanation.text import Section
from interlock.processors.explanation.words import day, from_iso, listed, plain, quoted, sentence, share, shares
from interlock.schemas.reasons import ReasonKind

# This form is written in it.
_LANGUAGE = "en"

# What stands for a name in the words of a reviewer.
_SOMEBODY = "a reviewer"


@dataclass(frozen=True)
class SubjectExplanation:
    """`reference`: the id of the decision, by which the person can ask about it. `about`: what was decided."""

    reference: str
    about: str
    status: str
    outcome: str
    decided_on: str
    by_person: bool
    sections: tuple[Section, ...]
    factors: tuple[Factor, ...]

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def explain_to_subject(records: Records) -> SubjectExplanation:
    """What the person concerned is told about their decision."""
    found = explain(records)
    mask = _Mask(Names(records.reviewers))
    reasons = _Reasons(records, found, mask)
    last = found.words[-1] if found.words else None
    told = [Section(title, tuple(lines)) for title, lines in _sections(found, mask, reasons)]
    return SubjectExplanation(
        reference=records.decision_id,
        about=plain(found.domain),
        status=found.status,
        outcome=last.outcome if last else "",
        decided_on=last.decided_at if last else "",
        by_person=bool(last and last.decided_by),
        sections=tuple(section for section in told if section.lines),
        factors=found.answer.factors if found.answer and last else (),
    )


class _Mask:
    """Takes the names of the people who judged out of a text."""

    def __init__(self, names: Names) -> None:
        known = sorted((name for name in names.every() if name), key=lambda name: (-len(name), name))
        whole = "|".join(rf"(?<!\w){re.escape(name)}(?!\w)" for name in known)
        self._known = re.compile(whole, re.IGNORECASE) if known else None

    def __call__(self, text: str) -> str:
        return self._known.sub(_SOMEBODY, text) if self._known else text


class _Reasons:
    """The reasons of people, as the policy's notice about an outcome gives them where it has the words."""

    def __init__(self, records: Records, found: Explanation, mask: _Mask) -> None:
        policy = policy_of(records, found.rules.policy.version) if found.rules is not None else None
        domain = policy.domains.get(found.domain) if policy is not None else None
        self._notices: dict[str, Notice] = {}
        if policy is not None and domain is not None:
            for outcome, lane in domain.lanes.items():
                if lane.notice in policy.notices:
                    self._notices[outcome] = policy.notices[lane.notice]
        self._answer = found.answer
        self._mask = mask

    def __call__(self, outcome: str, code: str, text: str) -> str:
        """For the end of a sentence."""
        notice = self._notices.get(outcome)
        if notice is None:
            return quoted(self._mask(text)) if text else plain(code) or "none"
        factors = self._answer.factors if self._answer is not None else ()
        try:
            told = reasons_of_person(
                notice,
                _LANGUAGE if _LANGUAGE in notice.languages else notice.languages[0],
                code,
                text,
                agrees=self._answer is not None and outcome == self._answer.prediction,
                features=[asdict(factor) for factor in factors],
            )
        except UnwritableNoticeError:
            return plain(code) or "none"
        return listed([quoted(self._mask(one)) for one in told])


def _sections(found: Explanation, mask: _Mask, reasons: _Reasons) -> Iterator[tuple[str, Iterator[str]]]:
    yield "The decision", _decision(found)
    if found.words and found.rules is not None:
        yield "How it was decided", _procedure(found, found.rules)
        yield "What counted", _what_counted(found, mask, reasons)
        yield "What has changed since", _changes(found, reasons)
    yield "What was sent to you", _sent(found)
    yield "How you can contest it", _contest(found)
    yield "What cannot be told", _not_told(found)


def _decision(found: Explanation) -> Iterator[str]:
    about = plain(found.domain)
    if found.status == "tried":
        yield "This was a trial of a model. It had no effect on you."
        return
    if not found.words:
        yield (
            f"Your case ({about}) has not been decided yet."
            if found.status == "open"
            else (f"The data of your case ({about}) could not be read, so nothing was decided.")
        )
        return
    last = found.words[-1]
    yield f"Your case ({about}) was decided on {day(from_iso(last.decided_at))}: {quoted(last.outcome)}."
    if last.final:
        yield "This is final, unless you appeal." if _can_appeal(found) else "This is final."
    elif last.override_until:
        yield f"It can still be corrected by us until {day(from_iso(last.override_until))}."


def _can_appeal(found: Explanation) -> bool:
    return found.contest is not None and found.contest.appeals_possible > 0


def _procedure(found: Explanation, rules: Rules) -> Iterator[str]:
    answer = found.answer
    if answer is None:
        return
    raw, counted_as = shares(answer.raw_confidence, answer.confidence)
    yield f"A computer program proposed {quoted(answer.prediction)}, with a probability of {raw} that this is right."
    if rules.calibration.version:
        yield f"By the experience with earlier cases, this counted as {counted_as}."
    if rules.thresholds is not None and rules.thresholds.own_lane:
        which = "the program's own probability" if rules.thresholds.raw else "that probability"
        yield (
            f"Such a proposal may take effect without a person only where {which} is at least "
            f"{share(rules.thresholds.at_least['auto'])} and no other rule asks for a person."
        )
    elif rules.thresholds is not None:
        yield "Such a proposal never takes effect without a person."
    for reason in rules.reasons:
        if text := _reason(reason):
            yield text
    yield _who_decided(found.words[0], rules)


def _reason(reason: Reason) -> str:
    """A rule that held, without its name; empty for what the sentences around it say."""
    match reason.kind:
        case "rule":
            if not reason.because:
                return f"A rule asked for a person{f' ({reason.values})' if reason.values else ''}."
            return f"This rule asked for a person: {sentence(_with_values(reason))}"
        case ReasonKind.SAFE_RULE:
            return f"This rule let it take effect all the same: {sentence(_with_values(reason))}"
        case ReasonKind.CONTROL:
            return "Automatic decisions of this kind were stopped at that time, so a person was asked."
        case ReasonKind.WORKFLOW | ReasonKind.UNKNOWN | ReasonKind.IMPLAUSIBLE:
            return reason.text
    return ""


def _with_values(reason: Reason) -> str:
    because = reason.because.rstrip(".") or "little is at stake"
    return f"{because} ({reason.values})" if reason.values else because


def _who_decided(first: Word, rules: Rules) -> str:
    if first.decided_by:
        count = "Two people" if len(first.decided_by) > 1 else "A person"
        return f"{count} decided, with the power to decide otherwise than the program proposed."
    if first.source == "timeout":
        return "Nobody had decided in the time there was, and the outcome was put in force that is laid down for that."
    if rules.workflow == "post_approval":
        return "It took effect automatically, and a person could correct it afterwards."
    return "It took effect automatically, without a person."


def _what_counted(found: Explanation, mask: _Mask, reasons: _Reasons) -> Iterator[str]:
    if found.answer is not None and found.answer.reasoning:
        reasoning = quoted(mask(found.answer.reasoning))
        yield f"For {quoted(found.answer.prediction)} the program gave this reason: {reasoning}."
    last = found.words[-1]
    decisive = [verdict for verdict in found.verdicts if verdict.outcome == last.outcome and verdict.decisive]
    if last.decided_by and decisive:
        yield _persons_reason(decisive[-1], reasons)


def _persons_reason(verdict: Verdict, reasons: _Reasons) -> str:
    unseen = " The person did not know what the program had proposed." if verdict.blind else ""
    reason = reasons(verdict.outcome, verdict.reason_code, verdict.reason_text)
    return f"The person who decided gave this reason: {reason}.{unseen}"


def _changes(found: Explanation, reasons: _Reasons) -> Iterator[str]:
    before = found.words[0]
    for word in found.words[1:]:
        if word.outcome != before.outcome:
            how = "on appeal" if word.source == "appeal" else "by a person"
            yield (
                f"On {day(from_iso(word.decided_at))} {quoted(before.outcome)} was replaced {how} by "
                f"{quoted(word.outcome)}. What had been done was to be taken back."
            )
        elif word.source == "appeal" and word.decided_at != before.decided_at:
            reason = reasons(word.outcome, word.reason_code, word.reason_text)
            yield f"On {day(from_iso(word.decided_at))} the outcome was confirmed on appeal, for this reason: {reason}."
        before = word


def _sent(found: Explanation) -> Iterator[str]:
    """Notices: where their texts were written those, or else that they were due."""
    written = [effect for effect in found.effects if effect.letter]
    due = [effect for effect in found.effects if effect.notices and effect.kind != "notice"]
    for effect in written or due:
        names = listed([notice_words(name) for name in effect.notices])
        yield f"{day(from_iso(effect.at))}: {names}"


def _contest(found: Explanation) -> Iterator[str]:
    contest = found.contest
    if contest is None or found.status == "tried":
        return
    if not contest.appeals_possible:
        if contest.appeals_filed:
            yield "Your appeal has been dealt with; the rules allow no further one."
        else:
            yield "The rules of this procedure know no appeal."
        return
    if not contest.until:
        yield "Once it has been decided, you can appeal."
        return
    yield (
        f"You can appeal until {day(from_iso(contest.until))}. Say why you disagree, and add what we may not have "
        "known. Somebody decides who has not judged your case before. Name the reference of this letter."
    )


def _not_told(found: Explanation) -> Iterator[str]:
    if found.content_lost:
        yield "The details of your case have been erased, or their time of storage is over, so they cannot be told."
