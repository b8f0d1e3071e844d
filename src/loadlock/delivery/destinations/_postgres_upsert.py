"""The publish of an upsert: classify, update, insert. One transaction, in which other writers wait and readers don't."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Published
from loadlock.delivery.destinations._postgres_catalog import changed, run
from loadlock.delivery.destinations._postgres_types import CatalogTable, compared
from loadlock.delivery.names import quote_ansi as quote
from loadlock.delivery.sqltext import FILE_COLUMN
from loadlock.errors import BalanceError, Refusal, RowsRefusedError

if TYPE_CHECKING:
    import psycopg


@dataclass(frozen=True, kw_only=True)
class Upsert:
    """From `staging` into `target` (both as quoted SQL). `columns` are all delivered ones, `key` some of them."""

    connection: psycopg.Connection[Any]
    target: str
    staging: str
    table: CatalogTable
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def publish(self, rows: int) -> Published:
        """Do it inside the open transaction. Raises BalanceError, or RowsRefusedError for keys that are not unique."""
        # no other writer may come between the counts and the changes; readers are not held up
        run(self.connection, f"lock table {self.target} in share row exclusive mode")
        run(self.connection, f"analyze {self.staging}")
        self._check_keys()
        counts = self._classify()
        total = sum(known + new for known, _, new in counts.values())
        if total != rows:
            raise BalanceError(
                f"{rows:,} rows were sent, but {total:,} are in the staging table: nothing was published"
            )
        updated = self._update() if any(different for _, different, _ in counts.values()) else 0
        inserted = self._insert() if any(new for _, _, new in counts.values()) else 0
        by_file = {
            file: (new, different, known - different) for file, (known, different, new) in sorted(counts.items())
        }
        if (inserted, updated) != (sum(c[0] for c in by_file.values()), sum(c[1] for c in by_file.values())):
            raise BalanceError(
                f"{updated:,} rows were updated and {inserted:,} inserted, which is not what the counts before said"
                f" ({by_file}): nothing was published. A trigger may have dropped rows"
            )
        unchanged = sum(counts[2] for counts in by_file.values())
        return Published(inserted=inserted, updated=updated, unchanged=unchanged, by_file=by_file)

    @property
    def _written(self) -> list[str]:
        """Columns that an update writes: all but the key, and keys that may differ in case alone."""
        return [name for name in self.columns if name not in self.key or self.table.column(name).type == "citext"]

    @property
    def _match(self) -> str:
        return " and ".join(f"t.{quote(name)} = s.{quote(name)}" for name in self.key)

    @property
    def _differs(self) -> str:
        """SQL that is true where a value of the row changes; false where there is nothing but the key."""
        if not self._written:
            return "false"
        pairs = []
        for name in self._written:
            column = self.table.column(name)
            ours, theirs = compared(column, f"t.{quote(name)}"), compared(column, f"s.{quote(name)}")
            pairs.append(f"{ours} is distinct from {theirs}")
        return f"({' or '.join(pairs)})"

    def _check_keys(self) -> None:
        keys = ", ".join(map(quote, self.key))
        repeated = f"group by {keys} having count(*) > 1 limit 1"
        searches = [("the batch", f"select {keys} from {self.staging} {repeated}")]
        if not any(set(unique) <= set(self.key) for unique in self.table.unique):
            touched = f"exists (select from {self.staging} s where {self._match})"
            searches.append(("the table", f"select {keys} from {self.target} t where {touched} {repeated}"))
        for what, search in searches:
            if found := run(self.connection, search):
                shown = ", ".join(f"{name} = {value!r}" for name, value in zip(self.key, found[0], strict=True))
                raise RowsRefusedError(Refusal(message=f"the key {shown} stands in {what} more than once"))

    def _classify(self) -> dict[int, tuple[int, int, int]]:
        """`_file` → rows whose key is known, those of them that differ, rows whose key is new."""
        known = f"t.{quote(self.key[0])} is not null"
        found = run(
            self.connection,
            f"select s.{quote(FILE_COLUMN)}, count(*) filter (where {known}),"
            f" count(*) filter (where {known} and {self._differs}), count(*) filter (where not {known})"
            f" from {self.staging} s left join {self.target} t on {self._match} group by 1",
        )
        return {file: (old, different, new) for file, old, different, new in found}

    def _update(self) -> int:
        pairs = ", ".join(f"{quote(name)} = s.{quote(name)}" for name in self._written)
        return changed(
            self.connection,
            f"update {self.target} t set {pairs} from {self.staging} s where {self._match} and {self._differs}",
        )

    def _insert(self) -> int:
        names = ", ".join(map(quote, self.columns))
        overriding = " overriding system value" if self._has_identity else ""
        return changed(
            self.connection,
            f"insert into {self.target} ({names}){overriding} select {names} from {self.staging} s"
            f" where not exists (select from {self.target} t where {self._match})",
        )

    @property
    def _has_identity(self) -> bool:
        return any(self.table.column(name).identity_always for name in self.columns)
