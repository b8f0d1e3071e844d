"""Finds the row of a chunk that a DuckDB table would refuse, before it is sent.

A statement that fails ends DuckDB's whole transaction (it has no savepoints), so the constraints are asked by SQL over
the chunk, the chunks before it and the target.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loadlock.delivery.base import ColumnInfo, DeliveryColumn, Job
from loadlock.delivery.destinations._duckdb_shape import Constraint, Shape
from loadlock.delivery.destinations._local import Spool, delivered_columns
from loadlock.delivery.destinations._versions import Versions
from loadlock.delivery.names import TableName, quote_ansi
from loadlock.errors import Refusal
from loadlock.model import WriteMode

CHUNK = "_loadlock_chunk"
"""The chunk as a relation: the spool's columns and `_n`, the row's index."""
_TYPE_NAMES = {"timestamptz": "timestamp with time zone"}


@dataclass(frozen=True, kw_only=True)
class Chunked:
    """The job's columns over the spool's names: what a row will be in the target, as SQL."""

    job: Job
    name: TableName
    shape: Shape
    parent: str | None = None
    """The parent's table, for a child table: its rows come in the publishing transaction."""
    versions: Versions | None = None
    """In mode scd2."""

    @property
    def columns(self) -> tuple[DeliveryColumn, ...]:
        return delivered_columns(self.job)

    @property
    def target(self) -> str:
        return self.name.sql(quote_ansi)

    def info(self, column: DeliveryColumn) -> ColumnInfo:
        found = self.shape.info.column(column.name)
        assert found is not None  # the contract was checked
        return found

    def value(self, column: str, *, prefix: str = "") -> str:
        """The column's value in the target's type; null where it can't be cast (such rows are refused before)."""
        names = [c.name for c in self.columns]
        index = names.index(column)
        found = self.info(self.columns[index])
        source = f"{prefix}c{index}"
        if found.sql_type.lower() == _TYPE_NAMES.get(self.columns[index].type.kind, self.columns[index].type.duckdb):
            return source
        return f"try_cast({source} as {found.sql_type})"

    def delivers(self, columns: Sequence[str]) -> bool:
        return {column.name for column in self.columns}.issuperset(columns)


def refusal(connection: Any, chunked: Chunked, spool: Spool) -> Refusal | None:
    """Why the first unfit row of the registered chunk is unfit, or None."""
    found = [*_values(connection, chunked), *_checks(connection, chunked), *_parents(connection, chunked)]
    # a merge by key needs no unique index, but a key must not stand in the batch twice
    key = (chunked.job.key,) if chunked.job.mode.has_unique_key and chunked.job.key else ()
    for columns in dict.fromkeys((*key, *chunked.shape.info.unique)):
        if chunked.delivers(columns):
            found += _repeats(connection, chunked, columns, spool)
    return min(found, key=lambda refused: refused.row or 0, default=None)


def _values(connection: Any, chunked: Chunked) -> Iterator[Refusal]:
    tests = []
    for index, column in enumerate(chunked.columns):
        info = chunked.info(column)
        if not info.nullable:
            tests.append((f"c{index} is null", "not_null", column.name, f"{column.name} must not be null"))
        value = chunked.value(column.name)
        if value != f"c{index}":
            bad = f"c{index} is not null and ({_changed(index, value, column)})"
            message = f"{column.name} does not fit {info.sql_type}"
            tests.append((bad, "value", column.name, message))
    if not tests:
        return
    sums = ", ".join(f"min(_n) filter (where {test})" for test, *_ in tests)
    rows = connection.execute(f"select {sums} from {CHUNK}").fetchall()[0]
    for row, (_, code, name, message) in zip(rows, tests, strict=True):
        if row is not None:
            yield Refusal(message=message, code=code, column=name, row=row)


def _changed(index: int, value: str, column: DeliveryColumn) -> str:
    """Whether a cast fails or loses something: cast back, it must be the value again."""
    if column.type.kind in ("json", "uuid", "text"):
        return f"{value} is null"
    return f"{value} is null or try_cast({value} as {column.type.duckdb}) is distinct from c{index}"


