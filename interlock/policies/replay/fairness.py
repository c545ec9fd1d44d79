"""What happened to groups of people: how much was decided by machine, how often it was wrong, and to whose favour."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from interlock.encryption.keys import KeyStore
from interlock.learning.answered import MIN_SHOWN
from interlock.learning.groups import FOUR_FIFTHS, MIN_VERDICTS
from interlock.learning.strata import Stratum, total
from interlock.policies.replay.known_errors import KnownErrors, known_errors
from interlock.policies.replay.query import History
from interlock.policies.replay.reading import Reader
from interlock.policies.replay.replaying import UNSEEN, WAY
from interlock.policy.kinds import Kinds
from interlock.policy.model import Policy

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# What is asked of every decision, SQL by name.
_SAID = {
    "model": "concat(model_id, '@', model_version)",
    "predicted": "toString(prediction)",
    "way": WAY,
    "shadowed": "is_shadow",
}
_JUDGED = _SAID | {"was_overridden": "overridden", "pi": "verdict_propensity"}

_GROUP = tuple[str, str, str]  # model, attribute and value


@dataclass
class _Way:
    """Decisions that came on one way: `chosen` of them for a person, and sums over those that were judged."""

    decisions: int = 0
    chosen: int = 0
    judged: int = 0
    weight: float = 0.0
    squares: float = 0.0
    wrong: float = 0.0

    def stratum(self) -> Stratum:
        answered = min(1.0, self.judged / self.chosen) if self.chosen and self.judged else 1.0
        return Stratum(self.decisions, self.judged, self.weight, self.squares, self.wrong, answered)


@dataclass
class _Group:
    ways: dict[str, _Way] = field(default_factory=lambda: defaultdict(_Way))
    favourable: int = 0

    @property
    def decisions(self) -> int:
        return sum(way.decisions for way in self.ways.values())

    @property
    def automated(self) -> int:
        return sum(way.decisions for name, way in self.ways.items() if name in UNSEEN)


def fairness(
    client: "Client", policy: Policy, domain: str, since: datetime, until: datetime, keys: KeyStore | None = None
) -> list[dict[str, Any]]:
    """For JSON: one row for each model version, attribute and group of the domain, and one of everybody, whose
    attribute is empty; by attribute the group first whose automated decisions are wrong beyond doubt.

    `policy`: the one in force, whose groups are told apart. `keys` open attributes that are sealed. Raises
    SealedHistoryError where there are such and no keys, and ClickHouseError.
    """
    adverse = policy.domains[domain].adverse_outcomes
    history = History([domain], int(since.timestamp() * 1000), int(until.timestamp() * 1000))
    reader = Reader(client, Kinds(policy), history, keys)
    groups: dict[_GROUP, _Group] = defaultdict(_Group)
    for found in reader.groups(_SAID, of_groups=True):
        model, predicted, way, shadowed = found.values
        if not shadowed:
            group = groups[model, *found.of_group]
            group.ways[way].decisions += found.decisions
            group.ways[way].chosen += found.reviews
            group.favourable += found.decisions * (predicted not in adverse)
    unreadable = reader.unreadable
    for found in reader.groups(_JUDGED, of_groups=True, judged=True):
        model, _, way, _, overridden, propensity = found.values
        one = groups[model, *found.of_group].ways[way]
        weight = found.decisions / propensity
        one.judged += found.decisions
        one.weight += weight
        one.squares += weight / propensity
        one.wrong += weight * overridden
    rows = [_row(domain, name, group, told=bool(adverse)) for name, group in groups.items()]
    people = known_errors(client).get(domain, KnownErrors())
    told = [row | _in_truth(row, people) | {"unreadable": unreadable} for row in rows]
    return sorted(_compared(told), key=_order)


def _row(domain: str, name: _GROUP, group: _Group, *, told: bool) -> dict[str, Any]:
    model, attribute, value = name
    unseen = [way for key, way in group.ways.items() if key in UNSEEN]
    return {
        "domain": domain,
        "model": model,
        "attribute": attribute,
        "group": value,
        "decisions": group.decisions,
        "automated": group.automated / group.decisions if group.decisions else None,
        "automated_ratio": None,
        "favourable": group.favourable / group.decisions if told and group.decisions else None,
        "favourable_ratio": None,
        **_rate("automated_error", unseen),
        **_rate("override_rate", group.ways.values()),
    }


def _rate(name: str, ways: Iterable[_Way]) -> dict[str, Any]:
    """The share that people overrode or would override, with its interval; nothing where too little is judged."""
    strata = [way.stratum() for way in ways if way.decisions]
    found = total(strata)
    chosen = sum(way.chosen for way in ways)
    answered = min(1.0, found.judged / chosen) if chosen else None
    few = found.judged < MIN_VERDICTS or found.unknown > 0
    value = low = high = None
    if not few and found.population:
        value = found.value / found.population
        if answered is None or answered >= MIN_SHOWN:
            low, high = found.low / found.population, min(1.0, found.high / found.population)
    return {
        name: value,
        f"{name}_lower": low,
        f"{name}_upper": high,
        f"{name}_verdicts": found.judged,
        f"{name}_answered": answered,
    }


def _in_truth(row: Mapping[str, Any], people: KnownErrors) -> dict[str, float | None]:
    """The error of automated decisions that flawless people would have found; where too little is known of people, what
    it is if they miss a fifth of errors."""
    names = [f"automated_error_in_truth{end}" for end in ("", "_lower", "_upper")]
    supposed = "automated_error_if_a_fifth_is_missed"
    value, low, high = (row[f"automated_error{end}"] for end in ("", "_lower", "_upper"))
    told: dict[str, float | None] = dict.fromkeys((*names, supposed))
    if value is None or low is None or high is None:
        return told
    true = people.in_truth(value, low, high, row["decisions"], row["automated_error_verdicts"])
    if true.known:
        return told | dict(zip(names, (true.value, true.low, true.high), strict=True))
    return told | {supposed: true.value}


def _compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """With impact ratios: a group's share over that of the group with the largest one, of MIN_VERDICTS decisions."""
    for row in rows:
        others = [
            one
            for one in rows
            if (one["model"], one["attribute"]) == (row["model"], row["attribute"]) and one["decisions"] >= MIN_VERDICTS
        ]
        for name in ("automated", "favourable"):
            most = max((one[name] or 0.0 for one in others), default=0.0)
            if row["attribute"] and most and row[name] is not None and row["decisions"] >= MIN_VERDICTS:
                row[f"{name}_ratio"] = row[name] / most
        row["remarks"] = _remarks(row)
    return rows


def _remarks(row: Mapping[str, Any]) -> list[str]:
    remarks = []
    if row["automated_error"] is None and row["automated"]:
        remarks.append("too-few-verdicts")
    if row["automated_error"] is not None and row["automated_error_lower"] is None:
        remarks.append("too-few-answered")
    if row["attribute"] and not row["group"]:
        remarks.append("not-known")
    remarks += [
        remark
        for name, remark in (("automated_ratio", "automated-less"), ("favourable_ratio", "favoured-less"))
        if row[name] is not None and row[name] < FOUR_FIFTHS
    ]
    return remarks


def _order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    error = row["automated_error_lower"]
    return row["model"], row["attribute"], error is None, -(error or 0.0), -row["decisions"], row["group"]
