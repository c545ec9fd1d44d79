"""Compose file, image and Kubernetes manifests: everything they name exists."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from interlock.platform.connection import Platform
from interlock.platform.keys import has_master_key
from interlock.platform.settings import Settings
from interlock.platform.trail_keys import trail_signer
from tests.deploy.compose import COMPOSE, ROOT, new_secrets, own_services
from tests.deploy.kubernetes import BASE, containers, manifests, pods
from tests.docs.commands import accept

MANIFESTS = manifests()


def test_compose_runs_commands_that_exist() -> None:
    services = dict(own_services())
    assert set(services) == {
        *("prepare", "router", "desk", "sink", "feedback", "calibration", "sampler", "notices", "watch"),
        *("console", "webhooks", "notifier", "schemas"),
    }
    for service in services.values():
        accept(["interlock", *service["command"]])


def test_every_setting_of_the_deployments_is_one() -> None:
    found = {name for _, service in own_services() for name in service["environment"]}
    for manifest in MANIFESTS:
        if manifest["kind"] in ("ConfigMap", "Secret"):
            found |= set(manifest.get("data", {})) | set(manifest.get("stringData", {}))
    for secret in ("kubernetes", "kubernetes-keys", "kubernetes-trail", "kubernetes-webhooks"):
        found |= set(new_secrets(secret))
    found |= {item["name"] for container in containers() for item in container.get("env", [])}
    found |= set(re.findall(r"INTERLOCK_\w+(?==)", (ROOT / "deploy" / "Dockerfile").read_text()))
    assert len(found) > 6
    for name in found:
        model: Any = Settings
        for part in name.removeprefix("INTERLOCK_").lower().split("__"):
            assert part in model.model_fields, name
            model = model.model_fields[part].annotation


def test_metrics_are_reachable_from_outside_of_every_container() -> None:
    for _, service in own_services():
        assert service["environment"]["INTERLOCK_METRICS_HOST"] == "0.0.0.0"
    (settings,) = (manifest["data"] for manifest in MANIFESTS if manifest["kind"] == "ConfigMap")
    assert settings["INTERLOCK_METRICS_HOST"] == "0.0.0.0"


def test_every_mounted_file_exists() -> None:
    mounts = [volume for service in COMPOSE["services"].values() for volume in service.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith("./")]
    assert len(files) >= 5
    assert all((ROOT / file).is_file() for file in files)


def test_every_secret_of_compose_is_made_by_the_script() -> None:
    wanted = set(re.findall(r"\$\{(\w+):\?", (ROOT / "docker-compose.yml").read_text()))
    assert wanted == set(new_secrets("compose"))


def test_the_secrets_of_kubernetes_are_settings_new_each_time_and_not_guessable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = (
        new_secrets("kubernetes") | new_secrets("kubernetes-keys") | new_secrets("kubernetes-trail") for _ in range(2)
    )
    assert len({*first.values(), *second.values()}) == 2 * len(first)
    for name, value in first.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.clickhouse.password.get_secret_value() == first["INTERLOCK_CLICKHOUSE__PASSWORD"]
    assert settings.clickhouse.analyst_password.get_secret_value() == first["INTERLOCK_CLICKHOUSE__ANALYST_PASSWORD"]
    assert settings.router.audit_key is not None
    assert has_master_key(settings)
    assert trail_signer(Platform(settings))
    assert settings.signing.key == settings.desk.signers["console"].key == settings.router.signers["console"]
    assert settings.desk.signers["callers"].speaks_for == "callers"


def test_who_stores_or_reads_personal_data_shares_one_key_store_and_nobody_else_has_the_master_key() -> None:
    reading = {"sink", "console", "notices", "feedback"}
    with_keys = {
        name for name, service in own_services() if "INTERLOCK_ENCRYPTION__MASTER_KEY" in service["environment"]
    }
    assert with_keys == reading
    for name, service in own_services():
        assert ("keys:/var/lib/interlock" in service.get("volumes", [])) == (name in reading)
    store = "/var/lib/interlock/keys.sqlite"
    for pod in pods(BASE):
        (container,) = pod["containers"]
        secrets = [source["secretRef"]["name"] for source in container["envFrom"] if "secretRef" in source]
        has_keys = container["name"] in reading
        assert ("interlock-keys" in secrets) == has_keys
        assert ({"name": "keys", "persistentVolumeClaim": {"claimName": "keys"}} in pod["volumes"]) == has_keys
        assert ({"name": "INTERLOCK_ENCRYPTION__KEY_STORE", "value": store} in container.get("env", [])) == has_keys
        # SQLite's locks: one node has the volume.
        assert ("affinity" in pod) == has_keys
        assert ("interlock-trail" in secrets) == (container["name"] == "sink")


def test_no_file_of_the_deployments_holds_a_secret() -> None:
    texts = [file.read_text() for file in (ROOT / "deploy").rglob("*") if file.is_file() and file.suffix != ".env"]
    texts.append((ROOT / "docker-compose.yml").read_text())
    for text in texts:
        assert not re.search(r"change-me|[0-9a-f]{32}", text)


def test_every_image_is_pinned_to_a_version() -> None:
    images = [service["image"] for service in COMPOSE["services"].values()] + [
        container["image"] for container in containers()
    ]
    assert all(re.fullmatch(r"[\w./-]+:v?\d+\.\d+(\.\d+)?", image) for image in images), images


@pytest.mark.docker
@pytest.mark.timeout(900)
def test_the_sink_s_tables_and_the_topics_fit_the_servers_that_compose_starts() -> None:
    """What the embedded platform cannot show: the same code on a ClickHouse server and a broker in containers."""
    if "DOCKER_HOST" not in os.environ and not Path("/var/run/docker.sock").exists():
        pytest.skip("no Docker engine on this machine: neither DOCKER_HOST nor /var/run/docker.sock")
    from pydantic import SecretStr
    from testcontainers.clickhouse import ClickHouseContainer
    from testcontainers.kafka import KafkaContainer

    from interlock.operations.reconcile import reconcile
    from interlock.platform.provisioning import create_topics, migrate
    from interlock.platform.settings import ClickHouseSettings, KafkaSettings
    from interlock.schemas import catalogue

    images = {name: service["image"] for name, service in COMPOSE["services"].items()}
    with (
        ClickHouseContainer(images["clickhouse"], username="interlock", password="of-the-test") as clickhouse,
        KafkaContainer(images["kafka"]).with_kraft() as kafka,
    ):
        url = f"http://{clickhouse.get_container_host_ip()}:{clickhouse.get_exposed_port(8123)}"
        platform = Platform(
            Settings(
                kafka=KafkaSettings(bootstrap_servers=kafka.get_bootstrap_server()),
                clickhouse=ClickHouseSettings(url=url, password=SecretStr("of-the-test")),
            )
        )
        assert len(create_topics(platform)) == len(catalogue.TOPICS)
        assert migrate(platform)
        assert reconcile(platform).ok
