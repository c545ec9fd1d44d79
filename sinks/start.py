"""Where the writer begins in a partition that it was assigned: what Kafka says against what ClickHouse holds.

Either side may be behind. Kafka drops the offsets of a group that has been away for a week, and people reset offsets;
ClickHouse loses rows with a disk, with what a power failure took, and when a backup is restored.

* **Kafka plans a chunk**: it comes next, whatever of it is in ClickHouse.
* **ClickHouse holds more** than Kafka says: the last chunk that it holds is looked at, and reading goes on behind it.
* **ClickHouse holds less**: the last chunk that it holds is looked at, and what Kafka still has behind it is inserted
  once more. A plan is forgotten then: nothing of it is in ClickHouse, and who planned it lost its insert together with
  the rows before.

Rows that are missing *before* the last one are not looked for here: that takes a comparison of all offsets, which
`interlock reconcile` makes.
"""

from dataclasses import dataclass

from interlock.sinks.chunk import Chunk


@dataclass(frozen=True, slots=True)
class Start:
    """`begin`: the first offset to be read. `chunk`: what comes next, if that is fixed. `planned`: Kafka says so, and
    its insert may have got stuck half-way. `ahead`: ClickHouse holds more than Kafka says. `fill_to`: records before
    this offset were inserted once, and ClickHouse has lost them; 0 for none."""

    begin: int
    chunk: Chunk | None = None
    planned: bool = False
    ahead: bool = False
    fill_to: int = 0

    def from_oldest(self, oldest: int) -> "Start":
        """This start in a log whose oldest record has that offset: what Kafka has deleted cannot be filled in."""
        chunk = self.chunk if self.chunk is not None and oldest <= self.chunk.last else None
        return Start(max(self.begin, oldest), chunk, fill_to=self.fill_to if oldest < self.fill_to else 0)


def start(committed: int, plan: Chunk | None, held: Chunk | None) -> Start:
    """Decides. `committed`: Kafka's offset, negative for none. `plan`: the chunk noted beside it. `held`: the last
    chunk that ClickHouse has rows of."""
    after_held = 0 if held is None else held.last + 1
    told = max(0, committed if plan is None else plan.first)
    if held is not None and held.last > (plan.last if plan is not None else committed - 1):
        return Start(held.first, held, ahead=True)
    if after_held < told:
        return Start(0 if held is None else held.first, held, fill_to=told)
    if plan is not None:
        return Start(plan.first, plan, planned=True)
    return Start(told)
