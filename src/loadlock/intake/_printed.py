"""Tables as programs print them for people: columns between bars, lines of dashes, the number of rows below.

The lists of SAP, the answers of mysql, psql and SQL*Plus, tables of Markdown, Org and reStructuredText. What is drawn around
the values is no value: rulers and bars are counted as what they are, and white space around a value is padding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from loadlock.intake._csv_lines import Flags, Positions
from loadlock.intake._csv_records import Piece, Status

_ROW_COUNT = re.compile(
    r"(?P<open>\()?(?P<number>\d[\d,.]*|no) (?:rows?|record\(s\)|records?|Zeilen?|lignes?|filas?|righe)"
    r"(?: (?:in set|selected|affected|returned|retrieved|fetched|found|ausgewählt|gefunden|seleccionadas?|selezionate))?"
    r"[.)]*(?: \([\d.,]+ (?:sec|ms|s)\))?",
    re.IGNORECASE,
)
"""What programs write below the rows: `(12 rows)`, `30 rows selected.`, `2 rows in set (0.00 sec)`."""
_BARS = ("|", "│", "║")
_RULER = re.compile(r"[-=+|: \t\u2500-\u257f]{3,}")
_SEGMENT = re.compile(r":?[-=\u2500\u2501\u2550]+:?")
_JOINTS = re.compile(r"[+|\u2502\u2503\u250c-\u254b\u2551-\u256c]")
_WRAPPED = re.compile(rb"\+(?:\||\r?(?:\n|\Z))")
_DIGITS = re.compile(rb"\d+")
_LOOK_LINES, _HEADER_LINES, _LONG_DASH = 60, 3, 3
_HEAD_BYTES = 256 << 10


@dataclass(frozen=True, kw_only=True)
class Frame:
    """What is drawn around the values of one table."""

    bar: str
    """What stands between the columns."""
    closed: bool
    """Whether bars stand at both ends of each row, too."""
    columns: int
    titles: int
    """Physical lines above the header."""
    wraps: bool
    """Whether a `+` behind a value says that it goes on in the next line (psql)."""
    header: int
    """Rows of the header, those right above a ruler."""
    rulers: frozenset[bytes]
    """The lines that are rulers."""
    above: frozenset[bytes] = field(default=frozenset(), repr=False)
    """Lines above the header, their digits left out: where one comes again, as at the top of a page, it is none of the rows."""

    def is_ruler(self, line: bytes) -> bool:
        """Whether a line is one of the rulers, or drawn with box characters only."""
        text = line.strip()
        return text in self.rulers or (text[:2] in (b"\xe2\x94", b"\xe2\x95") and not _words(text))

    @property
    def fields(self) -> int:
        """Fields of a row, the empty ones outside of the bars at its ends included."""
        return self.columns + 2 * self.closed


class FrameMarks:
    """Takes what is no row out of the rows of one file's pieces, in order. Call `mark` for each, then `notes`."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._within = 0
        """The line at which another table begins that goes on; 0: none."""
        self._rows = 0
        """Rows of the pieces before."""
        self.rulers = 0
        """Rulers among the rows."""

    def mark(self, piece: Piece, first_line: int) -> None:
        """Mark rulers, titles and numbers of rows; rows with a value outside of the bars, or of another table, are rejects."""
        records, frame, within = piece.records, self._frame, self._within
        faulty = np.flatnonzero(records.status == Status.FIELD_COUNT)
        for index in sorted({*faulty.tolist(), *self._found_rulers(piece)}):
            raw = piece.raw(index)
            if frame.is_ruler(raw):
                records.status[index] = Status.COMMENT
                self.rulers += 1
                self._look_above(piece, index, first_line)
            elif records.status[index] == Status.FIELD_COUNT and self._is_around(piece, index):
                records.status[index] = Status.FOOTER
        if frame.closed:
            rows = np.flatnonzero(records.status <= Status.EXACT)
            self._reject(piece, rows[self._open_ended(piece, rows)], Status.OUTSIDE, 0)
        if frame.wraps:
            rows = np.array([*self._going_on(piece)], dtype=np.int64)
            self._reject(piece, rows[records.status[rows] <= Status.EXACT], Status.GOES_ON, 0)
        if within:
            self._reject(piece, np.flatnonzero(records.status <= Status.EXACT), Status.OTHER_TABLE, within)
        self._rows += int((records.status <= Status.EXACT).sum())

    def _reject(self, piece: Piece, rows: Positions, status: Status, detail: int) -> None:
        piece.records.status[rows] = status
        piece.records.trim[rows] = 0
        piece.records.where.update(dict.fromkeys(rows.tolist(), detail))

    def _look_above(self, piece: Piece, ruler: int, first_line: int) -> None:
        """Whether a row above this ruler, with a title or a blank line above itself, is the header of another table."""
        status, above = piece.records.status, ruler - 1
        if above < 0 or status[above] > Status.EXACT:
            return
        top = above - 1
        top -= top >= 0 and status[top] == Status.COMMENT
        if top >= 0 and status[top] in (Status.BLANK, Status.FOOTER, Status.FIELD_COUNT):
            line = int(piece.records.line[above]) + first_line
            rows = np.arange(above, len(status))
            self._within = self._within or line
            self._reject(piece, rows[status[rows] <= Status.EXACT], Status.OTHER_TABLE, line)

    def _found_rulers(self, piece: Piece) -> Iterator[int]:
        """Records that have as many fields as a row and may be rulers."""
        starts = piece.records.start
        for ruler in self._frame.rulers:
            at = piece.data.find(ruler)
            while at >= 0:
                index = int(np.searchsorted(starts, at, "right")) - 1
                if index >= 0 and piece.records.status[index] <= Status.EXACT:
                    yield index
                at = piece.data.find(ruler, at + len(ruler))

    def _going_on(self, piece: Piece) -> Iterator[int]:
        """Rows with a `+` in place of the space behind a value, and the rows below them."""
        for match in _WRAPPED.finditer(piece.data):
            index = int(np.searchsorted(piece.records.start, match.start(), "right")) - 1
            inside = match[0].endswith(b"|")
            below = piece.raw(index + 1) if index + 1 < len(piece.records) else b""
            if inside or not below.rpartition(b"|")[0].strip(b" |"):
                yield from range(index, min(index + 2, len(piece.records)))

    def _is_around(self, piece: Piece, index: int) -> bool:
        """Whether a line without bars is the number of rows or a title of the page."""
        raw = piece.raw(index)
        text = raw.decode("utf-8", "replace").strip()
        if self._frame.bar in text:
            return False
        count = row_count(text)
        if count is None:
            return _DIGITS.sub(b"", raw.strip()) in self._frame.above
        status = piece.records.status
        apart = index > 0 and (status[index - 1] == Status.BLANK or self._frame.is_ruler(piece.raw(index - 1)))
        next_filled = next((at for at in range(index + 1, len(status)) if status[at] != Status.BLANK), None)
        below = None if next_filled is None else self._is_top(piece, next_filled)
        rows = self._rows + int((status[:index] <= Status.EXACT).sum()) if below is None else 0
        return count.fits(apart=apart, below=below, rows=(rows,))

    def _is_top(self, piece: Piece, index: int) -> bool:
        """Whether a table begins: a ruler, a header that comes again, or a row above a ruler."""
        if piece.records.status[index] == Status.HEADER:
            return True
        return any(self._frame.is_ruler(piece.raw(at)) for at in range(index, min(index + 2, len(piece.records))))

    def _open_ended(self, piece: Piece, rows: Positions) -> Flags:
        """Which rows don't begin and end with a bar."""
        bar, octets = self._frame.bar.encode(), np.frombuffer(piece.data, dtype=np.uint8)
        start, end = piece.records.start[rows], piece.records.end[rows]
        unlike: Flags = (octets[start] != bar[0]) | (octets[np.maximum(end - 1, 0)] != bar[-1])
        for place in np.flatnonzero(unlike).tolist():
            text = piece.raw(int(rows[place])).strip()
            unlike[place] = not (text.startswith(bar) and text.endswith(bar))
        return unlike


