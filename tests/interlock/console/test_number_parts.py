"""What the number pages are made of: links behind numbers, cells, charts, tiles and members of the team."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from interlock.console.asking import Asked, address, rows_behind
from interlock.console.cells import cell
from interlock.console.pages.decisions import cursor_of, from_cursor
from interlock.console.pages.fairness import errors_chart
from interlock.console.pages.quality import calibrations, in_truth, routes_chart
from interlock.console.pages.queues import rate_chart
from interlock.console.pages.team import member
from interlock.console.pages.work import agreement_tiles, pace_tiles
from interlock.console.quality_tiles import quality_tiles
from interlock.console.text import percent
from interlock.learning.reviewer_errors import GoldItems
from interlock.policies.replay.known_errors import KnownErrors
from interlock.review.roster import person
from interlock.sinks.questions import QUESTIONS

NOON = datetime(2026, 3, 2, 12, 30, tzinfo=UTC)
HOUR = 3_600_000_000


def parts(link: str) -> tuple[str, dict[str, str]]:
    """Path and parameters of an address."""
    split = urlsplit(link)
    return split.path, {name: values[0] for name, values in parse_qs(split.query).items()}


def test_an_address_has_what_was_given_and_leaves_out_what_stands_for_all() -> None:
    assert address("slices", {"domain": "", "slice": "a b&c"}) == "/answers/slices?slice=a+b%26c"
    assert address("metrics", {}) == "/answers/metrics"
    assert parts(address("alerts", {"kind": "\ud800"}))[0] == "/answers/alerts"


def test_the_rows_behind_a_number_take_values_of_its_parameters_and_of_its_row() -> None:
    row = {"slice": "route", "value": "auto", "override_rate": 0.5}
    assert parts(rows_behind("slices", {"domain": "loans", "slice": ""}, row)) == (
        "/answers/slice_cases",
        {"domain": "loans", "slice": "route", "value": "auto"},
    )
    minute = {"minute": datetime(2026, 3, 2, 12, 30)}  # noqa: DTZ001 - as ClickHouse's client gives it
    assert parts(rows_behind("routes_by_minute", {"hours": 3}, minute))[1] == {"minute": "2026-03-02T12:30:00Z"}


def test_rows_that_need_more_than_is_known_are_those_of_the_number_itself() -> None:
    assert rows_behind("team", {}, {}) == "/answers/team"
    assert rows_behind("team", {}, {"reviewer": "ann"}) == "/answers/verdicts?reviewer=ann"
    assert rows_behind("alerts", {"kind": "drift"}, {}) == "/answers/alerts?kind=drift"


def test_errors_of_groups_stand_as_bars_in_the_order_of_the_report_where_they_are_known() -> None:
    def row(group: str, error: float | None) -> dict[str, Any]:
        found: dict[str, Any] = {"model": "m@7", "attribute": "age" if group else "", "group": group}
        found |= {"automated_error": error, "automated_error_lower": error, "automated_error_upper": error}
        return found | {"automated_error_verdicts": 40}

    chart = errors_chart([row("", 0.05), row("65 or more", 0.25), row("under 18", None)])
    shown = [("everybody", percent(0.05)), ("age = 65 or more", percent(0.25))]
    assert [cells[:2] for cells in chart.rows] == shown
    two = errors_chart([row("", 0.05), row("", 0.02) | {"model": "m@8"}])
    assert [cells[0] for cells in two.rows] == ["everybody, m@7", "everybody, m@8"]
    assert not errors_chart([row("", None)]).rows


def test_rates_are_corrected_by_what_is_known_of_the_people_of_their_domain_or_as_if_they_missed_a_fifth() -> None:
    row: dict[str, Any] = {
        "model_id": "m",
        "model_version": "7",
        "hajek": 0.08,
        "hajek_lower": 0.06,
        "hajek_upper": 0.1,
    }
    row |= {"covered_decisions": 9_000, "reviewed_decisions": 2_000}
    people = {"loans": KnownErrors(GoldItems(wrong=100, found=50, right=400, left=400))}
    rows = [row | {"domain": "loans"}, row | {"domain": "cards"}, row | {"domain": "posts", "hajek_lower": None}]
    loans, cards = in_truth(rows, people)
    assert (loans.domain, loans.truth.known, cards.domain, cards.truth.known) == ("loans", True, "cards", False)
    assert loans.truth.value == pytest.approx(0.16)
    assert loans.truth.low < 0.16 < loans.truth.high
    assert (cards.truth.low, cards.truth.value, cards.truth.high) == pytest.approx((0.075, 0.1, 0.125))


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_has_an_address_for_its_rows_and_sql(name: str) -> None:
    found = Asked(name, [])
    assert found.rows_address.startswith("/answers/")
    assert found.sql == f"/answers/{name}#sql"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "yes"),
        (3, "3"),
        (0.25, "0.25"),
        (Decimal("1.5"), "1.5"),
        (date(2026, 3, 2), "2026-03-02"),
        ("<b>", "<bdi>&lt;b&gt;</bdi>"),
        ("a\u202eb", "<bdi>a\\u202eb</bdi>"),
        (["<i>", "x"], "<bdi>&lt;i&gt;, x</bdi>"),
        ("x" * 400, f"<bdi>{'x' * 299}…</bdi>"),
    ],
)
def test_a_cell_shows_what_clickhouse_gave(value: Any, shown: str) -> None:
    assert str(cell("anything", value)) == shown


def test_ids_link_to_the_pages_that_the_reader_may_open() -> None:
    assert 'href="/decisions/a%2Fb%3C"' in str(cell("decision_id", "a/b<", scopes={"decisions:read"}))
    assert "href" not in str(cell("decision_id", "a", scopes={"tasks:read"}))
    assert 'href="/tasks/a"' in str(cell("task_id", "a", scopes={"tasks:read"}))
    assert "not known" in str(cell("task_id", None, scopes={"tasks:read"}))


def test_rates_of_all_queues_are_added_and_hours_without_any_are_zero() -> None:
    hour = NOON.replace(minute=0, tzinfo=None)
    rows = [{"hour": hour, "queue": queue, "arrived": 2, "decided": 1} for queue in ("a", "b")]
    chart = rate_chart(rows, NOON, "UTC")
    assert len(chart.rows) == 25
    assert [str(cell) for cell in chart.rows[-1][1:]] == ["4", "2"]
    assert {str(cell) for row in chart.rows[:-1] for cell in row[1:]} == {"0"}
    assert rate_chart([], NOON, "").rows == ()


def test_routes_are_drawn_oldest_minute_first() -> None:
    minutes = [NOON, NOON - timedelta(minutes=1)]
    rows = [{"minute": minute, "auto": 3, "async": 1, "sync": 0, "manual": 0} for minute in minutes]
    assert [str(row[0])[16:32] for row in routes_chart(rows, "UTC").rows] == ["2026-03-02T12:29", "2026-03-02T12:30"]


def test_pace_is_of_all_days_and_says_of_how_many_verdicts() -> None:
    day = {"active_hours": 2, "within_sla_share": 1.0, "median_handling_seconds": 30.0}
    rows = [{**day, "day": date(2026, 3, 1), "decided": 8}, {**day, "day": date(2026, 3, 2), "decided": 2}]
    rows[1]["within_sla_share"] = 0.5
    tiles = {tile["label"]: tile for tile in pace_tiles(Asked("my_pace", rows, parameters={"reviewer": "ann"}))}
    assert tiles["Decided"]["value"] == "10"
    assert tiles["Per active hour"]["value"] == "2.5"
    assert tiles["In time"]["value"] == "90.0 %"
    assert "2026-03-02" in tiles["From claim to verdict"]["population"]
    assert all(tile["sql"] and tile["rows"] and tile["population"] for tile in tiles.values())
    assert pace_tiles(Asked("my_pace", [])) == []
    assert agreement_tiles(Asked("my_agreement", [])) == []


def test_tiles_of_quality_exist_for_all_domains_and_for_one() -> None:
    for name in ("metrics", "metrics_by_domain"):
        row = dict.fromkeys(QUESTIONS[name].columns)
        tiles = quality_tiles(Asked(name, [row]), {**row, "ai_accuracy": 0.5, "dead_letters": 0})
        assert tiles[0]["value"] == "50.0 %"
        assert tiles[0]["population"].endswith(
            "too little of what was chosen for people is answered to say how sure it is"
        )
        assert all(tile["sql"] and tile["rows"] and tile["population"] for tile in tiles)
    assert quality_tiles(Asked("metrics", []), {}) == []


def test_a_report_without_bins_has_facts_and_an_empty_plot() -> None:
    row = dict.fromkeys(QUESTIONS["calibration"].columns) | {"model_id": "m", "model_version": "1", "bin": 0}
    (shown,) = calibrations(Asked("calibration", [row]))
    assert shown.model == "m 1"
    assert shown.plot.rows == ()
    assert shown.findings == ()


def test_a_place_in_the_list_survives_its_address() -> None:
    last = {"at": NOON, "decision_id": "a/b \u202e"}
    assert from_cursor(cursor_of(last)) == ("2026-03-02T12:30:00.000Z", "a/b \u202e")
    assert from_cursor("") == ("", "")


def member_at(moment: datetime, **fields: Any) -> Any:
    record = person({"id": "ann", "name": "Ann"}).to_record() | {"time_zone": "UTC", **fields}
    at = int(moment.timestamp()) * 1_000_000
    return member(record, at, on_duty=True, load=1, late=0), at


def test_absence_ends_with_the_last_time_off_that_is_under_way() -> None:
    shown, now = member_at(
        NOON,
        time_off=[
            {"start": NOON - timedelta(hours=1), "end": NOON + timedelta(hours=1)},
            {"start": NOON - timedelta(hours=2), "end": NOON + timedelta(hours=5)},
            {"start": NOON + timedelta(hours=9), "end": NOON + timedelta(hours=10)},
        ],
    )
    assert (shown.away_until, shown.working) == (now + 5 * HOUR, False)


def test_working_hours_say_when_they_end_and_when_they_begin() -> None:
    # The second of March is a Monday.
    hours = [{"day": 0, "start": 9 * 60, "end": 13 * 60}]
    shown, now = member_at(NOON, hours=hours)
    assert (shown.working, shown.next_change, shown.away_until) == (True, now + HOUR // 2, None)
    shown, now = member_at(NOON - timedelta(hours=4), hours=hours)
    assert (shown.working, shown.next_change) == (False, now + HOUR // 2)
    shown, _ = member_at(NOON)
    assert (shown.working, shown.next_change) == (True, None)
