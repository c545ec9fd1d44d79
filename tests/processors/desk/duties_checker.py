"""Whether people have kept the duties of every decision, told from records alone: what was routed, policies, people,
commands with their replies, tasks, and resolutions. It knows nothing of how the desk works."""

from dataclasses import dataclass, field
from typing import Any

Named = dict[str, Any]

# A person may correct, within a minute, what that person alone has decided.
CORRECTION = 60_000_000


@dataclass(frozen=True)
class Demands:
    """What a policy demands of decisions in one domain. `four_eyes`: ids of rules that want two people.
    `qualifications`: by queue."""

    outcomes: tuple[str, ...]
    qualifications: dict[str, tuple[str, ...]]
    four_eyes: frozenset[str]


@dataclass
class Opinion:
    """A verdict that the desk has accepted."""

    reviewer: str
    outcome: str
    modifications: str
    at: int
    round: int


@dataclass
class Checker:
    """Told everything in the order in which it happened; raises AssertionError where a duty was not kept.

    `policies`: what each policy that is in force demands, by domain. `roster`: until when each qualification of a
    person counts, None for ever. `roles`: of everybody on the roster.
    """

    policies: dict[str, dict[str, Demands]] = field(default_factory=dict)
    roster: dict[str, dict[str, int | None]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    routed: dict[str, Named] = field(default_factory=dict)
    tasks: dict[str, Named] = field(default_factory=dict)
    opinions: dict[str, list[Opinion]] = field(default_factory=dict)
    parties: dict[str, set[str]] = field(default_factory=dict)
    resolutions: dict[str, list[Named]] = field(default_factory=dict)
    recalled: dict[str, bool] = field(default_factory=dict)
    """What was recalled; whether somebody has judged it since."""
    checked: int = 0
    overrides: int = 0

    def arrived(self, decision_id: str, told: Named) -> None:
        """`told`: domain, reasons, and the duties that the router told."""
        self.routed[decision_id] = told

    def carried_out(self, command: Any, said: list[tuple[str, Named]], now: int) -> None:
        """A command with everything that the desk said then, the reply last."""
        before = {name: dict(task) for name, task in self.tasks.items()}
        reply = said[-1][1]
        task = before.get(command.task_id)
        if reply["accepted"] and task is not None:
            if command.kind in ("submit", "override"):
                self._judged(command, task, said, now)
            if command.kind == "recall":
                self._recall(command, task)
            if command.kind == "appeal":
                self.parties.setdefault(command.task_id, set()).update({command.actor, command.on_behalf_of} - {""})
        self.said(said, now)

    def said(self, said: list[tuple[str, Named]], now: int) -> None:
        """What the desk says, in its order."""
        for topic, record in said:
            if topic == "reviews.tasks":
                self.tasks[record["task_id"]] = record
            if topic == "resolutions":
                self._resolved(record, now)

    def _recall(self, command: Any, task: Named) -> None:
        """A lead has somebody look at what nobody has looked at."""
        name = task["task_id"]
        assert self.roles[command.actor] == "lead", f"{command.actor} recalled {name} and is no lead"
        assert name not in self.opinions, f"{name} was recalled after somebody had judged it"
        assert self.resolutions[name], f"{name} was recalled and has no effect"
        self.recalled.setdefault(name, False)

    def _judged(self, command: Any, task: Named, said: list[tuple[str, Named]], now: int) -> None:
        """A verdict was taken: by somebody who may give one."""
        name = task["task_id"]
        assert command.actor in self.roster, f"{command.actor} is nobody"
        for needed in self._qualifications(task):
            until = self.roster[command.actor].get(needed, 0)
            assert until is None or until > now, f"{command.actor} judged {name} without {needed}"
        assert command.actor not in self.parties.get(name, set()), f"{command.actor} judged an appeal of their own"
        assert command.kind == "override" or command.actor not in task["excluded"], f"{command.actor} was excluded"
        (judged,) = [record for topic, record in said if topic == "reviews.outcomes"]
        earlier = self.opinions.setdefault(name, [])
        if command.kind == "override":
            self._may_override(command.actor, task, bool(earlier), now)
        before = {opinion.reviewer for opinion in earlier if opinion.round < task["round"]}
        assert command.actor not in before, f"{command.actor} judged {name} before the appeal"
        if name in self.recalled:
            self.recalled[name] = True
        earlier.append(Opinion(command.actor, judged["outcome"], judged["modifications"], now, task["round"]))

    def _may_override(self, actor: str, task: Named, judged: bool, now: int) -> None:
        """A lead overrides what people decided, while it can be rolled back and nobody decides about it otherwise."""
        name, last = task["task_id"], self.resolutions[task["decision_id"]][-1]
        corrects = last["decided_by"] == [actor] and now < last["decided_at"] + CORRECTION
        assert not judged or corrects or self.roles[actor] == "lead", f"{actor} overrode {name} and is no lead"
        until = last["override_until"]
        assert until is not None, f"{actor} overrode {name}, which nobody can override"
        assert now < until, f"{actor} overrode {name} after its window had closed"
        is_appealed = task["kind"] == "appeal" and task["state"] != "done"
        assert not is_appealed, f"{actor} overrode {name} while an appeal on it is open"
        self.overrides += 1

    def _resolved(self, record: Named, now: int) -> None:
        name, task = record["decision_id"], self.tasks.get(record["decision_id"])
        words = self.resolutions.setdefault(name, [])
        people = record["decided_by"]
        unseen = record["source"] == "window" and self.recalled.get(name) is False
        assert not unseen, f"{name} was recalled and became final although nobody has looked at it"
        repeated = ("outcome", "modifications", "decided_by", "decided_at")
        if words and record["final"] and all(record[field] == words[-1][field] for field in repeated):
            # The word of before once more, when nobody can override it any longer.
            words.append(record)
            return
        if people or record["source"] == "timeout":
            assert task is not None
            possible = self._outcomes(name)
            assert not possible or record["outcome"] in possible, f"{name}: {record['outcome']}, of {possible}"
            self.checked += 1
        if people:
            assert task is not None
            assert len(set(people)) == len(people)
            self._enough(record, task, [opinion for opinion in self.opinions[name]], words, now)
        words.append(record)

    def _enough(self, record: Named, task: Named, opinions: list[Opinion], words: list[Named], now: int) -> None:
        """As many people agree as must, unless one decides between two that differ, or corrects a slip."""
        name, people = record["decision_id"], record["decided_by"]
        content = record["outcome"], record["modifications"]
        latest = {opinion.reviewer: opinion for opinion in opinions}
        for person in people:
            given = latest[person]
            assert (given.outcome, given.modifications) == content, f"{person} did not decide {name} so"
        if len(people) >= self._quorum(name, task):
            return
        last: Named = words[-1] if words else {"decided_by": [], "decided_at": 0}
        if record["source"] == "override" and last["decided_by"] == people:
            assert now < last["decided_at"] + CORRECTION, f"{name} was overridden by {people} alone"
            return
        others = [o for o in opinions if o.round == task["round"] and o.reviewer not in people]
        contents = {(opinion.outcome, opinion.modifications) for opinion in others}
        # What was recalled is judged like anything that nobody has judged yet.
        first_look = task["kind"] == "recall"
        assert first_look or record["source"] != "override", f"{name} was overridden by {people} alone"
        assert len({opinion.reviewer for opinion in others}) >= 2, f"{name} was decided by {people} alone"
        assert len(contents) >= 2, f"{people} decided {name} between people who agree"

    def _owners(self, domain: str) -> list[Demands]:
        return [domains[domain] for domains in self.policies.values() if domain in domains]

    def _qualifications(self, task: Named) -> set[str]:
        told = self.routed[task["decision_id"]]
        needed = set(told["qualifications"])
        for demands in self._owners(task["domain"]):
            needed |= set(demands.qualifications.get(task["queue"], ()))
        return needed

    def _quorum(self, name: str, task: Named) -> int:
        told = self.routed[name]
        now = [2 for demands in self._owners(task["domain"]) if demands.four_eyes & set(told["reasons"])]
        return int(max([told["quorum"], *now]))

    def _outcomes(self, name: str) -> tuple[str, ...]:
        told = tuple(self.routed[name]["outcomes"])
        possible = told
        for demands in self._owners(self.routed[name]["domain"]):
            both = tuple(outcome for outcome in demands.outcomes if outcome in possible)
            possible = both or demands.outcomes
        return possible
