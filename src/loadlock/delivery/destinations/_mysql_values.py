"""Some columns of a MySQL or MariaDB table, streaming (see `loadlock.delivery.lookup`)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from loadlock.delivery.base import DeliveryColumn
from loadlock.delivery.destinations import _mysql_catalog as catalog
from loadlock.delivery.destinations._mysql_address import Address
from loadlock.delivery.destinations._mysql_session import blocks
from loadlock.delivery.destinations._mysql_types import read_sql
from loadlock.delivery.destinations._mysql_wire import connect, translated
from loadlock.delivery.lookup import check_columns, no_table
from loadlock.delivery.names import TableName
from loadlock.delivery.names import quote_backtick as quote
from loadlock.delivery.tabtext import parse_csv

if TYPE_CHECKING:
    import pyarrow as pa


def table_values(
    address: Address, name: TableName, label: str, columns: Sequence[DeliveryColumn]
) -> Generator[pa.Table]:
    """The columns of all rows."""
    import pyarrow as pa

    with closing(connect(address)) as connection, translated():
        table = catalog.find_table(connection, name)
        if table is None:
            raise no_table(label)
        check_columns(label, [column.name for column in table.info().columns], columns)
        parts = [read_sql(table.column(c.name), c.type, f"t.{quote(c.name)}") for c in columns]
        fields = ", ".join(sql for sql, _ in parts)
        statement = f"select cast(concat_ws(',', {fields}) as binary) from {name.sql(quote)} t"
        for block in blocks(connection.lines(statement)):
            arrays = parse_csv(block, [kind for _, kind in parts])
            found = [array.cast(column.type.arrow()) for array, column in zip(arrays, columns, strict=True)]
            yield pa.table(found, names=[column.name for column in columns])
