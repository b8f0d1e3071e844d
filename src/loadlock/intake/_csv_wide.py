"""Columns of very wide tables: all values of some rows as one array, turned once, of which each column is a slice.

Arrow's parser makes several buffers for each column and batch; at thousands of columns these cost more than the values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa

from loadlock.errors import BalanceError

WIDE = 500
"""Columns from which a table is read so."""

Values = Sequence[str | None]


class WideRows:
    """Collects the values of rows of `fields` fields, in order, then gives the columns."""

    def __init__(self, fields: int, delimiter: bytes, to_utf8: Callable[[bytes], bytes]) -> None:
        self._fields, self._delimiter, self._to_utf8 = fields, delimiter, to_utf8
        self._plain: list[bytes] = []
        self._contents: list[bytes] = []
        self._sizes: list[np.ndarray] = []
        self._nulls: list[tuple[int, list[int]]] = []
        self._rows = 0

    def add_plain(self, raw: bytes) -> None:
        """A row without quotes, as it stands in the file."""
        self._plain.append(raw)
        self._rows += 1

    def add_values(self, values: Values) -> None:
        """A row by its values."""
        self._cut()
        cells = [(value or "").encode() for value in values]
        self._contents.append(b"".join(cells))
        self._sizes.append(np.fromiter(map(len, cells), dtype=np.int32, count=len(cells)))
        missing = [place for place, value in enumerate(values) if value is None]
        if missing:
            self._nulls.append((self._rows, missing))
        self._rows += 1

    def columns(self) -> list[pa.Array]:
        """One array for each column; they share their buffers."""
        self._cut()
        sizes = np.concatenate(self._sizes) if self._sizes else np.empty(0, dtype=np.int32)
        if len(sizes) != self._rows * self._fields:
            raise BalanceError(
                f"{self._rows:,} rows of {self._fields:,} fields became {len(sizes):,} values",
                hint="This is a defect of Loadlock: please report it with the file.",
            )
        offsets = np.zeros(len(sizes) + 1, dtype=np.int32)
        np.cumsum(sizes, out=offsets[1:])
        content = pa.py_buffer(b"".join(self._contents))
        values = pa.Array.from_buffers(pa.string(), len(sizes), [self._validity(), pa.py_buffer(offsets), content])
        self._contents, self._sizes = [], []
        order = np.arange(len(sizes), dtype=np.int32).reshape(self._rows, self._fields).T.ravel()
        turned = values.take(pa.array(order))
        return [turned.slice(column * self._rows, self._rows) for column in range(self._fields)]

    def _cut(self) -> None:
        """Cut the plain rows that wait into values."""
        if not self._plain:
            return
        joined = self._to_utf8(self._delimiter.join([*self._plain, b""]))
        self._plain = []
        ends = np.flatnonzero(np.frombuffer(joined, dtype=np.uint8) == self._delimiter[0])
        self._sizes.append((np.diff(ends, prepend=-1) - 1).astype(np.int32))
        self._contents.append(joined.translate(None, self._delimiter))

    def _validity(self) -> pa.Buffer | None:
        if not self._nulls:
            return None
        valid = np.ones(self._rows * self._fields, dtype=bool)
        for row, places in self._nulls:
            valid[np.array(places) + row * self._fields] = False
        return pa.py_buffer(np.packbits(valid, bitorder="little"))


def rows_with(byte: int, data: bytes, ends: np.ndarray) -> Iterable[int]:
    """Numbers of the records (by where each next one begins) that hold a byte."""
    if byte < 0 or bytes((byte,)) not in data:
        return ()
    at = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == byte)
    found: list[int] = np.unique(np.searchsorted(ends, at, "right")).tolist()
    return found
