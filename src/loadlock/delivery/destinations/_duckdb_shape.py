"""What a DuckDB table looks like: columns as `ColumnInfo`, constraints as SQL, and the table made from a job."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from loadlock.delivery.base import ColumnInfo, DeliveryColumn, Job, TableInfo
from loadlock.delivery.destinations._local import delivered_columns
from loadlock.delivery.destinations._versions import validity_columns
from loadlock.delivery.evolve import Dialect, changes, without
from loadlock.delivery.names import TableName, quote_ansi
from loadlock.errors import RefusedError
from loadlock.model import WriteMode
from loadlock.types import ColumnType

_INTEGERS = {
    "TINYINT": (-(2**7), 2**7 - 1),
    "SMALLINT": (-(2**15), 2**15 - 1),
    "INTEGER": (-(2**31), 2**31 - 1),
    "BIGINT": (-(2**63), 2**63 - 1),
    "HUGEINT": (-(2**127), 2**127 - 1),
    "UTINYINT": (0, 2**8 - 1),
    "USMALLINT": (0, 2**16 - 1),
    "UINTEGER": (0, 2**32 - 1),
    "UBIGINT": (0, 2**64 - 1),
    "UHUGEINT": (0, 2**128 - 1),
}
_ACCEPTS: dict[str, tuple[str, ...]] = {
    "DOUBLE": ("float",),
    "BOOLEAN": ("boolean",),
    "DATE": ("date",),
    "TIME": ("time",),
    "TIMESTAMP": ("timestamp",),
    "TIMESTAMP WITH TIME ZONE": ("timestamptz",),
    "JSON": ("json",),
    "UUID": ("uuid",),
}
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """A check or foreign key of the target."""

    kind: str
    text: str
    columns: tuple[str, ...]
    expression: str | None = None
    referenced_table: str | None = None
    referenced_columns: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Shape:
    """An existing table, or the one that will be created."""

    info: TableInfo
    constraints: tuple[Constraint, ...] = ()
    defaults: dict[str, str] = field(default_factory=dict)
    """Column → its default as SQL."""


def inspect(connection: Any, name: TableName) -> Shape | None:
    """The table as it is, or None. Raises RefusedError for views."""
    place = [name.schema or "main", name.table]
    views = (
        "select 1 from duckdb_views() where database_name = current_database() and schema_name = ? and view_name = ?"
    )
    if connection.execute(views, place).fetchall():
        raise RefusedError(f"{name} is a view", hint="Name a table.")
    where = "database_name = current_database() and schema_name = ? and table_name = ?"
    columns = connection.execute(
        f"select column_name, data_type, is_nullable, column_default from duckdb_columns() where {where}"
        " order by column_index",
        place,
    ).fetchall()
    if not columns:
        return None
    generated = connection.execute(
        "select column_name from information_schema.columns where table_catalog = current_database()"
        " and table_schema = ? and table_name = ? and is_generated = 'ALWAYS'",
        place,
    ).fetchall()
    computed = {row[0] for row in generated}
    infos = tuple(
        column_info(column, data_type, nullable=nullable, has_default=default is not None, generated=column in computed)
        for column, data_type, nullable, default in columns
    )
    found = _constraints(connection, where, place)
    unique = [c.columns for c in found if c.kind in ("PRIMARY KEY", "UNIQUE")]
    return Shape(
        info=TableInfo(columns=infos, unique=(*unique, *_unique_indexes(connection, where, place, infos))),
        constraints=tuple(c for c in found if c.kind in ("CHECK", "FOREIGN KEY")),
        defaults={column: default for column, _, _, default in columns if default is not None},
    )


def column_info(name: str, data_type: str, *, nullable: bool, has_default: bool, generated: bool) -> ColumnInfo:
    """What fits into a column of this DuckDB type."""
    given: dict[str, Any] = {
        "name": name,
        "sql_type": data_type,
        "nullable": nullable,
        "has_default": has_default,
        "generated": generated,
    }
    if data_type == "VARCHAR":
        return ColumnInfo(**given)
    if data_type in _INTEGERS:
        return ColumnInfo(**given, accepts=("integer",), integer_range=_INTEGERS[data_type])
    if match := _DECIMAL.fullmatch(data_type):
        return ColumnInfo(**given, accepts=("decimal", "integer"), precision=int(match[1]), scale=int(match[2]))
    if data_type.startswith("ENUM"):
        return ColumnInfo(**given, accepts=("text",))
    return ColumnInfo(**given, accepts=_ACCEPTS.get(data_type, ()))


def _constraints(connection: Any, where: str, place: list[str]) -> list[Constraint]:
    rows = connection.execute(
        "select constraint_type, constraint_text, constraint_column_names, expression, referenced_table,"
        f" referenced_column_names from duckdb_constraints() where {where}",
        place,
    ).fetchall()
    return [
        Constraint(
            kind=kind,
            text=text,
            columns=tuple(columns or ()),
            expression=expression,
            referenced_table=table,
            referenced_columns=tuple(referenced or ()),
        )
        for kind, text, columns, expression, table, referenced in rows
    ]


def _unique_indexes(
    connection: Any, where: str, place: list[str], columns: tuple[ColumnInfo, ...]
) -> list[tuple[str, ...]]:
    """Column sets of unique indexes; an index over an expression is left out (the database still guards it)."""
    rows = connection.execute(
        f"select expressions from duckdb_indexes() where {where} and is_unique and not is_primary", place
    ).fetchall()
    by_sql = {form: column.name for column in columns for form in (column.name, quote_ansi(column.name))}
    found = []
    for (expressions,) in rows:
        names = [by_sql.get(word.strip().strip("'")) for word in expressions.strip("[]").split(",")]
        if all(name is not None for name in names):
            found.append(tuple(name for name in names if name is not None))
    return found


def matched(connection: Any, name: TableName, job: Job, shape: Shape) -> tuple[Shape, Job, tuple[str, ...]]:
    """The table after the changes that the pipeline allows, the job, and what was changed. A trial changes nothing, and goes
    on without the columns concerned."""
    wanted = changes(shape.info, job, Dialect(target=name.sql(quote_ansi), quote=quote_ansi, type_of=created_type))
    said = tuple(change.said for change in wanted)
    if job.trial and wanted:
        return shape, without(job, {change.column for change in wanted}), said
    for change in wanted:
        connection.execute(change.sql).fetchall()
    found = inspect(connection, name) if wanted else shape
    assert found is not None
    return found, job, said


def planned(job: Job, name: TableName) -> Shape:
    """The table that `create_sql` makes, tried out in memory."""
    import duckdb

    with duckdb.connect() as connection:
        if name.schema is not None:
            connection.execute(f"create schema if not exists {quote_ansi(name.schema)}").fetchall()
        connection.execute(create_sql(job, name)).fetchall()
        shape = inspect(connection, name)
    assert shape is not None
    return shape


def create_sql(job: Job, name: TableName) -> str:
    """`create table` for the job's columns: primary key on the upsert key, not null for required columns."""
    lines = [_definition(column, job) for column in (*delivered_columns(job), *validity_columns(job))]
    if job.mode == WriteMode.UPSERT and job.key:
        lines.append(f"primary key ({', '.join(map(quote_ansi, job.key))})")
    return f"create table {name.sql(quote_ansi)} ({', '.join(lines)})"


def _definition(column: DeliveryColumn, job: Job) -> str:
    tail = " not null" if column.required or column.name in job.key else ""
    return f"{quote_ansi(column.name)} {created_type(column.type)}{tail}"


def created_type(kind: ColumnType) -> str:
    """The type of a column made by us."""
    return {"json": "JSON", "uuid": "UUID"}.get(kind.kind, kind.duckdb)
