"""The jars of the embedded broker: exactly those of `jars.lock.toml`, verified every time.

The lock holds the result of Maven's dependency resolution, so that nothing walks a dependency graph when
a broker starts. `python -m interlock.streams.embedded_kafka.jars --relock` resolves again and rewrites it.
"""

import argparse
import fcntl
import hashlib
import os
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interlock.streams.embedded_kafka.errors import JarError

if TYPE_CHECKING:
    from jgo.maven import MavenContext

LOCK = Path(__file__).with_name("jars.lock.toml")

# The newest version that keeps transactions atomic over a crash. 4.3 and 4.4 take a partition without a leader for a
# deleted one and skip its transaction marker (KRaftMetadataCache.getPartitionLeaderEndpoint): after a kill of the only
# broker an aborted transaction stays open, and the next commit of its producer commits it as well.
KAFKA = "org.apache.kafka:kafka_2.13:4.2.1"
# Kafka logs through SLF4J but leaves the binding to its distribution: without it the broker runs mute and
# a failed start cannot be explained. Taken in the version of Kafka's own log4j, and without dependencies,
# because all of them are Kafka's too (resolved as a second root its parent POM would change versions).
LOG_CORE, LOG_BINDING = "log4j-core", "org.apache.logging.log4j:log4j-slf4j-impl"

MAX_CONCURRENT_DOWNLOADS = 8  # small files: the time goes into round trips, not bandwidth

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Jar:
    """One artifact of the lock."""

    coordinate: str  # group:artifact:version
    file: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where a Maven repository keeps it, relative to the repository."""
        group, artifact, version = self.coordinate.split(":")
        return Path(*group.split("."), artifact, version, self.file)


def locked(lock: Path = LOCK) -> list[Jar]:
    """What the committed lock lists, in class path order."""
    return [Jar(**entry) for entry in tomllib.loads(lock.read_text())["jar"]]


def local_repository() -> Path:
    """The user's Maven repository: `M2_REPO`, otherwise the place every Maven client uses."""
    return Path(os.environ.get("M2_REPO") or Path.home() / ".m2" / "repository")


def resolve(cache_dir: Path | None = None, progress: Progress | None = None, lock: Path = LOCK) -> list[Path]:
    """Paths of all locked jars, each verified against its locked SHA-256; downloads what is missing.

    `cache_dir` is a Maven repository, by default the user's own. `progress(done, total)` is called for
    every jar downloaded. Several processes may call this at once. Raises `JarError`.
    """
    repository = cache_dir or local_repository()
    jars = locked(lock)
    missing = [jar for jar in jars if not (repository / jar.path).exists()]
    if missing:
        with _only_process(repository):
            # Another process may have fetched them while this one waited.
            _download([jar for jar in missing if not (repository / jar.path).exists()], repository, progress)
    for jar in jars:
        path = repository / jar.path
        verify(jar, path, f"Delete {path} and start again; it is then downloaded again.")
    return [repository / jar.path for jar in jars]


def verify(jar: Jar, path: Path, advice: str) -> None:
    """Raise `JarError`, which ends with `advice`, unless the file has the locked digest."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise JarError(f"{jar.file} ({jar.coordinate}) cannot be read: {error}.") from error
    if digest != jar.sha256:
        raise JarError(
            f"{jar.file} ({jar.coordinate}) is not the file that was locked: "
            f"expected SHA-256 {jar.sha256}, found {digest}. {advice}"
        )


def _download(jars: list[Jar], repository: Path, progress: Progress | None) -> None:
    """Fetch into a staging directory and move only verified files: no torn file ever reaches the cache."""
    with (
        tempfile.TemporaryDirectory(prefix=".interlock-", dir=repository) as staging,
        ThreadPoolExecutor(MAX_CONCURRENT_DOWNLOADS) as pool,
    ):
        fetched = pool.map(lambda jar: _fetch(jar, Path(staging)), jars)
        for done, (jar, staged) in enumerate(zip(jars, fetched, strict=True), start=1):
            target = repository / jar.path
            target.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(target)
            if progress:
                progress(done, len(jars))


def _fetch(jar: Jar, staging: Path) -> Path:
    try:
        path = Path(maven(staging).create_dependency(jar.coordinate).artifact.resolve())
    except (RuntimeError, OSError) as error:  # jgo's own error; requests' errors are OSErrors
        raise JarError(
            f"{jar.file} ({jar.coordinate}) could not be downloaded: {error}. Check the network and the "
            "proxy settings, or name a mirror under [repositories] in jgo's configuration file."
        ) from error
    verify(jar, path, "What was downloaded was thrown away. Check what the proxy or mirror serves.")
    return path


def maven(repository: Path) -> "MavenContext":
    """jgo over this local repository, asking Maven Central and what the user's jgo configuration adds."""
    # Imported here: it costs more than verifying all jars, and a warm start needs none of it.
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=repository)
    context.remote_repos.update(GlobalSettings.load().repositories)
    return context


@contextmanager
def _only_process(repository: Path) -> Iterator[None]:
    try:
        repository.mkdir(parents=True, exist_ok=True)
        lock = (repository / ".interlock-jars.lock").open("w")
    except OSError as error:
        raise JarError(
            f"{repository} cannot hold the broker's jars: {error}. Set M2_REPO to a writable directory."
        ) from error
    with lock:  # closing releases it
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def relock(lock: Path = LOCK) -> int:
    """Resolve `KAFKA` again into an empty repository, rewrite the lock, return the number of jars."""
    with tempfile.TemporaryDirectory() as empty:
        context = maven(Path(empty))
        roots, transitive = context.resolver.resolve([context.create_dependency(KAFKA)])
        artifacts = [dependency.artifact for dependency in roots]
        artifacts += [d.artifact for d in transitive if d.scope in ("compile", "runtime")]
        log_version = next(artifact.version for artifact in artifacts if artifact.artifactId == LOG_CORE)
        artifacts.append(context.create_dependency(f"{LOG_BINDING}:{log_version}").artifact)
        entries = []
        for artifact in artifacts:
            sha256 = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
            coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
            entries.append(f'[[jar]]\ncoordinate = "{coordinate}"\nfile = "{artifact.filename}"\nsha256 = "{sha256}"\n')
    head = "# Written by `python -m interlock.streams.embedded_kafka.jars --relock`; do not edit.\n\n"
    lock.write_text(head + "\n".join(entries))
    return len(entries)


def main() -> None:
    parser = argparse.ArgumentParser(description="Obtain and verify the jars of the embedded broker.")
    parser.add_argument("--relock", action="store_true", help="resolve again and rewrite the lock")
    try:
        if parser.parse_args().relock:
            print(f"{relock()} jars locked in {LOCK}")
        else:
            print(f"{len(resolve())} jars verified")
    except JarError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
