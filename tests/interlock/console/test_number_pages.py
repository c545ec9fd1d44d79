"""Pages with numbers and stories: from a real ClickHouse, with odd texts in every field, and without ClickHouse."""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from interlock.api import audit
from interlock.operations.audit_trail import publisher
from interlock.operations.trail_export import check
from interlock.platform.trail_keys import Ed25519Signer
from interlock.review.enrolment import publish_reviewers
from interlock.review.roster import person
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.sinks.migrate import migrate
from interlock.sinks.questions import QUESTIONS
from interlock.sinks.rows import TARGETS
from interlock.sinks.trail.anchors import signed_anchor
from interlock.streams.clock import SystemClock
from tests.interlock.console.pages_world import ODD, TRAIL_KEY, Console, fill
from tests.interlock.review.review_world import decision

pytestmark = pytest.mark.warehouse

PAGES = ("/queues", "/work", "/team", "/quality", "/decisions", "/answers")


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    with EmbeddedClickHouse(ServerSettings.private(tmp_path_factory.mktemp("clickhouse"))) as clickhouse:
        with clickhouse.client() as client:
            migrate(client)
            fill(client)
        made = Console(tmp_path_factory.mktemp("data"), clickhouse)
        made.desk.publish_reviewers("ann")
        publish_reviewers(made.desk.broker, [{**person({"id": "odd"}).to_record(), "name": ODD}])
        made.arrive(decision("t-open", subject_id="s-1"))
        made.arrive(decision("d-blind"), "auto", "reviews.async", audit=True, propensity=0.05)
        yield made
        made.close()


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """A console whose ClickHouse is away."""
    made = Console(tmp_path_factory.mktemp("data"))
    made.desk.publish_reviewers("ann")
    made.arrive(decision("t-open"))
    yield made
    made.close()


def opened(console: Console, path: str, *roles: str, **parameters: Any) -> Any:
    """A page as its reader sees it: with the part that it fetches by itself."""
    shown = console.get(path, *roles, **parameters)
    later = re.search(r'(?:hx-get="([^"]*)" hx-trigger="load"|data-live="([^"]*)" data-live-now)', shown.text)
    return console.get(html.unescape(later[1] or later[2]), *roles, fragment=True) if later else shown


def links(response: Any, start: str) -> list[str]:
    """Addresses in the page that begin so."""
    return [html.unescape(found) for found in re.findall(r'href="([^"]*)"', response.text) if found.startswith(start)]


@pytest.mark.parametrize("path", [*PAGES, "/decisions/d-0", "/tasks/t-open"])
def test_a_page_shows_its_numbers_without_a_problem(console: Console, path: str) -> None:
    shown = opened(console, path)
    assert shown.status_code == 200
    assert '<p class="problem"' not in shown.text


@pytest.mark.parametrize("path", ["/queues", "/work", "/team", "/quality", "/decisions/d-0"])
def test_every_link_to_rows_and_sql_opens_an_answer(console: Console, path: str) -> None:
    found = set(links(opened(console, path), "/answers/"))
    assert found
    for address in found:
        answer = console.get(address)
        assert answer.status_code == 200, address
        assert 'id="sql"' in answer.text, address
        assert 'class="problem"' not in answer.text, address


@pytest.mark.parametrize("path", ["/queues", "/work", "/team", "/quality", "/decisions"])
def test_a_page_without_clickhouse_says_what_it_cannot_show_and_shows_the_rest(without: Console, path: str) -> None:
    assert "</html>" in without.get(path).text
    shown = opened(without, path)
    assert shown.status_code == 200
    assert "cannot be " in shown.text


def test_the_queues_count_from_kafka_while_clickhouse_is_away(without: Console) -> None:
    assert "The rates cannot be shown" in opened(without, "/queues").text
    shown = without.get("/queues").text
    assert re.search(r'aria-label="Open cases">.*?tile-value">1<', shown, re.S)


