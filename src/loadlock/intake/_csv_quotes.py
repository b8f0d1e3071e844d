"""Whether the quotes of lines or groups of lines stand where quotes may stand, and how many delimiters they cover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loadlock.intake._csv_exact import PAD_LIMIT, Shape
from loadlock.intake._csv_lines import Flags, Lines, Octets, Positions, View


@dataclass(frozen=True)
class QuoteCheck:
    """One entry for each group of lines."""

    good: Flags
    """Each field is quoted as a whole or not at all."""
    padded: Flags
    """White space stands between a delimiter and a quote."""
    covered: Positions
    """Number of delimiters inside quotes."""


class Quotes:
    """The quotes of a buffer."""

    def __init__(self, view: View, lines: Lines, shape: Shape) -> None:
        self._view = view
        self._lines = lines
        self._padding = np.zeros(256, dtype=bool)
        self._padding[np.frombuffer(shape.padding, dtype=np.uint8)] = True
        used = int(lines.next[-1]) if len(lines) else 0
        octets = view.octets[:used]
        self.positions: Positions = np.flatnonzero(octets == view.quote) if view.quote >= 0 else np.empty(0, np.int64)
        self._upto = np.searchsorted(self.positions, lines.next)
        self.count = np.diff(self._upto, prepend=0)
        self.delimiters, self._before = self._count_delimiters(octets)
        """Number of delimiters in each line (in quotes or not), and in all before each quote."""

    def _count_delimiters(self, octets: Octets) -> tuple[Positions, Positions]:
        lines, quotes = len(self._lines), len(self.positions)
        if self._view.delimiter < 0 or not lines:
            return np.zeros(lines, dtype=np.int64), np.zeros(quotes, dtype=np.int64)
        # one pass over the bytes, cut at line starts and quotes; where both fall together the quote counts as zero
        starts = self._lines.start
        line_at = np.arange(lines) + self._upto - self.count
        bounds = np.empty(lines + quotes, dtype=np.int64)
        of_quotes = np.ones(lines + quotes, dtype=bool)
        of_quotes[line_at] = False
        bounds[line_at], bounds[of_quotes] = starts, self.positions
        before = np.concatenate([[0], np.cumsum(sums(octets == self._view.delimiter, bounds), dtype=np.int64)])
        ends = np.append(line_at[1:], lines + quotes)
        return before[ends] - before[line_at], before[:-1][of_quotes]

    def check(self, first: Positions, last: Positions) -> QuoteCheck:
        """Check groups of lines `first` to `last` (ascending, apart, each with an even number of quotes, at least 2)."""
        begin = self._upto[first] - self.count[first]
        pairs = (self._upto[last] - begin) // 2
        chosen = self._chosen(begin, pairs)
        opening, closing = self.positions[chosen][0::2], self.positions[chosen][1::2]
        left = np.repeat(self._lines.start[first], pairs)
        right = np.repeat(self._lines.end[last], pairs)
        open_good = self._open_good(opening, left)
        close_good = self._close_good(closing, right)
        good = open_good & close_good
        group_at = np.cumsum(pairs) - pairs
        padded = np.zeros(len(first), dtype=bool)
        if not good.all():
            good = self._with_padding(good, opening, closing, left, right)
            plain = open_good & close_good
            padded = np.logical_or.reduceat(good & ~plain, group_at)
        return QuoteCheck(np.logical_and.reduceat(good, group_at), padded, self._covered(chosen, group_at))

    def _chosen(self, begin: Positions, pairs: Positions) -> Positions | slice:
        """Which quotes belong to the groups, in order."""
        total = int(pairs.sum()) * 2
        if total == len(self.positions):
            return slice(None)
        shift = begin - (np.cumsum(pairs) - pairs) * 2
        chosen: Positions = np.arange(total) + np.repeat(shift, pairs * 2)
        return chosen

    def _open_good(self, opening: Positions, left: Positions) -> Flags:
        """At the start of a field, or the second half of a doubled quote (the first half closes, so it is a quote)."""
        before = self._view.octets[np.maximum(opening - 1, 0)]
        result: Flags = (
            (before == self._view.delimiter_last) | (before == self._view.quote) | (opening == left)
            if self._view.delimiter_last >= 0
            else (before == self._view.quote) | (opening == left)
        )
        return result

    def _close_good(self, closing: Positions, right: Positions) -> Flags:
        octets = self._view.octets
        behind = octets[np.minimum(closing + 1, len(octets) - 1)]
        result: Flags = (
            (behind == self._view.delimiter) | (behind == self._view.quote) | (closing + 1 == right)
            if self._view.delimiter >= 0
            else (behind == self._view.quote) | (closing + 1 == right)
        )
        return result

    def _with_padding(
        self, good: Flags, opening: Positions, closing: Positions, left: Positions, right: Positions
    ) -> Flags:
        """`good`, with the pairs that become good when white space outside the quotes is passed over."""
        octets = self._view.octets
        before, behind = np.maximum(opening - 1, 0), np.minimum(closing + 1, len(octets) - 1)
        beside = self._padding[octets[before]] | self._padding[octets[behind]]
        doubtful = np.flatnonzero(~good & beside)
        if not len(doubtful):
            return good
        start = self._skip(opening[doubtful], left[doubtful], -1)
        end = self._skip(closing[doubtful] + 1, right[doubtful], +1)
        before, behind = octets[np.maximum(start - 1, 0)], octets[np.minimum(end, len(octets) - 1)]
        touching = (before == self._view.quote) & (start == opening[doubtful])
        doubled = (behind == self._view.quote) & (end == closing[doubtful] + 1)
        fine = ((start == left[doubtful]) | self._delimits(before, self._view.delimiter_last) | touching) & (
            (end == right[doubtful]) | self._delimits(behind, self._view.delimiter) | doubled
        )
        good = good.copy()
        good[doubtful] = fine
        return good

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

    def _covered(self, chosen: Positions | slice, group_at: Positions) -> Positions:
        """Delimiters between each opening quote and its closing one, summed by group."""
        before = self._before[chosen]
        inside: Positions = np.add.reduceat(before[1::2] - before[0::2], group_at)
        return inside


def sums(flags: Flags, bounds: Positions) -> Positions | Octets:
    """Number of set flags between each bound and the next. Adding up bytes is several times faster, where none overflows."""
    ones = flags.view(np.uint8)
    found = np.add.reduceat(ones, bounds, dtype=np.uint8)
    if int(found.sum(dtype=np.int64)) == np.count_nonzero(flags[bounds[0] :]):
        return found
    wide: Positions = np.add.reduceat(ones, bounds, dtype=np.int64)
    return wide
