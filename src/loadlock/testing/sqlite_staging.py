"""A twin of the staging: the same contract over SQL tables, rows as rows, so that staging tables in a server can follow."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from loadlock.errors import WorkspaceError
from loadlock.model import PartKey, PartRef

if TYPE_CHECKING:
    import pyarrow as pa

_PART = "_part"
_ORDER = "_position"
_CATALOGUE = """
create table if not exists "loadlock parts" (
    "table" text, "batch" text, "scope" text, "part" integer, "row_count" integer, "columns" text, "schema" blob,
    primary key ("table", "part")
)
"""


class SqlStaging:
    """Staging in SQLite: a table for each batch, scope and kind; a column a column; `_part` says which part a row is of.

    For tests and as the model of staging tables in PostgreSQL and MySQL: `bind` loads the parts into memory. SQLite's
    limit of 2,000 columns a table holds. `database` = a path, or `:memory:`.
    """

    def __init__(self, database: str = ":memory:") -> None:
        self._connection = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
        self._turn = threading.Lock()
        self._connection.execute(_CATALOGUE)

    def close(self) -> None:
        """Close the database; what was in memory is gone."""
        self._connection.close()

    def write(self, key: PartKey, table: pa.Table, *, file_index: int | None = None) -> PartRef:
        """See `Staging.write`."""
        name = f"{key.kind} {key.batch[:16]} {key.scope}"
        with self._transaction(f"can't write part {key.seq} of {name}") as connection:
            columns = _make_room(connection, name, table.column_names)
            connection.execute(f"delete from {_quoted(name)} where {_PART} = ?", (key.seq,))
            _insert(connection, name, columns, key.seq, table)
            schema = table.schema.serialize().to_pybytes()
            connection.execute(
                'insert or replace into "loadlock parts" values (?, ?, ?, ?, ?, ?, ?)',
                (name, key.batch, key.scope, key.seq, table.num_rows, json.dumps(columns), schema),
            )
        location = f"{name}/{key.seq}"
        return PartRef(key=key, location=location, rows=table.num_rows, bytes=table.nbytes, file_index=file_index)

    def read(self, ref: PartRef, *, columns: list[str] | None = None) -> pa.Table:
        """See `Staging.read`."""
        import pyarrow as pa

        name, _, part = ref.location.rpartition("/")
        with self._transaction(f"can't read {ref.location}") as connection:
            found = connection.execute(
                'select "columns", "schema" from "loadlock parts" where "table" = ? and "part" = ?', (name, part)
            ).fetchone()
            if found is None:
                raise WorkspaceError(f"the part {ref.location} is listed in the ledger but is not there")
            in_sql = json.loads(found[0])
            schema = pa.ipc.read_schema(pa.py_buffer(found[1]))
            wanted = schema.names if columns is None else columns
            selected = ", ".join(_quoted(in_sql[column]) for column in wanted)
            rows = connection.execute(
                f"select {selected} from {_quoted(name)} where {_PART} = ? order by {_ORDER}", (part,)
            ).fetchall()
        if len(rows) != ref.rows:
            raise WorkspaceError(f"the part {ref.location} is damaged: it holds {len(rows)} rows, not {ref.rows}")
        kept = pa.schema([schema.field(column) for column in wanted], metadata=schema.metadata)
        values = zip(*rows, strict=True) if rows else [()] * len(kept)
        return pa.table([_decoded(list(given), field.type) for given, field in zip(values, kept, strict=True)], kept)

    def bind(self, connection: Any, name: str, refs: list[PartRef], *, columns: list[str] | None = None) -> None:
        """See `Staging.bind`; the rows are held in memory as long as the view exists."""
        import pyarrow as pa

        tables = [self.read(ref) for ref in refs]
        if tables:
            whole = pa.concat_tables(tables, promote_options="permissive")
        else:
            whole = pa.table({column: pa.array([], pa.string()) for column in columns or ["_row"]})
        connection.register(name, whole if columns is None else whole.select(columns))

    def remove(self, batch: str, *, scope: str | None = None) -> None:
        """See `Staging.remove`."""
        with self._transaction(f"can't remove the parts of {batch}") as connection:
            found = connection.execute(
                'select distinct "table" from "loadlock parts" where "batch" = ?1 and (?2 is null or "scope" = ?2)',
                (batch, scope),
            ).fetchall()
            for (name,) in found:
                connection.execute(f"drop table {_quoted(name)}")
                connection.execute('delete from "loadlock parts" where "table" = ?', (name,))

    @contextmanager
    def _transaction(self, what: str) -> Iterator[sqlite3.Connection]:
        with self._turn:
            try:
                self._connection.execute("begin immediate")
                try:
                    yield self._connection
                except BaseException:
                    if self._connection.in_transaction:
                        self._connection.execute("rollback")
                    raise
                self._connection.execute("commit")
            except sqlite3.Error as error:
                raise WorkspaceError(f"{what}: {error}") from error


def _make_room(connection: sqlite3.Connection, name: str, wanted: list[str]) -> dict[str, str]:
    """The table with columns for all names; Arrow's name → SQL's (SQLite knows no case in names, and no NUL)."""
    connection.execute(f"create table if not exists {_quoted(name)} ({_PART} integer, {_ORDER} integer)")
    there = {str(row[1]) for row in connection.execute(f"pragma table_info({_quoted(name)})")}
    folded = {column.lower(): column for column in there}
    columns: dict[str, str] = {}
    for column in wanted:
        sql_name = _in_sql(column, taken={_PART, _ORDER, *map(str.lower, columns.values())})
        if sql_name.lower() not in folded:
            connection.execute(f"alter table {_quoted(name)} add column {_quoted(sql_name)}")
            folded[sql_name.lower()] = sql_name
        columns[column] = sql_name
    return columns


def _in_sql(column: str, *, taken: set[str]) -> str:
    name = column.replace("\0", "\\0")
    while name.lower() in taken or not name:
        name += "_"
    return name


def _insert(connection: sqlite3.Connection, name: str, columns: dict[str, str], part: int, table: pa.Table) -> None:
    names = ", ".join([_PART, _ORDER, *map(_quoted, columns.values())])
    marks = ", ".join("?" * (len(columns) + 2))
    rows = zip(
        [part] * table.num_rows, range(table.num_rows), *(_encoded(column) for column in table.columns), strict=True
    )
    connection.executemany(f"insert into {_quoted(name)} ({names}) values ({marks})", rows)


def _encoded(values: pa.ChunkedArray) -> list[Any]:
    """Arrow values as SQLite can hold them: dates and times as their numbers, decimals and NaN as text, lists as JSON."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        return _encoded(values.cast(kind.value_type))
    if number := _number_type(kind):
        return list(values.cast(number).to_pylist())
    given: list[Any] = values.to_pylist()
    if pa.types.is_decimal(kind):
        return [None if value is None else str(value) for value in given]
    if pa.types.is_floating(kind):
        return [None if value is None else value if value == value else "nan" for value in given]
    if pa.types.is_nested(kind):
        return [None if value is None else json.dumps(value) for value in given]
    return given


def _decoded(values: list[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    if number := _number_type(kind):
        return pa.array(values, number).cast(kind)
    if pa.types.is_decimal(kind):
        values = [None if value is None else Decimal(value) for value in values]
    elif pa.types.is_floating(kind):
        values = [None if value is None else float(value) for value in values]
    elif pa.types.is_nested(kind):
        values = [None if value is None else json.loads(value) for value in values]
    elif pa.types.is_boolean(kind):
        values = [None if value is None else bool(value) for value in values]
    return pa.array(values, kind)


def _number_type(kind: pa.DataType) -> pa.DataType | None:
    """The integer type that a date, time or timestamp is stored as."""
    import pyarrow as pa

    if pa.types.is_date32(kind) or pa.types.is_time32(kind):
        return pa.int32()
    if pa.types.is_temporal(kind):
        return pa.int64()
    return None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
