"""What the sink calls a reviewed decision is what everything that learns calls a sample."""

import random
from collections import Counter
from typing import Any

from clickhouse_connect.driver.client import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.processors.outcomes import is_sample, way
from interlock.schemas import catalogue, wire
from tests.sinks.review_records import outcome
from tests.sinks.sink_world import World
from tests.sinks.test_rows import to_rows

OUTCOMES = catalogue.OUTCOMES.name

_CHOICES: dict[str, list[Any]] = {
    "kind": ["review", "audit", "post_approval", "gold", "appeal", "override", "recall"],
    "workflow": ["escalation", "pre_approval", "post_approval", "hybrid"],
    "route": ["auto", "async", "sync", "manual"],
    "audit": [False, True],
    "round": [0, 0, 1],
    "resolves": [False, True],
    "reviewer": ["ann", "bob", ""],
    "number": [1, 2, 11],
}


def _outcome(name: str, facts: dict[str, Any]) -> dict[str, Any]:
    fields = {**facts}
    return outcome(name, outcome_id=f"{name}#{fields.pop('number')}", **fields)


@given(st.lists(st.fixed_dictionaries({name: st.sampled_from(each) for name, each in _CHOICES.items()}), min_size=1))
@settings(deadline=None, max_examples=60)
def test_the_column_reviewed_is_the_definition_of_a_sample(facts: list[dict[str, Any]]) -> None:
    records = [_outcome(f"d-{number}", each) for number, each in enumerate(facts)]
    rows = to_rows(OUTCOMES, *(wire.encode("Outcome", record) for record in records))
    assert [row["reviewed"] for row in rows] == [is_sample(record) for record in records]


def test_views_count_samples_by_the_way_in_which_they_came_to_people(shared: Client, run_id: str) -> None:
    world, chance = World(run_id, shared, partitions=1), random.Random(7)
    records = []
    for number in range(400):
        facts = {name: chance.choice(each) for name, each in _CHOICES.items()}
        facts["audit"] = facts["audit"] and facts["route"] == "auto"  # what waits for a person is not audited
        if facts["kind"] == "audit":
            facts |= {"audit": True, "route": "auto"}
        if facts["kind"] == "review" and facts["route"] == "auto":  # what takes effect is audited, or looked at
            facts["kind"] = "post_approval"
        facts["domain"] = run_id
        records.append(_outcome(f"{run_id}-{number}", facts))
    for record in records:
        world.tell(OUTCOMES, record["decision_id"], record)
    writer = world.writer(max_rows=5000, max_consumed=5000)
    world.settle(writer)
    writer.close()
    found = shared.query(
        "SELECT if(route != 'auto', toString(route), 'audit') AS way, count() FROM outcomes "
        "WHERE outcomes.reviewed AND domain = {name:String} GROUP BY way",
        parameters={"name": run_id},
    ).result_rows
    assert {name: count for name, count in found} == Counter(way(record) for record in records if is_sample(record))
    (days,) = shared.query(
        "SELECT sum(reviewed_decisions) FROM override_analytics WHERE domain = {name:String}",
        parameters={"name": run_id},
    ).result_rows
    assert days == (sum(map(is_sample, records)),)
