"""What examples show about one lane and model version, and the certificates that follow."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from interlock.learning.double_reviews import PairCounts
from interlock.learning.reviewer_errors import RISK_SHARE, GoldItems, Visible, visible
from interlock.policy.vocabulary import ColumnType
from interlock.processors.calibration.alarm_level import AlarmLevel, alarm_level
from interlock.processors.calibration.rate import Crossing
from interlock.processors.proposals.certificate import Certificate
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.record import proposal_id
from interlock.processors.proposals.risk import Starts
from interlock.processors.proposals.safe_rules import CertifiedRule, RuleTests
from interlock.processors.proposals.thresholds import Step, ThresholdEvidence, ThresholdProof

# Examples that errors are estimated on; some 500 bytes each.
WINDOW = 20_000


@dataclass(frozen=True, slots=True)
class Claim:
    """What a certificate claims, under the id of its proposal: a threshold with its proof, or a safe rule."""

    proposal_id: str
    proof: ThresholdProof | None = None
    rule: CertifiedRule | None = None

    @property
    def limit(self) -> float:
        """The rate of overrides up to which the promise holds."""
        certified = self.proof or self.rule
        assert certified is not None
        return certified.limit

    @property
    def seen(self) -> Visible | None:
        """What of the promise people can see; None where nothing is known of their errors."""
        certified = self.proof or self.rule
        assert certified is not None
        return certified.seen

    def covers(self, example: Example) -> bool:
        """Whether the claim is about this decision."""
        if self.proof is not None:
            return example.raw >= self.proof.threshold
        assert self.rule is not None
        return self.rule.pattern.holds(example)


class Lane:
    """One (domain, prediction, model, version). `count`: examples since `since`, when the evidence began, as the
    `start`-th of its year. `rules`: the tests of safe rules; `gold`, `pairs`: what is known of people's own errors
    in the domain; `delta`: the risk of either kind of claim at the latest look."""

    def __init__(
        self,
        name: tuple[str, str, str, str],
        alpha: float,
        delta: float,
        level: AlarmLevel | None = None,
        *,
        typical: bool = False,
        starts: Starts | None = None,
    ) -> None:
        """`typical`: gold items are as hard as other decisions, see `learning.reviewer_errors.visible`. `starts`:
        numbers the starts of evidence of all lanes."""
        self.name = name
        self.alpha = alpha
        self.delta = delta
        self._level = level or alarm_level()
        self._starts = starts or Starts()
        self.window: deque[Example] = deque(maxlen=WINDOW)
        self._thresholds = ThresholdEvidence(alpha, delta, typical=typical)
        self._typical = typical
        self.gold = GoldItems()
        self.pairs = PairCounts()
        self._reset()

    def _reset(self) -> None:
        self.count = 0
        self.since = 0
        self.start = 1
        self.window.clear()
        self.rules = RuleTests(self.alpha, self.delta, typical=self._typical)
        self._threshold: Claim | None = None
        self._rules: tuple[Claim, ...] = ()
        self._certificates: dict[str, Certificate] = {}

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The claims that hold now, the threshold first."""
        return (*((self._threshold,) if self._threshold else ()), *self._rules)

    @property
    def certified(self) -> tuple[str, ...]:
        """The ids of everything that was ever claimed on the present evidence."""
        return tuple(sorted(self._certificates))

    @property
    def steps(self) -> list[Step]:
        """How far each threshold under test is, strict → lax."""
        return self._thresholds.steps(self.seen, self.delta)

    @property
    def rule_evidence(self) -> float:
        """How far the safe rule is that is nearest to its certificate, 0 to 1."""
        return self.rules.nearest(self.seen, self.delta)

    @property
    def seen(self) -> Visible | None:
        """What of the promise people can see; None where nothing is known of their errors."""
        risk = RISK_SHARE * self.delta
        return visible(self.alpha, self.gold, risk, typical=self._typical, pairs=self.pairs)

    @property
    def lowest(self) -> float:
        """The smallest π that has occurred."""
        return self._thresholds.lowest

    @property
    def warm_up(self) -> int:
        """Examples so far that choose the thresholds."""
        return self._thresholds.warm_up

    def restart(self) -> None:
        """Starts again: earlier evidence no longer speaks for today."""
        self._thresholds.reset()
        self._reset()

    def add(self, example: Example) -> tuple[Certificate, Crossing] | None:
        """Adds an example; the certificate that it breaks, if any. The caller must then restart the lane."""
        for certificate in self._certificates.values():
            crossing = certificate.add(example)
            if crossing is not None:
                return certificate, crossing
        if self._thresholds.add(example):
            self._reset()
        if not self.count:
            self.since = example.at
            self.start = self._starts.next(*self.name[:2], example.at)
        self.count += 1
        if example.gold is not None and example.gold.judged > self.gold.judged:
            self.gold = example.gold
        if example.pairs is not None and example.pairs.told > self.pairs.told:
            self.pairs = example.pairs
        self.window.append(example)
        self.rules.add(example)
        return None

    def prove(self, types: Mapping[str, ColumnType], delta: float) -> None:
        """Brings `claims` up to date. `types`: of the attributes that the policy of the domain declares; `delta`: the
        risk of either kind of claim."""
        self.delta = delta
        seen = self.seen
        proof = self._thresholds.proof(seen, delta)
        if proof is None:
            self._threshold = None
        else:
            self._threshold = self._claim("threshold", _content(f"{proof.threshold:.4f}", seen), proof=proof)
        named = [(_content(str(rule.pattern), seen), rule) for rule in self.rules.prove(types, seen, delta)]
        self._rules = tuple(self._claim("safe_rule", content, rule=rule) for content, rule in named)

    def _claim(
        self, kind: str, content: str, *, proof: ThresholdProof | None = None, rule: CertifiedRule | None = None
    ) -> Claim:
        claim = Claim(proposal_id(kind, *self.name, self.since, content), proof, rule)
        if claim.proposal_id not in self._certificates:
            self._certificates[claim.proposal_id] = Certificate(
                claim.proposal_id, claim.covers, claim.limit, self._level
            )
        return claim


def _content(covered: str, seen: Visible | None) -> str:
    """What a claim is told apart by: one about the truth is another than one about what people see."""
    return covered if seen is None else f"{covered} in truth"
