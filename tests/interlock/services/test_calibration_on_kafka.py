"""The role `calibration` as a process on Apache Kafka, killed in between: from outcomes to a halted model."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from interlock.policies import publishing, signing
from interlock.processors.calibration.fold import CalibrationFold, CalibrationSettings
from interlock.schemas import catalogue, wire
from interlock.services import calibration_folds
from interlock.streams.embedded_kafka import EmbeddedKafka
from interlock.streams.kafka import KafkaBroker
from interlock.streams.ports import TopicSpec
from interlock.streams.tables import TableReader
from tests.crash.test_kill_everything import wait_until
from tests.processors.calibration.reviewed_world import World
from tests.processors.proposals.proposal_world import new_fold, policy_version, proposals, taken

pytestmark = pytest.mark.kafka

# Five groups form one after the other on a busy machine.
TIMEOUT_SECONDS = 120


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker of its own: a published policy and a halted model would disturb others."""
    with EmbeddedKafka(tmp_path / "kafka") as kafka:
        yield kafka


@pytest.fixture
def broker(own_kafka: EmbeddedKafka) -> KafkaBroker:
    broker = KafkaBroker(own_kafka.bootstrap_servers)
    broker.create_topics([TopicSpec(topic.name, topic.partitions, topic.config()) for topic in catalogue.TOPICS])
    return broker


class Role:
    """`interlock run calibration`."""

    def __init__(self, bootstrap: str, directory: Path) -> None:
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("INTERLOCK_")},
            "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "INTERLOCK_DATA_DIR": str(directory / "data"),
            "INTERLOCK_CALIBRATION__ALPHA": "0.1",
        }
        self.log = directory / "calibration.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as output:
            command = [sys.executable, "-m", "interlock", "run", "calibration"]
            self.process = subprocess.Popen(command, env=self._environment, stdout=output, stderr=output)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def role(own_kafka: EmbeddedKafka, broker: KafkaBroker, tmp_path: Path) -> Iterator[Role]:  # noqa: ARG001 - topics first
    made = Role(own_kafka.bootstrap_servers, tmp_path)
    yield made
    made.kill()


def _put(broker: KafkaBroker, topic: catalogue.Topic, values: list[bytes]) -> None:
    producer = broker.producer(None)
    for place, value in enumerate(values):
        producer.produce(topic.name, value, str(place).encode())
    producer.flush()


def _records(broker: KafkaBroker, topic: catalogue.Topic) -> list[tuple[bytes, bytes]]:
    with closing(TableReader(broker, [topic.name])) as reader:
        return [(item.key() or b"", item.value() or b"") for item in reader.read_all()]


def _wait(role: Role, what: str, condition: Callable[[], Any]) -> None:
    wait_until(lambda: role.process.poll() is not None or condition(), what, TIMEOUT_SECONDS)
    assert role.process.poll() is None, role.log.read_text()


def test_outcomes_lead_to_proposals_and_errors_take_an_accepted_one_back(broker: KafkaBroker, role: Role) -> None:
    publishing.send(broker, catalogue.POLICIES, "lending", wire.encode("PolicyVersion", policy_version()))
    outcomes = list(World(slope=0.3, version="8").outcomes(1_500))  # people override it too often: another version
    examples = list(World(intercept=1.0).examples(1_500))
    _put(broker, catalogue.TRAINING_EXAMPLES, [wire.encode("TrainingExample", example) for example in examples])
    _put(broker, catalogue.OUTCOMES, [wire.encode("Outcome", outcome) for outcome in outcomes[:600]])
    _wait(role, "reports", lambda: len(_records(broker, catalogue.CALIBRATION_REPORTS)) >= 5)
    role.kill()
    role.start()
    _put(broker, catalogue.OUTCOMES, [wire.encode("Outcome", outcome) for outcome in outcomes[600:]])

    fold = CalibrationFold(CalibrationSettings())
    expected = [event for outcome in outcomes for event in calibration_folds.outputs(fold.process(outcome))]
    for topic in (catalogue.CALIBRATION_REPORTS, catalogue.CALIBRATION_MODELS):
        wanted = {(item.key or b"", item.value or b"") for item in expected if item.topic == topic.name}

        def written(topic: catalogue.Topic = topic) -> set[tuple[bytes, bytes]]:
            return set(_records(broker, topic))

        def complete(wanted: set[tuple[bytes, bytes]] = wanted) -> bool:
            return written() >= wanted

        _wait(role, f"everything on {topic.name}", complete)
        assert written() == wanted

    (last,) = [proposal for proposal in proposals(taken(new_fold(), examples)) if proposal["state"] == "open"]
    _wait(role, "the last proposal", lambda: signing.read_proposals(broker).is_open(last["proposal_id"]))
    signing.accept(
        broker, signing.find(signing.read_proposals(broker), last["proposal_id"]), "ana", "", publishing.now()
    )

    # The model becomes worse, and audits of what the certificate covers show it.
    worse = World(intercept=-0.5, seed=2, decided=3_000)
    _put(broker, catalogue.TRAINING_EXAMPLES, [wire.encode("TrainingExample", its) for its in worse.examples(3_000)])
    _wait(role, "the kill switch", lambda: _records(broker, catalogue.CONTROLS))
    (control, *_) = [wire.decode("Control", value) for _, value in _records(broker, catalogue.CONTROLS)]
    assert (control["scope"], control["halted"], control["set_by"]) == ("model:scorer@7", True, "learning")

    def ended() -> bool:
        return bool(signing.find(signing.read_proposals(broker), last["proposal_id"])["state"] == "revoked")

    _wait(role, "the end of the certificate", ended)
    role.process.send_signal(signal.SIGTERM)
    assert role.process.wait(TIMEOUT_SECONDS) == 0, role.log.read_text()
    assert "Traceback" not in role.log.read_text()
