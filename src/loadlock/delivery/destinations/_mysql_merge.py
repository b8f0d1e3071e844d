"""The publish into MySQL or MariaDB from a staging table."""

from __future__ import annotations

from dataclasses import dataclass

from loadlock.delivery.destinations._merge import Merge
from loadlock.delivery.destinations._mysql_types import TEXTS, CatalogTable, compared
from loadlock.delivery.sqltext import FILE_COLUMN
from loadlock.errors import UnavailableError


@dataclass(frozen=True, kw_only=True)
class MysqlMerge(Merge):
    """In MySQL's words. Other sessions are not locked out: where they change the same rows, it may be tried again. Statistics
    were made before the transaction, since making them commits."""

    table: CatalogTable

    def _writes(self, name: str) -> bool:
        return self.table.column(name).type in TEXTS

    def changes(self, name: str) -> str:
        column = self.table.column(name)
        ours, theirs = (compared(column, f"{side}.{self.quote(name)}") for side in "ts")
        return f"not ({ours} <=> {theirs})"

    def _update_sql(self) -> str:
        pairs = self._pairs("t.")
        return f"update {self.target} t join {self.staging} s on {self.match} set {pairs} where {self.differs}"

    def _close_missing_sql(self) -> str:
        join = f"left join {self.staging} s on {self._same_key}"
        return f"update {self.target} t {join} set {self._pairs('t.')} where {self._unstaged}{self._and_current}"

    def _delete_sql(self, where: str) -> str:
        return f"delete t from {self.target} t where {where}"

    def _delete_found_sql(self, others: str) -> str:
        # a derived table: a subquery would be run for each row of the target
        keys = ", ".join(map(self.quote, self.key))
        return f"delete t from {self.target} t join (select distinct {keys} from {others}) s on {self.match}"

    def _delete_missing_sql(self) -> str:
        return f"delete t from {self.target} t left join {self.staging} s on {self.match} where {self._unstaged}"

    @property
    def _unstaged(self) -> str:
        return f"s.{self.quote(FILE_COLUMN)} is null"

    def _mark_sql(self) -> str:
        file = f"s.{self.quote(FILE_COLUMN)}"
        return f"update {self.staging} s join {self.target} t on {self.match} set {file} = -1 - {file}"

    def _disturbed(self, message: str) -> Exception:
        return UnavailableError(message)

    @property
    def _staging_is_unique(self) -> bool:
        return True
