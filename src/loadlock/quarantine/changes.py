"""What an operator changed, collected as Arrow: many changes must not be many objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from loadlock.quarantine.edits import edit_schema
from loadlock.quarantine.taking import Change
from loadlock.rows import IDENTITY

if TYPE_CHECKING:
    import pyarrow as pa

_WAITING = 20_000


class Changes:
    """Changes, in the order they were added."""

    def __init__(self, *, each_once: bool = False) -> None:
        """`each_once`: those of a reject come together, and no cell twice; then nothing has to be compared in the end."""
        self._tables: list[pa.Table] = []
        self._waiting: list[Change] = []
        self._each_once = each_once

    def __bool__(self) -> bool:
        return bool(self._tables or self._waiting)

    def add(self, change: Change) -> None:
        """One more."""
        self._waiting.append(change)
        if len(self._waiting) >= _WAITING:
            self._put_away()

    def extend(self, changes: Iterable[Change]) -> None:
        """Several more."""
        for change in changes:
            self.add(change)

    def table(self) -> pa.Table:
        """All of them (`edit_schema`); of two changes of the same cell the later one."""
        import pyarrow as pa

        self._put_away()
        found = pa.concat_tables([edit_schema().empty_table(), *self._tables])
        if self._each_once:
            return found
        numbered = found.append_column("at", pa.array(range(found.num_rows), pa.int64()))
        last = numbered.group_by([*IDENTITY, "to", "column"], use_threads=False).aggregate([("at", "max")])
        if last.num_rows == found.num_rows:
            return found
        return found.take(last["at_max"].combine_chunks().sort())

    def rejects(self, lines: pa.Table) -> int:
        """How many rejects the lines of the table are about."""
        if not self._each_once or not lines.num_rows:
            return int(lines.group_by(list(IDENTITY)).aggregate([]).num_rows)
        columns = [lines[name].to_numpy() for name in IDENTITY]
        return 1 + int(np.count_nonzero(np.logical_or.reduce([column[1:] != column[:-1] for column in columns])))

    def _put_away(self) -> None:
        if self._waiting:
            self._tables.append(_table(self._waiting))
            self._waiting = []


def _table(changes: list[Change]) -> pa.Table:
    import pyarrow as pa

    files, rows, subs = zip(*(change.place for change in changes), strict=True)
    others = ([getattr(change, name) for change in changes] for name in ("to", "column", "old", "new"))
    schema = edit_schema()
    arrays = [pa.array(column, entry.type) for column, entry in zip((files, rows, subs, *others), schema, strict=True)]
    return pa.table(arrays, schema=schema)