@pytest.mark.parametrize(
    "path",
    [
        "/quality",
        f"/quality?domain={quote(ODD)}&model_id={quote(ODD)}&slice={quote(ODD)}",
        "/team",
        "/queues",
        "/decisions",
        f"/decisions?outcome={quote(ODD)}&subject_id={quote(ODD)}",
        f"/decisions/{quote(ODD, safe='')}",
        f"/answers/reviewed_decisions?domain={quote(ODD)}",
        f"/answers/verdicts?reviewer={quote(ODD)}",
        f"/answers/alerts?kind={quote(ODD)}",
        "/answers/alerts",
        "/answers/drift",
        f"/answers/decision_actions?decision_id={quote(ODD)}",
    ],
)
def test_markup_and_marks_of_direction_are_shown_and_do_nothing(console: Console, path: str) -> None:
    shown = opened(console, path)
    assert shown.status_code == 200
    assert "<script>alert" not in shown.text
    assert "<img src=x" not in shown.text
    assert "&lt;script&gt;alert(1)" in shown.text
    # Only values of form fields come back exactly as they were.
    fields = re.sub(r'value="[^"]*"', "", shown.text)
    assert "\u202e" not in fields


def test_an_answer_shows_its_population_its_rows_and_the_sql_with_the_values(console: Console) -> None:
    shown = console.get("/answers/reviewed_decisions", domain="loans", prediction="reject", limit=3).text
    assert html.escape(QUESTIONS["reviewed_decisions"].population) in shown
    assert shown.count('<a href="/decisions/d-') == 3
    assert "there may be more" in shown
    sql = html.unescape(re.search(r'<pre id="sql"[^>]*>(.*?)</pre>', shown, re.S)[1])  # type: ignore[index]
    assert "'loans'" in sql
    assert "{domain:String}" not in sql
    assert "/v1/questions/reviewed_decisions?domain=loans&amp;prediction=reject&amp;limit=3" in shown


def test_each_row_links_to_the_rows_behind_it(console: Console) -> None:
    shown = console.get("/answers/slices", domain="loans", slice="prediction")
    behind = links(shown, "/answers/slice_cases")
    assert "/answers/slice_cases?domain=loans&slice=prediction&value=reject" in behind
    rows = console.get("/answers/slice_cases?domain=loans&slice=prediction&value=reject").text
    assert rows.count('<a href="/decisions/d-') == 14


def test_a_question_that_needs_more_asks_for_it(console: Console) -> None:
    shown = console.get("/answers/verdicts")
    assert shown.status_code == 200
    assert "Fill in reviewer" in shown.text
    assert 'id="sql"' not in shown.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/answers/alerts?days=many", 422),
        ("/answers/alerts?limit=1001", 422),
        ("/answers/alerts?nothing=1", 422),
        ("/answers/alerts?kind=a%00b", 422),
        ("/answers/everything", 404),
        ("/decisions?since=tomorrow", 422),
        ("/decisions?cursor=none", 422),
        ("/decisions/nobody-knows", 404),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(console: Console, path: str, status: int) -> None:
    shown = console.get(path)
    assert shown.status_code == status
    assert 'class="problem"' in shown.text


def test_the_sql_can_be_read_while_clickhouse_is_away(without: Console) -> None:
    shown = without.get("/answers/reviewed_decisions", domain="loans")
    assert shown.status_code == 200
    assert "ClickHouse does not answer" in shown.text
    assert "&#39;loans&#39;" in shown.text


def test_who_reviews_asks_about_their_own_work_only(console: Console) -> None:
    assert console.get("/answers/verdicts", "reviewer", reviewer="mia").status_code == 403
    assert console.get("/answers/verdicts", "reviewer", reviewer="ann").status_code == 200
    assert console.get("/team", "reviewer").status_code == 403
    assert "Agreement of reviewers" not in opened(console, "/quality", "reviewer").text
    assert "Agreement of reviewers" in opened(console, "/quality", "analyst").text


def test_decisions_are_found_by_what_is_known_of_them(console: Console) -> None:
    def found(**wanted: Any) -> set[str]:
        page = console.get("/decisions", **wanted)
        return {address.removeprefix("/decisions/") for address in links(page, "/decisions/")}

    assert found(decision_id="d-5") == {"d-5", *(f"d-5{digit}" for digit in range(10))}
    assert found(subject_id="s-3") == {f"d-{number}" for number in range(3, 60, 4)}
    # Judged as the model had said, judged for another outcome, and what took effect by itself.
    assert {"d-1", "d-41", "d-45"} & found(outcome="approve", subject_id="s-1") == {"d-1", "d-41"}
    assert "d-0" in found(outcome="approve", subject_id="s-0")
    assert found(model_id="nobody") == set()
    assert found(until="2020-01-01", subject_id="s-1") == set()
    assert "d-1" in found(since="2020-01-01", domain="loans", subject_id="s-1")


