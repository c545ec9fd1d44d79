"""Proof that every version of a schema can be read with every other: what an upgrade and a way back rest upon.

Two proofs for each pair, in both directions: the rules of Avro's schema resolution, and a sample record that is written
with the one and read with the other, as `wire` does it.
"""

import json
from dataclasses import dataclass, replace
from importlib.resources import files
from io import BytesIO
from itertools import permutations
from pathlib import Path
from typing import Any

import fastavro
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse
from fastavro.read import SchemaResolutionError

from interlock.schemas import avro_schemas, catalogue
from interlock.schemas.avro_schemas import Version

# Explains all other schemas, so that it must be readable without an explanation.
_FIXED = "SchemaVersion"

# The schema that producers write, also under ids of a registry. Registries count from 1 and never come near this
# number, so that what they number later is not taken for a version of ours.
_OF_PRODUCERS = "Decision"
_ABOVE_REGISTRIES = 1_000_000_000


@dataclass(frozen=True)
class Problem:
    """One thing that does not fit."""

    schema: str
    message: str

    def __str__(self) -> str:
        return f"{self.schema}: {self.message}"


def check(lock: dict[int, Version] | None = None) -> list[Problem]:
    """Every way in which the current schemas break with the lock, or with what the design relies upon."""
    pinned = avro_schemas.lock() if lock is None else lock
    problems = incompatible(pinned)
    for name in avro_schemas.NAMES:
        versions = _versions(pinned, name)
        if not versions:
            problems.append(Problem(name, "is not pinned: run `interlock schemas check --relock`"))
        elif not _is_current(versions[-1], name):
            problems.append(Problem(name, "has changed since it was pinned: run `interlock schemas check --relock`"))
    return problems + _structure(pinned)


def incompatible(pinned: dict[int, Version]) -> list[Problem]:
    """Pairs of versions, today's included, of which one cannot read what the other has written."""
    problems = []
    for name in avro_schemas.NAMES:
        for (writer, written), (reader, read) in permutations(_layouts(pinned, name), 2):
            reason = _by_the_rules(written, read) or _by_a_sample(written, read)
            if reason is not None:
                problems.append(Problem(name, f"{reader} cannot read what {writer} has written: {reason}"))
    return problems


def relock(path: Path | None = None) -> list[Problem]:
    """Pins what has changed as a new version with an id of its own, unless a version could not be read with another.

    Versions that are pinned stay as they are. Only docs and defaults, which are not in the bytes, change in place.
    """
    pinned = avro_schemas.lock()
    problems = incompatible(pinned) + _structure(pinned)
    if problems:
        return problems
    target = Path(str(files("interlock.schemas").joinpath("lock.json"))) if path is None else path
    content = {
        str(version.id): {
            "name": version.name,
            "version": version.number,
            "fingerprint": version.fingerprint,
            "schema": json.loads(version.text),
            **({"earlier": [json.loads(text) for text in version.earlier]} if version.earlier else {}),
        }
        for version in _relocked(pinned)
    }
    target.write_text(json.dumps(content, indent=1) + "\n")
    avro_schemas.lock.cache_clear()
    avro_schemas.schema_id.cache_clear()
    return []


def _relocked(pinned: dict[int, Version]) -> list[Version]:
    versions = dict(pinned)
    for name in avro_schemas.NAMES:
        text, fingerprint = avro_schemas.text(name), avro_schemas.fingerprint(name)
        known = _versions(pinned, name)
        if known and known[-1].fingerprint == fingerprint:
            versions[known[-1].id] = replace(known[-1], text=text)
        else:
            new_id = _next_id(versions, name)
            versions[new_id] = Version(new_id, name, len(known) + 1, fingerprint, text)
    return [versions[version_id] for version_id in sorted(versions)]


def _next_id(versions: dict[int, Version], name: str) -> int:
    # Producers write ids of their registry into the topic of decisions; elsewhere there are only ours.
    in_range = [number for number in versions if (number > _ABOVE_REGISTRIES) == (name == _OF_PRODUCERS)]
    return max(in_range, default=_ABOVE_REGISTRIES if name == _OF_PRODUCERS else 0) + 1


def _versions(pinned: dict[int, Version], name: str) -> list[Version]:
    return sorted((version for version in pinned.values() if version.name == name), key=lambda v: v.number)


