"""History whose facts are sealed under the keys of subjects: opened here, because ClickHouse never gets a key, and
evaluated by the same code as in the stream."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pyarrow as pa

from interlock.encryption.keys import KeyStore
from interlock.encryption.sealing import Cipher, DamagedError
from interlock.policy.attributes import from_strings
from interlock.policy.compiled import CompiledPolicy
from interlock.policy.model import Policy
from interlock.sinks.sealed_columns import ERASED, FACTS_COLUMN, KEY_COLUMN, facts_place

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

_TABLES = {False: "routed_decisions", True: "shadow_decisions"}

# Between the texts of a list that is passed as one text: no id of a rule or reason has it.
SEPARATOR = "\0"


class Group(NamedTuple):
    """Decisions of one kind of the candidate that history says the same of. `of_group`: an attribute and its value."""

    key: int
    values: tuple[Any, ...]
    of_group: tuple[str, str]
    decisions: int
    reviews: int
    example: str


class SealedHistory:
    """Reads sealed rows. `unreadable`: how many could not be opened so far, because their key is missing or erased."""

    def __init__(self, client: "Client", keys: KeyStore, policy: CompiledPolicy) -> None:
        self._client = client
        self._keys = keys
        self._policy = policy
        self.unreadable = 0

    def groups(self, query: str, names: Sequence[str], *, of_groups: bool) -> Iterator[Group]:
        """What `query`, as `query.sealed_rows` writes it, gives. `names`: of what history says. `of_groups`: once for
        every group of the policy that a decision belongs to, besides the one of all."""
        counted: dict[tuple[Any, ...], tuple[int, int, str]] = {}
        with self._client.query_arrow_stream(query, use_strings=False) as tables:
            for table in tables:
                for *place, decisions, reviews, example in self._counted(table, names, of_groups=of_groups):
                    before = counted.get(tuple(place), (0, 0, example))
                    counted[tuple(place)] = (before[0] + decisions, before[1] + reviews, min(before[2], example))
        for (key, attribute, value, *values), (decisions, reviews, example) in counted.items():
            yield Group(key, tuple(values), (attribute, value), decisions, reviews, example)

    def _counted(self, table: pa.Table, names: Sequence[str], *, of_groups: bool) -> Iterable[tuple[Any, ...]]:
        facts = self._opened(table)
        readable = [known is not None for known in facts]
        self.unreadable += len(facts) - sum(readable)
        known = [fact for fact in facts if fact is not None]
        if not known:
            return
        frame = _texts(pl.DataFrame(pl.from_arrow(table.drop_columns([FACTS_COLUMN]))).filter(pl.Series(readable)))
        index, keys = self._policy.kinds_of(self._typed(frame, known))
        said = frame.select("decision_id", "reviews", *names).with_columns(pl.Series("kind", index))
        said = _with_groups(said, self._policy.policy, frame["domain"].to_list(), known, wanted=of_groups)
        grouped = said.group_by("kind", "attribute", "value", *names).agg(
            pl.len().alias("count"), pl.col("reviews").sum().alias("seen"), pl.col("decision_id").min().alias("example")
        )
        for kind, *rest in grouped.iter_rows():
            yield (keys[kind], *rest)

    def _opened(self, table: pa.Table) -> list[Mapping[str, Any] | None]:
        """The facts of every row; None where they cannot be read."""
        names = [name.decode() for name in table[KEY_COLUMN].to_pylist()]
        found = self._keys.open_keys(set(names) - {"", ERASED})
        ciphers = {name: Cipher(key) for name, key in found.items()}
        columns = (table[name].to_pylist() for name in (FACTS_COLUMN, "decision_id", "is_shadow"))
        return [_facts(name, ciphers.get(name), *row) for name, *row in zip(names, *columns, strict=True)]

    def _typed(self, frame: pl.DataFrame, facts: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        """The frame with its facts in the place of what is empty in sealed rows, as conditions expect them."""
        attributes = [fact.get("attributes", {}) for fact in facts]
        texts = [
            pl.Series(name, [given.get(name) for given in attributes], pl.String) for name in self._policy.attributes
        ]
        told = ("subject_id", "impact")
        plain = [pl.Series(name, [fact.get(name, "") for fact in facts], pl.String) for name in told]
        typed = from_strings(texts, self._policy.attributes, self._policy.asked_attributes) if texts else []
        return frame.drop(told).hstack([*plain, *typed])


def _facts(
    key_id: str, cipher: Cipher | None, sealed: bytes, decision_id: bytes, is_shadow: bool
) -> Mapping[str, Any] | None:
    if key_id == ERASED:
        return None
    if not sealed:
        return {}
    if cipher is None:
        return None
    try:
        facts: dict[str, Any] = json.loads(cipher.open(sealed, facts_place(_TABLES[is_shadow], decision_id.decode())))
    except DamagedError:
        return None
    return facts


def _texts(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with texts in the place of bytes; what is no UTF-8 matches no name of a policy."""
    binary = [name for name, kind in frame.schema.items() if kind == pl.Binary]
    return frame.with_columns(
        pl.Series(name, [None if value is None else value.decode(errors="replace") for value in frame[name]], pl.String)
        for name in binary
    )


def _with_groups(
    said: pl.DataFrame, policy: Policy, domains: Sequence[str], facts: Sequence[Mapping[str, Any]], *, wanted: bool
) -> pl.DataFrame:
    """One row for every group of a decision: the one of all, and if `wanted` those of its domain."""
    everybody = said.with_columns(pl.lit("").alias("attribute"), pl.lit("").alias("value"))
    if not wanted:
        return everybody
    parts = [everybody]
    for name, domain in policy.domains.items():
        rows = pl.Series([of == name for of in domains])
        for group in domain.groups:
            values = pl.Series("value", [fact.get("attributes", {}).get(group, "") for fact in facts], pl.String)
            mine = said.with_columns(pl.lit(group).alias("attribute"), values).filter(rows)
            parts.append(mine.select(everybody.columns))
    return pl.concat(parts)
