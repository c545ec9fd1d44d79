"""A policy of many shapes, as the desk loads it and as its model reads it. Times in microseconds."""

from dataclasses import dataclass, replace
from typing import Any

from interlock.policy.model import Pack

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
RETENTION = 30 * DAY

Named = dict[str, Any]

OUTCOMES = {"loan": ("approve", "reject"), "advice": ("hold", "buy", "sell"), "post": ("publish", "remove")}
QUEUES = {"loan": "underwriting", "advice": "advisers", "post": "moderation"}
PRIORITIES = ("low", "medium", "high", "critical")

DECLARED = ("I can interpret the output", "I can change the decision")

_USUAL_CODES = ("agree", "wrong-prediction", "missing-information", "outside-policy", "special-circumstances", "other")
_USUAL_LEVELS = {"critical": HOUR, "high": 4 * HOUR, "medium": DAY, "low": 3 * DAY}


@dataclass(frozen=True)
class Rules:
    """The policy in force. `buying`: advice may be to buy. `renamed`: loans go to another queue, and no policy has
    words for the first one. `notice`: what is sent to whoever gets no loan; empty: nothing. `declared`: how many
    sentences a verdict needs; `evidence`: it needs the evidence opened. `experiment`: how people rely on the answer is
    tried on loans. `told_days`: within how many days from the decision its subject must have been told; 0: no limit."""

    critical: int = HOUR
    low: int = 3 * DAY
    lease: int = 15 * MINUTE
    lease_limit: int = 8 * HOUR
    on_breach: str = "escalate"
    on_timeout: str = "reject"
    push: bool = False
    qualified: bool = False
    four_eyes: bool = True
    buying: bool = True
    renamed: bool = False
    notice: str = "adverse_action"
    picking: bool = True
    audits_end: int = 14 * DAY
    appeals: int = 1
    appeals_within: int = 183 * DAY
    only_leads_appeal: bool = False
    name_needed: bool = False
    appeal_level: int | None = None
    declared: int = 0
    evidence: bool = False
    experiment: bool = False
    told_days: int = 0

    @property
    def packs(self) -> tuple[Pack, ...]:
        """What wants people to be involved, and subjects to be told."""
        return (
            Pack(
                name="involved",
                attestations=DECLARED[: self.declared],
                evidence_opened=self.evidence,
                notify_within_days=self.told_days,
            ),
        )

    @property
    def loans(self) -> str:
        """Where loans wait."""
        return "lending" if self.renamed else "underwriting"

    def queue(self, domain: str) -> str:
        return self.loans if domain == "loan" else QUEUES.get(domain, "general")

    def outcomes(self, domain: str) -> tuple[str, ...]:
        return tuple(name for name in OUTCOMES.get(domain, ()) if self.buying or name != "buy")

    def text(self) -> str:
        """The same for the policy's loader."""
        work = f"assign: {'push' if self.push else 'pull'}, lease: {self.lease // SECOND}, on_breach: {self.on_breach}"
        work += f", picking: {str(self.picking).lower()}"
        work += f", lease_limit: {self.lease_limit // SECOND}"
        needed = ", qualifications: [underwriter]" if self.qualified else ""
        appeals = f"limit: {self.appeals}, within: {self.appeals_within // SECOND}"
        appeals += ", filed_by: [lead]" if self.only_leads_appeal else ""
        appeals += ", on_behalf_of: subject" if self.name_needed else ""
        appeals += f", priority: critical, service_level: {self.appeal_level // SECOND}" if self.appeal_level else ""
        notice = f", notice: {self.notice}" if self.notice else ""
        experiment = "\n    reliance: {rate: 0.5}" if self.experiment else ""
        advices = "hold, buy, sell" if self.buying else "hold, sell"
        return f"""
name: bank
service_levels: {{critical: {self.critical // SECOND}, low: {self.low // SECOND}}}
domains:
  loan:
    workflow: pre_approval
    models: ['*']
    outcomes: [approve, reject]
    lanes: {{reject: {{auto: 0.95{notice}}}}}
    queue: {self.loans}
    on_timeout: {self.on_timeout}
    reason_codes: [income, history]
    appeals: {{{appeals}}}{experiment}
  advice: {{workflow: hybrid, models: ['*'], outcomes: [{advices}], queue: advisers, options: 2}}
  post: {{workflow: post_approval, models: ['*'], outcomes: [publish, remove], queue: moderation}}
queues:
  {self.loans}: {{{work}{needed}}}
  moderation: {{on_breach: raise_priority}}
  advisers: {{order: score, start_within: 10m}}
audit: {{expires: {self.audits_end // SECOND}}}
rules:
  - {{id: big, when: amount > 1000000, route: sync, four_eyes: {str(self.four_eyes).lower()}}}
"""


