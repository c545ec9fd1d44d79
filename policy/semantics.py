"""Semantic problems: fields of the right form that contradict one another, and conditions that cannot be understood.

The checks read the file as it was written and leave out the fields that have not the right form, so that a wrong form
in one place hides no contradiction in another.
"""

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from interlock.policy.conditions.contradictions import contradiction
from interlock.policy.conditions.parser import ConditionError, UnknownColumnError, parse_condition
from interlock.policy.errors import Diagnostic
from interlock.policy.model import Audit, Domain, Lane, Pack, Queue, SafeRule, ServiceLevels, Thresholds, filled
from interlock.policy.notices.checks import notice_problems
from interlock.policy.source_map import Document, FieldPath
from interlock.policy.syntax import near, shown
from interlock.policy.vocabulary import NUMBERS, ROUTING_COLUMNS, ColumnType
from interlock.policy.workable import unworkable
from interlock.schemas import reasons

_KINDS = {kind.value: kind for kind in ColumnType}

_Model = TypeVar("_Model", bound=BaseModel)


def semantic_problems(document: Document, packs: Sequence[Pack]) -> Iterator[Diagnostic]:
    """Every field that has the right form and contradicts another, or a condition that is not understood."""
    domains = _mapping(document.data.get("domains"))
    defaults = _valid(Thresholds, document.data.get("defaults", {}))
    if defaults is not None:
        yield from _order(defaults, None, ("defaults",), document)
    for name, raw in domains.items():
        domain = _readable_domain(raw)
        if domain is not None:
            yield from _domain(name, domain, defaults, document)
    audit = _readable(Audit, document.data.get("audit", {}))
    if audit is not None and audit.active is not None and audit.rate == 0:
        # Without audits no estimate covers what was not picked.
        yield document.problem(("audit", "active"), "active learning needs audits", "write an audit rate above 0")
    yield from _queues(domains, document)
    readable = {name: domain for name, raw in domains.items() if (domain := _valid(Domain, raw)) is not None}
    notices = _mapping(document.data.get("notices"))
    yield from notice_problems(notices, readable, packs, document)
    yield from unworkable(
        readable,
        {
            name: queue
            for name, raw in _mapping(document.data.get("queues")).items()
            if (queue := _valid(Queue, raw)) is not None
        },
        _valid(ServiceLevels, document.data.get("service_levels", {})),
        packs,
        {str(name): str(fields["template"]) for name, fields in notices.items() if _mapping(fields).get("template")},
        document,
    )
    yield from _attributes(domains, document)
    yield from _rule_ids(packs, document)
    yield from _safe_rules(domains, document)
    columns, complete = _columns(domains)
    for list_name in ("rules", "safe_rules", "priority"):
        for index, item in enumerate(_list(document.data.get(list_name))):
            when = _mapping(item).get("when")
            if isinstance(when, str):
                try:
                    never = contradiction(parse_condition(when, columns))
                except ConditionError as error:
                    # Where the declarations cannot be read, a column may be unknown only because of that.
                    if complete or not isinstance(error, UnknownColumnError):
                        yield document.problem((list_name, index, "when"), str(error))
                else:
                    if never is not None:
                        yield document.problem(
                            (list_name, index, "when"), f"is never true: {never}", "correct it, or leave it out"
                        )


