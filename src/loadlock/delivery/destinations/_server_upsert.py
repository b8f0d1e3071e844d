"""The publish of an upsert on a database server: classify, update, insert; child tables: delete, insert. In one transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loadlock.delivery.base import Published
from loadlock.delivery.sqltext import FILE_COLUMN
from loadlock.errors import BalanceError, Refusal, RowsRefusedError

Counts = dict[int, tuple[int, int, int]]
"""`_file` → rows whose key is known, those of them that differ, rows whose key is new."""


@dataclass(frozen=True, kw_only=True)
class ServerUpsert(ABC):
    """From `staging` into `target` (both as SQL). `columns` are all delivered ones, `key` some of them.

    What is done in other words by each server is a method without a body.
    """

    run: Callable[[str], list[tuple[Any, ...]]]
    changed: Callable[[str], int]
    quote: Callable[[str], str]
    target: str
    staging: str
    unique: tuple[tuple[str, ...], ...]
    """Column sets of the target with a unique index."""
    columns: tuple[str, ...]
    key: tuple[str, ...]

    @abstractmethod
    def prepare(self) -> None:
        """Locks and statistics, inside the open transaction."""

    @abstractmethod
    def _writes(self, name: str) -> bool:
        """Whether an update writes this column of the key: one whose equal values may be spelled differently."""

    @abstractmethod
    def _changes(self, name: str) -> str:
        """SQL that is true where the column's value in `s` is another than in `t`."""

    @abstractmethod
    def _update_sql(self, assigned: list[str], match: str, differs: str) -> str:
        """`assigned` = the columns to write."""

    @abstractmethod
    def _delete_sql(self, parents: str, match: str) -> str:
        """Delete the rows of the target (`t`) that match a row of `parents` (`s`)."""

    @abstractmethod
    def _disturbed(self, message: str) -> Exception:
        """The error for counts that other sessions changed meanwhile."""

    @property
    def _insert_words(self) -> str:
        """What stands between the column list and the query of an INSERT."""
        return ""

    @property
    def _staging_is_unique(self) -> bool:
        """Whether the staging table has the target's unique indexes."""
        return False

    def publish(self, rows: int) -> Published:
        """Merge inside the open transaction. Raises BalanceError, RowsRefusedError for keys that are not unique, or what
        `_disturbed` makes."""
        self.prepare()
        self._check_keys()
        counts = self._classify()
        self._agree(rows, sum(known + new for known, _, new in counts.values()))
        expected = (sum(new for *_, new in counts.values()), sum(different for _, different, _ in counts.values()))
        updated = self.changed(self._update_sql(self._written, self._match, self._differs)) if expected[1] else 0
        inserted = self._insert() if expected[0] else 0
        if (inserted, updated) != expected:
            raise self._disturbed(
                f"{updated:,} rows were updated and {inserted:,} inserted, which is not what the counts before said"
                f" ({expected[1]:,} and {expected[0]:,}): nothing was published"
            )
        by_file = {
            file: (new, different, known - different) for file, (known, different, new) in sorted(counts.items())
        }
        unchanged = sum(counts[2] for counts in by_file.values())
        return Published(inserted=inserted, updated=updated, unchanged=unchanged, by_file=by_file)

    def replace_children(self, rows: int, parents: str) -> Published:
        """The staging table's rows in place of all children of the rows in `parents`, the parent's staging table."""
        deleted = self.changed(self._delete_sql(parents, self._match))
        found = self.run(f"select {self.quote(FILE_COLUMN)}, count(*) from {self.staging} group by 1")
        by_file = {int(file): (int(count), 0, 0) for file, count in found}
        self._agree(rows, sum(new for new, *_ in by_file.values()))
        names = ", ".join(map(self.quote, self.columns))
        words = self._insert_words
        inserted = self.changed(f"insert into {self.target} ({names}){words} select {names} from {self.staging}")
        if inserted != rows:
            raise BalanceError(f"{rows:,} rows were sent, {inserted:,} inserted: a trigger dropped the rest")
        return Published(inserted=inserted, deleted=deleted, by_file=dict(sorted(by_file.items())))

    def _agree(self, sent: int, staged: int) -> None:
        if staged != sent:
            raise BalanceError(
                f"{sent:,} rows were sent, but {staged:,} are in the staging table: nothing was published"
            )

    @property
    def _written(self) -> list[str]:
        return [name for name in self.columns if name not in self.key or self._writes(name)]

    @property
    def _match(self) -> str:
        return " and ".join(f"t.{self.quote(name)} = s.{self.quote(name)}" for name in self.key)

    @property
    def _differs(self) -> str:
        """SQL that is true where a value of the row changes; false where there is nothing but the key."""
        changes = [self._changes(name) for name in self._written]
        return f"({' or '.join(changes)})" if changes else "false"

    def _check_keys(self) -> None:
        keys = ", ".join(map(self.quote, self.key))
        repeated = f"group by {keys} having count(*) > 1 limit 1"
        is_unique = any(set(unique) <= set(self.key) for unique in self.unique)
        searches = []
        if not (is_unique and self._staging_is_unique):
            searches.append(("the batch", f"select {keys} from {self.staging} {repeated}"))
        if not is_unique:
            touched = f"exists (select 1 from {self.staging} s where {self._match})"
            searches.append(("the table", f"select {keys} from {self.target} t where {touched} {repeated}"))
        for what, search in searches:
            if found := self.run(search):
                shown = ", ".join(f"{name} = {value!r}" for name, value in zip(self.key, found[0], strict=True))
                raise RowsRefusedError(Refusal(message=f"the key {shown} stands in {what} more than once"))

    def _classify(self) -> Counts:
        known = f"t.{self.quote(self.key[0])} is not null"

        def rows(condition: str) -> str:
            return f"sum(case when {condition} then 1 else 0 end)"

        found = self.run(
            f"select s.{self.quote(FILE_COLUMN)}, {rows(known)}, {rows(f'{known} and {self._differs}')},"
            f" {rows(f'not ({known})')} from {self.staging} s left join {self.target} t on {self._match} group by 1"
        )
        return {int(file): (int(old), int(different), int(new)) for file, old, different, new in found}

    def _insert(self) -> int:
        names = ", ".join(map(self.quote, self.columns))
        values = ", ".join(f"s.{self.quote(name)}" for name in self.columns)
        return self.changed(
            f"insert into {self.target} ({names}){self._insert_words} select {values} from {self.staging} s"
            f" left join {self.target} t on {self._match} where t.{self.quote(self.key[0])} is null"
        )
