"""The JVM's cache for the broker: made once, used by every later start, and never the cause of a failure."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from interlock.streams.embedded_kafka import BrokerSettings, EmbeddedKafka, aot_cache, prepare, run_foreground
from interlock.streams.embedded_kafka.aot_cache_training import make
from interlock.streams.embedded_kafka.launch import aot_cache_file

pytestmark = pytest.mark.kafka

# What Java says when the environment sets options.
_PICKED_UP = f"NOTE: Picked up JDK_JAVA_OPTIONS: {os.environ.get('JDK_JAVA_OPTIONS')}\n"


@pytest.fixture(scope="module")
def made(kafka: EmbeddedKafka) -> Path:  # noqa: ARG001  # whose start has fetched the jars
    """The cache of this machine; made now if nothing has made it before."""
    file = aot_cache_file()
    make(file)
    return file


def test_a_start_takes_its_classes_from_the_cache(made: Path, tmp_path: Path) -> None:
    settings = BrokerSettings.on_free_ports(tmp_path)
    assert f"-XX:AOTCache={made}" in prepare(settings)
    loaded = tmp_path / "classes.log"
    with EmbeddedKafka(replace(settings, java_options=(f"-Xlog:class+load:file={loaded}",))):
        pass
    classes = [line for line in loaded.read_text().splitlines() if " kafka." in line or " org.apache.kafka." in line]
    cached = [line for line in classes if "source: shared objects file" in line]
    assert len(cached) > 0.8 * len(classes) > 1000  # the rest are lambdas that Java makes anew


def test_what_is_made_already_is_not_made_again(made: Path) -> None:
    before = made.stat()
    assert make(made) is False
    assert made.stat() == before
    children = psutil.Process().children()
    aot_cache.make_in_background(made)
    assert psutil.Process().children() == children


def test_a_process_that_becomes_the_broker_has_the_cache_made_first(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def become(*_: object) -> None:
        raise InterruptedError

    monkeypatch.setattr(aot_cache, "make_in_background", asked.append)
    monkeypatch.setattr(os, "execv", become)
    with pytest.raises(InterruptedError):
        run_foreground(BrokerSettings.on_free_ports(tmp_path))
    assert asked == [made]


@pytest.mark.parametrize("content", [b"", b"no cache at all" * 1000])
def test_with_a_damaged_cache_java_starts_without_a_word(made: Path, tmp_path: Path, content: bytes) -> None:
    damaged = tmp_path / made.name
    damaged.write_bytes(content)
    java = prepare(BrokerSettings.on_free_ports(tmp_path / "broker"))[0]
    done = subprocess.run(
        [java, *aot_cache.java_options(damaged), "--version"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert done.stderr.replace(_PICKED_UP, "") == ""
    assert "warning" not in done.stdout


def test_other_jars_or_another_java_have_a_cache_of_their_own(tmp_path: Path) -> None:
    java, jar = tmp_path / "jre" / "bin" / "java", tmp_path / "kafka.jar"
    java.parent.mkdir(parents=True)
    release = tmp_path / "jre" / "release"

    def name() -> Path:
        return aot_cache.cache_file(java, [jar], tmp_path)

    release.write_text("25.0.2")
    jar.write_text("4.4.0")
    first = name()
    assert name() == first
    os.utime(jar, (0, 0))
    second = name()
    release.write_text("25.0.3")
    assert len({first, second, name()}) == 3


def test_only_one_process_makes_it(made: Path, tmp_path: Path) -> None:
    program = f"""
import fcntl, sys
with open({str(tmp_path / made.with_suffix(".lock").name)!r}, "w") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    print("held", flush=True)
    sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == "held\n"
        assert make(tmp_path / made.name) is False
        other.stdin.close()
    assert not (tmp_path / made.name).exists()
