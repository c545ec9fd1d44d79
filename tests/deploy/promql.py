"""The metrics that dashboards and alert rules ask Prometheus for."""

import json
import re
from dataclasses import dataclass

import yaml

from interlock.streams.metrics import PREFIX
from tests.deploy.compose import ROOT

RULES = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"]
PANELS = json.loads((ROOT / "deploy" / "grafana" / "pipeline.json").read_text())["panels"]

_SELECTOR = re.compile(rf"({PREFIX}\w+)(?:\{{([^}}]*)\}})?")
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')


@dataclass(frozen=True)
class Selector:
    """One metric as an expression names it, and what its labels must be."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]

    def takes(self, name: str, labels: dict[str, str]) -> bool:
        """Whether that series is one of those that are asked for."""
        return name == self.name and all(_holds(labels.get(label, ""), *how) for label, *how in self.matchers)


def expressions() -> list[str]:
    """All that dashboards and rules ask Prometheus."""
    asked = [target["expr"] for panel in PANELS for target in panel["targets"] if "expr" in target]
    return asked + [rule["expr"] for group in RULES for rule in group["rules"]]


def selectors(expression: str) -> set[Selector]:
    """The metrics of this project in an expression."""
    return {Selector(name, tuple(_MATCHER.findall(matchers or ""))) for name, matchers in _SELECTOR.findall(expression)}


def _holds(value: str, operator: str, wanted: str) -> bool:
    found = bool(re.fullmatch(wanted, value)) if operator.endswith("~") else value == wanted
    return found != operator.startswith("!")
