"""What a model of the desk keeps in its head: tasks and people as plain dicts, and who may judge what."""

from tests.processors.desk.model_rules import DAY, RETENTION, Named, Rules, Terms, owed_to, quorum_of, terms_of

# What a router tells that people owe a decision, beside how many there must be.
OWED = ("qualifications", "outcomes", "levels", "notices", "attestations", "evidence", "told_days")


class ModelState:
    """Tasks and people by id; `forgotten`: how tasks were when the desk forgot them; `duty`: who is on duty, since
    when; `paused`: whom nothing is pushed to; `rules`: the policy in force; `drawn`: the record that the desk has just
    written, for what it may draw. Times in microseconds."""

    def __init__(self) -> None:
        self.now = 0
        self.tasks: dict[str, Named] = {}
        self.forgotten: dict[str, Named] = {}
        self.people: dict[str, Named] = {}
        self.duty: dict[str, int] = {}
        self.paused: set[str] = set()
        self.rules: Rules | None = None
        self.drawn: Named = {}

    def open(self) -> list[Named]:
        return [task for task in self.tasks.values() if task["state"] != "done"]

    def load(self, name: str) -> int:
        return sum(name in (task["lease_holder"], task["assigned_to"]) for task in self.open())

    def leads(self, queue: str) -> tuple[str, ...]:
        """Who is told: leads see every queue, and look after those on their list."""
        leads = [name for name, person in self.people.items() if person["role"] == "lead"]
        return tuple(sorted(name for name in leads if queue in (self.people[name]["queues"] or [queue])))

    def terms(self, task: Named) -> Terms:
        return owed_to(task, terms_of(self.rules, task["domain"], task["queue"]))

    def owed_again(self, task: Named) -> Named:
        """The same task with what is demanded of people now: whoever opens again what was decided must have it."""
        alone = task["kind"] == "gold" and task["blind"] and not thinks_first(task)
        quorum = task["quorum"] if alone else max(task["quorum"], quorum_of(self.rules, task))
        return task | {"qualifications": self.terms(task).qualifications, "quorum": quorum}

    def posed(self, task: Named) -> Named:
        """A gold item as what it passes for: an audit, a review that people have decided, or an appeal against either;
        any other task itself."""
        if task["kind"] != "gold":
            return task
        if task["appeals"]:
            return {**task, "kind": "appeal", **task["seems"]}
        if task["route"] != "auto":
            return {**task, "kind": "review", **task["seems"]}
        until = task["arrived_at"] + DAY
        seems = {"outcome": task["prediction"], "decided_at": task["arrived_at"]} | task["seems"]
        if not task["seems"] and self.now >= until:
            seems["decided_at"] = until
        return {**task, "kind": "audit", "version": 1, "override_until": until, **seems}

    def seem_decided(self, task: Named, said: Named, people: tuple[str, ...], until: int) -> None:
        """What people have decided about a gold item, as they believe, and until when it can be overridden."""
        task["seems"] = {"outcome": said["outcome"], "changes": said["modifications"], "decided_at": self.now}
        task["seems"] |= {"decided_by": ", ".join(people), "version": 1, "override_until": until}

    def instants(self) -> list[int]:
        """When something is due."""
        names = ("caller_until", "deadline", "warn_at", "lease_until", "assigned_until", "snoozed_until", "window")
        found = {task[name] for task in self.open() for name in names if task[name] is not None}
        found |= {task["override_until"] for task in self.tasks.values() if task["override_until"]}
        return sorted(at for at in found if at > self.now)

    def ready(self, name: str) -> set[str]:
        """What keeps somebody from all work."""
        person = self.people.get(name)
        if person is None:
            return {"unknown-reviewer"}
        found = set() if name in self.duty else {"off-duty"}
        off = person["off"]
        return found | ({"not-working-hours"} if off and off[0] <= self.now < off[1] else set())

    def answers(self, name: str) -> bool:
        """Whether tasks are pushed to somebody, who has room."""
        return name not in self.paused and not self.ready(name)

    def superiors(self, name: str, queue: str) -> tuple[str, ...]:
        """Who hears of what goes wrong with what somebody has: the person, and the manager or else the leads."""
        manager = self.people[name]["manager"] if name in self.people else ""
        people = [name, manager] if manager else [name, *self.leads(queue)]
        return tuple(dict.fromkeys(person for person in people if person))

    def with_people(self, task: Named) -> bool:
        """Somebody will look at it in any case, and not only if there is time."""
        return task["state"] != "done" and task["kind"] not in ("audit", "post_approval")

    def next_shift(self, name: str) -> int | None:
        """When somebody who is away is back, within a week."""
        off = self.people[name]["off"]
        return off[1] if off and off[0] <= self.now < off[1] <= self.now + 7 * DAY else None

    def unskilled(self, task: Named, name: str) -> set[str]:
        person = self.people[name]
        found = set() if works(person, task["queue"]) else {"wrong-queue"}
        have = person["qualifications"]
        for needed in task["qualifications"]:
            if needed not in have or (have[needed] is not None and have[needed] <= self.now):
                found.add("not-qualified")
        return found

    def unfit(self, task: Named, name: str) -> set[str]:
        """What keeps somebody from one task."""
        found = self.unskilled(task, name)
        if name in judges(task) | task["parties"]:
            found.add("same-person")
        elif name in task["excluded"]:
            found.add("excluded")
        if for_leads(task) and self.people[name]["role"] != "lead":
            found.add("not-lead")
        return found

    def hopeless(self, task: Named) -> bool:
        """Nobody who is known may decide it, at whatever hour."""
        holder = task["lease_holder"]
        if holder in self.people and not self.unskilled(task, holder):
            return False
        return all(self.unfit(task, name) or not person["capacity"] for name, person in self.people.items())

    def ways_out(self, task: Named) -> list[Named]:
        """What the desk may change so that somebody may decide it, the mildest first."""
        ways: list[Named] = []
        if for_leads(task):
            ways.append({"with_team": True})
        for name in task["skipped"]:
            rest = {which: [other for other in task[which] if other != name] for which in ("excluded", "skipped")}
            lead = name in self.people and self.people[name]["role"] == "lead"
            ways.append(rest | {"with_team": task["with_team"] if lead else task["escalation"] > 0, "whose": name})
        return [way for way in ways if not self.hopeless(task | way)]

    def candidates(self, command: Named) -> list[Named]:
        """What a claim of the next task may get."""
        me = command["actor"]
        return [
            task
            for task in self.open()
            if (task["state"] == "waiting" or (task["state"] == "assigned" and task["assigned_to"] == me))
            and command["queue"] in ("", task["queue"])
            and not self.unfit(task, me)
        ]

    def meant(self, command: Named, task: Named) -> str:
        """The outcome that a verdict is for; empty if it does not say."""
        others = [outcome for outcome in self.terms(task).outcomes if outcome != task["prediction"]]
        match command["verdict"]:
            case "approve" | "modify":
                return str(command["outcome"] or task["prediction"])
            case "reject" if len(others) == 1:
                return str(command["outcome"] or others[0])
        return str(command["outcome"])


