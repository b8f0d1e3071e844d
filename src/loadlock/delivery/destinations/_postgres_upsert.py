"""The publish of an upsert into PostgreSQL: other writers of the table wait meanwhile, readers don't."""

from __future__ import annotations

from dataclasses import dataclass

from loadlock.delivery.destinations._postgres_types import CatalogTable, compared
from loadlock.delivery.destinations._server_upsert import ServerUpsert
from loadlock.errors import BalanceError


@dataclass(frozen=True, kw_only=True)
class PostgresUpsert(ServerUpsert):
    """In PostgreSQL's words."""

    table: CatalogTable

    def prepare(self) -> None:
        # no other writer may come between the counts and the changes; readers are not held up
        self.run(f"lock table {self.target} in share row exclusive mode")
        self.run(f"analyze {self.staging}")

    def _writes(self, name: str) -> bool:
        return self.table.column(name).type == "citext"

    def _changes(self, name: str) -> str:
        column = self.table.column(name)
        ours, theirs = (compared(column, f"{side}.{self.quote(name)}") for side in "ts")
        return f"{ours} is distinct from {theirs}"

    def _update_sql(self, assigned: list[str], match: str, differs: str) -> str:
        pairs = ", ".join(f"{self.quote(name)} = s.{self.quote(name)}" for name in assigned)
        return f"update {self.target} t set {pairs} from {self.staging} s where {match} and {differs}"

    def _delete_sql(self, parents: str, match: str) -> str:
        return f"delete from {self.target} t using {parents} s where {match}"

    def _disturbed(self, message: str) -> Exception:
        return BalanceError(f"{message}. A trigger may have dropped rows")

    @property
    def _insert_words(self) -> str:
        identity = any(self.table.column(name).identity_always for name in self.columns)
        return " overriding system value" if identity else ""
