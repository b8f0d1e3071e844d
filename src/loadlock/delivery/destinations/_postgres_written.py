"""Text for columns of types that PostgreSQL alone can read: intervals, arrays, ranges, addresses, bytes, bits and others.

A value is taken in the form in which the server shows it. Any other spelling of it would be read back as another text: it is
refused, and the message tells the form to write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loadlock.delivery.destinations._postgres_catalog import run
from loadlock.delivery.destinations._postgres_types import CatalogColumn
from loadlock.errors import Refusal, RowsRefusedError

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa


def refuse_unlike(connection: psycopg.Connection[Any], columns: Sequence[CatalogColumn], rows: pa.Table) -> None:
    """Raise RowsRefusedError for the first value that the server would show in another way, inside the open transaction.
    A value that it can't read raises psycopg's error."""
    import pyarrow.compute as pc

    for column in columns:
        if not column.is_written:
            continue
        values = rows.column(column.name)
        shown = f"format('%s', v::{column.shown_type})"
        sql = f"select v, {shown} from unnest($1::text[]) u (v) where v is distinct from {shown} limit 1"
        found = run(connection, sql, values.unique().drop_null().to_pylist())
        if found:
            value, other = found[0]
            raise RowsRefusedError(
                Refusal(
                    message=f"{_brief(value)} is shown by the server as {_brief(other)}: write it so",
                    column=column.name,
                    row=pc.index(values, value).as_py(),
                )
            )


def _brief(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:100] + "...")
