"""The structure of JSON text, found with NumPy: brackets outside of strings, and how deep they nest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadlock.bits import bits_of, escaped, places, running_parity
from loadlock.intake.decode import Octets, Positions

_PIECE = 1 << 18
_QUOTE, _BACKSLASH = 0x22, 0x5C


@dataclass(frozen=True, kw_only=True)
class Structure:
    """Brackets outside of strings in a piece of text that starts outside of a string."""

    places: Positions
    """Where the brackets stand, sorted."""
    steps: npt.NDArray[np.int8]
    """+1 for an opening bracket, -1 for a closing one."""
    levels: npt.NDArray[np.int64]
    """Level behind each bracket, 0 at the start of the piece."""
    in_string: bool
    """Whether the piece ends inside a string."""


def structure(data: bytes, start: int, end: int) -> Structure:
    """The brackets of `data` from `start` to `end`; places count from the start of `data`."""
    octets = np.frombuffer(data, dtype=np.uint8)
    brackets, steps = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int8)]
    odd = 0
    while start < end:
        # piece by piece: what fits into the processor's cache is three times as fast
        stop = _piece_end(data, start, end)
        found, quotes = _piece(octets[start:stop], odd)
        brackets.append(found + start)
        steps.append(_STEP[octets[found + start]])
        odd = (odd + quotes) & 1
        start = stop
    all_steps = np.concatenate(steps)
    return Structure(
        places=np.concatenate(brackets),
        steps=all_steps,
        levels=np.cumsum(all_steps, dtype=np.int64),
        in_string=odd == 1,
    )


def positions(octets: Octets, test: Callable[[Octets], npt.NDArray[np.bool_]]) -> Positions:
    """Where the test holds, tried piece by piece."""
    found = [np.empty(0, dtype=np.int64)]
    found += [np.flatnonzero(test(octets[at : at + _PIECE])) + at for at in range(0, len(octets), _PIECE)]
    return np.concatenate(found)


def _piece_end(data: bytes, start: int, end: int) -> int:
    """Where to cut: never behind a backslash, which belongs to what follows."""
    stop = min(start + _PIECE, end)
    while stop < end and data[stop - 1] == _BACKSLASH:
        stop += 1
    return stop


def _piece(octets: Octets, odd: int) -> tuple[Positions, int]:
    """The brackets outside of strings, and the number of quotes; `odd` = 1 where the piece starts in a string."""
    quotes = bits_of(octets == _QUOTE)
    if (octets == _BACKSLASH).any():
        quotes &= ~escaped(octets)
    # `[`, `]`, `{` and `}` differ in two bits only
    folded = (octets & 0xDF) - 0x5B
    folded &= 0xFD
    in_strings = running_parity(quotes)
    brackets = bits_of(folded == 0)
    return places(brackets & (in_strings if odd else ~in_strings)), int(np.bitwise_count(quotes).sum())


_STEP = np.zeros(256, dtype=np.int8)
_STEP[[0x5B, 0x7B]] = 1
_STEP[[0x5D, 0x7D]] = -1


def _real_quotes(octets: Octets) -> Positions:
    """The quotes that are not escaped: those behind an even number of backslashes."""
    quotes = np.flatnonzero(octets == _QUOTE)
    slashes = np.flatnonzero(octets == _BACKSLASH)
    if not len(slashes) or not len(quotes):
        return quotes
    before_end = slashes[:-1] if slashes[-1] == len(octets) - 1 else slashes
    last = np.flatnonzero(octets[before_end + 1] == _QUOTE)
    run_starts = np.concatenate(([True], np.diff(slashes) != 1))
    first = np.maximum.accumulate(np.where(run_starts, np.arange(len(slashes)), 0))
    escaping = last[(last - first[last]) % 2 == 0]
    real: Positions = np.delete(quotes, np.searchsorted(quotes, slashes[escaping] + 1))
    return real


def value_end(data: bytes, start: int, limit: int) -> int | None:
    """Behind the closing bracket of the object or array that starts at `start`; None if it is not before `limit`."""
    size = 4096
    while True:
        end = min(start + size, limit)
        found = structure(data, start, end)
        closed = np.flatnonzero(found.levels <= 0)
        if len(closed):
            return int(found.places[closed[0]]) + 1
        if end >= limit:
            return None
        size *= 4


class Skipper:
    """Finds, over any number of pieces, where `level` brackets that are open get closed."""

    def __init__(self, level: int) -> None:
        self.level = level
        self._in_string = False
        self._held = b""

    def feed(self, piece: bytes) -> int | None:
        """How much of the piece belongs to what is skipped, once that ends in it; else None (all of it)."""
        held = len(self._held)
        data = self._held + piece
        start = self._string_end(data) if self._in_string else 0
        if start is None:
            self._hold(data)
            return None
        found = structure(data, start, len(data))
        closed = np.flatnonzero(found.levels + self.level <= 0)
        if len(closed):
            return int(found.places[closed[0]]) + 1 - held
        self.level += int(found.levels[-1]) if len(found.levels) else 0
        self._in_string = found.in_string
        self._hold(data)
        return None

    def _string_end(self, data: bytes) -> int | None:
        quotes = _real_quotes(np.frombuffer(data, dtype=np.uint8))
        return int(quotes[0]) + 1 if len(quotes) else None

    def _hold(self, data: bytes) -> None:
        """An odd run of backslashes at the end escapes what comes next: keep one of them."""
        run = len(data) - len(data.rstrip(b"\\"))
        self._held = b"\\" if run % 2 and self._in_string else b""