@dataclass(frozen=True, kw_only=True)
class RowCount:
    """The number of rows, as SQL clients write it below them. A value may read the same: what stands around it decides."""

    number: int
    bracketed: bool

    def fits(self, *, apart: bool, below: bool | None, rows: tuple[int, ...]) -> bool:
        """Whether the line is a count and no value.

        `apart`: a blank line or a ruler stands above; `below`: whether a header follows next, None for the end of the file;
        `rows`: numbers of rows above that it may tell.
        """
        if apart or self.bracketed:
            return below is not False
        return below is None and self.number in rows


def row_count(text: str) -> RowCount | None:
    """What a line says as a number of rows, if that is all it says."""
    found = _ROW_COUNT.fullmatch(text.strip())
    if found is None:
        return None
    digits = re.sub("[^0-9]", "", found["number"])
    return RowCount(number=int(digits[:18] or 0), bracketed=found["open"] is not None)


def find_frame(head: bytes, delimiter: bytes | None = None) -> Frame | None:
    """The frame of a table in UTF-8 text whose delimiter is not said, or is the bar; None for any other text."""
    text = head[:_HEAD_BYTES].decode("utf-8", "replace")
    lines = re.split(r"\r\n|\n|\r", text, maxsplit=_LOOK_LINES)[:_LOOK_LINES]
    for bar in _BARS:
        if bar not in text or delimiter not in (None, bar.encode()):
            continue
        for place, line in enumerate(lines):
            if place and _is_ruler(line) and bar in lines[place - 1] and not _is_ruler(lines[place - 1]):
                found = _frame(lines, place, bar)
                if found is not None:
                    return found
    return None


