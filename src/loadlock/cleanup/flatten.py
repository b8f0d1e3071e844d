"""Nested JSON records become rows of text columns: the first step of cleanup.

Values are slices of the record's own text: strings lose their quotes and escapes, everything else (numbers, true,
false, arrays, objects that are not opened) stays as written; missing and null become null. Columns are named as
`pandas.json_normalize` names them, by the keys joined with the separator; an empty object, which pandas drops, is kept
as `{}`. A record that is no object becomes the column `value`. A key named like a provenance column (`_row`) becomes
the column `_row_2`. A key that stands twice, or two keys that lead to one column, are a problem, never a choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadlock import rows
from loadlock.cleanup._flatten_slices import Slices, joined, slices
from loadlock.model import Problem
from loadlock.pipeline.model import Flatten

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Flattened:
    """A raw part as rows of text."""

    table: pa.Table
    """Text columns, then the provenance columns of the raw part and `_sub` (int32). Records with a problem have no row."""
    problems: list[tuple[int, Problem]]
    """(index of the record in the raw part, why it is no row), in that order; one record may have several."""
    exploded: int
    """Rows beyond one a record: table rows = raw rows - records with a problem + exploded."""
    unnamed: dict[str, int] = field(default_factory=dict)
    """Columns that are there and not wanted → how many values they have."""
    staged: int | None = None
    """Where rows were chosen: how many were asked for."""
    original: pa.Table | None = None
    """The table before values were corrected, where some were."""


def flatten(raw: pa.Table, spec: Flatten, wanted: Sequence[str] | None = None, *, strict: bool = False) -> Flattened:
    """The rows of a raw part of a JSON format (column `_json`, then provenance).

    `wanted` names the columns to give, in this order, null where no record has them; None gives all columns of this
    part, in the order of first appearance. `strict`: a record with a column that is not wanted has a problem. Never
    raises on any text. Threads may call it at the same time.
    """
    found = Slices(spec, wanted, strict=strict)
    pieces = [found.read(raw, begin, end) for begin, end in slices(raw)]
    table = joined(raw, pieces, list(found.names) if wanted is None else list(wanted))
    found.problems.sort(key=lambda one: one[0])
    bad = len({index for index, _ in found.problems})
    exploded = table.num_rows - (raw.num_rows - bad)
    return Flattened(table=table, problems=found.problems, exploded=exploded, unnamed=dict(found.unnamed))


def column_names(raw: pa.Table, spec: Flatten) -> list[str]:
    """The columns that `flatten` would give, in the order of first appearance."""
    found = Slices(spec, ())
    for begin, end in slices(raw):
        found.read(raw, begin, end)
    return list(found.names)


def child_tables(raw: pa.Table, spec: Flatten) -> dict[str, pa.Table]:
    """The child tables of `spec.children` by their names: one row an element of the array at the path.

    Columns are the element's fields (an element that is no object: `value`), then the provenance columns of the parent
    and `_sub`, which numbers the rows within the record from 0. Records with a problem have no rows here either.
    """
    found = Slices(spec, None)
    read = [found.children(raw, begin, end) for begin, end in slices(raw)]
    made = {}
    for name in spec.children.values():
        pieces = [tables[name] for tables in read]
        names = dict.fromkeys(column for piece in pieces for column in piece.column_names)
        made[name] = joined(raw, pieces, [column for column in names if column not in (rows.ROW, rows.SUB)])
    return made
