"""A second process that looks at the target all the time and remembers every state that it saw."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType

from loadlock.testing.breaking.places import Place
from loadlock.testing.command import fork_server

PAUSE_SECONDS = 0.02


class Watcher:
    """`with Watcher(place) as watcher: watcher.begin(); ...; states, samples = watcher.end()`; one process for many trials."""

    def __init__(self) -> None:
        context = fork_server()
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_watch, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def __enter__(self) -> Watcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pipe.close()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def begin(self, place: Place) -> None:
        """Look at this target from now on."""
        self._pipe.send(place)

    def end(self) -> tuple[set[str], int]:
        """Stop looking: the states seen, and how often the target was read."""
        self._pipe.send(None)
        states, samples = self._pipe.recv()
        return states, samples


def _watch(pipe: Connection) -> None:
    look: Callable[[], str] | None = None
    states: set[str] = set()
    samples = 0
    with suppress(EOFError, OSError):
        while True:
            if pipe.poll(PAUSE_SECONDS if look else None):
                place: Place | None = pipe.recv()
                look = None if place is None else place.watch()
                if place is None:
                    pipe.send((states, samples))
                    states, samples = set(), 0
            if look is not None:
                with suppress(Exception):  # the server may be down, the file locked: then nobody sees anything
                    states.add(look())
                    samples += 1
