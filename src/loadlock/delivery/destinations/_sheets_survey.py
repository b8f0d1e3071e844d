"""What a tab holds below its header: the last row, a sum over all rows that shows any change, and the keys.

One reading pass in flat memory: of each row only 8 bytes and its key stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import DeliveryColumn
from loadlock.delivery.destinations._sheets_aim import Aim
from loadlock.delivery.destinations._sheets_cells import decode
from loadlock.delivery.destinations._sheets_rows import Rows, read_rows, row_hashes, slices, total
from loadlock.delivery.destinations._sheets_state import Tab
from loadlock.delivery.destinations._texts import to_text
from loadlock.errors import RefusedError
from loadlock.sheets.wire import Wire

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SHOWN_KEYS = 3


@dataclass(frozen=True, kw_only=True)
class Keyed:
    """Rows by their keys, in order."""

    keys: pa.Array
    """One text a row; null where a row has no key."""
    hashes: np.ndarray[Any, Any]
    """64 bits of each row's cells."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """The rows below the header, from row 1 (the header is row 0) up to `last`."""

    last: int
    """The row below the last one with a value, at least 1."""
    rows: Keyed
    """Keys are all null where no key was asked for."""

    @property
    def total(self) -> int:
        """The sum of the rows' hashes."""
        return total(self.rows.hashes)


def survey(wire: Wire, aim: Aim, key: Sequence[str], *, escaped: bool) -> Survey:
    """Read the delivered columns of a live tab."""
    parts = [keyed(rows, count, aim.columns, key, escaped=escaped) for rows, count in _below(wire, aim)]
    rows = joined(parts)
    filled = rows.hashes.nonzero()[0]
    last = int(filled[-1]) + 1 if filled.size else 0
    return Survey(last=last + 1, rows=Keyed(keys=rows.keys.slice(0, last), hashes=rows.hashes[:last]))


def _below(wire: Wire, aim: Aim) -> Iterator[tuple[Rows, int]]:
    for start, end in slices(1, aim.tab.rows, len(aim.places)):
        yield read_rows(wire, aim.tab, aim.places, start, end), end - start


def read_stage(
    wire: Wire, tab: Tab, at: tuple[int, int], columns: Sequence[DeliveryColumn], key: Sequence[str], *, escaped: bool
) -> Keyed:
    """Rows of a staging tab from the first to the one behind the last."""
    places = range(len(columns))
    parts = [
        keyed(read_rows(wire, tab, places, start, end), end - start, columns, key, escaped=escaped)
        for start, end in slices(*at, len(columns))
    ]
    return joined(parts)


def joined(parts: Sequence[Keyed]) -> Keyed:
    """One behind the other."""
    import numpy as np
    import pyarrow as pa

    keys = pa.chunked_array([part.keys for part in parts], pa.large_string()).combine_chunks()
    hashes = np.concatenate([part.hashes for part in parts]) if parts else np.zeros(0, np.uint64)
    return Keyed(keys=keys, hashes=hashes)


def keyed(rows: Rows, count: int, columns: Sequence[DeliveryColumn], key: Sequence[str], *, escaped: bool) -> Keyed:
    """`count` rows as they were read (empty ones at the end may be missing)."""
    import pyarrow as pa

    # by their names: people may put columns into another order
    hashes = row_hashes(rows, count, sorted(range(len(columns)), key=lambda at: columns[at].name))
    if not key:
        return Keyed(keys=pa.nulls(count, pa.large_string()), hashes=hashes)
    index = {column.name: at for at, column in enumerate(columns)}
    cells = []
    for name in key:
        at = index[name]
        values = [line[at] if at < len(line) else "" for line in rows] + [""] * (count - len(rows))
        cells.append(decode(values, columns[at], escaped=escaped, empty_text=False))
    return Keyed(keys=key_texts(cells, [columns[index[name]] for name in key]), hashes=hashes)


def key_texts(cells: Sequence[pa.Array], columns: Sequence[DeliveryColumn]) -> pa.Array:
    """One text a row that stands for its key values: each with its length before it. Null where one is missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pieces = []
    for values, column in zip(cells, columns, strict=True):
        text = to_text(values, column.type).cast(pa.large_string())
        if column.type.kind in ("text", "json", "uuid"):
            text = pc.if_else(pc.equal(pc.binary_length(text), 0), pa.scalar(None, pa.large_string()), text)
        length = pc.binary_length(text).cast(pa.large_string())
        pieces += [length, pa.scalar(":", pa.large_string()), text]
    return pc.binary_join_element_wise(*pieces, pa.scalar("", pa.large_string()))


def table_keys(rows: pa.Table, columns: Sequence[DeliveryColumn], key: Sequence[str]) -> pa.Array:
    """The keys of rows in Arrow, as `keyed` gives those of cells."""
    by_name = {column.name: column for column in columns}
    return key_texts([rows[name].combine_chunks() for name in key], [by_name[name] for name in key])


def check_keys(found: Survey, key: Sequence[str], label: str) -> None:
    """Raise RefusedError where a key stands in the sheet twice: it can't be told which row is meant."""
    import pyarrow.compute as pc

    keys = found.rows.keys.drop_null()
    if len(keys) == pc.count_distinct(keys).as_py():
        return
    counts = pc.value_counts(keys)
    twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    shown = "; ".join(_places(found, text) for text in twice[:SHOWN_KEYS].to_pylist())
    more = f" and {len(twice) - SHOWN_KEYS:,} more" if len(twice) > SHOWN_KEYS else ""
    raise RefusedError(
        f"{label}: {len(twice):,} keys ({', '.join(key)}) stand more than once in the sheet: {shown}{more}; nothing was touched",
        hint="Remove the repeated rows from the sheet, or choose columns that tell rows apart.",
    )


def _places(found: Survey, text: str) -> str:
    import pyarrow as pa
    import pyarrow.compute as pc

    same = pc.indices_nonzero(pc.fill_null(pc.equal(found.rows.keys, pa.scalar(text, pa.large_string())), False))
    return "rows " + ", ".join(f"{row + 2:,}" for row in same.to_pylist()[:5])
