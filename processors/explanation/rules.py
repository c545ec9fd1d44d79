"""Which rules decided where a decision went, in sentences with the values that made them hold."""

from collections.abc import Mapping
from typing import Any, assert_never

from interlock.policy.model import Domain, Policy, Rule
from interlock.policy.version import from_resolved
from interlock.processors.explanation import controls, sampling
from interlock.processors.explanation.model import CalibrationUsed, PolicyUsed, Reason, Rules, Thresholds
from interlock.processors.explanation.names import SYSTEM, Names
from interlock.processors.explanation.records import Entry, Records
from interlock.processors.explanation.words import counted, day, iso, listed, quoted, sentence, share, shares, when
from interlock.processors.review.reasons import columns_of, why_met
from interlock.schemas import reasons
from interlock.schemas.reasons import PipelineReason, ReasonKind

ROUTES: Mapping[str, str] = {
    "auto": "It took effect without a person",
    "async": "It waited in a queue for a person",
    "sync": "A person was asked at once, because somebody was waiting for the answer",
    "manual": "A person handled the case from the start, with the model's answer folded away",
}

# The same of a challenger's answer, which had no effect.
_WOULD: Mapping[str, str] = {
    "auto": "It would have taken effect without a person",
    "async": "It would have waited in a queue for a person",
    "sync": "A person would have been asked at once, because somebody was waiting for the answer",
    "manual": "A person would have handled the case from the start, with the model's answer folded away",
}

WORKFLOWS: Mapping[str, str] = {
    "escalation": "Of this kind, what the rules allow takes effect at once; a person decides the rest.",
    "pre_approval": "Of this kind, nothing takes effect before a person has decided.",
    "post_approval": "Of this kind, what the rules allow takes effect at once, and a person can still overrule it "
    "for some time.",
    "hybrid": "Of this kind, a person chooses among the best options, and nothing takes effect before.",
}

# What only the record of a version that is tried has.
_SHARE = "share"

# Fields that the store keeps for every record, whatever else cannot be read any more.
_ALWAYS_KEPT = frozenset({"domain", "model_id", "model_version", "prediction", "confidence", "raw_confidence"})


def policy_of(records: Records, version: str) -> Policy | None:
    """The policy of a version; None if its text is not there, or is none that can be read."""
    for entry in reversed(records.policies):
        if entry.record["version"] == version:
            try:
                return from_resolved(entry.record["resolved"])
            except ValueError:
                return None
    return None


def rules_of(records: Records, routed: Entry, names: Names) -> Rules:
    """What the router went by for one record of it."""
    record = routed.record
    policy = policy_of(records, record["policy_version"])
    domain = policy.domains.get(record["decision"]["domain"]) if policy else None
    given = tuple(reason_of(reason, routed, policy) for reason in record["reasons"])
    in_force = controls.in_force(records, routed, names)
    return Rules(
        text=route_text(routed),
        route=record["route"],
        workflow=record["workflow"],
        workflow_text=WORKFLOWS.get(record["workflow"], ""),
        routed_at=iso(record["routed_at"]),
        policy=_policy_used(records, record, names),
        thresholds=thresholds_of(policy, domain, record),
        reasons=given,
        calibration=_calibration(records, record),
        controls_text=controls.text(in_force, record),
        controls=in_force,
        trial_text=_trial(record),
        sampling_text=sampling.text(records, record),
        propensity=record["propensity"],
        duties_text="" if routed.shadow else _duties(record),
    )


def thresholds_of(policy: Policy | None, domain: Domain | None, record: Mapping[str, Any]) -> Thresholds | None:
    """What the policy demands of the confidence in this outcome; None where it does not know the kind of decision."""
    if policy is None or domain is None:
        return None
    prediction = record["decision"]["prediction"]
    auto, queued, waiting = policy.thresholds(domain.lanes.get(prediction))
    own_lane = prediction in domain.lanes
    raw = _raw_threshold(domain, record)
    steps = [] if own_lane else [f"{quoted(prediction)} never takes effect without a person"]
    if raw is not None:
        steps.append(
            f"from a confidence of its own of {share(raw)} on, before any correction, what this version of the model "
            f"says takes effect as {quoted(prediction)} without a person"
        )
    elif own_lane:
        steps.append(f"from a confidence of {share(auto)} on, {quoted(prediction)} takes effect without a person")
    if raw is not None or queued < auto or not own_lane:
        steps.append(f"from {share(queued)} on it waits in a queue for a person")
    if waiting < queued:
        steps.append(f"from {share(waiting)} on a person is asked at once")
    if waiting > 0:
        steps.append("below that a person handles the case from the start")
    text = sentence("; ".join(steps))
    at_least = {"auto": auto if raw is None else raw, "async": queued, "sync": waiting}
    return Thresholds(text, at_least, own_lane, raw=raw is not None)


def _raw_threshold(domain: Domain, record: Mapping[str, Any]) -> float | None:
    """From which confidence of its own the model decides by itself; None where the calibrated one counts."""
    decision = record["decision"]
    lane = domain.lanes.get(decision["prediction"])
    return lane.auto_raw.get(f"{decision['model_id']}@{decision['model_version']}") if lane else None


