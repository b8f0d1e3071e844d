"""Where a range lies after rows or columns were inserted or deleted."""

from __future__ import annotations

from dataclasses import dataclass

from loadlock.testing.sheets.errors import Json


@dataclass(frozen=True, kw_only=True)
class Shift:
    """`count` rows or columns inserted before `at` (positive), or deleted from `at` on (negative)."""

    at: int
    count: int

    def start(self, start: int) -> int:
        if self.count >= 0:
            return start + self.count if start >= self.at else start
        return start if start <= self.at else max(self.at, start + self.count)

    def end(self, end: int) -> int:
        """Of a range's exclusive end: what is inserted at it stays outside."""
        if self.count >= 0:
            return end + self.count if end > self.at else end
        return end if end <= self.at else max(self.at, end + self.count)

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """The new place of a range, None when all of it was deleted."""
        start, end = self.start(start), self.end(end)
        return (start, end) if start < end else None


def grid_range(at: Json, shift: Shift, dimension: str) -> Json | None:
    """A GridRange after the shift; open sides stay open. None: all of it is gone."""
    first, last = f"start{dimension}Index", f"end{dimension}Index"
    start, end = at.get(first, 0), at.get(last)
    moved = dict(at)
    if end is None:
        if start:
            moved[first] = shift.start(start)
        return moved
    span = shift.span(start, end)
    if span is None:
        return None
    if first in at or span[0]:
        moved[first] = span[0]
    moved[last] = span[1]
    return moved
