"""What another version of the rules makes of the rows of one part: who leaves the quarantine, who enters it, what changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.cleanup.steps import whole
from loadlock.rows import FILE, IDENTITY, ROW, SOURCE_FILE, SUB

if TYPE_CHECKING:
    import pyarrow as pa

CLEAN, REJECTED, LEFT_OUT = "clean", "rejected", "left_out"
"""What a row can become. Left out: skipped by a rule, or superseded by another row."""
_FATES = (LEFT_OUT, REJECTED, CLEAN)
_TRIED = 200
"""Changed cells of a column that are looked at for different examples."""
_LONGEST = 200


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of one part's rows under one version of the rules; rows in neither table were left out."""

    clean: pa.Table
    """Typed columns and the rows' identity, without the rows that lost to another one."""
    rejects: pa.Table
    """`rows.reject_schema()`: of cleanup and of the judgement over the batch."""


@dataclass(frozen=True, kw_only=True)
class ColumnChange:
    """A column's values in rows that are clean under both versions."""

    cells: int = 0
    examples: tuple[tuple[str | None, str | None], ...] = ()
    """(before, after), different ones."""
    retyped: bool = False
    """Whether the column is of another type: values are compared as they are written."""

    def plus(self, other: ColumnChange, limit: int) -> ColumnChange:
        """Both parts' together."""
        examples = tuple(dict.fromkeys((*self.examples, *other.examples)))[:limit]
        return ColumnChange(cells=self.cells + other.cells, examples=examples, retyped=self.retyped or other.retyped)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Two versions of the rules over some rows. Those of parts add up, in the parts' order."""

    limit: int = 5
    """Examples of each kind."""
    moves: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(fate before, fate after) → rows; rows left out by both are not known here."""
    left: Mapping[tuple[str, str | None], int] = field(default_factory=dict)
    """Of rows that leave the quarantine: (code, column) of their old problems → rows."""
    entered: Mapping[tuple[str, str | None], int] = field(default_factory=dict)
    """Of rows that enter it: (code, column) of their new problems → rows."""
    changed_rows: int = 0
    """Rows clean under both versions in which some value differs."""
    columns: Mapping[str, ColumnChange] = field(default_factory=dict)
    """Columns in which values differ, or of another type."""
    only_before: tuple[str, ...] = ()
    only_after: tuple[str, ...] = ()
    """Columns that only one version delivers."""
    left_examples: tuple[dict[str, Any], ...] = ()
    """`file, row, problems, after`: what held the row back, and what it is now (None where it is left out)."""
    entered_examples: tuple[dict[str, Any], ...] = ()
    """`file, row, problems, before`."""

    def __add__(self, other: Difference) -> Difference:
        columns = dict(self.columns)
        for name, change in other.columns.items():
            columns[name] = columns[name].plus(change, self.limit) if name in columns else change
        return replace(
            self,
            moves=_summed(self.moves, other.moves),
            left=_summed(self.left, other.left),
            entered=_summed(self.entered, other.entered),
            changed_rows=self.changed_rows + other.changed_rows,
            columns=columns,
            only_before=tuple(dict.fromkeys((*self.only_before, *other.only_before))),
            only_after=tuple(dict.fromkeys((*self.only_after, *other.only_after))),
            left_examples=(*self.left_examples, *other.left_examples)[: self.limit],
            entered_examples=(*self.entered_examples, *other.entered_examples)[: self.limit],
        )

    def rows(self, before: str, after: str) -> int:
        """How many rows go from one fate to another."""
        return self.moves.get((before, after), 0)

    @property
    def leave(self) -> int:
        """Rows that leave the quarantine."""
        return self.rows(REJECTED, CLEAN) + self.rows(REJECTED, LEFT_OUT)

    @property
    def enter(self) -> int:
        """Rows that enter the quarantine."""
        return self.rows(CLEAN, REJECTED) + self.rows(LEFT_OUT, REJECTED)

    @property
    def cells(self) -> int:
        """Values that differ in rows that are clean under both versions."""
        return sum(change.cells for change in self.columns.values())


def _summed(left: Mapping[Any, int], right: Mapping[Any, int]) -> dict[Any, int]:
    return {name: left.get(name, 0) + right.get(name, 0) for name in {**left, **right}}


def difference(before: Fate, after: Fate, *, limit: int = 5) -> Difference:
    """Compare what became of the same rows of one file under two versions of the rules."""
    numbered = _Numbered(before, after)
    was, now = numbered.fates(before), numbered.fates(after)
    moves = {
        (one, two): int(count)
        for first, one in enumerate(_FATES)
        for second, two in enumerate(_FATES)
        if (count := np.count_nonzero((was == first) & (now == second)))
    }
    rejected, clean = _FATES.index(REJECTED), _FATES.index(CLEAN)
    leave = numbered.every[(was == rejected) & (now != rejected)]
    enter = numbered.every[(was != rejected) & (now == rejected)]
    both = numbered.every[(was == clean) & (now == clean)]
    old, new = (fate.clean.take(numbered.places(fate.clean, both)) for fate in (before, after))
    changed, columns = _changed(old, new, limit)
    return Difference(
        limit=limit,
        moves=moves,
        left=_codes(before.rejects, numbered, leave),
        entered=_codes(after.rejects, numbered, enter),
        changed_rows=changed,
        columns=columns,
        only_before=tuple(name for name in _own(before.clean) if name not in after.clean.column_names),
        only_after=tuple(name for name in _own(after.clean) if name not in before.clean.column_names),
        left_examples=tuple(_examples(numbered, leave, before.rejects, after.clean, "after", limit)),
        entered_examples=tuple(_examples(numbered, enter, after.rejects, before.clean, "before", limit)),
    )


class _Numbered:
    """The rows of four tables under one number each: the row's and the one within its record."""

    def __init__(self, before: Fate, after: Fate) -> None:
        tables = [table for fate in (before, after) for table in (fate.clean, fate.rejects)]
        self._span = 1 + max((int(_numbers(table, SUB).max(initial=0)) for table in tables), default=0)
        self.every = np.unique(np.concatenate([self.of(table) for table in tables]))

    def of(self, table: pa.Table) -> np.ndarray[Any, Any]:
        """The numbers of a table's rows, in its order."""
        found: np.ndarray[Any, Any] = _numbers(table, ROW) * self._span + _numbers(table, SUB)
        return found

    def fates(self, fate: Fate) -> np.ndarray[Any, Any]:
        """The fate of each of `every`, as an index of `_FATES`."""
        found = np.zeros(len(self.every), np.int8)
        for table, name in ((fate.rejects, REJECTED), (fate.clean, CLEAN)):
            found[np.searchsorted(self.every, self.of(table))] = _FATES.index(name)
        return found

    def places(self, table: pa.Table, wanted: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Where the wanted rows that a table has lie in it, in the order of `wanted`."""
        own = self.of(table)
        order = np.argsort(own, kind="stable")
        found = np.searchsorted(own, wanted, sorter=order)
        has = np.flatnonzero(found < len(own))
        hit = order[found[has]]
        right: np.ndarray[Any, Any] = hit[own[hit] == wanted[has]]
        return right


def _numbers(table: pa.Table, name: str) -> np.ndarray[Any, Any]:
    """A column of numbers of the rows' identity; a reject of a whole record has no number within it."""
    found: np.ndarray[Any, Any] = whole(table[name].fill_null(0)).to_numpy(zero_copy_only=False)
    return found.astype(np.int64)


def _own(table: pa.Table) -> list[str]:
    return [name for name in table.column_names if name not in IDENTITY]


def _changed(old: pa.Table, new: pa.Table, limit: int) -> tuple[int, dict[str, ColumnChange]]:
    """Rows with a value that differs, and the columns; both tables hold the same rows in the same order."""
    found: dict[str, ColumnChange] = {}
    anywhere = np.zeros(old.num_rows, bool)
    for name in _own(old):
        if name not in new.column_names:
            continue
        before, after = whole(old[name]), whole(new[name])
        retyped = before.type != after.type
        differs = _differs(before, after)
        if not retyped and not differs.any():
            continue
        anywhere |= differs
        places = np.flatnonzero(differs)
        examples = _pairs(before, after, places[:_TRIED], limit)
        found[name] = ColumnChange(cells=len(places), examples=examples, retyped=retyped)
    return int(np.count_nonzero(anywhere)), found


def _differs(before: pa.Array, after: pa.Array) -> np.ndarray[Any, Any]:
    """Where two columns have different values; null is equal to null, and types to others by how they are written."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if before.type != after.type or pa.types.is_floating(before.type):
        before, after = before.cast(pa.string()), after.cast(pa.string())
    same = pc.fill_null(pc.equal(before, after), False)
    both_null = pc.and_(before.is_null(), after.is_null())
    found: np.ndarray[Any, Any] = pc.invert(pc.or_(same, both_null)).to_numpy(zero_copy_only=False)
    return found.astype(bool)


def _pairs(
    before: pa.Array, after: pa.Array, places: np.ndarray[Any, Any], limit: int
) -> tuple[tuple[str | None, str | None], ...]:
    texts = (_texts(column.take(places)) for column in (before, after))
    return tuple(dict.fromkeys(zip(*texts, strict=True)))[:limit]


def _texts(column: pa.Array) -> list[str | None]:
    import pyarrow as pa

    found: list[str | None] = column.cast(pa.string()).to_pylist()
    return [text if text is None or len(text) <= _LONGEST else text[:_LONGEST] + "…" for text in found]


def _codes(rejects: pa.Table, numbered: _Numbered, wanted: np.ndarray[Any, Any]) -> dict[tuple[str, str | None], int]:
    """(code, column) of the problems of some rejects → how many rejects have such a one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    chosen = rejects.take(np.flatnonzero(np.isin(numbered.of(rejects), wanted)))
    if not chosen.num_rows:
        return {}
    lists = whole(chosen["problems"])
    problems = lists.flatten()
    named = {"row": pc.list_parent_indices(lists)} | {
        name: pc.struct_field(problems, name) for name in ("code", "column")
    }
    each = pa.table(named).group_by(["row", "code", "column"]).aggregate([])
    counted = each.group_by(["code", "column"]).aggregate([([], "count_all")])
    return {(row["code"], row["column"]): row["count_all"] for row in counted.to_pylist()}


def _examples(
    numbered: _Numbered,
    wanted: np.ndarray[Any, Any],
    rejects: pa.Table,
    clean: pa.Table,
    side: str,
    limit: int,
) -> Iterator[dict[str, Any]]:
    """Some of the wanted rows, one of each sort of problem first, with their values where they are clean."""
    places = np.flatnonzero(np.isin(numbered.of(rejects), wanted))[:_TRIED]
    listed = rejects.select([FILE, SOURCE_FILE, ROW, SUB, "problems"]).take(places)
    rows = sorted(enumerate(listed.to_pylist()), key=_rank(listed))[:limit]
    for number, row in rows:
        at = numbered.places(clean, numbered.of(listed.slice(number, 1)))
        values = clean.take(at).to_pylist()
        document = {name: value for name, value in values[0].items() if name not in IDENTITY} if values else None
        sub = {"sub": row[SUB]} if row[SUB] else {}
        yield {"file": row[SOURCE_FILE], "row": row[ROW], **sub, "problems": row["problems"] or [], side: document}


def _rank(listed: pa.Table) -> Any:
    """Sorts rows by how many with the same first problem stand before them, then by their place."""
    seen: dict[Any, int] = {}
    ranks = []
    for problems in listed["problems"].to_pylist():
        first = (problems[0]["code"], problems[0]["column"]) if problems else None
        ranks.append(seen.get(first, 0))
        seen[first] = ranks[-1] + 1
    return lambda entry: (ranks[entry[0]], entry[0])
