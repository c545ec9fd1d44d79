"""Test policies, executors and reviewer tools of your own in milliseconds: the whole pipeline in memory.

    from interlock.testing import Topology

    topology = Topology(Path("policy.yaml"))
    topology.add_reviewer("ann")

    assert topology.decide("loan-1", confidence=0.97)["route"] == "auto"
    assert topology.decide("loan-2", confidence=0.70)["route"] == "sync"

    topology.review("ann", "reject", "loan-2", outcome="reject")
    assert topology.resolutions("loan-2")[0]["outcome"] == "reject"

`Topology` runs the real router and the real desk on `MemoryBroker`, Kafka in memory, and on `ManualClock`, a clock that
moves only when a test moves it. Nothing is mocked: everything passes through topics as bytes. docs/testing-your-own.md
has an example of each kind of test.

`Crash` and `FaultPlan` plan faults for a process, `InlineExecutor` replaces threads where a test needs the same order
every time.
"""

try:
    from interlock.streams.clock import ManualClock
    from interlock.streams.memory import Crash, FaultPlan, InlineExecutor, MemoryBroker
    from interlock.testing.topology import Topology
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] == "interlock":
        raise
    raise ImportError(
        f"interlock.testing needs the extra \"server\" ({error.name} is missing): pip install 'interlock[server]'"
    ) from error

__all__ = ["Crash", "FaultPlan", "InlineExecutor", "ManualClock", "MemoryBroker", "Topology"]
