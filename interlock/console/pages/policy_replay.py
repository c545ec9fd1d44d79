"""The replay of a policy that somebody is writing, for the editor."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from clickhouse_connect.driver.exceptions import ClickHouseError
from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import Response

from interlock.api.access.principal import Principal
from interlock.api.backend import backend_of
from interlock.api.policy_replay import replay_source
from interlock.api.problems import problem_of
from interlock.api.routes.policies import MAX_SOURCE
from interlock.console.charts import Chart, Estimate, Line, intervals, series
from interlock.console.pages.showing import needs, show
from interlock.console.rendering import zone_name_of
from interlock.errors import InterlockError
from interlock.policies.replay import Replay
from interlock.policies.replay.matrix import SHADOW
from interlock.policy.vocabulary import Route

router = APIRouter()

Reader = Annotated[Principal, Depends(needs("policies:read"))]

_HOUR = timedelta(hours=1)

# A page with more charts is no overview; the answer as JSON has all queues.
_QUEUES = 8


@dataclass(frozen=True)
class QueueChart:
    """Tasks of a queue by hour, and what comes in a next period."""

    name: str
    chart: Chart
    then: float
    mean: float
    low: float
    high: float


@router.post("/policies/replay")
def replayed(
    request: Request,
    person: Reader,  # noqa: ARG001 - who may
    source: Annotated[str, Form(max_length=MAX_SOURCE)],
    since: Annotated[str, Form(max_length=64)] = "7d",
    until: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """What stands under the editor: the answer, or why there is none. Changes nothing."""
    problem, result = "", None
    try:
        result = replay_source(backend_of(request), source, since, until)
    except (InterlockError, ClickHouseError, OSError) as error:
        # Shown in its place, so that the text under the editor is never an old one.
        problem = problem_of(error).detail
    if result is None:
        return show(request, "parts/policy_replay.html", problem=problem, result=None)
    routes = [*(route.label for route in Route), SHADOW]
    counts = {(cell.old, cell.new): cell.decisions for cell in result.matrix}
    used = [route for route in routes if any(route in pair for pair in counts)]
    return show(
        request,
        "parts/policy_replay.html",
        problem="",
        result=result,
        routes=used,
        counts=counts,
        queues=_queues(result, zone_name_of(request)),
        errors=_errors(result),
    )


def _queues(result: Replay, zone: str) -> list[QueueChart]:
    charts = []
    for queue in result.queues[:_QUEUES]:
        then = {one.hour: one.old for one in result.reviews if one.queue == queue.queue}
        now = {one.hour: one.new for one in result.reviews if one.queue == queue.queue}
        hours = _hours(queue.first_hour, result.until)
        lines = [
            Line("then", [(hour, then.get(hour, 0.0)) for hour in hours]),
            Line("with the candidate", [(hour, now.get(hour, 0.0)) for hour in hours]),
        ]
        chart = series(f"Tasks of {queue.queue}", lines, unit="tasks an hour", zone=zone)
        charts.append(QueueChart(queue.queue, chart, queue.then, queue.total.mean, queue.total.low, queue.total.high))
    return charts


def _hours(first: datetime, until: datetime) -> list[datetime]:
    return [first + _HOUR * number for number in range((until - first) // _HOUR)]


def _errors(result: Replay) -> Chart:
    estimates = []
    for of in result.errors:
        name = f"{of.attribute} = {of.value}" if of.attribute else "all"
        for when, total in (("then", of.then), ("candidate", of.candidate)):
            if total.judged or not total.unknown:
                estimate = Estimate(f"{name}, {when}", total.value, total.low, total.high, count=total.judged)
            else:
                estimate = Estimate(f"{name}, {when}", None, count=0)
            estimates.append(estimate)
    return intervals("Errors that take effect unseen", estimates, shares=False)
