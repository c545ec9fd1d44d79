"""Proof that the schemas still fit what is pinned: old readers understand new messages and the other way round."""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from avro.schema import parse

from interlock.schemas import avro_schemas, catalogue


@dataclass(frozen=True)
class Problem:
    """One thing that does not fit."""

    schema: str
    message: str

    def __str__(self) -> str:
        return f"{self.schema}: {self.message}"


def check(lock: dict[str, dict[str, Any]] | None = None) -> list[Problem]:
    """Every way in which the current schemas break with the lock, or with what the design relies upon."""
    pinned = avro_schemas.lock() if lock is None else lock
    problems = incompatible(pinned)
    for name in avro_schemas.NAMES:
        if name not in pinned:
            problems.append(Problem(name, "is not pinned: run `interlock schemas check --relock`"))
        elif pinned[name]["fingerprint"] != avro_schemas.fingerprint(name):
            problems.append(Problem(name, "has changed since it was pinned: run `interlock schemas check --relock`"))
    ids = [entry["id"] for entry in pinned.values()]
    problems += [
        Problem(name, f"id {entry['id']} is pinned twice")
        for name, entry in pinned.items()
        if ids.count(entry["id"]) > 1
    ]
    problems += _structure()
    return problems


def incompatible(pinned: dict[str, dict[str, Any]]) -> list[Problem]:
    """Schemas that readers or writers of the pinned version would not understand."""
    problems = []
    for name in avro_schemas.NAMES:
        if name in pinned:
            old, new = parse(json.dumps(pinned[name]["schema"])), parse(avro_schemas.text(name))
            pairs = (
                ("backward: it cannot read old messages", new, old),
                ("forward: old readers cannot read it", old, new),
            )
            for direction, reader, writer in pairs:
                checker = ReaderWriterCompatibilityChecker()  # type: ignore[no-untyped-call]
                result = checker.get_compatibility(reader, writer)
                if result.compatibility is not SchemaCompatibilityType.compatible:
                    reasons = "; ".join(sorted(result.messages))
                    problems.append(Problem(name, f"not compatible {direction}: {reasons}"))
    return problems


def relock(path: Path | None = None) -> list[Problem]:
    """Pins the current schemas, unless that would break with those pinned; ids never change."""
    pinned = avro_schemas.lock()
    problems = incompatible(pinned) + _structure()
    if problems:
        return problems
    next_id = max(entry["id"] for entry in pinned.values()) + 1
    content = {}
    for name in avro_schemas.NAMES:
        if name in pinned:
            number = pinned[name]["id"]
        else:
            number, next_id = next_id, next_id + 1
        content[name] = {
            "id": number,
            "fingerprint": avro_schemas.fingerprint(name),
            "schema": json.loads(avro_schemas.text(name)),
        }
    target = Path(str(files("interlock.schemas").joinpath("lock.json"))) if path is None else path
    target.write_text(json.dumps(content, indent=1) + "\n")
    avro_schemas.lock.cache_clear()
    return []


def _structure() -> list[Problem]:
    """Violations of what the router and the sink rely upon."""
    problems = []
    decision = json.loads(avro_schemas.text("Decision"))["fields"]
    routing = json.loads(avro_schemas.routing_prefix_text())["fields"]
    if decision[: len(routing)] != routing:
        problems.append(Problem("Decision", "the routing fields must come first: the router reads only this prefix"))
    last = json.loads(avro_schemas.text("RoutedDecision"))["fields"][-1]
    if last["name"] != "decision" or last["type"].get("name") != "Decision":
        problems.append(Problem("RoutedDecision", "its last field must be the decision: it is spliced in unread"))
    unknown = {topic.schema for topic in catalogue.TOPICS if topic.schema} - set(avro_schemas.NAMES)
    problems += [Problem(name, "is named in the topic catalogue and has no schema") for name in sorted(unknown)]
    return problems
