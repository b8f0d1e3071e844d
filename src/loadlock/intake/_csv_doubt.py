"""Rows that look whole and may not be: one delimiter at the end too many, or a header that does not fit the rows.

A row that ends in a delimiter has an empty field more than the table. Mostly that is nothing but a delimiter at its end; but
where the last column may be empty, a delimiter too many anywhere in the row looks the same, and moves its values one
column on. So such a row is kept out, unless its values show that they stand where they belong, or many rows end so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from loadlock.intake._csv_exact import FieldParser, Shape
from loadlock.intake._csv_records import Piece, Status
from loadlock.intake._csv_torn import Edge, edge_of

WIDEST = 500
"""Columns up to which rows of the sample are kept."""
_HABIT_ROWS, _HABIT_SHARE = 3, 0.2
TYPED = ("digits", "shapes", "number")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Some rows from the beginning of the table."""

    rows: tuple[tuple[str, ...], ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, rows: Sequence[Sequence[str]]) -> Sample:
        """A sample of these rows; none of very wide ones."""
        wide = max(map(len, rows), default=0) > WIDEST
        return cls(rows=() if wide else tuple(map(tuple, rows)))

    def columns(self, fields: int) -> list[Edge]:
        """What the values of each column look like."""
        rows = [row for row in self.rows if len(row) == fields]
        return [edge_of([row[place] for row in rows]) for place in range(fields)]

    def ends_in_delimiters(self, fields: int) -> bool:
        """Whether several rows have more fields than this, and nothing in them."""
        longer = [row for row in self.rows if len(row) > fields]
        empty = sum(not any(cell.strip() for cell in row[fields:]) for row in longer)
        return empty >= _HABIT_ROWS and empty >= _HABIT_SHARE * len(self.rows)

    def misfits(self, fields: int) -> int:
        """The number of fields that most rows have, where it is larger than this and the fields beyond are filled; else 0."""
        if not self.rows:
            return 0
        usual, count = Counter(map(len, self.rows)).most_common(1)[0]
        if usual <= fields or count * 2 <= len(self.rows):
            return 0
        filled = sum(any(cell.strip() for cell in row[fields:]) for row in self.rows if len(row) == usual)
        return usual if filled * 2 >= count else 0


class Doubts:
    """Marks the rows in doubt of one file's pieces."""

    def __init__(self, sample: Sample, fields: int, shape: Shape) -> None:
        self._sample, self._fields = sample, fields
        self._parser = FieldParser(shape)
        self.usual_fields = sample.misfits(fields)
        """Fields of most rows, where the header does not fit them; 0: it does."""
        self._accepts = fields < 2 or not sample.rows or sample.ends_in_delimiters(fields)

    @cached_property
    def _columns(self) -> list[Edge]:
        return self._sample.columns(self._fields)

    def mark(self, piece: Piece) -> None:
        """Mark what is in doubt in a piece."""
        records = piece.records
        if self.usual_fields:
            rows = np.flatnonzero(records.status <= Status.EXACT)
            records.status[rows] = Status.MISFIT
            records.trim[rows] = 0
            records.where.update(dict.fromkeys(rows.tolist(), self.usual_fields))
            records.counts.pop("trailing_empty", None)
            return
        if self._accepts:
            return
        for index in np.flatnonzero((records.trim == 1) & (records.status <= Status.EXACT)).tolist():
            values = self._parser.parse(piece.raw(index)).values[: self._fields]
            if may_be_shifted([value.decode("utf-8", "replace") for value in values], self._columns):
                records.status[index] = Status.SHIFTED
                records.trim[index] = 0
                records.counts["trailing_empty"] -= 1


def may_be_shifted(cells: Sequence[str], columns: Sequence[Edge]) -> bool:
    """Whether a row's values, the empty field behind them left out, may stand one column too far to the right."""
    settled = 0
    for place, (cell, column) in enumerate(zip(cells, columns, strict=True)):
        if column.kind in TYPED and column.unlike(cell):
            return True
        left = columns[place - 1].kind if place else ""
        if column.kind in TYPED and column.kind != left and cell.strip():
            # a value of another column would not fit here
            settled = place + 1
    if columns[-1].kind and not columns[-1].empty:
        return False
    split = (
        settled
        and cells[settled : settled + 1]
        and not columns[settled - 1].unlike(cells[settled - 1] + cells[settled])
    )
    return any(cell.strip() for cell in cells[settled + (0 if split else 1) :])
