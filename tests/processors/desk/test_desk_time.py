"""The desk goes by Kafka's time: what was sent in time counts whatever the desk's downtime, and no clock moves it."""

import random
from dataclasses import replace

import pytest

from interlock.schemas import wire
from tests.processors.desk.desk_records import START, command, records
from tests.processors.desk.desk_stream import DeskStream
from tests.processors.desk.desk_world import DAY, HOUR, MINUTE, POLICY, SECOND

SAFE_OUTCOME = POLICY.replace("underwriting: {}", "underwriting: {on_breach: reject}")
PUSHED = POLICY.replace("underwriting: {}", "underwriting: {assign: push, start_within: 600}")


def test_a_verdict_sent_before_the_deadline_holds_although_the_desk_was_down_then() -> None:
    stream = DeskStream(SAFE_OUTCOME)
    stream.hire("ann")
    stream.arrive("d1", priority="critical")
    stream.wait(50 * MINUTE)
    stream.send("claim", "ann", task_id="d1")
    stream.wait(MINUTE)
    stream.stop()
    stream.wait(MINUTE)
    sent = stream.decide("ann", "d1")
    stream.wait(13 * MINUTE)
    stream.start()
    assert stream.reply(sent)["code"] == "ok"
    assert stream.reply(sent)["at"] == START + 52 * MINUTE
    (resolution,) = stream.said("resolutions")
    assert (resolution["outcome"], resolution["decided_by"]) == ("approve", ["ann"])
    assert not {"breached", "timed_out"} & set(stream.events("d1"))


def test_the_safe_outcome_holds_where_nobody_decided_before_the_deadline() -> None:
    stream = DeskStream(SAFE_OUTCOME)
    stream.hire("ann")
    stream.arrive("d1", priority="critical")
    stream.wait(50 * MINUTE)
    stream.send("claim", "ann", task_id="d1")
    stream.stop()
    stream.wait(10 * MINUTE)
    sent = stream.decide("ann", "d1")
    stream.wait(5 * MINUTE)
    stream.start()
    assert stream.reply(sent)["code"] == "already-decided"
    (resolution,) = stream.said("resolutions")
    assert (resolution["outcome"], resolution["source"]) == ("reject", "timeout")


@pytest.mark.parametrize(("sent_after", "code"), [(10, "ok"), (14, "ok"), (16, "lease-expired")])
def test_a_verdict_counts_if_it_was_sent_while_the_lease_lasted(sent_after: int, code: str) -> None:
    stream = DeskStream()
    stream.hire("ann")
    stream.arrive("d1")
    stream.send("claim", "ann", task_id="d1")
    stream.stop()
    stream.wait(sent_after * MINUTE)
    sent = stream.decide("ann", "d1")
    stream.wait((20 - sent_after) * MINUTE)
    stream.start()
    assert stream.reply(sent)["code"] == code


@pytest.mark.parametrize(("sent_after", "code"), [(24 * HOUR - MINUTE, "ok"), (24 * HOUR, "window-closed")])
def test_an_override_counts_if_it_was_sent_while_the_window_was_open(sent_after: int, code: str) -> None:
    stream = DeskStream()
    stream.hire("ann")
    stream.arrive(
        "p1",
        queue="moderation",
        route="auto",
        workflow="post_approval",
        override_until=START + DAY,
        decision={"domain": "post", "prediction": "publish"},
    )
    stream.wait(HOUR)
    stream.stop()
    stream.wait(sent_after - HOUR)
    sent = stream.decide("ann", "p1", "reject", kind="override", outcome="remove")
    stream.wait(2 * HOUR)
    stream.start()
    stream.wait(SECOND)
    assert stream.reply(sent)["code"] == code
    assert stream.said("resolutions")[-1]["outcome"] == ("remove" if code == "ok" else "publish")


def test_a_pushed_task_that_was_begun_while_the_desk_was_down_was_begun_in_time() -> None:
    stream = DeskStream(PUSHED)
    stream.hire("ann")
    stream.arrive("d1")
    assert stream.task("d1").assigned_to == "ann"
    stream.stop()
    stream.wait(5 * MINUTE)
    sent = stream.send("claim", "ann", task_id="d1")
    stream.wait(20 * MINUTE)
    stream.start()
    assert stream.reply(sent)["accepted"]
    assert "ann" in stream.desk.desk.state.on_duty


