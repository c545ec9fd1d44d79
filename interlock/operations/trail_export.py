"""One file that proves a part of the audit trail without ClickHouse: records, digests up to signed ends, anchors."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interlock.errors import InterlockError, UsageError
from interlock.sinks.rows import TARGETS
from interlock.sinks.sealed_columns import COLUMNS
from interlock.sinks.trail import excerpt
from interlock.sinks.trail.anchors import Proved, key_id, proved
from interlock.sinks.trail.chains import stored_rows
from interlock.sinks.trail.excerpt import Segment
from interlock.sinks.trail.leaf import leaves
from interlock.sinks.trail.links import NOT_LINKED
from interlock.sinks.trail.stored import last_rows, shape_of
from interlock.sinks.trail.walk import Chain, Head

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

FORMAT = "interlock audit export 1"

_FILES = ("records.jsonl", "anchors.jsonl")

# What `problems` of damaged files may raise while they are taken apart.
_UNREADABLE = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    NotImplementedError,
    RecursionError,
    OSError,
)

# And taking the archive apart: RuntimeError for one that claims to have a password, EOFError for one that ends early.
_NO_ARCHIVE = (ValueError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError)

_OF_DECISION = """
SELECT kafka_stream, kafka_topic, kafka_partition, kafka_offset FROM {table:Identifier}
WHERE {column:Identifier} = {id:String} ORDER BY kafka_offset
"""

_POLICIES = """
SELECT kafka_stream, kafka_topic, kafka_partition, kafka_offset FROM policies
WHERE version IN (SELECT policy_version FROM routed_decisions WHERE decision_id = {id:String})
"""

_SINCE = """
SELECT kafka_stream, kafka_topic, kafka_partition, kafka_offset FROM {table:Identifier}
WHERE kafka_timestamp >= fromUnixTimestamp64Milli({since:Int64}) ORDER BY kafka_offset
"""

Places = dict[Chain, list[int]]


class NothingToExportError(InterlockError):
    """ClickHouse has no record of what was asked for."""


@dataclass(frozen=True, slots=True)
class Exported:
    """`records`: in the file. `unsigned`: those of them that nobody has signed yet. `before`: records of before the
    trail, which are not in it."""

    records: int
    unsigned: int
    before: int


@dataclass(frozen=True, slots=True)
class ExportCheck:
    """What a file proves. `problems`: what is wrong with it."""

    about: Mapping[str, Any]
    records: int
    unsigned: int
    latest_anchor: datetime | None
    keys: Sequence[str]
    problems: Sequence[str]

    @property
    def ok(self) -> bool:
        return not self.problems


def places_of_decision(client: "Client", decision_id: str) -> Places:
    """Where the records of a decision are, and the versions of the policy that routed it. Raises ClickHouseError."""
    found: Places = {}
    for table, columns in COLUMNS.items():
        if columns.decision:
            parameters = {"table": table, "column": columns.decision, "id": decision_id}
            _note(found, table, client.query(_OF_DECISION, parameters=parameters).result_rows)
    if found:
        _note(found, "policies", client.query(_POLICIES, parameters={"id": decision_id}).result_rows)
    return found


def places_since(client: "Client", since: datetime) -> Places:
    """Where all records are that Kafka took at that time or later. Raises ClickHouseError."""
    found: Places = {}
    for table in sorted({target.table for target in TARGETS.values()}):
        parameters = {"table": table, "since": int(since.timestamp() * 1000)}
        _note(found, table, client.query(_SINCE, parameters=parameters).result_rows)
    return found


def export(client: "Client", places: Places, found: Proved, path: Path, about: Mapping[str, Any]) -> Exported:
    """Writes the records at `places` to `path`, which appears when it is complete. `found`: what the anchors prove.

    Raises NothingToExportError, InterlockError and ClickHouseError."""
    if not places:
        what = ", ".join(f"{name} {value}" for name, value in about.items())
        raise NothingToExportError(f"ClickHouse has no record ({what})")
    shapes = {chain.table: shape_of(client, chain.table) for chain in places}
    return write(_segments(client, places, found, shapes), shapes, found, path, about)


def write(
    parts: Iterable[tuple[Segment | None, int]],
    shapes: Mapping[str, Any],
    found: Proved,
    path: Path,
    about: Mapping[str, Any],
) -> Exported:
    """Writes segments to `path`, which appears when it is complete. `parts`: each with how many of its records are of
    before the trail. `shapes`: by table. Raises InterlockError."""
    unfinished = path.with_name(path.name + ".part")
    segments: list[dict[str, Any]] = []
    records = unsigned = before = 0
    used: set[tuple[str, str, int, int]] = set()
    hashes = {}
    try:
        with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
            digest = hashlib.sha256()
            with archive.open(_FILES[0], "w", force_zip64=True) as file:
                for segment, unlinked in parts:
                    before += unlinked
                    if segment is None:
                        continue
                    for index, row in segment.records.items():
                        text = (excerpt.line(len(segments), index, row) + "\n").encode()
                        digest.update(text)
                        file.write(text)
                    segments.append(excerpt.to_json(segment))
                    records += len(segment.records)
                    if segment.head is None:
                        unsigned += len(segment.records)
                    else:
                        chain = segment.chain
                        used.add((chain.stream, chain.topic, chain.partition, segment.head.offset))
            hashes[_FILES[0]] = digest.hexdigest()
            anchors = "".join(_lines(found, used)).encode()
            hashes[_FILES[1]] = hashlib.sha256(anchors).hexdigest()
            archive.writestr(_FILES[1], anchors)
            manifest = {
                "format": FORMAT,
                "about": dict(about),
                "made_at": datetime.now(UTC).isoformat(),
                "files": hashes,
                "shapes": {table: excerpt.shape_to_text(shape) for table, shape in shapes.items()},
                "segments": segments,
            }
            archive.writestr("manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False))
        unfinished.replace(path)
    except OSError as error:
        raise InterlockError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return Exported(records, unsigned, before)


def check(path: Path, trusted: bytes) -> ExportCheck:
    """Proves a file to somebody who trusts the public key `trusted`. Raises InterlockError if it is no export."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = json.loads(archive.read("manifest.json"))
            content = {name: archive.read(name) for name in _FILES}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from error
    except _NO_ARCHIVE as error:
        raise InterlockError(f"{path} is no export of an audit trail, or it is damaged: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise InterlockError(f"{path} is no {FORMAT}; this version reads no other")
    try:
        return _checked(manifest, content, trusted)
    except _UNREADABLE as error:
        raise InterlockError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def _checked(manifest: dict[str, Any], content: Mapping[str, bytes], trusted: bytes) -> ExportCheck:
    wrong = [
        f"{name} is not the file that was exported"
        for name in _FILES
        if hashlib.sha256(content[name]).hexdigest() != manifest["files"][name]
    ]
    found = proved([json.loads(text) for text in content[_FILES[1]].splitlines()], [trusted])
    wrong += [f"anchor {anchor}: {problem}" for anchor, problem in found.refused.items()]
    lines = content[_FILES[0]].decode().split("\n")
    if lines.pop():
        wrong.append(f"{_FILES[0]} does not end with the end of a line")
    records: dict[int, dict[int, str]] = {}
    last = (0, -1)
    for text in lines:
        item = json.loads(text)
        place = (item["segment"], item["index"])
        if place <= last:
            wrong.append(f"a record of segment {place[0]} stands twice, or behind a later one")
        last = max(last, place)
        records.setdefault(place[0], {})[place[1]] = text
    unsigned = 0
    for number, segment in enumerate(manifest["segments"]):
        mine = records.pop(number, {})
        shape = excerpt.shape_from_text(manifest["shapes"][segment["table"]])
        wrong += excerpt.problems(number, segment, mine, shape, found)
        unsigned += len(mine) if segment["signed_offset"] is None else 0
    if records:
        wrong.append(f"{len(records)} records belong to no chain")
    return ExportCheck(
        about=manifest["about"],
        records=len(lines),
        unsigned=unsigned,
        latest_anchor=found.latest,
        keys=[key_id(key) for key in found.keys],
        problems=wrong,
    )


def _segments(
    client: "Client", places: Places, found: Proved, shapes: Mapping[str, Any]
) -> Iterator[tuple[Segment | None, int]]:
    """Every segment, and how many of its records are of before the trail."""
    for chain, offsets in sorted(places.items(), key=lambda place: (place[0].topic, place[0].partition)):
        heads = found.heads.get((chain.stream, chain.topic, chain.partition), ())
        for wanted, head in excerpt.segments_of(set(offsets), heads):
            yield _segment(client, chain, wanted, head, shapes[chain.table])


def _segment(
    client: "Client", chain: Chain, wanted: list[int], head: Head | None, shape: Any
) -> tuple[Segment | None, int]:
    (before,) = last_rows(client, [(chain.table, chain.stream, chain.topic, chain.partition, wanted[0])])
    end = wanted[-1] if head is None else head.offset
    digests: list[bytes] = []
    records: dict[int, Mapping[str, Any]] = {}
    told = set(wanted)
    unlinked = 0
    for rows in stored_rows(client, chain, wanted[0]):
        offsets = rows["kafka_offset"].to_pylist()
        within = sum(offset <= end for offset in offsets)
        first = sum(link == NOT_LINKED for link in rows["link"].to_pylist()[:within])
        unlinked += sum(offset in told for offset in offsets[:first])
        mine = rows.slice(first, within - first).select(shape.names)
        for index, offset in enumerate(offsets[first:within]):
            if offset in told:
                records[len(digests) + index] = mine.slice(index, 1).to_pylist()[0]
        digests += leaves(mine, shape)
        if within < len(offsets):
            break
    if not records:
        return None, unlinked
    return Segment(chain, before.link, digests, head, records), unlinked


def _lines(found: Proved, used: set[tuple[str, str, int, int]]) -> Iterator[str]:
    """The anchors that signed a head of `used`, and those that name a key."""
    for anchor in found.anchors:
        heads = {(head["stream"], head["topic"], head["partition"], head["offset"]) for head in anchor["heads"]}
        if anchor["next_key"] or heads & used:
            yield json.dumps({**anchor, "signed_at": _microseconds(anchor["signed_at"])}, sort_keys=True) + "\n"


def _microseconds(value: Any) -> int:
    return value if isinstance(value, int) else round(value.timestamp() * 1e6)


def _note(found: Places, table: str, rows: Sequence[Sequence[Any]]) -> None:
    for stream, topic, partition, offset in rows:
        found.setdefault(Chain(table, stream, topic, partition), []).append(offset)
