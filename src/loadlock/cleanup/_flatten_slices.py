"""A raw part of JSON records, read slice by slice: known shapes by their patterns, the rest by the slow reader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from loadlock import rows
from loadlock.cleanup._flatten_columns import text_column
from loadlock.cleanup._flatten_shapes import Shape, Shapes
from loadlock.cleanup._flatten_tree import (
    RENAMED,
    VALUE,
    Node,
    Reader,
    RecordError,
    Row,
    elements_of,
    repeated,
    rows_of,
)
from loadlock.model import Problem
from loadlock.pipeline.model import Flatten

if TYPE_CHECKING:
    import pyarrow as pa

SLICE_ROWS = 8_192
"""Records that are held as Python values at a time."""

Tokens = Mapping[str, Sequence[bytes | None]]


@dataclass
class _Slow:
    """Rows of the slow reader: for each its record, its number within the record, and its cells."""

    records: list[int] = field(default_factory=list)
    subs: list[int] = field(default_factory=list)
    cells: list[dict[str, bytes]] = field(default_factory=list)

    def add(self, record: int, sub: int, cells: dict[str, bytes]) -> None:
        self.records.append(record)
        self.subs.append(sub)
        self.cells.append(cells)

    def tokens(self) -> Tokens:
        names = dict.fromkeys(name for cells in self.cells for name in cells)
        return {name: [cells.get(name) for cells in self.cells] for name in names}


@dataclass
class _Matched:
    """Records of one shape, and the values of its groups."""

    records: list[int] = field(default_factory=list)
    groups: list[tuple[bytes, ...]] = field(default_factory=list)

    def tokens(self, shape: Shape) -> Tokens:
        return dict(zip(shape.captured, zip(*self.groups, strict=True), strict=True))


@lru_cache(maxsize=8)
def _learned(settings: tuple[str, int | None], wanted: frozenset[str] | None) -> Shapes:
    """What was learned from earlier parts read in the same way (without opened arrays, which know no shapes)."""
    return Shapes(wanted)


class Slices:
    """Reads slices one after the other; gathers names and problems on the way."""

    def __init__(self, spec: Flatten, wanted: Sequence[str] | None) -> None:
        self.spec = spec
        self.reader = Reader(spec)
        self.wanted = None if wanted is None else frozenset(wanted)
        opens_arrays = spec.explode or spec.children or spec.arrays == "explode"
        self.shapes = None if opens_arrays else _learned((spec.separator, spec.depth), self.wanted)
        self.names: dict[str, None] = {}
        """All columns seen, wanted or not, in the order of first appearance."""
        self.problems: list[tuple[int, Problem]] = []

    def read(self, raw: pa.Table, at: int) -> pa.Table:
        """One slice: the columns that it has, then `_row` (here: the record's index in `raw`) and `_sub`."""
        texts = _texts(raw.slice(at, SLICE_ROWS))
        appeared: list[tuple[int, Sequence[str]]] = []
        matched, slow = self._match(texts, at, appeared)
        appeared += [(found.records[0], shape.names) for shape, found in matched.items()]
        for _, names in sorted(appeared, key=lambda one: one[0]):
            self.names.update(dict.fromkeys(names))
        pieces = [self._piece(found.tokens(shape), found.records, None) for shape, found in matched.items()]
        if slow.records:
            pieces.append(self._piece(slow.tokens(), slow.records, slow.subs))
        return self._in_order(pieces)

    def _match(
        self, texts: list[bytes], at: int, appeared: list[tuple[int, Sequence[str]]]
    ) -> tuple[dict[Shape, _Matched], _Slow]:
        matched: dict[Shape, _Matched] = {}
        slow = _Slow()
        shapes = list(self.shapes.known) if self.shapes else []
        known = len(shapes)
        for index, text in enumerate(texts, at):
            for shape in shapes:
                match = shape.match(text)
                if match is not None:
                    break
            else:
                appeared.append((index, self._read_slowly(text.decode(), index, slow)))
                if self.shapes and len(self.shapes.known) > known:
                    shapes = [*self.shapes.known[known:], *shapes]
                    known = len(shapes)
                continue
            if shape is not shapes[0]:
                # the next record is likely to be of the same shape
                shapes.remove(shape)
                shapes.insert(0, shape)
            if shape not in matched:
                matched[shape] = _Matched()
            found = matched[shape]
            found.records.append(index)
            found.groups.append(match.groups())
        return matched, slow

    def _read_slowly(self, text: str, index: int, slow: _Slow) -> Sequence[str]:
        """Add the record's rows, or its problems; returns the names of its columns."""
        read = self.record(text, index)
        if read is None:
            return ()
        found = read[1]
        if self.shapes:
            self.shapes.learn(text, found[0])
        for sub, row in enumerate(found):
            slow.add(index, sub, _cells(text, row, self.wanted))
        return list(dict.fromkeys(name for row in found for name, _ in row))

    def record(self, text: str, index: int) -> tuple[Node, list[Row]] | None:
        """The record as a tree and as rows; None where it has problems, which are gathered."""
        try:
            node, problems = self.reader.read(text)
        except RecordError as error:
            self.problems.append((index, error.problem))
            return None
        found = rows_of(node, self.spec.children.keys())
        # a key that stands twice leads to the same column twice: said once is enough
        problems = problems or _clashes(node, found, self.spec)
        self.problems += [(index, problem) for problem in problems]
        return None if problems else (node, found)

    def _piece(self, tokens: Tokens, records: list[int], subs: list[int] | None) -> pa.Table:
        import pyarrow as pa

        columns, bad = {}, set()
        for name, values in tokens.items():
            columns[name], broken = text_column(values)
            for index in broken:
                bad.add(records[index])
                self.problems.append((records[index], _no_text(name)))
        columns[rows.ROW] = pa.array(records, pa.int64())
        columns[rows.SUB] = pa.array([0] * len(records) if subs is None else subs, pa.int32())
        table = pa.table(columns)
        return table.filter(pa.array([record not in bad for record in records])) if bad else table

    @staticmethod
    def _in_order(pieces: list[pa.Table]) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        if len(pieces) == 1:
            return pieces[0]
        if not pieces:
            return pa.table({rows.ROW: pa.array([], pa.int64()), rows.SUB: pa.array([], pa.int32())})
        table = pa.concat_tables(pieces, promote_options="default").combine_chunks()
        return table.take(pc.sort_indices(table, sort_keys=[(rows.ROW, "ascending"), (rows.SUB, "ascending")]))


def children(raw: pa.Table, at: int, spec: Flatten) -> dict[str, pa.Table]:
    """The child rows of one slice by the child's name, as `Slices.read` gives rows."""
    found = Slices(spec, None)
    made = {name: _Slow() for name in spec.children.values()}
    for index, text in enumerate(_texts(raw.slice(at, SLICE_ROWS)), at):
        record = text.decode()
        read = found.record(record, index)
        if read is None:
            continue
        for path, name in spec.children.items():
            for sub, row in enumerate(_child_rows(read[0], path, spec)):
                made[name].add(index, sub, _cells(record, row, None))
    return {name: found._piece(slow.tokens(), slow.records, slow.subs) for name, slow in made.items()}


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
        origin = raw.select(provenance).take(piece[rows.ROW])
        tables.append(pa.table([*columns, *origin.columns, piece[rows.SUB]], schema=schema))
    return pa.concat_tables(tables)


def _child_rows(node: Node, path: str, spec: Flatten) -> Iterator[Row]:
    prefix = path + spec.separator
    for element in elements_of(node, path, spec.separator):
        for row in rows_of(element, spec.children.keys() - {path}, path):
            own = [(VALUE if name == path else name.removeprefix(prefix), leaf) for name, leaf in row]
            yield [(RENAMED.get(name, name), leaf) for name, leaf in own]


def _clashes(node: Node, found: Sequence[Row], spec: Flatten) -> list[Problem]:
    """Columns of the record or of its children to which two keys lead, each named once."""
    every = [*found, *(row for path in spec.children for row in _child_rows(node, path, spec))]
    return list(dict.fromkeys(problem for row in every for problem in repeated(row)))


def _cells(text: str, row: Row, wanted: frozenset[str] | None) -> dict[str, bytes]:
    return {name: text[leaf.start : leaf.end].encode() for name, leaf in row if wanted is None or name in wanted}


def _texts(part: pa.Table) -> list[bytes]:
    import pyarrow as pa

    column = part[rows.JSON_RECORD].cast(pa.binary())
    return [b"null" if text is None else text for text in column.to_pylist()]


def _no_text(name: str) -> Problem:
    message = "the text holds half of a surrogate pair (as \\ud83d), which is no character"
    return Problem(code="invalid_json", message=message, column=name)
