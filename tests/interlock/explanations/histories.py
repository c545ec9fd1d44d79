"""Decisions with every kind of history, on the whole pipeline in memory."""

from datetime import timedelta

from interlock.schemas import catalogue
from interlock.testing import Topology

LENDING = """
name: lending
domains:
  loans:
    models: [scorer]
    shadow: [scorer@9]
    outcomes: [approve, reject]
    lanes:
      approve: {auto: 0.90, async: 0.50, sync: 0.30}
      reject: {auto: 0.95, async: 0.50, sync: 0.30, notice: adverse_action}
    attributes: {age: int}
    queue: underwriting
    override_window: 24h
    on_timeout: reject
    reason_codes: [income, history]
    appeals: {on_behalf_of: subject, within: 30d}
  cards:
    workflow: post_approval
    models: [scorer]
    outcomes: [approve, reject]
    lanes: {approve: {auto: 0.90, async: 0.50, sync: 0.30}}
    queue: underwriting
    override_window: 2h
rules:
  - {id: large, when: amount > 10000, route: async, because: Large loans are signed by a person, regulation: [house-7]}
  - {id: very-large, when: amount > 80000, route: async, four_eyes: true, because: Very large loans need two people}
safe_rules:
  - {id: tiny, domain: loans, prediction: approve, when: amount < 50, because: So little is at stake}
service_levels: {critical: 1h, high: 4h, medium: 8h, low: 24h}
audit: {rate: 0.0}
"""

# Whatever takes effect is audited here, so that no test depends on a coin.
CHECKED = """
name: moderation
domains:
  posts:
    models: [filter]
    outcomes: [keep, remove]
    lanes: {keep: {auto: 0.80}, remove: {auto: 0.90}}
    queue: moderators
    override_window: 48h
audit: {rate: 1.0}
"""

PEOPLE = {"ann": "Ann Lee", "bob": "Bob Okoye", "cyn": "Cyn Ruiz", "lee": "Lee Park"}

_WHY = {
    "top_features": [
        {"feature": "arrears", "value": "2", "importance": -0.7},
        {"feature": "income", "value": "31,000", "importance": 0.2},
    ],
    "reasoning": "arrears weigh most",
}

NAMES = (
    "auto",
    "audited",
    "approved",
    "overridden",
    "four-eyes",
    "appealed",
    "final-after-window",
    "halted",
    "unknown-model",
    "calibrated",
    "safe",
    "timed-out",
    "late",
    "challenger",
    "open",
)


def build() -> Topology:
    """Drives all of them to their end, which differs."""
    topology = Topology(LENDING, CHECKED)
    for person, name in PEOPLE.items():
        role = "lead" if person == "lee" else "reviewer"
        topology.send(catalogue.REVIEWERS, person, {"id": person, "name": name, "role": role})
        topology.reviewer(person).on_duty()
    _without_people(topology)
    _audited(topology)
    _approved(topology)
    _overridden(topology)
    _four_eyes(topology)
    _appealed(topology)
    _timed_out(topology)
    _late(topology)
    topology.decide("open", 0.7, domain="loans", amount=20_000, subject_id="s-9", explanation=_WHY)
    return topology


def _loan(topology: Topology, decision_id: str, confidence: float = 0.7, **fields: object) -> None:
    content = {"domain": "loans", "subject_id": "s-1", "explanation": _WHY, **fields}
    topology.submit(topology.decision(decision_id, confidence, **content))
    topology.run()


def _without_people(topology: Topology) -> None:
    _loan(topology, "auto", 0.97, amount=900)
    _loan(topology, "safe", 0.6, amount=20)
    _loan(topology, "unknown-model", 0.97, model_id="stranger")
    _loan(topology, "challenger", 0.97, model_version="9")
    topology.halt("model:scorer@3")
    _loan(topology, "halted", 0.99, model_version="3")
    topology.advance(timedelta(minutes=1))
    topology.halt("model:scorer@3", halted=False)
    fitted = {
        "model_id": "scorer",
        "model_version": "2",
        "version": "c0ffee",
        "intercept": -0.5,
        "slope": 0.8,
        "labels": 412,
        "fitted_at": topology.now,
    }
    topology.send(catalogue.CALIBRATION_MODELS, "scorer@2", fitted)
    topology.run()
    _loan(topology, "calibrated", 0.93, model_version="2", amount=900)
    topology.decide("final-after-window", 0.97, domain="cards", amount=900)
    topology.advance(timedelta(hours=3))


def _audited(topology: Topology) -> None:
    topology.decide("audited", 0.93, domain="posts", model_id="filter", prediction="keep")
    topology.advance(timedelta(minutes=20))
    topology.review("ann", "choose", "audited", outcome="remove", reason_text="it names a private person")


def _approved(topology: Topology) -> None:
    _loan(topology, "approved", amount=12_000)
    topology.advance(timedelta(minutes=5))
    lease = topology.reviewer("ann").claim("approved")
    topology.advance(timedelta(minutes=4))
    topology.reviewer("ann").submit(
        "approved", lease.epoch, lease.payload_hash, "approve", reason_code="agree", reason_text="steady income"
    )


def _overridden(topology: Topology) -> None:
    _loan(topology, "overridden", amount=12_000)
    topology.review("ann", "approve", "overridden", reason_code="agree", reason_text="looks fine")
    topology.advance(timedelta(hours=2))
    task = topology.tasks()["overridden"]
    topology.reviewer("lee").override(
        "overridden",
        task["payload_hash"],
        "reject",
        outcome="reject",
        reason_code="history",
        reason_text="two payments are in arrears",
    )
    topology.advance(timedelta(hours=23))


def _four_eyes(topology: Topology) -> None:
    _loan(topology, "four-eyes", amount=90_000)
    topology.review("ann", "approve", "four-eyes", reason_code="agree", reason_text="fine")
    topology.advance(timedelta(minutes=1))
    topology.review("bob", "approve", "four-eyes", reason_code="agree", reason_text="fine too")


def _appealed(topology: Topology) -> None:
    _loan(topology, "appealed", prediction="reject", amount=500)
    topology.review("ann", "approve", "appealed", reason_code="agree", reason_text="arrears")
    topology.advance(timedelta(days=2))
    topology.reviewer("bob").appeal("appealed", "I have paid both since", on_behalf_of="Erika Muster")
    topology.advance(timedelta(hours=1))
    topology.review("cyn", "reject", "appealed", outcome="approve", reason_code="income", reason_text="proof was sent")
    topology.advance(timedelta(days=2))


def _timed_out(topology: Topology) -> None:
    topology.submit(topology.decision("timed-out", 0.4, domain="loans", subject_id="s-1"), caller="shop", seconds=30)
    topology.run()
    topology.advance(timedelta(minutes=2))


def _late(topology: Topology) -> None:
    _loan(topology, "late", amount=12_000)
    topology.advance(timedelta(hours=7))
    topology.advance(timedelta(hours=2))
    topology.review("lee", "approve", "late", reason_code="agree", reason_text="sorry for the delay")
