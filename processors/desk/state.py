"""The state of the desk, and its indexes: queues, holders, timers."""

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sortedcontainers import SortedSet

from interlock.policy import review
from interlock.policy.duties import Duties
from interlock.policy.model import Policy
from interlock.policy.review import Terms
from interlock.processors.desk.impact import ImpactScale
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.desk.reviewers import PushPause, Reviewer, off_duty, outside_working_hours
from interlock.processors.desk.tallies import Tallies, TallyKey
from interlock.processors.desk.task import Task
from interlock.processors.desk.tasks import Tasks
from interlock.processors.desk.waiting import WaitingTasks
from interlock.processors.desk.workload import Workload
from interlock.processors.outcomes import AUDIT

# How long the desk keeps a decided task, so that it can be overridden or appealed, unless the settings say otherwise:
# people are told that they have a month. ClickHouse keeps the history.
RETENTION = 30 * 86_400 * 1_000_000

# Share of a lease after which its holder is told that it ends: of the default 15 minutes, three are left.
LEASE_WARNING = 0.8

# Policies know some dozen domains and queues; producers may name any number of unknown domains.
_MAX_CACHED_TERMS = 10_000

# A heap entry whose task has changed stays until its time comes; beyond this many stale ones the heap is rebuilt.
_MAX_STALE_TIMERS = 10_000


