"""The life of a desk: random commands, arrivals, clocks, policies, people and crashes, watched by the model."""

import json
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from interlock.processors.desk.outputs import DeskOutputs
from interlock.processors.desk.processor import DeskProcessor
from interlock.processors.desk.restore import RESTORED_TOPICS
from interlock.processors.desk.state import DeskState, next_due
from interlock.processors.desk.stream_clock import StreamClock, Takeover, tick_record
from interlock.processors.desk.task import Task, from_record, to_record
from interlock.schemas import catalogue, wire
from interlock.schemas.copy_headers import TASK_HEADER
from interlock.schemas.payload import payload_hash
from tests.processors.desk.desk_records import START, Record, as_written, policy_record, reviewer_record, routed
from tests.processors.desk.model import Model
from tests.processors.desk.model_permissions import KINDS, MEANT_BY
from tests.processors.desk.model_rules import (
    DAY,
    HOUR,
    MINUTE,
    OUTCOMES,
    PRIORITIES,
    SECOND,
    Named,
    Rules,
    quorum_of,
    terms_of,
)
from tests.processors.desk.model_state import holder as holder_of
from tests.processors.desk.recount import Recount

PEOPLE = ("ann", "bob", "cid", "lee", "lou")
LEADS = ("lee", "lou")
ALTERNATIVES = [
    {"option": name, "confidence": share, "pros": [], "cons": []} for name, share in (("sell", 0.3), ("buy", 0.5))
]

# Of the record this follows from the policy.
NOT_REMEMBERED = {"deadline_policy"}

NO_CHANGES = ("[1]", "{", '{"amount":NaN}', '{"amount":80,"amount":90}', '{"amount":"\\ud800"}')

PLACES = ("loan", "loan", "sync", "quorum", "quorum", "audit", "post", "hybrid", "unseen", "mystery", "strange")
FLAWS = (
    *[""] * 20,
    *("actor", "epoch", "payload_hash", "reason_code", "reason_text", "task_id", "code", "until", "blind", "outcome"),
    "changes",
    "attestations",
)
# Brokers tell the time in them.
MILLISECOND = 1_000

WAITS = (
    *(0, MILLISECOND, SECOND, MINUTE, MINUTE, MINUTE, 4 * MINUTE, 4 * MINUTE, 20 * MINUTE, 20 * MINUTE, HOUR, HOUR),
    *(5 * HOUR, DAY, 20 * DAY, 31 * DAY),
)


def some_rules(dice: Random) -> Rules:
    return Rules(
        critical=dice.choice([HOUR, 2 * HOUR]),
        low=dice.choice([3 * DAY, DAY]),
        lease=dice.choice([15 * MINUTE, 5 * MINUTE]),
        lease_limit=dice.choice([15 * MINUTE, 22 * MINUTE, 8 * HOUR]),
        on_breach=dice.choice(["escalate", "escalate", "reject"]),
        on_timeout=dice.choice(["reject", "escalate"]),
        appeals=dice.choice([1, 2, 2, 3]),
        appeals_within=dice.choice([183 * DAY, 10 * DAY]),
        only_leads_appeal=dice.random() < 0.2,
        name_needed=dice.random() < 0.2,
        appeal_level=dice.choice([None, 90 * MINUTE]),
        push=dice.random() < 0.3,
        qualified=dice.random() < 0.3,
        four_eyes=dice.random() < 0.8,
        buying=dice.random() < 0.8,
        renamed=dice.random() < 0.2,
        notice=dice.choice(["adverse_action", "adverse_action", "refusal", ""]),
        picking=dice.random() < 0.85,
        audits_end=dice.choice([14 * DAY, 2 * DAY, 30 * MINUTE]),
        declared=dice.choice([0, 0, 1, 2]),
        evidence=dice.random() < 0.3,
        experiment=dice.random() < 0.5,
        told_days=dice.choice([0, 0, 1, 2, 30]),
    )