def new_task(source: Named, kind: str, now: int) -> Named:
    """A task as it begins to wait."""
    same = ("decision_id", "domain", "queue", "priority", "route", "prediction", "payload_hash", "created_at")
    told = ("reasons", "routed_queue", *(f"owed_{name}" for name in OWED))
    lists: Named = {"options": (), "qualifications": (), "excluded": [], "skipped": [], "verdicts": []}
    lists |= {"evidence": [], "opinions": []}
    lists |= {"parties": set(), "notices": []}
    words = dict.fromkeys(
        ("arm", "gold_outcome", "statement", "measures", "on_behalf_of", "outcome", "changes", "decided_by", "source"),
        "",
    )
    holding = {"assigned_to": "", "lease_holder": "", "lease_epoch": 0, "lease_since": None}
    times = dict.fromkeys(
        (
            *("lease_until", "assigned_until", "snoozed_until", "window"),
            *("decided_at", "override_until", "forget_at", "raised_at", "final_at"),
        )
    )
    numbers = dict.fromkeys(("deadline", "warn_at", "escalation", "round", "version", "effect", "moved", "appeals"), 0)
    flags = dict.fromkeys(("warned", "breached", "with_team", "stuck", "seeded"), False) | {"blind": kind == "audit"}
    duties: Named = {"quorum": 1, "rules": None, "written_rules": None}
    duties |= {"seems": {}, "arm": ""}
    duties["caller"] = source["caller"] if kind == "review" else ""
    duties["caller_until"] = now + source["waits"] if kind == "review" and source["waits"] is not None else None
    duties["caller_left"] = False
    task = {name: source[name] for name in (*same, *told)} | lists | words | holding | times | numbers | flags | duties
    return task | {"kind": kind, "state": "waiting", "arrived_at": now}


def thinks_first(task: Named) -> bool:
    """Whoever gets it says what they think before they see the AI's answer."""
    first = task["kind"] in ("review", "gold") and not task["appeals"] and not task["version"]
    return bool(task["arm"] == "decide-first" and first)


def opinion_of(task: Named, name: str) -> Named:
    """What somebody thought first; empty if nothing was said."""
    return next((opinion for opinion in task["opinions"] if opinion["reviewer"] == name), {})


def give_back(task: Named) -> None:
    """Nobody holds it."""
    task["blind"] = task["blind"] or thinks_first(task)
    task |= {"state": "waiting", "assigned_to": "", "lease_holder": "", "lease_since": None}
    task |= {"lease_until": None, "assigned_until": None, "snoozed_until": None}


def finish(task: Named) -> None:
    """Nothing more is to be done about it."""
    last = max((verdict["at"] for verdict in task["verdicts"]), default=0)
    give_back(task)
    task |= {"state": "done", "window": None, "stuck": False, "blind": task["blind"] and not task["arm"]}
    task["forget_at"] = max(last, task["decided_at"] or 0, task["arrived_at"]) + RETENTION


def seen_as(task: Named) -> str:
    """Its kind to people: a gold item that was appealed is an appeal."""
    return "appeal" if task["kind"] == "gold" and task["appeals"] else str(task["kind"])


def holder(task: Named) -> str:
    """Who has it; empty for nobody."""
    return str(task["lease_holder"] or task["assigned_to"])


def opened_at(task: Named, name: str) -> int | None:
    """When somebody first opened the evidence."""
    return next((opened["at"] for opened in task["evidence"] if opened["reviewer"] == name), None)


def judges(task: Named) -> set[str]:
    """Everybody who gave a verdict on it."""
    return {verdict["reviewer"] for verdict in task["verdicts"]}


def for_leads(task: Named) -> bool:
    """Its team may not have it any more."""
    return bool(task["kind"] == "override" or (task["escalation"] and not task["with_team"]))


def works(person: Named, queue: str) -> bool:
    """Leads and people without a list work everywhere."""
    return bool(person["role"] == "lead" or not person["queues"] or queue in person["queues"])
