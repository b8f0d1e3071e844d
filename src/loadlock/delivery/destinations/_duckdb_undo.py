"""The undo of one delivery to a DuckDB file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.delivery.destinations import _duckdb_publish as publishing
from loadlock.delivery.destinations._duckdb_checks import Chunked
from loadlock.delivery.destinations._duckdb_merge import merging
from loadlock.delivery.destinations._local import Spool
from loadlock.delivery.destinations._local_undo import LocalUndo
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(kw_only=True)
class DuckDBUndo(LocalUndo):
    """In DuckDB's words."""

    connection: Any

    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.connection.execute(sql, list(values)).fetchall()
        return found

    def changed(self, sql: str) -> int:
        return publishing.affected(self.connection, sql)

    def tables(self) -> list[str]:
        schema = self.name.schema or "main"
        return [
            str(name)
            for (name,) in self.run(
                "select table_name from duckdb_tables() where database_name = current_database() and schema_name = ?",
                schema,
            )
        ]

    def columns_of(self, table: str) -> list[str]:
        schema = self.name.schema or "main"
        return [
            str(name)
            for (name,) in self.run(
                "select column_name from duckdb_columns() where database_name = current_database() and schema_name = ?"
                " and table_name = ?",
                schema,
                table,
            )
        ]

    def load_keys(self, keys: pa.Table) -> str:
        self.connection.register("_loadlock_retired", keys)
        return "_loadlock_retired"

    def write_control_row(self, row: dict[str, Any]) -> None:
        publishing.write_control_row(self.connection, self.name, row)


def save_chunks(undo: DuckDBUndo, chunked: Chunked, spool: Spool) -> None:
    """Before the chunks are merged into the target."""
    if not undo.kept:
        return
    if undo.job.mode == WriteMode.REPLACE:
        undo.save_deleted("true")
    elif undo.job.mode.by_key:
        with merging(undo.connection, chunked, spool) as merge:
            undo.save(merge)
