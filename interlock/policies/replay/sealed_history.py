"""History whose facts are sealed under the keys of subjects: opened here, because ClickHouse never gets a key, and
evaluated by the same code as in the stream.

Rows come in blocks of ClickHouse, some 65,000 at most, and stay columns: only the decryption is done row by row.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pyarrow as pa

from interlock.encryption.keys import KeyStore
from interlock.encryption.sealing import Cipher, DamagedError
from interlock.policy.attribute_groups import group_of
from interlock.policy.attributes import from_strings
from interlock.policy.compiled import CompiledPolicy
from interlock.policy.model import Policy
from interlock.sinks.sealed_columns import ERASED, FACTS_COLUMN, KEY_COLUMN, facts_place

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# Between the texts of a list that is passed as one text: no id of a rule or reason has it.
SEPARATOR = "\0"

# What a row without sealed facts says.
_NO_FACTS = b"{}"

# The facts that are columns of their own; a decision that says nothing of them says the empty text.
_TOLD = ("subject_id", "impact")

# Where the facts of a row are sealed, by `is_shadow`; the id of the decision follows.
_PLACES = (facts_place("routed_decisions", ""), facts_place("shadow_decisions", ""))


# A subject has decisions all over the range. What a key costs to fetch and to prepare is spent once for so many.
_MAX_CIPHERS = 100_000


class Group(NamedTuple):
    """Decisions of one kind of the candidate that history says the same of. `of_group`: an attribute and its value."""

    key: int
    values: tuple[Any, ...]
    of_group: tuple[str, str]
    decisions: int
    reviews: int
    example: str


class SealedHistory:
    """Reads sealed rows. `unreadable`: how many of the latest query were not opened, because their key is missing or
    erased, or is not the one of the ciphertext."""

    def __init__(self, client: "Client", keys: KeyStore, policy: CompiledPolicy) -> None:
        self._client = client
        self._keys = keys
        self._policy = policy
        self._facts = pl.Struct(
            {
                **dict.fromkeys(_TOLD, pl.String),
                # Polars knows no struct without fields.
                **({"attributes": pl.Struct(dict.fromkeys(policy.attributes, pl.String))} if policy.attributes else {}),
            }
        )
        self._ciphers: dict[str, Cipher | None] = {}
        self.unreadable = 0

    def groups(self, query: str, names: Sequence[str], *, of_groups: bool) -> Iterator[Group]:
        """What `query`, as `query.sealed_rows` writes it, gives. `names`: of what history says. `of_groups`: once for
        every group of the policy that a decision belongs to, besides the one of all."""
        self.unreadable = 0
        counted: dict[tuple[Any, ...], tuple[int, int, str]] = {}
        with self._client.query_arrow_stream(query, use_strings=True) as blocks:
            for block in blocks:
                for *place, decisions, reviews, example in self._counted(block, names, of_groups=of_groups):
                    before = counted.get(tuple(place), (0, 0, example))
                    counted[tuple(place)] = (before[0] + decisions, before[1] + reviews, min(before[2], example))
        for (key, attribute, value, *values), (decisions, reviews, example) in counted.items():
            yield Group(key, tuple(values), (attribute, value), decisions, reviews, example)

    def _counted(self, block: pa.RecordBatch, names: Sequence[str], *, of_groups: bool) -> Iterable[tuple[Any, ...]]:
        facts = self._opened(block)
        readable = facts.is_not_null()
        self.unreadable += facts.null_count()
        if not readable.any():
            return
        frame = pl.DataFrame(pl.from_arrow(block.drop_columns([FACTS_COLUMN, KEY_COLUMN]))).filter(readable)
        known = facts.filter(readable).str.json_decode(self._facts).struct.unnest()
        attributes = known["attributes"].struct.unnest() if self._policy.attributes else pl.DataFrame()
        index, keys = self._policy.kinds_of(self._typed(frame, known, attributes))
        said = frame.select("domain", "decision_id", "reviews", *names).with_columns(pl.Series("kind", index))
        said = _with_groups(said, self._policy.policy, attributes, wanted=of_groups)
        grouped = said.group_by("kind", "attribute", "value", *names).agg(
            pl.len().alias("count"), pl.col("reviews").sum().alias("seen"), pl.col("decision_id").min().alias("example")
        )
        for kind, *rest in grouped.iter_rows():
            yield (keys[kind], *rest)

    def _opened(self, block: pa.RecordBatch) -> pl.Series:
        """The facts of every row as JSON, as the sink sealed them; None where they cannot be read."""
        named = block[KEY_COLUMN].dictionary_encode()
        names = named.dictionary.to_pylist()
        ciphers = self._ciphers_of(names)
        erased = [name == ERASED for name in names]
        # The ciphertext is no text, whatever ClickHouse calls it.
        sealed, ids = (block[name].cast(pa.binary()).to_pylist() for name in (FACTS_COLUMN, "decision_id"))
        facts: list[bytes | None] = []
        for key, text, decision_id, is_shadow in zip(
            named.indices.to_pylist(), sealed, ids, block["is_shadow"].to_pylist(), strict=True
        ):
            cipher = ciphers[key]
            if not text:
                facts.append(None if erased[key] else _NO_FACTS)
            elif cipher is None:
                facts.append(None)
            else:
                try:
                    facts.append(cipher.open(text, _PLACES[is_shadow] + decision_id))
                except DamagedError:
                    facts.append(None)
        return pl.Series(facts, dtype=pl.Binary).cast(pl.String)

    def _ciphers_of(self, key_ids: Sequence[str]) -> list[Cipher | None]:
        """One for each key; None for those that are missing or erased."""
        if len(self._ciphers) > _MAX_CIPHERS:
            self._ciphers.clear()
        missing = set(key_ids) - self._ciphers.keys() - {"", ERASED}
        found = self._keys.open_keys(missing) if missing else {}
        self._ciphers |= {name: Cipher(found[name]) if name in found else None for name in missing}
        return [self._ciphers.get(name) for name in key_ids]

    def _typed(self, frame: pl.DataFrame, known: pl.DataFrame, attributes: pl.DataFrame) -> pl.DataFrame:
        """The frame with its facts in the place of what is empty in sealed rows, as conditions expect them."""
        told = known.select(pl.col(_TOLD).fill_null(""))
        texts = attributes.get_columns()
        typed = from_strings(texts, self._policy.attributes, self._policy.asked_attributes) if texts else []
        return frame.drop(_TOLD).hstack([*told, *typed])


def _with_groups(said: pl.DataFrame, policy: Policy, attributes: pl.DataFrame, *, wanted: bool) -> pl.DataFrame:
    """One row for every group of a decision: the one of all, and if `wanted` those of its domain."""
    everybody = said.with_columns(pl.lit("").alias("attribute"), pl.lit("").alias("value"))
    if not wanted:
        return everybody
    parts = [everybody]
    for name, domain in policy.domains.items():
        for group, cuts in domain.group_cuts.items():
            texts = attributes[group].unique()
            names = [group_of(text, cuts) for text in texts]
            value = attributes[group].replace_strict(texts, names, return_dtype=pl.String).alias("value")
            mine = said.with_columns(pl.lit(group).alias("attribute"), value)
            parts.append(mine.filter(pl.col("domain") == name))
    return pl.concat(parts)
