"""What ClickHouse tells of the notices about a decision."""

from contextlib import closing
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

from interlock.errors import InterlockError
from interlock.review.payload import PayloadReader
from interlock.review.sent_notices import known, notices_of_decision
from interlock.schemas import catalogue
from interlock.schemas.models import Explanation, Feature
from interlock.testing import Topology
from tests.sinks.sink_world import World

pytestmark = pytest.mark.warehouse

LENDING = Path(__file__).parents[1] / "policy" / "notices" / "lending.yaml"


def test_notices_are_told_with_what_is_due_and_whether_the_record_gives_them_again(run_id: str, shared: Client) -> None:
    topology, ours = Topology(LENDING), f"{run_id}-l"
    topology.start_notices()
    for feature, decision_id in (("duration", ours), ("shoes", f"{ours}-2")):
        explanation = Explanation(top_features=(Feature(feature=feature, value="1", importance=0.9),))
        topology.decide(decision_id, 0.95, prediction="reject", explanation=explanation)
    world = World(run_id, shared, partitions=1)
    for topic in (catalogue.POLICIES, catalogue.AUTO_APPROVED, catalogue.ACTIONS):
        for message in topology.messages(topic.name):
            world.send(topic.name, message.key(), message.value())
    world.settle(world.writer())
    with closing(PayloadReader(topology.broker)) as payloads:
        found = notices_of_decision(shared, payloads, ours, None)
        unwritten = notices_of_decision(shared, payloads, f"{ours}-2", None)
        with pytest.raises(InterlockError, match="no notice was sent or is due"):
            known(notices_of_decision(shared, payloads, f"{ours}-3", None), f"{ours}-3")
    (sent,) = found.sent
    assert (sent.name, sent.again, sent.why, found.unwritten) == ("adverse_action", "same", "", ())
    assert "The loan runs for a long time" in sent.text
    assert (unwritten.sent, unwritten.unwritten) == ((), (f"{ours}-2/1/notice/adverse_action",))
