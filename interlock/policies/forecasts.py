"""What a replay had forecast of a change, as it is kept with the version and compared with what then happens."""

import json
from typing import Any

from interlock.errors import UsageError
from interlock.schemas import json_text

# Examples name people's cases, and tasks by hour and queue are many: the report has them, a version keeps the sums.
_LEFT_OUT = ("examples", "reviews")

# A matrix, rules and sums take some kilobytes; more is something else.
MAX_CHARACTERS = 256 * 1024


def kept(text: str, version: str) -> str:
    """What is kept of a report of `interlock policy replay --json` on the policy `version`; empty for none.

    Raises UsageError where it is no such report, or one of another version.
    """
    if not text:
        return ""
    try:
        report = json_text.parse(text)
    except json_text.JsonError as error:
        raise UsageError(f"the forecast is no JSON: {error}; `interlock policy replay --json` writes one") from error
    if not isinstance(report, dict) or "version" not in report:
        raise UsageError("the forecast is no report of a replay: `interlock policy replay --json` writes one")
    if report["version"] != version:
        raise UsageError(
            f"the forecast is of version {report['version']}, and this text is version {version}: replay this one"
        )
    short = {name: value for name, value in report.items() if name not in _LEFT_OUT}
    reviews = report.get("reviews")
    if isinstance(reviews, list):
        short["reviews"] = {side: sum(_number(row, side) for row in reviews) for side in ("old", "new")}
    written = json.dumps(short)
    if len(written) > MAX_CHARACTERS:
        raise UsageError(f"the forecast has {len(written):,} characters; at most {MAX_CHARACTERS:,} are kept")
    return written


def compared(forecast: dict[str, Any] | None, observed: dict[str, Any] | None) -> dict[str, float | None]:
    """Which share of the decisions goes elsewhere, as forecast and as seen; None where it is not known."""
    return {"forecast": _share(forecast, "rerouted"), "observed": _share(observed, "changed")}


def _share(facts: dict[str, Any] | None, name: str) -> float | None:
    if not facts or not facts.get("decisions") or name not in facts:
        return None
    return float(facts[name]) / float(facts["decisions"])


def _number(row: Any, name: str) -> float:
    value = row.get(name) if isinstance(row, dict) else None
    return float(value) if isinstance(value, int | float) else 0.0
