"""Certified thresholds: against models whose truth is known."""

import json
import math
import re
from datetime import datetime
from functools import cache
from itertools import count

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, logit

from interlock.policies.signing import changed_source
from interlock.processors.proposals.fold import TABLE_TOPICS, ProposalFold
from interlock.schemas import catalogue, wire
from interlock.schemas.catalogue import DRIFT_SIGNALS
from tests.processors.calibration.reviewed_world import START, World, example
from tests.processors.proposals.proposal_world import SOURCE, new_fold, of, policy_version, proposals, taken


@cache
def _later(slope: float, intercept: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence and whether it was right of forty thousand further decisions, seen or not."""
    decided = [item[:2] for item in World(slope=slope, intercept=intercept, seed=99).decide(40_000)]
    confidence, right = zip(*decided, strict=True)
    return np.array(confidence), np.array(right)


def _error_above(threshold: float, world: World) -> float:
    """Of all decisions that the threshold accepts."""
    confidence, right = _later(world.slope, world.intercept)
    return 1 - float(np.mean(right[confidence >= threshold]))


def test_a_certified_threshold_holds_its_bound_on_decisions_that_nobody_reviewed() -> None:
    broken, offered = 0, 0
    for seed in range(12):
        world = World(intercept=0.6, seed=seed, auto=0.9, rate=0.1)
        for proposal in proposals(taken(new_fold(), world.examples(4_000))):
            if proposal["state"] == "open":
                offered += 1
                broken += _error_above(json.loads(proposal["change"])["auto_raw"], world) > 0.1
    assert offered >= 8
    assert broken / offered <= 0.1 + 2 * math.sqrt(0.1 * 0.9 / offered)


def test_a_proposal_says_what_changes_for_whom_and_with_which_evidence() -> None:
    world = World(intercept=1.0)
    events = taken(new_fold(), world.examples(5_000))
    (proposal,) = [p for p in proposals(events) if p["state"] == "open"]
    change, evidence = json.loads(proposal["change"]), json.loads(proposal["evidence"])
    assert (change["domain"], change["prediction"]) == ("loan", "approve")
    assert change["auto_raw"] == evidence["threshold"] < 0.9
    assert change["model"] == "scorer@7"
    assert (evidence["alpha"], evidence["delta"], evidence["smallest_propensity"]) == (0.1, 0.1, 0.1)
    assert evidence["e_value"] >= 10
    assert 0 < proposal["error_lower"] <= proposal["error_estimate"] <= proposal["error_upper"] < 0.1
    assert proposal["policy_version"] == policy_version()["version"]
    later = list(World(intercept=1.0, seed=8).decide(20_000))
    freed = np.mean([change["auto_raw"] <= confidence < 0.9 for confidence, *_ in later])
    assert proposal["workload_lower"] <= 0.9 * freed <= proposal["workload_upper"]  # a tenth is audited


def test_a_recalibration_in_between_changes_no_certificate() -> None:
    """The same decisions, once without recalibration, once with two different ones, then with none again."""
    examples = list(World(intercept=1.0).examples(5_000))
    fits = [(0.0, 1.0), (-0.3, 0.8), (0.2, 0.6), (0.0, 1.0)]
    moved = [
        record | {"calibrated_confidence": float(expit(shift + slope * logit(record["confidence"])))}
        for record, (shift, slope) in zip(examples, (fits[4 * n // len(examples)] for n in count()), strict=False)
    ]
    thresholds = []
    for records in (examples, moved):
        (proposal,) = [p for p in proposals(taken(new_fold(), records)) if p["state"] == "open"]
        thresholds.append((json.loads(proposal["change"]), json.loads(proposal["evidence"])))
    assert thresholds[0] == thresholds[1]


def test_a_threshold_that_is_in_force_is_not_proposed_again() -> None:
    examples = list(World(intercept=1.0).examples(5_000))
    (proposal,) = [p for p in proposals(taken(new_fold(), examples)) if p["state"] == "open"]
    for source in (changed_source(SOURCE, proposal), SOURCE.replace("0.85}", "0.85, auto_raw: {scorer@7: 0.5}}")):
        assert "auto_raw: {scorer@7" in source
        assert not [p for p in proposals(taken(new_fold(source), examples)) if p["state"] == "open"]


def test_what_did_not_change_is_not_written_again_and_what_was_replaced_is_revoked() -> None:
    events = taken(new_fold(), World(intercept=0.6, seed=2).examples(12_000))
    written = [(e.key, e.record["state"]) for e in events if e.topic is catalogue.PROPOSALS and e.record]
    assert len(written) == len(set(written))
    assert sum(proposal["state"] == "open" for proposal in proposals(events)) == 1


def test_a_model_that_errs_everywhere_gets_no_proposal() -> None:
    assert not proposals(taken(new_fold(), World(intercept=-1.0).examples(4_000)))


@pytest.mark.parametrize(
    "source",
    [
        SOURCE.replace("audit: {rate: 0.1}", "audit: {rate: 0}"),
        SOURCE.replace("models: [scorer]", "workflow: pre_approval\n    models: [scorer]"),
        SOURCE.replace("approve: {auto: 0.90, async: 0.85}", "reject: {}"),
        SOURCE.replace("auto: 0.90, async: 0.85", "auto: 0.5, async: 0.5, sync: 0.5"),
        SOURCE.replace("  loan:", "  other:"),
    ],
    ids=["without audits", "pre-approval", "no lane", "automatic already", "another domain"],
)
def test_nothing_is_proposed_that_changes_nothing_or_could_not_be_watched(source: str) -> None:
    assert not proposals(taken(new_fold(source), World(intercept=1.0).examples(2_500)))


def test_a_certificate_is_broken_when_the_model_becomes_worse_and_evidence_begins_anew() -> None:
    fold = new_fold()
    good, bad = World(intercept=1.0, seed=1), World(intercept=-0.5, seed=2)
    assert not of(taken(fold, good.examples(4_000)), DRIFT_SIGNALS)
    bad.decided = good.decided
    events = taken(fold, bad.examples(4_000))
    signal = of(events, DRIFT_SIGNALS)[0]
    assert (signal["monitor"], signal["model_version"]) == ("certificate", "7")
    assert signal["revokes"]
    assert signal["at"] < START + (good.decided + 1_500) * 1_000_000
    # What was promised, what was found, and since when: the model became worse at decision 4,000.
    said = re.search(
        r"at most 10% wrong was promised; since (.+) UTC people found ([0-9.]+)% wrong, in ([0-9]+) reviews of what it "
        r"covers \(([0-9.]+)% in [0-9,]+ since it was given\)",
        signal["message"],
    )
    assert said is not None
    since = (datetime.fromisoformat(f"{said[1]}+00:00").timestamp() * 1_000_000 - START) / 1_000_000
    assert since == pytest.approx(good.decided, abs=400)
    assert 10 < float(said[4]) < float(said[2])
    # What was certified before is not certified on the new evidence.
    assert not [proposal for proposal in proposals(events) if proposal["state"] == "open"]


def test_what_was_signed_while_people_saw_everything_is_watched_by_the_audits_that_follow() -> None:
    """The first audit has a smaller π than anything before, so that evidence for further claims begins anew with it."""
    fold = new_fold()
    seen, audited = World(intercept=1.0, auto=1.0, seed=1), World(intercept=-0.5, auto=0.7, seed=2)
    signed = [p for p in proposals(taken(fold, seen.examples(3_000))) if p["state"] == "open"]
    assert signed
    audited.decided = seen.decided
    signal = of(taken(fold, audited.examples(6_000)), DRIFT_SIGNALS)[0]
    assert signal["monitor"] == "certificate"
    assert {proposal["proposal_id"] for proposal in signed} <= set(signal["revokes"])
    # Those that the change spares break nothing.
    fold, good = new_fold(), World(intercept=1.0, auto=0.7, seed=2, decided=seen.decided)
    taken(fold, World(intercept=1.0, auto=1.0, seed=1).examples(3_000))
    assert not of(taken(fold, good.examples(20_000)), DRIFT_SIGNALS)


def test_a_model_that_stays_as_good_as_promised_breaks_no_certificate() -> None:
    assert not of(taken(new_fold(), World(intercept=0.7, seed=5).examples(20_000)), DRIFT_SIGNALS)


def test_a_drift_signal_is_none_of_what_the_evidence_depends_on() -> None:
    assert DRIFT_SIGNALS.name not in TABLE_TOPICS


def test_what_a_person_refused_is_not_proposed_again_on_the_same_evidence() -> None:
    examples = list(World(intercept=1.0).examples(3_000))
    fold = new_fold()
    (proposal,) = [p for p in proposals(taken(fold, examples[:1_500])) if p["state"] == "open"]
    refused = proposal | {"state": "refused", "decided_by": "ana", "decided_at": 1, "reason": "no"}
    fold.apply(catalogue.PROPOSALS.name, proposal["proposal_id"].encode(), wire.encode("Proposal", refused))
    later = proposals(taken(fold, examples[1_500:]))
    assert proposal["proposal_id"] not in {p["proposal_id"] for p in later}


def test_a_proposal_under_another_key_than_its_id_changes_nothing() -> None:
    fold = new_fold()
    (proposal,) = [p for p in proposals(taken(fold, World(intercept=1.0).examples(1_500))) if p["state"] == "open"]
    refused = proposal | {"proposal_id": "another", "state": "refused"}
    fold.apply(catalogue.PROPOSALS.name, proposal["proposal_id"].encode(), wire.encode("Proposal", refused))
    assert fold.table.is_open(proposal["proposal_id"])


def test_a_fold_that_begins_anew_says_what_the_first_would_have_said() -> None:
    examples = list(World(intercept=0.6, seed=3).examples(5_000))
    undisturbed = taken(new_fold(), examples)
    for cut in (150, 1_000, 2_345):
        first = new_fold()
        events = taken(first, examples[:cut])
        second = new_fold()
        for event in events:
            if event.topic is catalogue.PROPOSALS:
                second.apply(event.topic.name, event.key.encode(), wire.encode("Proposal", event.record or {}))
        for record in examples[:cut]:
            assert second.process(record, replayed=True) == [] or cut == 0
        assert events + taken(second, examples[cut:]) == undisturbed


def test_a_fold_that_takes_examples_again_after_a_crash_ends_where_the_undisturbed_one_does() -> None:
    """What had been written before the crash was not committed: it is known already, from records still to come."""
    examples = list(World(intercept=0.6, seed=3).examples(5_000))
    undisturbed = taken(new_fold(), examples)
    for committed, reached in ((0, 5_000), (150, 1_000), (700, 2_345), (1_000, 1_001)):
        events = taken(new_fold(), examples[:reached])
        for written in (len(events), len(events) - 1):
            second = new_fold()
            for event in events[:written]:
                if event.topic is catalogue.PROPOSALS:
                    second.apply(event.topic.name, event.key.encode(), wire.encode("Proposal", event.record or {}))
            for record in examples[:committed]:
                second.process(record, replayed=True)
            again = taken(second, examples[committed:])
            assert proposals(events[:written] + again) == proposals(undisturbed)
            assert all(event in undisturbed for event in again)


def test_the_order_in_which_people_judge_changes_no_certificate() -> None:
    """Of every fifty decisions the errors are judged first, or last."""
    examples = list(World(intercept=1.0).examples(3_000))
    claims = []
    for first in (True, False):
        judged = []
        for start in range(0, len(examples), 50):
            block = [example | {"arrived_at": example["decided_at"]} for example in examples[start : start + 50]]
            errors = [record for record in block if record["overridden"]]
            rest = [record for record in block if not record["overridden"]]
            block = errors + rest if first else rest + errors
            for index, record in enumerate(block):
                waiting = [other["arrived_at"] for other in block[index + 1 :]]
                judged.append(record | {"settled_before": min(waiting, default=block[-1]["arrived_at"] + 10**9)})
        events = taken(new_fold(), judged)
        claims.append(
            [(proposal["proposal_id"], proposal["evidence"], proposal["state"]) for proposal in proposals(events)]
        )
    assert claims[0] == claims[1] != []


def test_examples_that_cannot_be_used_are_counted_and_change_nothing() -> None:
    examples = list(World(intercept=1.0).examples(2_000))
    bad = [
        example(1, propensity=0.0),
        example(2, propensity=float("nan")),
        example(3, calibrated_confidence=float("nan")),
    ]
    spoilt, clean = new_fold(), new_fold()
    assert taken(spoilt, [*bad, *examples]) == taken(clean, examples)
    assert spoilt.refused == {"bad-propensity": 2, "bad-confidence": 1}


def test_constant_confidence_and_a_single_answer_are_certified_or_not_but_never_break_anything() -> None:
    for final in ("approve", "reject"):
        fold = new_fold()
        events = taken(fold, [example(n, confidence=0.7, final=final) for n in range(1_500)])
        assert len([proposal for proposal in proposals(events) if proposal["state"] == "open"]) == (final == "approve")


@pytest.mark.parametrize(
    ("key", "value"), [(b"lending", b"rubbish"), (b"other", wire.encode("PolicyVersion", policy_version()))]
)
def test_a_policy_that_is_unreadable_or_not_about_its_key_leaves_the_one_before_in_force(
    key: bytes, value: bytes
) -> None:
    fold = new_fold()
    fold.apply(catalogue.POLICIES.name, key, value)
    assert isinstance(fold, ProposalFold)
    assert proposals(taken(fold, World(intercept=1.0).examples(2_000)))
