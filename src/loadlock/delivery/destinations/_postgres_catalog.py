"""Questions to PostgreSQL's catalogue, and the statements that make control tables, target and staging table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import CHUNK_TABLE, CONTROL_TABLE, DeliveryColumn, Job
from loadlock.delivery.destinations._postgres_types import CatalogColumn, CatalogTable, created_type
from loadlock.delivery.fit import LINEAGE
from loadlock.delivery.names import TableName
from loadlock.delivery.names import quote_ansi as quote
from loadlock.delivery.sqltext import CHUNK_COLUMNS, DELIVERY_COLUMNS, FILE_COLUMN

if TYPE_CHECKING:
    import psycopg

Rows = list[tuple[Any, ...]]

_CONTROL_TYPES = {
    "key": "text",
    "name": "text",
    "integer": "bigint",
    "text": "text",
    "now": "timestamptz default now()",
}

_COLUMNS = """
select a.attname, format_type(a.atttypid, a.atttypmod), coalesce(b.typname, t.typname),
    case when t.typtype = 'd' then t.typtypmod else a.atttypmod end, coalesce(b.typtype, t.typtype) = 'e',
    a.attnotnull or t.typnotnull, a.atthasdef or a.attidentity <> '' or t.typdefault is not null, a.attgenerated <> '',
    a.attidentity = 'a'
from pg_attribute a join pg_type t on t.oid = a.atttypid
    left join pg_type b on t.typtype = 'd' and b.oid = t.typbasetype
where a.attrelid = $1::oid and a.attnum > 0 and not a.attisdropped order by a.attnum
"""
_UNIQUE = """
select (select array_agg(a.attname order by k.n) from unnest(i.indkey::int2[]) with ordinality k(attnum, n)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum),
    (select c.relname::text from pg_class c where c.oid = i.indexrelid)
from pg_index i where i.indrelid = $1::oid and i.indisunique and i.indpred is null and i.indexprs is null
"""
_FOREIGN_KEYS = """
select quote_ident(conname), pg_get_constraintdef(oid), has_table_privilege(confrelid, 'REFERENCES')
from pg_constraint where conrelid = $1::oid and contype = 'f' and confrelid is distinct from $2::oid
    and confrelid <> conrelid order by conname
"""


def run(connection: psycopg.Connection[Any], sql: str, *values: Any) -> Rows:
    """The rows of a statement (empty for one without rows); values are bound as $1, $2 ..."""
    cursor = connection.execute(sql.encode(), values or None)
    return cursor.fetchall() if cursor.description is not None else []


def changed(connection: psycopg.Connection[Any], sql: str) -> int:
    """Rows that a statement inserted, updated or deleted."""
    return connection.execute(sql.encode()).rowcount


def resolve(connection: psycopg.Connection[Any], name: TableName) -> TableName:
    """The name with its schema: the one given, where the table is on the search path, or the current schema."""
    if name.schema is not None:
        return name
    found = run(
        connection,
        "select coalesce((select nspname from pg_class c join pg_namespace n on n.oid = relnamespace"
        " where c.oid = to_regclass($1)), current_schema())",
        quote(name.table),
    )
    return TableName(schema=found[0][0] or "public", table=name.table)


def is_empty(connection: psycopg.Connection[Any], name: TableName) -> bool:
    """Whether nothing was ever written into a plain table, or all of it truncated."""
    found = run(
        connection,
        "select c.relkind = 'r' and not c.relhassubclass and pg_relation_size(c.oid) = 0"
        " from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2",
        name.schema,
        name.table,
    )
    return bool(found and found[0][0])


def find_table(connection: psycopg.Connection[Any], name: TableName) -> CatalogTable | None:
    """The table as the catalogue has it, or None."""
    found = run(
        connection,
        "select c.oid::int8, c.relkind::text from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p', 'v', 'm', 'f')",
        name.schema,
        name.table,
    )
    if not found:
        return None
    oid, kind = found[0]
    columns = tuple(
        CatalogColumn(
            name=row[0],
            shown_type=row[1],
            type=row[2],
            modifier=row[3],
            is_enum=row[4],
            not_null=row[5],
            has_default=row[6],
            generated=row[7],
            identity_always=row[8],
        )
        for row in run(connection, _COLUMNS, oid)
    )
    unique = tuple(tuple(row[0]) for row in run(connection, _UNIQUE, oid))
    return CatalogTable(kind=kind, columns=columns, unique=unique)


def unique_name(connection: psycopg.Connection[Any], name: TableName, columns: Sequence[str]) -> str | None:
    """The name of the unique index over these columns."""
    return next(
        (str(row[1]) for row in run(connection, _UNIQUE, _oid(connection, name)) if row[0] == list(columns)), None
    )


def create_control_tables(connection: psycopg.Connection[Any], beside: TableName) -> None:
    """Make both control tables in the target's schema where they are absent."""
    for table, columns, key in (
        (CONTROL_TABLE, DELIVERY_COLUMNS, "delivery_id"),
        (CHUNK_TABLE, CHUNK_COLUMNS, "delivery_id, chunk_id"),
    ):
        name = beside.beside(table)
        if find_table(connection, name) is None:
            body = ", ".join(f"{column} {_CONTROL_TYPES[kind]}" for column, kind in columns.items())
            run(connection, f"create table if not exists {name.sql(quote)} ({body}, primary key ({key}))")


