"""An edited export beside the rejects it shows: rows that are as they were exported are passed over in bulk, the others are
looked at one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.engines.memory import give_back
from loadlock.quarantine.cells import as_texts, corrections, plain, raw_column, replaced, value_columns
from loadlock.quarantine.edits import RAW_COLUMN
from loadlock.quarantine.taking import Taken, take
from loadlock.workflow.edited_file import EditedPart
from loadlock.workflow.known_rejects import Index, KnownRejects

if TYPE_CHECKING:
    import pyarrow as pa


def compared(parts: Iterable[EditedPart], known: KnownRejects, *, altered: bool) -> Iterator[Taken]:
    """What was done to the rows of each part; `altered` as in `take`."""
    lines = np.zeros(known.count, np.int64)
    for part in parts:
        numbers = known.find(part.places)
        earlier = _earlier(part, numbers, lines)
        there = np.flatnonzero(numbers >= 0)
        rejects = known.rows(numbers[there])
        differs, names = _differs(part, there, rejects)
        odd = np.flatnonzero(differs)
        facts = {
            part.places[at]: fact for at, fact in zip(there[odd].tolist(), known.known(_at(rejects, odd)), strict=True)
        }
        again = np.array([at for at in range(part.count) if part.lines[at] in earlier], np.int64)
        wanted = np.unique(np.concatenate([there[odd], np.flatnonzero(numbers < 0), again]))
        found = take(part.rows(wanted.tolist(), names), facts.get, altered=altered, earlier=earlier)
        yield replace(found, rows=part.count)
        give_back()


def _earlier(part: EditedPart, numbers: Index, lines: Index) -> dict[int, int]:
    """Line of each row whose reject stood in the file before → where; notes where all stand."""
    found = {}
    for at, number in enumerate(numbers.tolist()):
        if number < 0:
            continue
        if lines[number]:
            found[part.lines[at]] = int(lines[number])
        else:
            lines[number] = part.lines[at]
    return found


def _at(table: pa.Table, rows: Index) -> pa.Table:
    import pyarrow as pa

    return table.take(pa.array(rows))


def _differs(part: EditedPart, there: Index, rejects: pa.Table) -> tuple[np.ndarray[Any, Any], set[str] | None]:
    """Which of the rows that are `there` may have been edited, a cell being not as it was exported; in which columns."""
    import pyarrow as pa

    if part.cells is None:
        return np.ones(len(there), bool), None
    chosen = pa.array(there)
    then = value_columns(plain(rejects["values"]), list(part.cells))
    raw = raw_column(rejects)
    for column, (at, news) in corrections(rejects, "then").items():
        if column == RAW_COLUMN:
            raw = replaced(raw, at, news)
        elif column in then:
            then[column] = replaced(then[column], at, news)
    found = {name: _other(cells.take(chosen), then[name]) for name, cells in part.cells.items()}
    if part.raw is not None:
        found[RAW_COLUMN] = _other(part.raw.take(chosen), raw)
    names = {name for name, other in found.items() if other.any()}
    return np.logical_or.reduce([np.zeros(len(there), bool), *found.values()]), names


def _other(cells: pa.Array, exported: pa.Array) -> np.ndarray[Any, Any]:
    """Which cells don't show what was exported, line ends and the mark of formulas aside."""
    import pyarrow.compute as pc

    cells, exported = (pc.fill_null(column, "") for column in (cells, exported))
    same = pc.or_(pc.equal(cells, exported), pc.equal(cells, as_texts(exported)))
    if pc.all(same).as_py():
        return np.zeros(len(cells), bool)
    left, right = (_lines(column) for column in (cells, as_texts(exported)))
    found: np.ndarray[Any, Any] = pc.invert(pc.or_(same, pc.equal(left, right))).to_numpy(zero_copy_only=False)
    return found


def _lines(column: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.replace_substring(pc.replace_substring(column, "\r\n", "\n"), "\r", "\n")
