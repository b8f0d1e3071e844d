"""Work that goes on behind the main thread's back until its result is asked for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import Generic, TypeVar

T = TypeVar("T")


class Later(Generic[T]):
    """Begins `work` in a thread of its own at once."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._future: Future[T] = Future()
        # a process that is told to stop does not wait for work that nobody waits for any more
        self._thread = Thread(target=self._run, args=(work,), name="loadlock-later", daemon=True)
        self._thread.start()

    def result(self) -> T:
        """What `work` gave, or its error raised; waits for it."""
        self._thread.join()
        return self._future.result()

    def wait(self, seconds: float) -> bool:
        """Wait at most so long; whether it is done."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._future.set_result(work())
        except BaseException as error:
            self._future.set_exception(error)
