"""The values of one tab's cells: columns of small packed blocks, so that millions of cells fit and a copy costs nothing.

A block is the JSON of up to 1,024 cells of one column, its empty tail left out; None is an empty block. Blocks are never
changed, only replaced: copies of a grid share them. A cell is None (empty), text, a number, a boolean, or a mapping: `f` a
formula, `e` an error's name.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any

import orjson

from loadlock.testing.sheets.a1 import Box

Cell = Any
BLOCK_ROWS = 1024
SLICE_ROWS = 16 * BLOCK_ROWS
"""Rows unpacked at a time when a large range is copied."""
_FORMULA = b'{"f":'


def _pack(cells: list[Cell]) -> bytes | None:
    end = len(cells)
    while end and cells[end - 1] is None:
        end -= 1
    return orjson.dumps(cells[:end]) if end else None


def _unpack(block: bytes | None, rows: int) -> list[Cell]:
    if block is None:
        return [None] * rows
    cells: list[Cell] = orjson.loads(block)
    cells.extend([None] * (rows - len(cells)))
    return cells


def _laid_out(blocks: list[bytes | None], old: list[int], new: list[int]) -> list[bytes | None]:
    """One column's blocks cut anew: as many rows in all, in blocks of other lengths."""
    if not any(blocks):
        return [None] * len(new)
    cells = [cell for block, rows in zip(blocks, old, strict=True) for cell in _unpack(block, rows)]
    starts = [0, *accumulate(new)]
    return [_pack(cells[start:end]) for start, end in pairwise(starts)]


