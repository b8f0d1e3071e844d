"""Filling gaps with the value above them, over whole files, though every part is worked on by itself.

The survey finds, part by part, each value that has a gap below it or is the part's last, with its row. With those of all parts at
hand, a gap's value is the one with the greatest row up to its own: whatever rows are at hand, and in whatever order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.cleanup._sql import BLANK
from loadlock.cleanup.steps import whole
from loadlock.errors import StoppedError
from loadlock.rows import ROW

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 200_000
"""Values with gaps below them that a batch may have in a column."""


@dataclass(frozen=True, kw_only=True)
class Fill:
    """A column whose gaps are filled. `name`: its staged text; `before`: where the text is kept as it came."""

    column: str
    name: str
    before: str
    empty: bool

    @property
    def key(self) -> str:
        """Of its decision: [file, row, value], sorted."""
        return f"{self.column}.fill_down"


def survey_fills(part: pa.Table, rows: pa.Table, fills: Sequence[Fill], file_index: int) -> dict[str, int]:
    """What a part's columns have to be remembered by: `key/file/row/value` → 1."""
    if not fills:
        return {}
    numbers = whole(rows[ROW]).to_numpy()
    return {
        f"{fill.key}/{file_index}/{row}/{value}": 1
        for fill in fills
        for row, value in _values_above_gaps(whole(part[fill.name]), numbers, empty=fill.empty)
    }


def _values_above_gaps(values: pa.Array, numbers: np.ndarray[Any, Any], *, empty: bool) -> Iterator[tuple[int, str]]:
    gaps = _gaps(values, empty=empty)
    last = np.flatnonzero(~gaps)[-1:]
    places = np.union1d(np.flatnonzero(~gaps[:-1] & gaps[1:]), last)
    texts = values.take(places).to_pylist()
    return zip(numbers[places].tolist(), texts, strict=True)


def decided(fill: Fill, counts: Mapping[str, int]) -> list[list[Any]]:
    """The decision for a column, of what all parts counted. Raises StoppedError where that is too much to remember."""
    start = f"{fill.key}/"
    found = [name.removeprefix(start).split("/", 2) for name in counts if name.startswith(start)]
    if len(found) > MOST:
        raise StoppedError(
            f"column {fill.column}: {len(found):,} values have gaps below them, more than fill_down can hold ({MOST:,})",
            hint="Ask the sender for a file with the value in every row, or cut the batch into several.",
        )
    return sorted([int(file), int(row), value] for file, row, value in found)


def filled(
    part: pa.Table, rows: pa.Table, fills: Sequence[Fill], decisions: Mapping[str, Any], file_index: int
) -> pa.Table:
    """The part with the gaps of these columns filled, and the texts as they came beside."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not fills:
        return part
    numbers = whole(rows[ROW]).to_numpy()
    for fill in fills:
        values = whole(part[fill.name])
        known = [entry for entry in decisions.get(fill.key) or () if entry[0] == file_index]
        texts = pa.array([None, *(value for _, _, value in known)], pa.string())
        above = np.searchsorted(np.array([row for _, row, _ in known], np.int64), numbers, side="right")
        gaps = pa.array(_gaps(values, empty=fill.empty) & (above > 0))
        new = pc.if_else(gaps, texts.take(pa.array(above)), values)
        part = part.set_column(part.column_names.index(fill.name), fill.name, new).append_column(fill.before, values)
    return part


def _gaps(values: pa.Array, *, empty: bool) -> np.ndarray[Any, Any]:
    import pyarrow.compute as pc

    gaps = values.is_null()
    if empty:
        gaps = pc.or_(gaps, pc.fill_null(pc.match_substring_regex(values, f"^{BLANK}*$"), True))
    found: np.ndarray[Any, Any] = gaps.to_numpy(zero_copy_only=False)
    return found.astype(bool)
