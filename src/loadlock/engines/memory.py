"""Keeps the memory of a run small.

`choose_allocator` and `keep_small` are for the command line: a library must not turn its host's allocator. `give_back` is
harmless anywhere.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

_M_ARENA_MAX = -8
_ARENAS = 2
_FIRST = 6
"""Parts until the heap has found its size."""


def choose_allocator() -> None:
    """Let Arrow share the C library's heap. Must come before Arrow is imported; what the user has set stands."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def keep_small() -> None:
    """One heap for Arrow, DuckDB and NumPy, with few arenas, so that what a part freed serves the next one.

    By default Arrow has an allocator of its own and glibc an arena a thread, and each keeps what it once took: on the
    job of docs/performance.md that costs 140 MiB. Does nothing where the C library is another one, and nothing the user
    has set already.
    """
    if not sys.platform.startswith("linux") or "MALLOC_ARENA_MAX" in os.environ:
        return
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Return freed memory to the system, between two stages: what one stage needed must not add to the next one's."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Housekeeper:
    """Gives memory back after each of the first parts, later after every `parts` parts: a long stage needs no more than a
    short one."""

    def __init__(self, *, parts: int = 1) -> None:
        self.parts = parts
        self._done = 0

    def part_done(self) -> None:
        """Call after each part."""
        self._done += 1
        if self._done <= _FIRST or self._done % self.parts == 0:
            give_back()
