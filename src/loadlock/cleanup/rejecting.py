"""Makes rejects of the bad rows of a part: every problem of every row, without a loop over rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock import rows as shared
from loadlock.cleanup import queries
from loadlock.cleanup.plan import Finding, Plan
from loadlock.cleanup.python_checks import CheckResult
from loadlock.cleanup.steps import query, whole
from loadlock.digest import quote
from loadlock.model import Problem, Severity, Stage

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 120
"""Characters of a value in a message."""
KEPT = 4096
"""Characters of a value in a problem; the whole value is in the reject's `values`."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """The rejects of a part, and what was counted while making them."""

    table: pa.Table
    codes: list[tuple[str, str | None, int]]
    """(code, column, rows)."""
    by_finding: dict[int, int]
    """Index of the plan's finding → rows."""


@dataclass(frozen=True, kw_only=True)
class _Hits:
    """The rows (positions among the bad ones) in which one finding holds."""

    finding: Finding
    number: int
    """Index in the plan, -1 for Python checks."""
    positions: np.ndarray[Any, Any]


def row_rejects(
    plan: Plan, rows: pa.Table, part: pa.Table, bad: np.ndarray[Any, Any], checks: CheckResult, *, file_index: int
) -> Rejected:
    """Rejects of the rows at the indexes `bad` (ascending)."""
    if not len(bad):
        return Rejected(table=shared.reject_schema().empty_table(), codes=[], by_finding={})
    some = part.take(bad)
    details = query(plan.queries["rejects"], some)
    hits = [*_sql_hits(plan, details), *_python_hits(checks, bad)]
    problems = _problems(hits, details, some, len(bad))
    table = reject_rows(rows.take(bad), problems, file_index=file_index)
    codes = [(hit.finding.code, hit.finding.column, len(hit.positions)) for hit in hits]
    return Rejected(table=table, codes=codes, by_finding={h.number: len(h.positions) for h in hits if h.number >= 0})


def _sql_hits(plan: Plan, details: pa.Table) -> list[_Hits]:
    hits = []
    for number, finding in enumerate(plan.findings):
        if finding.severity == Severity.REJECT:
            positions = set_rows(details, "f", number)
            if len(positions):
                hits.append(_Hits(finding=finding, number=number, positions=positions))
    return hits


def set_rows(table: pa.Table, prefix: str, number: int) -> np.ndarray[Any, Any]:
    """The rows in which condition `number` of the packed columns holds."""
    word = whole(table[f"{prefix}{number // queries.BITS}"]).to_numpy()
    return np.flatnonzero(word & np.uint64(1 << (number % queries.BITS)))


def _python_hits(checks: CheckResult, bad: np.ndarray[Any, Any]) -> list[_Hits]:
    return [
        _Hits(finding=finding, number=-1, positions=np.searchsorted(bad, indexes))
        for finding, indexes in checks.found
        if finding.severity == Severity.REJECT and len(indexes)
    ]


def _problems(hits: Sequence[_Hits], details: pa.Table, some: pa.Table, count: int) -> pa.Array:
    """A list of problem structs for each bad row, in the order of the findings."""
    import pyarrow as pa

    structs = pa.chunked_array([_structs(hit, details, some) for hit in hits])
    positions = np.concatenate([hit.positions for hit in hits])
    order = np.argsort(positions, kind="stable")
    offsets = np.searchsorted(positions[order], np.arange(count + 1))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs.combine_chunks().take(pa.array(order)))


def _structs(hit: _Hits, details: pa.Table, some: pa.Table) -> pa.Array:
    import pyarrow as pa

    count = len(hit.positions)
    values = _values(hit, details, some)
    fields = shared.reject_schema().field("problems").type.value_type
    return pa.StructArray.from_arrays(
        [
            pa.repeat(pa.scalar(hit.finding.code, pa.string()), count),
            pa.repeat(pa.scalar(hit.finding.column, pa.string()), count),
            values,
            _messages(hit, values, details),
        ],
        fields=list(fields),
    )


