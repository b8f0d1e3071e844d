"""The kernel: one raw part and a plan in, clean rows, rejects and tallies out. Pure; the same on every engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.cleanup import queries
from loadlock.cleanup.amending import Amendment
from loadlock.cleanup.binding import Bound, bind, drift
from loadlock.cleanup.counting import Counted, count_part, examples_of
from loadlock.cleanup.filling import filled
from loadlock.cleanup.flatten import Flattened, flatten
from loadlock.cleanup.plan import Input, Plan
from loadlock.cleanup.prepared import query
from loadlock.cleanup.python_checks import run_checks
from loadlock.cleanup.rejecting import Marked, Texts, all_hits, record_rejects, row_rejects
from loadlock.cleanup.steps import whole
from loadlock.cleanup.tallies import Tallies
from loadlock.digest import hashes_of, sum_of
from loadlock.errors import LoadlockError
from loadlock.model import Problem
from loadlock.rows import FILE, JSON_RECORD, PROVENANCE, ROW, SUB

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class CleanPart:
    """What became of one raw part."""

    clean: pa.Table
    """The declared columns, typed; then `_file` int32, `_row` int64, `_sub` int32."""
    rejects: pa.Table
    """`rows.reject_schema()`, `raw` not yet filled in; all problems of each row."""
    dropped: pa.Table
    """Rows that a rule skipped: `_file`, `_row`, `_sub`, `reason`."""
    tallies: Tallies
    digest: int
    """Of the clean rows (sum of the rows' hashes modulo 2^128)."""
    staged: int
    exploded: int


def clean(raw: pa.Table, plan: Plan, *, file_index: int, amend: Amendment | None = None) -> CleanPart:
    """Clean one raw part of the file with this index, as operators amended it. Bad rows become rejects; only a broken
    plan raises."""
    import duckdb

    try:
        raw = raw if amend is None else amend.records(raw)
        flat = flat_rows(raw, plan)
        flat = flat if amend is None else amend.rows(flat, raw)
        rows = flat.table
        bound = bind(plan.inputs, rows.column_names)
        part = staged_part(rows, plan, bound, nested=JSON_RECORD in raw.column_names)
        part = filled(part, rows, plan.fills, plan.decisions, file_index)
        for step in plan.steps:
            part = step.run(part)
        return _Part(plan, flat, part, file_index, amend or Amendment()).cleaned(raw, bound)
    except duckdb.Error as error:
        raise LoadlockError(
            f"cleanup failed: {str(error).strip().splitlines()[0]}", hint="Please report this with the pipeline."
        ) from error


def flat_rows(raw: pa.Table, plan: Plan) -> Flattened:
    """The part's rows with text columns; for JSON, the records flattened."""
    import pyarrow as pa

    if JSON_RECORD in raw.column_names:
        source = plan.pipeline.source
        return flatten(raw, source.flatten, plan.wanted, strict=source.drift == "reject")
    zeros = pa.array(np.zeros(raw.num_rows, np.int32))
    return Flattened(table=raw.append_column(SUB, zeros), problems=[], exploded=0)


def staged_part(rows: pa.Table, plan: Plan, bound: Bound, *, nested: bool) -> pa.Table:
    """The inputs of the plan under their internal names; null where the part has no such column.

    `nested`: the rows are JSON records, which may differ in their keys: each takes its first candidate that is not null.
    """
    import pyarrow as pa

    arrays: dict[str, Any] = {}
    for entry in plan.inputs:
        index = bound.indexes.get(entry.name)
        column = pa.nulls(rows.num_rows, pa.string()) if index is None else whole(rows.column(index))
        column = column if column.type == pa.string() else column.cast(pa.string())
        arrays[entry.name] = _first_present(column, rows, entry) if nested and column.null_count else column
    return pa.table(arrays or {"nothing": pa.nulls(rows.num_rows)})


def _first_present(column: pa.Array, rows: pa.Table, entry: Input) -> pa.Array:
    import pyarrow.compute as pc

    others = [whole(rows[name]) for name in entry.candidates if name in rows.column_names and name not in PROVENANCE]
    return pc.coalesce(column, *others) if len(others) > 1 else column


class _Part:
    """One part on its way through the plan's queries."""

    def __init__(self, plan: Plan, flat: Flattened, part: pa.Table, file_index: int, amend: Amendment) -> None:
        self.plan = plan
        self.amend = amend
        self.flat = flat
        self.rows = flat.table
        self.part = part
        self.file_index = file_index
        self.main = query(plan.queries["main"], part)

    def cleaned(self, raw: pa.Table, bound: Bound) -> CleanPart:
        plan, problems, exploded = self.plan, self.flat.problems, self.flat.exploded
        checks = run_checks(plan, [self.column(name) for name in plan.finals])
        bad = flags(self.main[queries.BAD]) | checks.rejecting(self.rows.num_rows)
        marked = Marked(self.column)
        spared, hits = self.amend.spared(self.rows, all_hits(plan, marked, checks))
        bad[spared] = False
        skipped = ~bad & ~flags(whole(self.main[queries.SKIP]).is_null())
        given_up = self.amend.given_up(self.rows, bad | skipped)
        bad[given_up.rows] = True
        keep = ~bad & ~skipped
        changed = [marked.rows(place) for place in plan.changed_in]
        texts = self.texts(np.unique(np.concatenate([np.flatnonzero(bad), *examples_of(plan, changed, self.part)])))
        table = self.clean_table(keep)
        rejects = self.rejects(raw, problems, row_rejects(
            self.as_staged, np.flatnonzero(bad), [*hits, given_up], texts, file_index=self.file_index
        ))  # fmt: skip
        tallies = count_part(plan, Counted(
            staged=self.staged(raw), exploded=exploded, clean=table, rejected=rejects.num_rows, skipped=int(skipped.sum()),
            part=self.part, changed=changed, hits=hits, texts=texts, records=problems, bound=bound,
            found=self.found(bound), unnamed=self.unnamed(),
        ))  # fmt: skip
        return CleanPart(
            clean=table,
            rejects=rejects,
            dropped=self.dropped(skipped),
            tallies=tallies,
            digest=self.digest(keep),
            staged=self.staged(raw),
            exploded=exploded,
        )

    @property
    def as_staged(self) -> pa.Table:
        """The rows without corrections."""
        return self.rows if self.flat.original is None else self.flat.original

    def staged(self, raw: pa.Table) -> int:
        """The rows that were to be cleaned."""
        return raw.num_rows if self.flat.staged is None else self.flat.staged

    def texts(self, rows: np.ndarray[Any, Any]) -> Texts:
        """The texts of the rows at these indexes."""
        if not len(rows):
            return Texts(rows=rows, table=self.part.slice(0, 0))
        return Texts(rows=rows, table=query(self.plan.queries["texts"], self.part.take(rows)))

    def rejects(self, raw: pa.Table, problems: list[tuple[int, Problem]], found: pa.Table) -> pa.Table:
        """Rejects of records that could not be flattened, then those of rows."""
        import pyarrow as pa

        return (
            pa.concat_tables([record_rejects(raw, problems, file_index=self.file_index), found]) if problems else found
        )

    def column(self, name: str) -> pa.Array:
        """A column of the query over the row, or of the part as its steps left it."""
        return whole(self.main[name] if name in self.main.column_names else self.part[name])

    def clean_table(self, keep: np.ndarray[Any, Any]) -> pa.Table:
        import pyarrow as pa

        pairs = zip(self.plan.finals, self.plan.columns, strict=True)
        arrays = [self.column(name).cast(kind.arrow()) for name, (_, kind) in pairs]
        arrays += self.identity()
        fields = [pa.field(name, kind.arrow()) for name, kind in self.plan.columns]
        fields += [pa.field(FILE, pa.int32()), pa.field(ROW, pa.int64()), pa.field(SUB, pa.int32())]
        table = pa.Table.from_arrays(arrays, schema=pa.schema(fields))
        return table if keep.all() else table.filter(pa.array(keep))

    def identity(self) -> list[pa.Array]:
        import pyarrow as pa

        files = pa.array(np.full(self.rows.num_rows, self.file_index, np.int32))
        return [files, whole(self.rows[ROW]), whole(self.rows[SUB])]

    def dropped(self, skipped: np.ndarray[Any, Any]) -> pa.Table:
        import pyarrow as pa

        table = pa.table(dict(zip((FILE, ROW, SUB), self.identity(), strict=True))).filter(pa.array(skipped))
        which = whole(self.main[queries.SKIP]).filter(pa.array(skipped))
        reasons = pa.array([reason for reason, _ in self.plan.skips], pa.string())
        return table.append_column("reason", reasons.take(which))

    def digest(self, keep: np.ndarray[Any, Any]) -> int:
        """The sum of the kept rows' hashes."""
        return sum_of(hashes_of(whole(self.main[queries.HASH]))[keep])

    def found(self, bound: Bound) -> list[str]:
        """Declared columns that this part has. Flattening makes every wanted column: there it must have a value."""
        nested = self.plan.wanted is not None and SUB in self.rows.column_names
        return [
            entry.column
            for entry in self.plan.inputs
            if entry.name in bound.indexes
            and not (nested and self.part[entry.name].null_count == self.part.num_rows > 0)
        ]

    def unnamed(self) -> dict[str, int]:
        """Values in columns that the pipeline doesn't name."""
        names = [name for name in self.rows.column_names if name not in PROVENANCE]
        extra = drift(names, self.plan)
        found = {name: self.rows.num_rows - self.rows[names.index(name)].null_count for name in extra}
        return found | self.flat.unnamed


def flags(column: Any) -> np.ndarray[Any, Any]:
    """A boolean column as NumPy."""
    found: np.ndarray[Any, Any] = whole(column).to_numpy(zero_copy_only=False)
    return found.astype(bool)