@dataclass
class DeskState:
    """Tasks by id; people by id; `on_duty` since when; `off_duty` since when, of people who were on duty once.

    `paused`: people on duty to whom nothing is pushed. `policies` as (policy, version) by name. `unattended`: by queue
    the task whose caller waited when there was nobody to push it to. `replaced` tells that policies or reviewers have
    changed and open tasks must be looked at again, `policies_changed` that what policies say of them must be. Until
    `resumed_at` no desk served anybody. `arm_key`: keys the coins of the reliance experiment; empty: none takes place.

    For the question who may decide a task: `touched`, the open tasks that have changed since it was last asked;
    `roster_changed`, it must be asked for every task; `next_expiry`, when the next qualification of somebody expires;
    `kept_from`, by queue, qualifications, whether only leads may and who may not, why nobody may decide such a task, ""
    if somebody may.
    """

    tasks: Tasks = field(default_factory=Tasks)
    reviewers: dict[str, Reviewer] = field(default_factory=dict)
    on_duty: dict[str, int] = field(default_factory=dict)
    off_duty: dict[str, int] = field(default_factory=dict)
    paused: dict[str, PushPause] = field(default_factory=dict)
    unattended: dict[str, Task] = field(default_factory=dict)
    policies: dict[str, tuple[Policy, str]] = field(default_factory=dict)
    policies_changed: bool = True
    replaced: bool = False
    resumed_at: int = 0
    touched: dict[str, None] = field(default_factory=dict)
    roster_changed: bool = False
    next_expiry: int | None = None
    kept_from: dict[tuple[str, tuple[str, ...], bool, frozenset[str]], str] = field(default_factory=dict)
    arm_key: bytes = b""
    waiting: WaitingTasks = field(default_factory=WaitingTasks)
    workload: Workload = field(default_factory=Workload)
    tallies: Tallies = field(default_factory=Tallies)
    retention: int = RETENTION
    _decided: dict[str, int] = field(default_factory=dict)
    _first_rest: int | None = None
    _open: set[str] = field(default_factory=set)
    _held: dict[str, dict[str, None]] = field(default_factory=dict)
    _holder: dict[str, str] = field(default_factory=dict)
    _unsettled: dict[tuple[str, str], dict[TallyKey, SortedSet]] = field(default_factory=dict)
    _timers: list[tuple[int, str]] = field(default_factory=list)
    _impacts: dict[str, ImpactScale] = field(default_factory=dict)
    _leads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _terms: dict[tuple[str, str], Terms] = field(default_factory=dict)
    _kept_terms: dict[tuple[str, str, Duties], Terms] = field(default_factory=dict)

    # Policies

    def terms(self, task: Task) -> Terms:
        """What holds for the task: what the policy in force says, and what the task was routed with."""
        key = (task.domain, task.queue, task.duties)
        terms = self._kept_terms.get(key)
        if terms is None:
            if len(self._kept_terms) >= _MAX_CACHED_TERMS:
                self._kept_terms.clear()
            terms = self._kept_terms[key] = review.kept(self.terms_of(task.domain, task.queue), task.duties)
        return terms

    def terms_of(self, domain: str, queue: str) -> Terms:
        """What the policy in force that owns `domain` says about its tasks in `queue`."""
        key = (domain, queue)
        terms = self._terms.get(key)
        if terms is None:
            if len(self._terms) >= _MAX_CACHED_TERMS:
                self._terms.clear()
            terms = self._terms[key] = self._new_terms(domain, queue)
        return terms

    def _new_terms(self, domain: str, queue: str) -> Terms:
        policies = {name: self.policies[name][0] for name in sorted(self.policies)}
        owners = {self.policies[name][1]: policy for name, policy in policies.items() if domain in policy.domains}
        described = next((policy.queues[queue] for policy in policies.values() if queue in policy.queues), None)
        if len(owners) > 1:
            terms = review.disputed_terms(owners, domain, queue)
        else:
            version, owner = next(iter(owners.items()), ("", None))
            terms = review.terms(owner, version, domain, queue, described)
        # A queue has one order, whatever else policies that share it say about their own tasks in it.
        return terms if described is None else review.ordered_as(terms, described)

    def set_policy(self, name: str, policy: Policy | None, version: str = "") -> None:
        """Puts a policy in force; None withdraws it."""
        if policy is None:
            self.policies.pop(name, None)
        else:
            self.policies[name] = (policy, version)
        self._terms.clear()
        self._kept_terms.clear()
        self.policies_changed = self.replaced = self.roster_changed = True

    def set_reviewer(self, name: str, reviewer: Reviewer | None) -> None:
        """Replaces what is known of a reviewer; None removes the person."""
        if reviewer is None:
            self.reviewers.pop(name, None)
        else:
            self.reviewers[name] = reviewer
        self._leads.clear()
        self.kept_from.clear()
        self.replaced = self.roster_changed = True

    def unavailable(self, reviewer: Reviewer, now: int) -> CommandRefused | None:
        """Why `reviewer` gets no work at all now; None if ready."""
        if reviewer.id not in self.on_duty:
            return off_duty(reviewer.id, self.off_duty.get(reviewer.id))
        return outside_working_hours(reviewer, now)

    # Tasks

    def keep(self, task: Task) -> None:
        """Files the task by what it is now: call after every change."""
        task.closed_at = task.last_judged_at if task.state == "done" else None
        known = self.tasks.unpacked.get(task.task_id) is task
        self.tasks[task.task_id] = task
        self._unfile(task.task_id)
        if task.state == "done":
            self._open.discard(task.task_id)
            self.touched.pop(task.task_id, None)
        else:
            self._open.add(task.task_id)
            self.touched[task.task_id] = None
        self._settle(task, known=known)
        if task.state == "waiting":
            self.waiting.add(task, self.terms(task))
        elif task.holder and task.state != "done":
            self._held.setdefault(task.holder, {})[task.task_id] = None
            self._holder[task.task_id] = task.holder
        self._schedule(task)

    def held(self, reviewer: str) -> list[Task]:
        """Tasks that a reviewer leases or was assigned."""
        return [self.tasks[task_id] for task_id in self._held.get(reviewer, ())]

    def holders(self) -> list[str]:
        """Everybody who holds a task, in alphabetical order."""
        return sorted(name for name, held in self._held.items() if held)

    def load(self, reviewer: str) -> int:
        """How many tasks a reviewer leases or was assigned."""
        return len(self._held.get(reviewer, ()))

    def leads(self, queue: str) -> tuple[str, ...]:
        """The leads who look after a queue, in alphabetical order."""
        leads = self._leads.get(queue)
        if leads is None:
            named = [r.id for r in self.reviewers.values() if r.is_lead and (not r.queues or queue in r.queues)]
            leads = self._leads[queue] = tuple(sorted(named))
        return leads

    def known_queues(self) -> set[str]:
        """Queues that a policy names or a task waits in."""
        named = {queue for policy, _ in self.policies.values() for queue in policy.queues}
        used = {domain.queue for policy, _ in self.policies.values() for domain in policy.domains.values()}
        return named | used | self.waiting.queue_names()

    def impact(self, queue: str, amount: float | None, word: str) -> float:
        """The impact of a new arrival among the latest of its queue."""
        scale = self._impacts.get(queue)
        if scale is None:
            scale = self._impacts[queue] = ImpactScale()
        return scale.of(amount, word)

    def first_due(self) -> int | None:
        """When the clock next changes something about a task; None if never."""
        decided = min(
            (instant for instant in (self.tasks.first_due(), *self._decided.values()) if instant is not None),
            default=None,
        )
        while self._timers:
            instant, task_id = self._timers[0]
            task = self.tasks.unpacked.get(task_id)
            if task is not None and task.due == instant:
                return instant if decided is None else min(instant, decided)
            heapq.heappop(self._timers)
        return decided

    def due(self, now: int) -> Iterator[Task]:
        """Tasks about which the clock changes something by `now`, each until it is kept again with a later time."""
        while self._timers and self._timers[0][0] <= now:
            instant, task_id = heapq.heappop(self._timers)
            task = self.tasks.unpacked.get(task_id)
            if task is not None and task.due == instant:
                task.due = None
                yield task
                if task.due is not None and task.due <= instant:
                    # Nothing has changed, as only with a record that is not the desk's own: not to be done for ever.
                    task.due = None
        yield from self.tasks.due(now)
        while self._first_rest is not None and self._first_rest <= now:
            self.pack({})
            yield from self.tasks.due(now)

    def settled_before(self, task: Task, now: int) -> int:
        """The watermark of the model version of `task`: all its tasks that arrived earlier have been judged or are past
        their deadline. A task that waits for too long must not keep everything else from being learned."""
        return self.model_settled_before(task.model_id, task.model_version, now)

    def model_settled_before(self, model_id: str, model_version: str, now: int) -> int:
        """The same of a model version by its name."""
        ways = self._unsettled.get((model_id, model_version))
        return min(now, *(waiting[0][0] for waiting in ways.values())) if ways else now

    def way_settled_before(self, key: TallyKey, now: int) -> int:
        """The same watermark of the tasks with this key alone."""
        waiting = self._unsettled.get((key.model_id, key.model_version), {}).get(key)
        return min(now, waiting[0][0]) if waiting else now

    def waited_for(self, model_id: str, model_version: str) -> tuple[int, int]:
        """How many tasks of the model version keep its watermark back: audits, and others."""
        ways = self._unsettled.get((model_id, model_version), {})
        audits = sum(len(waiting) for key, waiting in ways.items() if key.way == AUDIT)
        return audits, sum(len(waiting) for waiting in ways.values()) - audits

    def forget(self, task_id: str) -> None:
        """Removes a task."""
        self._unfile(task_id)
        self._open.discard(task_id)
        self._decided.pop(task_id, None)
        del self.tasks[task_id]

    @property
    def open(self) -> int:
        """How many tasks are not done."""
        return len(self._open)

    def open_tasks(self) -> list[Task]:
        """Tasks that are not done, in the order in which they came to be known."""
        return [task for task_id, task in self.tasks.unpacked.items() if task_id in self._open]

    def _settle(self, task: Task, *, known: bool) -> None:
        """Keeps count of what is waited for. `known`: this task was kept before, and not only read back."""
        model = task.model_id, task.model_version
        ways = self._unsettled.get(model)
        key = task.tally_key
        waiting = None if ways is None else ways.get(key)
        place = (task.came_at, task.task_id)
        if task.state != "done" and not task.is_late and task.is_sample:
            if waiting is None:
                waiting = self._unsettled.setdefault(model, {}).setdefault(key, SortedSet())
            if place not in waiting:
                waiting.add(place)
                if known:
                    self.tallies.settled(key, -1)
        elif ways is not None and waiting is not None and place in waiting:
            waiting.discard(place)
            self.tallies.settled(key)
            if not waiting:
                del ways[key]
                if not ways:
                    del self._unsettled[model]

    def _unfile(self, task_id: str) -> None:
        self.waiting.remove(task_id)
        holder = self._holder.pop(task_id, None)
        if holder is not None:
            del self._held[holder][task_id]

    def rests_until(self, closed_at: int, final_at: int | None) -> int:
        """When the clock next changes something about a decided task: it becomes final, or is forgotten."""
        return closed_at + self.retention if final_at is None else final_at

    def pack(self, written: Mapping[str, bytes]) -> None:
        """Packs what has been decided: whoever has just decided it needs it no more.

        `written`: the last records of tasks on `reviews.tasks`, where there are any of it.
        """
        for task_id, rests_until in self._decided.items():
            record = written.get(task_id)
            if record is None:
                self.tasks.pack(self.tasks.unpacked[task_id], rests_until)
            else:
                self.tasks.put_packed(task_id, record, rests_until)
        self._decided.clear()
        self._first_rest = None

    def _schedule(self, task: Task) -> None:
        if task.state == "done":
            task.due = None
            assert task.closed_at is not None
            rests_until = self.rests_until(task.closed_at, task.final_at)
            self._decided[task.task_id] = rests_until
            self._first_rest = rests_until if self._first_rest is None else min(self._first_rest, rests_until)
            return
        self._decided.pop(task.task_id, None)
        due = next_due(task)
        if due is not None and due != task.due:
            heapq.heappush(self._timers, (due, task.task_id))
        task.due = due
        open_tasks = self.tasks.unpacked
        if len(self._timers) > 2 * len(open_tasks) + _MAX_STALE_TIMERS:
            live = [(other.due, other.task_id) for other in open_tasks.values() if other.due is not None]
            heapq.heapify(live)
            self._timers = live


