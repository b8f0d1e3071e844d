"""The publish into PostgreSQL from a staging table: other writers of the table wait meanwhile, readers don't."""

from __future__ import annotations

from dataclasses import dataclass

from loadlock.delivery.destinations._merge import Merge
from loadlock.delivery.destinations._postgres_types import CatalogTable, compared


@dataclass(frozen=True, kw_only=True)
class PostgresMerge(Merge):
    """In PostgreSQL's words."""

    table: CatalogTable

    def prepare(self) -> None:
        # no other writer may come between the counts and the changes; readers are not held up
        self.run(f"lock table {self.target} in share row exclusive mode")
        self.run(f"analyze {self.staging}")

    @property
    def _inserts_first(self) -> bool:
        # an updated row may point to a new one; references are looked at when a statement ends
        table = "'" + self.target.replace("'", "''") + "'::regclass"
        sql = f"select exists (select from pg_constraint where contype = 'f' and conrelid = {table} and confrelid = {table})"
        return bool(self.run(sql)[0][0])

    def _writes(self, name: str) -> bool:
        return self.table.column(name).type == "citext"

    def changes(self, name: str) -> str:
        column = self.table.column(name)
        ours, theirs = (compared(column, f"{side}.{self.quote(name)}") for side in "ts")
        return f"{ours} is distinct from {theirs}"

    @property
    def _insert_words(self) -> str:
        identity = any(self.table.column(name).identity_always for name in self.columns)
        return " overriding system value" if identity else ""