@dataclass(frozen=True)
class Terms:
    """What the policy says about one task; `known`: there is one."""

    known: bool = False
    outcomes: tuple[str, ...] = ()
    codes: tuple[str, ...] = _USUAL_CODES
    levels: Any = None
    lease: int = 15 * MINUTE
    lease_limit: int = 8 * HOUR
    start_within: int = 15 * MINUTE
    on_breach: str = "escalate"
    on_timeout: str = "escalate"
    push: bool = False
    picking: bool = True
    qualifications: tuple[str, ...] = ()
    notices: Any = None
    audits_end: int = 14 * DAY
    appeals: int = 1
    appeals_within: int = 183 * DAY
    filers: tuple[str, ...] = ("lead", "reviewer")
    name_needed: bool = False
    appeal_priority: str = "high"
    appeal_level: int | None = None
    attestations: tuple[str, ...] = ()
    evidence: bool = False
    experiment: bool = False
    told_days: int = 0


def terms_of(rules: Rules | None, domain: str, queue: str) -> Terms:
    if rules is None or domain not in OUTCOMES:
        return Terms(levels=_USUAL_LEVELS, notices={})
    loan, here = domain == "loan", queue == rules.loans
    breach = {rules.loans: rules.on_breach, "moderation": "raise_priority"}.get(queue, "escalate")
    return Terms(
        known=True,
        outcomes=rules.outcomes(domain),
        codes=("agree", "income", "history", "other") if loan else _USUAL_CODES,
        levels=_USUAL_LEVELS | {"critical": rules.critical, "low": rules.low},
        lease=rules.lease if here else 15 * MINUTE,
        lease_limit=rules.lease_limit if here else 8 * HOUR,
        start_within=10 * MINUTE if queue == "advisers" else 15 * MINUTE,
        on_breach=breach if breach in ("escalate", "raise_priority", *OUTCOMES[domain]) else "escalate",
        on_timeout=rules.on_timeout if loan else "escalate",
        push=here and rules.push,
        picking=rules.picking or not here,
        qualifications=("underwriter",) if here and rules.qualified else (),
        notices={"reject": [rules.notice]} if loan and rules.notice else {},
        audits_end=rules.audits_end,
        appeals=rules.appeals if loan else 1,
        appeals_within=rules.appeals_within if loan else 183 * DAY,
        filers=("lead",) if loan and rules.only_leads_appeal else ("lead", "reviewer"),
        name_needed=loan and rules.name_needed,
        appeal_priority="critical" if loan and rules.appeal_level else "high",
        appeal_level=rules.appeal_level if loan else None,
        attestations=DECLARED[: rules.declared],
        evidence=rules.evidence,
        experiment=loan and rules.experiment,
        told_days=rules.told_days,
    )


def quorum_of(rules: Rules | None, task: Named) -> int:
    """How many people the policy wants for it."""
    owned = rules is not None and task["domain"] in OUTCOMES
    return 2 if owned and rules is not None and rules.four_eyes and "big" in task["reasons"] else 1


def owed_to(task: Named, terms: Terms) -> Terms:
    """The terms for a task that was routed under others: it keeps whom it needed, by when it had to be decided, and
    what its subject must be told; and what may be decided for is what was possible then and still is."""
    both = tuple(name for name in terms.outcomes if name in task["owed_outcomes"])
    outcomes = both or terms.outcomes or task["owed_outcomes"]
    possible = ("escalate", "raise_priority", *outcomes)
    then, now = task["owed_levels"], terms.levels
    levels = {name: min(then[name], now[name]) if terms.known else then[name] for name in now} if then else now
    return replace(
        terms,
        outcomes=outcomes,
        levels=levels,
        notices=task["owed_notices"] | terms.notices,
        attestations=terms.attestations
        if len(terms.attestations) > len(task["owed_attestations"])
        else task["owed_attestations"],
        evidence=terms.evidence or task["owed_evidence"],
        told_days=min(filter(None, (terms.told_days, task["owed_told_days"])), default=0),
        qualifications=tuple(sorted({*terms.qualifications, *task["owed_qualifications"]})),
        on_breach=terms.on_breach if terms.on_breach in possible else "escalate",
        on_timeout=terms.on_timeout if terms.on_timeout in possible else "escalate",
    )
