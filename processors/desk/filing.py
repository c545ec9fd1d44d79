"""Files a decision again that the desk had decided and has forgotten, as the last record of its task says.

A copy of the routed decision in `reviews.manual` brings that record along, in a header.
"""

from interlock.processors.desk.arrivals import Arrival, arrive, differences
from interlock.processors.desk.authority import Authority
from interlock.processors.desk.policy_changes import adopt_duties
from interlock.processors.desk.state import DeskState
from interlock.processors.desk.stored_records import read_task
from interlock.processors.desk.task import DESK, Task
from interlock.processors.desk.task_records import task_changed
from interlock.processors.events import Event
from interlock.processors.records import Message
from interlock.schemas import catalogue
from interlock.schemas.copy_headers import ISSUED_HEADER, TASK_HEADER, signed_part
from interlock.schemas.headers import headers_of

# Enough for every instant; int() would take long for millions.
_MAX_DIGITS = 19


def forgotten_task(message: Message, arrival: Arrival, authority: Authority, now: int) -> Task | None:
    """The task that a routed decision brings along, about the copy that was read; None if it brings none.

    Raises ValueError if `authority` distrusts it, or it is not what the desk itself writes last: the task of this
    decision, decided for good.
    """
    headers = headers_of(message)
    found = {name: value or b"" for name, value in headers}
    if message.topic() != catalogue.REVIEWS_MANUAL.name or TASK_HEADER not in found:
        return None
    record, issued_at = found[TASK_HEADER], found.get(ISSUED_HEADER, b"")
    why_not = authority.distrust(signed_part(record, issued_at, message.value()), _instant(issued_at), headers, now)
    if why_not is not None:
        raise ValueError(f"its header {TASK_HEADER} counts for nothing: {why_not}")
    task = read_task(arrival.decision_id.encode(), record)
    if task.decision_id != task.task_id or task.kind == "gold":
        raise ValueError(f"its header {TASK_HEADER} has a planted task, whose verdict decides nothing")
    if task.state != "done" or not task.took_effect:
        raise ValueError(f"the task in its header {TASK_HEADER} is not decided")
    if task.final_at is not None or (task.override_until or 0) > now:
        raise ValueError(f"the task in its header {TASK_HEADER} can still be overridden: no desk has forgotten it")
    different = differences(task, arrival)
    if different:
        raise ValueError(f"the task in its header {TASK_HEADER} is of another decision: {', '.join(different)} differ")
    # Kafka has the copy for some days, and may not have the first record any more.
    task.topic, task.partition, task.offset = arrival.topic, arrival.partition, arrival.offset
    task.payload_hash = arrival.payload_hash
    return task


def _instant(text: bytes) -> int:
    """Microseconds since the epoch; 0 for what is no such number."""
    return int(text) if text.isdigit() and len(text) <= _MAX_DIGITS else 0


def file_again(state: DeskState, arrival: Arrival, task: Task, now: int) -> list[Event]:
    """Keeps a decided task with its verdicts, parties and versions as they were, for as long as one decided now.

    What the desk knows stays as it is: the copy is a repetition.
    """
    known = state.tasks.get(task.task_id)
    if known is not None and known.kind != "gold":
        return arrive(state, arrival, now)
    task.arrived_at = now
    if not task.routed_queue:
        adopt_duties(state, task)
    state.keep(task)
    return [task_changed(task, "restored", DESK, now)]
