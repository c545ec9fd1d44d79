"""The jars of the embedded broker: what runs is what was locked."""

import hashlib
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from interlock.streams.embedded_kafka import JarError, free_port, jars


class Upstream:
    """A Maven repository on the loopback interface, and a lock of what it holds."""

    def __init__(self, directory: Path) -> None:
        self.files = directory / "upstream"
        self.lock = directory / "lock.toml"
        self.requests: list[str] = []
        self._jars: list[jars.Jar] = []

    def publish(self, name: str, content: bytes) -> Path:
        """Put a jar upstream and into the lock."""
        jar = jars.Jar(f"org.example:{name}:1.0", f"{name}-1.0.jar", hashlib.sha256(content).hexdigest())
        file = self.files / jar.path
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
        self._jars.append(jar)
        self.lock.write_text(
            "\n".join(
                f'[[jar]]\ncoordinate = "{j.coordinate}"\nfile = "{j.file}"\nsha256 = "{j.sha256}"' for j in self._jars
            )
        )
        return file

    @contextmanager
    def serving(self) -> Iterator[str]:
        requests = self.requests

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                requests.append(self.path)

        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(self.files)))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))  # looks at shutdown that often
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


@pytest.fixture
def upstream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    """Served in place of Maven Central, in the way a user names a mirror."""
    repository = Upstream(tmp_path)
    with repository.serving() as url:
        configuration = tmp_path / "jgo.conf"
        configuration.write_text(f"[repositories]\ncentral = {url}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(configuration))
        yield repository


def test_the_committed_lock_pins_kafka_and_every_jar_by_digest() -> None:
    entries = jars.locked()
    coordinates = [jar.coordinate for jar in entries]
    assert coordinates[0] == jars.KAFKA == "org.apache.kafka:kafka_2.13:4.2.1"
    assert len(set(coordinates)) == len(entries) == 46
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in entries)
    kafka = {jar.coordinate.split(":")[2] for jar in entries if jar.coordinate.startswith("org.apache.kafka:")}
    assert kafka == {"4.2.1"}  # a mixture of Kafka versions resolves, and fails when it runs


def test_missing_jars_are_downloaded_in_lock_order_with_progress(upstream: Upstream, tmp_path: Path) -> None:
    for name in ("b", "a"):
        upstream.publish(name, name.encode())
    seen: list[tuple[int, int]] = []
    paths = jars.resolve(tmp_path / "m2", lambda done, total: seen.append((done, total)), upstream.lock)
    assert [path.read_bytes() for path in paths] == [b"b", b"a"]
    assert paths[0] == tmp_path / "m2" / "org/example/b/1.0/b-1.0.jar"
    assert seen == [(1, 2), (2, 2)]


def test_jars_that_are_there_need_no_network(upstream: Upstream, tmp_path: Path) -> None:
    upstream.publish("a", b"content")
    first = jars.resolve(tmp_path / "m2", lock=upstream.lock)
    asked = list(upstream.requests)
    assert jars.resolve(tmp_path / "m2", lock=upstream.lock) == first
    assert upstream.requests == asked


def test_several_cold_starts_at_once_download_each_jar_once(upstream: Upstream, tmp_path: Path) -> None:
    for number in range(5):
        upstream.publish(f"jar{number}", bytes([number]))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: jars.resolve(tmp_path / "m2", lock=upstream.lock), range(4)))
    assert all(result == results[0] for result in results)
    downloads = [path for path in upstream.requests if path.endswith(".jar")]
    assert len(downloads) == len(set(downloads)) == 5


def test_a_jar_changed_on_disk_stops_with_its_name_both_digests_and_what_to_do(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.publish("good", b"good")
    upstream.publish("evil", b"as locked")
    _, cached = jars.resolve(tmp_path / "m2", lock=upstream.lock)
    cached.write_bytes(b"changed")
    with pytest.raises(JarError) as caught:
        jars.resolve(tmp_path / "m2", lock=upstream.lock)
    message = str(caught.value)
    assert "evil-1.0.jar" in message
    assert hashlib.sha256(b"as locked").hexdigest() in message
    assert hashlib.sha256(b"changed").hexdigest() in message
    assert f"Delete {cached}" in message
    cached.unlink()
    assert jars.resolve(tmp_path / "m2", lock=upstream.lock)[1].read_bytes() == b"as locked"


def test_a_download_that_is_not_what_was_locked_never_reaches_the_repository(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.publish("swapped", b"as locked").write_bytes(b"something else")
    with pytest.raises(JarError, match=r"swapped-1\.0\.jar .* is not the file that was locked"):
        jars.resolve(tmp_path / "m2", lock=upstream.lock)
    assert not list((tmp_path / "m2").rglob("*.jar"))


def test_a_jar_that_is_nowhere_is_named(upstream: Upstream, tmp_path: Path) -> None:
    upstream.publish("lost", b"").unlink()
    with pytest.raises(JarError, match=r"lost-1\.0\.jar .* could not be downloaded: .*Check the network"):
        jars.resolve(tmp_path / "m2", lock=upstream.lock)


def test_without_a_network_the_first_missing_jar_is_named(
    upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.publish("far", b"")
    configuration = tmp_path / "offline.conf"
    configuration.write_text(f"[repositories]\ncentral = http://127.0.0.1:{free_port()}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(configuration))
    with pytest.raises(JarError, match=r"far-1\.0\.jar .* could not be downloaded: .*Check the network"):
        jars.resolve(tmp_path / "m2", lock=upstream.lock)


def test_a_repository_that_cannot_be_written_is_named(upstream: Upstream, tmp_path: Path) -> None:
    upstream.publish("a", b"")
    (tmp_path / "file").touch()
    with pytest.raises(JarError, match="file/m2 cannot hold the broker's jars"):
        jars.resolve(tmp_path / "file" / "m2", lock=upstream.lock)
