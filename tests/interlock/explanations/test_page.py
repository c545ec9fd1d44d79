"""The file: one page that needs nothing else, with nothing in it that acts."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from interlock.explanations.bar import confidence_bar, weights
from interlock.explanations.from_kafka import records_in_kafka
from interlock.explanations.page import Toolbar, fingerprint, page
from interlock.policy.load import parse
from interlock.policy.version import resolved
from interlock.processors.explanation.explain import explain
from interlock.processors.explanation.for_subject import explain_to_subject
from interlock.processors.explanation.model import Factor
from interlock.testing import Topology
from tests.interlock.explanations import histories

ODD = "<script>alert(1)</script>\"'&\u202e<img src=https://example.org/x onerror=alert(1)>"

# What would load something, run something, or lead elsewhere.
_ACTIVE = {"script", "link", "img", "iframe", "object", "embed", "form", "base", "use", "image", "foreignobject"}


class _Parts(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def _pages(pipeline: Topology, name: str) -> list[str]:
    records = records_in_kafka(pipeline.broker, name)
    return [page(explain(records)), page(explain_to_subject(records))]


@pytest.mark.parametrize("name", histories.NAMES)
def test_the_file_refers_to_nothing_outside_and_executes_nothing(pipeline: Topology, name: str) -> None:
    for text in _pages(pipeline, name):
        parts = _Parts(text)
        assert not parts.tags & _ACTIVE
        assert not parts.attributes & {"src", "href", "xlink:href", "style", "srcset", "action"}
        assert not [attribute for attribute in parts.attributes if attribute.startswith("on")]
        assert "url(" not in text
        assert "@import" not in text


@pytest.mark.parametrize("name", histories.NAMES)
def test_the_file_is_the_same_whenever_it_is_made(pipeline: Topology, name: str) -> None:
    assert _pages(pipeline, name) == _pages(pipeline, name)


def test_texts_of_others_are_no_markup_and_hide_nothing(pipeline: Topology) -> None:
    told = explain(records_in_kafka(pipeline.broker, "overridden"))
    assert told.answer is not None
    odd = replace(told, summary=(ODD,), answer=replace(told.answer, reasoning=ODD, factors=(Factor(ODD, ODD, 1.0),)))
    text = page(odd)
    assert not _Parts(text).tags & _ACTIVE
    assert "\u202e" not in text


def test_the_person_concerned_reads_neither_names_of_reviewers_nor_ids_of_rules(pipeline: Topology) -> None:
    for name in histories.NAMES:
        text = _pages(pipeline, name)[1]
        for inside in (
            *histories.PEOPLE,
            *histories.PEOPLE.values(),
            "underwriting",
            "very-large",
            "scorer",
            "lending",
        ):
            assert not re.search(rf"\b{re.escape(inside)}\b", text), (name, inside)


# Added to the policy of the histories.
_LETTER = """
notices:
  letter:
    texts: {{en: "{{{{ action_taken }}}} {{{{ principal_reasons }}}} {{{{ reference }}}} {{{{ corrects }}}}"}}
    withdrawals: {{en: "It holds no longer. {{{{ reference }}}} {{{{ corrects }}}}"}}
    action_taken: {{reject: We cannot grant the loan.}}
    principal_reasons: {{history: You were late with payments, income: Your income is low}}
    quote_reviewer: {quote}
"""


@pytest.mark.parametrize(
    ("quote", "told"),
    [
        ("false", "The person who decided gave this reason: “You were late with payments”."),
        ("true", "reason: “You were late with payments” and “two payments are in arrears”."),
    ],
)
def test_words_for_colleagues_are_told_only_where_the_notice_quotes_them(
    pipeline: Topology, quote: str, told: str
) -> None:
    records = records_in_kafka(pipeline.broker, "overridden")
    text = histories.LENDING.replace("notice: adverse_action", "notice: letter") + _LETTER.format(quote=quote)
    written_out = resolved(parse(text, "lending"))
    policies = tuple(replace(one, record={**one.record, "resolved": written_out}) for one in records.policies)
    sections = explain_to_subject(replace(records, policies=policies)).sections
    assert told in " ".join(line for section in sections for line in section.lines)


def test_the_fingerprint_changes_with_the_facts(pipeline: Topology) -> None:
    told = explain(records_in_kafka(pipeline.broker, "approved"))
    assert fingerprint(told) == fingerprint(explain(records_in_kafka(pipeline.broker, "approved")))
    assert fingerprint(told) != fingerprint(replace(told, subject_id="somebody else"))


def test_a_server_shows_links_above_the_page(pipeline: Topology) -> None:
    told = explain(records_in_kafka(pipeline.broker, "approved"))
    assert 'href="/back"' in page(told, toolbar=Toolbar("/back", "/file", "/other", "For the person concerned"))


def test_the_bar_shows_where_the_confidence_stands_among_the_thresholds(pipeline: Topology) -> None:
    bar = confidence_bar(explain(records_in_kafka(pipeline.broker, "calibrated")))
    assert bar is not None
    assert [(segment.route, segment.begins) for segment in bar.segments] == [
        ("manual", ""),
        ("sync", "30 %"),
        ("async", "50 %"),
        ("auto", "90 %"),
    ]
    own, corrected = bar.marks
    assert own.x > bar.segments[-1].x > corrected.x
    assert "corrected: 82.8 %" in bar.description


def test_an_outcome_that_never_takes_effect_by_itself_has_no_such_stretch(pipeline: Topology) -> None:
    told = explain(records_in_kafka(pipeline.broker, "approved"))
    assert told.rules is not None
    assert told.rules.thresholds is not None
    never = replace(told, rules=replace(told.rules, thresholds=replace(told.rules.thresholds, own_lane=False)))
    bar = confidence_bar(never)
    assert bar is not None
    assert [segment.route for segment in bar.segments] == ["manual", "sync", "async"]


def test_factors_are_drawn_in_proportion_to_the_heaviest() -> None:
    left, right = weights((Factor("a", "1", -0.8), Factor("b", "2", 0.4)))
    assert (left.x, left.width, left.text) == (0.0, 50.0, "−0.8")
    assert (right.x, right.width, right.text) == (50.0, 25.0, "+0.4")
    assert weights((Factor("a", "1", 0.0),))[0].width == 0.0
