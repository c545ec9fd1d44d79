"""The manifests of Kubernetes, as the base and the components list them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.compose import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
BASE = KUBERNETES / "base"
COMPONENTS = sorted(path for path in (KUBERNETES / "components").iterdir() if path.is_dir())
OVERLAYS = sorted(path for path in (KUBERNETES / "overlays").iterdir() if path.is_dir())


def kustomization(folder: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((folder / "kustomization.yaml").read_text())
    return loaded


def manifests(*folders: Path) -> list[dict[str, Any]]:
    """What those folders add, without their patches; of all folders by default."""
    files = [
        folder / name
        for folder in folders or (BASE, *COMPONENTS)
        for name in kustomization(folder).get("resources", [])
    ]
    return [manifest for file in files for manifest in yaml.safe_load_all(file.read_text())]


def workloads(*folders: Path) -> list[dict[str, Any]]:
    """Those that have pods."""
    return [manifest for manifest in manifests(*folders) if "template" in manifest.get("spec", {})]


def pods(*folders: Path) -> Iterator[dict[str, Any]]:
    for workload in workloads(*folders):
        yield workload["spec"]["template"]["spec"]


def containers(*folders: Path) -> Iterator[dict[str, Any]]:
    for pod in pods(*folders):
        yield from pod["containers"]