def test_the_list_goes_on_where_it_ended(console: Console) -> None:
    first = console.get("/decisions")
    following = links(first, "/decisions?cursor=")
    second = console.get(following[-1])
    shown = [set(links(page, "/decisions/")) for page in (first, second)]
    assert len(shown[0]) == 50
    assert len(shown[1]) == 11
    assert not shown[0] & shown[1]


def test_the_story_names_actors_versions_and_the_policy(console: Console) -> None:
    shown = console.get("/decisions/d-0").text
    assert "version 1: approve (review, by mia)" in shown
    assert "d-0/1/execute" in shown
    assert "0123456789abcdef" in shown
    assert "scorer 7" in shown


def test_what_is_unavailable_of_a_story_is_said(without: Console) -> None:
    shown = without.get("/decisions/t-open")
    assert shown.status_code == 200
    assert "The timeline cannot be shown at present" in shown.text
    assert 'href="/tasks/t-open"' in shown.text


def test_a_decision_under_a_blind_review_is_kept_from_who_may_judge_it(console: Console) -> None:
    refused = console.get("/decisions/d-blind", "reviewer")
    assert refused.status_code == 403
    assert "blind review" in refused.text
    assert "reject" not in refused.text
    assert console.get("/decisions/d-blind", "analyst").status_code == 200


def test_changed_fields_that_look_personal_are_blurred(console: Console) -> None:
    shown = console.get(f"/decisions/{quote(ODD, safe='')}").text
    changed = shown[shown.index("Versions of what holds") :]
    assert re.search(r"<dt><bdi>first_name</bdi></dt><dd><div data-private", changed)
    assert re.search(r"<dt><bdi>term</bdi></dt><dd><span", changed)


def test_quality_is_narrowed_to_a_domain(console: Console) -> None:
    shown = opened(console, "/quality", domain="loans").text
    assert "In domain loans" in shown
    assert "estimated from 40 reviewed decisions" in shown
    assert "Calibration of scorer 7" in shown


def test_objections_in_post_approval_are_told_as_what_they_are(console: Console) -> None:
    shown = opened(console, "/quality", domain="posts").text
    part = shown[shown.index('id="objections"') :]
    assert "does not say that a decision was right" in part
    cells = re.findall(r'<td class="number">([^<]*)</td>', part[: part.index("</table>")])
    assert cells == ["10", "1", "1", "10.0 %"]
    assert 'id="objections"' not in opened(console, "/quality", domain="loans").text


def test_what_two_people_found_and_one_of_them_missed_is_told_by_domain(console: Console) -> None:
    shown = opened(console, "/quality", domain="cards").text
    part = shown[shown.index('id="errors-found"') :]
    assert "Errors that everybody misses are not among them" in part
    row = part[part.index("<tbody") : part.index("</table>")]
    assert [int(cell) for cell in re.findall(r'<td class="number">(\d+)</td>', row)] == [6, 3, 1]
    assert "85.7 %" in row  # of three by both and one by one: 2 · 3 / (2 · 3 + 1)
    assert 'id="errors-found"' not in opened(console, "/quality", domain="posts").text


def test_the_part_of_the_team_that_changes_by_itself_is_no_whole_page(console: Console) -> None:
    part = console.get("/team", fragment=True).text
    assert "<html" not in part
    assert "The team now" in part


def test_the_confidence_of_a_case_is_told_with_what_it_has_meant(console: Console) -> None:
    console.arrive(
        decision("t-known", model_id="scorer", prediction="approve", confidence=0.7), calibrated_confidence=0.7
    )
    shown = console.get("/tasks/t-known").text
    assert re.search(r"People reviewed \d+ answers of this kind with 65 % to 75 % confidence", shown)
    assert links(console.get("/tasks/t-known"), "/answers/confidence_band_cases?")


def test_who_almost_never_overrides_is_named_with_what_was_to_be_expected(console: Console) -> None:
    shown = console.get("/team").text
    warning = shown[shown.index("Almost never another outcome") :]
    assert "<bdi>kim</bdi>: 0.0 % of 30 first reviews were overridden" in warning
    assert "the models themselves expect 50.0 %" in warning
    assert "<bdi>Ann</bdi>:" not in warning


