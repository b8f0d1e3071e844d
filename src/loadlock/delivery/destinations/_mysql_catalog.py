"""Questions to information_schema, and the statements that make control tables, target and staging table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from itertools import pairwise

from loadlock.delivery.base import CHUNK_TABLE, CONTROL_TABLE, DeliveryColumn, Job
from loadlock.delivery.destinations._mysql_types import INTEGERS, TEXTS, CatalogColumn, CatalogTable, created_type
from loadlock.delivery.destinations._mysql_wire import WireConnection, run, translated
from loadlock.delivery.names import TableName
from loadlock.delivery.names import quote_backtick as quote
from loadlock.delivery.sqltext import CHUNK_COLUMNS, DELIVERY_COLUMNS, FILE_COLUMN
from loadlock.errors import RefusedError

_CONTROL_TYPES = {
    "key": "varchar(255)",
    "name": "varchar(512)",
    "integer": "bigint",
    "text": "longtext",
    "now": "datetime(6) not null default current_timestamp(6)",
}
SLICES = 4
"""Questions about all rows are put by stretches of the table, so that two connections share them."""
_COLUMNS = """
select column_name, lower(data_type), column_type, is_nullable = 'YES',
    (column_default is not null and column_default <> 'NULL') or extra like '%%auto_increment%%'
        or extra like '%%DEFAULT_GENERATED%%', generation_expression <> '',
    character_maximum_length, character_octet_length, numeric_precision, numeric_scale, datetime_precision,
    character_set_name
from information_schema.columns where table_schema = %s and table_name = %s order by ordinal_position
"""
_OWN_KEYS = """
select constraint_name, column_name, referenced_column_name from information_schema.key_column_usage
where table_schema = %s and table_name = %s and referenced_table_schema = table_schema and referenced_table_name = table_name
order by constraint_name, ordinal_position
"""
_UNIQUE = """
select index_name, column_name, sub_part from information_schema.statistics
where table_schema = %s and table_name = %s and non_unique = 0 order by index_name, seq_in_index
"""


def find_table(connection: WireConnection, name: TableName) -> CatalogTable | None:
    """The table as information_schema has it, or None."""
    found = run(
        connection,
        "select table_type, coalesce(engine, '') from information_schema.tables"
        " where table_schema = %s and table_name = %s",
        name.schema,
        name.table,
    )
    if not found:
        return None
    columns = tuple(
        CatalogColumn(
            name=row[0],
            type=row[1],
            shown_type=row[2],
            nullable=bool(row[3]),
            has_default=bool(row[4]),
            generated=bool(row[5]),
            max_chars=row[6],
            max_bytes=row[7],
            precision=row[8],
            scale=row[9],
            fraction=row[10],
            charset=row[11],
        )
        for row in run(connection, _COLUMNS, name.schema, name.table)
    )
    return CatalogTable(
        kind=found[0][0], engine=found[0][1], columns=columns, unique=tuple(_unique(connection, name).values())
    )


def is_empty(connection: WireConnection, table: CatalogTable, name: TableName) -> bool:
    """Whether a table is known to hold no row; not where it may not be read. No lock is taken."""
    if table.kind != "BASE TABLE":
        return False
    try:
        with translated():
            return not run(connection, f"select 1 from {name.sql(quote)} limit 1")
    except RefusedError:
        return False


def _unique(connection: WireConnection, name: TableName) -> dict[str, tuple[str, ...]]:
    """Index → its columns, of unique ones; an index over prefixes of columns is left out."""
    indexes: dict[str, list[str | None]] = {}
    for index, column, prefix in run(connection, _UNIQUE, name.schema, name.table):
        indexes.setdefault(index, []).append(None if prefix is not None else column)
    return {index: tuple(c for c in columns if c) for index, columns in indexes.items() if all(columns)}


def references(
    connection: WireConnection, name: TableName, delivered: Collection[str]
) -> tuple[tuple[tuple[str, str], ...], ...]:
    """Foreign keys of a table to itself over delivered columns: pairs of a column and the one it points to."""
    found: dict[str, list[tuple[str, str]]] = {}
    for constraint, column, theirs in run(connection, _OWN_KEYS, name.schema, name.table):
        found.setdefault(constraint, []).append((column, theirs))
    return tuple(tuple(pairs) for pairs in found.values() if {one for pair in pairs for one in pair} <= set(delivered))


def unique_name(connection: WireConnection, name: TableName, columns: Sequence[str]) -> str | None:
    """The name of the unique index over these columns."""
    found = _unique(connection, name).items()
    return next((index for index, names in found if names == tuple(columns)), None)


def stretches(connection: WireConnection, name: TableName) -> list[str]:
    """Conditions on `t` that together hold for every row of the table once: stretches of its primary key, a whole number;
    a single one that always holds where it has none."""
    found = run(
        connection,
        "select column_name, lower(data_type) from information_schema.columns where table_schema = %s and table_name = %s"
        " and column_key = 'PRI'",
        name.schema,
        name.table,
    )
    if len(found) != 1 or found[0][1] not in INTEGERS:
        return ["true"]
    key = quote(found[0][0])
    low, high = run(connection, f"select min({key}), max({key}) from {name.sql(quote)}")[0]
    if low is None or high - low < SLICES:
        return ["true"]
    edges = [low + (high - low) * step // SLICES for step in range(1, SLICES)]
    between = [f"t.{key} > {first} and t.{key} <= {last}" for first, last in pairwise(edges)]
    return [f"t.{key} <= {edges[0]}", *between, f"t.{key} > {edges[-1]}"]


def collation(connection: WireConnection) -> str:
    """The server's collation of utf8mb4 that compares bytes and does not pad: MariaDB and MySQL name it differently."""
    wanted = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")
    found = run(
        connection, "select collation_name from information_schema.collations where collation_name in (%s, %s)", *wanted
    )
    return str(found[0][0]) if found else "utf8mb4_bin"


