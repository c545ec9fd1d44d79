"""What a notice says about one decision: its language, its principal reasons, and its facts.

Reasons are those for which it was really decided. Where they have no sentence, the nearest one is not taken: a person
must write the notice.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.errors import InterlockError
from interlock.policy.notices.insufficient import insufficient
from interlock.policy.notices.terms import FROM_ATTRIBUTE, Notice, said
from interlock.policy.review import AGREE, OTHER


class UnwritableNoticeError(InterlockError):
    """A notice that nothing but a person can write; says what is missing."""


def language_of(notice: Notice, attributes: Mapping[str, str]) -> str:
    """The language of the subject, as far as the notice has it: en also for en-GB."""
    wanted = attributes.get(notice.language_attribute, "")
    for language in (wanted, wanted.partition("-")[0]):
        if language in notice.languages:
            return language
    return notice.languages[0]


def reasons_of_model(notice: Notice, language: str, features: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The sentences of the features that count most for a prediction, the weightiest first.

    `features`: feature and importance, which is positive where the feature counts for the prediction. Two features with
    one sentence give it once. Raises UnwritableNoticeError where one of them has none, or none counts.
    """
    counting = [one for one in features if one["importance"] > 0]
    weightiest = sorted(counting, key=lambda one: (-one["importance"], one["feature"]))[: notice.max_reasons]
    if not weightiest:
        raise UnwritableNoticeError("the explanation has no feature that counts for the decision")
    missing = [one["feature"] for one in weightiest if one["feature"] not in notice.principal_reasons]
    if missing:
        raise UnwritableNoticeError(f"no sentence in principal_reasons for: {', '.join(missing)}")
    return tuple(dict.fromkeys(_sentence(notice, one["feature"], language) for one in weightiest))


def reasons_of_person(
    notice: Notice,
    language: str,
    code: str,
    text: str,
    *,
    agrees: bool,
    features: Sequence[Mapping[str, Any]],
) -> tuple[str, ...]:
    """The reasons of a verdict with the reason `code` and the reviewer's own `text`.

    `agrees`: the verdict is for what the model predicted. With the code `agree` its reasons are the model's, of
    `features`. Raises UnwritableNoticeError where code and text give no specific reason.
    """
    own = " ".join(text.split())
    if code == AGREE and agrees:
        found = reasons_of_model(notice, language, features)
    elif code in notice.principal_reasons:
        found = (_sentence(notice, code, language),)
    elif code in (AGREE, OTHER, *notice.own_words):
        return (_specific(own, code),)
    else:
        raise UnwritableNoticeError(f"no sentence in principal_reasons for the reason code {code or '(none)'}")
    return tuple(dict.fromkeys((*found, _specific(own, code)))) if notice.quote_reviewer else found


def facts_of(notice: Notice, language: str, attributes: Mapping[str, str]) -> dict[str, str]:
    """The facts that the text says of this decision.

    A group of facts of which the decision has no attribute is left out: no consumer report was used, for instance.
    Raises UnwritableNoticeError where it has some of a group and not all, or lacks what is in no group.
    """
    found = {}
    missing: dict[str, str] = {}
    for name, words in notice.facts.items():
        attribute = words.get(FROM_ATTRIBUTE)
        value = said(words, language) if attribute is None else " ".join(attributes.get(attribute, "").split())
        if value:
            found[name] = value
        else:
            missing[name] = attribute or name
    for group in notice.groups:
        from_attributes = {name for name in group if FROM_ATTRIBUTE in notice.facts.get(name, {})}
        if from_attributes and from_attributes <= missing.keys():
            for name in group:
                found.pop(name, None)
                missing.pop(name, None)
    if missing:
        raise UnwritableNoticeError(f"the decision has no attribute {', '.join(missing.values())}")
    return found


def action_taken(notice: Notice, outcome: str, language: str) -> str:
    """What the outcome means for the subject. Raises UnwritableNoticeError where the notice does not say."""
    sentence = said(notice.action_taken.get(outcome, {}), language)
    if sentence is None:
        raise UnwritableNoticeError(f"action_taken does not say what {outcome} means")
    return sentence


def _sentence(notice: Notice, name: str, language: str) -> str:
    sentence = said(notice.principal_reasons[name], language)
    if sentence is None:
        raise UnwritableNoticeError(f"no sentence in {language} in principal_reasons for {name}")
    return sentence


def _specific(own: str, code: str) -> str:
    """The reviewer's own text. Raises UnwritableNoticeError where it is no reason."""
    phrase = insufficient(own)
    if phrase is not None:
        what = f"says {phrase!r}, which is no specific reason" if phrase else "is empty"
        raise UnwritableNoticeError(f"the reviewer's own text, with the reason code {code}, {what}")
    return own
