"""What needs all rows of a batch: unique values, repeated keys, questions over the batch.

Memory stays bounded: repeated keys are found by their hashes first, and only rows with such a hash are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.cleanup.plan import BatchCheck, Plan, UniqueCheck, WinnerRule
from loadlock.cleanup.prepared import query as query_part
from loadlock.cleanup.rejecting import reject_rows
from loadlock.cleanup.steps import whole
from loadlock.digest import digest_input, hash_query, hashes_of, quote, sum_of, with_texts
from loadlock.errors import LoadlockError
from loadlock.model import Severity
from loadlock.rows import FILE, IDENTITY, JSON_RECORD, ROW, SUB, reject_schema

if TYPE_CHECKING:
    import pyarrow as pa

NOT_UNIQUE = "not_unique"
SUPERSEDED = "superseded"

Query = Callable[[str], "pa.Table"]
"""Runs SQL over the view `rows`: all clean rows of the batch."""


@dataclass(frozen=True, kw_only=True)
class BatchFinding:
    """The verdict of one question over the batch."""

    message: str
    severity: str
    passed: bool
    value: str | None
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class BatchVerdict:
    """Rows that lose to another row, and the answers to the batch's questions."""

    losers: pa.Table
    """`_file`, `_row`, `_sub`, `reason` (`not_unique` | `superseded`), `column`, `value`, `message`; each row once."""
    findings: list[BatchFinding]


def losers_schema() -> pa.Schema:
    """The columns of `BatchVerdict.losers`."""
    import pyarrow as pa

    texts = [pa.field(name, pa.string()) for name in ("reason", "column", "value", "message")]
    return pa.schema([pa.field(FILE, pa.int32()), pa.field(ROW, pa.int64()), pa.field(SUB, pa.int32()), *texts])


def no_rows(plan: Plan) -> pa.Table:
    """What `rows` is where no part has a clean row: its columns alone."""
    import pyarrow as pa

    kinds = {FILE: pa.int32(), ROW: pa.int64(), SUB: pa.int32()}
    fields = [pa.field(name, kind.arrow()) for name, kind in plan.columns]
    return pa.schema([*fields, *(pa.field(name, kind) for name, kind in kinds.items())]).empty_table()


def judge_batch(plan: Plan, query: Query) -> BatchVerdict:
    """Judge the batch. Rows that lose for two reasons are named once: not unique before superseded."""
    import duckdb

    try:
        losers: list[pa.Table] = []
        for winner in plan.winners:
            losers.append(_repeated(query, _contest_of(winner), without=_union(losers)))
        findings = _unique(plan, query, losers)
        for key in plan.keys:
            contest = _Contest(columns=key, keep=plan.keep_duplicates, reason=SUPERSEDED)
            losers.append(_repeated(query, contest, without=_union(losers)))
        findings += [_answer(check, query) for check in plan.batch_checks]
    except duckdb.Error as error:
        first = str(error).strip().splitlines()[0]
        raise LoadlockError(
            f"the batch could not be judged: {first}", hint="Look at the checks over the batch."
        ) from error
    return BatchVerdict(losers=_union(losers), findings=findings)


@dataclass(frozen=True, kw_only=True)
class _Contest:
    """Which rows are rivals, which of them is kept, and what is said of the others."""

    columns: Sequence[str]
    keep: str
    reason: str
    message: str | None = None
    order: str | None = None
    nulls_equal: bool = False
    when: str | None = None


def _contest_of(winner: WinnerRule) -> _Contest:
    return _Contest(
        columns=winner.columns,
        keep=winner.keep,
        reason=SUPERSEDED,
        message=winner.message,
        order=winner.order,
        nulls_equal=winner.nulls_equal,
    )


def _unique(plan: Plan, query: Query, losers: list[pa.Table]) -> list[BatchFinding]:
    """Adds the rows that break a `unique` which rejects; gives the verdicts of the others."""
    findings = []
    for check in plan.uniques:
        contest = _Contest(
            columns=check.columns,
            keep=plan.keep_unique,
            reason=NOT_UNIQUE,
            message=check.message,
            when=check.when,
        )
        found = _repeated(query, contest, without=_union(losers))
        if check.severity == Severity.REJECT:
            losers.append(found)
        else:
            findings.append(_unique_finding(check, found.num_rows))
    return findings


