"""The part of the page Quality that tells what happened to groups of people."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from clickhouse_connect.driver.exceptions import ClickHouseError
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from interlock.api.access.principal import Principal
from interlock.api.backend import backend_of
from interlock.api.fairness import fairness_report
from interlock.api.problems import problem_of
from interlock.console.charts import Chart, Estimate, intervals
from interlock.console.pages.showing import needs, show
from interlock.errors import InterlockError
from interlock.policies.group_rows import FAIRNESS_COLUMNS, fairness_rows
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter()

Reader = Annotated[Principal, Depends(needs("proposals:read"))]

# As the default of `interlock fairness`.
_SINCE = "30d"

# An attribute may have as many values as there are people. More rows are no overview; the answer as JSON has all.
_ROWS = 200
_BARS = 30


@router.get("/quality/fairness")
def fairness(
    request: Request,
    person: Reader,  # noqa: ARG001 - who may
    domain: Annotated[str, Query(max_length=MAX_ID_BYTES)],
) -> Response:
    """The figures of one domain, or why there are none. The page fetches it by itself: a process that opens sealed
    attributes takes longer than the other numbers."""
    backend = backend_of(request)
    problem, rows = "", []
    try:
        rows = fairness_report(backend, domain, _SINCE, "")
    except (InterlockError, ClickHouseError, OSError) as error:
        problem = problem_of(error).detail
    policy = backend.policies.owner(domain)
    return show(
        request,
        "parts/fairness.html",
        problem=problem,
        named=policy is not None and bool(policy.domains[domain].groups),
        columns=[{"key": name, "label": name.capitalize()} for name in FAIRNESS_COLUMNS],
        rows=fairness_rows(rows[:_ROWS]),
        left_out=len(rows[_ROWS:]),
        chart=errors_chart(rows),
        unreadable=rows[0]["unreadable"] if rows else 0,
        since=_SINCE,
        as_json=f"/v1/fairness?{urlencode({'domain': domain, 'since': _SINCE}, errors='replace')}",
    )


def errors_chart(rows: Sequence[Mapping[str, Any]]) -> Chart:
    """How often automated decisions are wrong, for everybody and for each group that has enough verdicts."""
    told = [row for row in rows if row["automated_error"] is not None]
    several = len({row["model"] for row in rows}) > 1
    return intervals(
        "Wrong among automated decisions, by group",
        [
            Estimate(
                _name(row, with_model=several),
                row["automated_error"],
                row["automated_error_lower"],
                row["automated_error_upper"],
                count=row["automated_error_verdicts"],
            )
            for row in told[:_BARS]
        ],
    )


def _name(row: Mapping[str, Any], *, with_model: bool) -> str:
    of_whom = f"{row['attribute']} = {row['group'] or '(not known)'}" if row["attribute"] else "everybody"
    return f"{of_whom}, {row['model']}" if with_model else of_whom
