"""What `docker compose up` starts keeps its data, can be scaled, and has the roles that there are."""

import json
import re
import socket
from pathlib import PurePosixPath
from typing import Any

import jsonschema_rs
import pytest
import yaml

from interlock.cli.roles import Role
from interlock.local.stages import ROLES, WATCH
from interlock.platform.settings import Settings
from tests.deploy.compose import COMPOSE, ROOT, environment, own_services

SERVICES: dict[str, Any] = COMPOSE["services"]
SCHEMA = json.loads((ROOT / "tests" / "deploy" / "compose_spec" / "compose-spec.json").read_text())

# The servers are others in containers, and the console serves the API too.
NOT_IN_CONTAINERS = {Role.KAFKA, Role.CLICKHOUSE, Role.API}
ROLES_IN_CONTAINERS = {str(role) for role in Role} - {str(role) for role in NOT_IN_CONTAINERS}


def mounts(service: str) -> dict[str, str]:
    """Volume or file by the path where the service sees it."""
    return {mount.split(":")[1]: mount.split(":")[0] for mount in SERVICES[service].get("volumes", [])}


def test_the_file_is_as_the_compose_specification_says() -> None:
    validator = jsonschema_rs.validator_for(SCHEMA)
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []
    assert not validator.is_valid({"services": {"router": {"image": "interlock:0.1.0", "comand": ["run", "router"]}}})


def test_every_role_has_a_service_of_its_name() -> None:
    roles = {name for name, service in own_services() if service["command"] == ["run", name]}
    assert roles == ROLES_IN_CONTAINERS
    always = {name for name in roles if "profiles" not in SERVICES[name]}
    assert always == {*ROLES, WATCH}


def test_kafka_writes_to_its_volume() -> None:
    # Without the variable it writes to /tmp: a first property of the environment puts the image's file out of force.
    assert SERVICES["kafka"]["environment"]["KAFKA_LOG_DIRS"] in mounts("kafka")
    assert mounts("kafka")["/var/lib/kafka/data"] in COMPOSE["volumes"]


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("clickhouse", "/var/lib/clickhouse"),
        ("prometheus", "/prometheus"),
        ("grafana", "/var/lib/grafana"),
        ("sink", "/var/lib/interlock"),
        ("webhooks", "/var/lib/interlock"),
        ("notifier", "/var/lib/interlock"),
    ],
)
def test_what_a_server_keeps_outlives_its_container(service: str, path: str) -> None:
    assert mounts(service)[path] in COMPOSE["volumes"]


def test_every_volume_is_used_and_no_file_is_mounted_into_one() -> None:
    named = {source for service in SERVICES for source in mounts(service).values() if not source.startswith(".")}
    assert named == set(COMPOSE["volumes"])
    for service in SERVICES:
        volumes = [path for path, source in mounts(service).items() if source in COMPOSE["volumes"]]
        files = [path for path, source in mounts(service).items() if source not in COMPOSE["volumes"]]
        assert not [file for file in files if file.startswith(tuple(f"{volume}/" for volume in volumes))]


def test_the_registry_keeps_schemas_in_kafka() -> None:
    registry = SERVICES["registry"]["environment"]
    assert registry["APICURIO_STORAGE_KIND"] == "kafkasql"
    assert (
        registry["APICURIO_KAFKASQL_BOOTSTRAP_SERVERS"] == environment("router")["INTERLOCK_KAFKA__BOOTSTRAP_SERVERS"]
    )


def test_grafana_has_a_password_of_its_own() -> None:
    assert SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"].startswith("${INTERLOCK_GRAFANA_PASSWORD:?")


def test_grafana_finds_the_dashboard() -> None:
    providers = yaml.safe_load((ROOT / "deploy" / "grafana" / "dashboards.yml").read_text())["providers"]
    (dashboard,) = [path for path, source in mounts("grafana").items() if source.endswith("pipeline.json")]
    assert [provider["options"]["path"] for provider in providers] == [str(PurePosixPath(dashboard).parent)]


def test_scaled_roles_are_told_apart_by_the_names_of_their_containers() -> None:
    assert Settings().instance_id == socket.gethostname()
    for name, service in own_services():
        assert not service.keys() & {"container_name", "hostname"}, f"{name} could not be scaled"
        # The executors of one group share their memory, a file that is named after the instance.
        assert ("INTERLOCK_INSTANCE_ID" in service["environment"]) == (name in ("webhooks", "notifier")), name


def test_webhooks_remember_what_they_have_delivered_on_their_volume() -> None:
    for service in ("webhooks", "notifier"):
        variables = environment(service)
        assert variables["INTERLOCK_DATA_DIR"] in mounts(service)
        assert variables["INTERLOCK_INSTANCE_ID"] == "1"


def test_ports_are_published_to_this_machine_alone() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(published) >= 6
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_containers_of_this_project_can_write_nowhere_but_to_tmp_and_volumes() -> None:
    for _, service in own_services():
        assert service["read_only"]
        assert service["tmpfs"] == ["/tmp"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_routers_believe_the_policies_that_the_console_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment("router").items():
        monkeypatch.setenv(name, value)
    signers = Settings().router.signers
    for name, value in environment("console").items():
        monkeypatch.setenv(name, value)
    console = Settings().signing
    assert console.key is not None
    assert signers[console.name] == console.key


def test_what_runs_once_is_not_asked_for_its_health() -> None:
    for name, service in own_services():
        assert service.get("healthcheck", {}).get("disable", False) == (service["command"][0] != "run"), name


def test_no_secret_can_get_into_the_image() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    # Everything is left out but what is named, and of that every file that a secret could stand in.
    assert rules[0] == "*"
    named = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    assert all((ROOT / name).exists() for name in named)
    assert not {"deploy", ".git", "tests"} & set(named)
    assert rules[-3:] == ["**/*.env", "**/*.pem", "**/*.sqlite"]


def test_the_image_has_all_that_it_is_built_from() -> None:
    named = set(re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    linked = {path.name for path in (ROOT / "interlock").iterdir() if path.is_symlink()}
    assert named == {"LICENSE", "README.md", "pyproject.toml", "requirements", "interlock"} | linked


def test_the_image_runs_as_a_user_with_a_number_and_tells_its_health() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text().splitlines()
    assert "USER 10001" in lines
    (check,) = [line for line in lines if line.startswith("HEALTHCHECK")]
    assert check.endswith('CMD ["python", "-m", "interlock.platform.health_check"]')
