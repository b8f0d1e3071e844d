"""Records that are not valid in the file's encoding: read in the fallback encoding, cell by cell, or rejected."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa

from loadlock.intake._csv_exact import FieldParser
from loadlock.intake._csv_lines import Positions
from loadlock.intake._csv_records import Piece, Records, Status
from loadlock.intake._csv_stream import Stream
from loadlock.intake.decode import decode_record, faults, is_ascii_compatible

_PIECE = 1 << 16

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
        for index in self._misfits(data, records, base):
            status = records.status[index]
            if status > Status.EXACT:
                continue
            raw = data[records.start[index] : records.end[index]]
            values = None if self._stream.transcoded else self._foreign_values(raw, records, index)
            if values is None:
                records.status[index] = Status.INVALID_ENCODING
            else:
                foreign[index] = (self._fallback, values)
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

    def _misfits(self, data: bytes, records: Records, base: int) -> list[int]:
        """Records with bytes that are not valid in the stream's encoding."""
        if self._stream.transcoded:
            bad = self._stream.undecoded(base, base + records.consumed) - base
        else:
            bad = _faults(data, self._stream.encoding, records)
        found: list[int] = np.unique(np.searchsorted(records.next, bad, "right")).tolist()
        return found


def _faults(data: bytes, encoding: str, records: Records) -> Positions:
    """Offsets of bytes that are not valid in `encoding`. UTF-8 goes through Arrow's validator in pieces first."""
    size = records.consumed
    if encoding != "utf-8":
        return faults(data[:size], encoding)
    if data.isascii() or _valid_utf8(data, 0, size):
        return np.empty(0, dtype=np.int64)
    cuts = records.next
    found = [
        faults(data[start:end], encoding) + start
        for first, last in _invalid_pieces(data, cuts, 0, size, _PIECE)
        for start, end in _invalid_pieces(data, cuts, first, last, _PIECE >> 5)
    ]
    return np.concatenate(found) if found else np.empty(0, dtype=np.int64)


def _invalid_pieces(data: bytes, cuts: Positions, start: int, end: int, step: int) -> list[tuple[int, int]]:
    """The pieces of about `step` bytes between two offsets, cut behind records, that are not valid UTF-8."""
    at = np.searchsorted(cuts, np.arange(start + step, end, step))
    inner = cuts[at[at < len(cuts)]]
    bounds = np.unique(np.concatenate([[start], inner[inner < end], [end]])).tolist()
    return [piece for piece in pairwise(bounds) if not _valid_utf8(data, *piece)]


def _valid_utf8(data: bytes, start: int, end: int) -> bool:
    offsets = pa.py_buffer(np.array([start, end], dtype=np.int64))
    array = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(data)])
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
