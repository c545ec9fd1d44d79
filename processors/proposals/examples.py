"""Training examples as evidence for certificates."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from interlock.learning.answered import Answered
from interlock.learning.double_reviews import PairCounts
from interlock.learning.reviewer_errors import GoldItems
from interlock.processors.calibration.labels import BadLabelError
from interlock.processors.outcomes import AUDIT, is_sample


@dataclass(frozen=True, slots=True)
class Example:
    """One reviewed decision. `confidence`: the calibrated one; `raw`: the model's own; `propensity`: π, with which it
    was sent to a person; `waited`: it took effect only after a person had seen it; `at`: when it arrived; `final`: the
    outcome that people decided for. `way`: how it came to a person, see `outcomes.way`. `answered`: how many of its
    domain, model version and way were settled, and how many of these judged by then, None: not told. `gold`, `pairs`:
    what was known of people's own errors by then, None: not told."""

    example_id: str
    domain: str
    model_id: str
    model_version: str
    prediction: str
    confidence: float
    raw: float
    correct: bool
    propensity: float
    waited: bool
    attributes: Mapping[str, str]
    at: int
    final: str
    way: str = ""
    answered: Answered | None = None
    gold: GoldItems | None = None
    pairs: PairCounts | None = None

    @property
    def lane(self) -> tuple[str, str, str, str]:
        """What a certificate is about: domain, prediction, model and version."""
        return self.domain, self.prediction, self.model_id, self.model_version

    @property
    def audits(self) -> Answered | None:
        """What was answered of the audits by then; None: it is no audit, or nobody has told."""
        return self.answered if self.way == AUDIT else None


def example(record: Mapping[str, Any]) -> Example | None:
    """The evidence in a `TrainingExample` record (times as integers), None if it is no sample; raises BadLabelError."""
    if not is_sample(record):
        return None
    name, propensity = record["example_id"], record["propensity"]
    confidence, raw = record["calibrated_confidence"], record["confidence"]
    if not 0 < propensity <= 1:
        raise BadLabelError("bad-propensity", f"{name}: propensity {propensity} is not in (0, 1]")
    if not (0 <= confidence <= 1 and 0 <= raw <= 1):
        raise BadLabelError("bad-confidence", f"{name}: confidence {confidence}, its own {raw}, is no probability")
    return Example(
        name,
        record["domain"],
        record["model_id"],
        record["model_version"],
        record["prediction"],
        confidence,
        raw,
        record["final"] == record["prediction"],
        propensity,
        record["kind"] == "review",
        record["attributes"],
        record["decided_at"] if record["arrived_at"] is None else record["arrived_at"],
        record["final"],
        record["way"] or (AUDIT if record["audit"] else ""),
        _answered(record),
        _gold(record),
        _pairs(record),
    )


def _answered(record: Mapping[str, Any]) -> Answered | None:
    settled, judged = record["way_settled"], record["way_judged"]
    return None if settled is None or judged is None else Answered(settled, judged)


def _gold(record: Mapping[str, Any]) -> GoldItems | None:
    if record["gold_wrong"] is None:
        return None
    return GoldItems(record["gold_wrong"], record["gold_found"], record["gold_right"], record["gold_left"])


def _pairs(record: Mapping[str, Any]) -> PairCounts | None:
    if record["errors_found_by_both"] is None:
        return None
    return PairCounts(
        record["errors_found_by_both"],
        record["errors_found_by_one"],
        record["changed_by_mistake"],
        record["left_by_both"],
    )
