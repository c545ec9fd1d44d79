"""What is known of people's own errors in a domain, and the rates that people without errors would have found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from interlock.learning.double_reviews import PairCounts
from interlock.learning.estimates import Estimate, Target
from interlock.learning.insufficient_data import InsufficientDataError
from interlock.learning.reviewer_errors import GoldItems, corrected, if_missed

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# How people judged items whose answer is known; see `learning.reviewer_errors.GoldItems`.
_GOLD = """SELECT
    domain,
    countIf(prediction != gold_outcome), countIf(prediction != gold_outcome AND outcome != prediction),
    countIf(prediction = gold_outcome), countIf(prediction = gold_outcome AND outcome = prediction)
FROM outcomes
WHERE error = '' AND kind = 'gold' AND NOT seeded AND outcomes.reviewer != ''
GROUP BY domain"""

# What decisions that two people judged show of them; see `learning.double_reviews.PairCounts`.
_PAIRS = """SELECT domain, errors_found_by_both, errors_found_by_one, changed_by_mistake, left_by_both
FROM errors_found_by_two"""


@dataclass(frozen=True)
class InTruth:
    """A rate, or a number, of errors with its 95 % interval.

    `known`: corrected for what people are known to miss and to change by mistake; otherwise what follows if they miss a
    fifth of errors.
    """

    value: float
    low: float
    high: float
    known: bool

    def times(self, number: float) -> "InTruth":
        """Of so many decisions."""
        return InTruth(self.value * number, self.low * number, self.high * number, self.known)


@dataclass(frozen=True)
class KnownErrors:
    """Of the people of one domain."""

    items: GoldItems = field(default_factory=GoldItems)
    pairs: PairCounts = field(default_factory=PairCounts)

    def in_truth(self, value: float, low: float, high: float, decisions: int, verdicts: int) -> InTruth:
        """What the rate is that people see as `value`, between `low` and `high` at 95 %, of so many decisions and from
        so many verdicts."""
        seen = Estimate("strata", Target.THESE, value, 0.0, low, high, decisions, verdicts)
        try:
            found = corrected(seen, self.items, pairs=self.pairs)
        except InsufficientDataError:
            return InTruth(if_missed(value), if_missed(low), if_missed(high), known=False)
        return InTruth(found.value, found.low, found.high, known=True)


def known_errors(client: "Client") -> Mapping[str, KnownErrors]:
    """By domain; one of which nothing is known may be missing. Raises ClickHouseError."""
    items = {domain: GoldItems(*counts) for domain, *counts in client.query(_GOLD).result_rows}
    pairs = {domain: PairCounts(*counts) for domain, *counts in client.query(_PAIRS).result_rows}
    return {
        domain: KnownErrors(items.get(domain, GoldItems()), pairs.get(domain, PairCounts()))
        for domain in items.keys() | pairs.keys()
    }
