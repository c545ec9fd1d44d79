"""Problems of meaning: what a policy says in the right form and still cannot mean.

Looks at the file as it was written, part by part, so that a problem of form in one part hides none in another.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from interlock.policy.conditions.parser import ConditionError, UnknownColumnError, parse_condition
from interlock.policy.errors import Diagnostic
from interlock.policy.model import Audit, Domain, Lane, Pack, Queue, SafeRule, Thresholds, filled
from interlock.policy.source_map import Document, Path
from interlock.policy.syntax import near, shown
from interlock.policy.vocabulary import ROUTING_COLUMNS, ColumnType
from interlock.schemas import reasons

_KINDS = {kind.value: kind for kind in ColumnType}

_Model = TypeVar("_Model", bound=BaseModel)


def problems_of_meaning(document: Document, packs: Sequence[Pack]) -> Iterator[Diagnostic]:
    """Every field that has the right form and contradicts another, or a condition that is not understood."""
    domains = _mapping(document.data.get("domains"))
    defaults = _valid(Thresholds, document.data.get("defaults", {}))
    if defaults is not None:
        yield from _order(defaults, None, ("defaults",), document)
    for name, raw in domains.items():
        domain = _valid(Domain, raw)
        if domain is not None:
            yield from _domain(name, domain, defaults, document)
    audit = _valid(Audit, document.data.get("audit", {}))
    if audit is not None and audit.active is not None and audit.rate == 0:
        # Without audits nothing can be said about what was not picked.
        yield document.problem(("audit", "active"), "active learning needs audits", "write an audit rate above 0")
    yield from _queues(domains, document)
    yield from _attributes(domains, document)
    yield from _rule_ids(packs, document)
    yield from _safe_rules(domains, document)
    columns, complete = _columns(domains)
    for list_name in ("rules", "safe_rules", "priority"):
        for place, item in enumerate(_list(document.data.get(list_name))):
            when = _mapping(item).get("when")
            if isinstance(when, str):
                try:
                    parse_condition(when, columns)
                except ConditionError as error:
                    # Where the declarations cannot be read, a column may be unknown only because of that.
                    if complete or not isinstance(error, UnknownColumnError):
                        yield document.problem((list_name, place, "when"), str(error))


def _domain(name: str, domain: Domain, defaults: Thresholds | None, document: Document) -> Iterator[Diagnostic]:
    here: Path = ("domains", name)
    for field, names in (("outcomes", domain.outcomes), ("reason_codes", domain.reason_codes)):
        for place, one in enumerate(names):
            if one in names[:place]:
                yield document.problem((*here, field, place), f"{one!r} stands here twice", "remove one")
    for place, one in enumerate(domain.shadow):
        if one in domain.models:
            yield document.problem((*here, "shadow", place), f"{one!r} is among the models as well", "remove one")
    for outcome, lane in domain.lanes.items():
        at: Path = (*here, "lanes", outcome)
        if outcome not in domain.outcomes:
            yield document.problem(at, "is not among the outcomes of the domain", near(outcome, domain.outcomes))
        if defaults is not None:
            yield from _order(defaults, lane, at, document)
    if domain.on_timeout != "escalate" and domain.on_timeout not in domain.outcomes:
        yield document.problem(
            (*here, "on_timeout"),
            f"{domain.on_timeout!r} is no outcome of the domain",
            near(domain.on_timeout, ("escalate", *domain.outcomes)),
        )


def _queues(domains: Mapping[str, Any], document: Document) -> Iterator[Diagnostic]:
    queues = _mapping(document.data.get("queues"))
    fed_by: dict[str, list[str]] = {}
    for domain, raw in domains.items():
        name = _mapping(raw).get("queue", Domain.model_fields["queue"].default)
        if isinstance(name, str):
            fed_by.setdefault(name, []).append(domain)
            # Under a name that is only nearly right the tasks would be open to people without the qualifications.
            if queues and name not in queues:
                yield document.problem(
                    ("domains", domain, "queue"), f"{name!r} is not among the queues", near(name, map(str, queues))
                )
    for name, raw in queues.items():
        queue = _valid(Queue, raw)
        if queue is None:
            continue
        here: Path = ("queues", name)
        if name not in fed_by and not queue.escalations:
            yield document.problem(
                here,
                "no domain uses this queue; write escalations: true if only people send tasks here",
                near(str(name), fed_by, "" if fed_by else "there are no domains"),
            )
        total = math.fsum(queue.floors.values())
        if total > 1:
            yield document.problem((*here, "floors"), f"add up to {total:g}, which is more than everything")
        if queue.on_breach not in ("escalate", "raise_priority"):
            yield from _safe_outcome(queue, fed_by.get(name, []), domains, here, document)


def _safe_outcome(
    queue: Queue, fed_by: Sequence[str], domains: Mapping[str, Any], queue_path: Path, document: Document
) -> Iterator[Diagnostic]:
    """`on_breach` names an outcome: every task of the queue must be able to end so."""
    for name in domains if queue.escalations else fed_by:
        domain = _valid(Domain, domains[name])
        if domain is not None and queue.on_breach not in domain.outcomes:
            yield document.problem(
                (*queue_path, "on_breach"),
                f"{queue.on_breach!r} is no outcome of domain {name}, whose tasks come here",
                near(queue.on_breach, ("escalate", "raise_priority", *domain.outcomes)),
            )


def _order(defaults: Thresholds, lane: Lane | None, here: Path, document: Document) -> Iterator[Diagnostic]:
    auto, later, sync = filled(defaults, lane)
    if not auto >= later >= sync:
        yield document.problem(
            here,
            f"thresholds must fall from auto to async to sync, but are {auto:g}, {later:g}, {sync:g}",
            "" if lane is None else "those not given come from the defaults",
        )


def _attributes(domains: Mapping[str, Any], document: Document) -> Iterator[Diagnostic]:
    first: dict[str, tuple[Any, str]] = {}
    for domain, raw in domains.items():
        for name, kind in _mapping(_mapping(raw).get("attributes")).items():
            here: Path = ("domains", domain, "attributes", name)
            if name in ROUTING_COLUMNS or name in ("created_at", "attributes"):
                yield document.problem(here, "is the name of a routing field", "rename the attribute")
            its, where = first.setdefault(name, (kind, domain))
            if its != kind:
                yield document.problem(
                    here, f"is {shown(kind)} here and {shown(its)} in domain {where}", "one attribute, one type"
                )


def _rule_ids(packs: Sequence[Pack], document: Document) -> Iterator[Diagnostic]:
    owner = {rule.id: f"in pack {pack.name}" for pack in packs for rule in pack.rules}
    for place, item in enumerate(_list(document.data.get("rules"))):
        name = _mapping(item).get("id")
        if isinstance(name, str):
            here = ("rules", place, "id")
            if name in owner:
                yield document.problem(here, f"there is a rule {name!r} {owner[name]} already", "rename one")
            # In the reasons of a decision such a rule could not be told from what the pipeline says itself.
            if reasons.find(name) is not None:
                yield document.problem(here, f"{name!r} is a reason that the pipeline gives itself", "rename the rule")
            owner.setdefault(name, f"on line {document.line(here)}")


def _safe_rules(domains: Mapping[str, Any], document: Document) -> Iterator[Diagnostic]:
    seen: dict[str, int] = {}
    for place, item in enumerate(_list(document.data.get("safe_rules"))):
        rule = _valid(SafeRule, item)
        if rule is None:
            continue
        here: Path = ("safe_rules", place)
        if rule.id in seen:
            yield document.problem(
                (*here, "id"), f"there is a safe rule {rule.id!r} on line {seen[rule.id]} already", "rename one"
            )
        seen.setdefault(rule.id, document.line((*here, "id")))
        if rule.domain not in domains:
            yield document.problem(
                (*here, "domain"), f"{rule.domain!r} is no domain of this policy", near(rule.domain, map(str, domains))
            )
            continue
        domain = _valid(Domain, domains[rule.domain])
        if domain is not None and rule.prediction not in domain.outcomes:
            yield document.problem(
                (*here, "prediction"),
                f"{rule.prediction!r} is no outcome of domain {rule.domain}",
                near(rule.prediction, domain.outcomes),
            )


def _columns(domains: Mapping[str, Any]) -> tuple[dict[str, ColumnType], bool]:
    """What conditions may use, and whether all declarations could be read."""
    columns = dict(ROUTING_COLUMNS)
    complete = True
    for raw in domains.values():
        attributes = raw.get("attributes", {}) if isinstance(raw, dict) else None
        if not isinstance(attributes, dict):
            complete = False
            continue
        for name, kind in attributes.items():
            known = isinstance(kind, str) and kind in _KINDS
            complete = complete and known
            if known and name not in columns:
                columns[name] = _KINDS[kind]
    return columns, complete


def _valid(model: type[_Model], raw: Any) -> _Model | None:
    try:
        return model.model_validate(raw)
    except ValidationError:
        return None  # a problem of form, which is reported as such


def _mapping(raw: Any) -> dict[Any, Any]:
    return raw if isinstance(raw, dict) else {}


def _list(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []
