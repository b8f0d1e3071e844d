"""The publish of an upsert into MySQL or MariaDB."""

from __future__ import annotations

from dataclasses import dataclass

from loadlock.delivery.destinations._mysql_types import TEXTS, CatalogTable, compared
from loadlock.delivery.destinations._server_upsert import ServerUpsert
from loadlock.errors import UnavailableError


@dataclass(frozen=True, kw_only=True)
class MysqlUpsert(ServerUpsert):
    """In MySQL's words. Other sessions are not locked out: where they change the same rows, it may be tried again."""

    table: CatalogTable

    def prepare(self) -> None:
        """Nothing: statistics were made before the transaction, since making them commits."""

    def _writes(self, name: str) -> bool:
        return self.table.column(name).type in TEXTS

    def _changes(self, name: str) -> str:
        column = self.table.column(name)
        ours, theirs = (compared(column, f"{side}.{self.quote(name)}") for side in "ts")
        return f"not ({ours} <=> {theirs})"

    def _update_sql(self, assigned: list[str], match: str, differs: str) -> str:
        pairs = ", ".join(f"t.{self.quote(name)} = s.{self.quote(name)}" for name in assigned)
        return f"update {self.target} t join {self.staging} s on {match} set {pairs} where {differs}"

    def _delete_sql(self, parents: str, match: str) -> str:
        return f"delete t from {self.target} t join {parents} s on {match}"

    def _disturbed(self, message: str) -> Exception:
        return UnavailableError(message)

    @property
    def _staging_is_unique(self) -> bool:
        return True
