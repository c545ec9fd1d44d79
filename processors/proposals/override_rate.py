"""Tells who overrides the AI less often than it is known to err, and of which model that is so of all people together:
whoever agrees with everything adds nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock.learning.reliance import too_few_overrides
from interlock.processors.events import Event, alert
from interlock.processors.outcomes import AUDIT, is_sample, way

# A look costs a millisecond, and nothing is missed for long.
_EVERY = 20

# (domain, model_id): what a model errs in.
_Field = tuple[str, str]


@dataclass(slots=True)
class _Reviewer:
    """`rank`: which reviewer this was, by first appearance."""

    rank: int
    overrides: int = 0
    verdicts: int = 0
    told: bool = False


@dataclass(slots=True)
class _Model:
    """`overrides` and `verdicts`: of everybody who saw its answers."""

    errors: int = 0
    checked: int = 0
    overrides: int = 0
    verdicts: int = 0
    told: bool = False
    reviewers: dict[str, _Reviewer] = field(default_factory=dict)


class OverrideRateFold:
    """A fold of the outcomes in their order. `risk`: of ever naming, for one model in one domain, anybody whose
    override rate is no lower than its error rate; the reviewers share it. Of ever naming such a model it is as much
    again."""

    def __init__(self, risk: float = 0.05) -> None:
        self._risk = risk
        self._models: dict[_Field, _Model] = {}

    def process(self, outcome: Mapping[str, Any]) -> list[Event]:
        """The alert that follows from one `Outcome` record, times as integers; mostly none."""
        model = self._models.setdefault((outcome["domain"], outcome["model_id"]), _Model())
        if outcome["round"] != 0:
            return []
        # Audits are of what was certain enough to take effect: in what people see the model errs no less.
        if is_sample(outcome) and way(outcome) == AUDIT:
            model.errors += outcome["overridden"]
            model.checked += 1
            return []
        if outcome["kind"] != "review" or outcome["blind"]:
            return []
        name = outcome["reviewer"]
        reviewer = model.reviewers.setdefault(name, _Reviewer(len(model.reviewers) + 1))
        reviewer.overrides += outcome["overridden"]
        reviewer.verdicts += 1
        model.overrides += outcome["overridden"]
        model.verdicts += 1
        return [*self._look_at_model(outcome, model), *self._look_at_reviewer(outcome, reviewer, model)]

    def _look_at_model(self, outcome: Mapping[str, Any], model: _Model) -> list[Event]:
        if model.told or model.verdicts % _EVERY:
            return []
        model.told = too_few_overrides(model.overrides, model.verdicts, model.errors, model.checked, self._risk)
        return [_alert_of_model(outcome, model)] if model.told else []

    def _look_at_reviewer(self, outcome: Mapping[str, Any], reviewer: _Reviewer, model: _Model) -> list[Event]:
        if reviewer.told or reviewer.verdicts % _EVERY:
            return []
        # 1/(k(k + 1)) adds up to 1.
        alpha = self._risk / (reviewer.rank * (reviewer.rank + 1))
        reviewer.told = too_few_overrides(reviewer.overrides, reviewer.verdicts, model.errors, model.checked, alpha)
        return [_alert(outcome, reviewer, model)] if reviewer.told else []


def _alert_of_model(outcome: Mapping[str, Any], model: _Model) -> Event:
    domain, model_id = outcome["domain"], outcome["model_id"]
    message = (
        f"people have overridden {model.overrides} of {model.verdicts} answers of {model_id} in {domain}, where blind "
        f"audits found {model.errors} of {model.checked} wrong: fewer than the model errs, beyond doubt. These reviews "
        "stop few of its errors. Look at `interlock reliance report`, at how much time the cases get, and at what the "
        "page of a case shows"
    )
    return alert("model_override_rate_low", f"{domain}/{model_id}", "warning", (), message, outcome["at"])


def _alert(outcome: Mapping[str, Any], reviewer: _Reviewer, model: _Model) -> Event:
    name, domain, model_id = outcome["reviewer"], outcome["domain"], outcome["model_id"]
    message = (
        f"{name} has overridden {reviewer.overrides} of {reviewer.verdicts} answers of {model_id} in {domain}, where "
        f"blind audits found {model.errors} of {model.checked} wrong: fewer than the model errs, beyond doubt. Look at "
        f"`interlock reliance report --reviewer {name}`, and at how much time the cases get"
    )
    cause = f"{name}/{domain}/{model_id}"
    return alert("override_rate_low", cause, "warning", (), message, outcome["at"])
