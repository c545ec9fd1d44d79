"""Asks ClickHouse which reviewed decisions are nearest to one; `processors/review/similar.py` says what to make of it.

Candidates are decisions on which a person has said the first word (`reviewed` in `outcomes`): never what took effect
unseen, and never a gold item. The latest 20,000 of the domain are compared, so that time and memory stay bounded
however long the history is; a query that takes too long ends as any other of the analyst's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import KeyStore
from interlock.schemas.sealed_text import PREFIX
from interlock.sinks import nearest
from interlock.sinks.nearest import Distances
from interlock.sinks.opening import opened
from interlock.sinks.sealed_columns import KEY_COLUMN, OPENING, OPENING_FACTS

# Enough to find near ones among, and compared in 0.1 to 0.2 s by one thread, however long the history is.
MAX_CANDIDATES = 20_000
# Vectors of 200 numbers for as many candidates; of longer ones fewer are compared.
_MAX_NUMBERS = 200 * MAX_CANDIDATES
# Five attributes for as many candidates: each costs as much again, since all of a candidate's are searched for it.
_MAX_LOOKUPS = 5 * MAX_CANDIDATES
# Parameters travel in the address of the request, for which a server takes 1 MiB; a number has up to 24 characters.
MAX_VECTOR = 8_192

# Placed where SQL takes no parameter; nothing but texts of this module is put there.
_LATEST = """
        SELECT topic, toUInt32(partition), toUInt64(offset), decision_id
        FROM outcomes
        WHERE outcomes.reviewed AND domain = {domain:String} AND decision_id != {decision_id:String}
            AND at <= fromUnixTimestamp64Micro({now:Int64}) AND __ALIKE__
            AND kafka_timestamp >=
            (
                -- The hour from which on there are enough: it spares reading years of outcomes to sort them.
                SELECT max(hour)
                FROM
                (
                    SELECT hour, sum(sum(records)) OVER (ORDER BY hour DESC) AS since
                    FROM outcomes_by_hour
                    WHERE reviewed AND domain = {domain:String} AND hour <= fromUnixTimestamp64Micro({now:Int64})
                        AND __ALIKE__
                    GROUP BY hour
                )
                -- Twice as many, because the desk's clock and Kafka's cut hours differently.
                WHERE since > 2 * {candidates:UInt32}
            )
        ORDER BY at DESC
        LIMIT {candidates:UInt32}
"""

_ROUTED = f"""
    SELECT decision_id, routed_at, __COMPARED__
    FROM routed_decisions
    -- First the place, which is sorted, then what is compared of the rows that are left. The id too: a topic that was
    -- made anew has other decisions at the places of the old one.
    PREWHERE (kafka_topic, kafka_partition, kafka_offset, decision_id) IN
    ({_LATEST}    )
    WHERE error = '' AND __SEALED__
