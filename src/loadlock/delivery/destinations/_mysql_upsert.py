"""The publish of an upsert: classify, update, insert, in one InnoDB transaction."""

from __future__ import annotations

from dataclasses import dataclass

from loadlock.delivery.base import Published
from loadlock.delivery.destinations._mysql_types import TEXTS, CatalogTable, compared
from loadlock.delivery.destinations._mysql_wire import WireConnection, changed, run
from loadlock.delivery.names import quote_backtick as quote
from loadlock.delivery.sqltext import FILE_COLUMN
from loadlock.errors import BalanceError, Refusal, RowsRefusedError, UnavailableError


@dataclass(frozen=True, kw_only=True)
class Upsert:
    """From `staging` into `target` (both as quoted SQL). `columns` are all delivered ones, `key` some of them."""

    connection: WireConnection
    target: str
    staging: str
    table: CatalogTable
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def publish(self, rows: int) -> Published:
        """Do it inside the open transaction. Raises BalanceError, RowsRefusedError (keys that are not unique), or
        UnavailableError where another session changed the same rows meanwhile: then it may be tried again."""
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
            raise UnavailableError("other sessions changed rows of the batch during the publish: nothing was published")
        unchanged = sum(counts[2] for counts in by_file.values())
        return Published(inserted=inserted, updated=updated, unchanged=unchanged, by_file=by_file)

    @property
    def _written(self) -> list[str]:
        """Columns that an update writes: all but the key, and text of the key, which may differ in case alone."""
        return [name for name in self.columns if name not in self.key or self.table.column(name).type in TEXTS]

    @property
    def _match(self) -> str:
        return " and ".join(f"t.{quote(name)} = s.{quote(name)}" for name in self.key)

    @property
    def _differs(self) -> str:
        """SQL that is true where a value of the row changes; false where there is nothing but the key."""
        pairs = []
        for name in self._written:
            column = self.table.column(name)
            pairs.append(f"{compared(column, f't.{quote(name)}')} <=> {compared(column, f's.{quote(name)}')}")
        return f"not ({' and '.join(pairs)})" if pairs else "false"

    def _check_keys(self) -> None:
        keys = ", ".join(map(quote, self.key))
        if any(set(unique) <= set(self.key) for unique in self.table.unique):
            return  # the staging table has the same index
        repeated = f"group by {keys} having count(*) > 1 limit 1"
        touched = f"exists (select 1 from {self.staging} s where {self._match})"
        for what, search in (
            ("the batch", f"select {keys} from {self.staging} {repeated}"),
            ("the table", f"select {keys} from {self.target} t where {touched} {repeated}"),
        ):
            if found := run(self.connection, search):
                shown = ", ".join(f"{name} = {value!r}" for name, value in zip(self.key, found[0], strict=True))
                raise RowsRefusedError(Refusal(message=f"the key {shown} stands in {what} more than once"))

    def _classify(self) -> dict[int, tuple[int, int, int]]:
        """`_file` → rows whose key is known, those of them that differ, rows whose key is new."""
        known = f"t.{quote(self.key[0])} is not null"
        found = run(
            self.connection,
            f"select s.{quote(FILE_COLUMN)}, sum({known}), sum({known} and {self._differs}), sum(not ({known}))"
            f" from {self.staging} s left join {self.target} t on {self._match} group by 1",
        )
        return {int(file): (int(old), int(different), int(new)) for file, old, different, new in found}

    def _update(self) -> int:
        pairs = ", ".join(f"t.{quote(name)} = s.{quote(name)}" for name in self._written)
        return changed(
            self.connection,
            f"update {self.target} t join {self.staging} s on {self._match} set {pairs} where {self._differs}",
        )

    def _insert(self) -> int:
        names = ", ".join(map(quote, self.columns))
        values = ", ".join(f"s.{quote(name)}" for name in self.columns)
        return changed(
            self.connection,
            f"insert into {self.target} ({names}) select {values} from {self.staging} s"
            f" left join {self.target} t on {self._match} where t.{quote(self.key[0])} is null",
        )
