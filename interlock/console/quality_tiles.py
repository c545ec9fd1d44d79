"""The numbers of the page Quality as tiles: each with its interval, and of whom it speaks."""

from collections.abc import Mapping
from typing import Any

from interlock.console.asking import Asked
from interlock.console.text import interval, number, percent, span

# Where the view has a rate and no interval.
_NOT_SURE = "; too little of what was chosen for people is answered to say how sure it is"


def quality_tiles(found: Asked, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Arguments of the macro `tile`, from a row of question `metrics` or `metrics_by_domain`; empty without a row."""
    if not row:
        return []
    links = {"sql": found.sql, "rows": found.rows_of(row)}
    decisions = f"{number(row['total_decisions'])} decisions"
    reviewed = f"{number(row['reviewed_decisions'])} reviewed decisions"
    picked = f"of {reviewed}, which routing picked for being doubtful"
    tiles: list[dict[str, Any]] = [
        {
            "label": "Accuracy, corrected",
            "value": percent(row["ai_accuracy"]),
            "interval": interval(row["ai_accuracy_lower"], row["ai_accuracy_upper"]),
            "population": f"of all {decisions}, estimated from {reviewed}"
            + ("" if row["ai_accuracy"] is None or row["ai_accuracy_lower"] is not None else _NOT_SURE),
        },
        {
            "label": "Accuracy, naive",
            "value": percent(row["ai_accuracy_reviewed"]),
            "population": f"{picked}: says nothing of the others",
        },
        {"label": "Overridden", "value": percent(row["override_rate"]), "population": picked},
        {"label": "Modified", "value": percent(row["modification_rate"]), "population": picked},
        {
            "label": "Overconfidence",
            "value": percent(row["confidence_calibration"]),
            "population": "mean calibrated confidence less accuracy, of all decisions; above 0 the models claim too "
            "much",
        },
        {"label": "Effective at once", "value": percent(row["auto_approved_rate"]), "population": f"of {decisions}"},
        {
            "label": "Wait for a person",
            "value": percent(row["human_review_rate"]),
            "population": f"of {decisions}; reviews after the effect are not in it",
        },
        {
            "label": "Audited blindly",
            "value": percent(row["audit_rate"]),
            "population": "of the decisions that took effect at once",
        },
        {
            "label": "In time",
            "value": percent(row["sla_compliance"]),
            "population": "of cases that were decided, missed or are overdue",
            "level": "warn" if row["breached_open"] else "",
        },
        {
            "label": "Review time",
            "value": span(row["median_review_time"]),
            "population": "median from claim to verdict, of all verdicts but on gold items",
        },
        {"label": "Escalated", "value": percent(row["escalation_rate"]), "population": "of all cases, open ones too"},
    ]
    if "dead_letter_rate" in row:
        tiles.append(
            {
                "label": "Dead letters",
                "value": percent(row["dead_letter_rate"], 2),
                "population": f"{number(row['dead_letters'])} messages that the router could not read, of all it has "
                "read",
                "level": "warn" if row["dead_letters"] else "",
            }
        )
    return [{**tile, **links} for tile in tiles]
