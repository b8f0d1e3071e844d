"""Rows of a DuckDB file as Arrow tables, streaming."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import DeliveryColumn
from loadlock.delivery.destinations import _duckdb_link as link
from loadlock.delivery.destinations._duckdb_publish import with_memory

if TYPE_CHECKING:
    import pyarrow as pa

READ_ROWS = 50_000


def stream(connection: Any, label: str, query: str, columns: Sequence[DeliveryColumn] | None) -> Iterator[pa.Table]:
    """The rows of a query, as these columns where they are given; on a cursor of its own."""
    import pyarrow as pa

    with link.mapped(label), connection.cursor() as cursor:
        link.set_up(cursor)

        def start() -> tuple[Any, Any]:
            reader = cursor.sql(query).to_arrow_reader(READ_ROWS)
            return next(reader, None), reader

        batch, reader = with_memory(cursor, start)
        while batch is not None:
            table = pa.Table.from_batches([batch])
            if columns is not None:
                schema = pa.schema([(column.name, column.type.arrow()) for column in columns])
                table = table.rename_columns(schema.names).cast(schema)
            yield table
            batch = next(reader, None)
