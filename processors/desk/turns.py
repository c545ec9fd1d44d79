"""Whose turn it is: the order in which the tasks of several queues are handed out to people who serve all of them.

Within a queue its own order counts; between queues, of the first of each the more urgent. A class (priority) may have a
floor in a queue: its least share of the hand-outs while one of its tasks waits. Whoever serves several queues owes a
class the greatest of its floors, once, over all of them; floors that are together more than all are cut in proportion.

A floor is kept with a debt. It grows by the floor with every hand-out that could have gone to the class, and shrinks by
one with every hand-out to it; a class that is owed a whole hand-out goes first.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge

from interlock.processors.desk.order import QueueOrder
from interlock.processors.desk.sorted_lists import Key, SortedTasks


@dataclass(frozen=True, slots=True)
class OpenLane:
    """The tasks of one class in a queue that the same people may do."""

    queue: QueueOrder
    priority: str
    lane: SortedTasks


class Debts:
    """What the classes are owed by people who serve the same queues."""

    def __init__(self, debts: Mapping[str, float] | None = None) -> None:
        self._debts = dict(debts or {})

    def copy(self) -> "Debts":
        """The same, to try out what comes next."""
        return Debts(self._debts)

    def owed(self, floors: dict[str, float]) -> list[str]:
        """The classes among `floors` that are owed a hand-out, the greatest debt first."""
        owed = [priority for priority in floors if self._debts.get(priority, 0.0) >= 1]
        return sorted(owed, key=lambda priority: -self._debts[priority])

    def hand_out(self, floors: dict[str, float], priority: str = "") -> None:
        """Writes one hand-out. `floors`: of the classes that it could have gone to. `priority`: the class with a floor
        that it did go to, if it was one.

        Work beyond the floor is no credit for later: the share holds in every stretch of hand-outs, not only in the
        long run. While people can do the work, debts stay below the number of classes plus one (the greatest is paid
        first and the floors are together at most 1). Where no one could do it, the debt stops there, or it would fill
        the day of the first person who can.
        """
        for name, floor in floors.items():
            grown = self._debts.get(name, 0.0) + floor - (name == priority)
            self._debts[name] = min(max(grown, 0.0), 1.0 + len(floors))


def floors_of(lanes: Sequence[OpenLane]) -> dict[str, float]:
    """By class with a waiting task, the share of the hand-outs that it is owed; together at most 1."""
    return shares((each.priority, each.queue.floors.get(each.priority, 0.0)) for each in lanes)


def shares(floors: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Of each class the greatest of its floors; in proportion where they are together more than all hand-outs."""
    greatest: dict[str, float] = {}
    for priority, floor in floors:
        if floor > greatest.get(priority, 0.0):
            greatest[priority] = floor
    most = max(1.0, sum(greatest.values()))
    return {priority: floor / most for priority, floor in sorted(greatest.items())}


def in_turn(lanes: Sequence[OpenLane], debts: Debts, now: int) -> Iterator[str]:
    """Every task id once, in the order in which they are handed out if each is taken: floors get their share of these.

    Add and remove nothing while iterating, and ask about no other instant. `debts` stay as they are.
    """
    debts = debts.copy()
    classes = _classes(lanes, now)
    while classes:
        floors = floors_of([each.lane for each in classes])
        owed = debts.owed(floors)
        pool = [each for each in classes if each.lane.priority == owed[0] and each.has_floor] if owed else classes
        chosen = _first(pool)
        debts.hand_out(floors, chosen.lane.priority if chosen.has_floor else "")
        yield chosen.place[-1]
        if not chosen.advance(now):
            classes.remove(chosen)


class _Class:
    """The tasks of one class in one queue, in order, of which the first stands at `place`."""

    def __init__(self, lanes: Sequence[OpenLane], now: int) -> None:
        self.lane = lanes[0]
        self.has_floor = self.lane.queue.floors.get(self.lane.priority, 0.0) > 0
        self.place: Key = min(each.lane.first(now) for each in lanes)
        self._lanes = lanes
        self._rest: Iterator[Key] | None = None

    def advance(self, now: int) -> bool:
        """Goes on to the next; False if there is none."""
        if self._rest is None:
            self._rest = merge(*(each.lane.in_order(now) for each in self._lanes))
            next(self._rest)
        place = next(self._rest, None)
        if place is None:
            return False
        self.place = place
        return True


def _classes(lanes: Sequence[OpenLane], now: int) -> list[_Class]:
    grouped: dict[tuple[QueueOrder, str], list[OpenLane]] = {}
    for lane in lanes:
        grouped.setdefault((lane.queue, lane.priority), []).append(lane)
    return [_Class(group, now) for group in grouped.values()]


def _first(pool: Sequence[_Class]) -> _Class:
    """The first of each queue by its own order, and of these the most urgent."""
    by_queue: dict[QueueOrder, _Class] = {}
    for each in pool:
        best = by_queue.get(each.lane.queue)
        if best is None or each.place < best.place:
            by_queue[each.lane.queue] = each
    return min(by_queue.values(), key=lambda each: each.lane.queue.urgency(each.place[-1]))
