"""Every statistical gate, found in the modules beside this one. Tests run short forms of them."""

import importlib
import pkgutil
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import bench.gates
from bench.gates.gate import Gate
from interlock.errors import UsageError


@dataclass(frozen=True)
class Row:
    """One figure of a gate. `promised` is empty where nothing is promised about it, `kept` then None."""

    gate: str
    runs: int
    figure: str
    promised: str
    before: float | None
    now: Any
    kept: bool | None


def gates() -> dict[str, Gate]:
    """Every gate by `module: name`; a module says which it has in `GATES`."""
    found: dict[str, Gate] = {}
    for module in sorted(info.name for info in pkgutil.iter_modules(bench.gates.__path__)):
        declared = getattr(importlib.import_module(f"bench.gates.{module}"), "GATES", {})
        found |= {f"{module}: {name}": Gate(*gate) for name, gate in declared.items()}
    return found


def chosen(name: str | None) -> dict[str, Gate]:
    """The gates whose name contains `name`."""
    known = gates()
    matching = {gate: known[gate] for gate in known if (name or "").lower() in gate.lower()}
    if not matching:
        raise UsageError("\n".join((f"no gate is called {name!r}; there are:", *known)))
    return matching


def run(name: str, gate: Gate, *, quick: bool = False) -> list[Row]:
    """The figures of one gate, those with a promise first."""
    runs = gate.runs_of(quick=quick)
    figures = _flat(gate.measure(runs))
    promises = {promise.figure: promise for promise in gate.promises}
    ordered = [*promises, *(figure for figure in figures if figure not in promises)]
    rows = []
    for figure in ordered:
        promise, value = promises.get(figure), figures[figure]
        if promise is None:
            rows.append(Row(name, runs, figure, "", None, value, None))
        else:
            rows.append(Row(name, runs, figure, str(promise), promise.before, value, promise.kept(value, runs)))
    return rows


def _flat(value: Any) -> dict[str, Any]:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if not isinstance(value, dict):
        return {"share": value}
    return {
        f"{key} {name}".strip(): figure
        for key, inner in value.items()
        for name, figure in (_flat(inner).items() if is_dataclass(inner) else [("", inner)])
    }
