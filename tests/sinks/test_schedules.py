"""Random schedules: sinks come, go, die, freeze and lose their place, in any order, and nothing shows."""

import random

import pytest
from clickhouse_connect.driver.client import Client

from interlock.schemas.catalogue import SINK_GROUP
from interlock.sinks.writer import SinkWriter
from interlock.streams.memory import Crash, FaultPlan, Step, timed_out
from tests.sinks.sink_world import SmallChunks

pytestmark = pytest.mark.warehouse

SCHEDULES, CAMPAIGN_SCHEDULES = 3, 40


def test_no_schedule_of_crashes_and_rebalances_changes_a_count(shared: Client, run_id: str, campaign: bool) -> None:
    for seed in range(CAMPAIGN_SCHEDULES if campaign else SCHEDULES):
        _live(shared, f"{run_id}-{seed}", seed)


def _live(client: Client, name: str, seed: int) -> None:
    rng = random.Random(seed)
    world = SmallChunks(name, client)
    world.pipeline(10)
    sinks: list[tuple[SinkWriter, FaultPlan]] = []
    for _ in range(40):
        action = rng.choice(
            ("pipeline", "start", "step", "step", "step", "step", "crash", "lose", "evict", "reset", "time")
        )
        if action == "pipeline":
            world.pipeline(rng.randrange(1, 8))
        elif action == "start" and len(sinks) < 3:
            plan = FaultPlan()
            changes = {"max_rows": rng.randrange(2, 12), "flush_seconds": rng.choice((0.0, 15.0))}
            sinks.append((world.writer(world.broker.process(plan), **changes), plan))
        elif action == "crash" and sinks:
            rng.choice(sinks)[1].inject(Crash(), rng.randrange(5))
        elif action == "lose" and sinks:
            steps: tuple[Step, ...] = ("group-commit:before", "group-commit:after", "committed")
            step = rng.choice(steps)
            rng.choice(sinks)[1].inject_at(step, timed_out())
        elif action == "evict":
            world.broker.evict(SINK_GROUP)
        elif action == "reset" and not sinks:
            world.broker.cluster.group(SINK_GROUP).committed.clear()
        elif action == "time":
            world.seconds += rng.randrange(60)
        for place in rng.sample(range(len(sinks)), len(sinks)) if action == "step" else ():
            try:
                sinks[place][0].step()
            except Crash:
                sinks[place] = (sinks[place][0], DEAD)
        sinks = [sink for sink in sinks if sink[1] is not DEAD]
    for writer, plan in sinks:
        plan.clear()
        writer.close()
    world.broker.evict(SINK_GROUP)
    world.settle(world.writer())
    world.assert_exactly_once()


DEAD = FaultPlan()
