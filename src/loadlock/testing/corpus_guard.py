"""Calls in a process of their own each, which a crash, a hang or a flood of memory can't leave.

A small server process imports what reading needs and forks for every call, so that a call costs milliseconds, not an import.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

_MEBIBYTE = 1 << 20
_ADDRESSES = 16 << 30
"""Bytes of address space of a call: the wall behind the limit on what it really uses."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a call may take."""

    seconds: float = 120.0
    mebibytes: int = 1024
    """Peak resident memory."""


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of a call: its value, or why there is none."""

    value: Any = None
    failure: str = ""
    """`crash`, `hang` or `memory`, and what is known of it; empty where the call came back."""
    seconds: float = 0.0
    peak_mebibytes: int = 0


class Guard:
    """Calls functions by name (`package.module:function`); arguments and values are what JSON holds. For one thread."""

    def __init__(
        self, limits: Limits | None = None, *, preload: Sequence[str] = (), paths: Sequence[Path] = ()
    ) -> None:
        known = os.pathsep.join([*map(str, paths), *sys.path])
        self._limits = limits or Limits()
        self._server = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", __name__, *preload],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": known},
        )

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._server:
            if self._server.stdin:
                self._server.stdin.close()

    def call(self, function: str, *arguments: Any) -> Fate:
        """The fate of one call; waits for it."""
        assert self._server.stdin
        assert self._server.stdout
        job = {"function": function, "arguments": arguments, "limits": asdict(self._limits)}
        self._server.stdin.write(json.dumps(job).encode() + b"\n")
        self._server.stdin.flush()
        return Fate(**json.loads(self._server.stdout.readline()))


def serve() -> None:
    """Do the jobs of standard input, one a line, until it ends."""
    for name in sys.argv[1:]:
        # only a matter of speed: a call that needs a missing module says so itself
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    for line in sys.stdin.buffer:
        job = json.loads(line)
        fate = _in_a_fork(job, Limits(**job["limits"]))
        sys.stdout.buffer.write(json.dumps(asdict(fate)).encode() + b"\n")
        sys.stdout.buffer.flush()


def _in_a_fork(job: dict[str, Any], limits: Limits) -> Fate:
    readable, writable = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if not child:
        os.close(readable)
        _work(job, writable)
    os.close(writable)
    said = _said(readable, began + limits.seconds)
    os.close(readable)
    if said is None:
        os.kill(child, signal.SIGKILL)
    _, status, usage = os.wait4(child, 0)
    peak = usage.ru_maxrss // 1024
    return _fate(said, status, limits, peak=peak, seconds=time.monotonic() - began)


def _fate(said: bytes | None, status: int, limits: Limits, *, peak: int, seconds: float) -> Fate:
    known = Fate(seconds=round(seconds, 3), peak_mebibytes=peak)
    if said is None:
        return Fate(**{**asdict(known), "failure": f"hang: no end after {limits.seconds:.0f} s"})
    if peak > limits.mebibytes:
        return Fate(**{**asdict(known), "failure": f"memory: {peak:,} MiB"})
    if os.waitstatus_to_exitcode(status) or not said:
        return Fate(**{**asdict(known), "failure": f"crash: the process ended by {os.waitstatus_to_exitcode(status)}"})
    return Fate(**{**asdict(known), **json.loads(said)})


def _said(readable: int, deadline: float) -> bytes | None:
    """All that the child wrote until it closed its end; None where the deadline came first."""
    pieces: list[bytes] = []
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([readable], [], [], left)
        if ready:
            piece = os.read(readable, _MEBIBYTE)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
    return None


def _work(job: dict[str, Any], writable: int) -> None:
    """Call, say what came out, and end this process without the server's own clean-up."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    try:
        # what the call prints would end up among the server's answers
        with contextlib.redirect_stdout(sys.stderr):
            module, _, name = job["function"].partition(":")
            said = {"value": getattr(importlib.import_module(module), name)(*job["arguments"])}
    except MemoryError:
        said = {"failure": "memory: none left"}
    except BaseException as error:
        said = {"failure": f"crash: {type(error).__name__}: {error}"}
    with os.fdopen(writable, "wb") as pipe:
        pipe.write(json.dumps(said).encode())
    os._exit(0)


if __name__ == "__main__":
    serve()
