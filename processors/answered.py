"""How much of what was chosen for people is answered, over the evidence about one model version and lately."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping
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

# Verdicts of a model version that are "lately": as many as a recalibration is fitted to. Where two fifths take effect
# and 5 % of these are audited, some 64 are audits: 13 that nobody does are told, and of a team that answers nine tenths
# chance alone says so once in a hundred times.
LATELY = 2_000

# Verdicts between two counts that are kept to tell what "lately" begins with.
_STEP = 100

# A domain and a way.
Way = tuple[str, str]


class TallyTable:
    """The newest records of `reviews.tallies`: what no verdict tells, such as of audits that nobody ever did."""

    def __init__(self) -> None:
        self._told: dict[str, dict[Way, tuple[int, Answered]]] = {}
        self._watermarks: dict[str, int] = {}

    def apply(self, value: bytes | None) -> None:
        """Applies a record; one that cannot be read changes nothing."""
        try:
            record = wire.decode_plain("Tally", value)
        except wire.WireError:
            return
        model = f"{record['model_id']}@{record['model_version']}"
        told = record["at"], Answered(record["settled"], record["judged"])
        self._told.setdefault(model, {})[record["domain"], record["way"]] = told
        self._watermarks[model] = max(record["settled_before"], self._watermarks.get(model, 0))

    def answered(self, model: str, now: int) -> dict[Way, Answered]:
        """What was answered of `model` (model_id@model_version) by domain and way. What the desk has told after `now`
        is left out: a fold that repeats old records must not know what came later."""
        return {way: answered for way, (at, answered) in self._told.get(model, {}).items() if at <= now}

    def watermark(self, model: str) -> int:
        """Every task of the model version that arrived before it is settled."""
        return self._watermarks.get(model, 0)


class AnsweredWays:
    """What was answered on every way of one model version: since its evidence began, and lately.

    Both matter. A good past must not hide that nobody answers now, and a backlog of long ago must not hide that all is
    answered since. The numbers are those that verdicts tell; of a way that has fallen silent the table tells.
    """

    def __init__(self, tallies: TallyTable, model: str) -> None:
        """`model`: model_id@model_version. `tallies` may change between two calls."""
        self._tallies = tallies
        self._model = model
        self._told: dict[Way, Answered] = {}
        self._verdicts: Counter[Way] = Counter()
        self._decisions: defaultdict[Way, float] = defaultdict(float)
        self._count = 0
        self._earlier: deque[Mapping[Way, Answered]] = deque([{}], maxlen=LATELY // _STEP)
        self._begun: Mapping[Way, Answered] = {}

    def observe(self, record: Mapping[str, Any], now: int) -> None:
        """Takes in a sample: an `Outcome`, or the `TrainingExample` made of one."""
        key = record["domain"], record.get("way") or way(record)
        self._verdicts[key] += 1
        self._decisions[key] += 1 / record["propensity"]
        if record["way_settled"] is not None:
            told = Answered(record["way_settled"], record["way_judged"])
            self._told[key] = told.later_of(self._told.get(key, told))
        self._count += 1
        if self._count % _STEP == 0:
            self._earlier.append(self.newest(now))

    def newest(self, now: int) -> dict[Way, Answered]:
        """What was answered since the model version began, by domain and way."""
        table = self._tallies.answered(self._model, now)
        none = Answered(0, 0)
        return {key: self._told.get(key, none).later_of(table.get(key, none)) for key in self._told | table}

    def begin_anew(self, now: int) -> None:
        """The evidence begins now."""
        self._begun = self.newest(now)

    def since_begun(self, now: int) -> dict[Way, Answered]:
        """Since the evidence began."""
        return _since(self._begun, self.newest(now))

    def missing(self, minimum: float, now: int, domain: str | None = None) -> tuple[str, ...]:
        """Of which ways too little is answered since the evidence began, in words: in all domains or in one. Those left
        out that make up next to nothing."""
        return self._missing(self._begun, minimum, now, domain)

    def missing_lately(self, minimum: float, now: int, domain: str | None = None) -> tuple[str, ...]:
        """The same over the latest verdicts of the model version, LATELY at most."""
        return self._missing(self._earlier[0], minimum, now, domain)

    def _missing(self, before: Mapping[Way, Answered], minimum: float, now: int, domain: str | None) -> tuple[str, ...]:
        spans = _since(before, self.newest(now))
        mine = {key: span for key, span in spans.items() if domain in (None, key[0])}
        return missing_of(mine, {key: self._weight(key) for key in mine}, minimum)

    def _weight(self, key: Way) -> float:
        """For how many decisions one of this way stands."""
        if self._verdicts[key]:
            return self._decisions[key] / self._verdicts[key]
        return UNJUDGED_AUDIT if key[1] == AUDIT else 1.0


def missing_of(spans: Mapping[Way, Answered], weights: Mapping[Way, float], minimum: float) -> tuple[str, ...]:
    """Of which ways too little is answered, in words; those left out that make up next to nothing. `weights`: for how
    many decisions one of each way stands."""
    unanswered: defaultdict[str, float] = defaultdict(float)
    for key, span in spans.items():
        unanswered[key[1]] += max(0, span.settled - span.judged) * weights[key]
    total = sum(span.settled * weights[key] for key, span in spans.items())
    ways = by_way(spans.items())
    matters = {name: ways[name] for name in ways if unanswered[name] >= LEAST * total > 0}
    return answered.missing(matters, minimum)


def by_way(spans: Iterable[tuple[Way, Answered]]) -> dict[str, Answered]:
    """The same over all domains."""
    found: dict[str, Answered] = {}
    for (_, name), span in spans:
        found[name] = found.get(name, Answered(0, 0)) + span
    return found


def _since(before: Mapping[Way, Answered], now: Mapping[Way, Answered]) -> dict[Way, Answered]:
    return {key: span - before.get(key, Answered(0, 0)) for key, span in now.items()}