def _is_current(version: Version, name: str) -> bool:
    # Docs and defaults too: `interlock schemas show` prints them.
    same_text = version.text == avro_schemas.text(name)
    return same_text and version.fingerprint == avro_schemas.fingerprint(name)


def _layouts(pinned: dict[int, Version], name: str) -> list[tuple[str, str]]:
    """What each layout is called, and its text."""
    versions = _versions(pinned, name)
    layouts = [(f"version {version.number} (id {version.id})", version.text) for version in versions]
    layouts += [(f"an earlier layout of id {version.id}", text) for version in versions for text in version.earlier]
    if not versions or not _is_current(versions[-1], name):
        layouts.append(("the current version", avro_schemas.text(name)))
    return layouts


def _by_the_rules(writer: str, reader: str) -> str | None:
    checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
    result = checker.get_compatibility(parse(reader), parse(writer))
    if result.compatibility is SchemaCompatibilityType.compatible:
        return None
    return "; ".join(sorted(result.messages))


def _by_a_sample(writer: str, reader: str) -> str | None:
    """Why a sample that was written with `writer` is not read with `reader` as what it was."""
    write, read = (avro_schemas.without_logical_types(json.loads(text)) for text in (writer, reader))
    sample = _sample(write, "")
    buffer = BytesIO()
    try:
        fastavro.schemaless_writer(buffer, fastavro.parse_schema(write), sample)
        buffer.seek(0)
        got = fastavro.schemaless_reader(buffer, fastavro.parse_schema(write), fastavro.parse_schema(read))
    except (EOFError, SchemaResolutionError, ValueError, TypeError, IndexError) as error:
        return f"{type(error).__name__}: {error}"
    return _difference(sample, got, "")


def _difference(sample: Any, got: Any, path: str) -> str | None:
    if isinstance(sample, dict) and isinstance(got, dict):
        fields = sample.keys() & got.keys()
        found = (_difference(sample[name], got[name], f"{path}.{name}".lstrip(".")) for name in sorted(fields))
        return next((difference for difference in found if difference is not None), None)
    if isinstance(sample, list) and isinstance(got, list) and len(sample) == len(got):
        found = (_difference(one, other, f"{path}[]") for one, other in zip(sample, got, strict=True))
        return next((difference for difference in found if difference is not None), None)
    return None if sample == got else f"{path} was written as {sample!r} and is read as {got!r}"


def _sample(avro: Any, path: str) -> Any:
    """A value of the schema that differs from field to field."""
    if isinstance(avro, list):
        return _sample(next(branch for branch in avro if branch != "null"), path)
    kind = avro["type"] if isinstance(avro, dict) else avro
    if kind == "record":
        return {field["name"]: _sample(field["type"], f"{path}.{field['name']}") for field in avro["fields"]}
    if kind == "array":
        return [_sample(avro["items"], f"{path}[]")]
    if kind == "map":
        return {"key": _sample(avro["values"], f"{path}[]")}
    number = sum(path.encode())
    values = {"string": path, "bytes": path.encode(), "int": number, "long": number, "boolean": number % 2 == 0}
    return values.get(kind, number + 0.5)


def _structure(pinned: dict[int, Version]) -> list[Problem]:
    """Violations of what the router, the sink and readers of newer versions rely upon."""
    problems = []
    decision = json.loads(avro_schemas.text("Decision"))
    routing = json.loads(avro_schemas.routing_prefix_text())["fields"]
    if decision["fields"][: len(routing)] != routing:
        problems.append(Problem("Decision", "the routing fields must come first: the router reads only this prefix"))
    last = json.loads(avro_schemas.text("RoutedDecision"))["fields"][-1]
    if last["name"] != "decision" or last["type"].get("name") != "Decision":
        problems.append(Problem("RoutedDecision", "its last field must be the decision: it is spliced in unread"))
    elif last["type"] | {"namespace": "interlock"} != decision:
        problems.append(Problem("RoutedDecision", "its decision is not the schema Decision: copy that into it"))
    fixed = _versions(pinned, _FIXED)
    if fixed and fixed[0].fingerprint != avro_schemas.fingerprint(_FIXED):
        problems.append(Problem(_FIXED, "must never change: readers that do not know a version read it to learn of it"))
    unknown = {topic.schema for topic in catalogue.TOPICS if topic.schema} - set(avro_schemas.NAMES)
    problems += [Problem(name, "is named in the topic catalogue and has no schema") for name in sorted(unknown)]
    return problems
