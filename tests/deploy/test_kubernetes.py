"""The manifests are what Kubernetes takes, there is one for every role, and overlays change what is there."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.compose import ROOT
from tests.deploy.kubernetes import (
    BASE,
    COMPONENTS,
    KUBERNETES,
    OVERLAYS,
    containers,
    kustomization,
    manifests,
    pods,
    workloads,
)
from tests.deploy.promql import RULES
from tests.deploy.test_compose import ROLES_IN_CONTAINERS, SERVICES
from tests.docs.commands import accept

# The oldest release that still gets patches when this is written; what it takes, later ones take too.
RELEASE = "1.34"

# Kinds of the Prometheus operator: Kubernetes has no schema for them.
FOREIGN = {"PodMonitor", "PrometheusRule"}


def _named(manifest: dict[str, Any]) -> str:
    return f"{manifest['kind']} {manifest['metadata']['name']}"


@pytest.mark.parametrize("manifest", [one for one in manifests() if one["kind"] not in FOREIGN], ids=_named)
def test_kubernetes_takes_every_manifest(manifest: dict[str, Any]) -> None:
    kubernetes_validate.validate(manifest, RELEASE, strict=True)


def test_the_validator_finds_a_field_that_does_not_exist() -> None:
    (router,) = [one for one in workloads(BASE) if one["metadata"]["name"] == "router"]
    router["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError, match="livenesProbe"):
        kubernetes_validate.validate(router, RELEASE, strict=True)


def test_every_file_is_listed() -> None:
    for folder in (BASE, *COMPONENTS, *OVERLAYS):
        listed = kustomization(folder).get("resources", [])
        files = {file.name for file in folder.glob("*.yaml")}
        assert {name for name in listed if not name.startswith("..")} | {"kustomization.yaml"} == files


def test_every_role_has_pods_of_its_name() -> None:
    def roles(*folders: Path) -> set[str]:
        return {container["args"][1] for container in containers(*folders) if container["args"][0] == "run"}

    assert roles() == ROLES_IN_CONTAINERS
    assert roles(*COMPONENTS) == {name for name in ROLES_IN_CONTAINERS if "profiles" in SERVICES[name]}
    for workload in workloads():
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        accept(["interlock", *container["args"]])
        labels = workload["spec"]["template"]["metadata"]["labels"]
        names = {workload["metadata"]["name"], container["name"], labels["role"]}
        assert names == {container["args"][-1] if container["args"][0] == "run" else container["args"][0]}


def test_pods_of_one_role_are_told_apart_by_their_names() -> None:
    # The setting is unset: the name of the pod is that of its host.
    for container in containers():
        assert "INTERLOCK_INSTANCE_ID" not in {item["name"] for item in container.get("env", [])}
    for pod in pods():
        assert "hostNetwork" not in pod


def test_what_runs_once_is_replaced_and_never_runs_twice() -> None:
    single = {"feedback", "calibration", "sampler", "watch"}
    for workload in workloads(BASE):
        spec = workload["spec"]
        if workload["metadata"]["name"] in single:
            assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
        elif workload["kind"] == "Deployment":
            assert spec["replicas"] > 1


def test_what_was_delivered_is_remembered_on_a_volume_of_the_pod() -> None:
    for workload in workloads(*COMPONENTS):
        (claim,) = workload["spec"]["volumeClaimTemplates"]
        (container,) = workload["spec"]["template"]["spec"]["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert {"name": "INTERLOCK_DATA_DIR", "value": mounts[claim["metadata"]["name"]]} in container["env"]


def test_a_budget_never_keeps_pods_on_a_node_that_their_successors_wait_for() -> None:
    budgets = [one for one in manifests(BASE) if one["kind"] == "PodDisruptionBudget"]
    assert {one["metadata"]["name"] for one in budgets} == {"router", "desk"}
    for workload in workloads(BASE):
        template = workload["spec"]["template"]
        if "affinity" in template["spec"]:
            labels = template["metadata"]["labels"]
            assert not any(one["spec"]["selector"]["matchLabels"].items() <= labels.items() for one in budgets)


def test_the_job_that_prepares_makes_room_for_that_of_the_next_version() -> None:
    (job,) = [one for one in manifests(BASE) if one["kind"] == "Job"]
    assert job["spec"]["ttlSecondsAfterFinished"] > 0


def test_a_desk_is_given_the_memory_that_was_measured() -> None:
    text = (ROOT / "docs" / "performance.md").read_text()
    (most,) = re.findall(r"^\| memory, and at the most \| [\d,]+ MB, ([\d,]+) MB \|", text, re.MULTILINE)
    (desk,) = [one for one in containers(BASE) if one["name"] == "desk"]
    assert desk["resources"]["requests"]["memory"] == desk["resources"]["limits"]["memory"]
    mebibytes = int(desk["resources"]["requests"]["memory"].removesuffix("Mi"))
    assert mebibytes * 2**20 > int(most.replace(",", "")) * 10**6


def test_pods_run_without_privileges_and_have_limits() -> None:
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"]
    for container in containers():
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert not container["securityContext"]["allowPrivilegeEscalation"]
        assert {"requests", "limits"} <= set(container["resources"])


def test_selectors_find_their_pods() -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in workloads()]
    for manifest in manifests():
        spec = manifest.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector")
        if selector:
            wanted = selector.get("matchLabels", selector)
            assert any(wanted.items() <= label.items() for label in labels), _named(manifest)


def test_the_operator_of_prometheus_gets_the_rules_of_compose_and_the_labels_that_they_ask_for() -> None:
    monitoring = {one["kind"]: one["spec"] for one in manifests(KUBERNETES / "components" / "monitoring")}
    assert monitoring["PrometheusRule"]["groups"] == RULES
    pod_monitor = monitoring["PodMonitor"]
    assert (pod_monitor["jobLabel"], pod_monitor["podTargetLabels"]) == ("app", ["role"])
    (endpoint,) = pod_monitor["podMetricsEndpoints"]
    assert endpoint["honorLabels"]
    for container in containers():
        ports = {port["name"] for port in container.get("ports", [])}
        assert (endpoint["port"] in ports) == (container["args"][0] == "run")


@pytest.mark.parametrize("folder", [*OVERLAYS, *COMPONENTS], ids=lambda folder: folder.name)
def test_what_is_patched_exists(folder: Path) -> None:
    known = manifests(BASE, folder) if folder in COMPONENTS else manifests()
    for patch in kustomization(folder).get("patches", []):
        target = patch["target"]
        found = [
            one
            for one in known
            if one["kind"] == target["kind"] and re.fullmatch(target["name"], one["metadata"]["name"])
        ]
        assert len(found) == len(target["name"].split("|")), target
        for operation in yaml.safe_load(patch["patch"]):
            *above, last = operation["path"].strip("/").split("/")
            for manifest in found:
                place: Any = manifest
                for step in above:
                    place = place[int(step)] if isinstance(place, list) else place[step]
                assert (last in place) == (operation["op"] != "add"), (target, operation["path"])


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda folder: folder.name)
def test_an_overlay_names_the_image_and_counts_processes_that_there_are(folder: Path) -> None:
    overlay = kustomization(folder)
    assert overlay["resources"] == ["../../base"]
    assert [image["name"] for image in overlay["images"]] == ["interlock"]
    assert {image.rpartition(":")[0] for image in (one["image"] for one in containers())} == {"interlock"}
    scaled = {count["name"]: count["count"] for count in overlay["replicas"]}
    several = {one["metadata"]["name"] for one in workloads(BASE) if one["spec"].get("replicas", 1) > 1}
    assert set(scaled) == several
    if folder.name == "small":
        assert set(scaled.values()) == {1}
    else:
        assert min(scaled.values()) >= 2


def test_every_component_is_offered_by_the_overlay_for_production() -> None:
    text = (KUBERNETES / "overlays" / "production" / "kustomization.yaml").read_text()
    assert [folder.name for folder in COMPONENTS if f"../../components/{folder.name}" not in text] == []


def test_git_takes_no_file_of_secrets() -> None:
    generated = [
        folder.relative_to(ROOT) / file
        for folder in (BASE, *COMPONENTS)
        for secret in kustomization(folder).get("secretGenerator", [])
        for file in secret["envs"]
    ]
    assert len(generated) == 5
    assert all(file.suffix == ".env" and file.parts[:2] == ("deploy", "kubernetes") for file in generated)
    assert "deploy/kubernetes/**/*.env" in (ROOT / ".gitignore").read_text().splitlines()
