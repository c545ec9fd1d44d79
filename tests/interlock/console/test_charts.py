"""Charts: well-formed and harmless whatever is in them, and never without their table."""

import math
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.console import charts
from interlock.console.charts.ticks import short, ticks, time_ticks

texts = st.text(alphabet=st.characters(), max_size=40) | st.sampled_from(
    ["<script>alert(1)</script>", '" onload="x', "]]>", "\x00\x1b", "\ud800", "\ufffe", "\u202e", "&amp;"]
)
numbers = st.floats() | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf, 1e308, -1e308, 5e-324])
times = st.datetimes() | st.datetimes(timezones=st.just(UTC))
maybe = st.none() | numbers

drawn = st.one_of(
    st.builds(
        charts.bars,
        texts,
        st.lists(st.builds(charts.Feature, texts, numbers, texts), max_size=30),
        width=st.sampled_from([300, 640]),
    ),
    st.builds(
        charts.calibration_plot,
        texts,
        st.lists(st.builds(charts.Bin, numbers, numbers, numbers, numbers, st.integers()), max_size=12),
    ),
    st.builds(
        charts.series,
        texts,
        st.lists(
            st.builds(charts.Line, texts, st.lists(st.tuples(times, numbers), max_size=8), st.booleans()), max_size=8
        ),
        unit=texts,
        zone=st.sampled_from(["", "UTC", "Asia/Tokyo", "No/Where"]),
    ),
    st.builds(
        charts.intervals,
        texts,
        st.lists(st.builds(charts.Estimate, texts, maybe, maybe, maybe, maybe, st.none() | st.integers()), max_size=8),
        shares=st.booleans(),
    ),
    st.builds(charts.sparkline, texts, st.lists(numbers, max_size=12)),
)

ALLOWED = {"svg", "title", "desc", "text", "line", "rect", "circle", "path", "span"}


@given(drawn)
def test_any_text_and_number_gives_well_formed_harmless_markup(chart: charts.Chart) -> None:
    root = ElementTree.fromstring(chart.svg)
    for element in root.iter():
        assert element.tag.rpartition("}")[2] in ALLOWED
        assert not [name for name in element.attrib if name.startswith("on") or name in ("style", "href")]
    numbers_shown = " ".join(
        value
        for element in root.iter()
        for name, value in element.attrib.items()
        if name in ("x", "y", "x1", "y1", "x2", "y2", "width", "height", "r", "cx", "cy", "d", "viewBox")
    )
    assert "nan" not in numbers_shown
    assert "inf" not in numbers_shown
    assert all(len(row) == len(chart.columns) for row in chart.rows)


@given(drawn)
def test_a_chart_is_read_as_one_image_with_a_title_and_a_description(chart: charts.Chart) -> None:
    if not chart.svg.startswith("<svg"):
        return  # a sparkline without data
    root = ElementTree.fromstring(chart.svg)
    assert root.get("role") == "img"
    names = root.get("aria-labelledby", "").split()
    assert [root[0].get("id"), root[1].get("id")] == names


@pytest.mark.parametrize(
    "chart",
    [
        charts.bars("x", []),
        charts.bars("x", [charts.Feature("a", math.nan)]),
        charts.calibration_plot("x", []),
        charts.series("x", []),
        charts.series("x", [charts.Line("a", [(datetime(2026, 3, 1, tzinfo=UTC), math.nan)])]),
        charts.intervals("x", [charts.Estimate("a", None)]),
        charts.sparkline("x", []),
    ],
)
def test_without_data_a_chart_says_so(chart: charts.Chart) -> None:
    assert "no data yet" in chart.svg
    assert chart.rows == ()


def test_the_table_of_features_has_all_of_them_the_heaviest_first() -> None:
    chart = charts.bars("Why", [charts.Feature(f"f{step}", (-1) ** step * step / 10) for step in range(30)])
    assert len(chart.rows) == 30
    assert chart.rows[0] == ("f29", "", "−2.9", "against")
    assert chart.rows[-1] == ("f0", "", "0", "neither")


def test_a_series_has_a_row_for_every_time_and_a_dash_for_what_is_missing() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    one = charts.Line("one", [(start, 1.0), (start + timedelta(hours=1), 2.0)])
    other = charts.Line("other", [(start + timedelta(hours=1), math.nan)])
    chart = charts.series("x", [one, other])
    assert [row[1] for row in chart.rows] == ["1", "2"]
    assert all("not known" in row[2] for row in chart.rows)


def test_an_interval_that_misses_the_diagonal_is_told() -> None:
    chart = charts.calibration_plot("x", [charts.Bin(0.9, 0.7, 0.6, 0.8, 50), charts.Bin(0.5, 0.5, 0.4, 0.6, 50)])
    assert "In 1 of them" in chart.svg


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-30, 70, [-20, 0, 20, 40, 60]),
        (0, 1234567, [0, 500_000, 1_000_000]),
        (5, 5, [5]),
        (math.nan, 1, []),
    ],
)
def test_steps_of_an_axis_are_round(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_an_axis_has_few_steps_in_order(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    found = ticks(low, high)
    assert 1 <= len(found) <= 12
    assert found == sorted(found)


@given(st.datetimes(), st.datetimes())
def test_an_axis_of_time_has_few_labels_inside_its_range(one: datetime, other: datetime) -> None:
    first, last = min(one, other), max(one, other)
    found = time_ticks(first, last)
    assert len(found) <= 8
    assert all(first <= at <= last for at, _ in found)


def test_a_day_is_labelled_in_hours_and_a_month_in_days() -> None:
    start = datetime(2026, 3, 1, 10, 30, tzinfo=UTC)
    assert [text for _, text in time_ticks(start, start + timedelta(days=1))] == [
        "12:00",
        "18:00",
        "03-02",
        "06:00",
    ]
    assert [text for _, text in time_ticks(start, start + timedelta(days=28))] == [
        "03-08",
        "03-15",
        "03-22",
        "03-29",
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (1200, "1,200"), (25_000, "25k"), (3.5e6, "3.5M"), (10**12, "1T"), (-0.05, "−0.05")]
)
def test_labels_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_narrow_bars_have_their_names_above_and_are_drawn_in_pixels() -> None:
    features = [charts.Feature("arrears", -0.7, "2"), charts.Feature("income", 0.5, "high")]
    narrow = charts.bars("What weighed", features, width=300)
    svg = str(narrow.svg)
    assert 'viewBox="0 0 300 ' in svg
    assert "chart-narrow" in svg
    assert narrow.rows == charts.bars("What weighed", features).rows
    # All of the width is for bars, from the lowest weight to the highest.
    places = [
        (float(x), float(width)) for x, width in re.findall(r'<rect [^>]*x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', svg)
    ]
    assert min(x for x, _ in places) == 1
    assert max(x + width for x, width in places) == 299
