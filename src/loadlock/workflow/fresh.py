"""Clean parts that are still in memory, for a load that takes them at once and need not read them back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 1
"""Parts held; a load that falls behind reads the others from staging."""


class Fresh:
    """Takes parts from the cleanup, gives each to the load once. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: dict[int, pa.Table] | None = {}

    def offer(self, seq: int, table: pa.Table) -> None:
        """A clean part is made; it is held where there is room."""
        with self._lock:
            if self._tables is not None and len(self._tables) < MOST:
                self._tables[seq] = table

    def take(self, seq: int) -> pa.Table | None:
        """The part if it is held; it is not any more."""
        with self._lock:
            return None if self._tables is None else self._tables.pop(seq, None)

    def close(self) -> None:
        """Nobody will take any more."""
        with self._lock:
            self._tables = None