def test_personal_fields_of_a_case_are_blurred_and_so_are_those_that_a_verdict_may_change(console: Console) -> None:
    text = '{"first_name": "Eva", "product_name": "car loan", "contact": {"street": "Main St 4"}, "phone": false}'
    console.arrive(decision("t-private", input=text, attributes={"zip": "10115", "age": "40"}))
    desk = console.backend.desk_of("ann")
    desk.on_duty()
    console.backend.board.wait_for(desk.claim("t-private"))
    shown = console.get("/tasks/t-private").text
    for private in ("Eva", "Main St 4", "10115"):
        assert re.search(rf"<div data-private[^>]*>(?:(?!</div></dd>).)*{private}", shown, re.S), private
    assert re.search(r"<dt><bdi>product_name</bdi></dt><dd><bdi", shown)
    for field in ("first_name", "contact"):
        assert re.search(rf'<span data-private[^>]*><input[^>]*data-field="{field}"', shown)
    for field in ("product_name", "phone"):
        assert re.search(rf'</bdi></span><input[^>]*data-field="{field}"', shown)


def test_a_domain_tells_what_happened_to_groups_of_people(console: Console) -> None:
    page = console.get("/quality", "analyst", fragment=True, domain="loans").text
    (address,) = re.findall(r'hx-get="(/quality/fairness[^"]*)"', page)
    shown = console.get(html.unescape(address), "analyst", fragment=True)
    assert shown.status_code == 200
    assert '<p class="problem"' not in shown.text
    for group in ("everybody", "18 to under 65", "65 or more"):
        assert f"<bdi>{group}</bdi>" in shown.text
    rows = console.get("/v1/fairness", "analyst", domain="loans").json()
    counted = {(row["attribute"], row["group"]): (row["decisions"], row["automated"]) for row in rows}
    assert counted == {
        ("", ""): (60, 20 / 60),
        ("age", "18 to under 65"): (45, 15 / 45),
        ("age", "65 or more"): (15, 5 / 15),
    }


def test_groups_are_told_to_no_one_who_reviews_and_reads_no_proposals(console: Console) -> None:
    assert "/quality/fairness" not in console.get("/quality", "reviewer", fragment=True, domain="loans").text
    assert console.get("/v1/fairness", "reviewer", domain="loans").status_code == 403
    assert console.get("/quality/fairness", "reviewer", fragment=True, domain="loans").status_code == 403


def test_fairness_says_why_it_is_not_told(console: Console, without: Console) -> None:
    refused = console.get("/v1/fairness", "analyst", domain="elsewhere")
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown-domain")
    wrong = console.get("/v1/fairness", "analyst", domain="loans", since="soon")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid")
    assert without.get("/v1/fairness", "analyst", domain="loans").status_code == 503
    shown = without.get("/quality/fairness", "analyst", fragment=True, domain="loans")
    assert shown.status_code == 200
    assert "Fairness cannot be shown: " in shown.text


CANDIDATE = """
name: lending
domains:
  loans:
    models: [scorer]
    outcomes: [approve, reject]
    lanes: {approve: {auto: 0.60, async: 0.30, sync: 0.20}}
    queue: underwriting
"""


def test_the_editor_shows_what_a_policy_would_have_done_with_the_past(console: Console) -> None:
    shown = console.post("/policies/replay", "policy_owner", source=CANDIDATE, since="1d")
    assert shown.status_code == 200
    assert '<p class="problem"' not in shown.text
    for part in ("would take another route", "lane:loans/approve:auto", "/decisions/d-", "People would overrule"):
        assert part in shown.text
    assert "Late tasks at the present staffing" in shown.text
    assert "If people miss 20 % of errors, about" in shown.text


def test_override_rates_stand_beside_what_they_are_in_truth(console: Console) -> None:
    shown = opened(console, "/quality").text
    table = shown[shown.index("Override rates, corrected for what people miss") :].partition("</table>")[0]
    assert "if people miss 20 %" in table


