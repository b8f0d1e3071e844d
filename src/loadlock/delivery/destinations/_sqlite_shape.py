"""What a SQLite table looks like, the table made from a job, and values on their way in and out.

SQLite has five storage classes and columns that convert by affinity. Decimals of up to 15 digits go into NUMERIC columns
(a double holds them exactly), longer ones into TEXT; moments are ISO texts, booleans 0 and 1.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import ColumnInfo, DeliveryColumn, Job, TableInfo
from loadlock.delivery.destinations._local import delivered_columns
from loadlock.delivery.destinations._texts import DATE_RANGE, from_text, to_text
from loadlock.delivery.destinations._versions import validity_columns
from loadlock.delivery.evolve import Dialect, changes, without
from loadlock.delivery.names import quote_ansi
from loadlock.errors import RefusedError
from loadlock.model import WriteMode
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

EXACT_DIGITS = 15
"""Significant digits that a double keeps."""
_INT64 = (-(2**63), 2**63 - 1)
_CREATED = {
    "text": "TEXT",
    "integer": "INTEGER",
    "float": "REAL",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "json": "TEXT",
    "uuid": "TEXT",
}
_AFFINITIES = (
    ("INTEGER", ("INT",)),
    ("TEXT", ("CHAR", "CLOB", "TEXT")),
    ("BLOB", ("BLOB",)),
    ("REAL", ("REAL", "FLOA", "DOUB")),
)
_ACCEPTS = {
    "INTEGER": ("integer", "boolean"),
    "TEXT": None,
    "BLOB": None,
    "REAL": ("float", "decimal"),
    # text and JSON that look like numbers would become numbers
    "NUMERIC": ("integer", "decimal", "float", "boolean", "date", "time", "timestamp", "timestamptz", "uuid"),
}


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A table of the database."""

    info: TableInfo
    primary_key: tuple[str, ...] = ()
    rowid: str | None = None
    """A name by which the rowid can be asked for; None for a table without one."""
    rowid_column: str | None = None
    """The column that is the rowid (`integer primary key`)."""


def affinity(sql_type: str) -> str:
    """The affinity of a declared type (sqlite.org/datatype3.html, section 3.1)."""
    upper = sql_type.upper()
    found = next((name for name, words in _AFFINITIES if any(word in upper for word in words)), "NUMERIC")
    return found if upper else "BLOB"


def inspect(connection: sqlite3.Connection, table: str) -> Shape | None:
    """The table as it is, or None. Raises RefusedError for views."""
    kinds = connection.execute(
        "select type, wr from pragma_table_list where schema = 'main' and name = ? collate nocase", [table]
    ).fetchall()
    if not kinds:
        return None
    kind, without_rowid = kinds[0]
    if kind == "view":
        raise RefusedError(f"{table} is a view", hint="Name a table.")
    rows = connection.execute(
        'select name, type, "notnull", dflt_value, pk, hidden from pragma_table_xinfo(?)', [table]
    ).fetchall()
    key = tuple(row[0] for row in sorted((row for row in rows if row[4]), key=lambda row: row[4]))
    is_rowid = (
        len(key) == 1 and not without_rowid and any(row[0] == key[0] and row[1].upper() == "INTEGER" for row in rows)
    )
    names = {row[0].lower() for row in rows}
    rowid = next((name for name in ("_rowid_", "rowid", "oid") if name not in names), None)
    unique = _unique_indexes(connection, table)
    if is_rowid:
        unique = (key, *unique)
    return Shape(
        info=TableInfo(columns=tuple(_column(row, is_rowid=is_rowid and row[4] == 1) for row in rows), unique=unique),
        primary_key=key,
        rowid=None if without_rowid else rowid,
        rowid_column=key[0] if is_rowid else None,
    )


def _unique_indexes(connection: sqlite3.Connection, table: str) -> tuple[tuple[str, ...], ...]:
    """Column sets of unique indexes over plain columns of all rows."""
    names = connection.execute(
        'select name from pragma_index_list(?) where "unique" and not partial', [table]
    ).fetchall()
    found = []
    for (name,) in names:
        columns = [row[0] for row in connection.execute("select name from pragma_index_info(?)", [name])]
        if None not in columns:
            found.append(tuple(columns))
    return tuple(found)