def test_a_pushed_task_whose_time_ended_while_the_desk_was_down_gets_it_again_and_stops_no_pushes() -> None:
    stream = DeskStream(PUSHED)
    stream.hire("ann")
    stream.arrive("d1")
    stream.stop()
    stream.wait(14 * HOUR)
    stream.start()
    stream.wait(9 * MINUTE)
    assert stream.task("d1").assigned_to == "ann"
    assert "ann" in stream.desk.desk.state.on_duty
    stream.wait(MINUTE)
    assert stream.events("d1")[-3:] == ["assigned", "assigned", "unassigned"]
    assert "ann" in stream.desk.desk.state.paused


def test_work_is_pushed_at_a_time_that_is_not_over() -> None:
    """Not while the desk reads what came hours ago."""
    stream = DeskStream(PUSHED)
    stream.hire("ann")
    stream.wait(MINUTE)
    stream.stop()
    stream.wait(HOUR)
    stream.arrive("d1")
    stream.send("on_duty", "ann")
    stream.wait(5 * HOUR)
    stream.start()
    assert stream.task("d1").assigned_until == stream.kafka + 10 * MINUTE


def test_an_arrival_alone_is_pushed_at_once() -> None:
    stream = DeskStream(PUSHED)
    stream.hire("ann")
    stream.wait(8 * HOUR)
    stream.arrive("d1")
    task = stream.task("d1")
    assert (task.state, task.arrived_at, task.due_from) == ("assigned", stream.kafka, stream.kafka)
    assert task.assigned_until == stream.kafka + 10 * MINUTE


def test_a_decision_that_comes_after_its_deadline_breaches_when_it_comes() -> None:
    stream = DeskStream()
    stream.hire("ann")
    stream.arrive("d1", priority="critical", routed_at=START - 2 * HOUR)
    assert stream.events("d1")[:2] == ["arrived", "breached"]


@pytest.mark.parametrize("skew", [DAY, -HOUR, -6 * HOUR])
def test_a_step_of_the_clock_of_the_process_moves_nothing(skew: int) -> None:
    """A day ahead for one tick, and back an hour or six."""
    stream = DeskStream(SAFE_OUTCOME)
    stream.hire("ann")
    stream.arrive("d1", priority="critical")
    stream.arrive("d2", priority="critical")
    stream.wait(MINUTE)
    stream.send("claim", "ann", task_id="d1")
    stream.skew = skew
    stream.run()
    sent = stream.decide("ann", "d1")
    if skew > 0:
        stream.skew = 0
    stream.pass_slowly(MINUTE, 5 * SECOND)
    assert stream.reply(sent)["at"] == START + MINUTE
    (outcome,) = stream.said("reviews.outcomes")
    assert outcome["claimed_at"] <= outcome["at"] == START + MINUTE
    assert stream.events("d2") == ["arrived"]
    assert stream.events("d1") == ["arrived", "claimed", "resolved"]


@pytest.mark.parametrize("skew", [DAY, 5 * HOUR, -5 * HOUR])
def test_a_desk_with_a_wrong_clock_that_takes_over_does_not_go_back_and_believes_kafka_after_a_while(skew: int) -> None:
    stream = DeskStream(SAFE_OUTCOME.replace("rules:", "service_levels: {critical: 15s}\nrules:"))
    stream.hire("ann")
    for task_id in ("d1", "d2"):
        stream.arrive(task_id, priority="critical")
    stream.send("claim", "ann", task_id="d1")
    stream.stop()
    stream.wait(SECOND)
    sent = stream.decide("ann", "d1")
    stream.wait(16 * SECOND)
    stream.skew = skew
    stream.start()
    (outcome,) = stream.said("reviews.outcomes")
    assert START <= outcome["claimed_at"] <= outcome["at"] == stream.reply(sent)["at"] <= START + SECOND
    assert [word["decided_by"] for word in stream.said("resolutions")][:1] == [["ann"]]
    stream.pass_slowly(21 * SECOND)
    assert stream.events("d2")[-1] == "timed_out"
    kinds = {"clock_differs"} if skew > 0 else {"clock_differs", "clock_refused", "clock_confirmed"}
    assert {kind for kind in stream.alerts() if kind.startswith("clock")} == kinds


@pytest.mark.parametrize("skew", [DAY, 5 * HOUR, 0, -HOUR, -6 * HOUR])
def test_a_lease_ends_on_time_under_any_clock_of_the_process(skew: int) -> None:
    stream = DeskStream(skew=skew)
    stream.pass_slowly(MINUTE)
    stream.hire("ann")
    stream.arrive("d1")
    stream.send("claim", "ann", task_id="d1")
    claimed = stream.kafka
    stream.pass_slowly(16 * MINUTE, SECOND)
    (expired,) = [record for record in stream.said("reviews.tasks") if record["event"] == "expired"]
    assert claimed + 15 * MINUTE <= expired["at"] <= claimed + 15 * MINUTE + SECOND


