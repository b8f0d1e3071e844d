"""The publishing transaction in DuckDB: create, delete, insert, update, and the control row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import duckdb

from loadlock.delivery.base import CONTROL_TABLE, Published
from loadlock.delivery.destinations._duckdb_checks import Chunked
from loadlock.delivery.destinations._local import LINEAGE_NAMES, Spool
from loadlock.delivery.names import TableName, quote_ansi
from loadlock.delivery.sqltext import DELIVERY_COLUMNS, inserted_by_file
from loadlock.errors import BalanceError, RefusedError
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
    deleted = 0
    if chunked.job.mode == WriteMode.REPLACE:
        deleted = affected(connection, f"delete from {chunked.target}")
    if not spool.paths:
        return Published(inserted=0, deleted=deleted)
    if chunked.job.mode == WriteMode.UPSERT and chunked.job.key:
        return _upsert(connection, chunked, spool)
    counts = dict(connection.execute(f"select {FILE}, count(*) from {spool.sql()} group by all").fetchall())
    inserted = affected(connection, _insert(chunked, spool))
    _agree(inserted, sum(counts.values()), "inserted")
    return Published(inserted=inserted, deleted=deleted, by_file=inserted_by_file(counts))


def _insert(chunked: Chunked, spool: Spool) -> str:
    names = ", ".join(quote_ansi(column.name) for column in chunked.columns)
    values = ", ".join(chunked.value(column.name, prefix="s.") for column in chunked.columns)
    return f"insert into {chunked.target} ({names}) select {values} from {spool.sql()} s"


def _upsert(connection: Any, chunked: Chunked, spool: Spool) -> Published:
    key = chunked.job.key
    same = " and ".join(f"t.{quote_ansi(name)} = {chunked.value(name, prefix='s.')}" for name in key)
    others = [column.name for column in chunked.columns if column.name not in key]
    differs = " or ".join(
        f"t.{quote_ansi(name)} is distinct from {chunked.value(name, prefix='s.')}"
        for name in others
        if name not in LINEAGE_NAMES
    )
    counts = connection.execute(
        f"select s.{FILE}, count(*) filter (where t.rowid is null),"
        f" count(*) filter (where t.rowid is not null and ({differs or 'false'})), count(*)"
        f" from {spool.sql()} s left join (select rowid, * from {chunked.target}) t on {same} group by all"
    ).fetchall()
    by_file = {file: (new, changed, rows - new - changed) for file, new, changed, rows in sorted(counts)}
    inserted, updated, unchanged = (sum(column) for column in zip(*by_file.values(), strict=True))
    if inserted + updated + unchanged != spool.rows:
        raise RefusedError(
            f"a key ({', '.join(key)}) stands in several rows of {chunked.name}: which one to update is not known",
            hint="Remove the repeated keys from the table and give it a unique index.",
        )
    if others and (updated or chunked.job.lineage):
        changes = ", ".join(f"{quote_ansi(name)} = {chunked.value(name, prefix='s.')}" for name in others)
        # with lineage an unchanged row becomes this batch's too, so that it is found again
        condition = "true" if chunked.job.lineage else differs
        done = affected(
            connection,
            f"update {chunked.target} as t set {changes} from {spool.sql()} s where {same} and ({condition})",
        )
        _agree(done, updated + (unchanged if chunked.job.lineage else 0), "updated")
    done = affected(connection, f"{_insert(chunked, spool)} where not exists (from {chunked.target} t where {same})")
    _agree(done, inserted, "inserted")
    return Published(inserted=inserted, updated=updated, unchanged=unchanged, by_file=by_file)


def affected(connection: Any, statement: str) -> int:
    """Rows that a statement changed."""
    count: int = connection.execute(statement).fetchall()[0][0]
    return count


def _agree(done: int, counted: int, what: str) -> None:
    if done != counted:
        raise BalanceError(f"DuckDB {what} {done:,} rows where {counted:,} were counted: nothing was published")
