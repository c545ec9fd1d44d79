"""What the trial of a candidate has shown so far: how it and the version in force would route the same decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from interlock.schemas.times import moment

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# From least to most human, as tables show them; shadow: the decision would have had no effect.
ROUTES = ("auto", "async", "sync", "manual", "shadow")

# A copy for review and a decision that came twice are counted once.
_CELLS = """
SELECT live_route, candidate_route, uniqExact(decision_id) AS decisions,
    uniqExactIf(decision_id, policy_version = candidate_version) AS by_candidate
FROM routed_decisions
WHERE candidate_version = {version:String} AND routed_at >= fromUnixTimestamp64Micro({since:Int64})
GROUP BY live_route, candidate_route
ORDER BY live_route, candidate_route
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """`decisions` that the version in force routes to `live` and the candidate to `candidate`; the candidate itself
    has decided `by_candidate` of them."""

    live: str
    candidate: str
    decisions: int
    by_candidate: int


@dataclass(frozen=True, slots=True)
class Observed:
    """The matrix of a trial since it began (`since`: microseconds since the epoch)."""

    since: int
    cells: Sequence[Cell] = ()

    @property
    def decisions(self) -> int:
        """On how many decisions the candidate was asked."""
        return sum(cell.decisions for cell in self.cells)

    @property
    def by_candidate(self) -> int:
        """How many of them it has decided."""
        return sum(cell.by_candidate for cell in self.cells)

    @property
    def changed(self) -> int:
        """On how many the two differ."""
        return sum(cell.decisions for cell in self.cells if cell.live != cell.candidate)

    def facts(self, now: int) -> dict[str, Any]:
        """For records and `--json`."""
        return {
            "since": moment(self.since).isoformat(timespec="seconds"),
            "until": moment(now).isoformat(timespec="seconds"),
            "decisions": self.decisions,
            "by_candidate": self.by_candidate,
            "changed": self.changed,
            "matrix": [
                {
                    "live": cell.live,
                    "candidate": cell.candidate,
                    "decisions": cell.decisions,
                    "by_candidate": cell.by_candidate,
                }
                for cell in self.cells
            ],
        }


def observe(client: "Client", trial: Mapping[str, Any]) -> Observed:
    """What a candidate (its record) has shown since its trial began. Raises ClickHouseError."""
    parameters = {"version": trial["version"], "since": trial["published_at"]}
    rows = client.query(_CELLS, parameters=parameters).result_rows
    return Observed(trial["published_at"], tuple(Cell(*row) for row in rows))