def next_due(task: Task) -> int | None:
    """When the clock next changes something about an open task; None if never."""
    instants = [task.final_at, task.caller_leaves_at]
    if not task.breached:
        instants.append(task.deadline if task.warned or task.is_optional else min(task.warn_at, task.deadline))
    if task.state != "leased":
        instants.append(task.ends_at)
    if task.state == "leased":
        instants.append(task.lease_until if task.lease_warned else task.lease_warn_at)
    elif task.state == "assigned":
        instants.append(task.assigned_until)
    elif task.state == "snoozed":
        instants.append(task.snoozed_until)
    return min((instant for instant in instants if instant is not None), default=None)


def hold(task: Task, now: int, terms: Terms) -> None:
    """Starts the time of a lease, which ends at the latest when the person has held the task for as long as allowed."""
    length = terms.lease_seconds * 1_000_000
    task.lease_until = min(now + length, longest_hold(task, now, terms))
    task.lease_warn_at = task.lease_until - round((1 - LEASE_WARNING) * length)
    task.lease_warned = False


def longest_hold(task: Task, now: int, terms: Terms) -> int:
    """Until when the person who holds a task can extend the lease, or could if the person claimed it at `now`."""
    since = now if task.lease_since is None else task.lease_since
    return since + terms.lease_limit_seconds * 1_000_000
