"""How much of what was chosen for people is answered, over the evidence about one model version."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from interlock.learning import answered
from interlock.learning.answered import Answered
from interlock.processors.outcomes import AUDIT, way
from interlock.schemas import wire

# A way whose unanswered decisions are fewer than this share of all decisions of the model version does not matter: were
# all of them wrong, the rate of all would move by less than a hundredth.
LEAST = 0.01

# For how many decisions an audit stands where nobody has judged any, so that its π is not known: as at a rate of 5 %.
UNJUDGED_AUDIT = 20.0

# A domain and a way.
_Way = tuple[str, str]


class TallyTable:
    """The newest records of `reviews.tallies`: what no verdict tells, such as of audits that nobody ever did."""

    def __init__(self) -> None:
        self._settled: dict[str, dict[_Way, int]] = {}
        self._watermarks: dict[str, int] = {}

    def apply(self, value: bytes | None) -> None:
        """Applies a record; one that cannot be read changes nothing."""
        try:
            record = wire.decode_plain("Tally", value)
        except wire.WireError:
            return
        model = f"{record['model_id']}@{record['model_version']}"
        self._settled.setdefault(model, {})[record["domain"], record["way"]] = record["settled"]
        self._watermarks[model] = max(record["settled_before"], self._watermarks.get(model, 0))

    def settled(self, model: str) -> Mapping[_Way, int]:
        """By domain and way, how many decisions of `model` (model_id@model_version) are not waited for any more."""
        return self._settled.get(model, {})

    def watermark(self, model: str) -> int:
        """Every task of the model version that arrived before it is settled."""
        return self._watermarks.get(model, 0)


class AnsweredWays:
    """What was answered on every way of one model version.

    The numbers are those that the counted verdicts tell, so that a replay reaches the same. Of a way without any the
    table tells how many decisions are settled; none of them counts as judged.
    """

    def __init__(self) -> None:
        self._newest: dict[_Way, Answered] = {}
        self._verdicts: Counter[_Way] = Counter()
        self._decisions: defaultdict[_Way, float] = defaultdict(float)

    def observe(self, record: Mapping[str, Any]) -> None:
        """Takes in a sample: an `Outcome`, or the `TrainingExample` made of one."""
        key = record["domain"], record.get("way") or way(record)
        self._verdicts[key] += 1
        self._decisions[key] += 1 / record["propensity"]
        if record["way_settled"] is None:
            return
        known = self._newest.get(key, Answered(0, 0))
        self._newest[key] = Answered(max(known.settled, record["way_settled"]), max(known.judged, record["way_judged"]))

    def ways(self, settled: Mapping[_Way, int] | None = None, domain: str | None = None) -> dict[str, Answered]:
        """By way, in all domains or in one. `settled`: what the table tells."""
        found: dict[str, Answered] = {}
        for key, answered_so_far in self._all(settled, domain).items():
            found[key[1]] = found.get(key[1], Answered(0, 0)) + answered_so_far
        return found

    def missing(
        self, minimum: float, settled: Mapping[_Way, int] | None = None, domain: str | None = None
    ) -> tuple[str, ...]:
        """Of which ways too little is answered, in words; those left out that make up next to nothing."""
        unanswered: defaultdict[str, float] = defaultdict(float)
        total = 0.0
        for key, so_far in self._all(settled, domain).items():
            weight = self._weight(key)
            total += so_far.settled * weight
            unanswered[key[1]] += max(0, so_far.settled - so_far.judged) * weight
        matters = {name for name, decisions in unanswered.items() if decisions >= LEAST * total > 0}
        ways = self.ways(settled, domain)
        return answered.missing({name: ways[name] for name in ways if name in matters}, minimum)

    def _weight(self, key: _Way) -> float:
        """For how many decisions one of this way stands."""
        if self._verdicts[key]:
            return self._decisions[key] / self._verdicts[key]
        return UNJUDGED_AUDIT if key[1] == AUDIT else 1.0

    def _all(self, settled: Mapping[_Way, int] | None, domain: str | None) -> dict[_Way, Answered]:
        unjudged = {key: Answered(count, 0) for key, count in (settled or {}).items() if key not in self._newest}
        return {key: value for key, value in (self._newest | unjudged).items() if domain in (None, key[0])}
