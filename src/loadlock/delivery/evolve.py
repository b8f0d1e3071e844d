"""What a pipeline may change of an existing table (`evolve:`): add the columns that it lacks, widen types to those declared.

Nothing is dropped, renamed or narrowed. What is left over is a finding of the contract check, as without `evolve:`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from loadlock.delivery.base import ColumnInfo, Job, TableInfo
from loadlock.types import ColumnType

EVOLVES = ("none", "columns", "types")
"""`types` = columns and types."""
_INT64 = (-(2**63), 2**63 - 1)
_MOST_DIGITS = 38


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How a database is told."""

    target: str
    """The table as SQL."""
    quote: Callable[[str], str]
    type_of: Callable[[ColumnType], str]
    """The type of a column that Loadlock creates."""
    widens: bool = True
    """Whether a type can be changed without saying all about the column again."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One change to the table."""

    column: str
    sql: str
    said: str


def changes(info: TableInfo, job: Job, dialect: Dialect) -> list[Change]:
    """The changes that the job's pipeline allows and its columns need."""
    if job.evolve == "none":
        return []
    found = [*_added(info, job, dialect)]
    if job.evolve == "types" and dialect.widens:
        found += _widened(info, job, dialect)
    return found


def without(job: Job, columns: set[str]) -> Job:
    """The job without these columns: for a plan, which can't compare what is not there yet."""
    return replace(job, columns=tuple(column for column in job.columns if column.name not in columns), evolve="none")


def _added(info: TableInfo, job: Job, dialect: Dialect) -> Iterator[Change]:
    known = {column.name.casefold() for column in info.columns}
    for column in job.columns:
        # a name that differs in case alone is more likely a mistake than a new column
        if column.name.casefold() not in known and column.name not in job.key:
            kind = dialect.type_of(column.type)
            yield Change(
                column=column.name,
                sql=f"alter table {dialect.target} add column {dialect.quote(column.name)} {kind}",
                said=f"add column {column.name} {kind}",
            )


def _widened(info: TableInfo, job: Job, dialect: Dialect) -> Iterator[Change]:
    indexed = {name for unique in info.unique for name in unique}
    for column in job.columns:
        found = info.column(column.name)
        if found is None or found.generated or column.name in indexed:
            continue
        wider = _wider(found, column.type)
        if wider is not None:
            kind = dialect.type_of(wider)
            yield Change(
                column=column.name,
                sql=f"alter table {dialect.target} alter column {dialect.quote(column.name)} type {kind}",
                said=f"widen column {column.name} from {found.sql_type} to {kind}",
            )


def _wider(found: ColumnInfo, kind: ColumnType) -> ColumnType | None:
    """The type that holds what the column holds and what the declared type can; None where it does already."""
    shown = found.sql_type.lower()
    if kind.kind == "integer" and found.integer_range is not None and "int" in shown:
        low, high = found.integer_range
        return kind if _INT64[0] < low and high < _INT64[1] else None
    if kind.kind == "text" and found.max_chars is not None and shown.startswith(("varchar", "character varying")):
        return kind
    if kind.kind == "decimal" and found.precision is not None and found.scale is not None:
        scale = max(found.scale, kind.scale or 0)
        digits = max(found.precision - found.scale, (kind.precision or 0) - (kind.scale or 0))
        is_wider = (digits + scale, scale) != (found.precision, found.scale)
        return (
            ColumnType(kind="decimal", precision=digits + scale, scale=scale)
            if is_wider and digits + scale <= _MOST_DIGITS
            else None
        )
    return None