def _values(hit: _Hits, details: pa.Table, some: pa.Table) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    name = hit.finding.value
    if name is None:
        return pa.nulls(len(hit.positions), pa.string())
    column = details[name] if name in details.column_names else some[name]
    return pc.utf8_slice_codeunits(whole(column).take(pa.array(hit.positions)).cast(pa.string()), 0, KEPT)


def _messages(hit: _Hits, values: pa.Array, details: pa.Table) -> pa.Array:
    """The finding's message with the value put in, or what the Python rule said."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if hit.finding.error is not None:
        return whole(details[hit.finding.error]).take(pa.array(hit.positions)).cast(pa.string())
    pieces = hit.finding.message.split("{value}")
    if len(pieces) == 1:
        return pa.repeat(pa.scalar(pieces[0], pa.string()), len(values))
    short = pc.utf8_slice_codeunits(values, 0, SHOWN)
    cut = pc.if_else(pc.equal(pc.fill_null(short, ""), pc.fill_null(values, "")), "'", "…'")
    shown = pc.if_else(
        pc.is_null(values), "nothing", pc.binary_join_element_wise("'", pc.fill_null(short, ""), cut, "")
    )
    parts: list[Any] = [pieces[0]]
    for piece in pieces[1:]:
        parts += [shown, piece]
    return pc.binary_join_element_wise(*parts, "").cast(pa.string())


def reject_rows(rows: pa.Table, problems: pa.Array, *, file_index: int) -> pa.Table:
    """Rejects (stage cleanup) of staged rows, one for each entry of `problems`."""
    import pyarrow as pa

    schema = shared.reject_schema()
    count = rows.num_rows
    columns: dict[str, Any] = {
        shared.FILE: pa.array(np.full(count, file_index, np.int32)),
        shared.SOURCE_FILE: whole(rows[shared.SOURCE_FILE]).cast(pa.string()),
        "stage": pa.repeat(pa.scalar(str(Stage.CLEANUP), pa.string()), count),
        "problems": problems,
        "values": staged_values(rows),
        "raw": pa.nulls(count, pa.binary()),
        "raw_truncated": pa.array(np.zeros(count, bool)),
    }
    for name in (shared.ROW, shared.SUB, shared.LINE, shared.OFFSET, shared.LENGTH):
        columns[name] = whole(rows[name])
    return pa.table([columns[name] for name in schema.names], schema=schema)


def staged_values(rows: pa.Table) -> pa.Array:
    """The staged values of each row as a JSON object by the files' column names.

    DuckDB writes the JSON (it never reads it here): the values are texts or null, written as JSON strings.
    """
    import pyarrow as pa

    own = (*shared.PROVENANCE, shared.SUB)
    indexes = [index for index, name in enumerate(rows.column_names) if name not in own]
    if not indexes:
        return pa.repeat(pa.scalar("{}", pa.string()), rows.num_rows)
    renamed = pa.table({f"r{n}": rows.column(index) for n, index in enumerate(indexes)})
    packed = ", ".join(f"{quote(rows.column_names[index])} := r{n}" for n, index in enumerate(indexes))
    return whole(query(f"select to_json(struct_pack({packed}))::varchar as v from part", renamed)["v"])


def record_rejects(raw: pa.Table, problems: Sequence[tuple[int, Problem]], *, file_index: int) -> pa.Table:
    """Rejects of records that could not be flattened."""
    found: dict[int, list[Problem]] = {}
    for index, problem in problems:
        found.setdefault(index, []).append(problem)
    place = raw.select([name for name in raw.column_names if name in shared.PROVENANCE]).take(list(found)).to_pylist()
    return shared.reject_table(
        shared.reject(
            problems=listed,
            stage=Stage.CLEANUP,
            file_index=file_index,
            source_file=row[shared.SOURCE_FILE],
            row=row[shared.ROW],
            line=row[shared.LINE],
            offset=row[shared.OFFSET],
            length=row[shared.LENGTH],
        )
        for listed, row in zip(found.values(), place, strict=True)
    )
