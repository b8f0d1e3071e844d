"""Some columns of a MySQL or MariaDB table, streaming (see `loadlock.delivery.lookup`)."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from loadlock.delivery.base import DeliveryColumn
from loadlock.delivery.destinations import _mysql_catalog as catalog
from loadlock.delivery.destinations._mysql_address import Address
from loadlock.delivery.destinations._mysql_odd import narrowed
from loadlock.delivery.destinations._mysql_types import CatalogTable, read_sql
from loadlock.delivery.destinations._mysql_wire import WireConnection, connect, translated
from loadlock.delivery.lookup import known, typed
from loadlock.delivery.names import TableName
from loadlock.delivery.names import quote_backtick as quote
from loadlock.delivery.tabtext import parse_csv

if TYPE_CHECKING:
    import pyarrow as pa

READ_BYTES = 8 << 20


def rows_of(
    connection: WireConnection,
    table: CatalogTable,
    source: str,
    columns: Sequence[DeliveryColumn],
    where: str = "true",
) -> Generator[pa.Table]:
    """Columns of the rows `t` of `source` (as SQL; it has the columns of `table`), in their Arrow types."""
    known = [table.column(c.name) for c in columns]
    parts = [read_sql(one, c.type, f"t.{quote(c.name)}") for one, c in zip(known, columns, strict=True)]
    fields = ", ".join(sql for sql, _ in parts)
    statement = f"select cast(concat_ws(',', {fields}) as binary) from {source} t where {where}"
    for block in _blocks(connection.lines(statement)):
        found = parse_csv(block, [kind for _, kind in parts])
        yield typed(
            [narrowed(one) if column.type == "float" else one for one, column in zip(found, known, strict=True)],
            columns,
        )


def table_values(
    address: Address, name: TableName, label: str, columns: Sequence[DeliveryColumn]
) -> Generator[pa.Table]:
    """The columns of all rows."""
    with closing(connect(address)) as connection, translated():
        table = known(catalog.find_table(connection, name), label, columns)
        yield from rows_of(connection, table, name.sql(quote), columns)


def _blocks(lines: Iterator[bytes | None]) -> Iterator[bytes]:
    """Lines joined to blocks. A row too long for the server to join is null: left out, so the comparison fails."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        if line is None:
            continue
        waiting.append(line)
        size += len(line)
        if size >= READ_BYTES:
            yield b"\n".join(waiting) + b"\n"
            waiting, size = [], 0
    if waiting:
        yield b"\n".join(waiting) + b"\n"
