"""Records that are not valid in the file's encoding: read in the fallback encoding, cell by cell, or rejected."""

from __future__ import annotations

from collections.abc import Sequence

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
        self._whole_rows = fallback == "utf-8" or not is_ascii_compatible(fallback)

    def judge(self, piece: Piece, base: int) -> Foreign:
        """Rows that decode only by the fallback encoding; those that decode in neither become rejects.

        `base`: where the piece begins in the stream.
        """
        data, records = piece.data, piece.records
        bad = self._faults(data, records, base)
        if not len(bad):
            return self._utf8_rows(data, records, base)
        foreign: Foreign = {}
        invalid: list[int] = []
        chosen = _good(records, np.unique(np.searchsorted(records.next, bad, "right")))
        firsts = self._stream.originals(bad[np.searchsorted(bad, records.start[chosen])] + base)
        bounds = zip(records.start[chosen].tolist(), records.end[chosen].tolist(), firsts.tolist(), strict=True)
        for index, (start, end, first) in zip(chosen.tolist(), bounds, strict=True):
            values = (
                None if self._stream.transcoded else self._foreign_values(data[start:end], records.exact.get(index))
            )
            if values is None:
                invalid.append(index)
                records.where[index] = first
            else:
                foreign[index] = (self._fallback, values)
        records.status[chosen] = Status.EXACT
        records.status[invalid] = Status.INVALID_ENCODING
        records.trim[chosen] = 0
        return {**foreign, **self._utf8_rows(data, records, base)}

    def _utf8_rows(self, data: bytes, records: Records, base: int) -> Foreign:
        """Rows that were UTF-8 in a file of another encoding: they are right already, and marked."""
        lines = self._stream.foreign(base, base + records.consumed) - base
        if not len(lines):
            return {}
        foreign: Foreign = {}
        chosen = _good(records, _within(records, lines))
        bounds = zip(records.start[chosen].tolist(), records.end[chosen].tolist(), strict=True)
        for index, (start, end) in zip(chosen.tolist(), bounds, strict=True):
            exact = records.exact.get(index)
            values = self._parser.parse(data[start:end]).values[: self._fields] if exact is None else exact
            foreign[index] = ("utf-8", [None if value is None else value.decode() for value in values])
        records.status[chosen] = Status.EXACT
        records.trim[chosen] = 0
        return foreign

    def _foreign_values(self, raw: bytes, exact: Sequence[bytes | None] | None) -> list[str | None] | None:
        """The row's values where all of them decode; None where one does not. `exact`: its cells, where known."""
        wanted = self._fields
        if self._whole_rows:
            # valid UTF-8 as a whole is no chance; other multi-byte texts can't be cut before they are decoded
            text = decode_record(raw, self._fallback)
            cells = [] if text is None else self._parser.parse(text.encode()).values[:wanted]
            return [cell.decode() for cell in cells] if len(cells) == wanted else None
        found: list[str | None] = []
        for value in self._parser.parse(raw).values[:wanted] if exact is None else exact:
            text, fails = self._cell(value)
            if fails:
                return None
            found.append(text)
        return found

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


def _good(records: Records, chosen: Positions) -> Positions:
    """Those of the records that are no rejects yet."""
    found: Positions = chosen[records.status[chosen] <= Status.EXACT]
    return found


def _within(records: Records, ranges: Positions) -> Positions:
    """The records that overlap these ranges (start and end, sorted)."""
    first = np.searchsorted(records.next, np.maximum(ranges[:, 0], 0), "right")
    last = np.searchsorted(records.next, np.maximum(ranges[:, 1], 1) - 1, "right")
    long = np.flatnonzero(last > first).tolist()
    more = [np.arange(first[place], last[place] + 1) for place in long]
    found = np.unique(np.concatenate([first, *more]))
    return found[found < len(records)]


def _utf8_faults(data: bytes, records: Records) -> Positions:
    """Where the data are not UTF-8. They go through Arrow's validator in pieces, cut behind records, first."""
    size, cuts = records.consumed, records.next
    at = np.searchsorted(cuts, np.arange(_PIECE, size, _PIECE))
    inner = cuts[at[at < len(cuts)]]
    bounds = np.unique(np.concatenate([[0], inner[inner < size], [size]]))
    broken = Utf8Ranges(data, bounds).invalid()
    found = [faults(data[bounds[number] : bounds[number + 1]], "utf-8") + bounds[number] for number in broken]
    return np.concatenate([np.empty(0, dtype=np.int64), *found])
