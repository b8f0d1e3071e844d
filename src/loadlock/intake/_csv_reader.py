"""Reads one CSV file from its stream: preamble, header, then batches of records, every byte accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from loadlock import rows
from loadlock.errors import BalanceError
from loadlock.intake._csv_doubt import Doubts
from loadlock.intake._csv_encoding import EncodingJudge
from loadlock.intake._csv_exact import FieldParser
from loadlock.intake._csv_further import FurtherTables
from loadlock.intake._csv_lines import Positions, find_lines
from loadlock.intake._csv_named import NamedMarks
from loadlock.intake._csv_records import Piece
from loadlock.intake._csv_stream import Stream
from loadlock.intake._csv_table import Batch
from loadlock.intake._csv_torn import TornRows
from loadlock.intake._printed import FrameMarks
from loadlock.intake.base import SourceOptions
from loadlock.intake.decode import decode_record
from loadlock.intake.dialect import Dialect
from loadlock.intake.splitter import BOM, Records, Rules, Splitter, Status
from loadlock.model import ByteCount

HEADER_LINES = 100
"""Physical lines one header row may span."""
COLUMN_BYTES, MOST_BYTES = 1 << 10, 2 << 20
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


@dataclass(frozen=True)
class _Held:
    """A piece that waits for the next one, and where it begins: offset in the stream, line in the file."""

    piece: Piece
    base: int
    line: int


class CsvReader:
    """One pass over one file. Call `open_table` once, then exhaust `batches`."""

    def __init__(self, stream: Stream, dialect: Dialect, options: SourceOptions, *, fallback: str) -> None:
        self.tally = Tally()
        self.notes: list[str] = []
        """What the file's report should say besides counts."""
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
        self._judge = EncodingJudge(stream, self._parser, fallback, 1)
        self._torn: TornRows | None = None
        self._doubts: Doubts | None = None
        self._marks = _marks_of(dialect)
        self.further: FurtherTables | None = None
        """What looks for tables behind the first one, in a file that was not looked at as a whole."""

    # ---- the top of the file

    def open_table(self) -> list[list[str]]:
        """Skip the preamble and read the header rows' cells; an empty list for a file without records."""
        self._fill(_PIECE)
        self._skip_lines(self._dialect.preamble)
        header: list[list[str]] = []
        raw = b""
        while len(header) < self._dialect.header:
            raw = self._header_row()
            if not raw:
                break
            found = self._parser.parse(raw)
            if found.fault is not None:
                self.notes.append(f"the header's quotes are damaged in name {found.where}: it is taken as it stands")
            header.append([self._text(value) for value in found.values])
        self._header = raw if len(header) == 1 else b""
        return header

    def _skip_lines(self, count: int) -> None:
        while count and self._line_end(0) is not None:
            # the last one may go on behind what is at hand
            lines = find_lines(np.frombuffer(self._data, dtype=np.uint8), self._dialect.shape.record_end, final=False)
            taken = min(count, max(1, len(lines)))
            end = int(lines.next[taken - 1]) if len(lines) else len(self._data)
            self._take("preamble", end, lines=taken)
            count -= taken

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
        if fields > 1 and "torn_rows" not in rules.tolerate:
            self._torn = TornRows(*self._dialect.edges, self._dialect.shape)
        if not self._dialect.is_whole:
            pinned = self._options.table is not None
            self.further = FurtherTables(self._dialect.sample, fields, self._dialect.shape, left_out=pinned)
        if not rules.tolerate & {"drop_extra", "merge_tail"}:
            self._doubts = Doubts(self._dialect.sample, fields, self._dialect.shape)
        self._judge = EncodingJudge(self._stream, self._parser, self._fallback, fields)
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
            self._data = b"".join((self._data, block)) if self._data else bytes(block)

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
        for mark in self._dialect.shape.marks:
            if self._data.startswith(mark):
                self._take("framing", len(mark))
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
        """Split what is left, block by block. Each piece waits for the next one: rows at its end may be torn."""
        held: _Held | None = None
        while True:
            data, final, footer = self._decidable()
            records = self._splitter.split(data, final=final)
            if len(records):
                piece = _Held(Piece(data, records), self._base, self._line)
                if self._marks is not None:
                    self._marks.mark(piece.piece, self._line)
                if held is not None:
                    yield from self._finish(held, piece.piece)
                held = piece
            self._base += records.consumed
            self._line += records.lines
            self._data = self._data[records.consumed :]
            if records.more:
                continue
            if final:
                break
            if len(self._data) - footer > self._options.record_limit + 2:
                if held is not None:
                    yield from self._finish(held, None)
                    held = None
                yield self._too_long()
            self._more()
            self._fill(self._at_once)
        if held is not None:
            yield from self._finish(held, None)
        self.notes += self.further.notes() if self.further is not None else []
        if self._data:
            self._take("preamble", len(self._data))
            self.tally.counts["footer_lines"] += self._dialect.footer

    def _finish(self, held: _Held, following: Piece | None) -> Iterator[Batch]:
        """The batch of a piece, now that the piece behind it is known."""
        if self._torn is not None:
            self._torn.mark(held.piece, following)
        if self.further is not None:
            self.further.look(held.piece, held.line)
        if self._doubts is not None:
            self._doubts.mark(held.piece)
        batch = self._batch(held)
        self._stream.forget_before(held.base + held.piece.records.consumed)
        status = held.piece.records.status
        if np.any(status <= Status.EXACT) or np.any(status >= Status.FIELD_COUNT):
            yield batch

    def _decidable(self) -> tuple[bytes, bool, int]:
        """The buffer without the lines that may be the footer; whether nothing follows; bytes held back."""
        if not self._dialect.footer:
            return self._data, self._final, 0
        lines = find_lines(np.frombuffer(self._data, dtype=np.uint8), self._dialect.shape.record_end, final=True)
        filled = np.flatnonzero(lines.end > lines.start)
        keep = self._dialect.footer + (0 if self._final else 1)
        cut = int(lines.start[filled[-keep]]) if len(filled) >= keep else 0
        return self._data[:cut], self._final, len(self._data) - cut

    def _batch(self, held: _Held) -> Batch:
        data, records, base = held.piece.data, held.piece.records, held.base
        foreign = self._judge.judge(held.piece, base)
        start, end, after = (
            self._stream.originals(places + base) for places in (records.start, records.end, records.next)
        )
        self._account(held, (start, end, after))
        bad = np.flatnonzero(records.status >= Status.FIELD_COUNT)
        batch = Batch(
            data=data,
            records=records,
            first_row=self._row,
            first_line=held.line,
            offset=start,
            length=end - start,
            foreign=foreign,
            raws=self._raws(held, bad) if self._stream.transcoded else {},
        )
        good = int((records.status <= Status.EXACT).sum())
        self.tally.staged += good
        self.tally.rejected += len(bad)
        self.tally.fallback_rows += len(foreign)
        self._row += good + len(bad)
        return batch

    def _raws(self, held: _Held, bad: Positions) -> dict[int, bytes]:
        records, base = held.piece.records, held.base
        return {
            index: self._stream.raw(
                base + int(records.start[index]),
                base + min(int(records.end[index]), int(records.start[index]) + 2 * rows.RAW_LIMIT),
                b"",
            )[: rows.RAW_LIMIT]
            for index in bad.tolist()
        }

    def _account(self, held: _Held, places: tuple[Positions, Positions, Positions]) -> None:
        """Put every byte of the batch into one class; raises BalanceError where one is missing."""
        start, end, after = places
        data, records, base = held.piece.data, held.piece.records, held.base
        bounds = self._stream.originals(np.array([base, base + records.consumed]))
        span = int(bounds[1] - bounds[0])
        status = records.status
        content, whole = end - start, after - start
        blank, comment = status == Status.BLANK, status == Status.COMMENT
        record = ~(blank | comment | (status == Status.FOOTER))
        befores = np.concatenate([[after[0] - whole[0]], after[:-1]])
        # a byte order mark before a record is framing, as its record end is
        marks = int((start[1:] - befores[1:]).sum()) + self._leading_mark(held)
        found = ByteCount(
            rows=int(content[status <= Status.EXACT].sum()),
            rejects=int(content[status >= Status.FIELD_COUNT].sum()),
            headers=int(content[status == Status.HEADER].sum()),
            preamble=int(whole[comment | (status == Status.FOOTER)].sum()),
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
        tally.counts["footer_lines"] += int((status == Status.FOOTER).sum())
        if marks and BOM in data:
            tally.counts["bom"] += 1
        elif marks:
            tally.counts["page_breaks"] += marks
        self._count_ends(data, records)

    def _leading_mark(self, held: _Held) -> int:
        first = self._stream.originals(np.array([held.base, held.base + int(held.piece.records.start[0])]))
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


def _marks_of(dialect: Dialect) -> FrameMarks | NamedMarks | None:
    """What takes out what is no row of the table, in files that need it."""
    if dialect.frame is not None:
        return FrameMarks(dialect.frame)
    return NamedMarks(dialect.names) if dialect.names else None


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
