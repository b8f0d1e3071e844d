"""Staged rows against the rows of the sheet, by key: what is new, changed, equal or gone, and which stretches to paste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Published
from loadlock.delivery.destinations._sheets_rows import total
from loadlock.delivery.destinations._sheets_survey import Keyed, Survey
from loadlock.errors import RefusedError
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, Any]


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Rows that follow each other on both sides."""

    source: int
    row: int
    """In the live tab."""
    count: int
    normal: bool = False
    """With formulas and formats: the source is a copy of the live rows."""


@dataclass(frozen=True, kw_only=True)
class Merge:
    """What a keyed delivery does to a sheet. Rows of the live tab count from 0, the header is row 0."""

    published: Published
    source: Numbers
    """Staged rows to be pasted."""
    goal: Numbers
    """Where each goes in the live tab."""
    gone: Numbers
    """Live rows that are emptied: by a mirror those whose key is not in the batch, by an exchange those for which there are
    fewer new ones."""
    taken: Numbers
    """Live rows whose content gives way."""
    left: Numbers
    """Staged rows that are not delivered, since their key is known."""
    end: int
    """The row behind the last one with a value afterwards."""
    hashes: Numbers
    """Of the live rows afterwards, `gone` ones being emptied."""

    @property
    def total(self) -> int:
        """The sum of the row hashes afterwards."""
        return total(self.hashes)

    def overwritten(self, last: int) -> Numbers:
        """Live rows above `last` that get other cells, or are emptied."""
        import numpy as np

        return np.unique(np.concatenate([self.goal[self.goal < last], self.gone]))


def merge(staged: Keyed, files: Numbers, found: Survey, base: int, label: str, mode: WriteMode) -> Merge:
    """Find each staged row in the sheet; new ones go to `base` and below."""
    import numpy as np
    import pyarrow.compute as pc

    is_exchange = mode == WriteMode.DELETE_INSERT
    repeated = not is_exchange and pc.count_distinct(staged.keys, mode="all").as_py() != len(staged.keys)
    if repeated or staged.keys.null_count:
        raise RefusedError(f"{label}: rows of this batch have equal keys, or none", hint="Look at the key's columns.")
    if is_exchange:
        return _exchange(staged, files, found, base)
    at = pc.fill_null(pc.index_in(staged.keys, value_set=found.rows.keys), -1).to_numpy(zero_copy_only=False)
    new = at < 0
    changed = ~new
    known = found.rows.hashes[at[~new]] != staged.hashes[~new]
    changed[~new] = known & (mode != WriteMode.INSERT_ONLY)
    goal = np.where(new, base + np.cumsum(new) - 1, at + 1)
    source = np.flatnonzero(new | changed)
    nothing = np.zeros(0, np.int64)
    gone = _gone(staged, found) if mode == WriteMode.MIRROR else nothing
    return Merge(
        published=_counted(files, new, changed, gone),
        source=source,
        goal=goal[source],
        gone=gone,
        taken=gone,
        left=np.flatnonzero(~new) if mode == WriteMode.INSERT_ONLY else nothing,
        end=(end := max(base + int(new.sum()) if new.any() else 1, found.last)),
        hashes=_after(found, end, gone, goal[source], staged.hashes[source]),
    )


def _exchange(staged: Keyed, files: Numbers, found: Survey, base: int) -> Merge:
    """The staged rows in the place of all that have one of their keys: into those rows as far as they reach, then below."""
    import numpy as np

    taken, count = _rows_with(staged, found, known=True), len(staged.keys)
    more = max(0, count - len(taken))
    none = np.zeros(count, bool)
    published = _counted(files, ~none, none, taken)
    goal = np.concatenate([taken[:count], base + np.arange(more)])
    end = max(base + more if more else 1, found.last)
    return Merge(
        published=published,
        source=np.arange(count),
        goal=goal,
        gone=taken[count:],
        taken=taken,
        left=np.zeros(0, np.int64),
        end=end,
        hashes=_after(found, end, taken[count:], goal, staged.hashes),
    )


def _after(found: Survey, end: int, gone: Numbers, goal: Numbers, hashes: Numbers) -> Numbers:
    """The hashes of the live rows when these rows are emptied and those hold other cells."""
    import numpy as np

    after = np.zeros(end - 1, np.uint64)
    after[: len(found.rows.hashes)] = found.rows.hashes
    after[gone - 1] = 0
    after[goal - 1] = hashes
    return after


def _gone(staged: Keyed, found: Survey) -> Numbers:
    """Live rows with a key that the batch hasn't."""
    return _rows_with(staged, found, known=False)


def _rows_with(staged: Keyed, found: Survey, *, known: bool) -> Numbers:
    """Live rows with a key that the batch has, or hasn't."""
    import numpy as np
    import pyarrow.compute as pc

    in_batch = pc.is_in(found.rows.keys, value_set=staged.keys).to_numpy(zero_copy_only=False)
    return np.flatnonzero(found.rows.keys.is_valid().to_numpy(zero_copy_only=False) & (in_batch == known)) + 1


def _counted(files: Numbers, new: Numbers, changed: Numbers, gone: Numbers) -> Published:
    import numpy as np

    by_file = {}
    for file in np.unique(files):
        mine = files == file
        counts = (int((mine & new).sum()), int((mine & changed).sum()), int((mine & ~new & ~changed).sum()))
        by_file[int(file)] = counts
    sums = [sum(counts[place] for counts in by_file.values()) for place in range(3)]
    return Published(inserted=sums[0], updated=sums[1], unchanged=sums[2], deleted=len(gone), by_file=by_file)


def stretches(source: Numbers, goal: Numbers) -> list[Stretch]:
    """The fewest pastes that bring each source row to its goal."""
    import numpy as np

    if not len(source):
        return []
    order = np.argsort(goal, kind="stable")
    source, goal = source[order], goal[order]
    cuts = np.flatnonzero((np.diff(source) != 1) | (np.diff(goal) != 1)) + 1
    starts, ends = np.concatenate([[0], cuts]), np.concatenate([cuts, [len(source)]])
    return [
        Stretch(source=int(source[start]), row=int(goal[start]), count=int(end - start))
        for start, end in zip(starts, ends, strict=True)
    ]


def row_stretches(rows: Sequence[int] | Numbers) -> list[tuple[int, int]]:
    """Ascending row numbers as (first, behind the last)."""
    import numpy as np

    numbers = np.asarray(rows)
    return [(found.row, found.row + found.count) for found in stretches(numbers, numbers)]
