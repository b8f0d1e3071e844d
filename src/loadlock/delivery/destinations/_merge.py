"""The publish of rows that lie in a staging table beside the target, by mode, in one transaction.

Upsert: classify, update, insert. Mirror: the same, and before it what the batch lacks is deleted. Scd2: the same, but what an
upsert would update is closed, and a new version of it inserted; rows of the target are those without an end. Insert only: rows
with a known key are marked as left, the others inserted. Delete and insert (and child tables): delete what has the batch's key
values, insert. What a database says in other words is a method without a body.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loadlock.delivery.base import EVERY_ROW, Published
from loadlock.delivery.destinations._versions import Versions
from loadlock.delivery.fit import LINEAGE
from loadlock.delivery.sqltext import FILE_COLUMN
from loadlock.errors import BalanceError, Refusal, RefusedError, RowsRefusedError, StoppedError
from loadlock.model import WriteMode

Counts = dict[int, tuple[int, int, int]]
"""`_file` → rows whose key is known, those of them that differ, rows whose key is new."""


@dataclass(frozen=True, kw_only=True)
class Merge(ABC):
    """From `staging` into `target` (both as SQL). `columns` are all delivered ones, `key` some of them."""

    run: Callable[[str], list[tuple[Any, ...]]]
    changed: Callable[[str], int]
    quote: Callable[[str], str]
    target: str
    staging: str
    unique: tuple[tuple[str, ...], ...]
    """Column sets of the target with a unique index."""
    columns: tuple[str, ...]
    key: tuple[str, ...]
    mode: WriteMode
    max_delete_percent: float | None = None
    """A mirror that would delete more of the target's rows stops; None: nothing stops it."""
    update: tuple[str, ...] | None = None
    """See `Job.update`."""
    versions: Versions | None = None
    """Mode scd2: always set."""

    # -- what databases do in their own words ---------------------------------------------------------------------------

    def prepare(self) -> None:
        """Locks and statistics, inside the open transaction."""
        return

    def _writes(self, name: str) -> bool:
        """Whether an update writes this column of the key: one whose equal values may be spelled differently."""
        return False

    @abstractmethod
    def changes(self, name: str) -> str:
        """SQL that is true where the column's value in `s` is another than in `t`."""

    def _update_sql(self) -> str:
        """Write the staged values into the rows of the target for which `differs` holds."""
        return f"update {self.target} as t set {self._pairs('')} from {self.staging} s where {self.match} and {self.differs}"

    def _pairs(self, prefix: str) -> str:
        """What an update sets; `prefix` stands before the columns of the target."""
        if self.versions is not None:
            return f"{prefix}{self.quote(self.versions.until)} = {self.versions.moment}"
        return ", ".join(f"{prefix}{self.quote(name)} = s.{self.quote(name)}" for name in self.written)

    def _disturbed(self, message: str) -> Exception:
        """The error for counts that are not what was counted before."""
        return BalanceError(f"{message}. A trigger may have dropped rows")

    def _delete_sql(self, where: str) -> str:
        """Delete the rows of the target (`t`) for which a condition holds."""
        return f"delete from {self.target} as t where {where}"

    def _delete_found_sql(self, others: str) -> str:
        """Delete the rows of the target whose key stands in a row of `others`; keys may stand there repeatedly."""
        return self._delete_sql(f"exists (select 1 from {others} s where {self.match})")

    def _delete_missing_sql(self) -> str:
        """Delete the rows of the target whose key stands in no row of the staging table."""
        return self._delete_sql(self.missing)

    def _close_missing_sql(self) -> str:
        return f"update {self.target} as t set {self._pairs('')} where {self.missing}"

    def _mark_sql(self) -> str:
        """Give the staged rows whose key is in the target a negative file: -1 less what it was."""
        file = self.quote(FILE_COLUMN)
        known = f"exists (select 1 from {self.target} t where {self.match})"
        return f"update {self.staging} as s set {file} = -1 - {file} where {known}"

    @property
    def _insert_words(self) -> str:
        """What stands between the column list and the query of an INSERT."""
        return ""

    @property
    def _inserts_first(self) -> bool:
        """Whether new rows come before others are updated. Else an update may free a unique value that a new row takes."""
        return False

    @property
    def _staging_is_unique(self) -> bool:
        """Whether the staging table has the target's unique indexes."""
        return False

    # -- the publish ------------------------------------------------------------------------------------------------------

    def publish(self, rows: int) -> Published:
        """Merge inside the open transaction. Raises BalanceError, RowsRefusedError for keys that are not unique, StoppedError
        where a mirror would delete too much, or what `_disturbed` makes."""
        self.prepare()
        if self.mode == WriteMode.DELETE_INSERT:
            return self.exchange(rows, self.staging)
        self.check_keys()
        return self._add(rows) if self.mode == WriteMode.INSERT_ONLY else self._merge(rows)

    def _merge(self, rows: int) -> Published:
        """Upsert, mirror and scd2. What goes is deleted first: its other unique values may come with a new key."""
        counts = self.classify()
        self._agree(rows, sum(known + new for known, _, new in counts.values()))
        self._check_moment()
        deleted = self._delete_missing(rows, counts) if self.ends_missing else 0
        inserts, updates = (
            sum(column) for column in ([n for *_, n in counts.values()], [d for _, d, _ in counts.values()])
        )
        writes = sum(known for known, *_ in counts.values()) if self._stamps else updates
        opens = inserts if self.versions is None else inserts + updates
        inserted, late = 0, opens and not self._inserts_first
        if opens and not late:
            inserted = self._insert(self.absent)
        written = self.changed(self._update_sql()) if writes else 0
        if late:
            inserted = self._insert(self.absent)
        if (inserted, written) != (opens, writes):
            raise self._disturbed(
                f"{written:,} rows were updated and {inserted:,} inserted, which is not what the counts before said"
                f" ({writes:,} and {opens:,}): nothing was published"
            )
        by_file = {
            file: (new, different, known - different) for file, (known, different, new) in sorted(counts.items())
        }
        unchanged = sum(counts[2] for counts in by_file.values())
        return Published(inserted=inserts, updated=updates, unchanged=unchanged, deleted=deleted, by_file=by_file)

    def _check_moment(self) -> None:
        """A version can't end before it began."""
        if (versions := self.versions) is None:
            return
        late = f"{self.target} t where t.{self.quote(versions.since)} >= {versions.moment}{self._and_current}"
        if not self.count(late):
            return
        touched = f"exists (select 1 from {self.staging} s where {self.match} and {self.has_changed})"
        if versions.close_missing:
            touched = f"({touched} or {self.missing})"
        shown = ", ".join(f"t.{self.quote(name)}" for name in (*self.key, versions.since))
        if found := self.run(f"select {shown} from {late} and {touched} limit 1"):
            key = ", ".join(f"{name} = {value!r}" for name, value in zip(self.key, found[0], strict=False))
            raise RefusedError(
                f"the version of {key} begins at {found[0][-1]}, which is not before this publish ({versions.moment}):"
                " nothing was published",
                hint="Look at the clocks of the machines that deliver. Where the column keeps whole seconds, wait for one.",
            )

    def _delete_missing(self, rows: int, counts: Counts) -> int:
        before = self.count_current()
        missing = before - sum(known for known, *_ in counts.values())
        if reason := self.too_much(rows, missing, before):
            raise StoppedError(
                f"{reason}: nothing was published",
                hint="`loadlock plan` shows which; raise `max_delete_percent`, or run with --force.",
            )
        sql = self._delete_missing_sql() if self.versions is None else self._close_missing_sql()
        deleted = self.changed(sql) if missing else 0
        if deleted != missing:
            raise self._disturbed(
                f"{deleted:,} rows were deleted where {missing:,} were counted: nothing was published"
            )
        return deleted

    def too_much(self, rows: int, missing: int, before: int) -> str | None:
        """Why a mirror of so many rows that deletes `missing` of the `before` rows in the target is stopped, or None."""
        if self.max_delete_percent is None or not missing:
            return None
        who, does = ("the mirror", "delete") if self.versions is None else ("the batch", "end")
        if not rows:
            return f"the batch is empty, and {who} would {does} all {before:,} rows of the table"
        if missing * 100 > self.max_delete_percent * before:
            limit = f"{self.max_delete_percent:g} %"
            return f"{who} would {does} {missing:,} of the table's {before:,} rows, more than {limit}"
        return None

    def _add(self, rows: int) -> Published:
        """Insert only."""
        by_file = self._split()
        self._agree(rows, sum(map(sum, by_file.values())))
        inserts, unchanged = (sum(counts[index] for counts in by_file.values()) for index in (0, 2))
        inserted = self._insert(self._is_new) if inserts else 0
        if inserted != inserts:
            raise self._disturbed(
                f"{inserted:,} rows were inserted where {inserts:,} were counted: nothing was published"
            )
        return Published(inserted=inserted, unchanged=unchanged, by_file=by_file)

    def _split(self) -> Counts:
        """Mark what is left as it is; `_file` → (new rows, 0, rows left)."""
        self.changed(self._mark_sql())
        found = self.run(f"select {self.quote(FILE_COLUMN)}, count(*) from {self.staging} group by 1")
        new, left = ({int(f): int(n) for f, n in found if (f < 0) == is_left} for is_left in (False, True))
        return {file: (new.get(file, 0), 0, left.get(-1 - file, 0)) for file in sorted({*new, *(-1 - f for f in left)})}

    @property
    def _is_new(self) -> str:
        """The condition on staged rows `s` that an insert only inserts; after `_split`."""
        return f"s.{self.quote(FILE_COLUMN)} >= 0"

    def exchange(self, rows: int, others: str) -> Published:
        """The staged rows in the place of all rows whose key stands in `others`: the staging table itself, or the parent's
        for a child table."""
        deleted = self.changed(self._delete_found_sql(others))
        found = self.run(f"select {self.quote(FILE_COLUMN)}, count(*) from {self.staging} group by 1")
        by_file = {int(file): (int(count), 0, 0) for file, count in sorted(found)}
        self._agree(rows, sum(new for new, *_ in by_file.values()))
        inserted = self._insert("") if rows else 0
        if inserted != rows:
            raise BalanceError(f"{rows:,} rows were sent, {inserted:,} inserted: a trigger dropped the rest")
        return Published(inserted=inserted, deleted=deleted, by_file=by_file)

    def _insert(self, where: str) -> int:
        """Insert the staged rows for which a condition on `s` holds, all of them without one."""
        filled = {self.quote(name): f"s.{self.quote(name)}" for name in self.columns}
        if self.versions is not None:
            filled[self.quote(self.versions.since)] = self.versions.moment
        names, values = ", ".join(filled), ", ".join(filled.values())
        condition = f" where {where}" if where else ""
        return self.changed(
            f"insert into {self.target} ({names}){self._insert_words} select {values} from {self.staging} as s{condition}"
        )

    def _agree(self, sent: int, staged: int) -> None:
        if staged != sent:
            raise BalanceError(
                f"{sent:,} rows were sent, but {staged:,} are in the staging table: nothing was published"
            )

    # -- questions ----------------------------------------------------------------------------------------------------------

    @property
    def written(self) -> list[str]:
        """The columns that an update writes."""
        free = [name for name in self.columns if name not in self.key or self._writes(name)]
        if self.update is None or self.update == EVERY_ROW:
            return free
        return [name for name in free if name in self.update or name in LINEAGE or name in self.key]

    @property
    def compared(self) -> list[str]:
        """Those of them whose change makes a row another one."""
        return [name for name in self.written if name not in LINEAGE]

    @property
    def match(self) -> str:
        """SQL that is true for a row `t` of the target and a staged row `s` of the same key."""
        return f"{self._same_key}{self._and_current}"

    @property
    def _same_key(self) -> str:
        return " and ".join(f"t.{self.quote(name)} = s.{self.quote(name)}" for name in self.key)

    @property
    def _and_current(self) -> str:
        """Only the version that is valid now counts as a row of the target."""
        return "" if self.versions is None else f" and t.{self.quote(self.versions.until)} is null"

    @property
    def ends_missing(self) -> bool:
        """Whether rows go whose key is not staged."""
        return self.mode == WriteMode.MIRROR or (self.versions is not None and self.versions.close_missing)

    @property
    def missing(self) -> str:
        """SQL that is true for a row `t` of the target whose key is not staged."""
        return f"not exists (select 1 from {self.staging} s where {self._same_key}){self._and_current}"

    @property
    def absent(self) -> str:
        """SQL that is true for a staged row `s` whose key is not in the target."""
        return f"not exists (select 1 from {self.target} t where {self.match})"

    @property
    def _stamps(self) -> bool:
        """Whether rows say which batch they are of: then also those that are equal become this batch's."""
        return self.versions is None and any(name in LINEAGE for name in self.columns)

    @property
    def differs(self) -> str:
        """SQL that is true for a known row that an update writes."""
        return "true" if self._stamps else self.touches

    @property
    def touches(self) -> str:
        """SQL that is true for a known row that counts as updated."""
        return "true" if self.update == EVERY_ROW else self.has_changed

    @property
    def has_changed(self) -> str:
        """SQL that is true where a value of the row changes; false where there is nothing but the key."""
        changes = [self.changes(name) for name in self.compared]
        return f"({' or '.join(changes)})" if changes else "false"

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.run(f"select count(*) from {table}")[0][0])

    def count_current(self) -> int:
        """Rows of the target, in mode scd2 those that are valid now."""
        return self.count(f"{self.target} t where true{self._and_current}")

    def check_keys(self) -> None:
        """Raise RowsRefusedError for a key that stands in the batch twice, or in the table where rows are matched by it."""
        keys = ", ".join(map(self.quote, self.key))
        repeated = f"group by {keys} having count(*) > 1"
        is_unique = any(set(unique) <= set(self.key) for unique in self.unique)
        searches = []
        if not (is_unique and self._staging_is_unique):
            searches.append(("the batch", f"select {keys} from {self.staging} {repeated}"))
        if not is_unique and self.mode != WriteMode.INSERT_ONLY:
            touched = f"exists (select 1 from {self.staging} s where {self.match})"
            searches.append(("the table", f"select {keys} from {self.target} t where {touched} {repeated}"))
        for what, search in searches:
            # counted first: looking for one row alone, a server may go through the other table for each row of this one
            if self.count(f"({search}) r"):
                found = self.run(f"{search} limit 1")
                shown = ", ".join(f"{name} = {value!r}" for name, value in zip(self.key, found[0], strict=True))
                raise RowsRefusedError(Refusal(message=f"the key {shown} stands in {what} more than once"))

    def classify(self) -> Counts:
        """Staged rows by file: with a known key, different ones among them, with a new key."""
        known = f"t.{self.quote(self.key[0])} is not null"

        def rows(condition: str) -> str:
            return f"sum(case when {condition} then 1 else 0 end)"

        found = self.run(
            f"select s.{self.quote(FILE_COLUMN)}, {rows(known)}, {rows(f'{known} and {self.touches}')},"
            f" {rows(f'not ({known})')} from {self.staging} s left join {self.target} t on {self.match} group by 1"
        )
        return {int(file): (int(old), int(different), int(new)) for file, old, different, new in found}
