"""The command line as a user meets it: a process of its own, in a folder of its own, judged by what it printed.

Processes are forked from a server that has imported Loadlock already (a quarter of a second instead of two); with
`fresh=True` a new interpreter is started, as a shell does.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 120.0
_POLL_SECONDS = 0.01
_START = "import sys; from loadlock.cli import main; main(sys.argv[1:])"
_LOADED = ("loadlock.testing.command", "loadlock.testing.warm")


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A command that has ended. `code` is negative where a signal ended it (-9: SIGKILL)."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on standard output."""
        return json.loads(self.out)

    @property
    def said(self) -> str:
        """All that was printed."""
        return self.out + self.err


@dataclass(frozen=True, kw_only=True)
class Started:
    """A command under way."""

    process: BaseProcess | subprocess.Popen[bytes]
    printed: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    def send(self, sent: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, sent)

    def wait_until_stopped(self) -> None:
        """Until the process was halted by SIGSTOP; SIGCONT lets it go on."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while (state := _state(self.pid)) != "T":
            assert state not in "XZ", f"ended and did not stop: {self._text('err')}"
            assert time.monotonic() < deadline, "did not stop"
            time.sleep(_POLL_SECONDS)

    def wait(self) -> Ended:
        """Until the process ends; it is killed where that takes longer than `TIMEOUT_SECONDS`."""
        try:
            code = self._code()
        finally:
            if code is None:
                self.process.kill()
        assert code is not None, f"did not end within {TIMEOUT_SECONDS:.0f} seconds: {self._text('err')}"
        return Ended(code=code, out=self._text("out"), err=self._text("err"))

    def _code(self) -> int | None:
        if isinstance(self.process, BaseProcess):
            self.process.join(TIMEOUT_SECONDS)
            return self.process.exitcode
        try:
            return self.process.wait(TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            return None

    def _text(self, name: str) -> str:
        return (self.printed / name).read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """Runs `loadlock` in `folder`; no variable of the caller's environment that begins with `LOADLOCK` is seen."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    fresh: bool = False

    def __call__(self, *arguments: str | Path, fault: str = "", stdin: bytes = b"", **variables: str) -> Ended:
        """Run a command to its end; `fault` as in `loadlock.faults`."""
        return self.start(*arguments, fault=fault, stdin=stdin, **variables).wait()

    def start(self, *arguments: str | Path, fault: str = "", stdin: bytes = b"", **variables: str) -> Started:
        """Begin a command; the caller waits for it."""
        words = [str(argument) for argument in arguments]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LOADLOCK")}
        environment |= {**self.environment, **variables}
        printed = Path(tempfile.mkdtemp(prefix="printed-", dir=self.folder.parent))
        for name, content in (("in", stdin), ("out", b""), ("err", b"")):
            (printed / name).write_bytes(content)  # there, too, where the process is killed before it opens them
        if self.fresh:
            return Started(
                process=self._spawn(words, {**environment, "LOADLOCK_FAULT": fault}, printed), printed=printed
            )
        process = fork_server().Process(target=_forked, args=(words, self.folder, environment, printed, fault))
        process.start()
        return Started(process=process, printed=printed)

    def _spawn(self, words: list[str], environment: dict[str, str], printed: Path) -> subprocess.Popen[bytes]:
        with (
            (printed / "in").open("rb") as given,
            (printed / "out").open("wb") as out,
            (printed / "err").open("wb") as err,
        ):
            command = [sys.executable, "-c", _START, *words]
            return subprocess.Popen(  # noqa: S603
                command, cwd=self.folder, env=environment, stdout=out, stderr=err, stdin=given
            )

    def json(self, *arguments: str | Path, codes: Sequence[int] = (0, 3)) -> Any:
        """The document of a command that must end with one of `codes`."""
        ended = self(*arguments, "--json")
        assert ended.code in codes, f"{arguments} ended with {ended.code}: {ended.said}"
        return ended.document


def fork_server() -> multiprocessing.context.ForkServerContext:
    """Forks processes that have imported Loadlock already; used before anything else forks from it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_LOADED))
    return context


def _forked(words: list[str], folder: Path, environment: dict[str, str], printed: Path, fault: str) -> None:
    from loadlock import faults
    from loadlock.cli import main

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for name, number, way in (("in", 0, os.O_RDONLY), ("out", 1, writing), ("err", 2, writing)):
        handle = os.open(printed / name, way)
        os.dup2(handle, number)
        os.close(handle)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # a forked process has another one
    # a test that runs behind a shell's back is deaf to Ctrl-C, and so would be what it forks
    signal.signal(signal.SIGINT, signal.default_int_handler)
    faults.arm(fault)
    main(words)


def _state(pid: int) -> str:
    """The process's state letter, `X` where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "X"
    return stat.rpartition(") ")[2][0]
