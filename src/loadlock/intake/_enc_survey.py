"""One pass over the bytes of a file before it is read: where they are not UTF-8, and lines to tell the encoding by.

Most of a file is valid, and a block that is valid as a whole takes one check. Where a block is not, the pieces of it that
are not are looked at byte by byte; but where most of the lines in them are no UTF-8 (another encoding), only some.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from loadlock.intake._enc_mojibake import Mojibake
from loadlock.intake.decode import Octets, Positions, Scratch, Utf8Ranges, decode_record, places, utf8_faults

_LOOK_BYTES = 1 << 20
"""Bytes that are looked at together: the arrays made of them stay in the caches of the processor."""
_PIECE_BYTES = 16 << 10
_TRY_BYTES = 4 << 20
"""Once in so many bytes lines that are UTF-8 are counted and kept."""
_TRIED_PIECES, _TRIED_PAIRS = 4, 200
_MOSTLY = 0.5
_LINE_BYTES = 4096
_LINES = 1_500
"""Lines that are kept of each kind; a block may fill a part of what is left, so that all of a big file has a say."""
_SHARE = 3
MOST_FAULTS = 1 << 20
"""Faults whose places are remembered; with more of them the reader finds them again."""


@dataclass
class Sample:
    """Lines of a file, from all its parts."""

    lines: list[bytes] = field(default_factory=list)

    def add(self, lines: Lines, numbers: Positions) -> None:
        """Keep some of the lines with these numbers."""
        room = max(1, (_LINES - len(self.lines)) // _SHARE) if len(self.lines) < _LINES else 0
        if room:
            self.lines += lines.cut(numbers[:: max(1, -(-len(numbers) // room))])


class Lines:
    """Consecutive lines of a file."""

    def __init__(self, data: bytes) -> None:
        self.data, self.octets = data, np.frombuffer(data, dtype=np.uint8)
        self.ends = line_ends(self.octets)

    def holding(self, marks: Positions) -> Positions:
        """Numbers of the lines, from 0, that hold one of these offsets."""
        numbers = np.searchsorted(self.ends, marks)
        # the marks are sorted: a comparison finds the different ones
        return numbers[np.flatnonzero(np.diff(numbers, prepend=-1))]

    def cut(self, numbers: Positions) -> list[bytes]:
        """The lines with these numbers; long ones are cut."""
        bounds = np.concatenate([[0], self.ends + 1, [len(self.data)]])
        starts, ends = bounds[numbers], np.minimum(bounds[numbers + 1], bounds[numbers] + _LINE_BYTES)
        return [self.data[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


@dataclass
class Survey:
    """What one pass found. Numbers of lines in big files are taken from parts of them."""

    size: int = 0
    high_bytes: int = 0
    bad_lines: int = 0
    good: Sample = field(default_factory=Sample)
    """Lines with high bytes that are UTF-8 ..."""
    bad: Sample = field(default_factory=Sample)
    """... and those that are not."""
    escaped: Sample = field(default_factory=Sample)
    """Lines with an escape sequence of ISO-2022, while there are no high bytes."""
    mojibake: Mojibake = field(default_factory=Mojibake)
    _counted_lines: int = 0
    """Lines with high bytes where they were counted."""
    _other_bytes: int = 0
    """High bytes elsewhere: in lines like those of the samples."""
    _sample_bytes: int = 0
    _sample_lines: int = 0
    _next_try: int = 0
    _values: bytes = b""
    _faults: list[Positions] | None = field(default_factory=list)
    _fault_count: int = 0
    _scratch: Scratch = field(default_factory=Scratch, repr=False, compare=False)

    @property
    def faults(self) -> Positions | None:
        """Sorted offsets of all bytes that are no part of a UTF-8 sequence; None where there are too many of them."""
        if self._faults is None:
            return None
        return np.concatenate(self._faults) if self._faults else np.empty(0, dtype=np.int64)

    @property
    def high_lines(self) -> int:
        """Lines with high bytes, about."""
        others = self._other_bytes * self._sample_lines / self._sample_bytes if self._sample_bytes else 0
        return self._counted_lines + max(0, round(others))

    def look(self, block: bytes, start: int, end: int) -> None:
        """Take the next bytes: whole lines, `block[start:end]`."""
        octets = np.frombuffer(block, dtype=np.uint8)[start:end]
        flags = np.less(octets.view(np.int8), 0, out=self._scratch.flags(0, len(octets)))
        high = int(np.count_nonzero(flags))
        if high:
            self.high_bytes += high
            self._other_bytes += high
            self._high(block, start, end)
        elif not self.high_bytes and block.find(b"\x1b$", start, end) >= 0:
            lines = Lines(block[start:end])
            self.escaped.add(lines, lines.holding(np.flatnonzero(lines.octets == 0x1B)))
        self.size += end - start

    def _high(self, block: bytes, start: int, end: int) -> None:
        octets = np.frombuffer(block, dtype=np.uint8)[start:end]
        bounds = _piece_bounds(block, start, end)
        broken = Utf8Ranges(block, bounds).invalid()
        pieces = [(int(bounds[number]), int(bounds[number + 1])) for number in broken]
        if len(pieces) > _TRIED_PIECES and len(pieces) * 2 > len(bounds) - 1:
            tried = _Tried(block, pieces[:: max(1, len(pieces) // _TRIED_PIECES)][:_TRIED_PIECES])
            if tried.foreign:
                self._foreign(block[start:end], octets, tried, sum(stop - at for at, stop in pieces))
                pieces = []
        if pieces:
            self._exactly(start, _Tried(block, pieces))
        if len(broken) < len(bounds) - 1:
            if self.size >= self._next_try:
                self._good_lines(block, bounds, set(broken))
            self.mojibake.look(block, octets, start)

    def _good_lines(self, block: bytes, bounds: Positions, broken: set[int]) -> None:
        """Count and keep the lines of one valid piece, once in a while."""
        for number in range(len(bounds) - 1):
            lines = Lines(block[bounds[number] : bounds[number + 1]]) if number not in broken else None
            if lines is None or lines.data.isascii():
                continue
            high = places(lines.octets >= 0x80)
            numbers = lines.holding(high)
            self._next_try = self.size + _TRY_BYTES
            self._sample_bytes += len(high)
            self._sample_lines += len(numbers)
            self.good.add(lines, numbers)
            return

    def _exactly(self, start: int, tried: _Tried) -> None:
        self.bad_lines += len(tried.bad)
        self.bad.add(tried.lines, tried.bad)
        if self.size >= self._next_try or len(self.good.lines) < _LINES // _SHARE:
            self._counted_lines += len(tried.high)
            self._other_bytes -= tried.high_count
            self.good.add(tried.lines, np.setdiff1d(tried.high, tried.bad))
        else:
            self._counted_lines += len(tried.bad)
        self._remember(tried.places + (self.size - start))

    def _foreign(self, data: bytes, octets: Octets, tried: _Tried, size: int) -> None:
        """Most of it is another encoding: what some pieces show is multiplied; UTF-8 lines among it are looked for."""
        self._faults = None
        factor = size / len(tried.lines.data)
        self.bad_lines += round(factor * len(tried.bad))
        self._counted_lines += round(factor * len(tried.high))
        self._other_bytes -= round(factor * tried.high_count)
        self.bad.add(tried.lines, tried.bad)
        self.good.add(tried.lines, np.setdiff1d(tried.high, tried.bad))
        self._new_values(data)
        # a byte as it leads a sequence of UTF-8, and one as it goes on
        leads, follows = (self._scratch.flags(number, len(octets) - 1) for number in (0, 1))
        np.greater_equal(octets[:-1], 0xC2, out=leads)
        np.less(octets[1:].view(np.int8), -64, out=follows)
        pairs = places(np.logical_and(leads, follows, out=leads))
        for place in pairs[:: max(1, len(pairs) // _TRIED_PAIRS)].tolist():
            if len(self.good.lines) >= _LINES:
                break
            begin = max(data.rfind(b"\n", 0, place) + 1, place - _LINE_BYTES)
            line = data[begin : data.find(b"\n", place) + 1 or len(data)][:_LINE_BYTES]
            if decode_record(line, "utf-8") is not None:
                self.good.lines.append(line)

    def _new_values(self, data: bytes) -> None:
        """Keep a line for each high byte of which none was kept: a single one may tell two encodings apart."""
        self._values = self._values or bytes({*range(0x80), *b"".join(self.bad.lines)})
        for value in dict.fromkeys(data.translate(None, self._values)):
            place = data.find(value)
            line = data[data.rfind(b"\n", 0, place) + 1 : data.find(b"\n", place) + 1 or len(data)]
            self.bad.lines.append(line[:_LINE_BYTES])
            self._values += bytes((value,))

    def _remember(self, faults: Positions) -> None:
        self._fault_count += len(faults)
        if self._fault_count > MOST_FAULTS:
            self._faults = None
        if self._faults is not None:
            self._faults.append(faults)


class _Tried:
    """Some pieces of a block that are not UTF-8, looked at byte by byte."""

    def __init__(self, block: bytes, pieces: list[tuple[int, int]]) -> None:
        self._pieces = np.array(pieces, dtype=np.int64).reshape(-1, 2)
        self.lines = Lines(b"".join(block[start:end] for start, end in pieces))
        self._faults = utf8_faults(self.lines.octets)
        self.bad = self.lines.holding(self._faults)
        """Numbers of the lines that are not UTF-8."""

    @cached_property
    def _high(self) -> Positions:
        return places(self.lines.octets >= 0x80)

    @property
    def high_count(self) -> int:
        """High bytes."""
        return len(self._high)

    @cached_property
    def high(self) -> Positions:
        """Numbers of the lines with high bytes."""
        return self.lines.holding(self._high)

    @property
    def foreign(self) -> bool:
        """Whether most of its lines with high bytes are not UTF-8."""
        return len(self.bad) > _MOSTLY * len(self.high)

    @property
    def places(self) -> Positions:
        """Offsets of the faults in the block."""
        begins, sizes = self._pieces[:, 0], self._pieces[:, 1] - self._pieces[:, 0]
        before = np.cumsum(sizes) - sizes
        found: Positions = self._faults + (begins - before)[np.searchsorted(before, self._faults, side="right") - 1]
        return found


def survey(blocks: Iterable[bytes]) -> Survey:
    """Look at all bytes of a file."""
    look = Look()
    for block in blocks:
        look.at(block)
    return look.end()


class Look:
    """A survey of blocks that somebody else reads. Call `at` for each, in order, then `end`."""

    def __init__(self) -> None:
        self._found, self._lines = Survey(), WholeLines()

    def at(self, block: bytes) -> None:
        """Take the next block."""
        for piece in self._lines.of(block):
            self._found.look(*piece)

    def end(self) -> Survey:
        """What was found."""
        for piece in self._lines.rest():
            self._found.look(*piece)
        return self._found


def line_ends(octets: Octets) -> Positions:
    """Where lines end: at line feeds, or at carriage returns where there is no line feed."""
    ends = places(octets == 10)
    return ends if len(ends) else places(octets == 13)


class WholeLines:
    """Bytes, start and end of pieces that end behind a line end (or, in very long lines, behind a character of UTF-8).

    A block is given as it is, without copying; only the line that two blocks share is put together.
    """

    def __init__(self) -> None:
        self._tail = b""

    def of(self, block: bytes) -> Iterator[tuple[bytes, int, int]]:
        """The pieces that are complete with the next block."""
        start = 0
        if self._tail:
            start = block.find(b"\n") + 1 or block.find(b"\r") + 1 or len(block)
            self._tail += block[:start]
            size, ended = len(self._tail), self._tail.endswith((b"\n", b"\r"))
            if start == len(block) < _LOOK_BYTES > size and not ended:
                return
            cut = size if ended else _character_end(self._tail)
            yield self._tail, 0, cut
            self._tail = self._tail[cut:]
        if start == len(block):
            return
        end = (block.rfind(b"\n", start) + 1) or (block.rfind(b"\r", start) + 1) or start
        while start < end:
            stop = block.find(b"\n", min(start + _LOOK_BYTES, end), end) + 1 or end
            yield block, start, stop
            start = stop
        self._tail += block[end:]

    def rest(self) -> Iterator[tuple[bytes, int, int]]:
        """What is left behind the last line end."""
        if self._tail:
            yield self._tail, 0, len(self._tail)


def _character_end(data: bytes) -> int:
    """Where the last whole character of UTF-8 ends: at most three bytes before the end of the data."""
    for back in range(1, min(4, len(data) + 1)):
        if data[-back] >= 0xC0:
            return len(data) - back
    return len(data)


def _piece_bounds(block: bytes, start: int, end: int) -> Positions:
    """Offsets of pieces of about `_PIECE_BYTES`, each ending behind a line end; the end is the last one."""
    bounds = [start]
    while bounds[-1] < end:
        bounds.append(block.find(b"\n", bounds[-1] + _PIECE_BYTES, end) + 1 or end)
    return np.array(bounds, dtype=np.int64)
