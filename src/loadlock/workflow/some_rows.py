"""Some rows of a clean part: without those at given places, or those that a destination's filter names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def leave_out(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    """The table without the rows at these places."""
    import numpy as np
    import pyarrow as pa

    if not rows:
        return table
    kept = np.ones(table.num_rows, bool)
    kept[list(rows)] = False
    return table.filter(pa.array(kept))


def matching(table: pa.Table, condition: str) -> pa.Table:
    """The rows for which a destination's filter holds."""
    import duckdb

    with duckdb.connect(config={"threads": "1", "enable_external_access": "false"}) as connection:
        connection.register("rows", table)
        return connection.sql(f"select * from rows where ({condition})").to_arrow_table()
