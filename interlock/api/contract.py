"""The OpenAPI document as a contract: what a new version takes away from callers of the one before."""

from collections.abc import Iterator
from typing import Any, Literal

Document = dict[str, Any]
Direction = Literal["request", "response"]

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")

# Deeper than any shape; schemas may refer to themselves.
_MAX_DEPTH = 12


def document() -> Document:
    """The document of this version."""
    from interlock.api.app import create_app

    described: Document = create_app(None, None).openapi()  # type: ignore[arg-type]  # nothing is served
    return described


def breaking_changes(old: Document, new: Document) -> list[str]:
    """What callers of `old` relied on and `new` does not give them, in sentences; empty where it gives everything."""
    return list(_changes(old, new))


def _changes(old: Document, new: Document) -> Iterator[str]:
    for path, methods in old["paths"].items():
        for method in _METHODS:
            if method not in methods:
                continue
            where = f"{method.upper()} {path}"
            if method not in new["paths"].get(path, {}):
                yield f"{where} is gone"
                continue
            before, after = methods[method], new["paths"][path][method]
            yield from _parameters(where, before, after)
            yield from _bodies(where, old, new, before, after)
            yield from _answers(where, old, new, before, after)


def _parameters(where: str, before: Document, after: Document) -> Iterator[str]:
    known = {(one["in"], one["name"]): one for one in before.get("parameters", ())}
    present = {(one["in"], one["name"]): one for one in after.get("parameters", ())}
    for place, name in known.keys() - present.keys():
        yield f"{where} no longer takes the {place} parameter {name}"
    for key, one in present.items():
        if one.get("required") and not known.get(key, {}).get("required"):
            yield f"{where} now requires the {key[0]} parameter {key[1]}"


def _bodies(where: str, old: Document, new: Document, before: Document, after: Document) -> Iterator[str]:
    known, present = before.get("requestBody", {}), after.get("requestBody", {})
    if present.get("required") and not known.get("required"):
        yield f"{where} now requires a body"
    for kind, content in known.get("content", {}).items():
        if kind not in present.get("content", {}):
            yield f"{where} no longer takes {kind}"
            continue
        schemas = content.get("schema", {}), present["content"][kind].get("schema", {})
        yield from _schemas(f"{where}, its body", old, new, *schemas, "request", 0)


def _answers(where: str, old: Document, new: Document, before: Document, after: Document) -> Iterator[str]:
    for status, known in before["responses"].items():
        if not status.startswith("2"):
            continue
        present = after["responses"].get(status)
        if present is None:
            yield f"{where} no longer answers {status}"
            continue
        for kind, content in known.get("content", {}).items():
            if kind not in present.get("content", {}):
                yield f"{where} no longer answers {status} as {kind}"
                continue
            schemas = content.get("schema", {}), present["content"][kind].get("schema", {})
            yield from _schemas(f"{where}, its answer {status}", old, new, *schemas, "response", 0)


def _schemas(
    where: str, old: Document, new: Document, before: Document, after: Document, direction: Direction, depth: int
) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    before, after = _resolved(old, before), _resolved(new, after)
    kinds = before.get("type"), after.get("type")
    if None not in kinds and kinds[0] != kinds[1]:
        yield f"{where}: {kinds[0]} has become {kinds[1]}"
        return
    known, present = before.get("properties", {}), after.get("properties", {})
    for name in known:
        if name not in present:
            yield f"{where}: {name} is gone"
            continue
        yield from _schemas(f"{where}: {name}", old, new, known[name], present[name], direction, depth + 1)
    if direction == "request":
        for name in set(after.get("required", ())) - set(before.get("required", ())):
            yield f"{where}: {name} is required now"
        taken: list[Any] = before.get("enum", [])
        for value in set(taken) - set(after.get("enum", taken)):
            yield f"{where}: {value} is no longer taken"
    else:
        for name in (set(before.get("required", ())) - set(after.get("required", ()))) & present.keys():
            yield f"{where}: {name} may be missing now"
    if "items" in before and "items" in after:
        yield from _schemas(f"{where}: items", old, new, before["items"], after["items"], direction, depth + 1)


def _resolved(of: Document, schema: Document) -> Document:
    """The schema that a reference names."""
    if "$ref" not in schema:
        return schema
    found: Document = of["components"]["schemas"].get(schema["$ref"].rpartition("/")[2], {})
    return found
