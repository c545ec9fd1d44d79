"""A pack is honoured by people who have what it demands, and are as many as it demands."""

import pytest

from interlock.policies.honouring import unqualified_queues
from interlock.policy.load import parse
from interlock.processors.desk.reviewers import Reviewer

OVERSIGHT = """
name: border
domains:
  biometric_identification: {models: [m], outcomes: [match, no-match], queue: ids}
  loans: {models: [m], outcomes: [approve, reject], queue: loans}
packs: [eu-ai-act]
"""
DAY = 86_400_000_000


def person(name: str, *queues: str, until: int | None = None) -> Reviewer:
    return Reviewer(name, "reviewer", "", frozenset(queues), {"ai-oversight": until}, 1, {})


@pytest.mark.parametrize(
    ("people", "problems"),
    [
        (
            [],
            ["in queue ids is qualified as ai-oversight, and nobody on", "in queue loans is qualified"],
        ),
        (
            [person("ann", "ids", "loans")],
            ["demands two people for decisions of biometric_identification in queue ids, and only one on the roster"],
        ),
        ([person("ann", "ids", "loans"), person("bob", "ids")], []),
        (
            [person("ann", "ids", "loans"), person("bob", "ids", until=DAY)],
            ["demands two people for decisions of biometric_identification"],
        ),
    ],
    ids=["nobody", "one", "two", "the second expired"],
)
def test_who_is_missing_for_a_pack_is_said_by_queue(people: list[Reviewer], problems: list[str]) -> None:
    found = list(unqualified_queues(parse(OVERSIGHT, "p"), people, DAY))
    assert len(found) == len(problems)
    assert all(problem in line for problem, line in zip(problems, found, strict=True)), found


def test_two_people_of_the_policys_own_rules_are_no_matter_of_packs() -> None:
    own = OVERSIGHT.replace("packs: [eu-ai-act]", "rules: [{id: big, when: amount > 1, route: sync, four_eyes: true}]")
    assert list(unqualified_queues(parse(own, "p"), [], DAY)) == []
