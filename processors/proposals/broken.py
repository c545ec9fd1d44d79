"""What is said of a certificate that errors have broken: what was promised, what was found, and since when."""

from collections.abc import Sequence

from interlock.learning.change_point import ChangeDetector
from interlock.processors.calibration.rate import Crossing
from interlock.processors.calibration.signals import drift
from interlock.processors.events import Event
from interlock.processors.proposals.certificate import Certificate
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.lane import Lane
from interlock.schemas.times import moment


def broken(lane: Lane, certificate: Certificate, crossing: Crossing, group: str | None, now: int) -> list[Event]:
    """The signal and the alert. `group`: the one that breaks the promise; None: all together do."""
    domain, prediction, model_id, model_version = lane.name
    latest = lane.window[-1]
    return drift(
        "certificate",
        cause=latest.example_id,
        model_id=model_id,
        model_version=model_version,
        domain=domain,
        statistic=crossing.statistic,
        threshold=crossing.threshold,
        seen=crossing.seen,
        message=f"certificate {certificate.proposal_id} for {domain}/{prediction} is broken: "
        + _found(lane, certificate, group),
        at=now,
        revokes=lane.certified,
    )


def _found(lane: Lane, certificate: Certificate, group: str | None) -> str:
    by = certificate.by
    watched = [
        example
        for example in lane.window
        if example.at > certificate.since
        and certificate.covers(example)
        and (by is None or group is None or by.of(example) == group)
    ]
    since = watched[_change(watched, certificate.limit) :]
    visible = "" if certificate.limit == lane.alpha else f", of which people see {certificate.limit * 100:.3g}%"
    about = f" of {by.named(group)}" if by is not None and group is not None else ""
    return (
        f"at most {lane.alpha:.0%} wrong was promised{' of each group' if about else ''}{visible}; since "
        f"{moment(since[0].at):%Y-%m-%d %H:%M} UTC people found {_rate(since):.1%} wrong{about}, in {len(since):,} "
        f"reviews of what it covers ({_rate(watched):.1%} in {len(watched):,} since it was given)"
    )


def _change(examples: Sequence[Example], limit: float) -> int:
    """From which of them on the rate has most likely been too high."""
    lowest = min(example.propensity for example in examples)
    detector = ChangeDetector(limit)
    for example in examples:
        detector.add(float(not example.correct), lowest / example.propensity)
    return min(detector.since, len(examples) - 1)


def _rate(examples: Sequence[Example]) -> float:
    """The share of wrong ones among all decisions like these."""
    weights = [1 / example.propensity for example in examples]
    return sum(weight for weight, example in zip(weights, examples, strict=True) if not example.correct) / sum(weights)