"""

_NEAREST = """
SELECT decision_id, 1 - distance AS similarity, count() OVER () AS compared
FROM
(__FACTS__)
WHERE isFinite(distance)
ORDER BY distance, routed_at DESC, decision_id
LIMIT {nearest:UInt32}
"""

_IN_CLEAR = _ROUTED.replace("__SEALED__", "subject_key = ''")

# A producer that encrypts puts the vector into `input`. That of all other decisions would be read for nothing.
_ENCRYPTED = f"if(startsWith(routed_decisions.input, '{PREFIX}'), routed_decisions.input, '')"

# With keys, cases are compared here: ClickHouse must not be told keys. `vector` stands among a row's content.
_TO_OPEN = _ROUTED.replace("__SEALED__", "true")
_VECTORS = _TO_OPEN.replace("__ALIKE__", "model_id = {model_id:String}").replace(
    "__COMPARED__", f"routed_decisions.vector AS vector, {_ENCRYPTED} AS input, {OPENING}"
)
_ATTRIBUTES = _TO_OPEN.replace("__ALIKE__", "true").replace(
    "__COMPARED__", f"attributes, {KEY_COLUMN}, {OPENING_FACTS}"
)

_BY_VECTOR = _NEAREST.replace(
    "__FACTS__",
    # Vectors of different models do not mean the same.
    _IN_CLEAR.replace("__ALIKE__", "model_id = {model_id:String}").replace(
        "__COMPARED__", "cosineDistance(vector, {vector:Array(Float32)}) AS distance"
    )
    + "        AND length(vector) = length({vector:Array(Float32)})\n",
)

# The distance of Gower (1971): the mean over the attributes, a word being the same or not, a number as far as it is
# away. He divides by the range; the middle nine tenths of the values stand for that here, so that one odd number does
# not make all others alike. What a candidate lacks is as far away as can be.
_BY_ATTRIBUTES = _NEAREST.replace(
    "__FACTS__",
    """
    SELECT *, (unequal + arraySum(arrayMap(
        (theirs, ours, ends) -> ifNull(
            if(ends[2] > ends[1], least(1, abs(theirs - ours) / (ends[2] - ends[1])), toFloat64(theirs != ours)), 1
        ),
        numbers, {numbers:Array(Float64)}, spread
    ))) / (length({words:Array(String)}) + length({numbers:Array(Float64)})) AS distance
    FROM
    (
    SELECT *, quantilesForEach(0.05, 0.95)(numbers) OVER () AS spread
    FROM
    (__ROUTED__)
    )
""",
).replace(
    "__ROUTED__",
    _IN_CLEAR.replace("__ALIKE__", "true").replace(
        "__COMPARED__",
        """
        arrayCount(
            (name, word) -> attributes[name] != word, {word_names:Array(String)}, {words:Array(String)}
        ) AS unequal,
        arrayMap(
            name -> if(isFinite(toFloat64OrNull(attributes[name]) AS number), number, NULL),
            {number_names:Array(String)}
        ) AS numbers""",
    ),
)

_BY_CONFIDENCE = _NEAREST.replace(
    "__FACTS__",
    _LATEST.replace("__ALIKE__", "model_id = {model_id:String} AND prediction = {prediction:String}").replace(
        "topic, toUInt32(partition), toUInt64(offset), decision_id",
        "decision_id, at AS routed_at, abs(confidence - {confidence:Float64}) AS distance",
    ),
)

# An appeal or an objection after the first word has the last one.
_LAST_WORDS = """
SELECT
    decision_id, any(model_id) AS model, any(outcomes.prediction) AS proposed, any(outcomes.confidence) AS sure,
    argMax(outcome, (at, kafka_offset)) AS last_word, toUnixTimestamp64Micro(max(at)) AS decided_at
FROM outcomes
WHERE decision_id IN {ids:Array(String)} AND domain = {domain:String} AND error = '' AND reviewer != ''
    AND at <= fromUnixTimestamp64Micro({now:Int64})
    AND (outcomes.reviewed OR (kind IN ('appeal', 'override') AND resolves))
