"""Some columns of a PostgreSQL table, streaming (see `loadlock.delivery.lookup`)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import DeliveryColumn, Target
from loadlock.delivery.destinations import _postgres_catalog as catalog
from loadlock.delivery.destinations import _postgres_copy as wire
from loadlock.delivery.destinations._postgres_connect import Connector
from loadlock.delivery.destinations._postgres_types import CatalogTable, read_sql
from loadlock.delivery.lookup import known, typed
from loadlock.delivery.names import parse_table
from loadlock.delivery.names import quote_ansi as quote

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa


def rows_of(
    connection: psycopg.Connection[Any],
    table: CatalogTable,
    source: str,
    columns: Sequence[DeliveryColumn],
    where: str = "true",
) -> Generator[pa.Table]:
    """Columns of the rows `t` of `source` (as SQL; it has the columns of `table`), in their Arrow types."""
    parts = [read_sql(table.column(c.name), c.type, f"t.{quote(c.name)}") for c in columns]
    fields = ", ".join(sql for sql, _ in parts)
    statement = f"copy (select {fields} from {source} t where {where}) to stdout (format csv)"
    for arrays in wire.receive(connection, statement, [kind for _, kind in parts]):
        yield typed(arrays, columns)


def table_values(
    connector: Connector, target: Target, label: str, columns: Sequence[DeliveryColumn]
) -> Generator[pa.Table]:
    """The columns of all rows."""
    with connector.session() as connection:
        name = catalog.resolve(connection, parse_table(target.table))
        table = known(catalog.find_table(connection, name), label, columns)
        yield from rows_of(connection, table, name.sql(quote), columns)