def _checks(connection: Any, chunked: Chunked) -> Iterator[Refusal]:
    checks = [c for c in chunked.shape.constraints if c.kind == "CHECK"]
    if not checks:
        return
    given = {column.name for column in chunked.columns}
    row = [f"{chunked.value(column.name)} as {quote_ansi(column.name)}" for column in chunked.columns]
    row += [
        f"{chunked.shape.defaults.get(info.name, 'null')}::{info.sql_type} as {quote_ansi(info.name)}"
        for info in chunked.shape.info.columns
        if info.name not in given
    ]
    for check in checks:
        found = _first(connection, f"select _n, {', '.join(row)} from {CHUNK}", f"not ({check.expression})")
        if found is not None:
            yield Refusal(message=f"{check.text} does not hold", code="check", constraint=check.text, row=found)


def _parents(connection: Any, chunked: Chunked) -> Iterator[Refusal]:
    for key in chunked.shape.constraints:
        # a table that points to itself is left to the database: a parent may stand in a later chunk
        if (
            key.kind != "FOREIGN KEY"
            or not chunked.delivers(key.columns)
            or key.referenced_table in (chunked.name.table, chunked.parent)
        ):
            continue
        parent = chunked.name.beside(str(key.referenced_table)).sql(quote_ansi)
        pairs = zip(key.columns, key.referenced_columns, strict=True)
        joined = " and ".join(f"p.{quote_ansi(there)} = {chunked.value(here, prefix='c.')}" for here, there in pairs)
        filled = " and ".join(f"{chunked.value(here, prefix='c.')} is not null" for here in key.columns)
        found = _first(
            connection, f"select c._n from {CHUNK} c where {filled} and not exists (from {parent} p where {joined})"
        )
        if found is not None:
            yield _broken(key, found)


def _broken(key: Constraint, row: int) -> Refusal:
    return Refusal(
        message=f"no such row in {key.referenced_table}: {key.text}",
        code="foreign_key",
        constraint=key.text,
        column=key.columns[0] if len(key.columns) == 1 else None,
        row=row,
    )


def _repeats(connection: Any, chunked: Chunked, columns: tuple[str, ...], spool: Spool) -> Iterator[Refusal]:
    """Rows whose unique values stand in the chunk before them, in an earlier chunk, or in a row that stays."""
    values = [chunked.value(name, prefix="c.") for name in columns]
    filled = " and ".join(f"{value} is not null" for value in values)
    numbered = (
        f"select c._n, row_number() over (partition by {', '.join(values)} order by c._n) as nth"
        f" from {CHUNK} c where {filled}"
    )
    places = [(_first(connection, numbered, "nth > 1"), "in an earlier row of the batch")]
    if spool.paths:
        same = _equal(values, [chunked.value(name, prefix="s.") for name in columns])
        query = f"select c._n from {CHUNK} c where exists (from {spool.sql()} s where {same})"
        places.append((_first(connection, query), "in an earlier row of the batch"))
    if stays := _staying(chunked, columns, values):
        places.append((_first(connection, f"select c._n from {CHUNK} c where exists ({stays})"), "in the table"))
    for row, place in places:
        if row is not None:
            text = ", ".join(columns)
            yield Refusal(
                message=f"{text} must be unique, and stands {place} already",
                code="unique",
                constraint=f"UNIQUE({text})",
                column=columns[0] if len(columns) == 1 else None,
                row=row,
            )


def _staying(chunked: Chunked, columns: tuple[str, ...], values: list[str]) -> str | None:
    """SQL of the target's rows that stay and hold the same unique values."""
    job = chunked.job
    # of the rows that a later chunk's key deletes nothing is known yet: the publish finds out
    if job.mode.takes_all or job.mode == WriteMode.DELETE_INSERT:
        return None
    same = _equal(values, [f"t.{quote_ansi(name)}" for name in columns])
    if job.mode == WriteMode.APPEND:
        return f"from {chunked.target} t where {same}"
    if set(columns) == set(job.key):
        return None
    key = job.key or job.parent_key
    own = _equal([chunked.value(name, prefix="c.") for name in key], [f"t.{quote_ansi(name)}" for name in key])
    if job.mode == WriteMode.INSERT_ONLY:
        # a row with a known key is left out, whatever else it holds
        return f"from {chunked.target} t where {same} and not exists (from {chunked.target} t where {own})"
    return f"from {chunked.target} t where {same} and not ({own})"


def _equal(left: Sequence[str], right: Sequence[str]) -> str:
    return " and ".join(f"{a} = {b}" for a, b in zip(left, right, strict=True))


def _first(connection: Any, query: str, condition: str = "true") -> int | None:
    row: int | None = connection.execute(f"select min(_n) from ({query}) where {condition}").fetchall()[0][0]
    return row