class Grid:
    """Cells by row and column, both from 0, without a size of its own: what was never written is empty."""

    def __init__(self, spans: Iterable[int] = (), columns: Iterable[list[bytes | None]] = ()) -> None:
        self._spans = list(spans)
        """Rows of each block, the same in all columns."""
        self._columns = [list(column) for column in columns]
        self._starts = [0, *accumulate(self._spans)]
        self._had_formulas = False
        """A formula was written at some time; without one nobody needs to look for them."""

    def copy(self) -> Grid:
        twin = Grid(self._spans, self._columns)
        twin._had_formulas = self._had_formulas
        return twin

    @property
    def had_formulas(self) -> bool:
        return self._had_formulas

    @property
    def rows(self) -> int:
        """Rows covered by blocks; all below are empty."""
        return self._starts[-1]

    @property
    def columns(self) -> int:
        return len(self._columns)

    def packed_bytes(self) -> int:
        """Memory of the packed cells."""
        return sum(len(block) for column in self._columns for block in column if block is not None)

    def read(self, box: Box) -> list[list[Cell]]:
        """The columns of the box, each a list of its rows."""
        return [self._read_column(column, box.row, box.end_row) for column in range(box.column, box.end_column)]

    def cell(self, row: int, column: int) -> Cell:
        return self._read_column(column, row, row + 1)[0]

    def _read_column(self, column: int, row: int, end: int) -> list[Cell]:
        if column >= len(self._columns) or row >= self.rows:
            return [None] * (end - row)
        blocks, cells = self._columns[column], []
        first = bisect_right(self._starts, row) - 1
        for index in range(first, len(blocks)):
            start = self._starts[index]
            if start >= end:
                break
            part = _unpack(blocks[index], self._spans[index])
            cells.extend(part[max(0, row - start) : end - start])
        cells.extend([None] * (end - row - len(cells)))
        return cells

    def write(self, row: int, column: int, columns: Sequence[Sequence[Cell]]) -> None:
        """Put columns of cells with their upper left corner at row and column. None empties a cell."""
        rows = max((len(cells) for cells in columns), default=0)
        if not rows:
            return
        self._cover(row + rows, column + len(columns))
        for offset, cells in enumerate(columns):
            self._write_column(column + offset, row, cells)

    def _write_column(self, column: int, row: int, cells: Sequence[Cell]) -> None:
        blocks, end = self._columns[column], row + len(cells)
        for index in range(bisect_right(self._starts, row) - 1, len(blocks)):
            start, span = self._starts[index], self._spans[index]
            if start >= end:
                break
            if row <= start and start + span <= end:
                self._put(blocks, index, list(cells[start - row : start - row + span]))
                continue
            part = _unpack(blocks[index], span)
            low, high = max(row, start), min(end, start + span)
            part[low - start : high - start] = cells[low - row : high - row]
            self._put(blocks, index, part)

    def _put(self, blocks: list[bytes | None], index: int, cells: list[Cell]) -> None:
        block = _pack(cells)
        blocks[index] = block
        self._had_formulas = self._had_formulas or (block is not None and _FORMULA in block)

    def clear(self, box: Box) -> None:
        """Empty the box."""
        end_row, end_column = min(box.end_row, self.rows), min(box.end_column, self.columns)
        for column in range(box.column, end_column):
            for row in range(box.row, end_row, SLICE_ROWS):
                self._write_column(column, row, [None] * (min(end_row, row + SLICE_ROWS) - row))

    def slices(self, box: Box) -> Iterator[tuple[int, list[list[Cell]]]]:
        """The box from top to bottom in slices: first row and its columns."""
        for row in range(box.row, box.end_row, SLICE_ROWS):
            end = min(box.end_row, row + SLICE_ROWS)
            yield row, self.read(Box(row, end, box.column, box.end_column))

    def paste(self, source: Grid, box: Box, row: int, column: int) -> None:
        """Put a box of another grid here, its upper left corner at row and column. Both then share the packed blocks."""
        source = source.copy()
        source._cover(box.end_row, box.end_column)
        self._cover(row + box.rows, column + box.columns)
        low, high = source._cut(box.row), source._cut_end(box.end_row)
        first, last = self._cut(row), self._cut_end(row + box.rows)
        spans = source._spans[low:high]
        for number, blocks in enumerate(self._columns):
            if column <= number < column + box.columns:
                blocks[first:last] = source._columns[box.column + number - column][low:high]
            else:
                blocks[first:last] = _laid_out(blocks[first:last], self._spans[first:last], spans)
        self._spans[first:last] = spans
        self._starts = [0, *accumulate(self._spans)]
        self._had_formulas = self._had_formulas or source._had_formulas

    def _cover(self, rows: int, columns: int) -> None:
        """Lay blocks down to the row. The last block grows first: its cells end early anyway."""
        while self.rows < rows:
            if self._spans and self._spans[-1] < BLOCK_ROWS:
                self._spans[-1] = min(BLOCK_ROWS, self._spans[-1] + rows - self.rows)
            else:
                self._spans.append(min(BLOCK_ROWS, rows - self.rows))
                for column in self._columns:
                    column.append(None)
                self._starts.append(self._starts[-1])
            self._starts[-1] = self._starts[-2] + self._spans[-1]
        while len(self._columns) < columns:
            self._columns.append([None] * len(self._spans))

    def _cut(self, row: int) -> int:
        """A block border at the row; returns the index of the block that begins there."""
        index = bisect_right(self._starts, row) - 1
        if self._starts[index] == row:
            return index
        head = row - self._starts[index]
        for column in self._columns:
            part = _unpack(column[index], self._spans[index])
            column[index : index + 1] = [_pack(part[:head]), _pack(part[head:])]
        self._spans[index : index + 1] = [head, self._spans[index] - head]
        self._starts = [0, *accumulate(self._spans)]
        return index + 1

    def _cut_end(self, row: int) -> int:
        """A block border at the row, which may be the end; returns the index of the block after it."""
        return len(self._spans) if row == self.rows else self._cut(row)

    def insert_rows(self, row: int, count: int) -> None:
        if row >= self.rows:
            return
        index = self._cut(row)
        spans = [BLOCK_ROWS] * (count // BLOCK_ROWS) + ([count % BLOCK_ROWS] if count % BLOCK_ROWS else [])
        self._spans[index:index] = spans
        for column in self._columns:
            column[index:index] = [None] * len(spans)
        self._starts = [0, *accumulate(self._spans)]

    def delete_rows(self, row: int, end: int) -> None:
        end = min(end, self.rows)
        if row >= end:
            return
        first = self._cut(row)
        last = self._cut_end(end)
        del self._spans[first:last]
        for column in self._columns:
            del column[first:last]
        self._starts = [0, *accumulate(self._spans)]

    def insert_columns(self, column: int, count: int) -> None:
        if column < len(self._columns):
            self._columns[column:column] = [[None] * len(self._spans) for _ in range(count)]

    def delete_columns(self, column: int, end: int) -> None:
        del self._columns[column:end]

    def last_row(self, box: Box) -> int:
        """The last row of the box with a value, plus 1; `box.row` when all are empty."""
        best = box.row
        for column in range(box.column, min(box.end_column, self.columns)):
            for index in range(len(self._spans) - 1, -1, -1):
                start = self._starts[index]
                if start + self._spans[index] <= best:
                    break
                best = max(best, self._last_in_block(column, index, box.end_row))
        return best

    def _last_in_block(self, column: int, index: int, end: int) -> int:
        start, block = self._starts[index], self._columns[column][index]
        if block is None or start >= end:
            return 0
        cells = _unpack(block, 0)[: end - start]
        return next((start + at + 1 for at in range(len(cells) - 1, -1, -1) if cells[at] is not None), 0)

    def formulas(self) -> Iterator[tuple[int, int, str]]:
        """Row, column and text of each formula. A quote within a text is escaped, so the search is exact."""
        if not self._had_formulas:
            return
        for number, column in enumerate(self._columns):
            for index, block in enumerate(column):
                if block is None or _FORMULA not in block:
                    continue
                for at, cell in enumerate(_unpack(block, 0)):
                    if isinstance(cell, dict) and "f" in cell:
                        yield self._starts[index] + at, number, cell["f"]
