"""The compose file as Compose reads it: anchors merged, variables filled from new secrets."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)


def own_services() -> Iterator[tuple[str, dict[str, Any]]]:
    """Those that run the image of this project."""
    for name, service in COMPOSE["services"].items():
        if service["image"].startswith("interlock:"):
            yield name, service


def new_secrets(of: str) -> dict[str, str]:
    """What the script prints for a deployment of that kind."""
    done = subprocess.run(["sh", ROOT / "deploy/secrets.sh", of], capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


@cache
def secrets_of_compose() -> Mapping[str, str]:
    return new_secrets("compose")


def environment(service: str) -> dict[str, str]:
    """The variables of that service, where `.env` is what the script printed and nothing else is set."""
    own: dict[str, Any] = COMPOSE["services"][service].get("environment", {})
    return {name: _filled(str(value)) for name, value in own.items()}


def _filled(text: str) -> str:
    def value(found: re.Match[str]) -> str:
        name, operator, word = found.groups()
        if operator == ":?":
            return secrets_of_compose()[name]
        return secrets_of_compose().get(name, "") or word

    return re.sub(r"\$\{(\w+)(:[?-])([^}]*)\}", value, text)