def _frame(lines: list[str], ruler: int, bar: str) -> Frame | None:
    """The frame of the table whose header stands above this ruler."""
    first = ruler - 1
    while first and ruler - first < _HEADER_LINES and bar in lines[first - 1] and not _is_ruler(lines[first - 1]):
        first -= 1
    header = lines[first:ruler]
    widths = {_columns(line, bar) for line in header}
    columns = max(widths)
    below = [line for line in lines[ruler + 1 :] if line.strip() and not _is_ruler(line)]
    closed = all(_is_closed(line, bar) for line in header)
    joints = len(_JOINTS.findall(lines[ruler].strip().strip("+|├┤╟╢╠╣╞╡╪"))) + 1
    if len(widths) != 1 or (below and bar not in below[0]):
        return None
    if joints == 1 and not closed:
        return None
    if joints > 1 and joints != columns:
        return None
    drawn = {line.strip().encode() for line in lines if _is_ruler(line) and (bar not in line or line == lines[ruler])}
    above = {_DIGITS.sub(b"", line.strip().encode()) for line in lines[:first]} - {b""}
    return Frame(
        bar=bar,
        closed=closed,
        columns=columns,
        titles=first,
        wraps=not closed and "+" in lines[ruler],
        header=ruler - first,
        rulers=frozenset(drawn),
        above=frozenset(above),
    )


def _columns(line: str, bar: str) -> int:
    return line.strip().count(bar) + 1 - 2 * _is_closed(line, bar)


def _is_closed(line: str, bar: str) -> bool:
    text = line.strip()
    return len(text) > 1 and text.startswith(bar) and text.endswith(bar)


def _is_ruler(line: str) -> bool:
    """Whether a line is drawn with dashes only, a long one among them."""
    text = line.strip()
    if not _RULER.fullmatch(text):
        return False
    segments = [segment.strip() for segment in _JOINTS.split(text)]
    inner = segments[1 if not segments[0] else 0 : -1 if not segments[-1] else None]
    longest = max((len(segment) for segment in inner), default=0)
    return longest >= _LONG_DASH and all(_SEGMENT.fullmatch(segment) for segment in inner)


def _words(text: bytes) -> bool:
    return any(not 0x2500 <= ord(letter) <= 0x257F for letter in text.decode("utf-8", "replace"))
