"""The control table in a SQLite file."""

from __future__ import annotations

import sqlite3
from typing import Any

from loadlock.delivery.base import CONTROL_TABLE
from loadlock.delivery.sqltext import DELIVERY_COLUMNS
from loadlock.delivery.undo_sql import ROLLBACK

_CONTROL_TYPES = {
    "key": "text not null primary key",
    "name": "text",
    "integer": "integer",
    "text": "text",
    "now": "text default (strftime('%Y-%m-%d %H:%M:%fZ', 'now'))",
}


def control_row(connection: sqlite3.Connection, column: str, value: str) -> dict[str, Any] | None:
    """The newest control row with this value, or None."""
    known = connection.execute(
        "select 1 from pragma_table_list where schema = 'main' and name = ?", [CONTROL_TABLE]
    ).fetchall()
    if not known:
        return None
    rows = connection.execute(
        f"select {', '.join(DELIVERY_COLUMNS)} from main.{CONTROL_TABLE} where {column} = ?"
        f" and mode <> '{ROLLBACK}' order by published_at desc, _rowid_ desc limit 1",
        [value],
    ).fetchall()
    return dict(zip(DELIVERY_COLUMNS, rows[0], strict=True)) if rows else None


def write_control_row(connection: sqlite3.Connection, row: dict[str, Any]) -> None:
    """Write the control row, making its table where it is absent; again (after a busy commit) is no error."""
    columns = ", ".join(f"{column} {_CONTROL_TYPES[kind]}" for column, kind in DELIVERY_COLUMNS.items())
    connection.execute(f"create table if not exists main.{CONTROL_TABLE} ({columns})")
    marks = ", ".join("?" * len(row))
    connection.execute(
        f"insert or replace into main.{CONTROL_TABLE} ({', '.join(row)}) values ({marks})", list(row.values())
    )
