"""Digests of a delivery's rows, for the thread that sends and the one that works ahead."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loadlock.delivery.base import DeliveryColumn
from loadlock.digest import Digester

if TYPE_CHECKING:
    import pyarrow as pa


class Digests:
    """Over these columns; a digester is made when it is needed first. Thread-safe."""

    def __init__(self, columns: Sequence[DeliveryColumn]) -> None:
        self._columns = [(column.name, column.type) for column in columns]
        self._digester: Digester | None = None
        self._lock = threading.Lock()

    def of(self, rows: pa.Table) -> int:
        """The digest of the rows' columns. Raises ValueError for JSON that is none."""
        with self._lock:
            if self._digester is None:
                self._digester = Digester(self._columns)
            return self._digester.of(rows)

    def close(self) -> None:
        """Let the digester go; again is no error."""
        if self._digester is not None:
            self._digester.close()
            self._digester = None
