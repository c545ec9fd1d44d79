"""Rows sealed on their way into ClickHouse; `sealed_columns` says which columns, `opening` opens them again.

A row has up to two ciphertexts, both of JSON objects: the facts that rules may use, and the content. Where neither has
anything the row names no key, and none is made: most records of the review side say nothing in free words.
"""

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from interlock.encryption.keys import KeyStore, Owner, SubjectKey, decision, subject
from interlock.encryption.sealing import Cipher
from interlock.schemas import sealed_text
from interlock.sinks.arrow import empty
from interlock.sinks.sealed_columns import (
    COLUMNS,
    ERASED,
    FACTS_COLUMN,
    KEY_COLUMN,
    SEALED_COLUMN,
    TableColumns,
    as_id,
    facts_place,
    place,
)


def sealed(store: KeyStore, table: str, rows: pa.Table) -> pa.Table:
    """`rows` with their sealed columns encrypted, each row under the key of its subject.

    What belongs to a decision that was erased is left out. Raises what the store raises.
    """
    rule = COLUMNS[table]
    if not rule.sealed or not len(rows):
        return rows
    names = [as_id(value) for value in rows[rule.decision].to_pylist()]
    content, facts = _texts(rows, rule.content), _texts(rows, rule.facts)
    owners = _owners(store, rows, rule, names)
    filled = [text is not None or known is not None for text, known in zip(content, facts, strict=True)]
    erased = store.erased_of(names) if any(filled) else frozenset[str]()
    # In the order of the rows: a set has another one in every process.
    asked = dict.fromkeys(
        owner for owner, name, full in zip(owners, names, filled, strict=True) if full and name not in erased
    )
    found = store.keys_for([owner for owner in asked if isinstance(owner, Owner)])
    keys: dict[Owner | SubjectKey, SubjectKey] = {key: key for key in asked if isinstance(key, SubjectKey)}
    ciphers = {owner: Cipher(key) for owner, key in (keys | dict(found)).items()}
    key_ids, texts, maps = [], [], []
    for owner, name, text, known, full in zip(owners, names, content, facts, filled, strict=True):
        # Erased a moment ago, if neither the store said so nor gave a key.
        cipher = ciphers.get(owner) if full and name not in erased else None
        key_ids.append(cipher.key_id if cipher is not None else ERASED if full else "")
        texts.append(b"" if cipher is None or text is None else cipher.seal(text, place(table, name)))
        maps.append(b"" if cipher is None or known is None else cipher.seal(known, facts_place(table, name)))
    rows = rows.drop_columns([name for name in rule.sealed if name in rows.column_names])
    rows = rows.append_column(KEY_COLUMN, pa.array(key_ids, pa.string()))
    rows = rows.append_column(SEALED_COLUMN, pa.array(texts, pa.binary()))
    return rows.append_column(FACTS_COLUMN, pa.array(maps, pa.binary())) if rule.facts else rows


def _owners(store: KeyStore, rows: pa.Table, rule: TableColumns, names: list[str]) -> list[Owner | SubjectKey]:
    """Whose key seals a row; of a subject whom the producer has encrypted the key itself, which its text names.

    Where that key is no more, or of another store, the decision stands in: nobody can tell the subject.
    """
    if rule.subject not in rows.column_names:
        return [decision(name) for name in names]
    subjects = rows[rule.subject].to_pylist()
    encrypted = {of: parts[0] for of in subjects if (parts := sealed_text.parts(of)) is not None}
    found = store.open_keys(set(encrypted.values())) if encrypted else {}
    keys = {of: found.get(key_id) for of, key_id in encrypted.items()}
    return [
        decision(name) if not of else (keys[of] or decision(name)) if of in keys else subject(of)
        for of, name in zip(subjects, names, strict=True)
    ]


def _texts(rows: pa.Table, names: Sequence[str]) -> list[bytes | None]:
    """The JSON of every row's columns `names`; None where all of them are empty."""
    present = [name for name in names if name in rows.column_names]
    if not present:
        return [None] * len(rows)
    columns = rows.select(present)
    nothing = pa.table([pa.array([empty(field)], field.type) for field in columns.schema], schema=columns.schema)
    # With the row that says nothing behind: equal text is how the others are told that say nothing either.
    texts = _json(pa.concat_tables([columns, nothing]))
    said = texts.head(len(rows)).to_frame("text").select(pl.when(pl.col("text") != texts[-1]).then(pl.col("text")))
    encoded: list[bytes | None] = said.to_series().cast(pl.Binary).to_list()
    return encoded


def _json(columns: pa.Table) -> pl.Series:
    """Every row as a JSON object: times in ISO 8601, bytes as hexadecimal digits, numbers that are not finite as null.

    Polars writes it, a few microseconds a row; Python's own encoder takes several times that.
    """
    frame = pl.DataFrame(pl.from_arrow(columns))
    bytewise = [_digits(name, kind) for name, kind in frame.schema.items()]
    frame = frame.with_columns([digits for digits in bytewise if digits is not None])
    return frame.select(pl.struct(pl.all()).struct.json_encode()).to_series()


def _digits(name: str, kind: pl.DataType) -> pl.Expr | None:
    """The column with its bytes, also those inside of a list of structs, as hexadecimal digits; None if it has none."""
    if kind == pl.Binary:
        return pl.col(name).bin.encode("hex")
    if isinstance(kind, pl.List) and isinstance(kind.inner, pl.Struct):
        inside = [field.name for field in kind.inner.fields if field.dtype == pl.Binary]
        if inside:
            encoded = [pl.field(field).bin.encode("hex") for field in inside]
            return pl.col(name).list.eval(pl.element().struct.with_fields(encoded))
    return None
