"""One thread that works ahead: the next chunk is made ready while the destination takes or sends the present one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 1
"""Results that wait while one is in use: memory is bounded by this and the one in work."""


def ahead(items: Iterable[T], work: Callable[[T], R]) -> Generator[R]:
    """`work` of each item, in order, made in a thread of its own while the caller uses the last result.

    `items` are taken in the caller's thread. An error of `work` is raised where its result would come. Closing the
    iterator waits for the item in work and begins no other.
    """
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="loadlock-ahead") as thread:
        try:
            for item in items:
                waiting.append(thread.submit(work, item))
                if len(waiting) > AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
