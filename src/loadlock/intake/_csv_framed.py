"""Tables of a file whose rows are drawn between bars: the values without the padding, and without what is outside."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from loadlock.intake._csv_table import Batch, Layout, TableMaker
from loadlock.intake._printed import Frame

_EDGES = ("left of the table", "right of the table")
"""Names of the empty fields outside of the bars, which are left out."""
_PADDING = " \t\u00a0"


class FramedMaker:
    """Makes the tables of one file's batches, as `TableMaker` does. Thread-safe: holds options only."""

    def __init__(self, layout: Layout, frame: Frame) -> None:
        self._columns = len(layout.names)
        self._edges = 1 if frame.closed else 0
        names = (_EDGES[0], *layout.names, _EDGES[1]) if frame.closed else layout.names
        self._maker = TableMaker(replace(layout, names=names))
        self.schema: pa.Schema = TableMaker(layout).schema
        """Of the rows' tables."""

    def make(self, batch: Batch) -> tuple[pa.Table, pa.Table]:
        """Rows and rejects of a batch."""
        rows, rejects = self._maker.make(batch)
        first, stop = self._edges, self._edges + self._columns
        values = [pc.utf8_trim(column, _PADDING) for column in rows.columns[first:stop]]
        return pa.table([*values, *rows.columns[stop + self._edges :]], schema=self.schema), rejects


def without_edges(header: list[str], frame: Frame) -> list[str]:
    """The names in a header, without padding and without the empty fields outside of the bars."""
    names = header[1:-1] if frame.closed else header
    return [name.strip(_PADDING) for name in names]
