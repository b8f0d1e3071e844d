"""Keeps the memory of a run small, and Python's own work.

`choose_allocator`, `spare_threads`, `keep_small`, `spare_pandas` and `collect_seldom` are for the command line: a library
must not change its host. `give_back` is harmless anywhere.
"""

from __future__ import annotations

import gc
import mmap
import os
import sys
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

SELDOM = 2
"""Parts after which what they freed is given back."""
MUCH = 220 << 20
"""Bytes of its own from which a process gives back after each part."""
_OBJECTS = 50_000
_M_ARENA_MAX = -8
_ARENAS = 2
_CALLS = count(1)


def choose_allocator() -> None:
    """Let Arrow share the C library's heap. Must come before Arrow is imported; what the user has set stands."""
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")


def spare_threads() -> None:
    """Let NumPy start no threads for linear algebra, of which there is none here. Must come before NumPy is imported."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def keep_small() -> None:
    """One heap for Arrow, DuckDB and NumPy, with few arenas, so that what a part freed serves the next one.

    By default Arrow has an allocator of its own and glibc an arena a thread, and each keeps what it once took: on the
    job of docs/performance.md that costs 140 MiB. Does nothing where the C library is another one, and nothing the user
    has set already.
    """
    if not sys.platform.startswith("linux") or "MALLOC_ARENA_MAX" in os.environ:
        return
    with suppress(OSError, AttributeError):
        _libc().mallopt(_M_ARENA_MAX, _ARENAS)


def spare_pandas() -> None:
    """Keep Arrow from importing pandas, where it is installed, to see whether a list is one of its: that takes a quarter of
    a second and 30 MiB. Whoever asks Arrow for pandas later (`to_pandas` in a Python rule) gets it."""
    if "pandas" in sys.modules:
        return
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        import pyarrow as pa

        pa.array([None])
    finally:
        sys.meta_path.remove(absent)


class _Absent:
    """Says that pandas is not installed."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Found is nothing, and nobody else is asked."""
        if fullname == "pandas":
            raise ModuleNotFoundError("pandas is left out here", name=fullname)


def collect_seldom() -> None:
    """Look for garbage less often: a run makes many objects and hardly a cycle of them."""
    gc.set_threshold(_OBJECTS, 20, 50)


def give_back() -> None:
    """Return freed memory to the system, between stages: a long run needs no more than a short one."""
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, AttributeError):
        _libc().malloc_trim(0)


def give_back_now_and_then() -> None:
    """The same at every `SELDOM`th call, and always in a big process; for after each part: the next one takes again most of
    what this one freed, and a page that is taken again costs as much as working on it."""
    if next(_CALLS) % SELDOM == 0 or _own_bytes() > MUCH:
        give_back()


def _own_bytes() -> int:
    """Memory that is the process's alone; 0 where that can't be told."""
    try:
        _, resident, shared, *_ = map(int, Path("/proc/self/statm").read_bytes().split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * mmap.PAGESIZE


@cache
def _libc() -> Any:
    import ctypes

    return ctypes.CDLL(None)
