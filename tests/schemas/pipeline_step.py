"""A stretch of the whole pipeline in memory, on records that another version may have written.

    python pipeline_step.py PREFIX TARGET RECORDS…   # goes on from what these files hold, writes all to TARGET

PREFIX: of the ids of new decisions.
"""

import base64
import json
import sys
from pathlib import Path

from interlock.schemas import catalogue, written
from interlock.streams.schema_topic import SchemaTopic, record_own
from interlock.testing import Topology

POLICY = Path(__file__).parents[1] / "topology" / "pipeline.yaml"


def load(topology: Topology, paths: list[str]) -> None:
    """Puts records in their topics. Commands stay out: they were answered."""
    producer = topology.broker.producer(None)
    for path in paths:
        for line in Path(path).read_text().splitlines():
            record = json.loads(line)
            if record["topic"] not in (catalogue.COMMANDS.name, catalogue.REPLIES.name):
                value = None if record["value"] is None else base64.b64decode(record["value"])
                producer.produce(record["topic"], value, record["key"].encode())
    producer.flush()


def save(topology: Topology, path: Path) -> None:
    """Writes every record of every topic, for `load`."""
    records = [
        {
            "topic": topic.name,
            "key": (message.key() or b"").decode(),
            "value": None if (value := message.value()) is None else base64.b64encode(value).decode(),
        }
        for topic in catalogue.TOPICS
        for message in topology.messages(topic.name)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def go_on(prefix: str, paths: list[str]) -> Topology:
    """Restores what stands in the records, routes their decisions, and lets people decide."""
    topology = Topology(POLICY, start_desk=False)
    written.use(SchemaTopic(topology.broker))
    record_own(topology.broker)
    load(topology, paths)
    topology.start_desk()
    for name in ("ann", "bob", "cy"):
        topology.add_reviewer(name)
    for number, (confidence, amount) in enumerate(((0.99, 10.0), (0.85, 20.0), (0.82, 30.0))):
        topology.decide(
            f"{prefix}-{number}", confidence, domain="loan", model_id="m", prediction="approve", amount=amount
        )
    return topology


def judge(topology: Topology, task_id: str) -> None:
    """The person who holds a task, or for whom it is meant, decides it."""
    task = topology.tasks()[task_id]
    actor = task["lease_holder"] or task["assigned_to"] or "bob"
    topology.review(actor, "approve", task_id)


if __name__ == "__main__":
    new, target, *inputs = sys.argv[1:]
    made = go_on(new, inputs)
    judge(made, f"{new}-1")
    save(made, Path(target))
