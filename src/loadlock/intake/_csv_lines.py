"""The physical lines of a buffer and the view of its bytes in which delimiters, quotes and line ends are plain."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from loadlock.intake._csv_exact import Shape

Octets = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LF, CR, BACKSLASH = 10, 13, 92
NEUTRAL = ord("x")
_FIRST_MARK, _LAST_MARK = 0x1F, 0x1E
"""Stand in the view for the first and the last byte of a delimiter of several bytes."""


@dataclass(frozen=True)
class View:
    """Bytes for looking up structure: of the same length as the data, with what has no structural meaning neutralised."""

    octets: Octets
    delimiter: int
    """The byte that begins a delimiter (follows a closing quote); -1 = none."""
    delimiter_last: int
    """The byte that ends a delimiter (precedes an opening quote)."""
    quote: int
    masked: bool
    """Whether the view differs from the data."""
    backslashes: Positions

    def upto(self, cut: int) -> View:
        """The view of the first `cut` bytes."""
        return replace(self, octets=self.octets[:cut], backslashes=self.backslashes[self.backslashes < cut])


def view_of(data: bytes, shape: Shape) -> View:
    """The view of `data`, which begins at the start of a record."""
    octets = np.frombuffer(data, dtype=np.uint8)
    none = np.empty(0, dtype=np.int64)
    quote = shape.quote[0] if shape.quote else -1
    long = len(shape.delimiter) > 1
    escaped = shape.escape and b"\\" in data
    if not long and not escaped:
        delimiter = shape.delimiter[0] if shape.delimiter else -1
        return View(octets, delimiter, delimiter, quote, False, none)
    octets = octets.copy()
    backslashes = _mask_escapes(octets) if escaped else none
    delimiter = shape.delimiter[0] if shape.delimiter else -1
    last = delimiter
    if long:
        delimiter, last = _FIRST_MARK, _LAST_MARK
        _mark_delimiters(octets, shape.delimiter)
    return View(octets, delimiter, last, quote, True, backslashes)


def _mask_escapes(octets: Octets) -> Positions:
    """Neutralise backslashes and what they escape; returns where the backslashes stand."""
    found = np.flatnonzero(octets == BACKSLASH)
    # within a run of backslashes every second one is itself escaped
    starts = np.flatnonzero(np.diff(found, prepend=-2) != 1)
    runs = np.diff(np.append(starts, len(found)))
    index_in_run = np.arange(len(found)) - np.repeat(starts, runs)
    active = found[(index_in_run & 1) == 0]
    targets = active[active + 1 < len(octets)] + 1
    returns = targets[octets[targets] == CR] + 1
    returns = returns[returns < len(octets)]
    octets[returns[octets[returns] == LF]] = NEUTRAL
    octets[targets] = NEUTRAL
    octets[found] = NEUTRAL
    return found


def _mark_delimiters(octets: Octets, delimiter: bytes) -> None:
    octets[(octets == _FIRST_MARK) | (octets == _LAST_MARK)] = NEUTRAL
    marked = bytes(delimiter).translate(bytes.maketrans(b"\x1e\x1f", b"xx"))
    for match in re.finditer(re.escape(marked), octets.tobytes()):
        octets[match.start() : match.end()] = NEUTRAL
        octets[match.start()] = _FIRST_MARK
        octets[match.end() - 1] = _LAST_MARK


@dataclass
class Lines:
    """Complete physical lines: `start` to `end` without the line end, the next one at `next`."""

    start: Positions
    end: Positions
    next: Positions

    def __len__(self) -> int:
        return len(self.start)

    def first(self, count: int) -> Lines:
        """The first `count` lines."""
        return Lines(self.start[:count], self.end[:count], self.next[:count])


def find_lines(octets: Octets, record_end: bytes, *, final: bool) -> Lines:
    """The lines of `octets` that are complete; with `final` also a last one without line end."""
    end, following = _ends(octets, record_end, final=final)
    if final and len(octets) and (not len(following) or following[-1] < len(octets)):
        end = np.append(end, len(octets))
        following = np.append(following, len(octets))
    start = np.empty_like(following)
    if len(start):
        start[0] = 0
        start[1:] = following[:-1]
    return Lines(start, end, following)


def _ends(octets: Octets, record_end: bytes, *, final: bool) -> tuple[Positions, Positions]:
    if record_end not in (b"\n", b"\r", b"\r\n"):
        found = [match.start() for match in re.finditer(re.escape(record_end), octets.tobytes())]
        end = np.array(found, dtype=np.int64)
        return end, end + len(record_end)
    feeds = np.flatnonzero(octets == LF)
    after_return = octets[np.maximum(feeds - 1, 0)] == CR
    if record_end == b"\r\n":
        feeds = feeds[after_return]
        return feeds - 1, feeds + 1
    if record_end == b"\n":
        return feeds - after_return, feeds + 1
    lone = lone_returns(octets, final=final)
    end = np.concatenate([feeds - after_return, lone])
    following = np.concatenate([feeds + 1, lone + 1])
    order = np.argsort(following, kind="stable")
    return end[order], following[order]


def lone_returns(octets: Octets, *, final: bool) -> Positions:
    """Carriage returns without a line feed behind them; one at the very end only where nothing can follow."""
    returns = np.flatnonzero(octets == CR)
    if len(returns) and returns[-1] == len(octets) - 1:
        last, returns = returns[-1:], returns[:-1]
    else:
        last = returns[:0]
    lone: Positions = returns[octets[returns + 1] != LF]
    return np.concatenate([lone, last]) if final else lone
