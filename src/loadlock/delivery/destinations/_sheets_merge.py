"""Staged rows against the rows of the sheet, by key: what is new, changed, equal or gone, and which stretches to paste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Published
from loadlock.delivery.destinations._sheets_rows import total
from loadlock.delivery.destinations._sheets_survey import Keyed, Survey
from loadlock.errors import RefusedError

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
    """Live rows whose key is not in the batch."""
    end: int
    """The row behind the last one with a value afterwards."""
    total: int
    """The sum of the row hashes afterwards, `gone` rows being emptied."""


def merge(staged: Keyed, files: Numbers, found: Survey, base: int, label: str, *, mirror: bool) -> Merge:
    """Find each staged row in the sheet; new ones go to `base` and below."""
    import numpy as np
    import pyarrow.compute as pc

    if pc.count_distinct(staged.keys, mode="all").as_py() != len(staged.keys) or staged.keys.null_count:
        raise RefusedError(f"{label}: rows of this batch have equal keys, or none", hint="Look at the key's columns.")
    at = pc.fill_null(pc.index_in(staged.keys, value_set=found.rows.keys), -1).to_numpy(zero_copy_only=False)
    new = at < 0
    changed = ~new
    changed[~new] = found.rows.hashes[at[~new]] != staged.hashes[~new]
    goal = np.where(new, base + np.cumsum(new) - 1, at + 1)
    source = np.flatnonzero(new | changed)
    gone = _gone(staged, found) if mirror else np.zeros(0, np.int64)
    before = total(found.rows.hashes[at[changed]]) + total(found.rows.hashes[gone - 1])
    after = found.total - before + total(staged.hashes[source])
    return Merge(
        published=_counted(files, new, changed, gone),
        source=source,
        goal=goal[source],
        gone=gone,
        end=max(base + int(new.sum()) if new.any() else 1, found.last),
        total=after % 2**64,
    )


def _gone(staged: Keyed, found: Survey) -> Numbers:
    """Live rows with a key that the batch hasn't."""
    import numpy as np
    import pyarrow.compute as pc

    known = pc.is_in(found.rows.keys, value_set=staged.keys).to_numpy(zero_copy_only=False)
    return np.flatnonzero(found.rows.keys.is_valid().to_numpy(zero_copy_only=False) & ~known) + 1


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
