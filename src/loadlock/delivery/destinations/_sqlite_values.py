"""Some columns of a SQLite table, streaming (see `loadlock.delivery.lookup`)."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from loadlock.delivery.base import DeliveryColumn, Target
from loadlock.delivery.destinations import _sqlite_shape as shapes
from loadlock.delivery.destinations._local import database_path
from loadlock.delivery.lookup import check_columns, no_table
from loadlock.delivery.names import parse_table, quote_ansi
from loadlock.errors import RefusedError

if TYPE_CHECKING:
    import pyarrow as pa

_READ_ROWS = 20_000
_BUSY_SECONDS = 30.0
# the rows are read by a thread of DuckDB, one at a time


class SQLiteValues:
    """The method `values` of the destination."""

    def values(self, target: Target, columns: Sequence[DeliveryColumn]) -> Generator[pa.Table]:
        """See `ReadsColumns`."""
        path, name = database_path(target.url), parse_table(target.table)
        label = f"table {name}"
        if not path.exists():
            raise no_table(label)
        address = f"{path.absolute().as_uri()}?mode=ro"
        try:
            with closing(
                sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, check_same_thread=False)
            ) as connection:
                shape = shapes.inspect(connection, name.table)
                if shape is None:
                    raise no_table(label)
                check_columns(label, [column.name for column in shape.info.columns], columns)
                yield from _rows(connection, name.table, columns, label)
        except sqlite3.Error as error:
            raise RefusedError(f"{label} can't be read: {error}", hint="Look at the file and its rights.") from error


def _rows(
    connection: sqlite3.Connection, table: str, columns: Sequence[DeliveryColumn], label: str
) -> Generator[pa.Table]:
    import pyarrow as pa

    schema = pa.schema([(column.name, column.type.arrow()) for column in columns])
    fields = ", ".join(quote_ansi(column.name) for column in columns)
    cursor = connection.execute(f"select {fields} from main.{quote_ansi(table)}")
    while rows := cursor.fetchmany(_READ_ROWS):
        try:
            arrays = [
                shapes.from_sqlite(values, column.type)
                for values, column in zip(zip(*rows, strict=True), columns, strict=True)
            ]
        except (ValueError, ArithmeticError) as error:
            raise RefusedError(f"{label} holds values of other types: {str(error).splitlines()[0]}") from error
        yield pa.table(arrays, schema)
