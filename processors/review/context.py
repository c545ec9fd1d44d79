"""What a reviewer decides on, under the names of the `ReviewContext` that tools of any language read.

It says what the view says and nothing more: where the AI's answer is hidden, so is everything that hints at it.
"""

import math
from datetime import datetime
from typing import Any

from typing_extensions import TypedDict  # pydantic describes no other one under Python 3.11

from interlock.processors.review.payload import Payload
from interlock.processors.review.similar import SimilarCases
from interlock.processors.review.view import AIAnswer, TaskView
from interlock.schemas.times import moment


class AlternativeOption(TypedDict):
    """Another outcome that the model weighed."""

    option: str
    confidence: float | None
    pros: list[str]
    cons: list[str]


class AIDecision(TypedDict):
    """`confidence` is the calibrated one; null where the producer's was no number."""

    prediction: str
    confidence: float | None
    alternativeOptions: list[AlternativeOption]


class TopFeature(TypedDict):
    """What weighed in the model's decision."""

    feature: str
    value: str
    importance: float | None


class SimilarCaseReference(TypedDict):
    """Another decision and what became of it."""

    caseId: str
    outcome: str


class Explanation(TypedDict):
    """Why the model decided so, and what became of similar cases."""

    topFeatures: list[TopFeature]
    reasoning: str
    similarCases: list[SimilarCaseReference]


class PreviousDecision(TypedDict):
    """An earlier decision about the same subject; `decidedAt` in ISO 8601, UTC."""

    decisionId: str
    outcome: str
    decidedAt: str


class History(TypedDict):
    """`modelAccuracyOnSimilar`: share of similar reviewed cases whose prediction people confirmed; null if unknown."""

    userPreviousDecisions: list[PreviousDecision]
    modelAccuracyOnSimilar: float | None


class Metadata(TypedDict):
    """Times in ISO 8601, UTC."""

    createdAt: str
    priority: str
    slaDeadline: str


class ReviewContext(TypedDict):
    """What a reviewer decides on. `aiDecision` and `explanation` are null where the AI's answer is hidden."""

    inputData: Any
    aiDecision: AIDecision | None
    explanation: Explanation | None
    history: History
    metadata: Metadata


def review_context(view: TaskView, payload: Payload, similar: SimilarCases | None = None) -> ReviewContext:
    """The context of a view and of the payload it was built from.

    `similar`: what was found where the producer sent no similar cases; what the producer did send goes before it.
    """
    return {
        "inputData": view.input,
        "aiDecision": None if view.ai is None else _ai_decision(view.ai, payload),
        "explanation": None if view.ai is None else _explanation(view.ai, similar),
        "history": {
            "userPreviousDecisions": [
                {
                    "decisionId": decision["decision_id"],
                    "outcome": decision["outcome"],
                    "decidedAt": iso_time(decision["decided_at"]),
                }
                for decision in view.previous_decisions
            ],
            "modelAccuracyOnSimilar": None if view.ai is None else _accuracy(view.ai, similar),
        },
        "metadata": {
            "createdAt": iso_time(moment(view.created_at)),
            "priority": view.priority,
            "slaDeadline": iso_time(moment(view.deadline)),
        },
    }


def iso_time(at: datetime) -> str:
    """ISO 8601 with Z for UTC, which every language reads; to the microsecond where there are any."""
    return at.isoformat().replace("+00:00", "Z")


def _ai_decision(answer: AIAnswer, payload: Payload) -> AIDecision:
    return {
        "prediction": answer.prediction,
        "confidence": _number(answer.confidence),
        "alternativeOptions": [
            {
                "option": alternative["option"],
                "confidence": _number(alternative["confidence"]),
                "pros": list(alternative["pros"]),
                "cons": list(alternative["cons"]),
            }
            for alternative in (() if answer.alone else payload.routed["decision"]["alternatives"])
        ],
    }


def _explanation(answer: AIAnswer, similar: SimilarCases | None) -> Explanation:
    found = () if similar is None else similar.cases
    computed: list[SimilarCaseReference] = [{"caseId": case.case_id, "outcome": case.outcome} for case in found]
    return {
        "topFeatures": [
            {
                "feature": feature["feature"],
                "value": feature["value"],
                "importance": _number(feature["importance"]),
            }
            for feature in answer.top_features
        ],
        "reasoning": answer.reasoning,
        "similarCases": [{"caseId": case["case_id"], "outcome": case["outcome"]} for case in answer.similar_cases]
        or computed,
    }


def _accuracy(answer: AIAnswer, similar: SimilarCases | None) -> float | None:
    if answer.accuracy_on_similar is not None:
        return _number(answer.accuracy_on_similar)
    # Of the producer's own cases nothing is known; a number about others would be read as one about them.
    return None if similar is None or answer.similar_cases else similar.accuracy


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinity, and a broken producer may send both."""
    return value if math.isfinite(value) else None
