"""A cluster that enforces access control lists, and the roles as processes on it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # re-exported without saying so
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from interlock.operations.acls import Acl, Role, acls, roles
from interlock.operations.granting import binding, grant
from interlock.platform.connection import Platform
from interlock.platform.settings import KafkaSettings, Settings
from interlock.schemas import catalogue
from interlock.streams.kafka import KafkaBroker
from interlock.streams.kafka_clients import NO_GROUP
from interlock.streams.tables import TableReader
from tests.crash.test_kill_everything import wait_until
from tests.streams.secured_kafka import SecuredKafka

_ANYTHING: Any = None  # which the package's types leave out

_EVERY = AclBindingFilter(
    ResourceType.ANY,
    _ANYTHING,
    ResourcePatternType.ANY,
    _ANYTHING,
    _ANYTHING,
    AclOperation.ANY,
    AclPermissionType.ANY,
)


def _only(given: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        given.restype,
        given.name,
        given.resource_pattern_type,
        given.principal,
        given.host,
        given.operation,
        given.permission_type,
    )


class Cluster:
    """A broker where everybody logs in with SCRAM, and nobody may do anything at first."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.roles = roles(Settings())
        self.passwords = {f"interlock-{role.name}": f"secret of {role.name}" for role in self.roles}
        self.secured = SecuredKafka(directory, self.passwords)

    def platform(self, role: str) -> Platform:
        return self._platform(self.secured.at("SCRAM"), self.secured.scram(f"interlock-{role}"))

    def broker(self, role: str) -> KafkaBroker:
        return self.platform(role).kafka()

    @property
    def administrator(self) -> Platform:
        return self._platform(self.secured.kafka.bootstrap_servers, self.secured.root)

    @contextmanager
    def process(self, role: str, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
        """`interlock run ROLE` as its own principal; `settings`: further variables of its environment."""
        with self.command(role, "run", role, **settings) as process:
            yield process

    @contextmanager
    def command(self, role: str, *words: str, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
        """`interlock WORDS` as the principal of `role`."""
        platform = self.platform(role)
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("INTERLOCK_")},
            "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS": platform.bootstrap_servers,
            "INTERLOCK_KAFKA__PROPERTIES": json.dumps(platform.kafka_properties),
            "INTERLOCK_DATA_DIR": str(self.directory / role),
            "INTERLOCK_ROUTER__AUDIT_KEY": "6f1b0c9de2547a83b1f0e9d8c7a65b43",
            "INTERLOCK_CALIBRATION__EVERY": "1",
            **settings,
        }
        with self.log(role).open("ab") as output:
            command = [sys.executable, "-m", "interlock", *words]
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def log(self, role: str) -> Path:
        return self.directory / f"{role}.log"

    def count(self, topic: catalogue.Topic) -> int:
        with closing(TableReader(self.administrator.kafka(), [topic.name])) as reader:
            return len(reader.read_all())

    def rights(self, role: Role) -> list[Acl]:
        """What `interlock acls` prints for it, without the one that nobody needs."""
        return [acl for acl in acls(role, f"User:interlock-{role.name}") if acl.name != NO_GROUP]

    def allow(self, rights: Sequence[Acl]) -> None:
        """Returns when the broker knows."""
        admin = self.administrator.admin()
        grant(admin, rights)
        wanted = {binding(acl) for acl in rights}
        wait_until(lambda: wanted <= {*admin.describe_acls(_EVERY).result()}, "the rights are in force", 30)

    def take(self, rights: Sequence[Acl]) -> None:
        """Takes them away again; returns when the broker knows."""
        admin = self.administrator.admin()
        taken = {binding(acl) for acl in rights}
        for done in admin.delete_acls([_only(each) for each in taken]).values():
            done.result()
        wait_until(lambda: not taken & {*admin.describe_acls(_EVERY).result()}, "the rights are gone", 30)

    def take_everything(self) -> None:
        admin = self.administrator.admin()
        for done in admin.delete_acls([_EVERY]).values():
            done.result()
        wait_until(lambda: not admin.describe_acls(_EVERY).result(), "all rights are gone", 30)

    def _platform(self, servers: str, properties: dict[str, str]) -> Platform:
        kafka = KafkaSettings(bootstrap_servers=servers, properties=properties)
        return Platform(Settings(data_dir=self.directory, kafka=kafka))