def create_target_sql(name: TableName, job: Job, lineage: Sequence[DeliveryColumn]) -> str:
    """CREATE TABLE from the job's columns; a key that tells rows apart is the primary key."""
    lines = [
        f"{quote(column.name)} {created_type(column.type)}{' not null' if column.required or column.key else ''}"
        for column in (*job.columns, *lineage)
    ]
    if job.unique_key:
        lines.append(f"primary key ({', '.join(map(quote, job.unique_key))})")
    return f"create table {name.sql(quote)} ({', '.join(lines)})"


def create_staging(
    connection: psycopg.Connection[Any],
    staging: TableName,
    target: TableName,
    table: CatalogTable,
    job: Job,
    parent: TableName | None,
) -> None:
    """An empty table like the target, with its checks, foreign keys and unique columns, so that rows are refused while they
    are loaded. The job's own key is looked at before the publish: an index on it costs more than that.

    Foreign keys to `parent` and to the target itself are left out: their rows come in the publishing transaction. Unlogged: it is
    as fast as a load can be, and empty after a crash of the server (the receipts then say so).
    """
    to, like = staging.sql(quote), target.sql(quote)
    delivered = {column.name for column in job.columns} | (set(LINEAGE) if job.lineage else set())
    run(connection, f"create unlogged table {to} (like {like} including constraints)")
    for column in table.columns:
        if column.not_null and column.name not in delivered:
            run(connection, f"alter table {to} alter column {quote(column.name)} drop not null")
    run(connection, f"alter table {to} add column {quote(FILE_COLUMN)} int not null")
    for unique in table.unique:
        if set(unique) <= delivered and not (job.mode.has_unique_key and set(unique) == set(job.key)):
            run(connection, f"create unique index on {to} ({', '.join(map(quote, unique))})")
    if job.trial:  # a foreign key would hold up writers of the table that it points to
        return
    for name, definition, allowed in run(
        connection, _FOREIGN_KEYS, _oid(connection, target), None if parent is None else _oid(connection, parent)
    ):
        if allowed and "DEFERRABLE" not in definition:
            run(connection, f"alter table {to} add constraint {name} {definition}")


def _oid(connection: psycopg.Connection[Any], name: TableName) -> int:
    return int(run(connection, "select to_regclass($1)::oid::int8", name.sql(quote))[0][0])


def lock_owner(connection: psycopg.Connection[Any], number: int) -> str:
    """Who holds the advisory lock, for people."""
    unsigned = number & 0xFFFFFFFFFFFFFFFF
    found = run(
        connection,
        "select a.application_name, a.pid, coalesce(host(a.client_addr), 'local'), a.backend_start::timestamptz(0)::text"
        " from pg_locks l join pg_stat_activity a using (pid) where l.locktype = 'advisory' and l.granted"
        " and l.classid::int8 = $1 and l.objid::int8 = $2",
        unsigned >> 32,
        unsigned & 0xFFFFFFFF,
    )
    if not found:
        return "another session"
    name, pid, address, since = found[0]
    return f"{name or 'a session'} (server process {pid}, from {address}, connected {since})"


_TIES = """
select exists (select from pg_index where indrelid = $1::regclass and (indisunique or indisexclusion))
    or exists (select from pg_trigger where tgrelid = $1::regclass and not tgisinternal)
    or exists (select from pg_constraint where contype = 'f' and (conrelid = $1::regclass or confrelid = $1::regclass))
    or exists (select from pg_inherits where inhrelid = $1::regclass or inhparent = $1::regclass)
"""


def holds_two(connection: psycopg.Connection[Any], target: str) -> bool:
    """Whether the old and the new rows of a table (as SQL) may be there at once, and nothing notices in which order they come."""
    return not run(connection, _TIES, target)[0][0]
