"""What PostgreSQL and MySQL keep to take a delivery back, and taking it back. The statements are `undo_sql`'s."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from loadlock.delivery.base import CHUNK_TABLE, CONTROL_TABLE, Published, Undone, UndoneError, Written
from loadlock.delivery.destinations._keeping import restored_columns, save_merge
from loadlock.delivery.destinations._merge import Merge
from loadlock.delivery.destinations._server_target import ConnectionT, ServerTarget, TableT
from loadlock.delivery.names import TableName
from loadlock.delivery.sqltext import STAGING_PREFIX, delivery_row, staging_of
from loadlock.delivery.undo_sql import ROLLBACK, UndoTable, outdated, rollback_id, undo_name, undo_prefix
from loadlock.errors import LoadlockError, RefusedError
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_ARE_OURS = frozenset({WriteMode.APPEND, WriteMode.REPLACE, WriteMode.DELETE_INSERT})
"""Modes after which all rows that are found were inserted by the delivery."""
_TO_TELL_APART = "name a `key:`, set `lineage: columns`, or say `undo: none`"
NOT_KEPT = "what is needed to take it back was not kept, or newer batches pushed it out"


class ServerUndo(ServerTarget[TableT, ConnectionT]):
    """Between the target and the steps of a delivery."""

    _parent: ServerUndo[TableT, ConnectionT] | None
    _children: Sequence[ServerUndo[TableT, ConnectionT]]
    _has_undo = False
    _no_undo = ""
    """Why nothing can be kept, for people."""
    _where = ""
    _taken_back = False

    # -- what servers do in their own words -----------------------------------------------------------------------------

    @property
    @abstractmethod
    def _fixed_columns(self) -> Collection[str]:
        """Columns that no UPDATE may write."""

    @property
    def _insert_words(self) -> str:
        """What stands between the column list and the query of an INSERT of all columns."""
        return ""

    @property
    def _joins(self) -> bool:
        """Whether UPDATE and DELETE name several tables in MySQL's way."""
        return False

    @abstractmethod
    def _may_create(self) -> bool:
        """Whether a table may be made beside the target."""

    @abstractmethod
    def _tables_named(self, prefix: str) -> list[str]:
        """Names of tables beside the target that begin so."""

    @abstractmethod
    def _hold(self) -> None:
        """Inside a transaction: let no other session write to the target."""

    @property
    def _held_words(self) -> str:
        """What makes a query hold the rows it reads."""
        return ""

    @abstractmethod
    def recognise(self, rows: Iterable[pa.Table]) -> bool: ...

    @abstractmethod
    def _keys_match(self, names: Sequence[str]) -> str:
        """The condition that a row `t` has these columns of a recognised row."""

    @property
    def _tells_apart(self) -> bool:
        """Whether the rows of an append are found again."""
        return True

    # -- keeping ----------------------------------------------------------------------------------------------------------

    @property
    def _undo_name(self) -> TableName:
        return self._name.beside(undo_name(str(self._name), self._job.delivery_id))

    @cached_property
    def _undo(self) -> UndoTable:
        """For the target as it is; the columns that both it and the undo table have, once that is there."""
        table = self._undo_name.sql(self._quote)
        columns = [column.name for column in self._found.info().columns if not column.generated]
        if kept := self._find(self._undo_name):
            columns = [name for name in columns if kept.info().column(name) is not None]
        return UndoTable(
            run=self._run,
            changed=self._changed,
            quote=self._quote,
            target=self._target,
            table=table,
            columns=columns,
            fixed=self._fixed_columns,
            key=self._job.key,
            restored=restored_columns(self._job),
            validity=self._job.validity,
            joins=self._joins,
            insert_words=self._insert_words,
        )

    def _make_undo(self) -> None:
        """An empty undo table, where one is wanted and may be made."""
        self._has_undo = bool(self._job.undo)
        if not self._has_undo:
            return
        if not self._may_create():
            self._has_undo = False
            self._no_undo = "no right to make a table beside it: this delivery can't be rolled back"
            return
        self._run(f"drop table if exists {self._undo_name.sql(self._quote)}")
        self.__dict__.pop("_undo", None)
        self._run(self._undo.create_sql)

    def _undo_notes(self) -> Iterator[str]:
        if self._no_undo:
            yield self._no_undo
        if self._is_lost:
            yield f"the rows of an append can't be told from others here, so it can't be rolled back: {_TO_TELL_APART}"

    @property
    def _is_lost(self) -> bool:
        """Whether an append that is to be taken back one day couldn't be."""
        return bool(self._job.undo) and self._job.mode == WriteMode.APPEND and not self._tells_apart

    def _check_undo(self) -> None:
        """RefusedError where the pipeline asks for an undo that can't be had."""
        if self._is_lost and self._job.undo_asked:
            raise RefusedError(
                f"{self._label}: `undo: {self._job.undo}` is asked for, and the rows of an append can't be told from others here",
                hint=f"{_TO_TELL_APART[0].upper()}{_TO_TELL_APART[1:]}.",
            )

    def _save_replaced(self) -> None:
        """Before the target is emptied."""
        if self._job.mode == WriteMode.REPLACE and self._has_undo:
            self._undo.save_deleted("true")

    @property
    @abstractmethod
    def _retired_table(self) -> str:
        """Name of a temporary table, as SQL."""

    def _retire(self) -> int:
        """Delete the rows of the job's `retired` keys; first of all in the publishing transaction."""
        retired = self._job.retired
        if retired is None or not retired.num_rows:
            return 0
        table, names = self._retired_table, retired.column_names
        self._run(f"drop {'temporary ' if self._joins else ''}table if exists {table}")
        keys = ", ".join(map(self._quote, names))
        self._run(f"create temporary table {table} as select {keys} from {self._target} where false")
        self._send_keys(retired, table)
        same = " and ".join(f"k.{self._quote(name)} = t.{self._quote(name)}" for name in names)
        where = f"exists (select 1 from {table} k where {same})"
        if self._find(self._undo_name) is not None:
            self._undo.save_deleted(where)
        return self._changed(self._delete_sql(where))

    def _save_merged(self, merge: Merge) -> None:
        """Before a staging table is published: what that changes, deletes and inserts."""
        self._has_undo = self._find(self._undo_name) is not None
        if not self._has_undo:
            return
        if self._parent is not None:
            self._undo.save_deleted(f"exists (select 1 from {self._parent._staging} s where {merge.match})")
        else:
            save_merge(self._undo, merge)

    def _prune_undo(self) -> None:
        """Drop the undo tables of older batches, and of deliveries that never were published."""
        for name in self._outdated(self._job.undo):
            with suppress(LoadlockError):
                self._run(f"drop table if exists {self._beside(name)}")

    def _sweep_published(self) -> None:
        """Drop staging tables whose delivery is published: their session ended before it could."""
        left = set(self._tables_named(STAGING_PREFIX)) - {self._staging_name.table}
        if not left:
            return
        deliveries = self._run(
            f"select delivery_id from {self._beside(CONTROL_TABLE)} where target = {self._text(str(self._name))}"
        )
        for name in left & {staging_of(str(delivery)) for (delivery,) in deliveries}:
            self._run(f"drop table if exists {self._beside(name)}")

    def sweep(self, *, keep: int, ended: Collection[str], dry_run: bool) -> list[str]:
        """See `Session.sweep`."""
        self._connect()
        with self._translated():
            known = {staging_of(delivery): delivery for delivery in ended}
            staging = sorted(known.keys() & set(self._tables_named(STAGING_PREFIX)))
            found = [*self._outdated(keep), *staging]
            for name in () if dry_run else found:
                self._run(f"drop table if exists {self._beside(name)}")
                if name in known:
                    delivery = self._text(known[name])
                    self._run(f"delete from {self._beside(CHUNK_TABLE)} where delivery_id = {delivery}")
        return [f"table {name}" for name in found]

    def _outdated(self, keep: int) -> list[str]:
        """Undo tables of other batches than the newest `keep`."""
        present = self._tables_named(undo_prefix(str(self._name)))
        if not present:
            return []
        deliveries = self._run(
            f"select delivery_id, batch from {self._beside(CONTROL_TABLE)} where target = {self._text(str(self._name))}"
            f" and mode <> '{ROLLBACK}' order by published_at desc"
        )
        known = [(str(delivery), str(batch)) for delivery, batch in deliveries]
        return outdated(known, present, str(self._name), keep)

    # -- taking back --------------------------------------------------------------------------------------------------------

    def written(self, sent: Callable[[], Iterable[pa.Table]]) -> Written:
        """See `Session.written`."""
        with self._translated():
            self._check_undoable()
            if not self._link.in_transaction:
                self._run(self._start())
                self._link.in_transaction = True
            self._hold()
            expected, all_sent = self._find_written(sent)
            is_reopened = self._versions is not None and self._undo.reopened(self._versions.moment)
        untouched = False if is_reopened else None
        return Written(expected=expected, rows=self._read_held(), all_sent=all_sent, untouched=untouched)

    def _read_held(self) -> Iterator[pa.Table]:
        with self._translated():
            yield from self._read(self._job.columns, self._where + self._held_words)

    def _check_undoable(self) -> None:
        if self._published is None:
            done = (
                f"select 1 from {self._beside(CONTROL_TABLE)} where delivery_id = {self._text(rollback_id(self._job))}"
            )
            if self._run(done):
                raise UndoneError(f"{self._label}: run {self._job.run} was rolled back before")
            raise RefusedError(f"{self._label} holds no delivery of run {self._job.run}")
        self._has_undo = self._find(self._undo_name) is not None
        if not self._has_undo and self._needs_undo:
            raise RefusedError(
                f"{self._label}: run {self._job.run} can't be rolled back: {NOT_KEPT}",
                hint="Keep it for more batches by `undo: N` in the pipeline's destination.",
            )

    @property
    def _needs_undo(self) -> bool:
        """An append is undone by deleting its rows; the other modes change or leave some."""
        return self._job.mode != WriteMode.APPEND

    def _find_written(self, sent: Callable[[], Iterable[pa.Table]]) -> tuple[int, bool]:
        """Set the condition for the rows written; how many they were, and whether that is all that was sent."""
        published = self._published or Published(inserted=0)
        if self._job.mode == WriteMode.REPLACE:
            self._where = "true"
            return published.inserted, True
        if self._job.parent_key and self._parent is not None:
            self._where = self._parent._keys_match(self._job.parent_key)
            return published.inserted, True
        if self._children and self._job.key:
            # their rows are found by the keys of their parents
            self.recognise(sent())
        if self._job.mode == WriteMode.APPEND:
            self._where = self._own_appended(sent)
            return published.inserted, True
        if self._job.mode == WriteMode.DELETE_INSERT:
            if not self._children:
                self.recognise(sent())
            self._where = self._keys_match(self._job.key)
            return published.inserted, True
        self._where = self._undo.written
        return published.inserted + published.updated, False

    def _own_appended(self, sent: Callable[[], Iterable[pa.Table]]) -> str:
        # by key first: a row that a rollback brought back carries another transaction's id
        found = self._keys_match(self._job.key) if self._job.key and self.recognise(sent()) else self._own_rows()
        if found is None:
            raise RefusedError(
                f"{self._label}: the rows of run {self._job.run} can't be told from others",
                hint="Name a `key:` or set `lineage: columns` for tables whose batches are to be undone.",
            )
        return found

    def gone(self) -> list[dict[str, str | None]]:
        """See `Session.gone`."""
        if not self._has_undo or not self._job.key:
            return []
        with self._translated():
            return self._undo.gone()

    def undo(self) -> Undone:
        """See `Session.undo`: children away, then their parents; parents back, then their children."""
        try:
            with self._translated():
                undone = Undone()
                for session in (*reversed(self._children), self):
                    undone += session._take_away()
                for session in (self, *self._children):
                    undone += session._bring_back()
                    session._sign_off()
                self._commit()
        except BaseException:
            if not self._link.commit_sent:
                self._rollback()
            raise
        for session in (self, *self._children):
            session._published, session._has_undo, session._taken_back = None, False, True
        self._link.commit_sent = False
        return undone

    @abstractmethod
    def begin(self) -> None: ...

    @abstractmethod
    def _commit(self) -> None: ...

    def _take_away(self) -> Undone:
        """Delete what was inserted, restore what was updated."""
        if self._where == "":
            return Undone()
        if self._job.mode in _ROWS_ARE_OURS or self._job.parent_key:
            return Undone(deleted=self._changed(self._delete_sql(self._where)))
        return Undone(deleted=self._undo.delete_inserted(), restored=self._undo.restore_updated())

    def _delete_sql(self, where: str) -> str:
        alias = "t " if self._joins else ""
        return f"delete {alias}from {self._target} t where {where}"

    def _bring_back(self) -> Undone:
        return Undone(brought_back=self._undo.restore_deleted() if self._has_undo else 0)

    def _sign_off(self) -> None:
        """A control row of the rollback in the place of the delivery's."""
        published = self._published or Published(inserted=0)
        row = delivery_row(self._job, str(self._name), published, rows=0, digest="0" * 32)
        row |= {"delivery_id": rollback_id(self._job), "mode": ROLLBACK}
        own = f"delete from {self._beside(CONTROL_TABLE)} where delivery_id = "
        for delivery in (self._job.delivery_id, rollback_id(self._job)):
            self._run(own + self._text(delivery))
        values = ", ".join("null" if value is None else self._text(str(value)) for value in row.values())
        names = ", ".join(map(self._quote, row))
        self._run(f"insert into {self._beside(CONTROL_TABLE)} ({names}) values ({values})")
