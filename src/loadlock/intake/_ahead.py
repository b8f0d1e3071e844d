"""Takes the next items of an iterator in a thread of its own while the caller works on the last one."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

AHEAD = 2
"""Items that wait at most: memory is bounded by these, the one being made and the one in use."""


def ahead(items: Iterator[T]) -> Generator[T]:
    """The items in order. An error of the iterator comes where its item would. Closing waits for the one being made."""
    waiting: deque[Future[tuple[T] | None]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as thread:
        try:
            for _ in range(AHEAD):
                waiting.append(thread.submit(_next, items))
            while (found := waiting.popleft().result()) is not None:
                waiting.append(thread.submit(_next, items))
                yield found[0]
        finally:
            for future in waiting:
                future.cancel()
            thread.shutdown()
            if isinstance(items, Generator):
                items.close()


def _next(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
