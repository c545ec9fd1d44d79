"""In which order the actions on one decision are carried out when some of them have become dead letters.

Pure: what is known of a decision and the next action give what to do, and what is known afterwards.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from interlock.streams.ports import Partition

State = Literal["waiting", "done", "superseded", "not_executed", "discarded"]


@dataclass(frozen=True, slots=True)
class SequencedAction:
    """An action that was put aside. The fields are those of `ActionSequence.avsc`."""

    topic: str
    partition: int
    offset: int
    action_id: str
    kind: str
    version: int
    state: State = "waiting"
    in_doubt: bool = False

    @property
    def place(self) -> tuple[str, int, int]:
        """Which record it is, also if it cannot be read, and if another record has the same id."""
        return self.topic, self.partition, self.offset


Actions = tuple[SequencedAction, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """What to do with an action. `actions`: what is known of the decision from then on."""

    what: Literal["hand_over", "leave_out", "wait"]
    actions: Actions
    reason: str = ""


def next_step(actions: Actions, action: SequencedAction) -> Step:
    """What to do with `action`, which was read from its own topic."""
    for known in actions:
        if known.place == action.place:  # read again after a crash or a rebalance
            return _if_first(actions, known) if known.state == "waiting" else _left_out(actions, known)
    first = _first_waiting(actions)
    if first is not None and first.action_id == action.action_id:
        return Step("hand_over", actions)
    overruled = [known for known in actions if _overrules(action, known)]
    never_executed = action.kind == "roll_back" and any(
        known.kind == "execute" and known.version == action.version and not known.in_doubt for known in overruled
    )
    actions = tuple(replace(known, state="superseded") if known in overruled else known for known in actions)
    if never_executed:
        left_out = replace(action, state="not_executed")
        return _left_out((*actions, left_out), left_out)
    first = _first_waiting(actions)
    if first is None:
        return Step("hand_over", actions)
    return Step("wait", (*actions, action), _behind(first))


def next_step_of_replayed(actions: Actions, place: tuple[str, int, int]) -> Step:
    """What to do with the action that was read from `place` once and is replayed: only what still waits is handed over,
    and only when it is the first that does."""
    for known in actions:
        if known.place == place:
            return _if_first(actions, known) if known.state == "waiting" else _left_out(actions, known)
    return Step("leave_out", actions, "it does not wait any more: it was carried out or overruled since")


def put_aside(actions: Actions, action: SequencedAction) -> Actions:
    """After `action` was given up; it keeps its place if it has one."""
    if any(known.place == action.place for known in actions):
        return tuple(
            replace(known, in_doubt=known.in_doubt or action.in_doubt) if known.place == action.place else known
            for known in actions
        )
    return (*actions, action)


def done(actions: Actions, action_id: str, place: tuple[str, int, int]) -> Actions:
    """After the action read from `place` was carried out. Other records of the same id need not be any more."""
    return tuple(
        replace(known, state="done")
        if known.state == "waiting" and (known.action_id == action_id or known.place == place)
        else known
        for known in actions
    )


def discarded(actions: Actions, place: tuple[str, int, int]) -> Actions:
    """After an operator has decided that the action read from `place` is not to be carried out."""
    return tuple(
        replace(known, state="discarded") if known.state == "waiting" and known.place == place else known
        for known in actions
    )


def pruned(actions: Actions, committed: Mapping[Partition, int]) -> Actions:
    """Without those that need not be known any more: their records will not be read again, because the group has
    committed a later offset."""
    return tuple(
        known
        for known in actions
        if _is_open(known) or known.offset >= committed.get((known.topic, known.partition), 0)
    )


def is_open(actions: Sequence[SequencedAction]) -> bool:
    """Whether any of them matters to actions that are still to come, however long that takes."""
    return any(map(_is_open, actions))


def _is_open(known: SequencedAction) -> bool:
    # A discarded execute stays until it is overruled: its roll_back may come, and must be left out then.
    return known.state == "waiting" or (known.state == "discarded" and known.kind == "execute")


def _first_waiting(actions: Sequence[SequencedAction]) -> SequencedAction | None:
    return next((known for known in actions if known.state == "waiting"), None)


def _overrules(action: SequencedAction, known: SequencedAction) -> bool:
    """Whether `known`, which was not carried out, must not be any more when `action` has come."""
    if known.state not in ("waiting", "discarded") or known.kind not in ("execute", "notify", "notice"):
        return False
    if action.kind == "roll_back":
        return known.version <= action.version
    return action.kind == "execute" and known.version < action.version


def _if_first(actions: Actions, known: SequencedAction) -> Step:
    first = _first_waiting(actions)
    assert first is not None
    if first.action_id == known.action_id:
        return Step("hand_over", actions)
    return Step("wait", actions, _behind(first))


_REASONS: Mapping[State, str] = {
    "done": "it was carried out when it was replayed",
    "superseded": "a later version has overruled it",
    "not_executed": "what it takes back was never carried out",
    "discarded": "it was discarded",
}


def _left_out(actions: Actions, known: SequencedAction) -> Step:
    return Step("leave_out", actions, _REASONS[known.state])


def _behind(first: SequencedAction) -> str:
    return f"waits behind {first.action_id}, which is a dead letter: replay that first, or discard it"
