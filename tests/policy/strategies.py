"""Random policies, well-typed conditions and rows."""

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

from hypothesis import strategies as st

from interlock.policy.conditions.ast import Column, unreadable_column
from interlock.policy.conditions.python import Unreadable
from interlock.policy.regulation import pack, pack_names
from interlock.policy.vocabulary import ROUTING_COLUMNS, ColumnType, Priority, Workflow

COLUMNS = {
    "amount": ColumnType.FLOAT,
    "confidence": ColumnType.FLOAT,
    "age": ColumnType.INT,
    "country": ColumnType.STRING,
    "city": ColumnType.STRING,
    "novel": ColumnType.BOOL,
    "member": ColumnType.BOOL,
}

# The last three: two UTF-16 units, a combining accent, the end of a string in C.
_texts = st.text(alphabet="aAbB zé'\\ß日%_😀\u0301\0", max_size=4)
_ints = st.integers(-(10**18) + 1, 10**18 - 1) | st.integers(-3, 3)
_floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1.5, 0.1, 3.0])
_values = {
    ColumnType.FLOAT: _floats,
    ColumnType.INT: _ints,
    ColumnType.STRING: _texts,
    ColumnType.BOOL: st.booleans(),
}


# Columns that may have been given a value that cannot be read.
DOUBTFUL = [name for name, kind in COLUMNS.items() if Column(name, kind).unreadable]


def _unreadable(name: str, kind: ColumnType) -> st.SearchStrategy[Any]:
    """What a row has where a value was given that cannot be read: of routing fields a number that is not finite."""
    if name in ROUTING_COLUMNS:
        return st.sampled_from([float("nan"), float("inf"), float("-inf")])
    return st.sampled_from(["35,0", "", "maybe"]).map(lambda text: Unreadable(text, kind))


def rows() -> st.SearchStrategy[dict[str, Any]]:
    """A row with a NULL or something unreadable here and there."""

    def cell(name: str, kind: ColumnType) -> st.SearchStrategy[Any]:
        usual = st.none() | _values[kind]
        return usual | _unreadable(name, kind) if name in DOUBTFUL else usual

    return st.fixed_dictionaries({name: cell(name, kind) for name, kind in COLUMNS.items()})


def in_columns(data: Sequence[dict[str, Any]], *, finite: bool = False) -> list[dict[str, Any]]:
    """The rows as engines on columns take them, with a column beside each that may be unreadable.

    `finite`: with NULL for numbers that are not finite, as the router gives them to Polars.
    """

    def plain(cell: Any) -> Any:
        not_finite = isinstance(cell, float) and not math.isfinite(cell)
        return None if isinstance(cell, Unreadable) or (finite and not_finite) else cell

    def unreadable(cell: Any) -> bool:
        return isinstance(cell, Unreadable) or (isinstance(cell, float) and not math.isfinite(cell))

    return [
        {name: plain(cell) for name, cell in row.items()}
        | {unreadable_column(name): unreadable(row.get(name)) for name in DOUBTFUL}
        for row in data
    ]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _literal(kind: ColumnType) -> st.SearchStrategy[str]:
    if kind is ColumnType.STRING:
        return _texts.map(_quoted)
    if kind is ColumnType.BOOL:
        return st.sampled_from(["TRUE", "FALSE"])
    if kind is ColumnType.INT:
        return _ints.map(str)
    return st.decimals(-10_000, 10_000, places=3).map(str)


def _columns(kind: ColumnType) -> st.SearchStrategy[str]:
    return st.sampled_from([name for name, its in COLUMNS.items() if its is kind])


def _terms(kind: ColumnType) -> st.SearchStrategy[str]:
    plain = _columns(kind)
    filled = st.builds(lambda column, default: f"coalesce({column}, {default})", plain, _literal(kind))
    if kind is ColumnType.FLOAT:
        return plain | filled | _columns(kind).map("abs({})".format) | _columns(ColumnType.INT).map("abs({})".format)
    if kind is ColumnType.INT:
        return plain | filled | _columns(ColumnType.STRING).map("length({})".format)
    return plain | filled


