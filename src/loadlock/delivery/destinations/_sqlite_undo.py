"""The undo of one delivery to a SQLite file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from loadlock.delivery.destinations._local_undo import LocalUndo
from loadlock.delivery.destinations._sqlite_control import write_control_row


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

    def write_control_row(self, row: dict[str, Any]) -> None:
        write_control_row(self.connection, row)
