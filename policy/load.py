"""Loading a policy file: YAML, packs written out, everything checked, every problem named with its line."""

import difflib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from policy.errors import PolicyError, Problem
from policy.expression import ConditionError, parse_condition
from policy.model import Domain, Lane, Pack, Policy
from policy.positions import Document
from policy.positions import Path as Place
from policy.words import ROUTING_COLUMNS

# A lane that says nothing: every threshold from the defaults.
NO_LANE = Lane.model_validate({})


def load(path: Path) -> Policy:
    """The policy in a file; raises PolicyError with every problem, and OSError if it cannot be read."""
    return parse(path.read_text(encoding="utf-8"), str(path))


def parse(text: str, source: str) -> Policy:
    """The policy in `text`; `source` is what problems call the file."""
    document = Document(text, source)
    problems: list[Problem] = []
    data = dict(document.data)
    named = data.pop("packs", ())
    packs = []
    if not isinstance(named, list | tuple):
        problems.append(document.problem(("packs",), "write a list of pack names", _known_packs()))
    else:
        for place, name in enumerate(named):
            if name in pack_names():
                packs.append(pack(name))
            else:
                problems.append(document.problem(("packs", place), f"unknown pack {name!r}", _known_packs()))
    policy = None
    try:
        policy = Policy.model_validate(data).model_copy(update={"packs": tuple(packs)})
    except ValidationError as error:
        problems += [_problem(document, one) for one in error.errors()]
    if policy is not None:
        problems += check(policy, document)
    if problems or policy is None:
        raise PolicyError(problems)
    return policy


def check(policy: Policy, document: Document) -> Iterator[Problem]:
    """What the types alone do not say."""
    yield from _attributes(policy, document)
    for name, domain in policy.domains.items():
        yield from _outcomes(name, domain, document)
        for outcome, lane in domain.lanes.items():
            yield from _order(policy, lane, ("domains", name, "lanes", outcome), document)
    yield from _order(policy, NO_LANE, ("defaults",), document)
    seen: set[str] = set()
    for place, rule in enumerate(policy.every_rule()):
        here: Place = ("rules", place) if place < len(policy.rules) else ("packs",)
        if rule.id in seen:
            yield document.problem((*here, "id"), f"rule id {rule.id!r} stands twice", "rename one")
        seen.add(rule.id)
        yield from _condition(policy, rule.when, (*here, "when"), document)
    for place, priority in enumerate(policy.priority):
        yield from _condition(policy, priority.when, ("priority", place, "when"), document)


@cache
def pack_names() -> tuple[str, ...]:
    """The packs that come with Interlock."""
    entries = files("policy").joinpath("packs").iterdir()
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml")))


@cache
def pack(name: str) -> Pack:
    """A pack by name."""
    text = files("policy").joinpath("packs", f"{name}.yaml").read_text(encoding="utf-8")
    return Pack.model_validate(Document(text, f"packs/{name}.yaml").data)


def _known_packs() -> str:
    return f"known packs: {', '.join(pack_names())}"


def _attributes(policy: Policy, document: Document) -> Iterator[Problem]:
    types: dict[str, tuple[str, str]] = {}
    for domain, one in policy.domains.items():
        for name, kind in one.attributes.items():
            here: Place = ("domains", domain, "attributes", name)
            if name in ROUTING_COLUMNS or name in ("created_at", "attributes"):
                yield document.problem(here, "is the name of a routing field", "rename the attribute")
            first, where = types.setdefault(name, (kind, domain))
            if first != kind:
                yield document.problem(here, f"is {kind} here and {first} in domain {where}", "one attribute, one type")


def _outcomes(name: str, domain: Domain, document: Document) -> Iterator[Problem]:
    here: Place = ("domains", name)
    for outcome in domain.lanes:
        if outcome not in domain.outcomes:
            yield document.problem(
                (*here, "lanes", outcome),
                "is not among the outcomes of the domain",
                _near(outcome, domain.outcomes),
            )
    if domain.on_timeout != "escalate" and domain.on_timeout not in domain.outcomes:
        yield document.problem(
            (*here, "on_timeout"),
            f"{domain.on_timeout!r} is no outcome of the domain",
            "write escalate or an outcome",
        )


def _order(policy: Policy, lane: Lane, here: Place, document: Document) -> Iterator[Problem]:
    auto, later, sync = filled(policy, lane)
    if not auto >= later >= sync:
        yield document.problem(
            here,
            f"thresholds must fall from auto to async to sync, but are {auto:g}, {later:g}, {sync:g}",
            "those not given come from the defaults",
        )


def filled(policy: Policy, lane: Lane) -> tuple[float, float, float]:
    """The thresholds of a lane for auto, async and sync, the missing ones from the defaults."""
    defaults = policy.defaults
    return (
        defaults.auto if lane.auto is None else lane.auto,
        defaults.async_ if lane.async_ is None else lane.async_,
        defaults.sync if lane.sync is None else lane.sync,
    )


def _condition(policy: Policy, text: str, here: Place, document: Document) -> Iterator[Problem]:
    try:
        parse_condition(text, {**ROUTING_COLUMNS, **policy.attribute_types()})
    except ConditionError as error:
        yield document.problem(here, str(error))


def _problem(document: Document, error: Any) -> Problem:
    place = tuple(part for part in error["loc"] if part != "[key]")
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        known = _fields_at(place[:-1])
        return document.problem(place, "unknown field", _near(str(place[-1]), known))
    if error["type"] == "missing":
        return document.problem(place, "is required")
    if error["type"] in ("enum", "literal_error"):
        return document.problem(place, f"{error['input']!r} is not allowed", f"write {error['ctx']['expected']}")
    return document.problem(place, message[0].lower() + message[1:])


def _fields_at(place: Place) -> list[str]:
    """The fields of the model that stands at a place of the policy."""
    model: Any = Policy
    for part in place:
        annotation = model.model_fields[part].annotation if _is_model(model) and part in model.model_fields else model
        model = _inner_model(annotation) or model
    names = [field.alias or name for name, field in model.model_fields.items()]
    return [*names, "packs"] if model is Policy else names


def _inner_model(annotation: Any) -> Any:
    if _is_model(annotation):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        found = _inner_model(argument)
        if found is not None:
            return found
    return None


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _near(word: str, known: Any) -> str:
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(names)}"