def _unique_finding(check: UniqueCheck, repeated: int) -> BatchFinding:
    message = check.message or f"{', '.join(check.columns)} must be unique: {repeated:,} rows repeat another"
    return BatchFinding(
        message=message, severity=str(check.severity), passed=not repeated, value=str(repeated), path=check.path
    )


def _repeated(query: Query, contest: _Contest, *, without: pa.Table | None = None) -> pa.Table:
    """The rows that repeat another's values in the columns (nulls repeat nothing, unless they are said to be equal),
    without the one that is kept.

    Rows `without` have lost already: they beat no other row.
    """
    import pyarrow as pa

    names = [quote(name) for name in contest.columns]
    hashed = f"hash({', '.join(names)})"
    present = "true" if contest.nulls_equal else " and ".join(f"{name} is not null" for name in names)
    present += "" if contest.when is None else f" and coalesce(try({contest.when}), false)"
    order = [] if contest.order is None else [f"{quote(contest.order)} as o"]
    listed = ", ".join([*IDENTITY, *(f"{name} as k{n}" for n, name in enumerate(names)), *order])
    doubtful = f"select {hashed} as h from rows where {present} group by h having count(*) > 1"
    candidates = query(f"select {listed} from rows where {present} and {hashed} in ({doubtful})")
    if without is not None and without.num_rows and candidates.num_rows:
        candidates = candidates.join(without.select(list(IDENTITY)), keys=list(IDENTITY), join_type="left anti")
    if not candidates.num_rows:
        return losers_schema().empty_table()
    return _losers(candidates, contest).cast(pa.schema(losers_schema()))


def _losers(candidates: pa.Table, contest: _Contest) -> pa.Table:
    from loadlock.cleanup.prepared import query

    columns, keep, reason = contest.columns, contest.keep, contest.reason
    keys = ", ".join(f"k{n}" for n in range(len(columns)))
    order = "desc" if keep == "last" else "asc"
    by_value = "" if contest.order is None else f"o {'desc' if keep == 'greatest' else 'asc'} nulls last, "
    window = f"partition by {keys} order by {by_value}_file {order}, _row {order}, _sub {order}"
    shown = "concat_ws(', ', " + ", ".join(f"k{n}::varchar" for n in range(len(columns))) + ")"
    beaten = "count(*) over (partition by " + keys + ") > 1" if keep == "none" else f"row_number() over ({window}) > 1"
    said = _said(columns, keep, contest.message)
    return query(
        f"select _file, _row, _sub, '{reason}' as reason, {_literal(', '.join(columns))} as \"column\","
        f" {shown} as value, {said} as message from (select *, {beaten} as beaten,"
        f" first_value(_file) over ({window}) as win_file, first_value(_row) over ({window}) as win_row from part)"
        " where beaten order by _file, _row, _sub",
        candidates,
    )


def _said(columns: Sequence[str], keep: str, message: str | None) -> str:
    names = ", ".join(columns)
    if message is not None:
        return _literal(message)
    if keep == "none":
        return _literal(f"{names} stands in more than one row of the batch; none is kept")
    return (
        f"{_literal(names + ' stands also in row ')} || win_row || ' of file ' || (win_file + 1) || ', which is kept'"
    )


def _literal(text: str) -> str:
    from loadlock.cleanup._sql import literal

    return literal(text)


def _union(tables: Sequence[pa.Table]) -> pa.Table:
    """The tables one after another; a row that stands in several keeps its first entry."""
    import pyarrow as pa

    if not tables:
        return losers_schema().empty_table()
    found = pa.concat_tables(tables)
    if len(tables) == 1 or not found.num_rows:
        return found
    numbered = found.append_column("place", pa.array(range(found.num_rows), pa.int64()))
    first = numbered.group_by(list(IDENTITY), use_threads=False).aggregate([("place", "min")])
    return found.take(first["place_min"].combine_chunks().sort())


def _answer(check: BatchCheck, query: Query) -> BatchFinding:
    result = query(check.sql)
    value: Any = result.column(0)[0].as_py() if result.num_rows == 1 else None
    passed = value is True or (value is None and result.num_rows == 1)
    shown = f"{result.num_rows} rows" if result.num_rows != 1 else None if value is None else str(value).lower()
    return BatchFinding(
        message=check.message, severity=str(check.severity), passed=passed, value=shown, path=check.path
    )