class DeskLife:
    """What may happen to a desk, drawn with dice; after every step the model has its say.

    Inputs wait in `batch` until a step takes them; what the desk wrote is `log`, and `kept` by topic and key.
    """

    def __init__(self) -> None:
        self.now = START
        self.takeovers = 0
        self.model = Model()
        self.recount = Recount()
        self.skew = 0
        self.desk = self.process()
        self.desk.resume(self.takeover(), self.now)
        self.followed: dict[tuple[str, bytes | None], Record] = {}
        self.log: list[Record] = []
        self.kept: dict[tuple[str, bytes | None], Record] = {}
        self.last_words: dict[str, bytes] = {}
        self.tasks_read: dict[bytes, tuple[dict[str, Any], int]] = {}
        self.batch: list[tuple[Named, Record]] = []
        self.sent: list[tuple[Named, Record]] = []

    # What goes in

    def begin(self, dice: Random) -> None:
        self.publish(some_rules(dice))
        for name in PEOPLE:
            self.hire(name, "lead" if name in LEADS else "reviewer")
            self.put(self.command("on_duty", name))
        self.step()

    def arrive(self, dice: Random) -> None:
        """Some decisions are routed to people."""
        for _ in range(dice.randint(1, 4)):
            self.put(self.decision(dice), later=dice.random() < 0.3)

    def decision(self, dice: Random) -> tuple[Named, Record]:
        place, age = dice.choice(PLACES), dice.choice([0, 0, 0, MINUTE, 2 * HOUR, 2 * DAY])
        priority = dice.choice([*PRIORITIES, "urgent"])
        domain = {"post": "post", "hybrid": "advice", "mystery": "mystery"}.get(place, "loan")
        route = {"sync": "sync", "audit": "auto", "post": "auto", "unseen": "auto"}.get(place, "async")
        # The router may have had other rules than the desk has now.
        routed_by = self.model.rules if self.model.rules and dice.random() < 0.6 else some_rules(dice)
        arrival: Named = {
            "what": "arrival",
            "decision_id": f"d{len(self.sent)}",
            "domain": domain,
            "queue": routed_by.queue(domain),
            "priority": priority if priority in PRIORITIES else "high",
            "route": route,
            "prediction": dice.choice((*OUTCOMES.get(domain, ("yes",)) * 4, "odd")),
            "audit": place in ("audit", "strange"),
            "override_until": self.now - age + DAY if place == "post" else None,
            "reasons": ["big"] if place == "quorum" or dice.random() < 0.1 else [],
            "routed_at": self.now - age,
            "created_at": self.now - age - dice.choice([0, 0, HOUR, 20 * HOUR]),
            "brings_its_task": False,
        }
        hybrid = place == "hybrid"
        arrival["ranked"] = list(dict.fromkeys([arrival["prediction"], "buy", "sell"])) if hybrid else []
        then = terms_of(routed_by, domain, arrival["queue"])
        duties = {"quorum": quorum_of(routed_by, arrival), "qualifications": then.qualifications}
        # A router of before did not tell.
        seconds = {priority: level // SECOND for priority, level in then.levels.items()}
        owned = {"levels": then.levels, "notices": then.notices} if then.known else {"levels": None, "notices": {}}
        involved = {"attestations": then.attestations, "evidence": then.evidence, "told_days": then.told_days}
        arrival["told"] = duties | {"outcomes": then.outcomes} | owned | involved if dice.random() < 0.7 else None
        fields = {name: arrival[name] for name in ("queue", "route", "audit", "override_until", "reasons", "routed_at")}
        decision = {"domain": domain, "prediction": arrival["prediction"], "created_at": arrival["created_at"]}
        if hybrid:
            decision["alternatives"] = ALTERNATIVES
            fields["workflow"] = "hybrid"
        if arrival["told"]:
            fields |= duties | {"outcomes": then.outcomes}
            fields |= {"attestations": then.attestations, "evidence_opened": then.evidence}
            fields["notify_within_days"] = then.told_days
            fields["service_levels"] = json.dumps(seconds) if then.known else ""
            fields["outcome_notices"] = json.dumps(then.notices) if then.notices else ""
        named = dice.choice([b"shop", b"shop", None, b"\xff", b"x" * 1_025])
        arrival["caller"] = {b"shop": "shop", b"\xff": "\ufffd"}.get(named or b"", "") if route == "sync" else ""
        patience = dice.choice([None, None, b"0", b"45.5", b"7200", b"-1", b"nan", b"1e3", b"\xff"])
        arrival["waits"] = {b"0": 0, b"45.5": 45_500_000, b"7200": 2 * HOUR}.get(patience or b"")
        arrival["waits"] = arrival["waits"] if route == "sync" else None
        headers = tuple(
            (name, value)
            for name, value in (("interlock-caller", named), ("interlock-caller-seconds", patience))
            if value is not None
        )
        record = routed(
            arrival["decision_id"], len(self.sent), decision=decision, headers=headers, priority=priority, **fields
        )
        arrival["payload_hash"] = payload_hash(record.value_bytes or b"")
        return arrival, record

    def send_again_or_junk(self, dice: Random) -> None:
        if dice.random() < 0.3:
            topic = dice.choice([catalogue.COMMANDS.name, catalogue.REVIEWS_ASYNC.name])
            value = dice.choice([None, b"", b"junk", b"\x00\x00\x00\x00\x01\x02"])
            self.put(({"what": "junk"}, Record(topic, b"k", value, len(self.sent))), later=True)
        elif self.sent:
            content, record = dice.choice(self.sent)
            if content["what"] == "command" and dice.random() < 0.3:
                content, record = self.another_under_its_id(content, dice)
            # A decision that was forgotten would be taken for a new one.
            if content["what"] == "command" or content["decision_id"] in self.model.tasks:
                self.put((content, record), later=dice.random() < 0.5)

    def appeal_against_what_was_forgotten(self, dice: Random) -> None:
        """A decision comes back with its task, which must be one that the desk has closed, and is appealed."""
        self.step()
        arrivals = [message for message in self.sent if message[0]["what"] == "arrival"]
        gone = [message for message in arrivals if message[0]["decision_id"] in self.model.forgotten]
        if not arrivals:
            return
        content, record = dice.choice(gone if gone and dice.random() < 0.8 else arrivals)
        name = content["decision_id"]
        known, last = self.model.tasks.get(name), self.last_words[name]
        closed = wire.decode_plain("Task", last)
        good = closed["state"] == "done" and closed["version"] > 0 and closed["final_at"] is None
        good = good and closed["kind"] != "gold"
        good = good and (closed["override_until"] or 0) <= self.now
        copy = replace(record, name=catalogue.REVIEWS_MANUAL.name, sent_headers=((TASK_HEADER, last),))
        self.batch.append((content | {"brings_its_task": True} if good else {"what": "junk"}, copy))
        self.step()
        if name in self.model.tasks and known is None:
            people = sorted(self.model.people) or PEOPLE
            self.put(self.about("appeal", self.model.tasks[name], dice.choice(people), dice))
            self.decide(dice, name)

    def another_under_its_id(self, content: Named, dice: Random) -> tuple[Named, Record]:
        name, value = dice.choice([("actor", dice.choice(PEOPLE)), ("reason_text", "else"), ("task_id", "d0")])
        fields = {name: content[name] for name in content if name not in ("what", "command_id", "kind", "actor")}
        actor = value if name == "actor" else content["actor"]
        fields |= {} if name == "actor" else {name: value}
        return self.command(content["kind"], actor, command_id=content["command_id"], **fields)

    def ask(self, dice: Random) -> None:
        kind = dice.choice(["claim", "claim", "claim", "claim", "on_duty", "off_duty", "dance"])
        queue = dice.choice(["", "", "underwriting", "moderation"]) if kind == "claim" else ""
        self.put(
            self.command(kind, dice.choice([*PEOPLE, *PEOPLE, "zoe", "policy"]), queue=queue), later=dice.random() < 0.3
        )

    def begin_the_day(self, dice: Random) -> None:
        """Who is not on duty comes, most of them."""
        for name in sorted(self.model.people.keys() - self.model.duty.keys()):
            if dice.random() < 0.9:
                self.put(self.command("on_duty", name), later=True)

    def decide(self, dice: Random, task_id: str = "") -> None:
        """Somebody who may claims a task, that one if it is named, and decides it."""
        pairs = [
            (task, name)
            for task in self.model.open()
            for name in sorted(self.model.people)
            if task["state"] == "waiting" and not self.model.ready(name) | self.model.unfit(task, name)
            if task_id in ("", task["task_id"])
        ]
        # A second verdict is rarer than a first.
        begun = [(task, name) for task, name in pairs if task["verdicts"]]
        if pairs:
            task, name = dice.choice(begun if begun and dice.random() < 0.5 else pairs)
            self.judge(task, name, dice)

    def judge(self, task: Named, name: str, dice: Random, **said: str) -> None:
        """Somebody claims a task, reads it, and decides it."""
        self.put(self.command("claim", name, task_id=task["task_id"]))
        self.read_evidence(task, name, dice)
        if task["blind"] and task["arm"] and dice.random() < 0.9:
            self.put(self.about("first_opinion", task, name, dice))
        self.put(self.about("submit", task, name, dice, **said))

    def read_evidence(self, task: Named, name: str, dice: Random) -> None:
        """Nearly always where it must be, sometimes where nobody asks for it."""
        if dice.random() < (0.9 if self.model.terms(task).evidence else 0.1):
            self.put(self.about("open_evidence", task, name, dice))

    def go_on(self, dice: Random) -> None:
        """The holder of a task does something about it."""
        giving_away = ["release", "snooze", "escalate", "de_escalate"]
        kind = dice.choice(["claim", "extend", "submit", "submit", "open_evidence", "first_opinion", *giving_away])
        held = [task for task in self.model.open() if holder_of(task)]
        self.work(kind, held, holder_of, dice)

    def lead(self, dice: Random) -> None:
        """A lead does something about a task that is open or decided, as it fits."""
        contesting = ["override", "override", "gold", "appeal", "appeal", "recall"]
        kind = dice.choice([*contesting, "reassign", "escalate", "de_escalate"])
        decided = kind in contesting
        tasks = [task for task in self.model.tasks.values() if bool(task["version"]) == decided]
        leads = sorted(name for name, person in self.model.people.items() if person["role"] == "lead") or PEOPLE
        self.work(kind, tasks, lambda _: dice.choice(leads), dice)

    def override_together(self, dice: Random) -> None:
        """A lead overrides what two must decide; often another one, who may, answers."""
        tasks = [task for task in self.model.tasks.values() if task["quorum"] == 2 and task["version"]]
        decided = [task for task in tasks if task["state"] == "done" and (task["override_until"] or 0) > self.now]
        leads = sorted(name for name, person in self.model.people.items() if person["role"] == "lead")
        pairs = [
            (task, first, second)
            for task in decided
            for first in leads
            for second in leads
            if first != second and not self.model.ready(second) | self.model.unfit(task, second)
        ]
        if not pairs:
            return
        task, first, second = dice.choice(pairs)
        others = [outcome for outcome in OUTCOMES["loan"] if outcome != task["outcome"]]
        proposal = {"verdict": "choose", "outcome": others[0], "modifications": ""}
        self.read_evidence(task, first, dice)
        self.put(self.about("override", task, first, dice, **proposal))
        if task["kind"] == "override" and dice.random() < 0.8:
            self.judge(task, second, dice, **proposal if dice.random() < 0.6 else {})

    def plant(self, dice: Random) -> None:
        """A lead plants a case; people judge it, and perhaps one of them, or another lead, thinks better of it."""
        cases = [task for task in self.model.tasks.values() if task["state"] == "done" and task["kind"] != "gold"]
        leads = sorted(name for name, person in self.model.people.items() if person["role"] == "lead")
        if not cases or not leads:
            return
        twos = [task for task in cases if task["quorum"] == 2]
        case = dice.choice(twos if twos and dice.random() < 0.5 else cases)
        self.put(self.about("gold", case, dice.choice(leads), dice, outcome=case["prediction"]))
        for _ in range(dice.choice([0, 1, 2, 3, 3])):
            planted = [task for task in self.model.open() if task["kind"] == "gold"]
            pairs = [
                (task, name)
                for task in planted
                for name in sorted(self.model.people)
                if task["state"] == "waiting" and not self.model.ready(name) | self.model.unfit(task, name)
            ]
            if pairs:
                self.judge(*dice.choice(pairs), dice)
        planted = [task for task in self.model.tasks.values() if task["kind"] == "gold"]
        for task in planted[-2:]:
            name = dice.choice([*leads, *(verdict["reviewer"] for verdict in task["verdicts"][-1:])])
            self.read_evidence(task, name, dice)
            self.put(self.about("override", task, name, dice))

    def meddle(self, dice: Random) -> None:
        """Anybody does anything about any task."""
        kind = dice.choice([*KINDS, "expire", "expire"])
        tasks = [task for task in self.model.tasks.values() if kind != "expire" or task["route"] == "sync"]
        self.work(kind, tasks, lambda _: dice.choice(PEOPLE), dice)

    def work(self, kind: str, tasks: list[Named], who: Callable[[Named], str], dice: Random) -> None:
        if tasks:
            task = dice.choice(tasks)
            self.put(self.about(kind, task, who(task), dice), later=dice.random() < 0.2)

    def about(self, kind: str, task: Named, actor: str, dice: Random, **wanted: str) -> tuple[Named, Record]:
        """A command about a task, right but for one flaw at most; `wanted`: what it says in any case."""
        flaw = dice.choice(FLAWS)
        if kind == "expire":
            actor = dice.choice(["shop", "shop", "shop", "\ufffd", actor])
        if flaw == "actor":
            actor = dice.choice(PEOPLE)
        until = dice.choice([-MINUTE, 0, MINUTE, HOUR, 5 * HOUR, 3 * DAY, 8 * DAY])
        fields: Named = {
            "task_id": "nothing" if flaw == "task_id" else task["task_id"],
            "epoch": task["lease_epoch"] - (flaw == "epoch"),
            "payload_hash": "else" if flaw == "payload_hash" else task["payload_hash"],
            "reason_code": {"reason_code": "", "code": "mood"}.get(flaw, "other"),
            "reason_text": " " if flaw == "reason_text" else "because",
            "until": None if flaw == "until" else self.now + until,
        }
        match kind:
            case "release" if dice.random() < 0.5:
                fields |= {"reason_code": "", "reason_text": ""}
            case "submit" | "override" | "gold":
                verdict = dice.choice(["approve", "approve", "reject", "modify", "choose", "choose", "choose", "shrug"])
                outcome = dice.choice((*OUTCOMES.get(task["domain"], ("yes", "no")) * 3, "", "maybe"))
                if task["blind"] and flaw != "blind":
                    verdict = "choose"
                if verdict == "approve" and flaw != "outcome":
                    outcome = ""
                changes = dice.choice(["", *MEANT_BY, *MEANT_BY, *NO_CHANGES])
                fields |= {"outcome": outcome, "verdict": verdict}
                declared = self.model.terms(task).attestations
                fields["attestations"] = list(declared[1:] if flaw == "attestations" else declared)
                fields["modifications"] = changes if verdict == "modify" or flaw == "changes" else ""
                answers = kind == "submit" or dice.random() < 0.2
                if task["quorum"] > 1 and task["verdicts"] and answers and dice.random() < 0.6:
                    before = task["verdicts"][-1]
                    fields |= {name: before[name] for name in ("outcome", "verdict", "modifications")}
            case "first_opinion":
                fields |= {"outcome": dice.choice((*OUTCOMES.get(task["domain"], ("yes", "no")) * 3, "", "maybe"))}
            case "de_escalate":
                fields |= {"to_reviewer": dice.choice(["", "", *PEOPLE])}
            case "reassign":
                fields |= {"to_reviewer": dice.choice([*PEOPLE, *PEOPLE, "zoe", ""])}
            case "appeal":
                fields |= {"on_behalf_of": dice.choice(["", "", "the customer", " the customer", *PEOPLE])}
            case "escalate":
                where = dice.choice(["", "", "person", "underwriting", "lending", "advisers", "moderation", "nowhere"])
                fields |= {"to_reviewer": dice.choice(PEOPLE)} if where == "person" else {"queue": where}
            case "on_duty" | "off_duty":
                fields = {}
        return self.command(kind, actor, **fields | wanted)

    def change(self, dice: Random) -> None:
        """A policy or the people change."""
        match dice.choice(["policy", "policy", "no policy", "dismiss", "hire", "hire", "hire", "nobody"]):
            case "nobody":
                # An id that stands for no person: the record is ignored, and told of once by each desk.
                self.follow(reviewer_record("policy", role="lead"))
                self.model.ignored.add("policy")
            case "policy":
                self.publish(some_rules(dice))
            case "no policy":
                self.publish(None)
            case "dismiss":
                name = dice.choice(PEOPLE)
                self.follow(Record("reviewers", name.encode(), None))
                self.model.people.pop(name, None)
            case _:
                self.hire(
                    dice.choice(PEOPLE),
                    dice.choice(["reviewer", "reviewer", "lead"]),
                    dice.choice([[], [], ["underwriting"], ["moderation", "advisers"]]),
                    manager=dice.choice(["", "lee", "max"]),
                    skill=dice.choice([None, 0, 0, -HOUR, HOUR, DAY]),
                    capacity=dice.choice([3, 3, 2, 1, 0]),
                    off=dice.choice([None, None, None, (-HOUR, HOUR), (HOUR, 2 * DAY)]),
                )
        self.model.looks_again = True

    def publish(self, rules: Rules | None) -> None:
        self.follow(policy_record(rules.text(), rules.packs) if rules else Record("policies", b"bank", None))
        self.model.rules = rules

    # Time and accidents

    def wait(self, dice: Random) -> None:
        self.now += dice.choice(WAITS)
        self.step()

    def wait_until_something_is_due(self, dice: Random) -> None:
        instants = self.model.instants()
        if instants:
            instant = -(-dice.choice(instants[:4]) // MILLISECOND) * MILLISECOND
            self.now = max(self.now, instant + dice.choice([-1, 0, 0, 0, 1]) * MILLISECOND)
        self.step()

    def crash(self, dice: Random) -> None:
        """Another desk takes over; what the first was doing is lost, and done again."""
        if dice.random() < 0.5:
            self.desk.process(self.stamped(self.batch), self.now + self.skew)
        self.now += dice.choice([0, 0, SECOND, MINUTE, HOUR, 5 * HOUR])
        self.skew = dice.choice([0, 50 * SECOND, -50 * SECOND])
        self.desk = self.process()
        for record in self.followed.values():
            self.desk.follow(record)
        written = list(self.kept.values()) if dice.random() < 0.5 else self.log
        remembered = [record for record in written if record.name in RESTORED_TOPICS]
        self.desk.restore(remembered, [record for record in self.log if record.name in ("reviews.replies", "alerts")])
        self.desk.resume(self.takeover(), self.now + self.skew)
        self.model.crash(self.now)
        self.step()

    # How

    def command(self, kind: str, actor: str, **fields: Any) -> tuple[Named, Record]:
        empty = dict.fromkeys(
            ("task_id", "queue", "payload_hash", "verdict", "outcome", "modifications", "on_behalf_of"), ""
        ) | dict.fromkeys(("reason_code", "reason_text", "to_reviewer"), "")
        command = {"command_id": f"c{len(self.sent)}", "kind": kind, "actor": actor, "epoch": 0, "until": None}
        command["attestations"] = []
        command |= empty | fields
        value = wire.encode("Command", command | {"issued_at": self.now})
        return command | {"what": "command"}, Record(catalogue.COMMANDS.name, b"key", value, len(self.sent))

    def put(self, message: tuple[Named, Record], later: bool = False) -> None:
        self.batch.append(message)
        if message[0]["what"] != "junk":
            self.sent.append(message)
        if not later:
            self.step()

    def hire(
        self,
        name: str,
        role: str,
        queues: list[str] | None = None,
        manager: str = "",
        skill: int | None = 99 * DAY,
        capacity: int = 3,
        off: tuple[int, int] | None = None,
    ) -> None:
        """`skill`: how long the person's qualification counts from now on, None without; `off`: when away."""
        away = (self.now + off[0], self.now + off[1]) if off else None
        skills = {} if skill is None else {"underwriter": self.now + skill if skill else None}
        self.follow(
            reviewer_record(
                name,
                role=role,
                manager=manager,
                queues=queues or [],
                capacity=capacity,
                qualifications=[{"name": skill_name, "expires_at": until} for skill_name, until in skills.items()],
                time_off=[{"start": away[0], "end": away[1]}] if away else [],
            )
        )
        person = {"role": role, "manager": manager, "queues": queues or [], "capacity": capacity, "off": away}
        self.model.people[name] = person | {"qualifications": skills}
        self.model.looks_again = True

    def follow(self, record: Record) -> None:
        self.followed[record.name, record.key_bytes] = record
        self.desk.follow(record)

    def step(self) -> None:
        """The desk works, and says nothing more while nothing happens."""
        batch, self.batch = self.batch, []
        outputs = self.desk.process(self.stamped(batch), self.now + self.skew)
        written = list(self.read(outputs))
        self.recount.observe(written)
        spoken = [record for record in written if record[0] != "reviews.tallies"]
        self.model.observe([content for content, _ in batch], spoken, self.now)
        assert self.desk.process([], self.now + self.skew).count == 0, "something was left for later"

    def process(self) -> DeskProcessor:
        return DeskProcessor(StreamClock("1"), arm_key=bytes(16))

    def takeover(self) -> Takeover:
        """By a process whose clock is a little wrong."""
        self.takeovers += 1
        steady = self.now + self.skew
        return Takeover(f"desk-{self.takeovers}", steady, steady, self.now)

    def stamped(self, batch: list[tuple[Named, Record]]) -> list[Record]:
        """A batch as the broker has it: with its time, and between two ticks, the first of which the desk may wait
        for. Without a tick there might be nothing that tells the time."""
        assert self.desk.clock is not None
        ticks = [
            Record(catalogue.COMMANDS.name, b"tick", tick_record(tick, self.now))
            for tick in (self.desk.clock.tick_id, "tick/another-desk/1")
        ]
        inputs = [ticks[0], *(record for _, record in batch), ticks[1]]
        return [replace(record, appended_at=self.now) for record in inputs]

    def read(self, outputs: DeskOutputs) -> Any:
        for written in as_written(outputs):
            topic, key, value = written.name, written.key_bytes, written.value_bytes
            self.log.append(written)
            self.kept[topic, key] = written
            if topic == catalogue.TASKS.name and key is not None and value is not None:
                self.last_words[key.decode()] = value
            schema = catalogue.BY_NAME[topic].schema
            record = wire.decode_plain(schema, value) if schema and value is not None else None
            yield topic, (key or b"").decode(errors="replace"), record, value

    # What always holds

    def check(self) -> None:
        """What holds after every step, besides what the model has checked."""
        state = self.desk.desk.state
        # Read once: those that are decided are packed.
        tasks = dict(state.tasks)
        self.state_is_what_was_written(tasks)
        check_indexes(state, tasks)

    def state_is_what_was_written(self, tasks: dict[str, Task]) -> None:
        written = {
            key: self.as_written(record.value_bytes)
            for (topic, key), record in self.kept.items()
            if topic == "reviews.tasks" and record.value_bytes is not None
        }
        assert {key.encode() for key in tasks} == written.keys()
        assert tasks.keys() == self.model.tasks.keys()
        for task_id, task in tasks.items():
            record, (other, deciding_verdict) = to_record(task), written[task_id.encode()]
            assert {name for name in record if record[name] != other[name]} <= NOT_REMEMBERED
            assert deciding_verdict == task.deciding_verdict

    def as_written(self, value: bytes) -> tuple[dict[str, Any], int]:
        """The recorded fields of a task and its deciding verdict, read once: most are as they were a step before."""
        if value not in self.tasks_read:
            task = from_record(wire.decode_plain("Task", value))
            self.tasks_read[value] = to_record(task), task.deciding_verdict
        return self.tasks_read[value]


def check_indexes(state: DeskState, tasks: dict[str, Task]) -> None:
    """The desk's queues, holders and timers say what its tasks say."""
    waiting = {
        (task_id, (task.queue, leads))
        for task_id, task in tasks.items()
        if task.state == "waiting"
        for leads in (False, True)
        if (task.escalation or task.leads_only if leads else not task.leads_only)
    }
    queues = state.waiting._lines
    assert {(task_id, line) for line, order in queues.items() for task_id in order} == waiting
    assert sum(len(order) for order in queues.values()) == len(waiting)
    assert waiting == {(task_id, line) for task_id, lines in state.waiting._placed.items() for line in lines}
    assert state.waiting._tasks == {task_id: tasks[task_id] for task_id, _ in waiting}
    held = {(name, task_id) for name, holds in state._held.items() for task_id in holds}
    assert held == {(task.holder, task_id) for task_id, task in tasks.items() if task.state != "done" and task.holder}
    assert {(name, task_id) for task_id, name in state._holder.items()} == held
    for task in tasks.values():
        assert_one_state(task)
        assert (task.state == "done") == state.tasks.is_packed(task.task_id)
        if task.state != "done":
            assert task.due == next_due(task)
            assert task.due is None or (task.due, task.task_id) in state._timers
    callers = {
        task.task_id
        for task in tasks.values()
        if task.state == "waiting" and task.route == "sync" and task.kind == "review"
        if not task.breached and task.raised_at is None and not task.caller_left
    }
    urgent = {task_id for lane in state.waiting._urgent.values() for _, task_id in lane}
    assert urgent == {task_id for task_id in callers if not tasks[task_id].leads_only}
    assert state.open == sum(task.state != "done" for task in tasks.values()) == len(state.open_tasks())


def assert_one_state(task: Task) -> None:
    """What a task's state says is all that holds."""
    leased, assigned, snoozed = (task.state == name for name in ("leased", "assigned", "snoozed"))
    assert bool(task.lease_holder) == leased == (task.lease_until is not None) == (task.lease_since is not None)
    assert bool(task.assigned_to) == (assigned or snoozed)
    assert (task.assigned_until is not None) == assigned
    assert (task.snoozed_until is not None) == snoozed