@pytest.mark.parametrize(
    ("source", "since", "said"),
    [
        (CANDIDATE.replace("loans:", "elsewhere:"), "1d", "no decision of elsewhere was routed"),
        (CANDIDATE + "rules: [{id: r, when: amonut > 5, route: sync}]", "1d", "line 9: "),
        (CANDIDATE, "1x", "write how long ago it is"),
    ],
)
def test_the_editor_says_why_there_is_no_replay(console: Console, source: str, since: str, said: str) -> None:
    shown = console.post("/policies/replay", "policy_owner", source=source, since=since)
    assert shown.status_code == 200
    assert said in shown.text


_ENDS = """
SELECT kafka_stream, kafka_topic, kafka_partition, max(kafka_offset), argMax(link, kafka_offset) FROM {table:Identifier}
GROUP BY ALL
"""


@pytest.fixture(scope="module")
def signed(console: Console, tmp_path_factory: pytest.TempPathFactory) -> Console:
    """With an anchor that signs the ends of all chains."""
    heads = {}
    with console.backend.clickhouse() as client:
        for table in sorted({target.table for target in TARGETS.values()}):
            for *chain, offset, link in client.query(_ENDS, parameters={"table": table}).result_rows:
                heads[tuple(chain)] = offset, link
    key = Ed25519Signer(TRAIL_KEY)
    now = SystemClock().now()
    directory = tmp_path_factory.mktemp("anchors")
    console.backend.platform.settings.trail.anchor_directory = directory
    publisher(console.desk.broker, directory)(signed_anchor(key, heads, name="sink-1", previous="", now=now))
    return console


def test_an_auditor_proves_the_trail_and_takes_the_proof_of_a_decision_home(signed: Console, tmp_path: Path) -> None:
    whole = signed.get("/v1/audit/verify", "auditor").json()
    assert whole["ok"]
    assert whole["behind"] == 0
    some = signed.get("/v1/audit/verify", "auditor", topic="resolutions", since="2001-01-01T00:00:00").json()
    assert {chain["topic"] for chain in some["chains"]} == {"resolutions"}
    told = signed.get("/v1/audit/verify", "auditor", decision_id="d-0").json()
    assert (told["ok"], told["unsigned"], told["about"]) == (True, 0, {"decision": "d-0"})
    file = tmp_path / "proof.zip"
    file.write_bytes(signed.get("/v1/audit/export", "auditor", decision_id="d-0").content)
    proof = check(file, Ed25519Signer(TRAIL_KEY).public_key)
    assert proof.ok
    assert proof.records == told["records"]


def test_the_page_of_a_decision_proves_it_to_auditors(signed: Console) -> None:
    assert "Download proof" in signed.get("/decisions/d-0", "auditor").text
    assert "Download proof" not in signed.get("/decisions/d-0", "analyst").text
    assert "all are what was stored and signed" in signed.get("/decisions/d-0/proof", "auditor", fragment=True).text
    assert "no decision &#39;nobody&#39;" in signed.get("/decisions/nobody/proof", "auditor", fragment=True).text


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("verify?topic=nothing", (404, "unknown-topic")),
        ("verify?decision_id=d-0&topic=tasks", (422, "invalid")),
        ("verify?since=yesterday", (422, "invalid")),
        ("verify?decision_id=nobody", (404, "unknown-decision")),
        ("export?decision_id=nobody", (404, "unknown-decision")),
        ("export", (422, "invalid")),
    ],
)
def test_a_proof_of_nothing_is_refused(signed: Console, path: str, refused: tuple[int, str]) -> None:
    answer = signed.get(f"/v1/audit/{path}", "auditor")
    assert (answer.status_code, answer.json()["code"]) == refused


def test_who_may_judge_a_decision_gets_its_proof_after_the_verdict(signed: Console) -> None:
    for path in ("/v1/audit/export", "/v1/audit/verify"):
        answer = signed.get(path, "auditor", "reviewer", decision_id="t-open")
        assert (answer.status_code, answer.json()["code"]) == (403, "not-decided-yet")


def test_proofs_are_bounded_and_come_one_at_a_time(signed: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MAX_ROWS", 10)
    answer = signed.get("/v1/audit/verify", "auditor")
    assert (answer.status_code, answer.json()["code"]) == (422, "too-many-rows")
    with audit._alone():
        answer = signed.get("/v1/audit/verify", "auditor")
    assert (answer.status_code, answer.json()["code"]) == (429, "busy")
    assert answer.headers["Retry-After"]
