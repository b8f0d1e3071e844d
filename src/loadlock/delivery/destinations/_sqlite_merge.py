"""The publish into a SQLite table from a temporary table like it."""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

from loadlock.delivery.destinations import _sqlite_shape as shapes
from loadlock.delivery.destinations._merge import Merge
from loadlock.delivery.names import quote_ansi as quote
from loadlock.delivery.sqltext import FILE_COLUMN

_NAME = r"""(?:"(?:[^"]|"")*"|\[[^\]]*\]|`(?:[^`]|``)*`|'(?:[^']|'')*'|[^\s(."]+)"""
_CREATE = re.compile(rf"\s*create\s+table\s+(?:{_NAME}\s*\.\s*)?{_NAME}\s*(\(.*)", re.IGNORECASE | re.DOTALL)
"""How SQLite keeps a table's definition; what begins with the bracket holds for a table of any name."""


@dataclass(frozen=True, kw_only=True)
class SQLiteMerge(Merge):
    """In SQLite's words."""

    def changes(self, name: str) -> str:
        return f"t.{quote(name)} is not s.{quote(name)} collate binary"


def make_stage(connection: sqlite3.Connection, table: str, shape: shapes.Shape, stage: str) -> None:
    """An empty temporary table like `table`, with its checks and unique columns, so that rows are refused while they are
    loaded, and the column `_loadlock_file`."""
    found = connection.execute(
        "select sql from main.sqlite_master where type = 'table' and name = ? collate nocase", [table]
    )
    definition = _CREATE.match(found.fetchall()[0][0])
    typed = ", ".join(f"{quote(c.name)} {'' if c.sql_type == 'ANY' else c.sql_type}" for c in shape.info.columns)
    connection.execute(f"create table temp.{stage} {definition[1] if definition else f'({typed})'}")
    for number, columns in enumerate(shape.info.unique):
        if columns != shape.primary_key and not _has_index(connection, stage, columns):
            listed = ", ".join(map(quote, columns))
            connection.execute(f"create unique index temp.{stage}_{number} on {stage} ({listed})")
    connection.execute(f"alter table temp.{stage} add column {quote(FILE_COLUMN)} integer")


def _has_index(connection: sqlite3.Connection, stage: str, columns: tuple[str, ...]) -> bool:
    names = connection.execute("select name from pragma_index_list(?, 'temp')", [stage]).fetchall()
    listed = "select name from pragma_index_info(?, 'temp')"
    return any(columns == tuple(row[0] for row in connection.execute(listed, [name])) for (name,) in names)