def reason_of(reason: str, routed: Entry, policy: Policy | None) -> Reason:
    """One reason of a route, in words."""
    # The pipeline's own first: an old policy may have a rule of the same name.
    own = reasons.find(reason)
    if own is not None:
        return _pipeline_reason(own, reason, routed, policy)
    for pack, rule in _rules(policy):
        if rule.id == reason and policy is not None:
            return _rule_reason(rule, pack, routed, policy)
    text = f"The rule {quoted(reason)} held; the text of the policy that has it cannot be read any more."
    return Reason(text, reason, "rule")


def _pipeline_reason(own: PipelineReason, reason: str, routed: Entry, policy: Policy | None) -> Reason:
    detail = reason.removeprefix(own.code)
    record = routed.record
    decision = record["decision"]
    told = own.sentence.format(
        detail=detail, prediction=decision["prediction"], confidence=record["calibrated_confidence"]
    )
    match own.kind:
        case ReasonKind.LANE:
            return _lane_reason(reason, record, policy)
        case ReasonKind.SAFE_RULE:
            return _safe_reason(detail, reason, routed, policy)
        case ReasonKind.CONTROL:
            text = f"A stop was on for {controls.scope_words(detail)}: nothing in it takes effect without a person."
            return Reason(text, reason, str(own.kind))
        case (
            ReasonKind.WORKFLOW | ReasonKind.UNKNOWN | ReasonKind.IMPLAUSIBLE | ReasonKind.SAMPLING | ReasonKind.SHADOW
        ):
            return Reason(sentence(told), reason, str(own.kind))
        case _:
            assert_never(own.kind)


def _lane_reason(reason: str, record: Mapping[str, Any], policy: Policy | None) -> Reason:
    prediction, confidence = record["decision"]["prediction"], record["calibrated_confidence"]
    demands = reason.rpartition(":")[2]
    domain = policy.domains.get(record["decision"]["domain"]) if policy else None
    subject = f"The model's confidence in {quoted(prediction)} counted as"
    if policy is None or domain is None:
        text = f"{subject} {share(confidence)}, which led to: {ROUTES.get(demands, demands).lower()}."
        return Reason(text, reason, str(ReasonKind.LANE), demands=demands)
    auto, *_ = policy.thresholds(domain.lanes.get(prediction))
    raw = _raw_threshold(domain, record)
    if raw is not None:
        subject = f"The model's own confidence in {quoted(prediction)}, before any correction, was"
        confidence, auto = record["decision"]["confidence"], raw
    shown, needed = shares(confidence, auto)
    if prediction not in domain.lanes:
        text = f"{subject} {shown}, but {quoted(prediction)} never takes effect without a person."
    elif confidence >= auto:
        text = f"{subject} {shown}: at least the {needed} it takes to act without a person."
    else:
        text = f"{subject} {shown}: less than the {needed} it takes to act without a person."
    return Reason(text, reason, str(ReasonKind.LANE), demands=demands)


def _safe_reason(rule_id: str, reason: str, routed: Entry, policy: Policy | None) -> Reason:
    rule = next((rule for rule in policy.safe_rules if rule.id == rule_id), None) if policy else None
    begin = f"The rule {quoted(rule_id)} lets it take effect whatever the model's confidence"
    if rule is None or policy is None:
        return Reason(f"{begin}.", reason, str(ReasonKind.SAFE_RULE), demands="auto")
    values = _values(rule.when, routed, policy)
    why = f": {rule.because.rstrip('.')}" if rule.because else ""
    text = f"{begin}{why}{_met(values)}."
    return Reason(text, reason, str(ReasonKind.SAFE_RULE), rule.because, rule.when, values or "", demands="auto")


def _rule_reason(rule: Rule, pack: str, routed: Entry, policy: Policy) -> Reason:
    values = _values(rule.when, routed, policy)
    because = rule.because.rstrip(".") or f"The rule {quoted(rule.id)} asks for a person"
    law = f" Source: {listed(rule.regulation)}." if rule.regulation else ""
    people = " Two people had to agree." if rule.four_eyes else ""
    return Reason(
        f"{sentence(f'{because}{_met(values)}')}{people}{law}",
        rule.id,
        "rule",
        rule.because,
        rule.when,
        values or "",
        rule.regulation,
        pack,
        rule.route,
    )


def _values(condition: str, routed: Entry, policy: Policy) -> str | None:
    """Why the condition holds; None where a field that it looks at cannot be read any more."""
    if not routed.lost.isdisjoint(_sources(columns_of(condition, policy), policy)):
        return None
    return why_met(condition, routed.record, policy)


def _sources(columns: frozenset[str], policy: Policy) -> frozenset[str]:
    """The fields of a decision in which these columns stand."""
    declared = policy.attribute_types()
    return frozenset("attributes" if column in declared else column for column in columns - _ALWAYS_KEPT)


def _met(values: str | None) -> str:
    if values is None:
        return " (the values that it looked at cannot be read any more)"
    return f" ({values})" if values else ""


