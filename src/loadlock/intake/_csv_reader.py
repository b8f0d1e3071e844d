"""Reads one CSV file from its stream: preamble, header, then batches of records, every byte accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa

from loadlock import rows
from loadlock.errors import BalanceError
from loadlock.intake._csv_exact import FieldParser
from loadlock.intake._csv_lines import Positions, find_lines
from loadlock.intake._csv_stream import Stream
from loadlock.intake._csv_table import Batch
from loadlock.intake.base import SourceOptions
from loadlock.intake.decode import decode_record, faults, is_ascii_compatible
from loadlock.intake.dialect import Dialect
from loadlock.intake.splitter import BOM, Records, Rules, Splitter, Status
from loadlock.model import ByteCount

HEADER_LINES = 100
"""Physical lines one header row may span."""
COLUMN_BYTES, MOST_BYTES = 1 << 10, 4 << 20
"""Bytes to parse at once for each column: a table of thousands of columns costs time by column and batch."""
_PIECE = 1 << 16


@dataclass
class Tally:
    """What was counted while reading; bytes are original bytes."""

    bytes: ByteCount = field(default_factory=ByteCount)
    counts: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    staged: int = 0
    rejected: int = 0
    blank: int = 0
    fallback_rows: int = 0
    bom_bytes: int = 0


class CsvReader:
    """One pass over one file. Call `open_table` once, then exhaust `batches`."""

    def __init__(self, stream: Stream, dialect: Dialect, options: SourceOptions, *, fallback: str) -> None:
        self.tally = Tally()
        self._stream = stream
        self._blocks = stream.blocks()
        self._dialect = dialect
        self._options = options
        self._fallback = fallback
        self._parser = FieldParser(dialect.shape)
        self._data = b""
        self._base = 0
        self._line = 1
        self._row = 1
        self._final = False
        self._at_once = 0
        self._splitter = Splitter(dialect.shape, Rules(fields=1))

    # ---- the top of the file

    def open_table(self) -> list[list[str]]:
        """Skip the preamble and read the header rows' cells; an empty list for a file without records."""
        self._fill(_PIECE)
        for _ in range(self._dialect.preamble):
            end = self._line_end(0)
            if end is None:
                break
            self._take("preamble", end[1])
        header: list[list[str]] = []
        raw = b""
        while len(header) < self._dialect.header:
            raw = self._header_row()
            if not raw:
                break
            header.append([self._text(value) for value in self._parser.parse(raw).values])
        self._header = raw if len(header) == 1 else b""
        return header

    def has_records(self) -> bool:
        """Whether anything but blank lines follows."""
        self._skip_blank()
        return bool(self._data)

    def want(self, fields: int, least: int) -> None:
        """Say how many fields a row has, and how many it must have at least."""
        rules = Rules(
            fields=fields,
            least=least,
            header=self._header,
            comment=self._dialect.comment.encode(),
            record_limit=self._options.record_limit,
            tolerate=frozenset(self._options.tolerate),
        )
        self._splitter = Splitter(self._dialect.shape, rules)
        self._at_once = min(fields * COLUMN_BYTES, MOST_BYTES)

    def _fill(self, size: int) -> None:
        """Have at least `size` bytes at hand, or all there are."""
        while len(self._data) < size and not self._final:
            self._more()

    def _more(self) -> None:
        block = next(self._blocks, None)
        if block is None:
            self._final = True
        else:
            self._data = self._data + block if self._data else block

    def _line_end(self, start: int) -> tuple[int, int] | None:
        """End and next start of the physical line at `start`, reading on as far as the record limit; None = no line."""
        size = _PIECE
        while True:
            self._fill(start + size)
            piece = np.frombuffer(self._data[start : start + size], dtype=np.uint8)
            lines = find_lines(
                piece, self._dialect.shape.record_end, final=self._final and start + size >= len(self._data)
            )
            if len(lines):
                fits = int(lines.end[0]) <= self._options.record_limit
                return (start + int(lines.end[0]), start + int(lines.next[0])) if fits else None
            if (self._final and start + size >= len(self._data)) or size >= self._options.record_limit:
                return None
            size = min(size * 4, self._options.record_limit)

    def _skip_blank(self) -> None:
        blank = self._dialect.shape.blank_bytes
        comment = self._dialect.comment.encode()
        while (end := self._line_end(0)) is not None:
            raw = self._data[: end[0]]
            if comment and raw.startswith(comment):
                self._take("preamble", end[1])
                self.tally.counts["comments"] += 1
            elif not raw.translate(None, blank):
                self._take("blank", end[1])
                self.tally.blank += 1
            else:
                return

    def _header_row(self) -> bytes:
        """The bytes of the next row, over several lines where a quote is open; empty where there is none to read."""
        self._skip_blank()
        if self._data.startswith(BOM):
            self._take("framing", len(BOM))
        first = end = self._line_end(0)
        if first is None or end is None:
            return b""
        for _ in range(HEADER_LINES):
            if self._parser.parse(self._data[: end[0]]).fault != "open_quote":
                first = end
                break
            further = self._line_end(end[1])
            if further is None:
                break
            end = further
        raw = self._data[: first[0]]
        if b"\0" in raw:
            # binary data: no names, but a record that will be a reject
            return b""
        self._take("headers", first[0])
        self._take("framing", first[1] - first[0], lines=1 + raw.count(b"\n"))
        return raw

    def _text(self, value: bytes) -> str:
        for encoding in (self._stream.encoding, self._fallback):
            text = decode_record(value, encoding)
            if text is not None:
                return text
        return value.decode(self._stream.encoding, "replace")

    def _take(self, kind: str, size: int, *, lines: int | None = None) -> None:
        """Consume bytes at the start of the buffer into a class of bytes."""
        at = self._stream.originals(np.array([self._base, self._base + size]))
        self.tally.bytes += ByteCount(**{kind: int(at[1] - at[0])})
        if lines is None:
            lines = 1 if kind in ("preamble", "blank") else 0
        self._line += lines
        self._base += size
        self._data = self._data[size:]

    # ---- the rows

    def batches(self) -> Iterator[Batch]:
        """Split what is left, block by block."""
        while True:
            data, final, footer = self._decidable()
            records = self._splitter.split(data, final=final)
            if len(records):
                batch = self._batch(data, records)
                if np.any(records.status <= Status.EXACT) or np.any(records.status >= Status.FIELD_COUNT):
                    yield batch
            self._base += records.consumed
            self._line += records.lines
            self._data = self._data[records.consumed :]
            self._stream.forget_before(self._base)
            if records.more:
                continue
            if final:
                break
            if len(self._data) - footer > self._options.record_limit + 2:
                yield self._too_long()
            self._more()
            self._fill(self._at_once)
        if self._data:
            self._take("preamble", len(self._data))
            self.tally.counts["footer_lines"] = self._dialect.footer

    def _decidable(self) -> tuple[bytes, bool, int]:
        """The buffer without the lines that may be the footer; whether nothing follows; bytes held back."""
        if not self._dialect.footer:
            return self._data, self._final, 0
        lines = find_lines(np.frombuffer(self._data, dtype=np.uint8), self._dialect.shape.record_end, final=True)
        filled = np.flatnonzero(lines.end > lines.start)
        keep = self._dialect.footer + (0 if self._final else 1)
        cut = int(lines.start[filled[-keep]]) if len(filled) >= keep else 0
        return self._data[:cut], self._final, len(self._data) - cut

    def _batch(self, data: bytes, records: Records) -> Batch:
        foreign = self._judge_encoding(data, records)
        base = self._base
        start, end, after = (
            self._stream.originals(places + base) for places in (records.start, records.end, records.next)
        )
        span = self._stream.originals(np.array([base, base + records.consumed]))
        self._account(data, records, (start, end, after), int(span[1] - span[0]))
        bad = np.flatnonzero(records.status >= Status.FIELD_COUNT)
        batch = Batch(
            data=data,
            records=records,
            first_row=self._row,
            first_line=self._line,
            offset=start,
            length=end - start,
            foreign=foreign,
            raws=self._raws(records, bad) if self._stream.transcoded else {},
        )
        good = int((records.status <= Status.EXACT).sum())
        self.tally.staged += good
        self.tally.rejected += len(bad)
        self.tally.fallback_rows += len(foreign)
        self._row += good + len(bad)
        return batch

    def _raws(self, records: Records, bad: Positions) -> dict[int, bytes]:
        return {
            index: self._stream.raw(
                self._base + int(records.start[index]),
                self._base + min(int(records.end[index]), int(records.start[index]) + 2 * rows.RAW_LIMIT),
                b"",
            )[: rows.RAW_LIMIT]
            for index in bad.tolist()
        }

    def _judge_encoding(self, data: bytes, records: Records) -> dict[int, tuple[str, list[str | None]]]:
        """Rows that decode only by the fallback encoding; rows that decode in neither become rejects."""
        foreign: dict[int, tuple[str, list[str | None]]] = {}
        for index in self._misfits(data, records):
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
        wanted = self._splitter.rules.fields or 1
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

    def _misfits(self, data: bytes, records: Records) -> list[int]:
        """Records with bytes that are not valid in the stream's encoding."""
        if self._stream.transcoded:
            bad = self._stream.undecoded(self._base, self._base + records.consumed) - self._base
        else:
            bad = _faults(data[: records.consumed], self._stream.encoding, records.next)
        found: list[int] = np.unique(np.searchsorted(records.next, bad, "right")).tolist()
        return found

    def _account(
        self, data: bytes, records: Records, places: tuple[Positions, Positions, Positions], span: int
    ) -> None:
        """Put every byte of the batch into one class; raises BalanceError where one is missing."""
        start, end, after = places
        status = records.status
        content, whole = end - start, after - start
        blank, comment = status == Status.BLANK, status == Status.COMMENT
        record = ~(blank | comment)
        befores = np.concatenate([[after[0] - whole[0]], after[:-1]])
        # a byte order mark before a record is framing, as its record end is
        marks = int((start[1:] - befores[1:]).sum()) + self._leading_mark(records)
        found = ByteCount(
            rows=int(content[status <= Status.EXACT].sum()),
            rejects=int(content[status >= Status.FIELD_COUNT].sum()),
            headers=int(content[status == Status.HEADER].sum()),
            preamble=int(whole[comment].sum()),
            blank=int(whole[blank].sum()),
            framing=int((after - end)[record].sum()) + marks,
        )
        if found.total != span:
            raise BalanceError(
                f"{span:,} bytes were split into records and rest of {found.total:,} bytes",
                hint="This is a defect of Loadlock: please report it with the file.",
            )
        tally = self.tally
        tally.bytes += found
        tally.blank += int(blank.sum())
        tally.counts.update(records.counts)
        tally.counts["comments"] += int(comment.sum())
        tally.counts["bom"] += int(marks > 0)
        self._count_ends(data, records)

    def _leading_mark(self, records: Records) -> int:
        first = self._stream.originals(np.array([self._base, self._base + int(records.start[0])]))
        return int(first[1] - first[0])

    def _count_ends(self, data: bytes, records: Records) -> None:
        width = records.next - records.end
        octets = np.frombuffer(data, dtype=np.uint8)
        pairs = int((width == 2).sum())
        last = octets[records.next[width == 1] - 1]
        self.tally.ends["\r\n"] += pairs
        self.tally.ends["\n"] += int((last == 10).sum())
        self.tally.ends["\r"] += int((last == 13).sum())

    def _too_long(self) -> Batch:
        """Reject a record longer than the limit without holding it: on to its end, keeping its first bytes only."""
        start = int(self._stream.originals(np.array([self._base]))[0])
        raw = self._stream.raw(self._base, self._base + rows.RAW_LIMIT, self._data)[: rows.RAW_LIMIT]
        data = self._data
        ends = self._dialect.shape.record_end
        while True:
            found = find_lines(np.frombuffer(data, dtype=np.uint8), ends, final=self._final)
            if len(found):
                end, after = int(found.end[0]), int(found.next[0])
                break
            # a record end may lie across two blocks
            drop = max(0, len(data) - len(ends) - 1)
            self._base += drop
            self._stream.forget_before(self._base)
            self._data = data = data[drop:]
            self._more()
            data = self._data
        stop = self._stream.originals(np.array([self._base + end, self._base + after]))
        self.tally.bytes += ByteCount(rejects=int(stop[0]) - start, framing=int(stop[1] - stop[0]))
        batch = _single(raw, self._row, self._line, start, int(stop[0]) - start)
        self.tally.rejected += 1
        self._row += 1
        self._line += 1
        self._base += after
        self._data = self._data[after:]
        return batch


def _single(raw: bytes, row: int, line: int, offset: int, length: int) -> Batch:
    """A batch of one reject that is longer than the record limit."""
    zero = np.zeros(1, dtype=np.int64)
    size = np.array([len(raw)])
    records = Records(
        start=zero,
        end=size,
        next=size,
        line=zero,
        status=np.array([Status.TOO_LONG], dtype=np.uint8),
        fields=zero,
        trim=zero,
        exact={},
        where={},
        consumed=len(raw),
        lines=1,
    )
    return Batch(
        data=raw,
        records=records,
        first_row=row,
        first_line=line,
        offset=np.array([offset]),
        length=np.array([length]),
        foreign={},
        raws={0: raw},
    )


def _faults(data: bytes, encoding: str, cuts: Positions) -> Positions:
    """Offsets of bytes that are not valid in `encoding`. UTF-8 goes through Arrow's validator in pieces first."""
    if encoding != "utf-8":
        return faults(data, encoding)
    if _valid_utf8(data, 0, len(data)):
        return np.empty(0, dtype=np.int64)
    found = [
        faults(data[start:end], encoding) + start
        for first, last in _invalid_pieces(data, cuts, 0, len(data), _PIECE)
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
