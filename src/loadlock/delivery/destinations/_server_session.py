"""One delivery to a database server, the steps that PostgreSQL and MySQL share.

Append and replace are one transaction, with a savepoint around each chunk. The modes by key go through a staging table beside
the target: each chunk commits with its receipt, and the publish is one transaction. Child tables are loaded by sessions on the
same connection and published in the same transaction.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import CONTROL_TABLE, Job, Opened, Published, Session
from loadlock.delivery.destinations._merge import Merge
from loadlock.delivery.destinations._server_read import ServerReading
from loadlock.delivery.destinations._server_sieve import Desk, Sieve
from loadlock.delivery.destinations._server_target import ConnectionT, TableT
from loadlock.delivery.names import TableName, parse_table
from loadlock.delivery.retry import LostTransactionError
from loadlock.delivery.spared import with_spared
from loadlock.delivery.sqltext import FILE_COLUMN, delivery_row, inserted_by_file
from loadlock.errors import BalanceError, DeliveryError, Refusal, RefusedError, UnavailableError
from loadlock.faults import point
from loadlock.model import Chunk, WriteMode

if TYPE_CHECKING:
    import pyarrow as pa


class ServerSession(ServerReading[TableT, ConnectionT], Session):
    """See `loadlock.delivery.base.Session`."""

    def __init__(
        self, job: Job, name: TableName, label: str, parent: ServerSession[TableT, ConnectionT] | None = None
    ) -> None:
        """`parent` = the session of the parent's table, for a child table."""
        super().__init__(job, name, label, None if parent is None else parent._link)
        self._parent = parent
        self._children: list[ServerSession[TableT, ConnectionT]] = []
        self._pledged: tuple[int, str] | None = None
        self._finishes = False
        """Whether this session ends the delivery, and did not only look."""

    # -- what servers do in their own words -----------------------------------------------------------------------------

    @abstractmethod
    def _merge_by(self, key: tuple[str, ...]) -> Merge:
        """What publishes the staging table by these key columns."""

    @abstractmethod
    def _make_child(self, job: Job, name: TableName, label: str) -> ServerSession[TableT, ConnectionT]:
        """A session on the same connection."""

    @abstractmethod
    def _make_sieve(self, desk: Desk) -> Sieve:
        """What finds the rows that the table would refuse."""

    @abstractmethod
    def _run_hooks(self, statements: Sequence[str]) -> None:
        """SQL of the user, inside the transaction."""

    # -- open ---------------------------------------------------------------------------------------------------------

    def open(self) -> Opened:
        """Lock, look for an earlier publish, create what is absent, check the contract, find receipts."""
        self._check_names()
        if self._parent is not None and not self._is_connected():
            raise LostTransactionError("the parent's transaction is gone", hint="The run must load again.")
        self._connect()
        try:
            with self._translated():
                return self._prepare()
        except UnavailableError as error:
            if not self._link.in_transaction:
                raise
            self._rollback()
            if self._parent is None:
                raise
            raise LostTransactionError(str(error), hint="The run must load again.") from error
        except BaseException:
            if self._link.in_transaction:
                self._rollback()
            raise

    def _prepare(self) -> Opened:
        self._created = self._begun = False
        self._table = self._find(self._name)
        self._published = self._ask()
        loaded: frozenset[str] = frozenset()
        if self._published is None:
            self._check_target()
            self._check_undo()
            if self._staged:
                with self._transaction():
                    loaded = self._prepare_staging()
            else:
                self._make_target()
                if self._job.mode == WriteMode.REPLACE or self._job.retired is not None:
                    self._make_undo()
        elif self._table is None:
            raise RefusedError(
                f"{self._label} was published by this run, but the table is gone",
                hint="Run the batch again by --force.",
            )
        return Opened(
            table=self._found.info(),
            created=self._created,
            staged=self._staged,
            loaded=loaded,
            published=self._published,
            notes=(*self._notes(), *self._undo_notes()),
            changes=self._changes,
        )

    def _slow_merge(self) -> Iterator[str]:
        has_index = any(set(unique) == set(self._job.key) for unique in self._found.unique)
        if self._job.mode.has_unique_key and self._job.key and not has_index:
            yield f"no unique index on {', '.join(self._job.key)}: mode {self._job.mode} reads the whole table"

    def child(self, job: Job, label: str) -> ServerSession[TableT, ConnectionT]:
        """A session for a child table, on the same connection."""
        name = parse_table(job.target.table)
        made = self._make_child(job, name if name.schema else self._name.beside(name.table), label)
        self._children.append(made)
        return made

    # -- load ---------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Empty what is replaced: children first, since they point to their parents."""
        if self._staged or self._begun or self._published is not None:
            return
        if self._parent is not None:
            self._parent.begin()
            return
        with self._lost_when_cut(), self._translated():
            if not self._link.in_transaction:
                self._run(self._start())
                self._link.in_transaction = True
            with self._savepoint():
                self._run_hooks(self._job.before)
                self._deleted = self._retire()
                for session in (*reversed(self._children), self):
                    session._save_replaced()
                    session._empty()
                    session._begun = True

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        """Send one chunk, with its receipt in the same (sub)transaction."""
        if self._staged:
            self._load_staged(chunk, rows)
        else:
            self._load_direct(rows)

    def _load_direct(self, rows: pa.Table) -> None:
        self.begin()
        if not self._link.in_transaction or not self._is_connected():
            raise LostTransactionError("the transaction of this load is gone", hint="The run must load again.")
        try:
            with self._translated(), self._savepoint():
                self._send(self._target, rows)
                self._sent()
        except UnavailableError:
            self._rollback()
            raise
        self._note(rows)

    @contextmanager
    def _lost_when_cut(self) -> Iterator[None]:
        """UnavailableError of a connection that is gone, with its transaction."""
        try:
            yield
        except UnavailableError as error:
            if self._is_connected() and self._link.in_transaction:
                raise
            raise LostTransactionError(str(error), hint="The run must load again.") from error

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        self._run("savepoint loadlock")
        try:
            yield
        except BaseException:
            self._back_to("loadlock")
            raise
        self._run("release savepoint loadlock")

    def _back_to(self, savepoint: str) -> None:
        with suppress(DeliveryError), self._translated():
            self._run(f"rollback to savepoint {savepoint}")
            self._run(f"release savepoint {savepoint}")

    def foretells(self) -> bool:
        """Whether the staging table lacks constraints of the target."""
        self._connect()
        with self._translated():
            return self._staged and self._sieve.foretells()

    def suspects(self, rows: pa.Table, refusal: Refusal | None) -> Sequence[int]:
        """Those that break the constraints that rows have broken so far."""
        return self._sieve.suspects(rows, refusal)

    def tried(self, rows: pa.Table) -> list[Refusal | None] | None:
        """By the server, one by one."""
        return self._sieve.tried(rows)

    @cached_property
    def _sieve(self) -> Sieve:
        names = [column.name for column in self._columns]
        return self._make_sieve(
            Desk(
                table=self._staging if self._staged else self._target,
                columns=(*names, FILE_COLUMN) if self._staged else tuple(names),
                run=self._run,
                quote=self._quote,
                text=self._text,
                send=lambda rows, table: self._send_keys(rows, table),
                aside=self._aside,
            )
        )

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """What is done inside leaves nothing behind. Without the transaction of a direct load there is nothing to ask."""
        self._connect()
        if not self._staged and not self._link.in_transaction:
            raise LostTransactionError("the transaction of this load is gone", hint="The run must load again.")
        inside = self._link.in_transaction
        with self._translated():
            self._run("savepoint loadlock_aside" if inside else self._start())
            try:
                yield
            finally:
                if inside:
                    self._back_to("loadlock_aside")
                else:
                    self._rollback()

    def _load_staged(self, chunk: Chunk, rows: pa.Table) -> None:
        self._connect()
        with self._translated(), self._transaction():
            if self._claim(chunk):
                self._send(self._staging, rows)
        self._chunks.update(name for name, _ in chunk.owed)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._run(self._start())
        self._link.in_transaction = True
        try:
            yield
        except BaseException:
            self._rollback()
            raise
        point("chunk.before_commit")
        self._link.in_transaction = False
        self._run("commit")
        point("chunk.committed")

    def _note(self, rows: pa.Table) -> None:
        import pyarrow.compute as pc

        self._rows += rows.num_rows
        for entry in pc.value_counts(rows["_file"]).to_pylist():
            self._by_file[entry["values"]] += entry["counts"]

    # -- publish ------------------------------------------------------------------------------------------------------

    def pledge(self, *, rows: int, digest: str) -> None:
        """What the parent's publish is to publish here."""
        self._pledged = (rows, digest)

    def publish(self, *, rows: int, digest: str) -> Published:
        """Commit, with the control rows. After a lost answer the control row says what happened."""
        self._finishes = True
        if self._published is not None:
            return self._published
        if self._parent is not None:
            raise RefusedError(f"{self._label} is published by its parent's publish", hint="Call that first.")
        self._pledged = (rows, digest)
        if self._link.commit_sent:
            return self._after_lost_answer()
        return self._publish_staged() if self._staged else self._publish_direct()

    @property
    def _family(self) -> Iterator[tuple[ServerSession[TableT, ConnectionT], int, str]]:
        """This session and its children, each with the rows and the digest that it is to publish."""
        for session in (self, *self._children):
            if session._pledged is None:
                raise BalanceError(f"{session._label}: nobody said what was sent to it: nothing was published")
            yield session, *session._pledged

    def _after_lost_answer(self) -> Published:
        self._connect()
        with self._translated():
            for session in (self, *self._children):
                session._published = session._ask()
        self._link.commit_sent = False
        if self._published is not None:
            return self._published
        if self._staged:
            return self._publish_staged()
        raise LostTransactionError(
            "the connection was lost and the commit did not happen", hint="The run must load again."
        )

    def _publish_direct(self) -> Published:
        self.begin()
        if not self._link.in_transaction:
            raise LostTransactionError("the transaction of this load is gone", hint="The run must load again.")
        made = []
        try:
            with self._translated():
                for session, rows, digest in self._family:
                    session._empty_at_last()
                    made.append((session, session._loaded(rows)))
                    session._finish(made[-1][1], rows, digest)
                self._run_hooks(self._job.after)
                self._commit()
        except UnavailableError as error:
            if self._link.commit_sent:
                raise
            self._rollback()
            raise LostTransactionError(str(error), hint="The run must load again.") from error
        except BaseException:
            if not self._link.commit_sent:
                self._rollback()
            raise
        return self._is_published(made)

    def _loaded(self, rows: int) -> Published:
        if rows != self._rows:
            raise BalanceError(
                f"{self._label}: {rows:,} rows were sent, but {self._rows:,} were loaded: nothing was published"
            )
        return Published(inserted=self._rows, deleted=self._deleted, by_file=inserted_by_file(self._by_file))

    def _publish_staged(self) -> Published:
        self._connect()
        made = []
        with self._translated():
            self._ready_to_merge()
            for session in (self, *self._children):
                session._make_undo()
            self._run(self._start())
            self._link.in_transaction = True
            try:
                self._run_hooks(self._job.before)
                for session, rows, digest in self._family:
                    made.append((session, session._merge(rows)))
                    session._finish(made[-1][1], rows, digest)
                    session._rows = rows - session._job.spared.rows
                self._run_hooks(self._job.after)
                self._commit()
            except BaseException:
                if not self._link.commit_sent:
                    self._rollback()
                raise
        return self._is_published(made)

    def _merge(self, rows: int) -> Published:
        merge = self._merge_by(self._job.key if self._parent is None else self._job.parent_key)
        self._check_spared()
        retired = self._retire()
        self._save_merged(merge)
        if self._parent is None:
            published = with_spared(merge.publish(rows - self._job.spared.rows), self._job.spared)
            return replace(published, deleted=published.deleted + retired)
        return merge.exchange(rows, self._parent._staging)

    def _is_published(self, made: list[tuple[ServerSession[TableT, ConnectionT], Published]]) -> Published:
        for session, published in made:
            session._published = published
        self._link.commit_sent = False
        for session in (one for one, _ in made if one._job.analyze):
            session._analyze()
        return made[0][1]

    def _finish(self, published: Published, rows: int, digest: str) -> None:
        """The control row, and the receipts away."""
        point("target.merged")
        row = delivery_row(self._job, str(self._name), published, rows=rows, digest=digest, marks=self._all_marks)
        values = ", ".join("null" if value is None else self._text(str(value)) for value in row.values())
        self._run(self._delete_receipts)
        names = ", ".join(map(self._quote, row))
        self._run(f"insert into {self._beside(CONTROL_TABLE)} ({names}) values ({values})")

    @property
    def _all_marks(self) -> dict[str, Any] | None:
        marks = self._marks()
        return marks if self._versions is None else {**(marks or {}), **self._versions.marks()}

    def _commit(self) -> None:
        """Once COMMIT is sent, only the control row can tell whether it happened."""
        point("target.before_commit")
        self._link.in_transaction = False
        self._link.commit_sent = True
        try:
            self._run("commit")
        except Exception as error:
            self._link.commit_sent = not self._is_answer(error)
            raise
        # until the caller has noted what was published: whoever is stopped in between must not clear it away
        point("target.committed")

    def _is_answer(self, error: Exception) -> bool:
        """Whether the server itself refused a commit: then it did not happen."""
        return False

    # -- end ----------------------------------------------------------------------------------------------------------

    def abandon(self) -> None:
        """Roll back what is open; drop staging table and receipts, and a table that was made for them; children first."""
        if self._published is not None:
            return
        for session in reversed(self._children):
            session.abandon()
        if self._link.in_transaction:
            self._rollback()
        self._connect()
        with self._translated():
            if self._staged:
                self._drop_staging()
            self._drop_created()

    def _drop_created(self) -> None:
        if self._created and self._find(self._name) is not None and not self._count(self._target):
            self._run(f"drop table if exists {self._target}")

    def close(self) -> None:
        """Roll back, drop the staging table of a published delivery; the root unlocks and closes the connection."""
        if self._link.connection is None or not self._is_connected():
            return
        with suppress(DeliveryError), self._translated():
            if self._link.in_transaction:
                self._rollback()
            self._clear()
        if self._parent is None:
            self._disconnect()

    def _clear(self) -> None:
        """What is left beside the target at the end."""
        if self._published is not None and self._staged and self._finishes:
            self._run(f"drop table if exists {self._staging}")
        if self._published is not None or self._taken_back:
            self._prune_undo()