def test_a_process_whose_clock_differs_from_kafkas_is_told_of_once() -> None:
    stream = DeskStream(skew=5 * HOUR)
    stream.pass_slowly(MINUTE)
    stream.stop()
    stream.start()
    stream.pass_slowly(MINUTE)
    told = [alert for alert in stream.said("alerts") if alert["kind"] == "clock_differs"]
    assert len(told) == 1
    assert "18,000 s ahead of Kafka's" in told[0]["message"]
    assert "clock_refused" not in stream.alerts()


@pytest.mark.parametrize("ahead", [-DAY, 30 * SECOND, DAY])
def test_what_a_producer_says_of_the_time_moves_no_timer(ahead: int) -> None:
    """Where the topic was created by hand, with the producer's time instead of the broker's."""
    stream = DeskStream()
    stream.hire("ann")
    stream.arrive("d1", priority="critical")
    before = stream.desk.clock.time if stream.desk.clock else 0
    sent = replace(command(9, "claim", "ann", task_id="d1"), created_at=stream.kafka + ahead)
    outputs = stream.desk.process([sent], stream.steady)
    assert [task["event"] for task in records(outputs, "reviews.tasks")] == ["claimed"]
    assert stream.desk.clock is not None
    assert stream.desk.clock.time - before < SECOND


def test_a_time_of_kafka_that_is_a_day_ahead_for_a_moment_breaches_nothing() -> None:
    stream = DeskStream(SAFE_OUTCOME)
    stream.hire("ann")
    stream.arrive("d1", priority="critical")
    stream.wait(MINUTE)
    stream.kafka += DAY
    stream.skew = -DAY
    sent = stream.send("claim", "ann", task_id="d1")
    stream.run()
    stream.kafka -= DAY
    stream.skew = 0
    stream.pass_slowly(MINUTE)
    assert stream.reply(sent)["accepted"]
    assert stream.reply(sent)["at"] == START + MINUTE
    assert stream.events("d1") == ["arrived", "claimed"]
    assert stream.alerts() == ["clock_refused", "clock_confirmed"]
    stream.wait(HOUR)
    assert stream.events("d1")[-2:] == ["breached", "timed_out"]


def test_a_time_to_which_kafka_keeps_is_believed_after_a_while() -> None:
    """As when the clock of the process stood still while its machine slept."""
    stream = DeskStream(SAFE_OUTCOME)
    stream.hire("ann")
    stream.arrive("d1", priority="critical")
    stream.kafka += 3 * HOUR
    stream.skew = -3 * HOUR
    stream.send("claim", "ann", task_id="d1")
    stream.pass_slowly(19 * SECOND)
    assert stream.events("d1") == ["arrived", "claimed"]
    stream.pass_slowly(10 * SECOND)
    assert stream.alerts()[:2] == ["clock_refused", "clock_confirmed"]
    assert stream.events("d1")[-1] == "timed_out"


def test_the_time_of_the_desk_never_goes_back_and_goes_on_when_kafkas_has_caught_up() -> None:
    stream = DeskStream()
    stream.hire("ann")
    stream.arrive("d1")
    stream.wait(HOUR)
    stream.send("claim", "ann", task_id="d1")
    stream.kafka -= 10 * MINUTE
    stream.skew = 10 * MINUTE
    sent = stream.decide("ann", "d1")
    (outcome,) = stream.said("reviews.outcomes")
    assert outcome["claimed_at"] == stream.reply(sent)["at"] == START + HOUR
    stream.stop()
    stream.start()
    later = stream.send("off_duty", "ann")
    assert stream.reply(later)["at"] == START + HOUR
    assert stream.alerts().count("clock_refused") == 1, "the next process finds what was told"
    stream.pass_slowly(11 * MINUTE, 10 * SECOND)
    last = stream.send("on_duty", "ann")
    assert stream.reply(last)["at"] == START + HOUR + MINUTE


def test_a_desk_that_was_a_day_ahead_does_not_stop_the_clock_of_the_next_one() -> None:
    stream = DeskStream()
    stream.kafka += DAY
    stream.start()
    stream.hire("ann")
    stream.arrive("d1")
    stream.kafka -= DAY
    stream.start()
    assert "clock_refused" in stream.alerts()
    sent = stream.send("on_duty", "ann")
    assert stream.reply(sent)["at"] == START


def test_a_desk_without_work_writes_no_ticks() -> None:
    stream = DeskStream(PUSHED)
    stream.hire("ann", "bob")
    before = stream.ticks
    stream.pass_slowly(HOUR, SECOND)
    assert stream.ticks == before


