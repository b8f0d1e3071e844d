"""A table in a SQLite file: one transaction from `open` to `publish`, a savepoint for each chunk.

`open` takes SQLite's write lock of the whole file and keeps it until `publish` or `close`: one delivery at a time for a
file. Other programs go on reading; where the database is not in WAL mode they wait once the changes outgrow the cache.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
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
from loadlock.delivery.destinations import _sqlite_shape as shapes
from loadlock.delivery.destinations import _sqlite_write as writing
from loadlock.delivery.destinations._local import (
    PathLock,
    check_folder,
    database_path,
    delivered_columns,
    hidden_path,
    remove_if_empty,
    short_hash,
)
from loadlock.delivery.destinations._local_undo import marks_of
from loadlock.delivery.destinations._sqlite_control import control_row, write_control_row
from loadlock.delivery.destinations._sqlite_undo import SQLiteUndo
from loadlock.delivery.destinations._sqlite_values import SQLiteValues
from loadlock.delivery.destinations._versions import versions_of
from loadlock.delivery.fit import check_contract
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.hooks import run_hooks
from loadlock.delivery.names import TableName, check_names, parse_table, quote_ansi
from loadlock.delivery.sqltext import delivery_row, published_from
from loadlock.errors import BalanceError, LockedError, RefusedError, UnavailableError
from loadlock.faults import point
from loadlock.model import Chunk, VerifyLevel, WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

READ_ROWS = 20_000
CACHE_KIB = 65_536
BUSY_SECONDS = 5.0
"""How long a statement waits for readers of a database that is not in WAL mode."""


class SQLite(SQLiteValues):
    """A table in a SQLite database file."""

    name: ClassVar[str] = "sqlite"
    summary: ClassVar[str] = "a table in a SQLite file"
    schemes: ClassVar[tuple[str, ...]] = ("sqlite",)
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

    def label(self, target: Target) -> str:
        return f"SQLite {database_path(target.url)}, table {target.table}"

    def inspect(self, target: Target) -> TableInfo | None:
        path = database_path(target.url)
        check_folder(path)
        if not path.exists():
            return None
        with _mapped(self.label(target)), _reading(path) as connection:
            shape = shapes.inspect(connection, table_name(target))
            return None if shape is None else shape.info

    def session(self, job: Job) -> SQLiteSession:
        return SQLiteSession(job, database_path(job.target.url), self.label(job.target))

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        path = database_path(target.url)
        if not path.exists():
            return None
        with _mapped(self.label(target)), _reading(path) as connection:
            return control_row(connection, "target", table_name(target))


def table_name(target: Target) -> str:
    """The table's name; a SQLite file has one schema, `main`."""
    name = parse_table(target.table)
    if name.schema not in (None, "main"):
        raise RefusedError(f"a SQLite file has no schema {name.schema!r}", hint="Name the table alone.")
    return name.table


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def _mapped(label: str) -> Iterator[None]:
    """Raise SQLite's errors as ours, by the error's name."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise UnavailableError(f"{label}: another connection is in the way ({name})") from error
        raise RefusedError(f"{label}: {error}", hint="Look at the path, its rights and free space.") from error


class SQLiteSession(Session):
    """See `loadlock.delivery.base.Session`."""

    def __init__(self, job: Job, path: Path, label: str, parent: SQLiteSession | None = None) -> None:
        """`parent` = the session of the parent's table, for a child table."""
        self._job = job
        self._parent = parent
        self._children: list[SQLiteSession] = []
        self._pledged: tuple[int, str] | None = None
        self._path = path
        self._label = label
        self._table = table_name(job.target)
        self._lock = PathLock(hidden_path(path, short_hash(self._table.lower()), "lock"), label, job.run)
        self._connection: sqlite3.Connection | None = None
        self._rows: writing.Rows | None = None
        self._published: Published | None = None
        self._chunks: set[str] = set()
        self._hooked = False
        self._made = self._created = False
        """Whether this session made the file, and the table."""

    def open(self) -> Opened:
        check_folder(self._path)
        self._lock.acquire(self._job.wait_seconds)
        with _mapped(self._label):
            connection = self._begin()
            row = None if self._job.trial else control_row(connection, "delivery_id", self._job.delivery_id)
            self._published = None if row is None else published_from(row)
            shape = shapes.inspect(connection, self._table)
            created = self._created = shape is None
            changed: tuple[str, ...] = ()
            if shape is None:
                shape = self._create(connection)
            else:
                shape, self._job, changed = shapes.matched(connection, self._table, self._job, shape)
                check_contract(shape.info, self._job, self._label)
            shapes.check_decimals(shape, delivered_columns(self._job), self._label)
            if self._published is not None and connection.in_transaction:
                # nothing will be written: let others write
                connection.execute("rollback")
            parent = None if self._parent is None else self._parent._ready()
            self._rows = writing.Rows(connection, self._job, self._table, shape, parent)
            self._rows.versions = versions_of(self._job, shape.info, marks_of(row), lambda text: f"'{text}Z'")
        return Opened(table=shape.info, created=created, staged=False, published=self._published, changes=changed)

    def _begin(self) -> sqlite3.Connection:
        if self._parent is not None:
            self._parent._ready()
            assert self._parent._connection is not None
            self._connection = self._parent._connection
            return self._connection
        if self._job.trial:
            return self._begin_trial()
        if self._connection is None:
            self._made = not self._path.exists()
            self._connection = sqlite3.connect(
                self._path, isolation_level=None, timeout=max(self._job.wait_seconds, 0.0), check_same_thread=False
            )
            self._connection.execute(f"pragma cache_size = -{CACHE_KIB}")
        if self._connection.in_transaction:
            self._connection.execute("rollback")
        try:
            self._connection.execute("begin immediate")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise LockedError(
                    f"another connection writes to {self._path}",
                    hint="Wait for it, or give --wait with a number of seconds.",
                ) from error
            raise
        self._connection.execute(f"pragma busy_timeout = {round(BUSY_SECONDS * 1000)}")
        return self._connection

    def _begin_trial(self) -> sqlite3.Connection:
        """A connection that changes nothing but temporary tables; to an empty database where the file is absent."""
        if self._connection is None:
            name = f"{self._path.absolute().as_uri()}?mode=ro" if self._path.exists() else ":memory:"
            self._connection = sqlite3.connect(
                name, uri=True, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False
            )
        if not self._connection.in_transaction:
            self._connection.execute("begin")
        return self._connection

    def _create(self, connection: sqlite3.Connection) -> shapes.Shape:
        if not self._job.create:
            raise RefusedError(f"{self._label} does not exist", hint="Create it, or allow it by `create: true`.")
        check_names((column.name for column in delivered_columns(self._job)), fold_case=True)
        with closing(sqlite3.connect(":memory:")) if self._job.trial else nullcontext(connection) as there:
            there.execute(shapes.create_sql(self._job, self._table))
            shape = shapes.inspect(there, self._table)
        assert shape is not None
        return shape

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        target = self._ready()
        if self._published is not None or chunk.id in self._chunks:
            return
        with _mapped(self._label):
            if not self._job.trial:
                target.load(rows)
            elif not self._created:
                target.rehearse(rows)
        self._chunks.add(chunk.id)

    def foresee(self, rows: int) -> Foreseen:
        with _mapped(self._label):
            return Foreseen(inserted=rows) if self._created else self._ready().foresee(rows)

    def child(self, job: Job, label: str) -> SQLiteSession:
        """A session for a child table, in the same transaction."""
        made = SQLiteSession(job, self._path, label, self)
        self._children.append(made)
        return made

    def begin(self) -> None:
        """Empty what is replaced: children first, since they point to their parents."""
        if self._job.trial:
            return
        if self._published is not None:
            return
        if not self._hooked:
            self._hooked = True
            run_hooks(self._job.before, self._run_one, self._label)
        if self._job.mode == WriteMode.REPLACE:
            with _mapped(self._label):
                for session in (*reversed(self._children), self):
                    session._ready().start()

    def _run_one(self, sql: str) -> None:
        assert self._connection is not None
        with _mapped(self._label):
            try:
                self._connection.execute(sql).fetchall()
            except sqlite3.Warning as error:
                raise RefusedError(
                    f"{self._label}: a hook is one statement", hint="Write several as a list."
                ) from error

    def pledge(self, *, rows: int, digest: str) -> None:
        """What the parent's publish is to publish here."""
        self._pledged = (rows, digest)

    def publish(self, *, rows: int, digest: str) -> Published:
        if self._published is not None:
            return self._published
        assert self._connection is not None
        self._pledged = (rows, digest)
        family = (self, *self._children)
        with _mapped(self._label):
            made = [session._finish() for session in family]
            run_hooks(self._job.after, self._run_one, self._label)
            point("target.before_commit")
            self._connection.execute("commit")
            point("target.committed")
        for session, published in zip(family, made, strict=True):
            session._published = published
        return made[0]

    def _finish(self) -> Published:
        """The counts, compared, and the control row."""
        assert self._connection is not None
        published = self._ready().finish()
        arrived = published.inserted + published.updated + published.unchanged
        if self._pledged is None or arrived != self._pledged[0]:
            sent = "no" if self._pledged is None else f"{self._pledged[0]:,}"
            raise BalanceError(f"{self._label}: {sent} rows were sent, {arrived:,} arrived")
        point("target.merged")
        rows, digest = self._pledged
        row = delivery_row(self._job, self._table, published, rows=rows, digest=digest, marks=self._ready().marks)
        write_control_row(self._connection, row)
        return published

    def recognise(self, rows: Iterable[pa.Table]) -> bool:
        """Put the rows' keys into a temporary table."""
        if not self._job.key:
            return False
        with _mapped(self._label):
            self._ready().recognise(rows)
        return True

    def left(self, columns: Sequence[DeliveryColumn]) -> Iterator[pa.Table] | None:
        query = self._ready().left([column.name for column in columns])
        return None if query is None else self._stream(query, columns)

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        source = self._ready().batch_rows()
        if source is None:
            return VerifyLevel.COUNT, self._counted()
        values = ", ".join(f"t.{quote_ansi(column.name)}" for column in columns)
        return VerifyLevel.CONTENT, self._stream(f"select {values} from {source}", columns)

    def written(self, sent: Callable[[], Iterable[pa.Table]]) -> Written:
        """Find the delivery's rows, in the transaction that `undo` commits; nobody else can write to the file."""
        assert self._connection is not None
        with _mapped(self._label):
            if not self._connection.in_transaction:
                self._connection.execute("begin immediate")
            rows = self._ready()
            rows.undo.check(self._published)
            row = control_row(self._connection, "delivery_id", self._job.delivery_id)
            source, all_sent = rows.find_written(sent(), row)
        published = self._published or Published(inserted=0)
        expected = published.inserted + (0 if all_sent else published.updated)
        columns = self._job.columns
        values = ", ".join(f"t.{quote_ansi(column.name)}" for column in columns)
        return Written(
            expected=expected,
            rows=self._stream(f"select {values} from {source}", columns),
            all_sent=all_sent,
            untouched=rows.undo.is_disturbed(rows.versions),
        )

    def gone(self) -> list[dict[str, str | None]]:
        undo = self._ready().undo
        return undo.table.gone() if undo.kept and self._job.key else []

    def undo(self) -> Undone:
        assert self._connection is not None
        undone = Undone()
        family = (self, *self._children)
        with _mapped(self._label):
            for session in reversed(family):
                undone += session._ready().undo.take_away()
            for session in family:
                undone += session._ready().undo.bring_back()
            self._connection.execute("commit")
        for session in family:
            session._published = None
        return undone

    def sweep(self, *, keep: int, ended: Collection[str], dry_run: bool) -> list[str]:
        """Undo tables; nothing else outlives a delivery."""
        self._lock.acquire(self._job.wait_seconds)
        with _mapped(self._label):
            connection = self._begin()
            undo = SQLiteUndo(
                job=self._job, name=TableName(table=self._table), label=self._label, columns=(), connection=connection
            )
            found = undo.outdated(keep)
            if not dry_run:
                undo.drop(found)
            connection.execute("commit")
        return [f"table {name}" for name in found]

    def _stream(self, query: str, columns: Sequence[DeliveryColumn]) -> Iterator[pa.Table]:
        import pyarrow as pa

        assert self._connection is not None
        schema = pa.schema([(column.name, column.type.arrow()) for column in columns])
        with _mapped(self._label):
            cursor = self._connection.execute(query)
            while rows := cursor.fetchmany(READ_ROWS):
                try:
                    arrays = [
                        shapes.from_sqlite(values, column.type)
                        for values, column in zip(zip(*rows, strict=True), columns, strict=True)
                    ]
                except (ValueError, ArithmeticError) as error:
                    reason = str(error).splitlines()[0]
                    raise RefusedError(f"{self._label} holds values of other types: {reason}") from error
                yield pa.table(arrays, schema)

    def _counted(self) -> Iterator[pa.Table]:
        import pyarrow as pa

        assert self._connection is not None
        rows = self._connection.execute(f"select count(*) from main.{quote_ansi(self._table)}").fetchall()[0][0]
        yield pa.table({"count": pa.array([rows], pa.int64())})

    def abandon(self) -> None:
        """Nothing outlives the transaction."""

    def close(self) -> None:
        if self._parent is not None:
            self._connection = self._rows = None
        if self._connection is not None:
            with suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("rollback")
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = self._rows = None
            if self._made:
                remove_if_empty(self._path)
        self._lock.release()

    def _ready(self) -> writing.Rows:
        if self._rows is None:
            raise RefusedError(f"{self._label} is not open", hint="Call open first.")
        return self._rows
