"""What examples show about one lane and model version, and the certificates that follow."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from interlock.learning.answered import Answered
from interlock.learning.double_reviews import PairCounts
from interlock.learning.reviewer_errors import RISK_SHARE, GoldItems, Visible, visible
from interlock.policy.vocabulary import ColumnType
from interlock.processors.calibration.alarm_level import AlarmLevel, alarm_level
from interlock.processors.calibration.rate import Crossing
from interlock.processors.proposals.by_group import Grouping
from interlock.processors.proposals.certificate import Certificate
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.ladder import Terms, rung, terms
from interlock.processors.proposals.open_work import Answers, OpenWork
from interlock.processors.proposals.record import proposal_id
from interlock.processors.proposals.risk import Starts
from interlock.processors.proposals.safe_rules import CertifiedRule, RuleTests
from interlock.processors.proposals.thresholds import Step, ThresholdEvidence, ThresholdProof

# Examples that errors are estimated on; some 500 bytes each.
WINDOW = 20_000


@dataclass(frozen=True, slots=True)
class Claim:
    """What a certificate claims, under the id of its proposal: a threshold with its proof, or a safe rule. `seen`: what
    of the promise people can see; None: they are taken at their word. `answers`: what of the evidence was answered.
    `by`: of which groups each keeps the promise for itself; None: all of them together do."""

    proposal_id: str
    certified: ThresholdProof | CertifiedRule
    seen: Visible | None
    answers: Answers
    by: Grouping | None

    @property
    def proof(self) -> ThresholdProof | None:
        """That of a threshold."""
        return self.certified if isinstance(self.certified, ThresholdProof) else None

    @property
    def rule(self) -> CertifiedRule | None:
        """The safe rule."""
        return self.certified if isinstance(self.certified, CertifiedRule) else None

    @property
    def limit(self) -> float:
        """The rate of overrides, among what people judged, that the evidence is against."""
        return self.certified.limit

    @property
    def groups(self) -> tuple[str, ...]:
        """Which groups keep the promise, each for itself."""
        return self.certified.groups

    def covers(self, example: Example) -> bool:
        """Whether the claim is about this decision."""
        if isinstance(self.certified, ThresholdProof):
            return example.raw >= self.certified.threshold
        return self.certified.pattern.holds(example)


class Lane:
    """One (domain, prediction, model, version). `count`: examples since `since`, when the evidence began, as the
    `start`-th of its year. `rules`: the tests of safe rules; `gold`, `pairs`: what is known of people's own errors
    in the domain. Of the latest look, `delta`: the risk of either kind of claim; `answers`: what of the evidence was
    answered; `by`: the groups that claims are about, None: all together."""

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
        self.by: Grouping | None = None
        self._certificates: dict[str, Certificate] = {}
        self._begin()

    def _begin(self) -> None:
        """The evidence for further claims begins. What is certified stays under watch: it may be in force."""
        self.count = 0
        self.since = 0
        self.start = 1
        self.window.clear()
        self._open_work = OpenWork()
        self.answers = Answers()
        self.rules = RuleTests(self.alpha, self.delta, typical=self._typical)
        self._threshold: Claim | None = None
        self._rules: tuple[Claim, ...] = ()

    @property
    def claims(self) -> tuple[Claim, ...]:
        """The claims that hold now, the threshold first."""
        return (*((self._threshold,) if self._threshold else ()), *self._rules)

    @property
    def certified(self) -> tuple[str, ...]:
        """The ids of everything that was claimed and is watched: all since the last broken certificate."""
        return tuple(sorted(self._certificates))

    @property
    def terms(self) -> Terms:
        """What a proof must reach at the latest look."""
        return terms(self.alpha, self.delta, self.seen, self.answers.share)

    @property
    def steps(self) -> list[Step]:
        """How far each threshold under test is, strict → lax."""
        return self._thresholds.steps(self.terms)

    @property
    def tested_limit(self) -> float | None:
        """The rate of overrides that evidence is held to at the latest look; None where it is held to none so low."""
        return rung(self.alpha, self.terms.limit, typical=self._typical)

    @property
    def rule_evidence(self) -> float:
        """How far the safe rule is that is nearest to its certificate, 0 to 1."""
        return self.rules.nearest(self.terms)

    @property
    def group_hindrance(self) -> str:
        """Which group keeps every threshold from its certificate; empty where none does."""
        return self._thresholds.hindrance(self.terms)

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
        """Starts again after a broken certificate: neither evidence nor claims of before speak for today."""
        self._thresholds.reset()
        self._certificates.clear()
        self._begin()

    def add(self, example: Example) -> tuple[Certificate, Crossing, str | None] | None:
        """Adds an example; the certificate that it breaks, if any, and in which group, None: in all together. The
        caller must then restart the lane."""
        for certificate in self._certificates.values():
            alarm = certificate.add(example)
            if alarm is not None:
                self.window.append(example)
                return certificate, *alarm
        if self._thresholds.add(example):
            self._begin()
        if not self.count:
            self.since = example.at
            self.start = self._starts.next(*self.name[:2], example.at)
        self.count += 1
        if example.gold is not None and example.gold.judged > self.gold.judged:
            self.gold = example.gold
        if example.pairs is not None and example.pairs.told > self.pairs.told:
            self.pairs = example.pairs
        self.window.append(example)
        self._open_work.add(example)
        self.rules.add(example)
        return None

    def look(self, delta: float, newest: Mapping[str, Answered], by: Grouping | None = None) -> None:
        """Takes in the terms of today. `delta`: the risk of either kind of claim; `newest`: by way to a person, what
        the desk has counted so far in the domain and model version; `by`: the groups that claims are to be about."""
        self.delta = delta
        self.answers = self._open_work.answers(newest)
        self.by = by
        self._thresholds.certify_by(by, self.window)
        self.rules.certify_by(by, self.window)

    def prove(self, types: Mapping[str, ColumnType], *, fresh: bool = True) -> None:
        """Brings `claims` up to date, under the terms of the latest look. `types`: of the attributes that the policy of
        the domain declares. `fresh`: also with new claims; else those that were made stay as far as they still hold."""
        proof = self._thresholds.proof(self.terms)
        threshold = None if proof is None else self._claim("threshold", f"{proof.threshold:.4f}", proof)
        if fresh or not self._laxer(threshold):
            self._threshold = threshold if fresh or self._is_known(threshold) else None
        rules = [self._claim("safe_rule", str(rule.pattern), rule) for rule in self.rules.prove(types, self.terms)]
        self._rules = tuple(claim for claim in rules if fresh or self._is_known(claim))
        for claim in self.claims:
            self._watch(claim)

    def _laxer(self, new: Claim | None) -> bool:
        """Whether it holds of all that the present one does, and of more."""
        old = self._threshold
        if old is None or old.proof is None or new is None or new.proof is None:
            return False
        return new.proof.threshold < old.proof.threshold

    def _is_known(self, claim: Claim | None) -> bool:
        return claim is not None and claim.proposal_id in self._certificates

    def _watch(self, claim: Claim) -> None:
        if claim.proposal_id in self._certificates:
            return
        self._certificates[claim.proposal_id] = Certificate(
            claim.proposal_id,
            claim.covers,
            self.alpha if claim.seen is None else claim.seen.limit,
            self._level,
            by=claim.by,
            since=self.window[-1].at,
        )

    def _claim(self, kind: str, covered: str, certified: ThresholdProof | CertifiedRule) -> Claim:
        seen = self.seen
        # A claim about the truth is another than one about what people see, and one about groups than about all.
        about = [covered, *(["in truth"] if seen else []), *([f"by {self.by}"] if self.by else [])]
        name = proposal_id(kind, *self.name, self.since, " ".join(about))
        return Claim(name, certified, seen, self.answers, self.by)