def _domain(name: str, domain: Domain, defaults: Thresholds | None, document: Document) -> Iterator[Diagnostic]:
    here: FieldPath = ("domains", name)
    for field, names in (("outcomes", domain.outcomes), ("reason_codes", domain.reason_codes)):
        for index, entry in enumerate(names):
            if entry in names[:index]:
                yield document.problem((*here, field, index), f"{entry!r} appears twice", "remove one")
    for model in domain.shadow:
        if model in domain.models:
            # The index in the file: the field of the model is sorted.
            index = document.data["domains"][name]["shadow"].index(model)
            yield document.problem((*here, "shadow", index), f"{model!r} is among the models as well", "remove one")
    for outcome, lane in domain.lanes.items():
        lane_path: FieldPath = (*here, "lanes", outcome)
        if outcome not in domain.outcomes:
            yield document.problem(lane_path, "is not among the outcomes of the domain", near(outcome, domain.outcomes))
        if defaults is not None:
            yield from _order(defaults, lane, lane_path, document)
        for named in lane.auto_raw:
            if not {"*", named.rpartition("@")[0]} & {*domain.models} and named not in domain.shadow:
                yield document.problem(
                    (*lane_path, "auto_raw", named),
                    "is the version of a model that does not decide in this domain",
                    f"models: {', '.join(domain.models)}",
                )
    for named in domain.override_limits:
        if not {"*", named, named.rpartition("@")[0]} & {*domain.models, *domain.shadow}:
            yield document.problem(
                (*here, "override_limits", named),
                "is no model that decides in this domain, and no version of one",
                near(named, (*domain.models, *domain.shadow)),
            )
    yield from _groups(name, domain, document)
    if domain.on_timeout != "escalate" and domain.on_timeout not in domain.outcomes:
        yield document.problem(
            (*here, "on_timeout"),
            f"{domain.on_timeout!r} is not an outcome of the domain",
            near(domain.on_timeout, ("escalate", *domain.outcomes)),
        )


def _groups(name: str, domain: Domain, document: Document) -> Iterator[Diagnostic]:
    written = document.data["domains"][name].get("groups", [])
    for group, cuts in domain.group_cuts.items():
        # The index in the file: the field of the model is sorted.
        here: FieldPath = ("domains", name, "groups", group if isinstance(written, dict) else written.index(group))
        kind = domain.attributes.get(group)
        if kind is None:
            yield document.problem(here, f"{group!r} is no attribute of the domain", near(group, domain.attributes))
        elif cuts and kind not in NUMBERS:
            yield document.problem(here, f"{group!r} is no number", f"write {group}: [], then every value is a group")
    if domain.certify_by is not None and domain.certify_by not in domain.group_cuts:
        yield document.problem(
            ("domains", name, "certify_by"),
            f"{domain.certify_by!r} is none of the groups of the domain",
            near(domain.certify_by, domain.group_cuts),
        )


def _queues(domains: Mapping[str, Any], document: Document) -> Iterator[Diagnostic]:
    queues = _mapping(document.data.get("queues"))
    domains_of: dict[str, list[str]] = {}
    for domain, raw in domains.items():
        name = _mapping(raw).get("queue", Domain.model_fields["queue"].default)
        if isinstance(name, str):
            domains_of.setdefault(name, []).append(domain)
            # Under a name that is only nearly right the tasks would be open to people without the qualifications.
            if queues and name not in queues:
                yield document.problem(
                    ("domains", domain, "queue"), f"{name!r} is not among the queues", near(name, map(str, queues))
                )
    for name, raw in queues.items():
        queue = _readable(Queue, raw)
        if queue is None:
            continue
        here: FieldPath = ("queues", name)
        if _valid(Queue, raw) is not None and name not in domains_of and not queue.escalations:
            yield document.problem(
                here,
                "no domain uses this queue; write escalations: true if only people send tasks here",
                near(str(name), domains_of, "" if domains_of else "there are no domains"),
            )
        total = math.fsum(queue.floors.values())
        if total > 1:
            yield document.problem((*here, "floors"), f"add up to {total:g}, which is more than everything")
        if queue.lease_limit is not None and queue.lease_limit < queue.lease:
            yield document.problem(
                (*here, "lease_limit"),
                f"is {queue.lease_limit} s, shorter than one lease of {queue.lease} s",
                "write at least as much as one lease",
            )
        if queue.on_breach not in ("escalate", "raise_priority"):
            yield from _breach_outcome(queue, domains_of.get(name, []), domains, here, document)


def _breach_outcome(
    queue: Queue, its_domains: Sequence[str], domains: Mapping[str, Any], queue_path: FieldPath, document: Document
) -> Iterator[Diagnostic]:
    """`on_breach` names an outcome: every task of the queue must be able to end so."""
    for name in domains if queue.escalations else its_domains:
        domain = _readable_domain(domains[name])
        if domain is not None and queue.on_breach not in domain.outcomes:
            yield document.problem(
                (*queue_path, "on_breach"),
                f"{queue.on_breach!r} is not an outcome of domain {name}, whose tasks come here",
                near(queue.on_breach, ("escalate", "raise_priority", *domain.outcomes)),
            )


