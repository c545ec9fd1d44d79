"""What the watch makes of its findings, and when a role asks to be restarted."""

import socket
from contextlib import closing
from typing import Any
from urllib.request import urlopen

import pytest
from confluent_kafka import KafkaException, TopicPartition

from interlock.operations.progress import GroupsWatch
from interlock.platform.probes import role_problem, summary, watch_findings
from interlock.platform.settings import Settings
from interlock.schemas import catalogue, wire
from interlock.services.endpoint import serve
from interlock.services.liveness import RESTART_SECONDS, Liveness
from interlock.services.watch import Watch
from interlock.streams.embedded_kafka.settings import free_port
from interlock.streams.memory import MemoryBroker, unavailable
from interlock.streams.metrics import Metrics
from interlock.streams.ports import TopicSpec
from interlock.streams.progress import WatchedGroup

GROUP = WatchedGroup("interlock-router", "router", (catalogue.DECISIONS.name,), stalled_seconds=25)
NOW = 1_780_000_000_000_000


@pytest.fixture
def broker() -> MemoryBroker:
    broker = MemoryBroker()
    broker.create_topics([TopicSpec(topic.name, topic.partitions) for topic in catalogue.TOPICS])
    return broker


def _send(broker: MemoryBroker, count: int = 1, partition: int = 2) -> None:
    producer = broker.producer(None)
    for _ in range(count):
        producer.produce(catalogue.DECISIONS.name, b"x", partition=partition)
    producer.flush()


def _commit(broker: MemoryBroker, offset: int, partition: int = 2) -> None:
    with closing(broker.consumer(GROUP.group)) as consumer:
        places = [TopicPartition(catalogue.DECISIONS.name, partition, offset)]
        consumer.commit(offsets=places, asynchronous=False)


def _watch(broker: MemoryBroker, metrics: Metrics | None = None) -> Watch:
    return Watch(broker, [GROUP], GroupsWatch(broker, [GROUP]), metrics or Metrics("watch"))


def _alerts(broker: MemoryBroker) -> list[dict[str, Any]]:
    records = broker.cluster.log(catalogue.ALERTS.name, 0).read(0, "read_committed")
    return [wire.decode_plain("Alert", record.value or b"") for record in records]


def test_what_stands_still_is_alerted_once_shown_as_long_as_it_lasts_and_counted(broker: MemoryBroker) -> None:
    metrics = Metrics("watch")
    watch = _watch(broker, metrics)
    _send(broker, 40)
    for now in range(0, 60, 5):
        watch.step(now, NOW)
    (alert,) = _alerts(broker)
    assert alert["alert_id"] == "stalled/interlock-router/decisions/2/0"
    assert (alert["kind"], alert["severity"], alert["to"]) == ("stalled", "critical", [])
    assert "router stands still at decisions[2]: 40 offsets wait" in alert["message"]
    (fact,) = watch.facts
    assert (fact["role"], fact["topic"], fact["partition"], fact["records"]) == ("router", "decisions", 2, 40)
    assert metrics.value("group_lag", group="interlock-router", topic="decisions") == 40
    assert metrics.value("group_findings", group="interlock-router", kind="stalled") == 1

    _commit(broker, 40)
    watch.step(60, NOW)
    assert watch.facts == []
    assert metrics.value("group_lag", group="interlock-router", topic="decisions") == 0
    assert metrics.value("group_findings", group="interlock-router", kind="stalled") == 0
    assert len(_alerts(broker)) == 1


def test_a_group_that_stands_still_is_one_alert_however_many_partitions_it_reads(broker: MemoryBroker) -> None:
    watch = _watch(broker)
    for partition in range(4):
        _send(broker, 5, partition)
    for now in range(0, 60, 5):
        watch.step(now, NOW)
    assert [alert["alert_id"] for alert in _alerts(broker)] == ["stalled/interlock-router/decisions/0/0"]
    assert len(watch.facts) == 4
    (line,) = summary((fact["kind"], fact["group"], fact["text"]) for fact in watch.facts)
    assert line.startswith("stalled: router stands still at decisions[0]")
    assert line.endswith("So it is in 3 more of its partitions.")

    _commit(broker, 5, 0)  # the others still stand
    watch.step(60, NOW)
    assert len(_alerts(broker)) == 1
    for partition in range(1, 4):
        _commit(broker, 5, partition)
    watch.step(65, NOW)
    _send(broker, 1, 1)
    for now in range(70, 110, 5):
        watch.step(now, NOW)
    assert [alert["alert_id"] for alert in _alerts(broker)][1:] == ["stalled/interlock-router/decisions/1/5"]


