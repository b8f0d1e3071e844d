"""Which lines with an open quote make one record with the lines that follow, and which stand alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loadlock.intake._csv_exact import FieldParser
from loadlock.intake._csv_lines import Flags, Lines, Positions
from loadlock.intake._csv_quotes import Quotes
from loadlock.intake._csv_records import Rules

LOOK_LINES = 64
"""Lines after an open quote that decide, where they all look like rows, that the quote was never meant to span them."""


@dataclass(frozen=True)
class Joined:
    """Records of several lines, as columns, and what is left of the lines with an odd number of quotes."""

    first: Positions
    last: Positions
    fields: Positions
    padded: Flags
    alone: Positions
    cut: int | None
    """The line from which on more data is needed."""


class Joining:
    """The lines of one buffer. `rowlike` says which of them may be records at all."""

    def __init__(self, lines: Lines, quotes: Quotes, rowlike: Flags, rules: Rules) -> None:
        self.lines, self.quotes, self.rules = lines, quotes, rules
        self._odd = np.flatnonzero(quotes.odd & rowlike)
        alike = (quotes.delimiters + 1 == rules.fields) & rowlike
        self._rows_before = np.concatenate([[0], np.cumsum(alike)])
        """Number of lines before each line that have the wanted number of fields by themselves."""

    def join(self, data: bytes, parser: FieldParser, *, final: bool) -> Joined:
        """Go through the lines with an odd number of quotes, each with the next one or alone."""
        joinable, fields, padded, misfit = self._joinable(data, parser)
        odd, paired = self._odd, []
        free, count, cut = 0, len(odd), None
        for at in np.flatnonzero(joinable | misfit).tolist():
            if at < free:
                continue
            unsure = at + 2 == count and misfit[at]
            if unsure and self._may_close_later(int(odd[at + 1]), int(odd[at]), len(data), final=final):
                count, cut = at, int(odd[at])
                break
            if joinable[at] or not self._opens_another(at, joinable):
                paired.append(at)
                free = at + 2
        if cut is None and free < count:
            last = int(odd[-1])
            if self._may_close_later(last, last, len(data), final=final):
                count, cut = count - 1, last
        chosen = np.array(paired, dtype=np.int64)
        alone = np.ones(count, dtype=bool)
        alone[chosen] = alone[chosen + 1] = False
        return Joined(
            first=odd[chosen],
            last=odd[chosen + 1],
            fields=fields[chosen],
            padded=padded[chosen],
            alone=odd[:count][alone],
            cut=cut,
        )

    def _joinable(self, data: bytes, parser: FieldParser) -> tuple[Flags, Positions, Flags, Flags]:
        """For each odd line with those up to the next odd one: whether they make a record; its fields; padded quotes.

        Last: whether they make a record with another number of fields, and no line between could be a row.
        """
        odd, count = self._odd, len(self._odd)
        good, padded, misfit = (np.zeros(count, dtype=bool) for _ in range(3))
        counted = np.zeros(count, dtype=np.int64)
        # neighbours share a line, so every second pair is checked at a time; the second half only where it may matter
        for parity in (0, 1):
            pairs = np.arange(parity, count - 1, 2)
            if parity and good[0 : count - 1 : 2].all():
                continue
            pairs = pairs[self._one_record(odd[pairs], odd[pairs + 1])]
            if not len(pairs):
                continue
            first, last = odd[pairs], odd[pairs + 1]
            check = self.quotes.check(first, last)
            fields, placed = check.outside + 1, check.good
            good[pairs] = placed & self._right_count(fields, first, last)
            for pair in np.flatnonzero(placed & ~good[pairs] & (fields > (self.rules.fields or 0))).tolist():
                raw = data[self.lines.start[first[pair]] : self.lines.end[last[pair]]]
                good[pairs[pair]] = not any(
                    value.strip(b" \t\r\n") for value in parser.parse(raw).values[self.rules.fields :]
                )
            padded[pairs], counted[pairs] = check.padded, fields
            rowlike = self._rows_before[last] - self._rows_before[first + 1]
            misfit[pairs] = placed & ~good[pairs] & (rowlike == 0) & (last - first <= LOOK_LINES)
        return good, counted, padded, misfit

    def _right_count(self, fields: Positions, first: Positions, last: Positions) -> Flags:
        """Whether groups of lines have a number of fields that makes a row."""
        wanted = self.rules.fields
        if wanted is None:
            return np.ones(len(first), dtype=bool)
        least = wanted if self.rules.least is None else self.rules.least
        within: Flags = (fields >= least) & (fields <= wanted)
        if "pad_short" in self.rules.tolerate:
            within |= fields < wanted
        if self.rules.tolerate & {"drop_extra", "merge_tail"}:
            within |= fields > wanted
        return within

    def _one_record(self, first: Positions, last: Positions) -> Flags:
        """Whether lines `first` to `last` may be one record: not longer than the limit, no rows swallowed."""
        short = self.lines.end[last] - self.lines.start[first] <= self.rules.record_limit
        rows = self._rows_before
        between = last - first - 1
        swallowed = self._looks_like_rows(rows[last] - rows[first + 1], between)
        early = np.minimum(first + 1 + LOOK_LINES, last)
        swallowed |= (between >= LOOK_LINES) & self._many_rows(rows[early] - rows[first + 1])
        result: Flags = short & ~swallowed
        return result

    def _looks_like_rows(self, rows: Positions, between: Positions) -> Flags:
        wanted = self.rules.fields or 1
        if wanted == 1:
            return np.zeros(len(rows), dtype=bool)
        if wanted <= 4:
            # prose in quotes often has a comma or two in a line
            return (between >= 8) & (rows * 5 >= between * 4)
        return (between >= 1) & (rows * 2 > between)

    def _many_rows(self, rows: Positions) -> Flags:
        return np.asarray(rows * 10 >= LOOK_LINES * 9) & ((self.rules.fields or 1) > 1)

    def _opens_another(self, at: int, joinable: Flags) -> bool:
        """Whether the second line of a pair makes a good record with the third, as near as one record could reach."""
        if at + 2 >= len(self._odd) or not joinable[at + 1]:
            return False
        first, third = self._odd[at], self._odd[at + 2]
        return bool(self.lines.end[third] - self.lines.start[first] <= self.rules.record_limit)

    def _may_close_later(self, first: int, since: int, size: int, *, final: bool) -> bool:
        """Whether the open quote of the last odd line may be closed by data that is yet to come, near enough to `since`."""
        if final or size - int(self.lines.start[since]) > self.rules.record_limit + 2:
            return False
        if len(self.lines) - first - 1 >= LOOK_LINES:
            rows = self._rows_before
            return not bool(self._many_rows(rows[first + 1 + LOOK_LINES] - rows[first + 1]))
        return True
