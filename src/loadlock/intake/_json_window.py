"""The text that a JSON reader holds at a time, with physical line numbers."""

from __future__ import annotations

import re

import numpy as np

from loadlock.intake._json_stream import TextStream
from loadlock.intake._json_text import Place
from loadlock.intake.decode import Positions

_NOT_SPACE = re.compile(rb"[^ \t\r\n]")


class TextWindow:
    """A sliding piece of the text: `data` from position `base`; everything before `at` is done with."""

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream
        self._lines_before = 0
        self._columns_before = 0
        """Characters of the window's first line that were dropped."""
        self._ends: Positions | None = None
        self._open_return = False
        self.data = b""
        self.base = 0
        self.at = 0

    def push(self, block: bytes) -> None:
        """Drop what is done with and add the next block."""
        self._drop()
        if self._open_return and not self.data and block:
            # a carriage return ended the text dropped so far: a line end of its own unless a line feed follows
            self._lines_before += block[:1] != b"\n"
            self._columns_before = 0
            self._open_return = False
        self.data = self.data + block if self.data else block
        self._ends = None

    def _drop(self) -> None:
        gone = self.data[: self.at]
        if not gone:
            return
        passed = int(np.searchsorted(self._line_ends(), self.at))
        line_start = int(self._line_ends()[passed - 1]) + 1 if passed else 0
        self._lines_before += passed
        self._columns_before = 0 if passed else self._columns_before
        self._columns_before += _characters(gone[line_start:])
        self._open_return = self.at == len(self.data) and gone.endswith(b"\r")
        self.base += self.at
        self.data = self.data[self.at :]
        self.at = 0
        self._ends = None
        self._stream.forget(self.base)

    def _line_ends(self) -> Positions:
        """Where lines end in `data`: at LF, and at a CR without LF behind it (one at the very end is left open)."""
        if self._ends is None:
            octets = np.frombuffer(self.data, dtype=np.uint8)
            ends = np.flatnonzero(octets == 10)
            if b"\r" in self.data:
                returns = np.flatnonzero(octets[:-1] == 13)
                ends = np.union1d(ends, returns[octets[returns + 1] != 10])
            self._ends = ends
        return self._ends

    def lines(self, places: Positions) -> Positions:
        """Physical line numbers, from 1, of places in `data`."""
        found: Positions = np.searchsorted(self._line_ends(), places) + 1 + self._lines_before
        return found

    def offsets(self, places: Positions) -> Positions:
        """Offsets in the original file of places in `data`."""
        return self._stream.offsets(places + self.base)

    def place(self, at: int) -> Place:
        """Line, column and original offset of one place in `data`."""
        number = int(np.searchsorted(self._line_ends(), at))
        line_start = int(self._line_ends()[number - 1]) + 1 if number else 0
        column = _characters(self.data[line_start:at]) + 1 + (0 if number else self._columns_before)
        return Place(line=number + 1 + self._lines_before, offset=self._stream.offset(self.base + at), column=column)

    def raw(self, start: int, end: int) -> bytes:
        """The original bytes of `data[start:end]`."""
        return self._stream.raw(self.data[start:end], self.base + start)

    def undecoded(self, start: int, end: int) -> Positions:
        """Places in `data[start:end]` that stand for bytes that did not decode."""
        return self._stream.undecoded(self.base + start, self.base + end) - self.base

    def foreign(self, starts: Positions, ends: Positions) -> dict[int, str]:
        """Number of each of these ranges (sorted, apart) in a line that was UTF-8 in a file of another encoding, and that."""
        if not len(starts):
            return {}
        lines = self._stream.foreign(self.base + int(starts[0]), self.base + int(ends[-1])) - self.base
        found: dict[int, str] = {}
        for start, end in lines.tolist():
            first, last = np.searchsorted(ends, start, "right"), np.searchsorted(starts, end)
            found.update(dict.fromkeys(range(int(first), int(last)), "utf-8"))
        return found

    def skip_space(self, start: int) -> int:
        """The place of the first character from `start` on that is no white space; the end if there is none."""
        found = _NOT_SPACE.search(self.data, start)
        return found.start() if found else len(self.data)

    def trim(self, start: int, end: int) -> int:
        """`end` without the white space before it."""
        return start + len(self.data[start:end].rstrip(b" \t\r\n"))


def _characters(data: bytes) -> int:
    octets = np.frombuffer(data, dtype=np.uint8)
    return int(np.count_nonzero((octets & 0xC0) != 0x80))
