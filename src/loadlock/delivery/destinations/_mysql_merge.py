"""The publish into MySQL or MariaDB from a staging table."""

from __future__ import annotations

from dataclasses import dataclass

from loadlock.delivery.destinations._merge import Merge
from loadlock.delivery.destinations._mysql_types import TEXTS, CatalogTable, compared
from loadlock.delivery.sqltext import FILE_COLUMN
from loadlock.errors import Refusal, RowsRefusedError, UnavailableError


@dataclass(frozen=True, kw_only=True)
class MysqlMerge(Merge):
    """In MySQL's words. Other sessions are not locked out: where they change the same rows, it may be tried again. Statistics
    were made before the transaction, since making them commits."""

    table: CatalogTable
    references: tuple[tuple[tuple[str, str], ...], ...] = ()
    """Foreign keys of the target to itself: pairs of a delivered column and the column it points to."""

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

    @property
    def _inserts_first(self) -> bool:
        # InnoDB looks at a reference when the row is written: an updated row may point to a new one
        return bool(self.references)

    def _insert(self, where: str) -> int:
        """See `Merge`; with references to the table itself, rows come after those that they point to."""
        if not self.references:
            return super()._insert(where)
        left = " and ".join(filter(None, [where, *map(self._is_absent, self.references)]))
        met = " and ".join(map(self._is_met, self.references))
        total = 0
        while found := super()._insert(f"{left} and {met}"):
            total += found
        if more := self.count(f"{self.staging} s where {left}"):
            raise RowsRefusedError(
                Refusal(
                    message=f"{more:,} rows of the batch point to rows that are not there, or to each other",
                    code="1452",
                )
            )
        return total

    def _is_met(self, pairs: tuple[tuple[str, str], ...]) -> str:
        """Whether a staged row `s` points nowhere, to itself or to a row that is there."""
        unset = " or ".join(f"s.{self.quote(column)} is null" for column, _ in pairs)
        own = " and ".join(f"s.{self.quote(column)} = s.{self.quote(theirs)}" for column, theirs in pairs)
        there = " and ".join(f"p.{self.quote(theirs)} = s.{self.quote(column)}" for column, theirs in pairs)
        return f"({unset} or {own} or exists (select 1 from {self.target} p where {there}))"

    def _is_absent(self, pairs: tuple[tuple[str, str], ...]) -> str:
        """Whether a staged row `s` was not inserted before, by the columns that others point to."""
        same = " and ".join(f"a.{self.quote(theirs)} = s.{self.quote(theirs)}" for _, theirs in pairs)
        return f"not exists (select 1 from {self.target} a where {same})"

    def _disturbed(self, message: str) -> Exception:
        return UnavailableError(message)

    @property
    def _staging_is_unique(self) -> bool:
        return True
