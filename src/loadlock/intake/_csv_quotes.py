"""Whether the quotes of lines or groups of lines stand where quotes may stand, and how many delimiters they cover.

Lines whose quotes are all right are settled by a few passes over bits; only the quotes of the others are looked at one
by one, all at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loadlock.bits import (
    Bits,
    Ranks,
    are_set,
    bits_at,
    bits_of,
    of_next,
    of_previous,
    places,
    running_parity,
    within,
)
from loadlock.intake._csv_exact import PAD_LIMIT, Shape
from loadlock.intake._csv_lines import Flags, Lines, Positions, View


@dataclass(frozen=True)
class QuoteCheck:
    """One entry for each group of lines."""

    good: Flags
    """Each field is quoted as a whole or not at all."""
    padded: Flags
    """White space stands between a delimiter and a quote."""
    outside: Positions
    """Number of delimiters outside of quotes."""
    fault_field: Positions
    """Where not good: the field, from 1, with the first fault ..."""
    never_closed: Flags
    """... and whether that is a quote that is opened in its place and never closed."""


class Quotes:
    """The quotes of a buffer; one entry for each line, read on its own."""

    def __init__(self, view: View, lines: Lines, shape: Shape) -> None:
        self._view, self._lines = view, lines
        self._size = size = int(lines.next[-1]) if len(lines) else 0
        octets = view.octets[:size]
        delimiters = bits_of(octets == view.delimiter) if view.delimiter >= 0 else bits_of(np.zeros(size, dtype=bool))
        self._delimiters = Ranks(delimiters)
        self._quotes = bits_of(octets == view.quote) if view.quote >= 0 else np.zeros_like(delimiters)
        self._padding = np.zeros(256, dtype=bool)
        self._padding[np.frombuffer(shape.padding, dtype=np.uint8)] = True
        none = np.zeros(len(lines), dtype=bool)
        self.odd: Flags = none
        """An odd number of quotes: one of them is open at the line's end."""
        self.padded: Flags = none
        """Quotes in place, but only because white space may stand beside them."""
        self.faulty: Flags = none
        """An even number of quotes that are not all in place."""
        self.fault_field: Positions = np.zeros(0, dtype=np.int64)
        """Of lines that are `odd` or `faulty`: the field, from 1, with the first fault ..."""
        self.never_closed: Flags = none
        """... and whether it is a quote in its place that is never closed. Empty where no line is."""
        self.delimiters = self._delimiters_between(self._delimiters, slice(None))
        """Number of delimiters: those outside of quotes where the line's quotes are in place, else all of them."""
        if self._quotes.any():
            self._look(delimiters)

    def _look(self, delimiters: Bits) -> None:
        """Settle the lines whose quotes are plainly in place, then judge the others quote by quote."""
        lines = self._lines
        inside = running_parity(self._quotes)
        open_after = are_set(inside, lines.next - 1)
        self.odd = open_after ^ np.concatenate([[False], open_after[:-1]])
        unsettled = self.odd.copy()
        if unsettled.any():
            # each line is read on its own: what one leaves open ends with it
            inside ^= running_parity(bits_at(lines.next[unsettled] - 1, self._size))
        unsettled[self._lines_out_of_place(inside, delimiters)] = True
        chosen: Positions | slice = np.flatnonzero(~unsettled) if unsettled.any() else slice(None)
        self.delimiters[chosen] = self._delimiters_between(Ranks(delimiters & ~inside), chosen)
        if unsettled.any():
            self._look_closely(np.flatnonzero(unsettled))

    def _look_closely(self, chosen: Positions) -> None:
        count = len(self._lines)
        found = self.check(chosen, chosen)
        good = chosen[found.good]
        self.delimiters[good] = found.outside[found.good]
        self.padded = _flags(count, good[found.padded[found.good]])
        self.faulty = _flags(count, chosen[~found.good]) & ~self.odd
        self.never_closed = _flags(count, chosen[found.never_closed])
        self.fault_field = np.zeros(count, dtype=np.int64)
        self.fault_field[chosen] = found.fault_field

    def _delimiters_between(self, ranks: Ranks, chosen: Positions | slice) -> Positions:
        found: Positions = ranks.before(self._lines.end[chosen]) - ranks.before(self._lines.start[chosen])
        return found

    def _lines_out_of_place(self, inside: Bits, delimiters: Bits) -> Positions:
        """The lines with a quote that opens or closes beside something else than a delimiter, a quote or the line's end."""
        view, lines, quotes = self._view, self._lines, self._quotes
        last = delimiters
        if view.delimiter_last != view.delimiter:
            last = bits_of(view.octets[: self._size] == view.delimiter_last)
        before = of_previous(last | quotes) | bits_at(lines.start, self._size)
        behind = of_next(delimiters | quotes) | bits_at(np.maximum(lines.end - 1, 0), self._size)
        misplaced = quotes & ((inside & ~before) | (~inside & ~behind))
        if not misplaced.any():
            return np.empty(0, dtype=np.int64)
        return np.searchsorted(lines.next, places(misplaced), "right")

    # ---- quote by quote

    def check(self, first: Positions, last: Positions) -> QuoteCheck:
        """Check groups of lines `first` to `last` (ascending, apart, each with a quote), each read on its own."""
        lines = self._lines
        left, right, after = lines.start[first], lines.end[last], lines.next[last]
        at = places(self._quotes & within(left, after, self._size))
        upto = np.searchsorted(at, after)
        begin = np.concatenate([[0], upto[:-1]])
        count = upto - begin
        group = np.repeat(np.arange(len(first)), count)
        opens = ((np.arange(len(at)) - begin[group]) & 1) == 0
        good, padded = self._judge(at, opens, left[group], right[group])
        before = self._delimiters.before(at)
        # from each closing quote the delimiters since its opening one are covered, and so on for all behind it
        covered = np.cumsum(np.where(opens, 0, before - np.concatenate([[0], before[:-1]])))
        covered_before = np.concatenate([[0], covered])
        start = self._delimiters.before(left)
        total = self._delimiters.before(right) - start
        bad_at, never_closed = self._first_faults(at, good, opens, (begin, upto))
        field = 1 + before[bad_at] - start - (covered_before[bad_at] - covered_before[begin])
        return QuoteCheck(
            good=np.logical_and.reduceat(good, begin) & ((count & 1) == 0),
            padded=np.logical_or.reduceat(padded, begin),
            outside=total - (covered_before[upto] - covered_before[begin]),
            fault_field=field,
            never_closed=never_closed,
        )

    @staticmethod
    def _first_faults(
        at: Positions, good: Flags, opens: Flags, bounds: tuple[Positions, Positions]
    ) -> tuple[Positions, Flags]:
        """The opening quote of the first fault of each group (any of its quotes where all is well); whether it stays open."""
        begin, upto = bounds
        bad = np.flatnonzero(~good)
        next_bad = np.append(bad, len(at))[np.searchsorted(bad, begin)]
        stays_open = next_bad >= upto
        first = np.where(stays_open, upto - 1, next_bad)
        # the fault of a closing quote is one of the field that its opening quote began
        return np.where(opens[first], first, first - 1), stays_open

    def _judge(self, at: Positions, opens: Flags, left: Positions, right: Positions) -> tuple[Flags, Flags]:
        """For each quote whether it is in place, and whether only because white space may stand beside it."""
        view, octets = self._view, self._view.octets
        before = octets[np.maximum(at - 1, 0)]
        behind = octets[np.minimum(at + 1, len(octets) - 1)]
        # the second half of a doubled quote opens; the first half closes, so it is a quote
        opening = (before == view.quote) | self._delimits(before, view.delimiter_last) | (at == left)
        closing = (behind == view.quote) | self._delimits(behind, view.delimiter) | (at + 1 == right)
        good = np.where(opens, opening, closing)
        beside = self._padding[np.where(opens, before, behind)]
        doubtful = np.flatnonzero(~good & beside)
        padded = np.zeros(len(at), dtype=bool)
        if len(doubtful):
            padded[doubtful] = np.where(
                opens[doubtful],
                self._padded_opening(at[doubtful], left[doubtful]),
                self._padded_closing(at[doubtful], right[doubtful]),
            )
        return good | padded, padded

    def _padded_opening(self, at: Positions, left: Positions) -> Flags:
        start = self._skip(at, left, -1)
        before = self._view.octets[np.maximum(start - 1, 0)]
        found: Flags = (start == left) | self._delimits(before, self._view.delimiter_last)
        return found

    def _padded_closing(self, at: Positions, right: Positions) -> Flags:
        end = self._skip(at + 1, right, +1)
        behind = self._view.octets[np.minimum(end, len(self._view.octets) - 1)]
        found: Flags = (end == right) | self._delimits(behind, self._view.delimiter)
        return found

    @staticmethod
    def _delimits(octets: object, delimiter: int) -> Flags:
        return (octets == delimiter) & (delimiter >= 0)  # type: ignore[return-value]

    def _skip(self, at: Positions, limit: Positions, step: int) -> Positions:
        """Move each position over padding, at most `PAD_LIMIT` bytes, never beyond its limit."""
        at = at.copy()
        octets = self._view.octets
        look = -1 if step < 0 else 0
        for _ in range(PAD_LIMIT):
            byte = octets[np.clip(at + look, 0, len(octets) - 1)]
            space = (at != limit) & self._padding[byte]
            if not space.any():
                break
            at += space * step
        return at


def _flags(size: int, places: Positions) -> Flags:
    flags = np.zeros(size, dtype=bool)
    flags[places] = True
    return flags
