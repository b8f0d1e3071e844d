"""Further tables in a file too long to be looked at as a whole: noticed while it is read, and reported."""

from __future__ import annotations

import numpy as np

from loadlock.intake._csv_doubt import TYPED, Sample
from loadlock.intake._csv_exact import FieldParser, Shape
from loadlock.intake._csv_records import Piece, Status

_ROWS = 3
"""Rows of another width in a row that are taken for a table."""
_LOOKS = 200
"""Rows behind blank lines that are looked at."""
_SHOWN = 3


class FurtherTables:
    """Looks at what stands behind blank lines. Call `look` for each piece in order, then `notes`."""

    def __init__(self, sample: Sample, fields: int, shape: Shape) -> None:
        columns = sample.columns(fields) if sample.rows else []
        self._typed = [(place, column) for place, column in enumerate(columns) if column.kind in TYPED]
        self._fields = fields
        self._parser = FieldParser(shape)
        self._after_blank = False
        self._looks = 0
        self._lines: list[int] = []

    def look(self, piece: Piece, first_line: int) -> None:
        """`first_line`: where the piece begins in the file."""
        records = piece.records
        blank = records.status == Status.BLANK
        behind = np.flatnonzero(~blank & np.concatenate([[self._after_blank], blank[:-1]]))
        self._after_blank = bool(blank[-1])
        for index in behind[: max(0, _LOOKS - self._looks)].tolist():
            if self._begins_table(piece, index):
                self._lines.append(int(records.line[index]) + first_line)
        self._looks += len(behind)

    def _begins_table(self, piece: Piece, index: int) -> bool:
        records = piece.records
        width, status = records.fields[index : index + _ROWS], records.status[index : index + _ROWS]
        if len(width) < _ROWS or width[0] < 2 or bool(np.any(width != width[0])):
            return False
        if np.all(status == Status.FIELD_COUNT):
            return True
        return bool(self._typed) and bool(np.all(status <= Status.EXACT)) and self._is_header(piece, index)

    def _is_header(self, piece: Piece, index: int) -> bool:
        """Whether no number or date column of the row has such a value, and the row below is as rows are."""
        rows = [self._parser.parse(piece.raw(at)).values for at in (index, index + 1)]
        if any(len(row) < self._fields for row in rows):
            return False
        names, values = ([cell.decode("utf-8", "replace") for cell in row] for row in rows)
        unlike = all(names[place].strip() and column.unlike(names[place]) for place, column in self._typed)
        return unlike and not any(column.unlike(values[place]) for place, column in self._typed)

    def notes(self) -> list[str]:
        """Where further tables seem to begin."""
        if not self._lines:
            return []
        shown = ", ".join(f"{line:,}" for line in self._lines[:_SHOWN]) + (" ..." if len(self._lines) > _SHOWN else "")
        note = f"another table seems to begin at line {shown}: all is read as one table; the file is too long to be looked at"
        return [note + " as a whole; split it"]
