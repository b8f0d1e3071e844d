"""Which rows of a clean part are other than in an earlier version of the same part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loadlock.rows import FILE, ROW, SUB

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_SUBS = 1 << 20
"""Rows that a record may become for its rows to be told apart by one number."""


def changed_rows(before: pa.Table, now: pa.Table, columns: Sequence[str]) -> np.ndarray[Any, Any]:
    """Places in `now` of rows that `before` hasn't (by identity), or has with another value in one of the columns.

    All rows where the columns are not of the same types. In doubt a row counts as changed.
    """
    import numpy as np
    import pyarrow as pa

    every = np.arange(now.num_rows)
    if _kinds(before, columns) != _kinds(now, columns):
        return every
    old, new = _numbers(before), _numbers(now)
    if old is None or new is None:
        return every
    order = np.argsort(old, kind="stable")
    at = np.searchsorted(old[order], new)
    known = at < len(old)
    known[known] = old[order][at[known]] == new[known]
    places = order[at[known]]
    kept = now if known.all() else now.filter(pa.array(known))
    other = ~known
    other[known] = _differ(before.select(list(columns)).take(places), kept.select(list(columns)))
    return np.flatnonzero(other)


def _kinds(table: pa.Table, columns: Sequence[str]) -> list[pa.DataType | None]:
    schema = table.schema
    return [schema.field(name).type if name in schema.names else None for name in columns]


def _numbers(table: pa.Table) -> np.ndarray[Any, Any] | None:
    """A number for each row that tells it from all others of its part."""
    import numpy as np

    files, rows, subs = (table[name].to_numpy().astype(np.int64) for name in (FILE, ROW, SUB))
    if len(files) and (subs.max() >= _SUBS or files.min() != files.max()):
        return None
    found: np.ndarray[Any, Any] = rows * _SUBS + subs
    return found


def _differ(before: pa.Table, now: pa.Table) -> np.ndarray[Any, Any]:
    """Whether rows at the same place differ."""
    import numpy as np

    found = np.zeros(now.num_rows, bool)
    for name in now.column_names:
        old, new = (_one(table[name]) for table in (before, now))
        if not old.equals(new):
            found |= _unequal(old, new)
    return found


def _one(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _unequal(old: pa.Array, new: pa.Array) -> np.ndarray[Any, Any]:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_float64(old.type):  # -0 is another value than 0, one NaN as good as another
        old, new = old.view(pa.int64()), new.view(pa.int64())
    try:
        equal = pc.equal(old, new).fill_null(False)
    except pa.ArrowNotImplementedError:
        return np.ones(len(new), bool)
    absent = pc.and_(old.is_null(), new.is_null())
    found: np.ndarray[Any, Any] = ~pc.or_(equal, absent).to_numpy(zero_copy_only=False)
    return found
