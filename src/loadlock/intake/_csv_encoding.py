"""Records that are not valid in the file's encoding: read in the fallback encoding, cell by cell, or rejected."""

from __future__ import annotations

import numpy as np

from loadlock.intake._csv_exact import FieldParser
from loadlock.intake._csv_lines import Positions
from loadlock.intake._csv_records import Piece, Records, Status
from loadlock.intake._csv_stream import Stream
from loadlock.intake.decode import Utf8Ranges, decode_record, faults, is_ascii_compatible

_PIECE = 1 << 14

Foreign = dict[int, tuple[str, list[str | None]]]
"""Index of a record → the encoding it was read in, and its values."""


class EncodingJudge:
    """Judges the pieces of one file. `fields`: the wanted number of fields."""

    def __init__(self, stream: Stream, parser: FieldParser, fallback: str, fields: int) -> None:
        self._stream, self._parser, self._fallback, self._fields = stream, parser, fallback, fields

    def judge(self, piece: Piece, base: int) -> Foreign:
        """Rows that decode only by the fallback encoding; those that decode in neither become rejects.

        `base`: where the piece begins in the stream.
        """
        data, records = piece.data, piece.records
        foreign: Foreign = {}
        bad = self._faults(data, records, base)
        for index in _holding(records, bad):
            if records.status[index] > Status.EXACT:
                continue
            raw = data[records.start[index] : records.end[index]]
            values = None if self._stream.transcoded else self._foreign_values(raw, records, index)
            if values is None:
                records.status[index] = Status.INVALID_ENCODING
                first = bad[np.searchsorted(bad, records.start[index])]
                records.where[index] = int(self._stream.originals(np.array([first + base]))[0])
            else:
                foreign[index] = (self._fallback, values)
                records.status[index] = Status.EXACT
            records.trim[index] = 0
        return {**foreign, **self._utf8_rows(data, records, base)}

    def _utf8_rows(self, data: bytes, records: Records, base: int) -> Foreign:
        """Rows that were UTF-8 in a file of another encoding: they are right already, and marked."""
        foreign: Foreign = {}
        lines = self._stream.foreign(base, base + records.consumed) - base
        for index in sorted({index for line in lines.tolist() for index in _within(records, *line)}):
            if records.status[index] > Status.EXACT:
                continue
            raw = data[records.start[index] : records.end[index]]
            exact = records.exact.get(index)
            values = self._parser.parse(raw).values[: self._fields] if exact is None else exact
            foreign[index] = ("utf-8", [None if value is None else value.decode() for value in values])
            records.status[index] = Status.EXACT
            records.trim[index] = 0
        return foreign

    def _foreign_values(self, raw: bytes, records: Records, index: int) -> list[str | None] | None:
        """The row's values where all of them decode; None where one does not."""
        wanted = self._fields
        if self._fallback == "utf-8" or not is_ascii_compatible(self._fallback):
            # valid UTF-8 as a whole is no chance; other multi-byte texts can't be cut before they are decoded
            text = decode_record(raw, self._fallback)
            cells = [] if text is None else self._parser.parse(text.encode()).values[:wanted]
            return [cell.decode() for cell in cells] if len(cells) == wanted else None
        exact = records.exact.get(index)
        found = [self._cell(value) for value in (self._parser.parse(raw).values[:wanted] if exact is None else exact)]
        return None if any(fails for _, fails in found) else [text for text, _ in found]

    def _cell(self, value: bytes | None) -> tuple[str | None, bool]:
        """A cell's text, and whether it decodes in no way.

        Only the cells that are not valid are read in the fallback encoding, so that the others of the row stay right. A
        cell that holds both whole UTF-8 sequences and other high bytes is damaged: any reading would be wrong.
        """
        if value is None:
            return None, False
        text = decode_record(value, self._stream.encoding)
        if text is None and value.decode("utf-8", "ignore").isascii():
            text = decode_record(value, self._fallback)
        return text, text is None

    def _faults(self, data: bytes, records: Records, base: int) -> Positions:
        """Sorted offsets of the bytes that are not valid in the stream's encoding."""
        if self._stream.knows_faults:
            return self._stream.undecoded(base, base + records.consumed) - base
        if self._stream.encoding != "utf-8":
            return faults(data[: records.consumed], self._stream.encoding)
        return _utf8_faults(data, records)


def _holding(records: Records, places: Positions) -> list[int]:
    """The records that hold one of these offsets."""
    found: list[int] = np.unique(np.searchsorted(records.next, places, "right")).tolist()
    return found


def _within(records: Records, start: int, end: int) -> range:
    """The records that overlap a range of offsets."""
    first, last = np.searchsorted(records.next, (max(start, 0), max(end, 1) - 1), "right").tolist()
    return range(first, min(last + 1, len(records)))


def _utf8_faults(data: bytes, records: Records) -> Positions:
    """Where the data are not UTF-8. They go through Arrow's validator in pieces, cut behind records, first."""
    size, cuts = records.consumed, records.next
    at = np.searchsorted(cuts, np.arange(_PIECE, size, _PIECE))
    inner = cuts[at[at < len(cuts)]]
    bounds = np.unique(np.concatenate([[0], inner[inner < size], [size]]))
    broken = Utf8Ranges(data, bounds).invalid()
    found = [faults(data[bounds[number] : bounds[number + 1]], "utf-8") + bounds[number] for number in broken]
    return np.concatenate([np.empty(0, dtype=np.int64), *found])
