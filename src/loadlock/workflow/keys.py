"""Sets of keys that rows are left out by, in a DuckDB of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa


class Keys:
    """Keys of one or more kinds (tuples of columns). Close it."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], str] = {}
        self._connection: Any = None

    def __bool__(self) -> bool:
        return bool(self._names)

    def __enter__(self) -> Keys:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def add(self, key: tuple[str, ...], rows: pa.Table) -> None:
        """The keys of some rows."""
        import duckdb

        if self._connection is None:
            self._connection = duckdb.connect(config={"threads": "1"})
        known = key in self._names
        name = self._names.setdefault(key, f"k{len(self._names)}")
        self._connection.register("part", rows.select(list(key)))
        start = f"insert into {name}" if known else f"create table {name} as"
        self._connection.execute(f"{start} select distinct * from part").fetchall()
        self._connection.unregister("part")

    def without(self, table: pa.Table) -> pa.Table:
        """The rows that have none of the keys, in their order; keys of columns that the table lacks don't count."""
        for key, name in self._names.items():
            if set(key) <= set(table.column_names) and table.num_rows:
                table = self._without(table, key, name)
        return table

    def _without(self, table: pa.Table, key: tuple[str, ...], name: str) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        keys = [f'"{column.replace(chr(34), chr(34) * 2)}"' for column in key]
        numbered = table.select(list(key)).append_column("_n", pa.array(range(table.num_rows), pa.int64()))
        self._connection.register("part", numbered)
        same = " and ".join(f"k.{column} is not distinct from p.{column}" for column in keys)
        found = self._connection.sql(f"select distinct _n from part p join {name} k on {same}").to_arrow_table()["_n"]
        self._connection.unregister("part")
        kept = np.ones(table.num_rows, bool)
        kept[found.to_numpy()] = False
        return table.filter(pa.array(kept))

    def close(self) -> None:
        """Let DuckDB go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