def _order(defaults: Thresholds, lane: Lane | None, here: FieldPath, document: Document) -> Iterator[Diagnostic]:
    auto, async_, sync = filled(defaults, lane)
    if not auto >= async_ >= sync:
        yield document.problem(
            here,
            f"thresholds must fall from auto to async to sync, but are {auto:g}, {async_:g}, {sync:g}",
            "" if lane is None else "those not given come from the defaults",
        )


def _attributes(domains: Mapping[str, Any], document: Document) -> Iterator[Diagnostic]:
    first: dict[str, tuple[Any, str]] = {}
    for domain, raw in domains.items():
        for name, kind in _mapping(_mapping(raw).get("attributes")).items():
            here: FieldPath = ("domains", domain, "attributes", name)
            if name in ROUTING_COLUMNS or name in ("created_at", "attributes"):
                yield document.problem(here, "is the name of a routing field", "rename the attribute")
            first_kind, first_domain = first.setdefault(name, (kind, domain))
            if first_kind != kind:
                yield document.problem(
                    here,
                    f"is {shown(kind)} here and {shown(first_kind)} in domain {first_domain}",
                    "one attribute, one type",
                )


def _rule_ids(packs: Sequence[Pack], document: Document) -> Iterator[Diagnostic]:
    owner = {rule.id: f"in pack {pack.name}" for pack in packs for rule in pack.rules}
    for index, item in enumerate(_list(document.data.get("rules"))):
        name = _mapping(item).get("id")
        if isinstance(name, str):
            here = ("rules", index, "id")
            if name in owner:
                yield document.problem(here, f"there is a rule {name!r} {owner[name]} already", "rename one")
            # In the reasons of a decision such a rule would look like a reason of the pipeline.
            if reasons.find(name) is not None:
                yield document.problem(here, f"{name!r} is a reason that the pipeline gives itself", "rename the rule")
            owner.setdefault(name, f"on line {document.line(here)}")


def _safe_rules(domains: Mapping[str, Any], document: Document) -> Iterator[Diagnostic]:
    first_line: dict[str, int] = {}
    for index, item in enumerate(_list(document.data.get("safe_rules"))):
        rule = _readable(SafeRule, item)
        if rule is None:
            continue
        here: FieldPath = ("safe_rules", index)
        if rule.id in first_line:
            yield document.problem(
                (*here, "id"), f"there is a safe rule {rule.id!r} on line {first_line[rule.id]} already", "rename one"
            )
        first_line.setdefault(rule.id, document.line((*here, "id")))
        if rule.domain not in domains:
            yield document.problem(
                (*here, "domain"),
                f"{rule.domain!r} is not a domain of this policy",
                near(rule.domain, map(str, domains)),
            )
            continue
        domain = _readable_domain(domains[rule.domain])
        if domain is not None and rule.prediction not in domain.outcomes:
            yield document.problem(
                (*here, "prediction"),
                f"{rule.prediction!r} is not an outcome of domain {rule.domain}",
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


def _readable(model: type[_Model], raw: Any) -> _Model | None:
    """What remains of a part of the policy without the fields that have not the right form; None if nothing does."""
    rest = copy.deepcopy(raw)
    while isinstance(rest, dict):
        try:
            return model.model_validate(rest)
        except ValidationError as error:
            # One field at a time: with it, errors inside it are gone as well.
            if not _remove(rest, error.errors()[0]["loc"]):
                break
    return None


def _remove(raw: dict[Any, Any], path: FieldPath) -> bool:
    """Removes the innermost field on `path` that exists; False if there is none."""
    innermost: tuple[dict[Any, Any], Any] | None = None
    node: Any = raw
    for part in path:
        if isinstance(node, dict) and part in node:
            innermost = node, part
            node = node[part]
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            break
    if innermost is None:
        return False
    del innermost[0][innermost[1]]
    return True


def _readable_domain(raw: Any) -> Domain | None:
    """The domain without its wrong fields; where its models cannot be read, with any."""
    return _readable(Domain, raw) or _readable(Domain, {**_mapping(raw), "models": ["*"]})


def _mapping(raw: Any) -> dict[Any, Any]:
    return raw if isinstance(raw, dict) else {}


def _list(raw: Any) -> list[Any]:
    return raw if isinstance(raw, list) else []
