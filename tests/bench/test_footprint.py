"""The footprint is that of all processes of an instance, each counted once and under its role."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import footprint
from interlock.platform import instance as instances
from interlock.platform.instance import Child, Instance

# A supervisor with a role that has started another process; it prints the role's pid.
_SUPERVISOR = """
import subprocess, sys
sleeper = "import time; time.sleep(60)"
role = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleeper!r}])"
child = subprocess.Popen([sys.executable, "-c", role])
print(child.pid, flush=True)
child.wait()
"""


def test_memory_and_threads_of_a_role_are_those_of_all_its_processes(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _SUPERVISOR], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        role = int(supervisor.stdout.readline())
        try:
            children = [Child("desk", role, 0.0), Child("watch", 0, 0.0, state="restarting")]
            instances.write(tmp_path, Instance(supervisor.pid, 1, 2, 3, "", "", "", True, children))
            while len(list(footprint.processes(tmp_path))) < 3:
                assert supervisor.poll() is None
            figures = footprint.idle(tmp_path, 0.5)
        finally:
            for process, _ in list(footprint.processes(tmp_path)):
                process.kill()
    assert set(figures["processes"]) == {"supervisor", "desk"}
    assert figures["processes"]["desk"]["threads"] == 2
    assert figures["processes"]["desk"]["cpu_percent"] < 50
    assert figures["total"]["pss_mib"] == pytest.approx(
        sum(process["pss_mib"] for process in figures["processes"].values()), abs=0.2
    )


def test_the_largest_process_stands_first_and_the_total_last() -> None:
    small, large = ({"pss_mib": size, "of_files_mib": 0.5, "cpu_percent": 0.1, "threads": 1} for size in (1.0, 2.0))
    total = {"pss_mib": 3.0, "of_files_mib": 1.0, "cpu_percent": 0.2, "threads": 2}
    figures = {"processes": {"desk": small, "kafka": large}, "total": total}
    assert [row[0] for row in footprint.rows(figures)] == ["kafka", "desk", "total"]
