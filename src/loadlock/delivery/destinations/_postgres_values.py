"""Some columns of a PostgreSQL table, streaming (see `loadlock.delivery.lookup`)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from loadlock.delivery.base import DeliveryColumn, Target
from loadlock.delivery.destinations import _postgres_catalog as catalog
from loadlock.delivery.destinations import _postgres_copy as wire
from loadlock.delivery.destinations._postgres_connect import Connector
from loadlock.delivery.destinations._postgres_types import read_sql
from loadlock.delivery.lookup import check_columns, no_table
from loadlock.delivery.names import parse_table
from loadlock.delivery.names import quote_ansi as quote

if TYPE_CHECKING:
    import pyarrow as pa


def table_values(
    connector: Connector, target: Target, label: str, columns: Sequence[DeliveryColumn]
) -> Generator[pa.Table]:
    """The columns of all rows."""
    import pyarrow as pa

    with connector.session() as connection:
        name = catalog.resolve(connection, parse_table(target.table))
        table = catalog.find_table(connection, name)
        if table is None:
            raise no_table(label)
        check_columns(label, [column.name for column in table.info().columns], columns)
        parts = [read_sql(table.column(c.name), c.type, f"t.{quote(c.name)}") for c in columns]
        fields = ", ".join(sql for sql, _ in parts)
        statement = f"copy (select {fields} from {name.sql(quote)} t) to stdout (format csv)"
        for arrays in wire.receive(connection, statement, [kind for _, kind in parts]):
            found = [array.cast(column.type.arrow()) for array, column in zip(arrays, columns, strict=True)]
            yield pa.table(found, names=[column.name for column in columns])
