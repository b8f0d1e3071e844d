"""The quotes of a buffer in which all is well: a few passes over bits, however many quotes there are.

One bit stands for each byte of the buffer, 64 to a word, the first byte lowest. Anything unusual (a quote out of place, a
line with an odd number of quotes, padding) makes it give up, and `_csv_quotes` looks at each quote.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loadlock.intake._csv_lines import CR, LF, Flags, Lines, Octets, Positions, View
from loadlock.intake._csv_quotes import QuoteCheck, sums

DENSE = 48
"""Bytes for each quote, on the average, up to which this is faster than looking at each quote."""
_Bits = npt.NDArray[np.uint64]
_ONE, _TOP = np.uint64(1), np.uint64(63)


class CleanQuotes:
    """Stands for `Quotes` where each quote is right: `delimiters` counts only those outside of quotes, `count` is zero."""

    def __init__(self, delimiters: Positions) -> None:
        self.delimiters = delimiters
        self.count = np.zeros(len(delimiters), dtype=np.int64)

    def check(self, first: Positions, last: Positions) -> QuoteCheck:
        """All groups of lines are good, and no delimiter that is counted is covered."""
        return QuoteCheck(np.ones(len(first), dtype=bool), np.zeros(len(first), dtype=bool), np.zeros_like(first))


def clean_quotes(view: View, lines: Lines, record_end: bytes) -> CleanQuotes | None:
    """The delimiters of each line, where quotes are many and all of them right, and LF or CRLF ends records; else None."""
    used = int(lines.next[-1]) if len(lines) else 0
    octets = view.octets[:used]
    if view.quote < 0 or view.delimiter < 0 or view.masked or not used or record_end != b"\n":
        return None
    flags = octets == view.quote
    if np.count_nonzero(flags) * DENSE < used:
        return None
    quotes, delimiters = _bits(flags), _bits(octets == view.delimiter)
    inside = _running_parity(quotes)
    edges = _edges(octets, quotes | delimiters)
    if edges is None or not _in_place(quotes, inside, edges, used):
        return None
    outside = _flags(delimiters & ~inside, used)
    return CleanQuotes(sums(outside, lines.start).astype(np.int64)) if _closed(inside, lines) else None


def _bits(flags: Flags) -> _Bits:
    packed = np.packbits(flags, bitorder="little")
    return np.concatenate([packed, np.zeros(-len(packed) % 8, dtype=np.uint8)]).view(np.uint64)


def _flags(bits: _Bits, size: int) -> Flags:
    return np.unpackbits(bits.view(np.uint8), bitorder="little", count=size).view(np.bool_)


def _running_parity(bits: _Bits) -> _Bits:
    """For each bit whether the number of bits set up to it, itself included, is odd."""
    found = bits.copy()
    for step in (1, 2, 4, 8, 16, 32):
        found ^= found << np.uint64(step)
    odd = (found >> _TOP).astype(np.uint8)
    before = np.bitwise_xor.accumulate(odd) ^ odd
    found ^= np.uint64(0) - before.astype(np.uint64)
    return found


def _edges(octets: Octets, marks: _Bits) -> _Bits | None:
    """What may stand beside a quote: marks and line ends; None where a carriage return is no part of a line end."""
    feeds = _bits(octets == LF)
    returns = octets == CR
    if not returns.any():
        return marks | feeds
    packed = _bits(returns)
    return None if (packed & ~_next(feeds)).any() else marks | feeds | packed


def _next(bits: _Bits) -> _Bits:
    """Each bit becomes that of the byte behind it."""
    found = bits >> _ONE
    found[:-1] |= bits[1:] << _TOP
    return found


def _previous(bits: _Bits) -> _Bits:
    """Each bit becomes that of the byte before it; before the first one stands an edge."""
    found = bits << _ONE
    found[1:] |= bits[:-1] >> _TOP
    found[0] |= _ONE
    return found


def _in_place(quotes: _Bits, inside: _Bits, edges: _Bits, used: int) -> bool:
    """Whether an edge stands before each opening quote and behind each closing one. The end of the data is an edge."""
    behind = _next(edges)
    behind[(used - 1) // 64] |= _ONE << np.uint64((used - 1) % 64)
    misplaced = (quotes & inside & ~_previous(edges)) | (quotes & ~inside & ~behind)
    return not misplaced.any()


def _closed(inside: _Bits, lines: Lines) -> bool:
    """Whether no line ends inside quotes."""
    last = lines.next - 1
    ends = inside[last >> 6] >> (last & 63).astype(np.uint64)
    return not (ends & _ONE).any()
