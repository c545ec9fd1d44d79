"""Quality: how good the models and the people are, each number with its interval and of whom it speaks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from interlock.api.access.principal import Principal
from interlock.api.backend import Backend, backend_of
from interlock.console.asking import FAILURES, Asked, asked_together
from interlock.console.charts import Bin, Chart, Estimate, Line, calibration_plot, intervals, series
from interlock.console.pages.showing import Numbers, show
from interlock.console.quality_tiles import quality_tiles
from interlock.console.rendering import zone_name_of
from interlock.policies.replay.known_errors import InTruth, KnownErrors, known_errors
from interlock.schemas.models import MAX_ID_BYTES
from interlock.sinks.questions import Value

router = APIRouter()

# What view overrides_by_slice slices by.
SLICES = ("prediction", "confidence", "model", "reason_code", "queue", "route", "priority", "workflow")

_HOURS = 3
_DAYS = 30

Name = Annotated[str, Query(max_length=MAX_ID_BYTES)]


@dataclass(frozen=True)
class Calibration:
    """What is known of one model version. `facts`: any row of its report, which all say the same of the whole."""

    model: str
    plot: Chart
    facts: dict[str, Any]
    findings: tuple[dict[str, Any], ...]
    rows_address: str


@dataclass(frozen=True)
class SeenAndTrue:
    """How often people would override a model version, and how often people without errors would."""

    version: str
    domain: str
    seen: Mapping[str, Any]
    truth: InTruth


@router.get("/quality")
def quality(
    request: Request,
    person: Numbers,
    domain: Name = "",
    model_id: Name = "",
    slice: Name = SLICES[0],
) -> Response:
    """The models, then the people. `domain` and `model_id` narrow whatever is told by them.

    The page comes at once, and fetches the numbers then: they take ClickHouse a second of work.
    """
    backend = backend_of(request)
    if "hx-request" not in request.headers:
        chosen = {"domain": domain, "model_id": model_id, "slice": slice}
        return show(
            request,
            "quality.html",
            chosen=chosen,
            here=f"/quality?{urlencode(chosen, errors='replace')}",
            slices=SLICES,
            domains=sorted({name for policy in backend.policies.in_force.values() for name in policy.domains}),
        )
    questions: dict[str, tuple[str, dict[str, Value]]] = {
        "numbers": ("metrics_by_domain" if domain else "metrics", {}),
        "accuracy": ("accuracy", {}),
        "versions": ("population_estimates", {"domain": domain}),
        "calibration": ("calibration", {"model_id": model_id}),
        "objections": ("objections", {"domain": domain, "days": _DAYS}),
        "slices": ("slices", {"domain": domain, "slice": slice}),
        "drift": ("drift", {"domain": domain, "days": _DAYS}),
        "groups": ("groups", {"domain": domain, "days": _DAYS}),
        "found": ("errors_found_by_two", {}),
        "routes": ("routes_by_minute", {"hours": _HOURS}),
    }
    if sees_team(person):
        questions["agreement"] = ("reviewer_agreement", {})
    found = asked_together(backend, questions)
    numbers = [row for row in found["numbers"].rows if not domain or row["domain"] == domain]
    accuracy = [row for row in found["accuracy"].rows if domain in ("", row["domain"])]
    versions = [row for row in found["versions"].rows if model_id in ("", row["model_id"])]
    return show(
        request,
        "parts/quality.html",
        domain=domain,
        slice=slice,
        found=found,
        numbers=quality_tiles(found["numbers"], numbers[0] if numbers else {}),
        accuracy=accuracy_chart(accuracy),
        versions=versions_chart(versions),
        unanswered=[row for row in versions if row["missing"]],
        in_truth=in_truth(versions, _known_errors(backend)),
        objections=[row for row in found["objections"].rows if model_id in ("", row["model_id"])],
        calibrations=calibrations(found["calibration"]),
        drift=[row for row in found["drift"].rows if model_id in ("", row["model_id"])],
        errors_found=[row for row in found["found"].rows if domain in ("", row["domain"])],
        agreement=[row for row in found["agreement"].rows if domain in ("", row["domain"])]
        if "agreement" in found
        else None,
        tells_fairness="proposals:read" in person.scopes,
        fairness_address=f"/quality/fairness?{urlencode({'domain': domain}, errors='replace')}" if domain else "",
        routes=routes_chart(found["routes"].rows, zone_name_of(request)),
        hours=_HOURS,
        days=_DAYS,
    )


def sees_team(person: Principal) -> bool:
    """Numbers that compare people are for who balances and coaches, not for the colleagues of those compared."""
    return "tasks:write" not in person.scopes or "reviewers:read" in person.scopes


def in_truth(rows: Sequence[Mapping[str, Any]], people: Mapping[str, KnownErrors]) -> list[SeenAndTrue]:
    """One for each model version whose override rate is estimated with an interval."""
    return [
        SeenAndTrue(
            f"{row['model_id']} {row['model_version']}",
            row["domain"],
            row,
            people.get(row["domain"], KnownErrors()).in_truth(
                row["hajek"],
                row["hajek_lower"],
                row["hajek_upper"],
                row["covered_decisions"],
                row["reviewed_decisions"],
            ),
        )
        for row in rows
        if row["hajek"] is not None and row["hajek_lower"] is not None
    ]


def _known_errors(backend: Backend) -> Mapping[str, KnownErrors]:
    """Nothing where ClickHouse does not say: the section above says why."""
    try:
        with backend.clickhouse() as client:
            return known_errors(client)
    except FAILURES:
        return {}


def accuracy_chart(rows: Sequence[Mapping[str, Any]]) -> Chart:
    """How often people would confirm the models, by domain."""
    return intervals(
        "Accuracy by domain",
        [
            Estimate(
                row["domain"],
                row["corrected"],
                row["corrected_lower"],
                row["corrected_upper"],
                row["naive"],
                row["reviewed_decisions"],
            )
            for row in rows
        ],
    )


def versions_chart(rows: Sequence[Mapping[str, Any]]) -> Chart:
    """How often people would override, by model version."""
    return intervals(
        "Override rate by model version",
        [
            Estimate(
                f"{row['model_id']} {row['model_version']} ({row['domain']})",
                row["aipw"],
                row["aipw_lower"],
                row["aipw_upper"],
                row["naive"],
                row["reviewed_decisions"],
            )
            for row in rows
        ],
    )


def calibrations(found: Asked) -> list[Calibration]:
    """One for each model version that has a report; the question lists them in this order."""

    def version(row: Mapping[str, Any]) -> tuple[str, str]:
        return row["model_id"], row["model_version"]

    shown = []
    for (model_id, model_version), group in groupby(found.rows, key=version):
        rows = list(group)
        bins = [
            Bin(row["mean_confidence"], row["accuracy"], row["lower"], row["upper"], row["bin_count"])
            for row in rows
            if row["bin"] > 0
        ]
        model = f"{model_id} {model_version}"
        plot = calibration_plot(f"Calibration of {model}", bins)
        findings = tuple(row for row in rows if row["finding"])
        shown.append(Calibration(model, plot, rows[0], findings, found.rows_of(rows[0])))
    return shown


def routes_chart(rows: Sequence[Mapping[str, Any]], zone: str) -> Chart:
    """Decisions a minute by route, oldest minute first."""
    ordered = sorted(rows, key=lambda row: row["minute"])
    lines = [
        Line(route, [(row["minute"], float(row[route])) for row in ordered])
        for route in ("auto", "async", "sync", "manual")
    ]
    return series("Decisions a minute by route", lines if rows else [], zone=zone)