def loser_rejects(raw: pa.Table, losers: pa.Table, *, file_index: int, plan: Plan | None = None) -> pa.Table:
    """Rejects of the rows of one raw part that are `not_unique`; `plan` is needed where records are flattened."""
    import pyarrow as pa
    import pyarrow.compute as pc

    own = losers.filter(pc.and_(pc.equal(losers["reason"], NOT_UNIQUE), pc.equal(losers[FILE], file_index)))
    if not own.num_rows or not raw.num_rows:
        return reject_schema().empty_table()
    rows = _staged(raw, own, plan)
    numbered = rows.select([ROW, SUB]).append_column("at", pa.array(range(rows.num_rows), pa.int64()))
    own = own.append_column("problem", pa.array(range(own.num_rows), pa.int64())).select([ROW, SUB, "problem"])
    joined = numbered.join(own, keys=[ROW, SUB], join_type="inner").sort_by("at")
    listed = losers.filter(pc.and_(pc.equal(losers["reason"], NOT_UNIQUE), pc.equal(losers[FILE], file_index)))
    problems = _problems(listed.take(joined["problem"]))
    return reject_rows(rows.take(joined["at"]), problems, file_index=file_index)


def _staged(raw: pa.Table, losers: pa.Table, plan: Plan | None) -> pa.Table:
    """The staged rows of the losers, flattened where the part holds JSON records."""
    import pyarrow as pa
    import pyarrow.compute as pc

    few = raw.filter(pc.is_in(raw[ROW], losers[ROW].combine_chunks()))
    if JSON_RECORD in raw.column_names:
        from loadlock.cleanup.flatten import flatten
        from loadlock.pipeline.model import Flatten

        return flatten(few, plan.flatten if plan else Flatten(), plan.wanted if plan else None).table
    return few.append_column(SUB, pa.repeat(pa.scalar(0, pa.int32()), few.num_rows))


def _problems(losers: pa.Table) -> pa.Array:
    """One problem for each row."""
    import pyarrow as pa

    fields = list(reject_schema().field("problems").type.value_type)
    codes = pa.repeat(pa.scalar(NOT_UNIQUE, pa.string()), losers.num_rows)
    columns = [codes, *(whole(losers[name]) for name in ("column", "value", "message"))]
    structs = pa.StructArray.from_arrays(columns, fields=fields)
    return pa.ListArray.from_arrays(pa.array(range(losers.num_rows + 1), pa.int32()), structs)


def digest_of_losers(clean: pa.Table, losers: pa.Table, plan: Plan) -> int:
    """The digest of those rows of a clean part that lose: to be taken off the batch's digest."""
    return digests_of_parts({0: clean.take(np.flatnonzero(lost(clean, losers)))}, plan)[0]


def digests_of_parts(parts: Mapping[int, pa.Table], plan: Plan) -> dict[int, int]:
    """The digest of each of some small tables of clean rows, by its number; with one query for all."""
    import pyarrow as pa

    filled = {number: table for number, table in parts.items() if table.num_rows}
    digests = dict.fromkeys(parts, 0)
    if not filled:
        return digests
    rows = with_texts(digest_input(pa.concat_tables(filled.values()), plan.columns), plan.columns, query_part)
    found = query_part(hash_query(plan.columns), rows)
    hashes = hashes_of(whole(found["h"]))
    ends = np.cumsum([table.num_rows for table in filled.values()])
    for (number, table), end in zip(filled.items(), ends.tolist(), strict=True):
        digests[number] = sum_of(hashes[end - table.num_rows : end])
    return digests


def lost(table: pa.Table, losers: pa.Table) -> np.ndarray[Any, Any]:
    """Which rows of a table (with `_file`, `_row`, `_sub`) are among the losers: one boolean a row."""
    found = np.zeros(table.num_rows, bool)
    if not table.num_rows or not losers.num_rows:
        return found
    rows, own = table[ROW].to_numpy(), losers[ROW].to_numpy()
    near = np.flatnonzero((own >= rows.min()) & (own <= rows.max()))
    places = np.flatnonzero(np.isin(rows, own[near]))
    keys = set(zip(*(losers[name].to_numpy()[near].tolist() for name in IDENTITY), strict=True))
    asked = zip(*(table[name].to_numpy()[places].tolist() for name in IDENTITY), strict=True)
    found[places] = [key in keys for key in asked]
    return found
