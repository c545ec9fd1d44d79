"""Values of every Avro type: plausible ones, so that records reach the logic, and those that break programs."""

import json
from functools import cache
from random import Random
from typing import Any

from interlock.schemas import avro_schemas, wire

DAY = 86_400_000_000

STRINGS = (
    "",
    "x",
    "a\x00b",
    "\u202eright to left",
    "\x1b[2J\x1b[1;1Hpainted\x1b[8m",
    "\U0001f600" * 50,
    "\ufeffbom\uffff",
    "[/red]%s{0}'; DROP TABLE decisions; --",
    '{"a": {"b": [1, null, true]}}',
    "NaN",
    "../../../etc/passwd",
    "name@1@2",
)
# Rarer, because each is as large as many records.
LONG_STRINGS = (
    "9" * 5_000,
    '{"number": ' + "9" * 5_000 + "}",
    "[" * 3_000,
    '{"a":' * 3_000 + "1" + "}" * 3_000,
    "y" * 9_000,
)
LARGE_STRINGS = ("[" * 100_000, "z" * 200_000, "\U0001f600" * 100_000)

DOUBLES = (0.0, -0.0, 0.5, 1.0, 1.5, -1.0, 5e-324, 1e308, -1e308, 2.0**63, float("nan"), float("inf"), float("-inf"))
LONGS = (0, 1, -1, 2**31, -(2**31), 2**53, 2**62, 2**63 - 1, -(2**63), 1_767_225_600, 1_767_225_600_000_000_000)
INTS = (0, 1, 2, -1, 2**31 - 1, -(2**31))

PLAUSIBLE: dict[str, tuple[Any, ...]] = {
    "domain": ("loans", "later", "nowhere"),
    "model_id": ("m", "other"),
    "model_version": ("1", "2"),
    "prediction": ("approve", "reject"),
    "outcome": ("approve", "reject", ""),
    "verdict": ("approve", "reject", "modify", "choose"),
    "reason_code": ("other", "agree"),
    "reason_text": ("because",),
    "reviewer": ("ann", "bob", "lee"),
    "actor": ("ann", "bob", "lee", "desk"),
    "id": ("ann", "bob", "kim"),
    "queue": ("underwriting", "after", "default"),
    "priority": ("low", "medium", "high", "critical"),
    "route": ("auto", "async", "sync", "manual"),
    "workflow": ("escalation", "pre_approval", "post_approval", "hybrid"),
    "state": ("waiting", "assigned", "leased", "snoozed", "done"),
    "event": ("arrived", "resolved"),
    "severity": ("info", "warning", "critical"),
    "role": ("reviewer", "lead"),
    "time_zone": ("UTC", "Europe/Berlin"),
    "scope": ("domain:later", "model:other"),
    "modifications": ("", '{"amount": 1}'),
    "topic": ("reviews.async", "reviews.manual", "decisions.auto-approved"),
    "partition": (0,),
    "version": (1, 2),
    "epoch": (1, 2),
}
KINDS = {
    "Command": (
        *("claim", "extend", "release", "snooze", "submit", "override", "expire", "escalate", "de_escalate"),
        *("reassign", "appeal", "gold", "on_duty", "off_duty"),
    ),
    "Task": ("review", "audit", "post_approval", "gold", "appeal"),
    "Outcome": ("review", "audit", "post_approval", "gold", "appeal", "override"),
    "Action": ("execute", "roll_back", "notify"),
}
IDS = ("decision_id", "task_id")

# Some come again, unchanged or with other content; with fewer, so many would be refused that the router stops.
IDS_IN_USE = 20_000


class Values:
    """Records of every schema. `odd`: the share of values that are not plausible."""

    def __init__(self, rng: Random, now: int) -> None:
        self._rng = rng
        self.now = now

    def record(self, name: str, odd: float) -> dict[str, Any]:
        return self._record(_document(name), odd, name)

    def encoded(self, name: str, record: dict[str, Any]) -> bytes:
        return wire.encode(name, record)

    def _record(self, document: dict[str, Any], odd: float, name: str) -> dict[str, Any]:
        named = {document["name"]: document}
        return {
            field["name"]: self._value(field["type"], field["name"], odd, name, named) for field in document["fields"]
        }

    def _value(self, kind: Any, field: str, odd: float, name: str, named: dict[str, Any]) -> Any:
        rng = self._rng
        if isinstance(kind, list):
            return self._value(rng.choice(kind), field, odd, name, named)
        if isinstance(kind, str):
            if kind in named:
                return self._record(named[kind], odd, name)
            return self._primitive(kind, field, odd, name)
        match kind["type"]:
            case "record":
                named[kind["name"]] = kind
                fields = kind["fields"]
                return {one["name"]: self._value(one["type"], one["name"], odd, name, named) for one in fields}
            case "array":
                return [self._value(kind["items"], field, odd, name, named) for _ in range(rng.choice((0, 1, 2, 5)))]
            case "map":
                names = ["age", "country", *STRINGS[:4]]
                return {rng.choice(names): self._value(kind["values"], field, odd, name, named) for _ in range(2)}
            case "enum":
                return rng.choice(kind["symbols"])
        if kind.get("logicalType", "").startswith("timestamp") and rng.random() > odd:
            return self.now + rng.randrange(-DAY, DAY)
        return self._primitive(kind["type"], field, odd, name)

    def _primitive(self, kind: str, field: str, odd: float, name: str) -> Any:
        rng = self._rng
        if kind == "null":
            return None
        if kind == "boolean":
            return rng.random() < 0.3
        if rng.random() > odd:
            if field in IDS:
                return f"d{rng.randrange(IDS_IN_USE)}"
            if field == "kind" and name in KINDS:
                return rng.choice(KINDS[name])
            options = [option for option in PLAUSIBLE.get(field, ()) if isinstance(option, str) == (kind == "string")]
            if options:
                return rng.choice(options)
            if kind in ("double", "float"):
                return rng.random()
            if kind in ("int", "long"):
                return rng.randrange(5)
        match kind:
            case "string":
                size = rng.random()
                return rng.choice(LARGE_STRINGS if size < 0.0005 else LONG_STRINGS if size < 0.03 else STRINGS)
            case "double" | "float":
                return rng.choice(DOUBLES)
            case "long":
                return rng.choice(LONGS)
            case "int":
                return rng.choice(INTS)
            case "bytes":
                return rng.randbytes(rng.randrange(20))
        raise AssertionError(f"no values of {kind}")


@cache
def _document(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(avro_schemas.text(name))
    return document
