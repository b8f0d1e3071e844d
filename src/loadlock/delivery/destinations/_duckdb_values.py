"""Some columns of a DuckDB table, streaming (see `loadlock.delivery.lookup`)."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from loadlock.delivery.base import DeliveryColumn, Target
from loadlock.delivery.destinations import _duckdb_link as link
from loadlock.delivery.destinations import _duckdb_shape as shapes
from loadlock.delivery.destinations._local import database_path
from loadlock.delivery.lookup import check_columns, no_table
from loadlock.delivery.names import parse_table, quote_ansi

if TYPE_CHECKING:
    import pyarrow as pa

_READ_ROWS = 50_000


class DuckDBValues:
    """The method `values` of the destination."""

    def values(self, target: Target, columns: Sequence[DeliveryColumn]) -> Generator[pa.Table]:
        """See `ReadsColumns`. Values that are none of the asked type are null."""
        import pyarrow as pa

        path, name = database_path(target.url), parse_table(target.table)
        label = f"table {name}"
        if not path.exists():
            raise no_table(label)
        schema = pa.schema([(column.name, column.type.arrow()) for column in columns])
        with link.mapped(label), link.connect_reading(path) as connection:
            shape = shapes.inspect(connection, name)
            if shape is None:
                raise no_table(label)
            check_columns(label, [column.name for column in shape.info.columns], columns)
            fields = ", ".join(f"try_cast({quote_ansi(c.name)} as {c.type.duckdb})" for c in columns)
            for batch in connection.sql(f"select {fields} from {name.sql(quote_ansi)}").to_arrow_reader(_READ_ROWS):
                yield pa.Table.from_batches([batch]).rename_columns(schema.names).cast(schema)
