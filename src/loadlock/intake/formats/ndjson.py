"""JSON, one record a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from loadlock.bits import Ranks, bits_of
from loadlock.intake._json_records import PartBuilder, Records
from loadlock.intake._json_scan import positions
from loadlock.intake._json_sound import are_lines, gather, not_utf8, refused
from loadlock.intake._json_stream import TextStream
from loadlock.intake._json_text import SPACE, Judge, Place, Verdict, accepts, is_open
from loadlock.intake.base import ByteSource, RawPart, ReadResult, SourceOptions
from loadlock.intake.decode import Positions
from loadlock.intake.encoding import detect
from loadlock.model import FileReport, Problem
from loadlock.rows import RAW_LIMIT

LINE_END = re.compile(rb"\r\n|\n|\r")
_AROUND = SPACE + b"\x1e"
"""Around a record: white space, and what begins one in a JSON text sequence (RFC 7464)."""
_GOES_ON = (b"{", b"[", b",", b":")
"""A line that ends so is a piece of a value over several lines."""
_SOME = 0.5
_MARK = "\ufeff".encode()
"""A byte order mark in the middle: files were put together."""


class NdjsonFormat:
    """One JSON value a line (JSON Lines). A line that is no valid JSON is one reject; blank lines are counted."""

    name: ClassVar[str] = "ndjson"
    summary: ClassVar[str] = "JSON, one record a line"
    extensions: ClassVar[tuple[str, ...]] = (".ndjson", ".jsonl", ".jsonlines")

    def sniff(self, head: bytes, name: str) -> float:
        """High where the first lines are each a JSON object or array."""
        lines = [line.strip(_AROUND) for line in LINE_END.split(head.removeprefix(_MARK), maxsplit=20)[:20]]
        lines = [line for line in lines if line]
        if len(head) >= 1 << 20 and len(lines) > 1:
            lines = lines[:-1] if len(lines) < 20 else lines
        named = name.lower().endswith(self.extensions)
        if not lines:
            return 0.3 if named else 0.0
        good = sum(line[:1] in b"{[" and accepts(line) for line in lines) / len(lines)
        if len(lines) == 1 and not named:
            # one line is as well one document
            return 0.5 * good
        if named and len(lines) > 1 and good < _SOME and lines[0].endswith(_GOES_ON):
            # values over several lines, whatever the name says
            return 0.3
        return max(0.95 * good, 0.9 if named else 0.0)

    def read(self, source: ByteSource, options: SourceOptions) -> ReadResult:
        """Read the lines of one file."""
        reader = _Reader(source, options)
        return ReadResult(parts=reader.parts(), report=reader.report)


@dataclass(frozen=True)
class _Long:
    """A line longer than the limit, while its end is looked for."""

    offset: int
    raw: bytes


class _Reader:
    """Reads one file. Holds one block and the unfinished line behind it."""

    def __init__(self, source: ByteSource, options: SourceOptions) -> None:
        self._options = options
        self._found = detect(source, options)
        self._stream = TextStream(source, self._found)
        self._judge = Judge(options, self._found.fallback, self._found.name)
        self._out = PartBuilder(source.file, options.part_bytes, sound="nan" not in options.tolerate)
        self._line = 1
        self._position = 0
        self._long: _Long | None = None
        self._goes_on = False
        """Whether the last line was a damaged one that went on."""

    def report(self) -> FileReport:
        size = self._stream.size_bytes + self._found.bom_bytes
        return self._out.tally.report(
            NdjsonFormat.name, encoding=self._found.to_json(), preamble=self._found.bom_bytes, size=size
        )

    def parts(self) -> Iterator[RawPart]:
        tail = b""
        for block in self._stream.blocks():
            data = self._finish_long(tail + block if tail else block)
            cut = 0 if self._long else last_line_end(data)
            self._take(data[:cut])
            tail = self._begin_long(data[cut:])
            self._stream.forget(self._position)
            yield from self._out.full_parts()
        tail = self._finish_long(tail, final=True)
        self._take(tail)
        yield from self._out.full_parts(final=True)

    def _begin_long(self, tail: bytes) -> bytes:
        """Drop an unfinished line beyond the limit; its start is kept for the reject."""
        if self._long or len(tail) <= self._options.record_limit:
            return tail
        keep = 1 if tail.endswith(b"\r") else 0
        gone = len(tail) - keep
        self._long = _Long(
            offset=self._stream.offset(self._position), raw=self._stream.raw(tail[:RAW_LIMIT], self._position)
        )
        self._position += gone
        return tail[gone:]

    def _finish_long(self, data: bytes, *, final: bool = False) -> bytes:
        """Inside a line that is too long: drop up to its end, if that is here, and reject it."""
        if self._long is None:
            return data
        end = LINE_END.search(data)
        if end is None:
            self._position += len(data)
            if not final:
                return b""
        elif end.end() == len(data) and data.endswith(b"\r") and not final:
            # a line feed may follow
            self._position += end.start()
            return data[end.start() :]
        stop, rest = (end.start(), end.end()) if end else (0, 0)
        length = self._stream.offset(self._position + stop) - self._long.offset
        row, self._position = self._out.next_row, self._position + rest
        problem = _too_long(length, self._options.record_limit)
        self._out.reject(problem, row=row, line=self._line, offset=self._long.offset, length=length, raw=self._long.raw)
        self._line += 1
        self._long = None
        return data[rest:] if end else b""

    def _take(self, data: bytes) -> None:
        """Take whole lines."""
        if not data:
            return
        window = _Window(data, self._position)
        odd = self._odd(window)
        faults = {number: fault for number in odd if (fault := self._look(window, number))}
        faults = dict(sorted((faults | self._pieces(window, faults)).items()))
        for number in self._utf8_lines(window):
            if window.kinds[number] == _ROW:
                window.encodings[number] = "utf-8"
        kept = np.flatnonzero(window.kinds == _ROW)
        numbers = np.cumsum(window.kinds != _BLANK) + self._out.next_row - 1
        starts, ends = window.starts[kept], window.starts[kept] + window.lengths[kept]
        offsets = self._stream.offsets(starts)
        places = {int(number): place for place, number in enumerate(kept)} if window.encodings else {}
        others = {places[number]: text for number, text in window.texts.items()}
        text, sizes = gather(data, starts - self._position, ends - self._position, others, are_lines=True)
        self._out.add(
            Records(
                text=text,
                sizes=sizes,
                rows=numbers[kept],
                lines=kept + self._line,
                offsets=offsets,
                lengths=self._stream.offsets(ends) - offsets,
                encodings={places[number]: name for number, name in window.encodings.items()},
            )
        )
        for number, problem in faults.items():
            self._reject(window, number, problem, int(numbers[number]))
        self._position += len(data)
        self._line += len(window.starts)

    def _pieces(self, window: _Window, faults: Mapping[int, Problem]) -> dict[int, Problem]:
        """Single values behind a damaged line that ends within an array or object: they are pieces of it, no records."""
        found = {}
        behind = [0] if self._goes_on else []
        behind += [
            number + 1
            for number, fault in faults.items()
            if fault.code == "invalid_json" and window.line(number).rstrip(SPACE).endswith(_GOES_ON)
        ]
        self._goes_on = len(window.starts) in behind
        for number in behind:
            is_row = number < len(window.starts) and window.kinds[number] == _ROW
            if is_row and window.line(number)[:1] not in (b"{", b"["):
                window.kinds[number] = _REJECT
                place = self._stream.offset(int(window.starts[number]))
                message = f"a single value behind a damaged line, perhaps a piece of it: line {self._line + number:,}"
                found[number] = Problem(code="invalid_json", message=f"{message}, byte {place:,}")
        return found

    def _utf8_lines(self, window: _Window) -> set[int]:
        """Lines that were UTF-8 in a file of another encoding."""
        lines = self._stream.foreign(self._position, self._position + len(window.data))
        ends = window.ends + self._position
        found: set[int] = set()
        for start, end in lines.tolist():
            # one that a lone CR cut in two here reaches beyond the window
            last = min(int(np.searchsorted(ends, end)), len(ends) - 1)
            found.update(range(int(np.searchsorted(ends, start, "right")), last + 1))
        return found

    def _odd(self, window: _Window) -> list[int]:
        """The lines that need a closer look, in order."""
        found = window.deep(self._judge.depth_limit)
        if not are_lines(window.data, window.lengths):
            found += [*window.spaced(), *refused(map(window.line, range(len(window.starts))))]
        found.extend(np.flatnonzero(window.lengths > self._options.record_limit).tolist())
        bad = self._stream.undecoded(self._position, self._position + len(window.data))
        bad = np.concatenate([bad, not_utf8(window.data, 0, len(window.data)) + self._position])
        found.extend((np.searchsorted(window.starts, bad, side="right") - 1).tolist())
        return sorted(set(found))

    def _look(self, window: _Window, number: int) -> Problem | None:
        """Look closely at one line: sets its kind, its bounds without white space, its text; or says what is wrong."""
        text = window.line(number)
        left = text.lstrip(_AROUND).removeprefix(_MARK).lstrip(_AROUND)
        window.starts[number] += len(text) - len(left)
        record = left.rstrip(SPACE)
        window.lengths[number] = len(record)
        if not record:
            window.kinds[number] = _BLANK
            self._out.tally.blank += 1
            self._out.tally.blank_bytes += self._original_width(window, number)
            return None
        verdict = self._verdict(window, number, record)
        if verdict.problem is None and verdict.text is not None:
            if verdict.encoding:
                window.encodings[number] = verdict.encoding
                window.texts[number] = verdict.text.encode()
            return None
        window.kinds[number] = _REJECT
        return verdict.problem

    def _original_width(self, window: _Window, number: int) -> int:
        start = self._position + int(window.ends[number] - window.widths[number])
        return self._stream.offset(self._position + int(window.ends[number])) - self._stream.offset(start)

    def _verdict(self, window: _Window, number: int, record: bytes) -> Verdict:
        start = int(window.starts[number])
        offset, line = self._stream.offset(start), self._line + number
        if len(record) > self._options.record_limit:
            return Verdict(problem=_too_long(len(record), self._options.record_limit))
        bad = self._stream.undecoded(start, start + len(record))
        if len(bad):
            place = self._stream.offset(int(bad[0]))
            message = f"not valid in {self._found.name}: line {line:,}, byte {place:,}"
            return Verdict(problem=Problem(code="invalid_encoding", message=message))
        column = start - int(window.ends[number] - window.widths[number]) - self._position + 1
        # a last line without an end may be the start of a longer one
        cut_off = bool(window.ends[number] - window.widths[number] + len(record) == len(window.data)) and is_open(
            record
        )
        return self._judge.verdict(record, Place(line=line, offset=offset, column=column), truncated=cut_off)

    def _reject(self, window: _Window, number: int, problem: Problem, row: int) -> None:
        start, text = int(window.starts[number]), window.line(number)
        raw = self._stream.raw(text, start)
        self._out.reject(
            problem, row=row, line=self._line + number, offset=self._stream.offset(start), length=len(raw), raw=raw
        )


_ROW, _BLANK, _REJECT = 0, 1, 2


class _Window:
    """Whole lines of the text, and where they stand."""

    def __init__(self, data: bytes, position: int) -> None:
        self.data = data
        self._position = position
        begins, stops, self.ends = _cut_lines(data)
        """Behind each line and its end, in the window."""
        self.widths = self.ends - begins
        self.starts = begins + position
        """In the whole text."""
        self.lengths = stops - begins
        self.kinds = np.zeros(len(begins), dtype=np.int8)
        self.encodings: dict[int, str] = {}
        self.texts: dict[int, bytes] = {}
        """Of the lines in another encoding."""

    def line(self, number: int) -> bytes:
        """The line without its end."""
        start = int(self.starts[number]) - self._position
        return self.data[start : start + int(self.lengths[number])]

    def spaced(self) -> list[int]:
        """Lines that begin or end with white space."""
        octets = np.frombuffer(self.data, dtype=np.uint8)
        begin = self.ends - self.widths
        filled = np.flatnonzero(self.lengths > 0)
        first, last = octets[begin[filled]], octets[begin[filled] + self.lengths[filled] - 1]
        found: list[int] = filled[(first <= 32) | (last <= 32)].tolist()
        return found

    def deep(self, limit: int) -> list[int]:
        """Lines with more opening brackets than levels are allowed."""
        if not len(self.lengths) or self.lengths.max() <= 2 * limit:
            return []
        octets = np.frombuffer(self.data, dtype=np.uint8)
        opening = Ranks(bits_of(octets & 0xDF == 0x5B))
        counts = np.diff(opening.before(self.ends), prepend=0)
        found: list[int] = np.flatnonzero(counts > limit).tolist()
        return found


def _cut_lines(data: bytes) -> tuple[Positions, Positions, Positions]:
    """Where lines begin, where they stop, and where their ends end. LF, CRLF and CR end a line."""
    octets = np.frombuffer(data, dtype=np.uint8)
    stops = positions(octets, lambda piece: piece == 10)
    widths = np.ones(len(stops), dtype=np.int64)
    if b"\r" in data:
        after_return = (stops > 0) & (octets[stops - 1] == 13)
        stops, widths = stops - after_return, widths + after_return
        returns = np.setdiff1d(np.flatnonzero(octets == 13), stops[after_return], assume_unique=True)
        stops, widths = np.concatenate([stops, returns]), np.concatenate([widths, np.ones_like(returns)])
        order = np.argsort(stops, kind="stable")
        stops, widths = stops[order], widths[order]
    ends = stops + widths
    if not len(ends) or ends[-1] < len(data):
        stops, ends = np.append(stops, len(data)), np.append(ends, len(data))
    return np.concatenate(([0], ends[:-1])), stops, ends


def last_line_end(data: bytes) -> int:
    """Behind the last line end in `data`; a CR at the very end does not count, since an LF may follow."""
    return max(data.rfind(b"\n"), data.rfind(b"\r", 0, max(0, len(data) - 1))) + 1


def _too_long(length: int, limit: int) -> Problem:
    message = f"the record has {length:,} bytes; the limit is {limit:,}"
    return Problem(code="record_too_long", message=message)
