"""What DuckDB and SQLite keep in the database file to take a delivery back, and taking it back. Statements: `undo_sql`."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import CONTROL_TABLE, Job, Published, Undone, UndoneError
from loadlock.delivery.destinations._keeping import restored_columns, save_merge
from loadlock.delivery.destinations._merge import Merge
from loadlock.delivery.destinations._versions import Versions
from loadlock.delivery.names import TableName, quote_ansi
from loadlock.delivery.sqltext import delivery_row
from loadlock.delivery.undo_sql import ROLLBACK, UndoTable, outdated, rollback_id, undo_name, undo_prefix
from loadlock.errors import RefusedError
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

NOT_KEPT = "what is needed to take it back was not kept, or newer batches pushed it out"
_ROWS_ARE_OURS = frozenset({WriteMode.APPEND, WriteMode.REPLACE, WriteMode.DELETE_INSERT})


@dataclass(kw_only=True)
class LocalUndo(ABC):
    """The undo of one delivery in the caller's transaction. `name` is the target's; control and undo table lie beside it."""

    job: Job
    name: TableName
    label: str
    columns: Sequence[str]
    """Columns of the target that can be written."""
    kept: bool = False
    """Whether the undo table is there."""
    where: str = field(default="", init=False)

    @abstractmethod
    def run(self, sql: str, *values: Any) -> list[tuple[Any, ...]]: ...

    @abstractmethod
    def changed(self, sql: str) -> int: ...

    @abstractmethod
    def tables(self) -> list[str]:
        """Names of all tables in the target's schema."""

    @abstractmethod
    def columns_of(self, table: str) -> list[str]:
        """Columns of a table in the target's schema."""

    @abstractmethod
    def write_control_row(self, row: dict[str, Any]) -> None: ...

    @abstractmethod
    def load_keys(self, keys: pa.Table) -> str:
        """Lay the keys into a temporary relation with their names; its name as SQL."""

    # -- keeping ----------------------------------------------------------------------------------------------------------

    @property
    def _own_name(self) -> TableName:
        return self.name.beside(undo_name(str(self.name), self.job.delivery_id))

    @property
    def table(self) -> UndoTable:
        columns = self.columns
        if self.kept:
            known = set(self.columns_of(self._own_name.table))
            columns = [column for column in columns if column in known]
        return UndoTable(
            run=self.run,
            changed=self.changed,
            quote=quote_ansi,
            target=self.name.sql(quote_ansi),
            table=self._own_name.sql(quote_ansi),
            columns=columns,
            fixed=self.job.key,
            key=self.job.key,
            restored=restored_columns(self.job),
            validity=self.job.validity,
        )

    def make(self) -> None:
        """An empty undo table, where one is wanted; tables of older batches are dropped."""
        self.prune()
        if self.job.undo and (self.job.mode != WriteMode.APPEND or self.job.retired is not None):
            self.run(f"drop table if exists {self._own_name.sql(quote_ansi)}")
            self.run(self.table.create_sql)
            self.kept = True

    def save(self, merge: Merge) -> None:
        """Before rows are merged into the target."""
        if self.kept:
            save_merge(self.table, merge)

    def retire(self) -> int:
        """Delete the rows of the job's `retired` keys; after `make`, before anything else is changed."""
        retired = self.job.retired
        if retired is None or not retired.num_rows:
            return 0
        keys = self.load_keys(retired)
        same = " and ".join(f"k.{quote_ansi(name)} = t.{quote_ansi(name)}" for name in retired.column_names)
        where = f"exists (select 1 from {keys} k where {same})"
        self.save_deleted(where)
        return self.changed(f"delete from {self.name.sql(quote_ansi)} as t where {where}")

    def save_deleted(self, where: str) -> None:
        """Before rows `t` of the target are deleted."""
        if self.kept:
            self.table.save_deleted(where)

    def prune(self) -> None:
        """Drop the undo tables of all but the newest batches; this one comes on top of them."""
        self.drop(self.outdated(self.job.undo, this=[(self.job.delivery_id, self.job.batch)]))

    def drop(self, names: Sequence[str]) -> None:
        """Drop these undo tables."""
        for name in names:
            self.run(f"drop table if exists {self.name.beside(name).sql(quote_ansi)}")

    def outdated(self, keep: int, *, this: Sequence[tuple[str, str]] = ()) -> list[str]:
        """Undo tables of other batches than the newest `keep`; `this` delivery is newer than those written down."""
        present = self.tables()
        own = [name for name in present if name.startswith(undo_prefix(str(self.name)))]
        if not own or CONTROL_TABLE not in present:
            return []
        known = self.run(
            f"select delivery_id, batch from {self.name.beside(CONTROL_TABLE).sql(quote_ansi)}"
            f" where target = ? and mode <> '{ROLLBACK}' order by published_at desc, rowid desc",
            str(self.name),
        )
        return outdated([*this, *((str(one), str(batch)) for one, batch in known)], own, str(self.name), keep)

    # -- taking back --------------------------------------------------------------------------------------------------------

    def check(self, published: Published | None) -> None:
        """Raise UndoneError or RefusedError where there is nothing to take back."""
        if published is None:
            control = self.name.beside(CONTROL_TABLE).sql(quote_ansi)
            done = f"select 1 from {control} where delivery_id = ?"
            if CONTROL_TABLE in self.tables() and self.run(done, rollback_id(self.job)):
                raise UndoneError(f"{self.label}: run {self.job.run} was rolled back before")
            raise RefusedError(f"{self.label} holds no delivery of run {self.job.run}")
        self.kept = self._own_name.table in self.tables()
        if not self.kept and self.job.mode != WriteMode.APPEND:
            raise RefusedError(
                f"{self.label}: run {self.job.run} can't be rolled back: {NOT_KEPT}",
                hint="Keep it for more batches by `undo: N` in the pipeline's destination.",
            )

    def find(self, held: Callable[[Sequence[str]], str], parent: str | None, rowids: str | None) -> bool:
        """Set `where`, the condition on rows `t` that the delivery wrote. False: it did not write every row sent.

        `held` gives the condition that a row has the key columns of a row sent; `parent` that of a child table's parents;
        `rowids` that of the range in which an append laid its rows.
        """
        mode, key = self.job.mode, self.job.key
        found: str | None
        if mode == WriteMode.REPLACE:
            found = "true"
        elif parent is not None and self.job.parent_key:
            found = parent
        elif mode == WriteMode.APPEND:
            lineage = "t._batch = '" + self.job.batch.replace("'", "''") + "'" if self.job.stamped else None
            found = lineage or (held(key) if key else None) or rowids
        elif mode == WriteMode.DELETE_INSERT:
            found = held(key)
        else:
            self.where = self.table.written
            return False
        if found is None:
            raise RefusedError(
                f"{self.label}: the rows of run {self.job.run} can't be told from others",
                hint="Name a `key:` or set `lineage: columns` for tables whose batches are to be undone.",
            )
        self.where = found
        return True

    def is_disturbed(self, versions: Versions | None) -> bool | None:
        """For `Written.untouched`, mode scd2: False where others changed a version that the delivery closed."""
        return False if versions is not None and self.table.reopened(versions.moment) else None

    def take_away(self) -> Undone:
        """Delete what was inserted, restore what was updated."""
        if not self.where:
            return Undone()
        if self.job.mode in _ROWS_ARE_OURS or self.job.parent_key:
            return Undone(deleted=self.changed(f"delete from {self.name.sql(quote_ansi)} as t where {self.where}"))
        return Undone(deleted=self.table.delete_inserted(), restored=self.table.restore_updated())

    def bring_back(self) -> Undone:
        """Insert what was deleted; a control row of the rollback takes the place of the delivery's."""
        undone = Undone(brought_back=self.table.restore_deleted() if self.kept else 0)
        control = self.name.beside(CONTROL_TABLE).sql(quote_ansi)
        for delivery in (self.job.delivery_id, rollback_id(self.job)):
            self.run(f"delete from {control} where delivery_id = ?", delivery)
        row = delivery_row(self.job, str(self.name), Published(inserted=0), rows=0, digest="0" * 32)
        self.write_control_row(row | {"delivery_id": rollback_id(self.job), "mode": ROLLBACK})
        self.run(f"drop table if exists {self._own_name.sql(quote_ansi)}")
        return undone


def rowid_marks(first: int | None, rows: int) -> dict[str, Any] | None:
    """For the control row: where an append laid its rows."""
    return None if first is None else {"rowids": [first, first + rows]}


def marks_of(row: dict[str, Any] | None) -> dict[str, Any]:
    """What the control row says about finding the delivery's rows again."""
    found: dict[str, Any] = json.loads((row or {}).get("marks") or "{}")
    return found


def and_current(job: Job) -> str:
    """Mode scd2: of a row `t`, only the version that is valid now."""
    return "" if job.validity is None else f" and t.{quote_ansi(job.validity.until)} is null"


def rowids_of(row: dict[str, Any] | None, rowid: str) -> str | None:
    """The condition that a row lies where the control row says that an append laid its rows."""
    marks = marks_of(row)
    if "rowids" not in marks:
        return None
    first, behind = marks["rowids"]
    return f"t.{rowid} >= {int(first)} and t.{rowid} < {int(behind)}"
