"""A raw part of JSON records, read slice by slice: sound records at once, odd ones by themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from loadlock import rows
from loadlock.cleanup._flatten_alike import Alike, find_alike
from loadlock.cleanup._flatten_columns import text_column
from loadlock.cleanup._flatten_fast import Fast
from loadlock.cleanup._flatten_scan import Positions
from loadlock.cleanup._flatten_sound import adjacent_text, all_sound, are_sound, joined_text, sound_records
from loadlock.cleanup._flatten_tree import (
    Node,
    Reader,
    RecordError,
    Row,
    child_rows,
    parent_rows,
    undecided,
)
from loadlock.model import Problem
from loadlock.pipeline.model import Flatten

if TYPE_CHECKING:
    import pyarrow as pa

SLICE_BYTES = 3 << 19
"""Text that is worked on at a time, about; what is known of its tokens takes many times that."""

_SHOWN = 5
"""Columns that are named in a message."""


def slices(raw: pa.Table) -> Iterator[tuple[int, int]]:
    """(first record, behind the last) of each slice of a raw part."""
    import pyarrow.compute as pc

    if not raw.num_rows:
        return
    sizes = pc.fill_null(pc.binary_length(raw[rows.JSON_RECORD]), 4).to_numpy().astype(np.int64)
    number = np.cumsum(sizes) // SLICE_BYTES
    bounds = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), raw.num_rows]
    yield from pairwise(bounds)


@dataclass
class _Slow:
    """Rows of records read by themselves: for each its record, its number within the record, and its cells."""

    records: list[int] = field(default_factory=list)
    subs: list[int] = field(default_factory=list)
    cells: list[dict[str, bytes]] = field(default_factory=list)

    def add(self, record: int, text: str, found: Sequence[Row], wanted: frozenset[str] | None) -> None:
        for row in found:
            sub = self.subs[-1] + 1 if self.records and self.records[-1] == record else 0
            self.records.append(record)
            self.subs.append(sub)
            self.cells.append(_cells(text, row, wanted))

    def table(self, problems: list[tuple[int, Problem]], null_text: str | None) -> pa.Table:
        """The rows; records with half a character have none, and `problems` says so."""
        import pyarrow as pa

        columns, bad = {}, set()
        for name in dict.fromkeys(name for cells in self.cells for name in cells):
            columns[name], broken = text_column([cells.get(name) for cells in self.cells], null_text)
            for index in broken:
                bad.add(self.records[index])
                problems.append((self.records[index], _no_text(name)))
        columns[rows.ROW] = pa.array(self.records, pa.int64())
        columns[rows.SUB] = pa.array(self.subs, pa.int32())
        table = pa.table(columns)
        return table.filter(pa.array([record not in bad for record in self.records])) if bad else table


class _Group(NamedTuple):
    """Records that are read at once: their indexes, and what was found."""

    indexes: Positions
    found: Fast | Alike


class Slices:
    """Reads slices one after the other; gathers names and problems on the way."""

    def __init__(self, spec: Flatten, wanted: Sequence[str] | None, *, strict: bool = False) -> None:
        """`strict`: records with columns that are not wanted have a problem."""
        self.spec = spec
        self.reader = Reader(spec)
        self.wanted = None if wanted is None else frozenset(wanted)
        self._strict = strict and wanted is not None
        self._refused: set[int] = set()
        self._may_be_alike = True
        self.names: dict[str, None] = {}
        """All columns seen, in the order of first appearance; not complete where the wanted ones are named."""
        self.unnamed: Counter[str] = Counter()
        """Values in columns that are not wanted."""
        self.problems: list[tuple[int, Problem]] = []

    def read(self, raw: pa.Table, begin: int, end: int) -> pa.Table:
        """One slice: the columns that it has, then `_row` (here: the record's index in `raw`) and `_sub`."""
        texts, groups = self._groups(raw, begin, end)
        appeared = self._appeared(groups)
        slow = _Slow()
        for index in _others(groups, begin, end):
            text = texts[index - begin]
            read = self.record(text, index)
            if read is not None:
                leaves = [(leaf.start, name) for row in read[1] for name, leaf in row]
                appeared += [(index, start, name) for start, name in leaves]
                if self.wanted is not None:
                    values = {name for row in read[1] for name, leaf in row if text[leaf.start] != "n"}
                    self.unnamed.update(values - self.wanted)
                slow.add(index, text, read[1], self.wanted)
        self.names.update(dict.fromkeys(name for *_, name in sorted(appeared)))
        if self.wanted is not None:
            for group in groups:
                self.unnamed.update(group.found.values(self.wanted))
        return self._together(groups, 0, slow)

    def _appeared(self, groups: Sequence[_Group]) -> list[tuple[int, int, str]]:
        """(record, place, name) of the columns; not looked for where the columns to give are named."""
        if self.wanted:
            return []
        return [
            (int(group.indexes[record]), place, name) for group in groups for record, place, name in group.found.names()
        ]

    def children(self, raw: pa.Table, begin: int, end: int) -> dict[str, pa.Table]:
        """The child rows of one slice by the child's name, as `read` gives rows."""
        texts, groups = self._groups(raw, begin, end)
        slow = {path: _Slow() for path in self.spec.children}
        for index in _others(groups, begin, end):
            text = texts[index - begin]
            read = self.record(text, index)
            if read is None:
                continue
            for path in self.spec.children:
                slow[path].add(index, text, list(child_rows(read[0], path, self.spec)), None)
        return {
            name: self._together(groups, number, slow[path])
            for number, (path, name) in enumerate(self.spec.children.items(), 1)
        }

    def _groups(self, raw: pa.Table, begin: int, end: int) -> tuple[_Texts, list[_Group]]:
        """The slice's texts, and the records that are read at once: those that are written alike, and others."""
        texts = raw[rows.JSON_RECORD].slice(begin, end - begin).combine_chunks()
        rest, chosen = texts, np.arange(len(texts))
        if texts.null_count or not (are_sound(raw) or all_sound(texts)):
            chosen = sound_records(texts)
            rest = texts.take(chosen)
        groups = []
        if len(chosen) and (alike := self._alike(rest)):
            groups.append(_Group(chosen[alike.records] + begin, alike))
            chosen = np.delete(chosen, alike.records)
            rest = texts.take(chosen)
        while len(chosen):
            fast = Fast(*joined_text(rest), self.spec)
            left_out = fast.odd if len(fast.odd) else self._refuse(fast, chosen + begin)
            if not len(left_out):
                groups.append(_Group(chosen + begin, fast))
                break
            chosen = np.delete(chosen, left_out)
            rest = texts.take(chosen)
        return _Texts(texts), groups

    def _alike(self, texts: pa.Array) -> Alike | None:
        """The records that are written alike. Where few of a slice are, the later ones are not looked at."""
        found = find_alike(*adjacent_text(texts), self.spec) if self._may_be_alike else None
        self._may_be_alike = found is not None
        return None if found is None or (self._strict and not found.columns <= (self.wanted or set())) else found

    def _refuse(self, fast: Fast, indexes: Positions) -> Positions:
        """The numbers of the records that are refused for their columns; their problems are gathered."""
        found = fast.unnamed(self.wanted or ()) if self._strict else {}
        self.problems += [(int(indexes[number]), _unnamed(names)) for number, names in found.items()]
        self._refused.update(int(indexes[number]) for number in found)
        return np.array(list(found), dtype=np.int64)

    def record(self, text: str, index: int) -> tuple[Node, list[Row]] | None:
        """The record as a tree and as rows; None where it has problems, which are gathered."""
        if index in self._refused:
            return None
        try:
            node, repeats = self.reader.read(text)
        except RecordError as error:
            self.problems.append((index, error.problem))
            return None
        found = parent_rows(node, self.spec)
        wanted = self.wanted
        problems = [] if wanted is None else undecided(repeats, found, wanted, self.spec.separator)
        extra = dict.fromkeys(name for row in found for name, _ in row if name not in (wanted or ()))
        if self._strict and extra:
            problems.append(_unnamed(list(extra)))
        self.problems += [(index, problem) for problem in problems]
        return None if problems else (node, found)

    def _together(self, groups: Sequence[_Group], number: int, slow: _Slow) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        pieces = []
        for group in groups:
            table = group.found.table(number, self.wanted if number == 0 else None)
            row = pa.array(group.indexes[table[rows.ROW].to_numpy()])
            pieces.append(table.set_column(table.column_names.index(rows.ROW), rows.ROW, row))
        if slow.records or not groups:
            pieces.append(slow.table(self.problems, self.spec.null_text))
        if len(pieces) == 1:
            return pieces[0]
        table = pa.concat_tables(pieces, promote_options="default").combine_chunks()
        return table.take(pc.sort_indices(table, sort_keys=[(rows.ROW, "ascending"), (rows.SUB, "ascending")]))


class _Texts:
    """The texts of a slice as Python strings, one by one."""

    def __init__(self, texts: pa.Array) -> None:
        self._texts = texts

    def __getitem__(self, index: int) -> str:
        text: str | None = self._texts[index].as_py()
        return "null" if text is None else text


def _others(groups: Sequence[_Group], begin: int, end: int) -> list[int]:
    """The records of a slice that are in none of the groups."""
    others = np.ones(end - begin, dtype=bool)
    for group in groups:
        others[group.indexes - begin] = False
    found: list[int] = (np.flatnonzero(others) + begin).tolist()
    return found


def joined(raw: pa.Table, pieces: Sequence[pa.Table], names: Sequence[str]) -> pa.Table:
    """The pieces as one table: the columns `names` (null where a piece lacks one), the provenance of `raw`, `_sub`."""
    import pyarrow as pa

    provenance = [name for name in raw.column_names if name != rows.JSON_RECORD]
    fields = [*(pa.field(name, pa.string()) for name in names), *(raw.schema.field(name) for name in provenance)]
    schema = pa.schema([*fields, pa.field(rows.SUB, pa.int32())])
    tables = [schema.empty_table()]
    for piece in pieces:
        have = set(piece.column_names)
        columns = [piece[name] if name in have else pa.nulls(piece.num_rows, pa.string()) for name in names]
        origin = _origin(raw.select(provenance), piece[rows.ROW].to_numpy())
        tables.append(pa.table([*columns, *origin.columns, piece[rows.SUB]], schema=schema))
    return pa.concat_tables(tables)


def _origin(provenance: pa.Table, indexes: Positions) -> pa.Table:
    """The provenance of these records."""
    import pyarrow as pa

    count = len(indexes)
    if count and indexes[-1] - indexes[0] == count - 1 and (np.diff(indexes) == 1).all():
        return provenance.slice(int(indexes[0]), count)
    return provenance.take(pa.array(indexes))


def _cells(text: str, row: Row, wanted: frozenset[str] | None) -> dict[str, bytes]:
    return {name: text[leaf.start : leaf.end].encode() for name, leaf in row if wanted is None or name in wanted}


def _unnamed(names: Sequence[str]) -> Problem:
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    message = f"the pipeline doesn't name what the record has: {shown}"
    return Problem(code="drift", message=message, column=names[0])


def _no_text(name: str) -> Problem:
    message = "the text holds half of a surrogate pair (as \\ud83d), which is no character"
    return Problem(code="invalid_json", message=message, column=name)
