"""Rows that may have been torn: a record end in the middle of a record leaves a piece of it in a line of its own.

Where the piece is one field, the rest of the record has the right number of fields, and a value that is cut off. So a row
next to a line of one field is in doubt, if its value at that side is unlike the column's others, or if the column is
free text, which any piece may belong to. At most one of the two neighbours is kept out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadlock.intake._csv_exact import FieldParser, Shape
from loadlock.intake._csv_records import Piece, Status

PIECES = 20
"""Lines of one field in a row that may be pieces of one record; more of them are something else."""
BEFORE, BEHIND = 1, 2
"""Where the piece stands, as the detail of a reject."""
_SHAPES = 3
_SURE_CELLS = 5
_MANY_CELLS = 8
_NUMBER = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d.,' ]*%?\)?")
_LETTERS = re.compile(r"[^\W\d_]+")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Edge:
    """What the values of the first or the last column look like."""

    kind: str = ""
    """`digits`, `shapes` (few of them), `number`, `text`, or empty: too few values to tell."""
    shortest: int = 0
    shapes: frozenset[str] = frozenset()
    empty: bool = True
    """Whether empty values occur."""

    def unlike(self, cell: str) -> bool:
        """Whether a value is none that this column has."""
        cell = cell.strip()
        if not cell:
            return bool(self.kind) and not self.empty
        if self.kind == "digits":
            return not cell.isdigit() or len(cell) < self.shortest
        if self.kind == "shapes":
            return _shape(cell) not in self.shapes
        return self.kind == "number" and not _NUMBER.fullmatch(cell)

    def may_hold(self, piece: str) -> bool:
        """Whether a line of its own may be a piece of such a value that looks whole without it."""
        if self.kind == "text":
            return True
        return self.kind in ("digits", "number") and not piece.strip(" 0123456789.,")


def edge_of(cells: Sequence[str]) -> Edge:
    """The edge of a column with these values; what occurs once among many may itself be a fault and is left out."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    least = 2 if len(filled) >= _MANY_CELLS else 1
    most = len(filled) - least + 1
    empty = len(cells) - len(filled) >= least
    if len(filled) < _SURE_CELLS:
        return Edge()
    digits = [cell for cell in filled if cell.isdigit()]
    if len(digits) >= most:
        lengths = Counter(map(len, digits))
        usual_lengths = [length for length, count in lengths.items() if count >= least] or [*lengths]
        return Edge("digits", min(usual_lengths), empty=empty)
    if sum(bool(_NUMBER.fullmatch(cell)) for cell in filled) >= most:
        return Edge("number", empty=empty)
    shapes = Counter(_shape(cell) for cell in filled)
    usual = frozenset(shape for shape, count in shapes.items() if count >= least and _DIGIT.search(shape))
    if len(usual) <= _SHAPES and sum(shapes[shape] for shape in usual) >= most:
        return Edge("shapes", shapes=usual, empty=empty)
    return Edge("text", empty=empty)


def _shape(cell: str) -> str:
    return _LETTERS.sub("a", _DIGIT.sub("9", cell))


class TornRows:
    """Marks the rows of one file's pieces that may be torn. Call `mark` for each piece with the one behind it."""

    def __init__(self, first: Edge, last: Edge, shape: Shape) -> None:
        self._first, self._last, self._shape = first, last, shape
        self._parser = FieldParser(shape)
        self._leading = False

    def mark(self, piece: Piece, following: Piece | None) -> int:
        """Mark what is in doubt in `piece` (and the first row of `following`); returns the number of rows marked."""
        lines = np.flatnonzero((piece.records.status == Status.FIELD_COUNT) & (piece.records.fields == 1))
        if not len(lines) and not self._begins_with_a_line(following):
            self._leading = False
            return 0
        marked = 0
        size = len(piece.records)
        for start, stop in _runs(lines, size):
            if start == 0 and self._leading:
                # judged with the piece before
                continue
            if stop == size:
                continue
            marked += self._judge((piece, start - 1), (piece, stop), piece.raw(start), stop - start)
        marked += self._judge_border(piece, following)
        return marked

    def _begins_with_a_line(self, piece: Piece | None) -> bool:
        if piece is None or not len(piece.records):
            return False
        return bool(piece.records.status[0] == Status.FIELD_COUNT and piece.records.fields[0] == 1)

    def _judge_border(self, piece: Piece, following: Piece | None) -> int:
        """The lines at the end of a piece and at the beginning of the next one."""
        tail = _run_at(piece, len(piece.records) - 1, -1)
        head = _run_at(following, 0, 1) if following is not None else 0
        self._leading = bool(head)
        if following is None or not tail + head or head == len(following.records):
            return 0
        line = piece.raw(len(piece.records) - tail) if tail else following.raw(0)
        return self._judge((piece, len(piece.records) - tail - 1), (following, head), line, tail + head)

    def _judge(self, before: tuple[Piece, int], behind: tuple[Piece, int], line: bytes, count: int) -> int:
        """Decide which of the rows around a run of lines is in doubt."""
        if count > PIECES:
            return 0
        above = self._cell(before, -1)
        below = self._cell(behind, 0)
        text = line.decode("utf-8", "replace")
        if below is not None and self._first.unlike(below):
            _mark(behind, BEFORE)
        elif above is not None and (self._last.unlike(above) or self._last.may_hold(text)):
            _mark(before, BEHIND)
        elif below is not None and self._first.may_hold(text):
            _mark(behind, BEFORE)
        else:
            return 0
        return 1

    def _cell(self, place: tuple[Piece, int], field: int) -> str | None:
        """The first (0) or last (-1) value of a row; None where there is no row."""
        piece, index = place
        if index < 0 or piece.records.status[index] > Status.EXACT:
            return None
        value = self._parser.parse(piece.raw(index)).values[field]
        return value.decode("utf-8", "replace")


def _mark(place: tuple[Piece, int], detail: int) -> None:
    piece, index = place
    piece.records.status[index] = Status.TORN
    piece.records.trim[index] = 0
    piece.records.where[index] = detail


def _runs(lines: np.ndarray[tuple[int], np.dtype[np.int64]], size: int) -> list[tuple[int, int]]:
    """Ranges of consecutive numbers."""
    if not len(lines):
        return []
    breaks = np.flatnonzero(np.diff(lines) != 1)
    first = lines[np.concatenate([[0], breaks + 1])]
    last = lines[np.concatenate([breaks, [len(lines) - 1]])]
    return list(zip(first.tolist(), (last + 1).tolist(), strict=True))


def _run_at(piece: Piece, index: int, step: int) -> int:
    """Number of lines of one field from an index on, in one direction."""
    records, count = piece.records, 0
    while 0 <= index < len(records) and records.status[index] == Status.FIELD_COUNT and records.fields[index] == 1:
        count += 1
        index += step
    return count
