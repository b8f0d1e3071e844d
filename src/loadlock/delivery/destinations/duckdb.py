"""A table in a DuckDB file, published in one transaction.

A DuckDB file admits one process: while another has it open, `open` raises LockedError. Chunks go to Parquet files in a
hidden folder beside the database (deleted by `close`), each checked against the table's constraints by SQL; `publish`
moves them into the table in one transaction, so readers see the old rows or the new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from loadlock.delivery.base import (
    Capabilities,
    DeliveryColumn,
    Job,
    Opened,
    Published,
    Session,
    TableInfo,
    Target,
    Undone,
    Written,
)
from loadlock.delivery.destinations import _duckdb_link as link
from loadlock.delivery.destinations import _duckdb_publish as publishing
from loadlock.delivery.destinations import _duckdb_shape as shapes
from loadlock.delivery.destinations._duckdb_checks import CHUNK, Chunked, refusal
from loadlock.delivery.destinations._duckdb_merge import foresee_chunks
from loadlock.delivery.destinations._duckdb_read import stream
from loadlock.delivery.destinations._duckdb_undo import DuckDBUndo, save_chunks
from loadlock.delivery.destinations._duckdb_values import DuckDBValues
from loadlock.delivery.destinations._local import (
    PathLock,
    Spool,
    check_folder,
    clear_debris,
    database_path,
    debris,
    delivered_columns,
    hidden_path,
    short_hash,
    spooled,
)
from loadlock.delivery.destinations._local_undo import and_current, marks_of, rowid_marks, rowids_of
from loadlock.delivery.destinations._versions import versions_of
from loadlock.delivery.fit import check_contract
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.hooks import run_hooks
from loadlock.delivery.names import check_names, parse_table, quote_ansi
from loadlock.delivery.sqltext import delivery_row, published_from
from loadlock.delivery.undo_sql import ROLLBACK
from loadlock.errors import BalanceError, RefusedError, RowsRefusedError
from loadlock.model import Chunk, VerifyLevel, WriteMode
from loadlock.rows import FILE

if TYPE_CHECKING:
    import pyarrow as pa


class DuckDB(DuckDBValues):
    """A table in a DuckDB database file."""

    name: ClassVar[str] = "duckdb"
    summary: ClassVar[str] = "a table in a DuckDB file"
    schemes: ClassVar[tuple[str, ...]] = ("duckdb",)
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset(WriteMode),
        transactional_ddl=True,
        joint_children=True,
        foresees=True,
        hooks=True,
        retires=True,
        chooses_updates=True,
        undoes=frozenset(WriteMode),
        concurrent_readers=False,
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Options of a DuckDB destination."""

        memory_limit: str = field(
            default=link.MEMORY_LIMIT, metadata={"doc": "Memory DuckDB may use, as 200MB; beyond it spills to disk."}
        )

    def label(self, target: Target) -> str:
        return f"DuckDB {database_path(target.url)}, table {target.table}"

    def inspect(self, target: Target) -> TableInfo | None:
        path = database_path(target.url)
        if not path.exists():
            check_folder(path)
            return None
        with link.mapped(self.label(target)), link.connect_reading(path) as connection:
            shape = shapes.inspect(connection, parse_table(target.table))
            return None if shape is None else shape.info

    def session(self, job: Job) -> DuckDBSession:
        return DuckDBSession(job, database_path(job.target.url), self.label(job.target))

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        path = database_path(target.url)
        if not path.exists():
            return None
        name = parse_table(target.table)
        with link.mapped(self.label(target)), link.connect_reading(path) as connection:
            return publishing.control_row(connection, name, f"mode <> '{ROLLBACK}' and target = ?", str(name))


