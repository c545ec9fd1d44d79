"""What an instance costs that has nothing to do: memory and processor time of each process, and its start.

Memory is the proportional set size: pages that several processes share count once in all. Processor time is that of
the processes themselves, so that other programs of the machine change the figures little; only the times to come up
are as long as the machine makes them.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from interlock.platform import instance as instances

# After the start the JVM still compiles, groups settle, and the watch has not yet looked at anything.
SETTLE_SECONDS = 90.0

# The only child of the supervisor that is no role.
FORK_SERVER = "fork server"


@dataclass(frozen=True)
class Sample:
    """One role: seconds of the processor since it began, its memory in MiB, its threads. `files`: how much of the
    memory is pages of programs and libraries, which the kernel drops when it needs them for something else."""

    role: str
    cpu_seconds: float = 0.0
    pss: float = 0.0
    files: float = 0.0
    threads: int = 0


def run(minutes: float = 1.0, settle: float = SETTLE_SECONDS, say: Callable[[str], None] = print) -> dict[str, Any]:
    """Starts an instance in an empty directory, and again in the same one; looks at the first while it idles."""
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "instance"
        _prepare_broker()
        with _started(directory) as first_seconds:
            first = sum(sample.cpu_seconds for sample in samples(directory))
            say(f"up after {first_seconds:.1f} s, of which {first:.1f} s of the processor; settling for {settle:.0f} s")
            time.sleep(settle)
            figures = idle(directory, minutes * 60)
        with _started(directory) as second_seconds:
            second = sum(sample.cpu_seconds for sample in samples(directory))
            say(f"up again after {second_seconds:.1f} s, of which {second:.1f} s of the processor")
    return {
        **figures,
        "first_start_seconds": round(first_seconds, 1),
        "first_start_cpu_seconds": round(first, 1),
        "second_start_seconds": round(second_seconds, 1),
        "second_start_cpu_seconds": round(second, 1),
    }


def idle(directory: Path, seconds: float) -> dict[str, Any]:
    """By process, and in total: memory in MiB, percent of one core during `seconds`, threads."""
    before = {sample.role: sample for sample in samples(directory)}
    started = time.monotonic()
    time.sleep(seconds)
    passed = time.monotonic() - started
    processes = {
        after.role: {
            "pss_mib": round(after.pss, 1),
            "of_files_mib": round(after.files, 1),
            "cpu_percent": round(100 * (after.cpu_seconds - before[after.role].cpu_seconds) / passed, 2),
            "threads": after.threads,
        }
        for after in samples(directory)
        if after.role in before
    }
    total = {
        name: round(sum(process[name] for process in processes.values()), 1)
        for name in ("pss_mib", "of_files_mib", "cpu_percent", "threads")
    }
    return {"processes": processes, "total": total}


def samples(directory: Path) -> list[Sample]:
    """The roles of the running instance, with the supervisor and the server from which roles are forked."""
    found: dict[str, Sample] = {}
    for process, role in processes(directory):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            so_far = found.get(role, Sample(role))
            memory = _memory(process.pid)
            found[role] = Sample(
                role,
                # Those of children are known once these have ended.
                so_far.cpu_seconds + times.user + times.system + times.children_user + times.children_system,
                so_far.pss + memory["Pss"],
                so_far.files + memory["Pss_File"],
                so_far.threads + process.num_threads(),
            )
    return list(found.values())


def _memory(pid: int) -> dict[str, float]:
    """Proportional set sizes in MiB, by what they are of. Raises psutil.NoSuchProcess."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError) as error:
        raise psutil.NoSuchProcess(pid) from error
    return {name: int(size.split()[0]) / 1024 for name, _, size in (line.partition(":") for line in lines)}


def processes(directory: Path) -> Iterator[tuple[psutil.Process, str]]:
    """Every process of the running instance; one that a role has started counts with the role."""
    instance = instances.read(directory)
    assert instance is not None
    roles: dict[int, list[str]] = {}
    for described in instance.children:
        roles.setdefault(described.pid, []).append(described.role)
    names = {pid: ", ".join(shared) for pid, shared in roles.items()}
    supervisor = psutil.Process(instance.supervisor_pid)
    yield supervisor, "supervisor"
    for child in supervisor.children():
        yield from _tree(child, FORK_SERVER, names)


def _tree(process: psutil.Process, parent: str, names: dict[int, str]) -> Iterator[tuple[psutil.Process, str]]:
    role = names.get(process.pid, parent)
    yield process, role
    for child in process.children():
        yield from _tree(child, role, names)


@contextmanager
def _started(directory: Path) -> Iterator[float]:
    """Yields the seconds until everything serves."""
    started = time.monotonic()
    _interlock("up", "--detach", "--any-port", directory=directory)
    try:
        yield time.monotonic() - started
    finally:
        _interlock("down", directory=directory)


def _interlock(*arguments: str, directory: Path) -> None:
    # Settings of whoever measures would start other roles.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")}
    command = [sys.executable, "-P", "-m", "interlock", *arguments, "--data-dir", str(directory)]
    done = subprocess.run(command, env=kept, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)


def _prepare_broker() -> None:
    """The broker's cache, which otherwise the first instance of a machine makes while it is measured."""
    subprocess.run([sys.executable, "-P", "-m", "interlock.streams.embedded_kafka.aot_cache_training"], check=True)


def rows(figures: dict[str, Any]) -> Iterator[tuple[str, float, float, float, int]]:
    """The processes, the largest first, and the total."""
    processes = sorted(figures["processes"].items(), key=lambda item: -item[1]["pss_mib"])
    for role, process in (*processes, ("total", figures["total"])):
        yield role, process["pss_mib"], process["of_files_mib"], process["cpu_percent"], int(process["threads"])
