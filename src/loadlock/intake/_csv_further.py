"""Further tables in a file too long to be looked at as a whole: noticed while it is read, and kept apart."""

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
_WIDTH, _HEADED = 1, 2


class FurtherTables:
    """Looks at what stands behind blank lines. Call `look` for each piece in order, then `notes`.

    What stands below the header of another table is no row of this one: it is a reject, or, where it was said which table
    is read, left out.
    """

    def __init__(self, sample: Sample, fields: int, shape: Shape, *, left_out: bool) -> None:
        columns = sample.columns(fields) if sample.rows else []
        self._typed = [(place, column) for place, column in enumerate(columns) if column.kind in TYPED]
        self._fields = fields
        self._parser = FieldParser(shape)
        self._after_blank = False
        self._looks = 0
        self._left_out = left_out
        self._within = 0
        """The line at which the other table begins that goes on; 0: the rows are of this one."""
        self.lines: list[int] = []
        """Where other tables begin."""

    def look(self, piece: Piece, first_line: int) -> None:
        """`first_line`: where the piece begins in the file."""
        records = piece.records
        blank = records.status == Status.BLANK
        if not (blank.any() or self._after_blank or self._within):
            return
        starts = {0: self._within} if self._within else {}
        behind = np.flatnonzero(~blank & np.concatenate([[self._after_blank], blank[:-1]]))
        self._after_blank = bool(blank[-1])
        for index in behind[: max(0, _LOOKS - self._looks)].tolist():
            if found := self._begins_table(piece, index):
                line = int(records.line[index]) + first_line
                self.lines.append(line)
                if found == _HEADED or self._left_out:
                    starts[index] = line
        self._looks += len(behind)
        # its own header says that the first table goes on
        starts |= dict.fromkeys(np.flatnonzero(records.status == Status.HEADER).tolist(), 0)
        self._mark(piece, dict(sorted(starts.items())))

    def _mark(self, piece: Piece, starts: dict[int, int]) -> None:
        """Mark what belongs to other tables; `starts`: record → line of the table that begins there, 0 = the first one."""
        records = piece.records
        stops = [*list(starts)[1:], len(records)] if starts else []
        for index, stop in zip(starts, stops, strict=True):
            self._within = starts[index]
            if not self._within:
                continue
            inside = np.zeros(len(records), dtype=bool)
            inside[index:stop] = True
            if self._left_out:
                records.status[inside & (records.status != Status.BLANK)] = Status.FOOTER
            else:
                rows = np.flatnonzero(inside & (records.status <= Status.EXACT))
                records.status[rows] = Status.OTHER_TABLE
                records.trim[rows] = 0
                records.where.update(dict.fromkeys(rows.tolist(), self._within))

    def _begins_table(self, piece: Piece, index: int) -> int:
        """0, or by what another table is known: rows of another width, or a header of its own."""
        records = piece.records
        width, status = records.fields[index : index + _ROWS], records.status[index : index + _ROWS]
        if len(width) < _ROWS or width[0] < 2 or bool(np.any(width != width[0])):
            return 0
        if np.all(status == Status.FIELD_COUNT):
            return _WIDTH
        headed = self._typed and np.all(status <= Status.EXACT) and self._is_header(piece, index)
        return _HEADED if headed else 0

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
        if not self.lines:
            return []
        shown = ", ".join(f"{line:,}" for line in self.lines[:_SHOWN]) + (" ..." if len(self.lines) > _SHOWN else "")
        done = "left out" if self._left_out else "kept out; `table:` says which one is read"
        return [f"another table begins at line {shown}: what stands below is {done}"]
