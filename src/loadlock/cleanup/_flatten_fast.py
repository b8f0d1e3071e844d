"""Many sound JSON records at once: their rows as Arrow columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np

from loadlock import rows
from loadlock.cleanup._flatten_columns import NULL, Texts, spans_of
from loadlock.cleanup._flatten_layout import Layout
from loadlock.cleanup._flatten_names import child_column, column
from loadlock.cleanup._flatten_scan import Positions, tokens
from loadlock.cleanup._flatten_walk import Walk
from loadlock.pipeline.model import Flatten

if TYPE_CHECKING:
    import pyarrow as pa

_CELLS = 1 << 20
"""Cells that are made at a time: bounds memory where columns are many."""
_NOWHERE = 1 << 62


class Fast:
    """Records that are valid JSON, none of them null. Those that are `odd` are to be left out and read by themselves."""

    def __init__(self, text: bytes, starts: Positions, spec: Flatten) -> None:
        """`text`: a JSON array of the records, padded; each record starts at one of these places."""
        self._spec = spec
        self._tokens = tokens(text)
        self._found = Walk(self._tokens, self._tokens.after_space(starts), spec).run()
        self._layout = Layout(self._found)

    @property
    def odd(self) -> Positions:
        """The numbers of records that are too deep, or in which a key stands twice in an object."""
        return self._found.odd

    def names(self) -> list[tuple[int, int, str]]:
        """(record, place, column) where each column of the parents' table appears first."""
        places = self._first(0)
        paths = np.flatnonzero(places < _NOWHERE)
        records = np.searchsorted(self._found.places[: self._layout.records], places[paths], side="right") - 1
        names = [column(self._found.paths.names[path]) for path in paths.tolist()]
        return list(zip(records.tolist(), places[paths].tolist(), names, strict=True))

    def _first(self, table: int) -> Positions:
        """For each path where the first cell of its column in this table stands."""
        cells = self._found.cells
        places = np.full(len(self._found.paths.names), _NOWHERE, dtype=np.int64)
        paths, starts = cells.paths, cells.starts
        if table or not self._found.in_order:
            own = np.flatnonzero(self._layout.tables[cells.nodes] == table)
            own = own[np.argsort(starts[own], kind="stable")]
            paths, starts = paths[own], starts[own]
        # of several writes to one place the last one stays
        places[paths[::-1]] = starts[::-1]
        return places

    def table(self, table: int = 0, wanted: Collection[str] | None = None) -> pa.Table:
        """The rows of the parents' table (0) or of the n-th child's: its columns, then `_row` and `_sub`.

        `_row` is the number of the record here. `wanted`: only these columns.
        """
        import pyarrow as pa

        made = self._layout.rows(table)
        names = self._chosen(table, wanted)
        arrays = self._columns(table, list(names), len(made.records))
        columns = dict(zip(names.values(), arrays, strict=True))
        columns[rows.ROW] = pa.array(made.records)
        columns[rows.SUB] = pa.array(made.subs.astype(np.int32))
        return pa.table(columns)

    def unnamed(self, wanted: Collection[str]) -> dict[int, list[str]]:
        """Records that have columns of the parents' table that are not wanted, and which."""
        cells = self._found.cells
        names = [self._name(path, 0) for path in range(len(self._found.paths.names))]
        own = np.array([name not in wanted for name in names])[cells.paths]
        own &= self._layout.tables[cells.nodes] == 0
        pairs = np.stack([self._found.records[cells.nodes[own]], cells.paths[own]], axis=1)
        found: dict[int, list[str]] = {}
        for record, path in np.unique(pairs, axis=0).tolist():
            found.setdefault(record, []).append(names[path])
        return found

    def values(self, wanted: Collection[str]) -> dict[str, int]:
        """How many values each column of the parents' table has that is not wanted; null is none."""
        names = {path: self._name(path, 0) for path in range(1, len(self._found.paths.names))}
        names = {path: name for path, name in names.items() if name not in wanted}
        if not names:
            return {}
        cells = self._found.cells
        is_value = self._tokens.octets.take(cells.starts) != NULL
        if self._found.arrays:
            is_value &= self._layout.tables.take(cells.nodes) == 0
        counts = np.bincount(cells.paths.take(np.flatnonzero(is_value)), minlength=len(self._found.paths.names))
        return {name: int(counts[path]) for path, name in names.items() if counts[path]}

    def _chosen(self, table: int, wanted: Collection[str] | None) -> dict[int, str]:
        """The paths of a table's columns and their names, in the order of first appearance; or the wanted ones."""
        if wanted is not None:
            named = {path: self._name(path, table) for path in range(1, len(self._found.paths.names))}
            return {path: name for path, name in named.items() if name in wanted}
        places = self._first(table)
        paths = np.flatnonzero(places < _NOWHERE)
        return {path: self._name(path, table) for path in paths[np.argsort(places[paths])].tolist()}

    def _name(self, path: int, table: int) -> str:
        name = self._found.paths.names[path]
        if table == 0:
            return column(name)
        return child_column(name, list(self._spec.children)[table - 1], self._spec.separator)

    def _columns(self, table: int, paths: Sequence[int], count: int) -> list[pa.Array]:
        """The columns of these paths, some at a time."""
        cells = self._found.cells
        number = np.full(len(self._found.paths.names), -1, dtype=np.int64)
        number[paths] = np.arange(len(paths))
        columns = number.take(cells.paths)
        which = np.flatnonzero(columns >= 0)
        if not self._found.in_order:
            which = which[self._layout.tables[cells.nodes[which]] == table]
            which = which[np.argsort(cells.starts[which], kind="stable")]
        spans = spans_of(self._tokens, cells.starts.take(which), cells.strings.take(which))
        texts = Texts(spans, self._spec.null_text)
        places, values = self._layout.cells(cells.nodes.take(which))
        columns = columns.take(which if values is None else which.take(values))
        made: list[pa.Array] = []
        step = max(1, _CELLS // max(count, 1))
        for first in range(0, len(paths), step):
            last = min(first + step, len(paths))
            own = slice(None) if last - first == len(paths) else np.flatnonzero((columns >= first) & (columns < last))
            at = (columns[own] - first) * count + places[own]
            made += texts.columns(last - first, count, at, own if values is None else values[own])
        return made