GROUP BY decision_id
HAVING countIf(outcomes.reviewed) > 0
"""


@dataclass(frozen=True)
class NearCase:
    """A reviewed decision. `confidence`: the calibrated one. `outcome`: the last word of people, said at `decided_at`
    (microseconds since the epoch). `similarity`: 1 is the same."""

    decision_id: str
    model_id: str
    prediction: str
    confidence: float
    outcome: str
    decided_at: int
    similarity: float


@dataclass(frozen=True)
class Nearest:
    """The nearest first. `compared`: how many candidates there were."""

    rows: tuple[NearCase, ...]
    compared: int


@dataclass(frozen=True)
class SimilarCaseQueries:
    """Looks for the cases nearest to one decision of a domain, decided up to `now` (microseconds since the epoch).

    `client`: of the read-only analyst. `keys`: open the cases that are sealed; without them those are left out. Methods
    raise ClickHouseError.
    """

    client: Client
    decision_id: str
    domain: str
    now: int
    nearest: int
    keys: KeyStore | None = None

    def by_vector(self, model_id: str, vector: Sequence[float]) -> Nearest:
        """By the angle between vectors, of the same model and of the same length only. None for very long ones."""
        if not 0 < len(vector) <= MAX_VECTOR:
            return Nearest((), 0)
        candidates = min(MAX_CANDIDATES, _MAX_NUMBERS // len(vector))
        if self.keys is not None:
            rows = self._opened(self.keys, _VECTORS, candidates, {"model_id": model_id})
            return self._nearest(rows, nearest.by_vector([row["vector"] for row in rows], vector))
        return self._find(_BY_VECTOR, candidates, {"model_id": model_id, "vector": list(vector)})

    def by_attributes(self, words: Mapping[str, str], numbers: Mapping[str, float]) -> Nearest:
        """By attributes, of which words are equal or not and numbers are near or far."""
        compared = {
            "word_names": list(words),
            "words": list(words.values()),
            "number_names": list(numbers),
            "numbers": list(numbers.values()),
        }
        names = len(words) + len(numbers)
        candidates = min(MAX_CANDIDATES, max(_MAX_LOOKUPS // max(names, 1), self.nearest))
        if self.keys is not None:
            rows = self._opened(self.keys, _ATTRIBUTES, candidates, {})
            return self._nearest(rows, nearest.by_attributes([row["attributes"] for row in rows], words, numbers))
        return self._find(_BY_ATTRIBUTES, candidates, compared)

    def by_confidence(self, model_id: str, prediction: str, confidence: float) -> Nearest:
        """By calibrated confidence, among the cases for which the same model had proposed the same."""
        alike = {"model_id": model_id, "prediction": prediction, "confidence": confidence}
        return self._find(_BY_CONFIDENCE, MAX_CANDIDATES, alike)

    def _opened(self, keys: KeyStore, query: str, candidates: int, compared: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The candidates, but for those that cannot be read."""
        asked = {**self._scope, "candidates": candidates, **compared}
        read = opened(keys, "routed_decisions", self.client.query(query, parameters=asked).named_results())
        lost = set(read.unreadable)
        return [row for row in read.rows if row["decision_id"] not in lost]

    def _nearest(self, rows: Sequence[Mapping[str, Any]], distances: Distances) -> Nearest:
        near = [index for index in range(len(rows)) if isfinite(distances[index])]
        near.sort(
            key=lambda index: (distances[index], -rows[index]["routed_at"].timestamp(), rows[index]["decision_id"])
        )
        found = [
            {"decision_id": rows[index]["decision_id"], "similarity": 1 - float(distances[index])}
            for index in near[: self.nearest]
        ]
        return self._with_last_words(found, len(near))

    @property
    def _scope(self) -> dict[str, Any]:
        return {"decision_id": self.decision_id, "domain": self.domain, "now": self.now}

    def _find(self, query: str, candidates: int, compared: Mapping[str, Any]) -> Nearest:
        asked = {**self._scope, "candidates": candidates, "nearest": self.nearest, **compared}
        found = list(self.client.query(query, parameters=asked).named_results())
        return self._with_last_words(found, found[0]["compared"] if found else 0)

    def _with_last_words(self, found: Sequence[Mapping[str, Any]], compared: int) -> Nearest:
        if not found:
            return Nearest((), 0)
        ids = [row["decision_id"] for row in found]
        words = {
            row["decision_id"]: row
            for row in self.client.query(_LAST_WORDS, parameters={**self._scope, "ids": ids}).named_results()
        }
        rows = tuple(
            NearCase(
                decision_id=row["decision_id"],
                model_id=word["model"],
                prediction=word["proposed"],
                confidence=word["sure"],
                outcome=word["last_word"],
                decided_at=word["decided_at"],
                similarity=row["similarity"],
            )
            for row in found
            if (word := words.get(row["decision_id"])) is not None
        )
        return Nearest(rows, compared)
