"""What a fault works with while a trial is under way."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from loadlock.testing.breaking.places import Place
from loadlock.testing.breaking.proxy import Proxy
from loadlock.testing.servers import Server

FILLER = "filler"
_BLOCK = b"\0" * 4096


class CannotError(Exception):
    """This fault can't be made on this machine; the trial is skipped aloud."""


@dataclass(kw_only=True)
class Stage:
    """A trial's folder, place and, for servers, the server and the proxy before it."""

    folder: Path
    place: Place
    server: Server | None = None
    proxy: Proxy | None = None
    undo: list[Callable[[], None]] = field(default_factory=list)
    """What must be undone when the run has ended, last first."""
    later: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def after(self, seconds: float, work: Callable[[], None]) -> None:
        """Do something so long after the run went on."""
        self.later.append((seconds, work))

    def go_on(self) -> None:
        """Do what is due later. In the caller's thread: a server dies with the thread that started it."""
        while self.later:
            seconds, work = self.later.pop(0)
            time.sleep(seconds)
            work()

    def beside(self, work: Callable[[], None]) -> None:
        """Do something that may block, in a thread."""

        def quietly() -> None:
            with suppress(Exception):
                work()

        thread = threading.Thread(target=quietly)
        thread.start()
        self.threads.append(thread)

    def mend(self) -> None:
        """End what the fault began."""
        self.go_on()
        for thread in self.threads:
            thread.join(60)
        while self.undo:
            self.undo.pop()()
        self.threads.clear()


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A small file system of its own at `folder`. Raises CannotError where it can't be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0 or _call("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)) != 0:
        raise CannotError("a small file system can't be mounted here (that needs root)")
    try:
        yield
    finally:
        _call("umount", "-l", str(folder))


def fill_up(folder: Path) -> None:
    """Leave no block free on the folder's disk."""
    with (folder / FILLER).open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(_BLOCK)


def make_room(folder: Path) -> None:
    """Take back what `fill_up` did."""
    (folder / FILLER).unlink(missing_ok=True)


def _call(*command: str) -> int:
    return subprocess.run(command, check=False, capture_output=True).returncode  # noqa: S603