def test_a_desk_writes_one_tick_for_each_thing_that_falls_due() -> None:
    """d1: a warning, a breach; the warning and the end of the lease."""
    stream = DeskStream()
    stream.hire("ann", "lee", role="lead")
    stream.arrive("d1", priority="critical")
    stream.send("claim", "ann", task_id="d1")
    before = stream.ticks
    stream.pass_slowly(2 * HOUR, SECOND)
    assert stream.ticks - before == 4


def test_work_that_nobody_can_be_given_makes_no_ticks() -> None:
    stream = DeskStream(PUSHED)
    stream.hire("ann", capacity=1)
    for number in range(5):
        stream.arrive(f"d{number}")
    before = stream.ticks
    stream.pass_slowly(5 * MINUTE, SECOND)
    assert stream.ticks == before


def test_a_tick_gets_no_reply_and_leaves_no_trace_in_the_tasks() -> None:
    stream = DeskStream()
    stream.wait(MINUTE)
    stream.start()
    assert stream.written == []


def test_a_command_that_nobody_can_read_still_tells_the_time() -> None:
    stream = DeskStream()
    stream.hire("ann")
    stream.arrive("d1")
    stream.send("claim", "ann", task_id="d1")
    stream.stop()
    stream.wait(20 * MINUTE)
    stream.send("on_duty", "")
    stream.start()
    assert stream.events("d1")[-2:] == ["claimed", "expired"]


def random_day(stream: DeskStream, seed: int, outages: bool) -> dict[str, tuple[str, str]]:
    """Random work with the same commands at the same times; the codes and texts of the replies."""
    dice, accidents = random.Random(seed), random.Random(seed + 1_000)
    stream.hire("ann", "bob")
    stream.hire("lee", role="lead")
    stream.wait(MINUTE)
    for number in range(60):
        if outages and accidents.random() < 0.3:
            if stream.is_up:
                stream.stop()
            else:
                stream.start()
        stream.wait(dice.choice([SECOND, MINUTE, 5 * MINUTE, 10 * MINUTE, 40 * MINUTE]) + dice.randrange(SECOND))
        actor, task_id = dice.choice(["ann", "bob", "lee"]), f"d{dice.randrange(number + 1) // 4}"
        kind = dice.choice(["arrive", "claim", "claim", "submit", "submit", "extend", "release", "override"])
        epoch = dice.randint(1, 3)
        if kind == "arrive" or number % 4 == 0:
            stream.arrive(f"d{number // 4}", priority=dice.choice(["critical", "high"]))
            continue
        words = {"verdict": dice.choice(["approve", "reject"]), "reason_code": "other", "reason_text": "because"}
        shown = {"epoch": epoch, "payload_hash": stream.hashes.get(task_id, "")}
        fields = {"submit": words | shown, "override": words | shown, "extend": shown, "release": shown}.get(kind, {})
        stream.send(kind, actor, task_id=task_id, **fields)
    if not stream.is_up:
        stream.start()
    stream.wait(DAY)
    return {reply["command_id"]: (reply["code"], reply["at"]) for reply in stream.said("reviews.replies")}


@pytest.mark.parametrize("seed", range(20))
def test_outages_change_no_answer(seed: int) -> None:
    """Whatever was sent gets the answer of a desk that was always up, at the same time, and the same people's words
    hold."""
    steady, shaky = DeskStream(SAFE_OUTCOME), DeskStream(SAFE_OUTCOME)
    assert random_day(shaky, seed, outages=True) == random_day(steady, seed, outages=False)
    words = [
        [(word["decision_id"], word["version"], word["outcome"], word["source"]) for word in stream.said("resolutions")]
        for stream in (steady, shaky)
    ]
    assert sorted(words[0]) == sorted(words[1])


@pytest.mark.parametrize("seed", range(10))
def test_no_timer_overtakes_an_earlier_command(seed: int) -> None:
    """Between two replies stands nothing that fell due after the second was sent."""
    stream = DeskStream(SAFE_OUTCOME)
    random_day(stream, seed, outages=True)
    tasks: dict[str, dict[str, int]] = {}
    fired: list[int] = []
    for record in stream.written:
        if record.name == "reviews.tasks" and record.value_bytes is not None:
            task = wire.decode_plain("Task", record.value_bytes)
            before = tasks.get(task["task_id"], {})
            due = {"expired": "lease_until", "breached": "deadline"}.get(task["event"])
            if due is not None:
                fired.append(before[due])
            tasks[task["task_id"]] = task
        elif record.name == "reviews.replies" and record.value_bytes is not None:
            sent = wire.decode_plain("CommandReply", record.value_bytes)["at"]
            assert all(instant <= sent for instant in fired)
    assert fired
