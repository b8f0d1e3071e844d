"""Reads fixed-width text line by line: whole blocks are cut into columns at once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from loadlock.intake._fixed_cut import cut_columns, faults_of
from loadlock.intake._fixed_layout import LOOK_LINES, Layout, find_layout
from loadlock.intake._fixed_options import FixedOptions
from loadlock.intake._json_stream import TextStream
from loadlock.intake._options import own_options
from loadlock.intake._printed import row_count
from loadlock.intake._row_parts import Places, RowParts
from loadlock.intake.base import ByteSource, RawPart, SourceOptions
from loadlock.intake.decode import Positions, decode_record
from loadlock.intake.encoding import detect
from loadlock.model import ByteCount, FileReport, Problem
from loadlock.rows import RAW_LIMIT

NAME = "fixed"
_SAMPLE_BYTES = 4 << 20
_PIECE_BYTES = 1 << 20
_COUNT_BYTES = 1 << 10
"""What a number of rows and the blank lines below it may have."""
_LINE_END = re.compile(r"\r\n|\n|\r")
_ROW, _BLANK, _HEADER, _PREAMBLE, _COMMENT, _DONE = range(6)


class FixedReader:
    """Reads one file once. Holds one block and the unfinished line behind it."""

    def __init__(self, source: ByteSource, options: SourceOptions) -> None:
        self._options = options
        self._own = own_options(FixedOptions, options)
        self._found = detect(source, options)
        self._stream = TextStream(source, self._found)
        self._out = RowParts(source.file, options.part_bytes)
        self._skip = options.preamble or 0
        self._layout: Layout = find_layout(self._some_lines(source)[:LOOK_LINES], self._own, options, source.file.path)
        self._out.columns = self._layout.naming.names
        self._header = self._layout.header
        self._counts: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._blank = self._fallback_rows = self._taken_rows = 0
        self._ends_blank = False
        """Whether the last line taken is blank."""
        self._line = 1
        self._position = 0
        self._long: tuple[int, bytes] | None = None
        """Where a line beyond the limit began, and its first bytes, while its end is looked for."""

    def _some_lines(self, source: ByteSource) -> list[str]:
        """Lines from head, middle and end, those of the head (behind the preamble) first; none that is cut."""
        found: list[str] = []
        for place, piece in enumerate(source.sample(_SAMPLE_BYTES)):
            text = (piece[self._found.bom_bytes :] if place == 0 else piece).decode(self._found.name, "replace")
            lines = _LINE_END.split(text)
            whole = lines[1 if place else self._skip : -1] or ([] if place else lines[self._skip :])
            rows = [line for line in whole if self._counts_as_row(line)]
            found += rows[: LOOK_LINES // 2] if place == 0 else rows[: LOOK_LINES // 4]
        return found

    def _counts_as_row(self, line: str) -> bool:
        comment = self._options.comment
        return bool(line.strip()) and not (comment and line.startswith(comment))

    def parts(self) -> Iterator[RawPart]:
        """The file's parts in order."""
        tail = b""
        for block in self._stream.blocks():
            data = tail + block
            # a CR at the very end may be half a line end
            cut = max(data.rfind(b"\n"), data.rfind(b"\r", 0, max(0, len(data) - 1))) + 1
            cut = self._before_count(data, self._before_footer(data, cut))
            for piece in _pieces(data[:cut]):
                self._take(piece)
                yield from self._out.full()
            tail = self._shortened(data[cut:])
            self._stream.forget(self._position)
        cut = self._before_footer(tail, len(tail))
        self._take(tail[:cut])
        self._bytes["preamble"] += self._original(self._position, len(tail) - cut)
        yield from self._out.full(final=True)

    def _before_footer(self, data: bytes, cut: int) -> int:
        """`cut`, moved before as many lines as the footer has."""
        for _ in range(self._options.footer or 0):
            if cut <= 0:
                return 0
            whole = data[:cut].removesuffix(b"\n").removesuffix(b"\r")
            cut = max(whole.rfind(b"\n"), whole.rfind(b"\r")) + 1
        return cut

    def _before_count(self, data: bytes, cut: int) -> int:
        """`cut`, moved before a last line that may be the number of rows: what follows decides."""
        last = data[:cut].rstrip()[-_COUNT_BYTES:]
        start = max(last.rfind(b"\n"), last.rfind(b"\r")) + 1
        if not self._layout.again or row_count(last[start:].decode("utf-8", "replace")) is None:
            return cut
        before = len(data[:cut].rstrip()) - len(last) + start
        return before if cut - before < _COUNT_BYTES else cut

    def _shortened(self, tail: bytes) -> bytes:
        """The unfinished line; of one beyond the limit only the first bytes are kept."""
        held = len(tail) <= self._options.record_limit and self._long is None
        if held or self._options.footer or not tail:
            return tail
        offset, raw = self._long or (self._stream.offset(self._position), b"")
        keep = 1 if tail.endswith(b"\r") else 0
        gone = tail[: len(tail) - keep]
        self._long = (offset, self._longer(raw, gone))
        self._position += len(gone)
        return tail[len(gone) :]

    def _longer(self, raw: bytes, text: bytes) -> bytes:
        """The first bytes of a long line, with what this piece of it adds."""
        if len(raw) >= RAW_LIMIT:
            return raw
        return (raw + self._stream.raw(text[:RAW_LIMIT], self._position))[:RAW_LIMIT]

    def _original(self, position: int, length: int) -> int:
        """Original bytes of a range of the text."""
        return self._stream.offset(position + length) - self._stream.offset(position) if length else 0

    def _take(self, data: bytes) -> None:
        """Take whole lines."""
        if not data:
            return
        whole = data.splitlines(keepends=True)
        lines = [line.rstrip(b"\r\n") for line in whole]
        widths = np.fromiter(map(len, whole), dtype=np.int64, count=len(whole))
        starts = self._position + np.cumsum(widths) - widths
        kinds = np.zeros(len(lines), dtype=np.int8)
        first = self._top(lines, kinds)
        for number in range(first, len(lines)):
            line = lines[number]
            if not line or line.isspace():
                kinds[number] = _BLANK
            elif self._is_comment(line) or self._is_count(lines, kinds, number):
                kinds[number] = _COMMENT
            elif line in self._layout.again:
                kinds[number] = _HEADER
                self._counts["repeated_headers"] += 1
        self._ends_blank = bool(kinds[-1] == _BLANK)
        self._taken_rows += int((kinds == _ROW).sum())
        self._long_line(lines, kinds, starts)
        self._rows(lines, kinds, starts)
        ends = starts + widths
        for kind, name in ((_BLANK, "blank"), (_HEADER, "headers"), (_PREAMBLE, "preamble"), (_COMMENT, "preamble")):
            chosen = np.flatnonzero(kinds == kind)
            if len(chosen):
                offsets = self._stream.offsets(np.concatenate((starts[chosen], ends[chosen])))
                self._bytes[name] += int((offsets[len(chosen) :] - offsets[: len(chosen)]).sum())
        self._blank += int((kinds == _BLANK).sum())
        self._counts["comments"] += int((kinds == _COMMENT).sum())
        self._position += len(data)
        self._line += len(lines)

    def _is_comment(self, line: bytes) -> bool:
        """Whether a line is a comment as told."""
        mark = (self._options.comment or "").encode()
        return bool(mark and line.startswith(mark))

    def _is_count(self, lines: list[bytes], kinds: np.ndarray[tuple[int], np.dtype[np.int8]], number: int) -> bool:
        """Whether a line is the number of rows that SQL clients write below them; `kinds`: those of the lines above it."""
        count = row_count(lines[number].decode("utf-8", "replace")) if self._layout.again else None
        if count is None:
            return False
        apart = kinds[number - 1] == _BLANK if number else self._ends_blank
        filled = (lines[at] for at in range(number + 1, len(lines)) if lines[at].strip())
        following = next(filled, None)
        below = None if following is None else following in self._layout.again
        if below is not None:
            return count.fits(apart=apart, below=below, rows=())
        above = kinds[:number]
        headers = np.flatnonzero(above == _HEADER)
        since = int((above[headers[-1] :] == _ROW).sum()) if len(headers) else -1
        return count.fits(apart=apart, below=None, rows=(since, self._taken_rows + int((above == _ROW).sum())))

    def _top(self, lines: list[bytes], kinds: np.ndarray[tuple[int], np.dtype[np.int8]]) -> int:
        """Mark preamble and header; returns the number of lines looked at."""
        at = 0
        while at < len(lines) and (self._skip or self._header):
            if self._skip:
                kinds[at], self._skip = _PREAMBLE, self._skip - 1
            elif not lines[at].strip():
                kinds[at] = _BLANK
            else:
                kinds[at], self._header = _HEADER, self._header - 1
            at += 1
        return at

    def _long_line(
        self, lines: list[bytes], kinds: np.ndarray[tuple[int], np.dtype[np.int8]], starts: Positions
    ) -> None:
        """The end of a line that was too long to be held."""
        if self._long is None:
            return
        (offset, raw), self._long = self._long, None
        raw = self._longer(raw, lines[0])
        length = self._stream.offset(int(starts[0]) + len(lines[0])) - offset
        message = f"the line has {length:,} bytes; the limit is {self._options.record_limit:,}"
        kinds[0] = _DONE
        self._bytes["rejects"] += length
        self._out.reject(
            Problem(code="record_too_long", message=message), line=self._line, offset=offset, length=length, raw=raw
        )

    def _rows(self, lines: list[bytes], kinds: np.ndarray[tuple[int], np.dtype[np.int8]], starts: Positions) -> None:
        chosen = np.flatnonzero(kinds == _ROW)
        if not len(chosen):
            return
        found = [lines[number] for number in chosen.tolist()]
        begins = starts[chosen]
        texts, encodings, faults = self._decoded(found, begins)
        faults = {**faults_of(texts, self._layout, self._options), **faults}
        columns, more = cut_columns(texts, self._layout, self._own)
        faults = {**more, **faults}
        numbers = np.arange(self._out.next_row, self._out.next_row + len(found), dtype=np.int64)
        lengths = np.fromiter(map(len, found), dtype=np.int64, count=len(found))
        offsets = self._stream.offsets(begins)
        sizes = self._stream.offsets(begins + lengths) - offsets
        good = np.ones(len(found), dtype=bool)
        good[list(faults)] = False
        kept = pa.array(np.flatnonzero(good))
        mark = None
        if encodings:
            mark = pa.array([encodings.get(number) for number in np.flatnonzero(good).tolist()], pa.string())
            self._fallback_rows += sum(number not in faults for number in encodings)
        self._out.add(
            [column.take(kept) if faults else column for column in columns],
            Places(
                rows=numbers[good],
                lines=chosen[good] + self._line,
                offsets=offsets[good],
                lengths=sizes[good],
                encodings=mark,
            ),
        )
        self._counts["short_lines"] += (
            int((lengths[good] <= self._layout.spans[-1][0]).sum()) if self._layout.spans else 0
        )
        for number, problem in sorted(faults.items()):
            raw = self._stream.raw(found[number], int(begins[number]))
            self._out.reject(
                problem,
                line=int(chosen[number]) + self._line,
                row=int(numbers[number]),
                offset=int(offsets[number]),
                length=len(raw),
                raw=raw,
            )
            self._bytes["rejects"] += len(raw)
        self._bytes["rows"] += int(sizes[good].sum())

    def _decoded(self, lines: list[bytes], begins: Positions) -> tuple[pa.Array, dict[int, str], dict[int, Problem]]:
        """The lines as texts; which were read by the fallback encoding; which can't be read."""
        encodings: dict[int, str] = {}
        faults: dict[int, Problem] = {}
        if self._found.name == "utf-8" and not _is_utf8(lines):
            lines = [*lines]
            for number, line in enumerate(lines):
                if line.isascii() or decode_record(line, "utf-8") is not None:
                    continue
                text = decode_record(line, self._found.fallback)
                if text is None:
                    message = f"not valid in utf-8 nor in {self._found.fallback}"
                    faults[number] = Problem(code="invalid_encoding", message=message)
                else:
                    encodings[number] = self._found.fallback
                lines[number] = (text or "").encode()
        for number, line in enumerate(lines):
            if b"\0" in line:
                faults[number] = Problem(code="nul_byte", message="the line holds NUL bytes")
            elif len(line) > self._options.record_limit:
                said = f"the line has {len(line):,} bytes; the limit is {self._options.record_limit:,}"
                faults[number] = Problem(code="record_too_long", message=said)
        last = int(begins[-1]) + len(lines[-1])
        bad = self._stream.undecoded(int(begins[0]), last)
        for number in set((np.searchsorted(begins, bad, side="right") - 1).tolist()):
            faults[number] = Problem(code="invalid_encoding", message=f"not valid in {self._found.name}")
        return pa.array(lines, pa.binary()).cast(pa.string()), encodings, faults

    def report(self) -> FileReport:
        """The file's report, with the columns' positions."""
        layout, size = self._layout, self._stream.size_bytes + self._found.bom_bytes
        known = ByteCount(**self._bytes) + ByteCount(preamble=self._found.bom_bytes)
        return FileReport(
            format=NAME,
            encoding={**self._found.to_json(), "fallback_rows": self._fallback_rows},
            dialect={
                "positions": [f"{start + 1}-{end}" for start, end in layout.spans],
                "header": layout.header,
                "preamble": self._options.preamble or 0,
                "reasons": layout.reasons,
            },
            header=layout.naming.names,
            header_found=layout.header_found if layout.header_found != layout.naming.names else [],
            counts={name: count for name, count in sorted(self._counts.items()) if count},
            bytes=known + ByteCount(framing=size - known.total),
            received=self._out.staged + self._out.rejected,
            staged=self._out.staged,
            rejected=self._out.rejected,
            blank=self._blank,
            notes=layout.naming.notes,
        )


def _pieces(data: bytes) -> Iterator[bytes]:
    """Whole lines, some at a time: while they are taken, each is held several times over."""
    at = 0
    while at < len(data):
        stop = at + _PIECE_BYTES
        # where there is no line feed before `stop`, none belongs to a return before it
        cut = (data.rfind(b"\n", at, stop) + 1) or (data.rfind(b"\r", at, stop - 1) + 1) if stop < len(data) else 0
        cut = cut or len(data)
        yield data[at:cut]
        at = cut


def _is_utf8(lines: list[bytes]) -> bool:
    try:
        b"\n".join(lines).decode()
    except UnicodeDecodeError:
        return False
    return True