def _comparisons() -> st.SearchStrategy[str]:
    def of(kind: ColumnType) -> st.SearchStrategy[str]:
        operators = ["=", "<>"] if kind is ColumnType.BOOL else ["=", "<>", "!=", "<", "<=", ">", ">="]
        right = _literal(kind) | _terms(kind)
        return st.builds(lambda a, op, b: f"{a} {op} {b}", _terms(kind), st.sampled_from(operators), right)

    ordered = [ColumnType.FLOAT, ColumnType.INT, ColumnType.STRING]
    between = st.sampled_from(ordered).flatmap(
        lambda kind: st.builds(
            lambda a, low, high: f"{a} BETWEEN {low} AND {high}", _terms(kind), _literal(kind), _literal(kind)
        )
    )
    within = st.sampled_from(ordered).flatmap(
        lambda kind: st.builds(
            lambda a, no, values: f"{a} {no}IN ({', '.join(values)})",
            _terms(kind),
            st.sampled_from(["", "NOT "]),
            st.lists(_literal(kind), min_size=1, max_size=4),
        )
    )
    mixed = st.builds("{} > {}".format, _columns(ColumnType.INT), _columns(ColumnType.FLOAT))
    nothing = st.builds("{} IS {}NULL".format, st.sampled_from(list(COLUMNS)), st.sampled_from(["", "NOT "]))
    return (
        st.sampled_from(list(ColumnType)).flatmap(of) | between | within | mixed | nothing | _columns(ColumnType.BOOL)
    )


def conditions() -> st.SearchStrategy[str]:
    """SQL text of a condition over COLUMNS."""
    return st.recursive(
        _comparisons(),
        lambda inner: (
            st.builds("({} AND {})".format, inner, inner)
            | st.builds("({} OR {})".format, inner, inner)
            | st.builds("NOT ({})".format, inner)
        ),
        max_leaves=6,
    )


_probabilities = st.sampled_from([0, 0.5, 0.8, 0.95, 1]) | st.floats(0, 1)
_names = st.sampled_from(["a", "b", "yes", "no", "q-1", "x.y"])
_conditions = st.sampled_from(["novel", "amount > 5", "NOT compliance_review", "domain = 'a'", "confidence < 0.8"])


def _thresholds(every: bool) -> st.SearchStrategy[dict[str, float]]:
    def named(values: list[float], keep: set[str]) -> dict[str, float]:
        falling = dict(zip(("auto", "async", "sync"), sorted(values, reverse=True), strict=True))
        return {name: value for name, value in falling.items() if every or name in keep}

    keep = st.sets(st.sampled_from(["auto", "async", "sync"]))
    return st.builds(named, st.lists(_probabilities, min_size=3, max_size=3), keep)


def _domains() -> st.SearchStrategy[dict[str, Any]]:
    def domain(
        outcomes: list[str], lanes: list[dict[str, Any]], raw: list[float], more: dict[str, Any]
    ) -> dict[str, Any]:
        own = dict(zip(("m@1", "a@2"), raw, strict=False)) if "*" in more["models"] else {}
        own |= dict(zip((f"{name}@1" for name in more["models"] if name != "*"), raw, strict=False))
        written = [{**lane, "auto_raw": own, "audit_rate": 0.25} if own else lane for lane in lanes]
        return {"outcomes": outcomes, "lanes": dict(zip(outcomes, written, strict=False)), **more}

    more = st.fixed_dictionaries(
        {"models": st.lists(_names | st.just("*"), min_size=1, max_size=3)},
        optional={
            "workflow": st.sampled_from([str(member) for member in Workflow]),
            "queue": _names,
            "shadow": st.lists(_names.map("{}@2".format), max_size=2),
            "options": st.integers(2, 10),
            "override_window": st.sampled_from(["30m", "2h", 60]),
            "reason_codes": st.lists(_names, max_size=2, unique=True),
            "attributes": st.dictionaries(st.sampled_from(["age", "size"]), st.just("int"), max_size=2),
        },
    )
    return st.builds(
        domain,
        st.lists(_names, min_size=2, max_size=3, unique=True),
        st.lists(_thresholds(every=False), max_size=2),
        st.lists(_probabilities, max_size=2),
        more,
    )


WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _wall(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _intervals() -> st.SearchStrategy[list[str]]:
    """The hours of a day in order, some of them touching."""

    def paired(marks: list[int]) -> list[str]:
        ordered = sorted(marks)
        return [f"{_wall(a)}-{_wall(b)}" for a, b in zip(ordered[::2], ordered[1::2], strict=False) if a < b]

    quarters = st.integers(0, 96).map(lambda quarter: quarter * 15)
    return st.lists(quarters | st.integers(0, 1440), min_size=2, max_size=6).map(paired)


def calendars(zones: Sequence[str], holidays: st.SearchStrategy[date]) -> st.SearchStrategy[dict[str, Any]]:
    """Calendars as a YAML file has them, with work on Sundays at the hours at which clocks change."""

    def calendar(zone: str, hours: dict[str, list[str]], closed: list[date]) -> dict[str, Any]:
        return {"time_zone": zone, "hours": {**hours, "sun": ["01:30-02:30", "02:30-12:00"]}, "holidays": closed}

    return st.builds(
        calendar,
        st.sampled_from(zones),
        st.dictionaries(st.sampled_from(WEEK), _intervals()),
        st.lists(holidays, max_size=3),
    )


def _queues() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {},
        optional={
            "order": st.sampled_from(["deadline", "score"]),
            "assign": st.sampled_from(["pull", "push"]),
            "lease": st.sampled_from(["30m", 60]),
            "start_within": st.sampled_from(["30m", "2h"]),
            "on_breach": st.sampled_from(["escalate", "raise_priority"]),
            "qualifications": st.lists(_names, max_size=2),
            "floors": st.dictionaries(st.sampled_from([str(member) for member in Priority]), st.floats(0, 0.25)),
            "calendar": calendars(["UTC", "Europe/Berlin"], st.dates(date(2026, 1, 1), date(2026, 12, 31))),
        },
    )


def policies() -> st.SearchStrategy[dict[str, Any]]:
    """Policies as a YAML file has them."""

    def with_queues(policy: dict[str, Any], queues: list[dict[str, Any]]) -> dict[str, Any]:
        names = sorted({domain.get("queue", "general") for domain in policy.get("domains", {}).values()})
        # All that domains use, or none.
        described = dict(zip(names, queues, strict=False)) if len(names) <= len(queues) else {}
        domains = policy.get("domains", {})
        notices = [notice for name in policy.get("packs", ()) for notice in pack(name).notices]
        if domains and notices:
            first, domain = next(iter(domains.items()))
            adverse = {f"adverse-{number}": {"notice": notice} for number, notice in enumerate(notices)}
            outcomes, lanes = [*domain["outcomes"], *adverse], {**domain["lanes"], **adverse}
            others = {name: {**other, "adverse": []} for name, other in domains.items()}
            policy = {**policy, "domains": {**others, first: {**domain, "outcomes": outcomes, "lanes": lanes}}}
        return {**policy, "queues": described}

    rule = st.fixed_dictionaries(
        {"id": _names, "when": _conditions, "route": st.sampled_from(["async", "sync", "manual"])},
        optional={"because": st.text("aé'\"ß: #日", max_size=5), "regulation": st.lists(_names, max_size=2)},
    )
    priority = st.fixed_dictionaries(
        {"when": _conditions, "set": st.sampled_from([str(member) for member in Priority])}
    )
    plain = st.fixed_dictionaries(
        {"name": _names},
        optional={
            "defaults": _thresholds(every=True),
            "domains": st.dictionaries(_names, _domains(), max_size=3),
            "rules": st.lists(rule, max_size=3, unique_by=lambda rule: rule["id"]),
            "priority": st.lists(priority, max_size=2),
            "audit": st.fixed_dictionaries({"rate": _probabilities}),
            "calibration": st.fixed_dictionaries({"use": st.booleans()}),
            "packs": st.lists(st.sampled_from(pack_names()), unique=True, max_size=3),
        },
    )
    return st.builds(with_queues, plain, st.lists(_queues(), max_size=3))
