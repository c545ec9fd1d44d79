"""Exports training examples of the topic `training.examples` to files: the latest example of each decision."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from interlock.encryption.fields import open_record
from interlock.encryption.keys import KeyStore
from interlock.errors import InterlockError
from interlock.platform.printing import visible_json
from interlock.policy.attribute_groups import group_of
from interlock.processors.outcomes import is_sample
from interlock.schemas import avro_schemas, catalogue, json_text, wire
from interlock.streams.ports import Broker
from interlock.streams.tables import TableReader

# Rows of one write to a Parquet file.
_BATCH_ROWS = 10_000


@dataclass(frozen=True)
class ExampleFilter:
    """Which examples to export. Empty and None: all. `model`: MODEL or MODEL@VERSION."""

    domain: str = ""
    model: str = ""
    since: datetime | None = None

    def __call__(self, example: dict[str, Any]) -> bool:
        model = example["model_id"]
        return (
            self.domain in ("", example["domain"])
            and self.model in ("", model, f"{model}@{example['model_version']}")
            and (self.since is None or example["decided_at"] >= self.since)
        )


class Examples:
    """The selected examples, in the order in which people decided.

    Only the latest example of a decision that was appealed or judged again is kept, and duplicates are dropped. Its
    weight is that of the decision: 1/π if it is in the sample, whichever verdict came last, and 0 if only somebody who
    disagreed, or who looked at what nobody had to look at, has judged it. The topic is read twice, so that memory holds
    one offset and one weight for each decision and not the examples.

    Each example has beside its fields the `groups` of its decision, names by attribute: "18 to under 65" by age.

    `unreadable`: how many were left out, because their producer encrypted them and there is no key.
    """

    def __init__(
        self,
        broker: Broker,
        selects: ExampleFilter,
        progress: Callable[[int], None],
        keys: KeyStore | None = None,
        cuts: Mapping[str, Mapping[str, Sequence[float]]] | None = None,
    ) -> None:
        """`progress` gets the number of records read so far. `cuts`: `policy.model.Domain.group_cuts` by domain. Raises
        KafkaException."""
        self.unreadable = 0
        self._cuts = cuts or {}
        self._keys = keys
        self._broker = broker
        self._selects = selects
        self._progress = progress
        self._read = 0
        last: dict[str, tuple[datetime, int]] = {}
        self._weights: dict[str, float] = {}
        for offset, example in self._each():
            if is_sample(example):
                self._weights[example["decision_id"]] = example["weight"]
            if not self._selects(example):
                continue
            position = (example["decided_at"], offset)
            last[example["decision_id"]] = max(position, last.get(example["decision_id"], position))
        self._offsets = {offset for _, offset in last.values()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for offset, example in self._each():
            if offset in self._offsets:
                opened = open_record(example, example["decision_id"], self._keys)
                if opened.lost:
                    self.unreadable += 1
                else:
                    opened.record.pop("sealed_attributes", None)
                    weight = self._weights.get(example["decision_id"], 0.0)
                    yield opened.record | {"weight": weight, "groups": self._groups(opened.record)}

    def _groups(self, example: dict[str, Any]) -> dict[str, str]:
        cuts = self._cuts.get(example["domain"], {})
        return {name: group_of(example["attributes"].get(name), ends) for name, ends in cuts.items()}

    def _each(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with closing(TableReader(self._broker, [catalogue.TRAINING_EXAMPLES.name], once=True)) as reader:
            for part in reader.read_parts():
                for message in part:
                    yield message.offset(), wire.decode("TrainingExample", message.value())
                self._read += len(part)
                self._progress(self._read)


class Sink(Protocol):
    """A file that is being written; complete after `close`."""

    def write(self, row: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


def preferences(example: dict[str, Any]) -> list[dict[str, Any]]:
    """The chosen option paired with each rejected one, as preference-tuning tools read it (prompt, chosen, rejected).

    Empty if there were no options, or the case is no longer known.
    """
    if not example["options"] or not (example["input"] or example["attributes"]):
        return []
    facts = {"domain": example["domain"], "input": _parsed(example["input"]), "attributes": example["attributes"]}
    prompt = f"Decide this case. Options: {', '.join(example['options'])}.\n" + json.dumps(
        facts, ensure_ascii=False, sort_keys=True
    )
    return [
        {
            "prompt": prompt,
            "chosen": example["final"],
            "rejected": option,
            "context": facts,
            "reason": example["reason_text"],
            "weight": example["weight"],
            "decision_id": example["decision_id"],
            "example_id": example["example_id"],
            "model": f"{example['model_id']}@{example['model_version']}",
        }
        for option in example["options"]
        if option != example["final"]
    ]


class JsonLines:
    """One JSON object a line; times in ISO 8601, numbers that are not finite as null."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")

    def write(self, row: dict[str, Any]) -> None:
        self._file.write(visible_json(row, _as_text) + "\n")

    def close(self) -> None:
        self._file.close()


class Parquet:
    """Training examples as a Parquet file."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        fields = avro_schemas.parsed("TrainingExample")["fields"]
        columns = [(field["name"], _arrow(field["type"])) for field in fields]
        self._schema = pa.schema([*columns, ("groups", pa.map_(pa.string(), pa.string()))])
        self._writer = ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        self._rows.append(row | {name: sorted(row[name].items()) for name in ("attributes", "groups")})
        if len(self._rows) >= _BATCH_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, self._schema))
            self._rows = []


def _arrow(avro: Any) -> Any:
    """The Arrow type of an Avro type that training examples use."""
    import pyarrow as pa

    match avro:
        case ["null", some]:
            return _arrow(some)
        case {"logicalType": "timestamp-micros"}:
            return pa.timestamp("us", tz="UTC")
        case {"type": "array", "items": items}:
            return pa.list_(_arrow(items))
        case {"type": "map", "values": values}:
            return pa.map_(pa.string(), _arrow(values))
    numbers = {"int": pa.int32(), "long": pa.int64(), "double": pa.float64(), "float": pa.float32()}
    return ({"string": pa.string(), "boolean": pa.bool_()} | numbers)[avro]


def write(rows: Iterator[dict[str, Any]], path: Path, make: Callable[[Path], Sink]) -> int:
    """Writes `rows` and returns their number. The file appears when it is complete. Raises InterlockError if it cannot
    be written."""
    unfinished = path.with_name(path.name + ".part")
    count = 0
    try:
        with closing(make(unfinished)) as sink:
            for row in rows:
                sink.write(row)
                count += 1
        unfinished.replace(path)
    except OSError as error:
        raise InterlockError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return count


def moment(text: str) -> datetime:
    """A date or a time in ISO 8601, UTC unless it says otherwise; raises ValueError."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _parsed(text: str) -> Any:
    try:
        return json_text.parse(text)
    except json_text.JsonError:
        return text


def _as_text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
