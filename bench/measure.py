"""Runs a command and measures it from outside: wall time, CPU time, and the peak of the summed PSS of all its processes.

Linux only: it reads `/proc`.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.1
ERROR_CHARACTERS = 4_000


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One run of a command. `peak_mib` is proportional set size: shared pages count once over all processes."""

    seconds: float
    cpu_seconds: float
    peak_mib: float
    exit_code: int
    output: str
    """All of its standard output."""
    errors: str
    """The end of its standard error."""


def measure(command: Sequence[str], *, cwd: Path) -> Measured:
    """Run a command to its end. Its CPU time includes that of the processes it waited for.

    Not thread-safe: another child that ends meanwhile is counted in.
    """
    before = _children_cpu_seconds()
    with tempfile.TemporaryFile("w+") as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=environment(), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        peak = Peak(process.pid)
        peak.start()
        try:
            output, _ = process.communicate()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            seconds = time.perf_counter() - begun
            peak.stop()
        errors.seek(0)
        said = errors.read()[-ERROR_CHARACTERS:]
    return Measured(
        seconds=seconds,
        cpu_seconds=_children_cpu_seconds() - before,
        peak_mib=peak.bytes / 2**20,
        exit_code=process.returncode,
        output=output,
        errors=said,
    )


def environment() -> dict[str, str]:
    """Ours, without settings that would change what is measured.

    Without bytecode files Python would compile Loadlock anew at each start, which no user's Python does.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not name.startswith("LOADLOCK")
    }


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Peak(threading.Thread):
    """Samples the PSS of a process and its descendants until stopped; `bytes` is the largest sum seen."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self._pid = pid
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self.bytes = max(self.bytes, sum(pss_bytes(pid) for pid in family(self._pid)))

    def stop(self) -> None:
        """End sampling."""
        self._done.set()
        self.join()


def family(pid: int) -> list[int]:
    """A process and all its living descendants."""
    found, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        found.append(current)
        # processes and threads may end while they are looked at
        try:
            tasks = list(Path(f"/proc/{current}/task").iterdir())
        except OSError:
            continue
        for task in tasks:
            try:
                waiting += [int(word) for word in (task / "children").read_text().split()]
            except OSError:
                continue
    return found


def pss_bytes(pid: int) -> int:
    """Proportional set size of one process; 0 where it is gone."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), 0)
