"""Publishing where a company guards its registry: TLS, certificates of clients and a token. What is wrong is one line
that names the setting."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.schema_registry import Schema

from interlock.errors import UsageError
from interlock.platform.registry import Registry, client
from interlock.platform.settings import RegistrySettings
from interlock.schemas import avro_schemas
from interlock.schemas.written import SchemaUnavailableError
from tests.running_instance import Instance
from tests.schemas.apicurio import Apicurio
from tests.schemas.gateway import gateway
from tests.streams.secured_kafka import Authority, Identity

TOKEN = "of Interlock"

# No registry is there; these tests do not get as far.
NOWHERE = "http://127.0.0.1:9/apis/ccompat/v7"


class World:
    """Certificates of the company and of somebody else, and the address of a gateway."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.authority = Authority(directory / "company")
        self.me = self.authority.issue("interlock")
        self.stranger = Authority(directory / "somebody", "Somebody else's CA").issue("stranger")
        self.others = directory / "somebody" / "ca.pem"
        self.url = ""

    def files(self, me: Identity | None = None) -> dict[str, Path]:
        me = me or self.me
        return {"ca_file": self.authority.certificate, "certificate_file": me.certificate, "key_file": me.key}

    def settings(self, **changed: Any) -> RegistrySettings:
        return RegistrySettings(**{"url": self.url, "token": TOKEN, **self.files(), **changed})

    def publish(self, *arguments: str, token: str = TOKEN, code: int = 0, **changed: Path | None) -> Any:
        """Runs the command as a user does; the paths as options, the token in the environment."""
        options = [
            word
            for name, path in {**self.files(), **changed}.items()
            if path is not None
            for word in (f"--{name.replace('_', '-')}", str(path))
        ]
        environment = {"INTERLOCK_REGISTRY__TOKEN": token} if token else {}
        instance = Instance(self._directory / "instance", environment)
        return instance.run("schemas", "publish", *(arguments or (self.url,)), *options, code=code)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with gateway(NOWHERE, made.authority, TOKEN) as made.url:
        yield made


@pytest.mark.parametrize("token", ["of somebody else", ""])
def test_a_wrong_or_missing_token_is_told_in_the_words_of_the_registry_and_with_the_settings(
    token: str, world: World
) -> None:
    said = world.publish(token=token, code=1).stderr
    assert re.search(r"the token is not one of ours; .*INTERLOCK_REGISTRY__USER .*__TOKEN \(HTTP 401\)", said)
    assert len(said.strip().splitlines()) == 1


def test_certificates_that_one_side_does_not_trust_are_told_with_the_setting(world: World) -> None:
    closed = "it closes the connection"  # where the other side was too quick to say why
    for changed, sentences in (
        ({"ca_file": None}, ["INTERLOCK_REGISTRY__CA_FILE must have"]),
        ({"ca_file": world.others}, ["INTERLOCK_REGISTRY__CA_FILE must have"]),
        ({"certificate_file": None, "key_file": None}, ["wants a certificate of the client", closed]),
        (world.files(world.stranger), ["does not trust who has signed", closed]),
    ):
        with pytest.raises(SchemaUnavailableError) as failed:
            Registry(world.settings(**changed)).find("registry/7")
        assert any(sentence in str(failed.value) for sentence in sentences), failed.value
    world.url = world.url.replace("localhost", "127.0.0.1")
    with pytest.raises(SchemaUnavailableError, match="its certificate is for another host"):
        Registry(world.settings()).find("registry/7")
    world.url = world.url.replace("https", "http")
    with pytest.raises(SchemaUnavailableError, match="is http:// or https:// right"):
        Registry(world.settings()).find("registry/7")


def test_files_that_are_no_certificate_or_key_are_named_with_their_setting(world: World, tmp_path: Path) -> None:
    empty, nothing = tmp_path / "empty.pem", tmp_path / "nothing.pem"
    empty.write_text("")
    for changed, said in (
        ({"ca_file": nothing}, f"CA_FILE: {nothing}: No such file"),
        ({"ca_file": empty}, f"CA_FILE: {empty} has no certificate"),
        ({"certificate_file": nothing}, f"CERTIFICATE_FILE: {nothing}: No such file"),
        ({"key_file": None}, f"{world.me.certificate} not its key"),
        ({"key_file": world.stranger.key}, f"{world.stranger.key} not its key"),
        ({"key_file": world.me.encrypted_key}, f"KEY_FILE: {world.me.encrypted_key} has a password"),
    ):
        with pytest.raises(UsageError, match=re.escape(said)):
            client(world.settings(**changed))
    assert "KEY_FILE" in world.publish(key_file=world.me.encrypted_key, code=2).stderr  # and nobody is asked for it


@pytest.mark.registry
def test_a_guarded_registry_with_other_schemas_takes_ours_beside_them(tmp_path: Path) -> None:
    world = World(tmp_path)
    with Apicurio() as apicurio, gateway(apicurio.url, world.authority, TOKEN) as world.url:
        with client(world.settings()) as registry:
            registry.register_schema("payments-value", Schema('"string"', "AVRO"))
            assert "it held other schemas before" in world.publish(code=1).stderr
            assert registry.get_subjects() == ["payments-value"]
        assert "the token is not one of ours" in world.publish(token="of nobody", code=1).stderr
        beside = world.publish(world.url, "--prefix", "acme.", "--any-ids", "--json")
        published = json.loads(beside.stdout.splitlines()[-1])
        decision = next(one for one in published if one["subject"] == "acme.decisions-value")
        assert decision["registry_id"] != decision["id"] == avro_schemas.schema_id("Decision")
        found = json.loads(Registry(world.settings()).find(f"registry/{decision['registry_id']}") or "")
        assert found["name"] == "Decision"
