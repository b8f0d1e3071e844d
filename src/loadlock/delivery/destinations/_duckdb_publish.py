"""The publishing transaction in DuckDB: create, delete, insert, update, and the control row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import duckdb

from loadlock.delivery.base import CONTROL_TABLE, Published
from loadlock.delivery.destinations._duckdb_checks import Chunked
from loadlock.delivery.destinations._duckdb_merge import merging
from loadlock.delivery.destinations._local import Spool
from loadlock.delivery.names import TableName, quote_ansi
from loadlock.delivery.sqltext import DELIVERY_COLUMNS, inserted_by_file
from loadlock.errors import BalanceError
from loadlock.faults import point
from loadlock.model import WriteMode
from loadlock.rows import FILE

T = TypeVar("T")
_CONTROL_TYPES = {
    "key": "varchar not null",
    "name": "varchar",
    "integer": "bigint",
    "text": "varchar",
    "now": "timestamptz default current_timestamp",
}


@contextmanager
def transaction(connection: Any) -> Iterator[None]:
    """Commit at the end of the block, roll back on any error."""
    connection.execute("begin").fetchall()
    try:
        yield
        point("target.before_commit")
        connection.execute("commit").fetchall()
    except BaseException:
        with suppress(duckdb.Error):
            connection.execute("rollback").fetchall()
        raise
    point("target.committed")


def with_memory(connection: Any, work: Callable[[], T]) -> T:
    """The result of `work`; once more without the memory limit where an index or a join doesn't fit into it."""
    try:
        return work()
    except duckdb.OutOfMemoryException:
        connection.execute("reset memory_limit").fetchall()
        return work()


def control_row(connection: Any, name: TableName, condition: str, value: str) -> dict[str, Any] | None:
    """The newest control row with this property, or None."""
    control = name.beside(CONTROL_TABLE)
    known = connection.execute(
        "select 1 from duckdb_tables() where database_name = current_database() and schema_name = ? and table_name = ?",
        [control.schema or "main", control.table],
    ).fetchall()
    if not known:
        return None
    columns = ", ".join(DELIVERY_COLUMNS)
    rows = connection.execute(
        f"select {columns.replace('published_at', 'published_at::varchar')} from {control.sql(quote_ansi)}"
        f" where {condition} order by published_at desc, rowid desc limit 1",
        [value],
    ).fetchall()
    return dict(zip(DELIVERY_COLUMNS, rows[0], strict=True)) if rows else None


def write_control_row(connection: Any, name: TableName, row: dict[str, Any]) -> None:
    """Write the control row, making its table where it is absent."""
    point("target.merged")
    control = name.beside(CONTROL_TABLE).sql(quote_ansi)
    columns = ", ".join(f"{column} {_CONTROL_TYPES[kind]}" for column, kind in DELIVERY_COLUMNS.items())
    connection.execute(f"create table if not exists {control} ({columns}, primary key (delivery_id))").fetchall()
    marks = ", ".join("?" * len(row))
    connection.execute(f"insert into {control} ({', '.join(row)}) values ({marks})", list(row.values())).fetchall()


def next_rowid(connection: Any, chunked: Chunked) -> int:
    """Rows inserted from now on have at least this rowid."""
    found: int = connection.execute(f"select coalesce(max(rowid), -1) + 1 from {chunked.target}").fetchall()[0][0]
    return found


def publish(connection: Any, chunked: Chunked, spool: Spool) -> Published:
    """Move the chunks into the table, inside the caller's transaction."""
    if chunked.job.mode.by_key and chunked.job.key:
        with merging(connection, chunked, spool) as merge:
            return merge.publish(spool.rows)
    deleted = 0
    if chunked.job.mode == WriteMode.REPLACE:
        deleted = affected(connection, f"delete from {chunked.target}")
    if not spool.paths:
        return Published(inserted=0, deleted=deleted)
    counts = dict(connection.execute(f"select {FILE}, count(*) from {spool.sql()} group by all").fetchall())
    inserted = affected(connection, _insert(chunked, spool))
    _agree(inserted, sum(counts.values()), "inserted")
    return Published(inserted=inserted, deleted=deleted, by_file=inserted_by_file(counts))


def _insert(chunked: Chunked, spool: Spool) -> str:
    names = ", ".join(quote_ansi(column.name) for column in chunked.columns)
    values = ", ".join(chunked.value(column.name, prefix="s.") for column in chunked.columns)
    return f"insert into {chunked.target} ({names}) select {values} from {spool.sql()} s"


def affected(connection: Any, statement: str) -> int:
    """Rows that a statement changed."""
    count: int = connection.execute(statement).fetchall()[0][0]
    return count


def _agree(done: int, counted: int, what: str) -> None:
    if done != counted:
        raise BalanceError(f"DuckDB {what} {done:,} rows where {counted:,} were counted: nothing was published")