def create_control_tables(connection: WireConnection, beside: TableName) -> None:
    """Make both control tables in the target's database where they are absent."""
    for table, columns, key in (
        (CONTROL_TABLE, DELIVERY_COLUMNS, "delivery_id"),
        (CHUNK_TABLE, CHUNK_COLUMNS, "delivery_id, chunk_id"),
    ):
        name = beside.beside(table)
        if find_table(connection, name) is None:
            body = ", ".join(f"{quote(column)} {_CONTROL_TYPES[kind]}" for column, kind in columns.items())
            run(
                connection,
                f"create table if not exists {name.sql(quote)} ({body}, primary key ({key}))"
                " engine = InnoDB default character set utf8mb4 collate utf8mb4_bin",
            )


def create_target_sql(name: TableName, job: Job, lineage: Sequence[DeliveryColumn], collation_name: str) -> str:
    """CREATE TABLE from the job's columns; a key that tells rows apart is the primary key."""
    types = _created_types(job, lineage, collation_name)
    lines = [
        f"{quote(column.name)} {kind}{' not null' if column.required or column.name in job.key else ''}"
        for column, kind in zip((*job.columns, *lineage), types, strict=True)
    ]
    if key := job.unique_key:
        lines.append(f"primary key ({', '.join(map(quote, key))})")
    return (
        f"create table {name.sql(quote)} ({', '.join(lines)})"
        f" engine = InnoDB default character set utf8mb4 collate {collation_name}"
    )


def imagined(job: Job, lineage: Sequence[DeliveryColumn], collation_name: str) -> CatalogTable:
    """The table as `create_target_sql` would make it: MySQL can't make it and take it back."""
    types = _created_types(job, lineage, collation_name)
    columns = [_imagined(column, kind, job) for column, kind in zip((*job.columns, *lineage), types, strict=True)]
    key = job.unique_key
    return CatalogTable(kind="BASE TABLE", engine="InnoDB", columns=tuple(columns), unique=(key,) if key else ())


def _created_types(job: Job, lineage: Sequence[DeliveryColumn], collation_name: str) -> list[str]:
    key = job.unique_key
    keys = sum(column.type.kind == "text" for column in job.columns if column.name in key)
    return [
        created_type(column.type, collation_name, key=column.name in key, keys=keys)
        for column in (*job.columns, *lineage)
    ]


def _imagined(column: DeliveryColumn, created: str, job: Job) -> CatalogColumn:
    shown = created.partition(" character set")[0]
    name, _, sizes = shown.rstrip(")").partition("(")
    first, _, second = sizes.partition(",")
    size, is_text = int(first) if first else None, name in TEXTS
    return CatalogColumn(
        name=column.name,
        type=name,
        shown_type=shown,
        nullable=not (column.required or column.name in job.key),
        has_default=False,
        generated=False,
        max_chars=size if is_text else None,
        max_bytes=None,
        precision=size if name == "decimal" else None,
        scale=int(second) if second else None,
        fraction=size if name in ("time", "datetime") else None,
        charset="utf8mb4" if is_text else None,
    )


def create_staging(
    connection: WireConnection, staging: TableName, target: TableName, job: Job, *, temporary: bool = False
) -> None:
    """An empty table like the target, with its unique indexes and checks, so that rows are refused while they are loaded."""
    run(connection, f"create {'temporary ' if temporary else ''}table {staging.sql(quote)} like {target.sql(quote)}")
    run(connection, f"alter table {staging.sql(quote)} add column {quote(FILE_COLUMN)} int not null")
    if job.validity is not None:
        # the same for all rows, so that a unique index over key and beginning holds each key once
        since = quote(job.validity.since)
        run(connection, f"alter table {staging.sql(quote)} alter column {since} set default '2000-01-01 00:00:00'")