def _column(row: tuple[Any, ...], *, is_rowid: bool) -> ColumnInfo:
    name, sql_type, not_null, default, _, hidden = row
    kind = affinity(sql_type)
    return ColumnInfo(
        name=name,
        sql_type=sql_type or "ANY",
        nullable=not not_null,
        has_default=default is not None or is_rowid,
        generated=hidden in (2, 3),
        integer_range=_INT64 if kind == "INTEGER" else None,
        date_range=DATE_RANGE,
        forbids="nul nan",
        accepts=_ACCEPTS[kind],
    )


def check_decimals(shape: Shape, columns: tuple[DeliveryColumn, ...], label: str) -> None:
    """Raise RefusedError where a decimal has more digits than its numeric column keeps."""
    for column in columns:
        info = shape.info.column(column.name)
        wide = column.type.kind == "decimal" and (column.type.precision or 0) > EXACT_DIGITS
        if wide and info is not None and affinity(info.sql_type) in ("REAL", "NUMERIC"):
            raise RefusedError(
                f"{label}: column {column.name!r} is {info.sql_type} and keeps {EXACT_DIGITS} digits, not {column.type}",
                hint=f"Make the column TEXT, or declare a decimal of at most {EXACT_DIGITS} digits.",
            )


def matched(connection: sqlite3.Connection, table: str, job: Job, shape: Shape) -> tuple[Shape, Job, tuple[str, ...]]:
    """The table after the changes that the pipeline allows (columns added: types here are no limits), the job, and what was
    changed. A trial changes nothing, and goes on without those columns."""
    target = f"main.{quote_ansi(table)}"
    wanted = changes(shape.info, job, Dialect(target=target, quote=quote_ansi, type_of=created_type, widens=False))
    said = tuple(change.said for change in wanted)
    if job.trial and wanted:
        return shape, without(job, {change.column for change in wanted}), said
    for change in wanted:
        connection.execute(change.sql)
    found = inspect(connection, table) if wanted else shape
    assert found is not None
    return found, job, said


def create_sql(job: Job, table: str) -> str:
    """`create table` for the job's columns: primary key on the upsert key, not null for required columns."""
    lines = [
        f"{quote_ansi(column.name)} {created_type(column.type)}"
        + (" not null" if column.required or column.name in job.key else "")
        for column in (*delivered_columns(job), *validity_columns(job))
    ]
    if job.mode in (WriteMode.UPSERT, WriteMode.SCD2) and job.key:
        lines.append(f"primary key ({', '.join(map(quote_ansi, job.unique_key))})")
    return f"create table main.{quote_ansi(table)} ({', '.join(lines)})"


def created_type(kind: ColumnType) -> str:
    """The declared type of a column made by us."""
    if kind.kind == "decimal":
        return f"NUMERIC({kind.precision},{kind.scale})" if (kind.precision or 0) <= EXACT_DIGITS else "TEXT"
    return _CREATED[kind.kind]


def to_sqlite(values: pa.ChunkedArray, kind: ColumnType) -> list[Any]:
    """The values to bind."""
    import pyarrow as pa

    array = values.combine_chunks()
    if kind.kind in ("text", "json", "uuid", "integer", "float"):
        return list(array.to_pylist())
    if kind.kind == "boolean":
        return list(array.cast(pa.int8()).to_pylist())
    return list(to_text(array, kind).to_pylist())


def from_sqlite(values: tuple[Any, ...], kind: ColumnType) -> pa.Array:
    """Values as SQLite gives them, in the column's Arrow type."""
    import pyarrow as pa

    match kind.kind:
        case "integer":
            return pa.array([None if value is None else int(value) for value in values], pa.int64())
        case "float":
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
        case "boolean":
            return pa.array([None if value is None else bool(int(value)) for value in values], pa.bool_())
        case "decimal":
            texts = pa.array([None if value is None else str(value) for value in values], pa.string())
            try:
                return from_text(texts, kind)
            except pa.ArrowInvalid:
                # a double in a column of whole numbers: `5.0`
                return pa.array([None if text is None else Decimal(text) for text in texts.to_pylist()], kind.arrow())
        case _:
            texts = [None if value is None else str(value) for value in values]
            return from_text(pa.array(texts, pa.string()), kind)
