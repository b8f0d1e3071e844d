"""What cells carry beside their value (format, note, validation), as runs of equal rows in each column."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator

from loadlock.testing.sheets.a1 import Box
from loadlock.testing.sheets.errors import Json

Run = tuple[int, int, Json]
"""First row, row after the last, the attributes. Attributes are replaced, never changed."""


class Attributes:
    """Cells' attributes: a field of CellData → its JSON. Cells without any have no run."""

    def __init__(self, columns: dict[int, list[Run]] | None = None) -> None:
        self._columns = {number: list(runs) for number, runs in (columns or {}).items()}

    def copy(self) -> Attributes:
        return Attributes(self._columns)

    def at(self, row: int, column: int) -> Json:
        runs = self._columns.get(column)
        if not runs:
            return {}
        index = bisect_right(runs, row, key=lambda run: run[0]) - 1
        return runs[index][2] if index >= 0 and row < runs[index][1] else {}

    def columns(self) -> list[int]:
        """The columns with attributes."""
        return sorted(self._columns)

    def runs(self, column: int, row: int, end: int) -> Iterator[Run]:
        """The runs within the rows, cut to them; what lies between has no attributes."""
        for start, stop, attributes in self._columns.get(column, ()):
            if start < end and row < stop:
                yield max(start, row), min(stop, end), attributes

    def change(self, box: Box, change: Callable[[Json], Json]) -> None:
        """Put `change(attributes)` in place of the attributes of each cell of the box; an empty mapping removes them."""
        if not box.rows:
            return
        for column in range(box.column, box.end_column):
            self._change_column(column, box.row, box.end_row, change)

    def _change_column(self, column: int, row: int, end: int, change: Callable[[Json], Json]) -> None:
        runs = self._columns.get(column, [])
        first = bisect_right(runs, row, key=lambda run: run[1])
        last = first
        while last < len(runs) and runs[last][0] < end:
            last += 1
        fresh = [*_changed(runs[first:last], row, end, change)]
        first, last = max(0, first - 1), min(len(runs), last + 1)
        head = [run for run in runs[first:last] if run[1] <= row]
        tail = [run for run in runs[first:last] if run[0] >= end]
        runs = [*runs[:first], *_joined([*head, *fresh, *tail]), *runs[last:]]
        if runs:
            self._columns[column] = runs
        else:
            self._columns.pop(column, None)

    def copy_box(self, source: Attributes, box: Box, row: int, column: int) -> None:
        """Put the attributes of another grid's box here, its upper left corner at row and column."""
        down = row - box.row
        for offset in range(box.columns):
            runs = list(source.runs(box.column + offset, box.row, box.end_row))
            self.change(Box(row, row + box.rows, column + offset, column + offset + 1), lambda _: {})
            for start, end, attributes in runs:
                target = Box(start + down, end + down, column + offset, column + offset + 1)
                self.change(target, lambda _, value=attributes: value)  # type: ignore[misc]

    def move_rows(self, moved: Callable[[int, int], tuple[int, int] | None]) -> None:
        """Rows were inserted or deleted: `moved` gives the new place of a run, None when it is gone."""
        for number, runs in list(self._columns.items()):
            places = [(moved(start, end), attributes) for start, end, attributes in runs]
            self._columns[number] = _joined([(*place, attributes) for place, attributes in places if place])

    def move_columns(self, moved: Callable[[int, int], tuple[int, int] | None]) -> None:
        places = {number: moved(number, number + 1) for number in self._columns}
        self._columns = {place[0]: self._columns[number] for number, place in places.items() if place}


def _changed(runs: list[Run], row: int, end: int, change: Callable[[Json], Json]) -> Iterator[Run]:
    """The rows from `row` to `end` after the change, and what the first and last run have beyond them."""
    at = row
    for start, stop, attributes in runs:
        if start < row:
            yield start, row, attributes
        if start > at:
            yield at, start, change({})
        yield max(start, row), min(stop, end), change(attributes)
        at = min(stop, end)
        if stop > end:
            yield end, stop, attributes
    if at < end:
        yield at, end, change({})


def _joined(runs: list[Run]) -> list[Run]:
    joined: list[Run] = []
    for start, end, attributes in runs:
        if not attributes or start >= end:
            continue
        if joined and joined[-1][1] == start and joined[-1][2] == attributes:
            joined[-1] = (joined[-1][0], end, attributes)
        else:
            joined.append((start, end, attributes))
    return joined