def _rules(policy: Policy | None) -> list[tuple[str, Rule]]:
    """Every rule of a policy with the name of its pack, empty for its own."""
    if policy is None:
        return []
    return [("", rule) for rule in policy.rules] + [(pack.name, rule) for pack in policy.packs for rule in pack.rules]


def route_text(routed: Entry) -> str:
    """Where it went, as a sentence."""
    route = routed.record["route"]
    return f"{(_WOULD if routed.shadow else ROUTES).get(route, f'It took the route {route}')}."


def _policy_used(records: Records, record: Mapping[str, Any], names: Names) -> PolicyUsed:
    version = record["policy_version"]
    if not version:
        text = "No policy was in force for this kind of decision, so people decided it."
        return PolicyUsed(text, "", "", "", SYSTEM, "", ())
    if version == record.get("candidate_version"):
        return _candidate_used(records, version, names)
    published = [
        entry
        for entry in records.policies
        if entry.record["version"] == version and entry.record["published_at"] <= record["routed_at"]
    ] or [entry for entry in records.policies if entry.record["version"] == version]
    if not published:
        text = f"It went by version {version} of a policy whose text is not kept any more."
        return PolicyUsed(text, "", version, "", SYSTEM, "", ())
    latest = published[-1].record
    person = names.person(latest["published_by"], latest["published_at"])
    note = f" The reason given: {quoted(latest['note'])}." if latest["note"] else ""
    signed = names.people(latest["signed_by"], latest["published_at"])
    signatures = f" It was signed by {listed([one.name for one in signed])}." if signed else ""
    text = (
        f"It went by the policy {quoted(latest['name'])}, version {version}, which {person.name} put in force on "
        f"{when(latest['published_at'])}.{note}{signatures}"
    )
    return PolicyUsed(text, latest["name"], version, iso(latest["published_at"]), person, latest["note"], signed)


def _trial(record: Mapping[str, Any]) -> str:
    """What a candidate policy had to do with it; empty where none was being tried."""
    version = record["candidate_version"]
    if not version:
        return ""
    if version == record["policy_version"]:
        begin = f"Version {version}, a change of the policy tried on a share of the decisions, chose the route."
        other, route = "The policy in force", record["live_route"]
    else:
        begin = f"Version {version}, a change of the policy, was being tried beside it and had no effect here."
        other, route = "It", record["candidate_route"]
    if not route:
        return begin
    same = "the same route" if route == record["route"] else f"the route {quoted(route)}"
    return f"{begin} {other} would have given {same}."


def _candidate_used(records: Records, version: str, names: Names) -> PolicyUsed:
    """A version that was tried on a share of the decisions when it decided this one."""
    # A withdrawal is signed by whoever ended the trial.
    told = [entry.record for entry in records.policies if entry.record["version"] == version]
    tried = [record for record in told if record.get("stage") in ("shadow", "share") and _SHARE in record]
    if not tried:
        text = f"It went by version {version} of a policy, which was being tried and whose text is not kept any more."
        return PolicyUsed(text, "", version, "", SYSTEM, "", ())
    begun = tried[0]
    person = names.person(begun["published_by"], begun["published_at"])
    note = f" The reason given: {quoted(begun['note'])}." if begun["note"] else ""
    text = (
        f"It went by version {version} of the policy {quoted(begun['name'])}, which decided a share of the decisions "
        f"in a trial that {person.name} had begun on {when(begun['published_at'])}.{note}"
    )
    signed = names.people(tried[-1]["signed_by"], tried[-1]["started_at"])
    return PolicyUsed(text, begun["name"], version, iso(begun["published_at"]), person, begun["note"], signed)


def _calibration(records: Records, record: Mapping[str, Any]) -> CalibrationUsed:
    raw, counted_as = record["decision"]["confidence"], record["calibrated_confidence"]
    version = record["calibration_version"]
    if not version:
        return CalibrationUsed("The model's own confidence was used as it is; no correction applied.", "")
    before, now = shares(raw, counted_as)
    change = f"The model said {before}, which counted as {now}"
    fitted = next((entry.record for entry in records.calibrations if entry.record["version"] == version), None)
    if fitted is None:
        return CalibrationUsed(f"{change} after correction {version}, whose numbers are not kept.", version)
    text = (
        f"{change}: earlier answers of this model were compared with what people decided in "
        f"{counted(fitted['labels'], 'case')}, and its confidence is corrected by that (correction {version}, of "
        f"{day(fitted['fitted_at'])})."
    )
    return CalibrationUsed(
        text, version, fitted["intercept"], fitted["slope"], fitted["labels"], iso(fitted["fitted_at"])
    )


def _duties(record: Mapping[str, Any]) -> str:
    """What was demanded of the people who decide it; empty where the router did not tell."""
    if not record["quorum"]:
        return ""
    who = "Two different people have to agree" if record["quorum"] > 1 else "One person decides"
    with_what = f", qualified as {listed(record['qualifications'])}" if record["qualifications"] else ""
    between = f", between {listed([quoted(name) for name in record['outcomes']])}" if record["outcomes"] else ""
    return f"Should people decide it: {who[0].lower()}{who[1:]}{with_what}{between}."