class DuckDBSession(Session):
    """See `loadlock.delivery.base.Session`."""

    def __init__(self, job: Job, path: Path, label: str, parent: DuckDBSession | None = None) -> None:
        """`parent` = the session of the parent's table, for a child table."""
        self._job = job
        self._parent = parent
        self._children: list[DuckDBSession] = []
        self._pledged: tuple[int, str] | None = None
        self._path = path
        self._label = label
        self._name = parse_table(job.target.table)
        table = short_hash(str(self._name))
        self._lock = PathLock(hidden_path(path, table, "lock"), label, job.run)
        self._spools = hidden_path(path, table, "run", "")
        self._spool = Spool(hidden_path(path, table, "run", job.run))
        self._memory = str(job.target.options.get("memory_limit", link.MEMORY_LIMIT))
        self._connection: Any = None
        self._made = False
        """Whether this session made the file."""
        self._chunked: Chunked | None = None
        self._published: Published | None = None
        self._rows_from: int | None = None
        """First rowid of what this session inserted."""
        self._recognised = False
        self._deleted = 0
        self._retired = 0
        self._undo: DuckDBUndo | None = None
        self._rowids: str | None = None
        """Where an append of an earlier session laid its rows."""

    def open(self) -> Opened:
        check_folder(self._path)
        self._lock.acquire(self._job.wait_seconds)
        if self._parent is not None:
            self._connection = self._parent._connection
        if self._connection is None and self._job.trial:
            self._connection = link.connect_for_trial(self._path)
        if self._connection is None:
            self._made = not self._path.exists()
            self._connection = link.connect(self._path, wait_seconds=self._job.wait_seconds, memory_limit=self._memory)
        with link.mapped(self._label):
            return self._open()

    def _open(self) -> Opened:
        known = ("delivery_id = ?", self._job.delivery_id)
        row = None if self._job.trial else publishing.control_row(self._connection, self._name, *known)
        self._published = None if row is None else published_from(row)
        self._rowids = rowids_of(row, "rowid")
        # a crash between publish and read-back leaves the chunks: they still say which rows are the batch's
        clear_debris(self._spools, keep=self._spool.folder if self._published else None)
        shape = shapes.inspect(self._connection, self._name)
        changed: tuple[str, ...] = ()
        created = shape is None
        if shape is None:
            shape = self._planned()
        else:
            shape, self._job, changed = shapes.matched(self._connection, self._name, self._job, shape)
            check_contract(shape.info, self._job, self._label)
        parent = None if self._parent is None else self._parent._name.table
        versions = versions_of(self._job, shape.info, marks_of(row))
        self._chunked = Chunked(job=self._job, name=self._name, shape=shape, parent=parent, versions=versions)
        return Opened(table=shape.info, created=created, staged=False, published=self._published, changes=changed)

    def _planned(self) -> shapes.Shape:
        """The table as it will be created by `publish`."""
        if not self._job.create:
            raise RefusedError(f"{self._label} does not exist", hint="Create it, or allow it by `create: true`.")
        self._check_schema()
        check_names((column.name for column in delivered_columns(self._job)), fold_case=True)
        return shapes.planned(self._job, self._name)

    def _check_schema(self) -> None:
        # `shop.orders` in shop.duckdb would be read as the file's name and land in its schema main
        known = "select 1 from duckdb_schemas() where database_name = current_database() and schema_name = ?"
        schema = self._name.schema
        if schema is not None and not self._connection.execute(known, [schema]).fetchall():
            raise RefusedError(
                f"{self._label}: the file has no schema {schema!r}",
                hint=f"Create it: create schema {quote_ansi(schema)}; or name the table without a schema.",
            )

    def child(self, job: Job, label: str) -> DuckDBSession:
        """A session for a child table, on the same connection."""
        made = DuckDBSession(job, self._path, label, self)
        self._children.append(made)
        return made

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        import pyarrow as pa

        if self._published is not None or chunk.id in self._spool.chunks:
            return
        chunked = self._ready()
        table = spooled(rows.select([*(column.name for column in chunked.columns), FILE]))
        numbered = table.append_column("_n", pa.array(range(table.num_rows), pa.int64()))
        with link.mapped(self._label):
            self._connection.register(CHUNK, numbered)
            try:
                refused = refusal(self._connection, chunked, self._spool)
            finally:
                self._connection.unregister(CHUNK)
        if refused is not None:
            raise RowsRefusedError(refused)
        self._spool.write(chunk.id, table)

    def pledge(self, *, rows: int, digest: str) -> None:
        """What the parent's publish is to publish here."""
        self._pledged = (rows, digest)

    def foresee(self, rows: int) -> Foreseen:
        with link.mapped(self._label):
            is_new = shapes.inspect(self._connection, self._name) is None
            return Foreseen(inserted=rows) if is_new else foresee_chunks(self._connection, self._ready(), self._spool)

    def publish(self, *, rows: int, digest: str) -> Published:
        self._spool.used = True
        if self._published is None:
            self._pledged = (rows, digest)
            with link.mapped(self._label):
                publishing.with_memory(self._connection, self._commit)
        assert self._published is not None
        return self._published

    def _commit(self) -> None:
        """Publish this table, then its children, in one transaction."""
        family = (self, *self._children)
        with publishing.transaction(self._connection):
            self._run_hooks(self._job.before)
            for session in family:
                session._keep()
            for session in reversed(self._children):
                session._empty()
            made = [session._move() for session in family]
            self._run_hooks(self._job.after)
        for session, published in zip(family, made, strict=True):
            session._published = published

    def _run_hooks(self, statements: Sequence[str]) -> None:
        run_hooks(statements, partial(link.run_one, self._connection, self._label), self._label)

    def _keep(self) -> None:
        """What this publish is about to change, for a rollback; the target is made where it is absent."""
        if shapes.inspect(self._connection, self._name) is None:
            self._connection.execute(shapes.create_sql(self._job, self._name)).fetchall()
        undo = self._begin_undo()
        undo.make()
        self._retired = undo.retire()
        if self._job.parent_key and self._parent is not None:
            undo.save_deleted(self._parent._holds(self._job.parent_key))
        else:
            save_chunks(undo, self._ready(), self._spool)

    def _begin_undo(self) -> DuckDBUndo:
        columns = [column.name for column in self._ready().shape.info.columns if not column.generated]
        self._undo = DuckDBUndo(
            job=self._job, name=self._name, label=self._label, columns=columns, connection=self._connection
        )
        return self._undo

    def _empty(self) -> None:
        """Children that are replaced go before their parents."""
        self._deleted = 0
        if self._job.mode == WriteMode.REPLACE:
            self._deleted = publishing.affected(self._connection, f"delete from {self._ready().target}")

    def _move(self) -> Published:
        """The chunks into the table, and the control row."""
        chunked = self._ready()
        if self._pledged is None or self._spool.rows != self._pledged[0]:
            sent = "no" if self._pledged is None else f"{self._pledged[0]:,}"
            raise BalanceError(f"{self._label}: {sent} rows were sent, {self._spool.rows:,} arrived")
        deleted = self._deleted + self._retired
        if self._parent is not None and self._job.mode == WriteMode.UPSERT and self._parent._spool.paths:
            deleted += publishing.affected(
                self._connection, f"delete from {chunked.target} as t where {self._parent._holds(self._job.parent_key)}"
            )
        self._rows_from = publishing.next_rowid(self._connection, chunked)
        found = publishing.publish(self._connection, chunked, self._spool)
        published = replace(found, deleted=found.deleted + deleted)
        rows, digest = self._pledged
        marks = rowid_marks(self._rows_from, rows) if self._job.mode == WriteMode.APPEND else None
        if chunked.versions is not None:
            marks = chunked.versions.marks()
        row = delivery_row(self._job, str(self._name), published, rows=rows, digest=digest, marks=marks)
        publishing.write_control_row(self._connection, self._name, row)
        return published

    def _holds(self, key: Sequence[str]) -> str:
        """The condition that a row `t` with these columns belongs to a row sent here; `false` where none was sent."""
        if not self._spool.paths:
            return "false"
        chunked = self._ready()
        pairs = zip(self._job.key, key, strict=True)
        same = " and ".join(f"{chunked.value(ours, prefix='s.')} = t.{quote_ansi(theirs)}" for ours, theirs in pairs)
        return f"exists (from {self._spool.sql()} s where {same})"

    def recognise(self, rows: Iterable[pa.Table]) -> bool:
        """Put the rows beside the database once more."""
        import pyarrow as pa

        if not self._job.key:
            return False
        for number, table in enumerate(rows):
            if table.num_rows:
                files = pa.nulls(table.num_rows, pa.int32())
                self._spool.write(f"recognised {number}", spooled(table.append_column(FILE, files)))
        self._recognised = True
        return True

    def left(self, columns: Sequence[DeliveryColumn]) -> Iterator[pa.Table] | None:
        if self._rows_from is None:
            return None
        chunked = self._ready()
        names = [column.name for column in chunked.columns]
        values = ", ".join(f"s.c{names.index(column.name)}" for column in columns)
        same = " and ".join(f"t.{quote_ansi(k)} = {chunked.value(k, prefix='s.')}" for k in self._job.key)
        ours = f"exists (from {chunked.target} t where t.rowid >= {self._rows_from} and {same})"
        return self._stream(f"select {values} from {self._spool.sql()} s where not {ours}", columns)

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        chunked = self._ready()
        condition = self._batch_rows(chunked)
        if condition is None:
            return VerifyLevel.COUNT, self._stream(f"select count(*) as count from {chunked.target} t", None)
        return VerifyLevel.CONTENT, self._stream(self._select(columns, condition), columns)

    def _select(self, columns: Sequence[DeliveryColumn], condition: str) -> str:
        values = ", ".join(
            f"cast(t.{quote_ansi(column.name)} as {column.type.duckdb}) as c{index}"
            for index, column in enumerate(columns)
        )
        return f"select {values} from {self._ready().target} t where {condition}"

    def _batch_rows(self, chunked: Chunked) -> str | None:
        """Condition that tells the batch's rows from others, or None."""
        job = self._job
        if job.mode.takes_all:
            return "true"
        if job.stamped:
            return "t._batch = '" + job.batch.replace("'", "''") + "'"
        if job.mode == WriteMode.UPSERT and self._parent is not None:
            return self._parent._holds(job.parent_key)
        adds = job.mode in (WriteMode.APPEND, WriteMode.INSERT_ONLY)
        if adds and self._rows_from is not None:
            return f"t.rowid >= {self._rows_from}"
        if job.mode == WriteMode.INSERT_ONLY and not self._recognised:
            # the chunks hold the rows that were left out, too
            return None
        if job.key and self._spool.paths:
            return self._holds(job.key) + and_current(job)
        return None

    def written(self, sent: Callable[[], Iterable[pa.Table]]) -> Written:
        """Find the delivery's rows; `undo` takes them back in one transaction. The file admits no other process."""
        with link.mapped(self._label):
            undo = self._begin_undo()
            undo.check(self._published)
            if self._job.key:
                self.recognise(sent())
            parent = None if self._parent is None else self._parent._holds(self._job.parent_key)
            all_sent = undo.find(self._holds, parent, self._rowids)
        published = self._published or Published(inserted=0)
        expected = published.inserted + (0 if all_sent else published.updated)
        return Written(
            expected=expected,
            rows=self._stream(self._select(self._job.columns, undo.where), self._job.columns),
            all_sent=all_sent,
            untouched=undo.is_disturbed(self._ready().versions),
        )

    def gone(self) -> list[dict[str, str | None]]:
        return self._undo.table.gone() if self._undo is not None and self._undo.kept and self._job.key else []

    def undo(self) -> Undone:
        undone = Undone()
        family = (self, *self._children)
        with link.mapped(self._label), publishing.transaction(self._connection):
            for session in reversed(family):
                undone += session._ready_undo().take_away()
            for session in family:
                undone += session._ready_undo().bring_back()
        for session in family:
            session._published = None
        return undone

    def sweep(self, *, keep: int, ended: Collection[str], dry_run: bool) -> list[str]:
        """Undo tables, and chunks beside the file that runs left which died."""
        self._lock.acquire(self._job.wait_seconds)
        self._connection = link.connect(self._path, wait_seconds=self._job.wait_seconds, memory_limit=self._memory)
        undo = DuckDBUndo(job=self._job, name=self._name, label=self._label, columns=(), connection=self._connection)
        with link.mapped(self._label):
            found = undo.outdated(keep)
            if not dry_run:
                undo.drop(found)
        return [f"table {name}" for name in found] + debris(self._spools, dry_run=dry_run)

    def _ready_undo(self) -> DuckDBUndo:
        if self._undo is None:
            raise RefusedError(f"{self._label}: there is nothing to take back")
        return self._undo

    def _stream(self, query: str, columns: Sequence[DeliveryColumn] | None) -> Iterator[pa.Table]:
        return stream(self._connection, self._label, query, columns)

    def abandon(self) -> None:
        self._spool.remove()

    def close(self) -> None:
        if self._parent is not None:
            self._connection = None
        if self._connection is not None:
            with suppress(Exception):
                unused = self._made and link.holds_nothing(self._connection)
                self._connection.close()
                if unused:
                    self._path.unlink()
            self._connection = None
        if self._published is None or self._spool.used:
            self._spool.remove()
        self._lock.release()

    def _ready(self) -> Chunked:
        if self._chunked is None:
            raise RefusedError(f"{self._label} is not open", hint="Call open first.")
        return self._chunked
