"""Pages, filters and static files, without a browser."""

import hashlib
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from xml.etree import ElementTree

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError
from markupsafe import Markup

from interlock.console import navigation, rendering, static_files, text
from interlock.console.json_block import json_block
from tests.interlock.console import styleguide

HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@pytest.fixture
def client() -> Iterator[TestClient]:
    styleguide.add_templates()
    with TestClient(styleguide.application(styleguide.World()), base_url="http://127.0.0.1") as made:
        yield made


def rendered(source: str, **context: object) -> str:
    return rendering.environment().from_string(source).render(context)


def test_a_page_forbids_everything_that_it_does_not_need(client: TestClient) -> None:
    headers = client.get("/styleguide").headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


def test_no_template_has_inline_scripts_styles_handlers_or_foreign_addresses() -> None:
    environment = rendering.environment()
    for name in environment.list_templates():
        assert environment.loader is not None
        source, _, _ = environment.loader.get_source(environment, name)
        source = re.sub(r"\{#.*?#\}", "", source, flags=re.DOTALL)
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:|=\"(https?:)?//", source), (
            name
        )


def test_no_module_evaluates_text_or_writes_markup() -> None:
    for name, content in static_files.contents().items():
        if name.endswith(".js") and not name.startswith("vendor/"):
            forbidden = (
                r"\beval\(|new Function|innerHTML\s*=|outerHTML\s*=|insertAdjacentHTML|document\.write|https?://"
            )
            assert not re.search(forbidden, content.decode()), name


def test_a_name_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        rendered("{{ nobody }}")


@given(st.text())
def test_whatever_is_printed_is_escaped_and_visible(value: str) -> None:
    shown = rendered("{{ value }}{{ value ~ markup }}", value=value, markup=Markup("<b>"))
    assert not HIDDEN.search(shown)
    assert "<" not in shown.replace("<b>", "")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")))
def test_the_value_of_a_field_comes_back_as_it_is(value: str) -> None:
    field = rendered("<p>{{ value|exact }}</p>", value=value)
    assert (ElementTree.fromstring(field).text or "") == value


@given(json_values, st.sets(st.text()))
def test_any_json_is_shown_as_well_formed_markup(value: object, names: set[str]) -> None:
    shown = json_block(value, marked=names, private=names)
    assert not HIDDEN.search(shown)
    ElementTree.fromstring(f"<div>{shown}</div>".replace("\ufffe", "").replace("\uffff", ""))


def test_fields_that_rules_used_are_marked_and_personal_data_is_private() -> None:
    case = {"applicant": {"income": 48000, "name": "Zoe"}, "rows": [{"a": 1}, {"a": 2}]}
    shown = json_block(case, marked=["applicant.income", "rows.a"], private=["applicant.name"])
    assert len(re.findall("<mark ", shown)) == 2
    assert re.search(r'data-private="" tabindex="0"><bdi class="json-text">Zoe', shown)


def test_a_number_in_data_is_shown_as_it_was_sent() -> None:
    assert "20231105" in json_block({"account": 20231105})


def test_a_long_list_says_how_much_is_not_shown() -> None:
    assert "800 more are not shown" in json_block(list(range(1000)))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (59.9, "59 s"),
        (270, "4 min 30 s"),
        (7530, "2 h 05 min"),
        (273_600, "3 d 4 h"),
        (-65, "−1 min 05 s"),
        (timedelta(days=2), "2 d 0 h"),
    ],
)
def test_spans_have_their_two_largest_units(seconds: float | timedelta, shown: str) -> None:
    assert text.span(seconds) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.5, "0.5"), (1234567, "1,234,567"), (-3, "−3"), (10**12, "1,000,000,000,000"), (0.00001234, "1.234e-05")],
)
def test_numbers_have_separators(value: float, shown: str) -> None:
    assert text.number(value) == shown


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_what_is_not_known_is_a_dash_that_is_read_aloud(value: float | None) -> None:
    for shown in (text.number(value), text.percent(value), text.span(value)):
        assert "not known" in shown


@given(st.integers(-(2**63), 2**63 - 1) | st.datetimes() | st.datetimes(timezones=st.just(UTC)))
def test_any_instant_is_a_time_of_its_zone(value: int | datetime) -> None:
    for zone in ("", "Pacific/Kiritimati", "no such zone", "../etc/passwd"):
        assert re.fullmatch(
            r'<time datetime="\d{4}-.*Z" title="\d{4}-.* UTC">\d{4}-.*</time>', text.moment(value, zone)
        )


def test_an_instant_is_shown_in_the_zone_that_the_reader_chose(client: TestClient) -> None:
    client.cookies.set("interlock-zone", "America%2FNew_York")
    assert '<meta name="zone" content="America/New_York">' in client.get("/styleguide").text
    at = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
    assert '2026-03-01 12:03:00 UTC">2026-03-01 07:03</time>' in rendered(
        "{{ at|moment }}", at=at, zone="America/New_York"
    )


def test_a_theme_of_a_forged_cookie_is_not_used(client: TestClient) -> None:
    client.cookies.set("interlock-theme", '"><script>')
    assert 'data-theme="auto"' in client.get("/styleguide").text


def test_an_id_is_one_segment_of_a_path() -> None:
    assert text.segment("loan/7?x#y z") == "loan%2F7%3Fx%23y%20z"


def test_the_navigation_offers_what_the_scopes_allow() -> None:
    offered = navigation.offered({"tasks:read", "system:read"})
    assert [(group, [entry.key for entry in entries]) for group, entries in offered] == [
        ("Cases", ["queues"]),
        ("Operation", ["system"]),
    ]


def test_who_is_not_logged_in_gets_a_page_without_navigation() -> None:
    styleguide.add_templates()
    app = FastAPI()

    @app.get("/")
    def login(request: Request) -> HTMLResponse:
        return rendering.page(request, "elsewhere.html", rest="login")

    shown = TestClient(app).get("/").text
    assert "<nav" not in shown
    assert "data-events" not in shown


def test_a_file_under_its_digest_is_kept_for_good(client: TestClient) -> None:
    address = static_files.address("app.js")
    answer = client.get(address)
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("path", ["app.js", "0123456789ab/app.js", "0123456789ab/vendor/htmx.min.js"])
def test_a_file_without_the_digest_of_this_version_is_asked_for_again(client: TestClient, path: str) -> None:
    answer = client.get(f"/static/{path}")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("path", ["nothing.js", "../rendering.py", "%2e%2e/rendering.py", "vendor/README.md", ""])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    answer = client.get(f"/static/{path}")
    assert "import" not in answer.text


def test_what_is_vendored_is_what_its_page_says() -> None:
    folder = files("interlock.console") / "static" / "vendor"
    rows = re.findall(r"^\| `(\S+)` .* `([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.MULTILINE)
    assert {name for name, _ in rows} == {file.name for file in folder.iterdir() if file.name.endswith(".js")}
    for name, digest in rows:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
