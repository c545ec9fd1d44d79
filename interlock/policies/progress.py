"""How far every lane of the policies in force is on its way to a certificate."""

from typing import TYPE_CHECKING, Any

from interlock.policies import publishing
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved
from interlock.processors.proposals.risk import AUTOMATIC, used
from interlock.schemas import catalogue, wire
from interlock.schemas.keys import check_key
from interlock.schemas.times import moment

if TYPE_CHECKING:
    from interlock.streams.ports import Broker


def lanes(broker: "Broker") -> list[dict[str, Any]]:
    """A row for every lane and model version that people have reviewed, and for every lane without any. Raises
    KafkaException."""
    from interlock.streams.tables import newest

    def read(key: str, value: bytes) -> dict[str, Any]:
        record = wire.decode_plain("LaneProgress", value)
        check_key(key, "{domain}/{prediction}/{model_id}@{model_version}".format(**record))
        return record

    records = [record for _, record in sorted(newest(broker, catalogue.LANE_PROGRESS.name, read).items())]
    rows = []
    for published in publishing.published_policies(broker).values():
        policy = from_resolved(published["resolved"])
        for name, domain in sorted(policy.domains.items()):
            for prediction in domain.lanes:
                about = (name, prediction)
                found = [record for record in records if (record["domain"], record["prediction"]) == about]
                rows += [_row(policy, *about, record) for record in found] or [_row(policy, *about, None)]
    return rows


def risks(rows: list[dict[str, Any]], broker: "Broker") -> list[dict[str, Any]]:
    """Of every policy in force, the risk a year that it allows and what its lanes have used, of `rows` of `lanes`;
    None both where it has no budget."""
    found = []
    for name, published in publishing.published_policies(broker).items():
        policy = from_resolved(published["resolved"])
        starts: dict[str, int] = {}
        year = max((row["since"][:4] for row in rows if row["since"]), default="")
        for row in rows:
            if row["policy"] == name and row["since"] and row["since"].startswith(year):
                starts[row["lane"]] = max(row["start"], starts.get(row["lane"], 0))
        found.append({"policy": name, "per_year": policy.risk.per_year, "used": used(policy, starts.values())})
    return found


def risk_said(risk: dict[str, Any]) -> str:
    """One line for people."""
    if risk["per_year"] is None:
        return f"{risk['policy']}: every claim has a risk of its own; risk.per_year in the policy would share one"
    part, whole = (f"{risk[name] * 100:.3g}%" for name in ("used", "per_year"))
    return f"{risk['policy']}: {part} of the {whole} risk of a false certificate a year is used"


def _row(policy: Policy, domain: str, prediction: str, record: dict[str, Any] | None) -> dict[str, Any]:
    model = "" if record is None else f"{record['model_id']}@{record['model_version']}"
    lane = policy.domains[domain].lanes[prediction]
    steps = [] if record is None else [_step(step) for step in record["steps"]]
    return {
        "policy": policy.name,
        "lane": f"{domain}/{prediction}",
        "model": model,
        "auto": policy.thresholds(lane)[0],
        "auto_raw": lane.auto_raw.get(model),
        "said": said(policy, domain, prediction, record),
        "tested_limit": None if record is None else record["tested_limit"],
        "missing": [] if record is None else list(record["missing"]),
        "days": steps[0]["days"] if steps else None,
        "strictest": steps[0] if steps else None,
        "hoped_for": steps[-1] if steps else None,
        "examples": 0 if record is None else record["examples"],
        "certified": None if record is None else record["certified"],
        "alpha": None if record is None else record["alpha"],
        "delta": None if record is None else record["delta"],
        "start": None if record is None else record["start"],
        "rules": None if record is None else {name: record[name] for name in _RULES},
        "since": None if record is None else moment(record["since"]).isoformat(timespec="seconds"),
        "at": None if record is None else moment(record["at"]).isoformat(timespec="seconds"),
    }


_RULES = ("rules_tested", "rules_certified", "rule_evidence")


def said(policy: Policy, domain: str, prediction: str, record: dict[str, Any] | None) -> str:
    """One line for people, such as "41 of about 80 audits"."""
    workflow = policy.domains[domain].workflow
    if workflow not in AUTOMATIC:
        return f"nothing is automatic in the workflow {workflow}"
    if not policy.audit_rate(policy.domains[domain].lanes[prediction]):
        return "without audits nothing is proposed: give audit.rate"
    if record is None:
        return "nothing counted yet"
    if record["certified"] is not None:
        return f"certified from {record['certified']:g} of its own confidence on"
    if not record["steps"]:
        return f"{record['warm_up']} more reviews until thresholds are chosen"
    strictest = record["steps"][0]
    audits = f"{strictest['audits']:.0f}"
    if strictest["needed"] is None:
        return f"{audits} audits; {strictest['error']:.1%} wrong where it is surest, too many for {record['alpha']:.0%}"
    return f"{audits} of about {strictest['needed']:.0f} audits"


def _step(step: dict[str, Any]) -> dict[str, Any]:
    """With the days until its certificate at the present pace; None where it errs too often, or nothing comes."""
    if step["needed"] is None or not step["per_day"]:
        return {**step, "days": None}
    return {**step, "days": max(0.0, step["needed"] - step["audits"]) / step["per_day"]}
