"""Writing rows into a SQLite table inside the session's transaction, and the control row."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Job, Published
from loadlock.delivery.destinations import _sqlite_shape as shapes
from loadlock.delivery.destinations._foresee import foresee
from loadlock.delivery.destinations._local import delivered_columns, short_hash
from loadlock.delivery.destinations._local_undo import and_current, rowid_marks, rowids_of
from loadlock.delivery.destinations._sqlite_merge import SQLiteMerge, make_stage
from loadlock.delivery.destinations._sqlite_undo import SQLiteUndo
from loadlock.delivery.destinations._versions import Versions
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.names import TableName, quote_ansi
from loadlock.delivery.sqltext import FILE_COLUMN, inserted_by_file
from loadlock.errors import BalanceError, Refusal, RowsRefusedError
from loadlock.model import WriteMode
from loadlock.rows import FILE

if TYPE_CHECKING:
    import pyarrow as pa


class Rows:
    """The rows of one delivery: into the table by chunks, counted by file, found again for the read-back."""

    def __init__(
        self, connection: sqlite3.Connection, job: Job, table: str, shape: shapes.Shape, parent: Rows | None = None
    ) -> None:
        """`parent` = the rows of the parent's table, for a child table."""
        self._connection = connection
        self._job = job
        self._parent = parent
        own = short_hash(table.lower())
        self._table = table
        self._stage = f"_loadlock_stage_{own}"
        self.keys = f"temp._loadlock_keys_{own}"
        """The table of the batch's keys, where it is made."""
        self._merges = job.mode.by_key and bool(job.key)
        self._shape = shape
        self._target = f"main.{quote_ansi(table)}"
        self._columns = delivered_columns(job)
        self._names = [column.name for column in self._columns]
        self._identity = self._find_identity()
        self._counts: dict[int, int] = {}
        self._staged = 0
        self._merged: Published | None = None
        self._deleted = 0
        self._started = False
        self._retired = 0
        writable = [column.name for column in shape.info.columns if not column.generated]
        self.undo = SQLiteUndo(
            job=job, name=TableName(table=table), label=table, columns=writable, connection=connection
        )
        self._rowid_from: int | None = None
        self.versions: Versions | None = None
        """Mode scd2; set before anything is loaded."""

    def _find_identity(self) -> tuple[str, ...] | None:
        """Columns by which the batch's rows are found again; None: by rowid, or not at all."""
        job = self._job
        if self._merges:
            return job.key
        key = self._shape.primary_key
        needed = self._shape.rowid is None or self._shape.rowid_column in self._names
        return key if job.mode == WriteMode.APPEND and needed and key and set(key) <= set(self._names) else None

    def start(self) -> None:
        """What happens once, before the first chunk."""
        if self._started:
            return
        self._started = True
        if not self._job.trial:
            self._clear()
        if self._identity:
            self._make_keys()
        if self._merges:
            make_stage(self._connection, self._table, self._shape, self._stage)

    def _clear(self) -> None:
        """Keep for a rollback what goes now, and let it go."""
        self.undo.make()
        self._retired = self.undo.retire()
        if self._job.mode == WriteMode.REPLACE:
            self.undo.save_deleted("true")
            self._deleted = self._connection.execute(f"delete from {self._target}").rowcount
        elif self._job.mode == WriteMode.UPSERT and self._parent is not None:
            self._parent.start()
            self.undo.save_deleted(self._parent.holds(self._job.parent_key))
            self._deleted = self._connection.execute(
                f"delete from {self._target} as t where {self._parent.holds(self._job.parent_key)}"
            ).rowcount
        elif self._job.mode == WriteMode.APPEND and self._identity is None and self._shape.rowid:
            self._rowid_from = self._value(f"select coalesce(max({self._shape.rowid}), 0) + 1 from {self._target}")

    def rehearse(self, rows: pa.Table) -> None:
        """Take a chunk that is not to be written, as far as it has to be compared."""
        if self._merges:
            self.load(rows.select([*self._names, FILE]))

    def foresee(self, rows: int) -> Foreseen:
        """What the publish would do."""
        if self._merges:
            self.start()
            return foresee(self.merge, rows)
        if self._job.mode != WriteMode.REPLACE:
            return Foreseen(inserted=rows)
        deleted = self._value(f"select count(*) from {self._target}") if self._job.trial else self._deleted
        return Foreseen(inserted=rows, deleted=deleted, rows_before=deleted)

    def load(self, rows: pa.Table) -> None:
        """Write one chunk or, raising RowsRefusedError, nothing of it."""
        self.start()
        counts, staged = self._counts, self._staged
        self._counts = dict(counts)
        try:
            with self._savepoint():
                if self._merges:
                    self._to_stage(rows)
                else:
                    self._insert(rows)
        except BaseException:
            self._counts, self._staged = counts, staged
            raise

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        """Nothing of the block is kept where it fails."""
        self._connection.execute("savepoint loadlock_chunk")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback to loadlock_chunk")
                self._connection.execute("release loadlock_chunk")
            raise
        self._connection.execute("release loadlock_chunk")

    def _insert(self, rows: pa.Table) -> None:
        names = ", ".join(map(quote_ansi, self._names))
        done = self._each(f"insert into {self._target} ({names}) values", self._bound(rows))
        _agree(done, rows.num_rows, "inserted")
        self._remember(rows)
        for file, count in Counter(rows[FILE].to_pylist()).items():
            self._counts[file] = self._counts.get(file, 0) + count

    def _to_stage(self, rows: pa.Table) -> None:
        self._remember(rows)
        filled = dict(zip(self._names, self._bound(rows), strict=True)) | {FILE_COLUMN: rows[FILE].to_pylist()}
        if self._job.validity is not None:
            # it may not be null in the target, and the publish decides it
            filled[self._job.validity.since] = [""] * rows.num_rows
        names = ", ".join(map(quote_ansi, filled))
        self._each(f"insert into temp.{self._stage} ({names}) values", list(filled.values()))
        self._staged += rows.num_rows

    @property
    def merge(self) -> SQLiteMerge:
        """What publishes the staged rows."""
        return SQLiteMerge(
            run=lambda sql: self._connection.execute(sql).fetchall(),
            changed=self._write,
            quote=quote_ansi,
            target=self._target,
            staging=f"temp.{self._stage}",
            unique=self._shape.info.unique,
            columns=tuple(self._names),
            key=self._job.key,
            mode=self._job.mode,
            max_delete_percent=self._job.max_delete_percent,
            update=self._job.update,
            versions=self.versions,
        )

    def _remember(self, rows: pa.Table) -> None:
        """Note the identities of a chunk's rows; they must be new in the batch and not null."""
        if not self._identity:
            return
        places = [self._names.index(name) for name in self._identity]
        bound = [shapes.to_sqlite(rows.column(place), self._columns[place].type) for place in places]
        if self._job.mode == WriteMode.APPEND and any(value is None for values in bound for value in values):
            # the database numbers such rows itself: the read-back can only count
            self._identity = None
            return
        again = "" if self._job.mode.has_unique_key or not self._merges else "or ignore "
        self._each(f"insert {again}into {self.keys} values", bound)

    def _bound(self, rows: pa.Table) -> list[list[Any]]:
        return [shapes.to_sqlite(rows.column(i), column.type) for i, column in enumerate(self._columns)]

    def _each(self, statement: str, columns: Sequence[list[Any]]) -> int:
        """Run an insert for each row; returns the rows inserted. A refused row is known by how far the driver had come."""
        taken = 0

        def count() -> Iterator[tuple[Any, ...]]:
            nonlocal taken
            for taken, row in enumerate(zip(*columns, strict=True)):  # noqa: B007 - read after an error
                yield row

        try:
            done = self._connection.executemany(f"{statement} ({', '.join('?' * len(columns))})", count())
            return int(done.rowcount)
        except (sqlite3.IntegrityError, sqlite3.DataError) as error:
            raise _refused(error, taken) from error

    def _write(self, statement: str) -> int:
        try:
            return int(self._connection.execute(statement).rowcount)
        except sqlite3.IntegrityError as error:
            raise _refused(error, None) from error

    def _value(self, query: str) -> int:
        return int(self._connection.execute(query).fetchall()[0][0])

    def _declared(self, name: str) -> str:
        info = self._shape.info.column(name)
        assert info is not None
        return "" if info.sql_type == "ANY" else info.sql_type

    def finish(self) -> Published:
        """What was written, once all chunks are here; staged rows are merged now, once."""
        self.start()
        if not self._merges:
            by_file = inserted_by_file(self._counts)
            deleted = self._deleted + self._retired
            return Published(inserted=sum(self._counts.values()), deleted=deleted, by_file=by_file)
        if self._merged is None:
            merge = self.merge
            with self._savepoint():
                self.undo.save(merge)
                published = merge.publish(self._staged)
                self._merged = replace(published, deleted=published.deleted + self._retired)
        return self._merged

    def left(self, columns: Sequence[str]) -> str | None:
        """The query of the rows that an insert only left out; None in a session that did not send them."""
        if self._merged is None:
            return None
        values = ", ".join(map(quote_ansi, columns))
        return f"select {values} from temp.{self._stage} where {quote_ansi(FILE_COLUMN)} < 0"

    def recognise(self, rows: Iterable[pa.Table]) -> None:
        """Take the keys of rows that another session wrote, so that `batch_rows` finds them."""
        self._started, self._identity, self._rowid_from = True, self._job.key, None
        self._make_keys()
        for table in rows:
            self._remember(table)

    def find_written(self, rows: Iterable[pa.Table], row: dict[str, Any] | None) -> tuple[str, bool]:
        """For a rollback: the delivery's rows as what follows `from`, and whether it wrote all that it was sent."""
        if self._job.key:
            self.recognise(rows)
        self._started = True
        parent = None if self._parent is None else self._parent.holds(self._job.parent_key)
        rowids = rowids_of(row, self._shape.rowid) if self._shape.rowid else None
        all_sent = self.undo.find(self.holds, parent, rowids)
        return f"{self._target} as t where {self.undo.where}", all_sent

    @property
    def marks(self) -> dict[str, Any] | None:
        """For the control row: where the rows of an append lie, or which versions are this publish's."""
        if self.versions is not None:
            return self.versions.marks()
        if self._rowid_from is None:
            return None
        last = self._value(f"select coalesce(max({self._shape.rowid}), 0) from {self._target}")
        return rowid_marks(self._rowid_from, last + 1 - self._rowid_from)

    def _make_keys(self) -> None:
        # the declared types give the same affinity as in the table, so that equal values are equal
        names = self._identity or ()
        typed = ", ".join(f"k{i} {self._declared(name)} not null" for i, name in enumerate(names))
        key = ", ".join(f"k{i}" for i in range(len(names)))
        self._connection.execute(f"create table {self.keys} ({typed}, primary key ({key}))")

    def holds(self, key: Sequence[str]) -> str:
        """The condition that a row `t` with these columns belongs to a row of the batch."""
        same = " and ".join(f"k.k{i} = t.{quote_ansi(name)}" for i, name in enumerate(key))
        return f"exists (select 1 from {self.keys} as k where {same})"

    def batch_rows(self) -> str | None:
        """The batch's rows as what follows `from` (the table is `t`), or None where they can't be told apart."""
        job = self._job
        if job.mode.takes_all:
            return f"{self._target} as t"
        if job.stamped:
            return f"{self._target} as t where t._batch = '" + job.batch.replace("'", "''") + "'"
        if not self._started:
            return None
        if self._parent is not None and job.mode == WriteMode.UPSERT:
            return f"{self._target} as t where {self._parent.holds(job.parent_key)}"
        if self._identity:
            same = " and ".join(f"k.k{i} = t.{quote_ansi(name)}" for i, name in enumerate(self._identity))
            found = f"{self.keys} as k join {self._target} as t on {same}{and_current(job)}"
            if job.mode == WriteMode.INSERT_ONLY and self._merged is not None:
                new = f"s.{quote_ansi(FILE_COLUMN)} >= 0 and {self.merge.match}"
                found += f" where exists (select 1 from temp.{self._stage} as s where {new})"
            return found
        if self._rowid_from is not None:
            return f"{self._target} as t where t.{self._shape.rowid} >= {self._rowid_from}"
        return None


def _refused(error: sqlite3.Error, row: int | None) -> RowsRefusedError:
    return RowsRefusedError(Refusal(message=str(error), code=error.sqlite_errorname, row=row))


def _agree(done: int, counted: int, what: str) -> None:
    # a trigger may drop or turn aside rows without an error
    if done != counted:
        raise BalanceError(f"SQLite {what} {done:,} rows where {counted:,} were sent: nothing was published")
