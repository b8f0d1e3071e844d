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
    """Return freed memory to the system, after each part and between stages: a long run needs no more than a short one."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