def test_an_alert_that_kafka_does_not_take_is_given_by_the_next_look(broker: MemoryBroker) -> None:
    process = broker.process()
    watch = Watch(process, [GROUP], GroupsWatch(broker, [GROUP]), Metrics("watch"))
    _send(broker)
    watch.step(0, NOW)
    process.faults.inject_at("flush", unavailable())
    with pytest.raises(KafkaException):
        watch.step(25, NOW)
    assert _alerts(broker) == []
    watch.step(30, NOW)
    assert len(_alerts(broker)) == 1


def test_an_alert_that_was_given_before_a_restart_of_the_watch_is_not_given_again(broker: MemoryBroker) -> None:
    _send(broker)
    for _ in range(2):
        watch = _watch(broker)
        for now in (0, 25):
            watch.step(now, NOW)
        watch.close()
    assert len(_alerts(broker)) == 1


def test_a_committed_offset_that_goes_back_and_records_that_expired_are_alerted(broker: MemoryBroker) -> None:
    watch = _watch(broker)
    _send(broker, 100)
    _commit(broker, 80)
    watch.step(0, NOW)
    _commit(broker, 30)
    broker.delete_records(catalogue.DECISIONS.name, 2, 60)
    watch.step(5, NOW)
    told = {alert["kind"]: alert["message"] for alert in _alerts(broker)}
    assert set(told) == {"went_back", "expired"}
    assert "went back by 50 to 30" in told["went_back"]
    assert "30 records of decisions[2] expired unread" in told["expired"]


def test_a_role_asks_for_a_restart_when_it_has_stood_still_for_two_minutes_and_no_longer_when_it_moves(
    broker: MemoryBroker,
) -> None:
    liveness = Liveness(broker, [GROUP])
    _send(broker, 5)
    liveness.look(0)
    liveness.look(RESTART_SECONDS - 1)
    assert liveness.problem() is None
    liveness.look(RESTART_SECONDS)
    assert "router stands still at decisions[2]" in str(liveness.problem())
    _commit(broker, 1)
    liveness.look(RESTART_SECONDS + 10)
    assert liveness.problem() is None


def test_a_role_that_knows_what_it_waits_for_is_not_restarted(broker: MemoryBroker) -> None:
    refused = 0.0
    liveness = Liveness(broker, [GROUP], activity=lambda: refused)
    _send(broker, 5)
    for now in range(0, 600, 10):
        refused += 1  # ClickHouse refuses rows, and the sink tries again
        liveness.look(now)
        assert liveness.problem() is None


def test_a_role_is_not_restarted_because_kafka_is_away(broker: MemoryBroker) -> None:
    process = broker.process()
    liveness = Liveness(process, [GROUP])
    _send(broker, 5)
    for now in range(0, 600, 10):
        if now:
            process.faults.inject_at("committed", unavailable())
        liveness.look(now)
        assert liveness.problem() is None


def test_a_role_serves_its_metrics_its_health_and_the_findings() -> None:
    port, metrics = free_port(), Metrics("watch")
    metrics.add("batches", 3)
    problems: list[str | None] = [None, "router stands still"]
    serve(metrics, Settings(metrics_port=port), health=lambda: problems.pop(0), findings=lambda: [{"kind": "stalled"}])
    assert role_problem(port) is None
    assert role_problem(port) == "router stands still"
    assert watch_findings(port) == [{"kind": "stalled"}]
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert 'interlock_batches_total{role="watch"} 3.0' in answer.read().decode()


def test_a_port_on_which_nobody_or_another_program_answers_tells_nothing() -> None:
    with pytest.raises(OSError, match="refused"):
        role_problem(free_port())
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(OSError, match="timed out"):
        watch_findings(silent.getsockname()[1])
