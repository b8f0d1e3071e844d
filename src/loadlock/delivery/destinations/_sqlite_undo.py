"""The undo of one delivery to a SQLite file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.delivery.destinations._local_undo import LocalUndo
from loadlock.delivery.destinations._sqlite_control import write_control_row
from loadlock.delivery.destinations._sqlite_shape import to_sqlite
from loadlock.delivery.names import quote_ansi

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(kw_only=True)
class SQLiteUndo(LocalUndo):
    """In SQLite's words."""

    connection: sqlite3.Connection

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql, values).fetchall()

    def changed(self, sql: str) -> int:
        return self.connection.execute(sql).rowcount

    def tables(self) -> list[str]:
        return [str(name) for (name,) in self.run("select name from main.sqlite_master where type = 'table'")]

    def columns_of(self, table: str) -> list[str]:
        return [str(name) for (name,) in self.run("select name from pragma_table_info(?)", table)]

    def load_keys(self, keys: pa.Table) -> str:
        kinds = {column.name: column.type for column in self.job.columns}
        names = ", ".join(map(quote_ansi, keys.column_names))
        self.connection.execute(
            f"create temporary table _loadlock_retired as select {names} from {self.table.target} limit 0"
        )
        columns = [to_sqlite(keys[name], kinds[name]) for name in keys.column_names]
        marks = ", ".join("?" * len(columns))
        rows = zip(*columns, strict=True)
        self.connection.executemany(f"insert into temp._loadlock_retired values ({marks})", rows)
        return "temp._loadlock_retired"

    def write_control_row(self, row: dict[str, Any]) -> None:
        write_control_row(self.connection, row)
