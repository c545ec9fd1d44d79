"""The text of a notice that is due: a pure function of the decision's record, the verdict, and the policy's words."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from interlock.errors import InterlockError
from interlock.policy.notices.rendering import Letter, NoticeTemplateError, render
from interlock.policy.notices.terms import Notice
from interlock.policy.notices.wording import (
    UnwritableNoticeError,
    action_taken,
    facts_of,
    language_of,
    reasons_of_model,
    reasons_of_person,
)
from interlock.processors.events import Event
from interlock.processors.notices.due import WITHDRAWN, Due
from interlock.schemas import catalogue

Record = Mapping[str, Any]

_EPOCH = datetime.fromtimestamp(0, UTC)


def notice_action(due: Due, notice: Notice, version: str, routed: Record) -> Event:
    """The action that has the text. `version`: of the policy whose words `notice` is. `routed`: the `RoutedDecision`.

    Raises UnwritableNoticeError where only a person can write it.
    """
    language, text = text_of(due, notice, routed["decision"])
    record = {
        "action_id": due.action_id,
        "decision_id": due.decision_id,
        "kind": "notice",
        "version": due.version,
        "outcome": due.outcome,
        "modifications": "",
        "notices": [f"{due.name}{WITHDRAWN}" if due.withdrawn else due.name],
        "reason_code": due.reason_code,
        "reason_text": due.reason_text,
        "domain": due.domain,
        "at": due.at,
        "topic": due.topic,
        "partition": due.partition,
        "offset": due.offset,
        "corrects": due.corrects,
        "language": language,
        "text": text,
        "written_under": version,
    }
    return Event(catalogue.ACTIONS, due.decision_id, record)


def text_of(due: Due, notice: Notice, decision: Record) -> tuple[str, str]:
    """Language and text of a notice. Raises UnwritableNoticeError."""
    language = language_of(notice, decision["attributes"])
    texts = notice.withdrawals if due.withdrawn else notice.texts
    if language not in texts:
        raise UnwritableNoticeError(f"the policy has no text in {language}")
    letter = Letter(
        reference=f"{due.decision_id}/{due.version}",
        date=(_EPOCH + timedelta(microseconds=due.at)).date().isoformat(),
        action_taken="" if due.withdrawn else action_taken(notice, due.outcome, language),
        principal_reasons=() if due.withdrawn else _reasons(due, notice, language, decision),
        automated=due.automated,
        facts=facts_of(notice, language, decision["attributes"]),
        corrects=f"{due.decision_id}/{due.corrects}" if due.corrects else "",
    )
    try:
        return language, render(texts[language], letter)
    except NoticeTemplateError as error:
        raise UnwritableNoticeError(str(error)) from error


def _reasons(due: Due, notice: Notice, language: str, decision: Record) -> tuple[str, ...]:
    features = decision["explanation"]["top_features"]
    if due.automated:
        return reasons_of_model(notice, language, features)
    return reasons_of_person(
        notice,
        language,
        due.reason_code,
        due.reason_text,
        agrees=due.outcome == decision["prediction"],
        features=features,
    )


class PayloadLostError(InterlockError):
    """The decision that a notice is about cannot be read any more; says where it was."""
