"""In which order PostgreSQL laid the rows of a COPY into a table that was there before.

It fills holes of earlier pages with short rows, so rows may lie in another order than they were sent, and a few lie far
from the others. A column whose values differ in all rows tells which is which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.delivery.destinations._postgres_proof import FIXED, integers
from loadlock.delivery.destinations._postgres_types import CatalogColumn, Wire

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A column whose values differ in all rows of a piece, and those values as the server shows them."""

    index: int
    column: CatalogColumn
    values: np.ndarray[Any, Any]

    @property
    def show(self) -> str:
        """The server's function that shows one value."""
        return FIXED[self.column.type].show

    def order(self, shown: bytes) -> np.ndarray[Any, Any] | None:
        """Places of the sent rows in the order in which the server shows them; None where they are other rows."""
        import numpy as np

        found = np.frombuffer(shown, self.values.dtype.newbyteorder(">"))
        by_value = np.argsort(self.values, kind="stable")
        at = np.minimum(np.searchsorted(self.values[by_value], found), len(by_value) - 1)
        places = by_value[at]
        return places if np.array_equal(self.values[places], found) else None


def identity(
    columns: Sequence[CatalogColumn], wires: Sequence[Wire], rows: pa.Table, first: int | None
) -> Identity | None:
    """A column of the rows that tells them apart, looked for at the place `first` before others; None where there is none."""
    import numpy as np

    for index in sorted(range(len(columns)), key=lambda index: index != first):
        column = columns[index]
        way = FIXED.get(column.type)
        if way is None or way.width < 4 or rows.column(index).null_count:
            continue
        values = integers(wires[index].convert(rows.column(index).combine_chunks()), way.width)
        if way.epoch:
            values = values - values.dtype.type(way.epoch)
        if len(np.unique(values)) == len(values):
            return Identity(index=index, column=column, values=values)
    return None
