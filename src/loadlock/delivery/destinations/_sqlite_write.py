"""Writing rows into a SQLite table inside the session's transaction, and the control row."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import CONTROL_TABLE, Job, Published
from loadlock.delivery.destinations import _sqlite_shape as shapes
from loadlock.delivery.destinations._local import LINEAGE_NAMES, delivered_columns, short_hash
from loadlock.delivery.names import quote_ansi
from loadlock.delivery.sqltext import DELIVERY_COLUMNS
from loadlock.errors import BalanceError, Refusal, RefusedError, RowsRefusedError
from loadlock.model import WriteMode
from loadlock.rows import FILE

if TYPE_CHECKING:
    import pyarrow as pa

_CONTROL_TYPES = {
    "key": "text not null primary key",
    "name": "text",
    "integer": "integer",
    "text": "text",
    "now": "text default (strftime('%Y-%m-%d %H:%M:%fZ', 'now'))",
}


def control_row(connection: sqlite3.Connection, column: str, value: str) -> dict[str, Any] | None:
    """The newest control row with this value, or None."""
    known = connection.execute(
        "select 1 from pragma_table_list where schema = 'main' and name = ?", [CONTROL_TABLE]
    ).fetchall()
    if not known:
        return None
    rows = connection.execute(
        f"select {', '.join(DELIVERY_COLUMNS)} from main.{CONTROL_TABLE} where {column} = ?"
        " order by published_at desc, _rowid_ desc limit 1",
        [value],
    ).fetchall()
    return dict(zip(DELIVERY_COLUMNS, rows[0], strict=True)) if rows else None


def write_control_row(connection: sqlite3.Connection, row: dict[str, Any]) -> None:
    """Write the control row, making its table where it is absent; again (after a busy commit) is no error."""
    columns = ", ".join(f"{column} {_CONTROL_TYPES[kind]}" for column, kind in DELIVERY_COLUMNS.items())
    connection.execute(f"create table if not exists main.{CONTROL_TABLE} ({columns})")
    marks = ", ".join("?" * len(row))
    connection.execute(
        f"insert or replace into main.{CONTROL_TABLE} ({', '.join(row)}) values ({marks})", list(row.values())
    )


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
        self._stage = f"temp._loadlock_stage_{own}"
        self.keys = f"temp._loadlock_keys_{own}"
        """The table of the batch's keys, where it is made."""
        self._merges = job.mode == WriteMode.UPSERT and bool(job.key)
        self._shape = shape
        self._target = f"main.{quote_ansi(table)}"
        self._columns = delivered_columns(job)
        self._names = [column.name for column in self._columns]
        self._identity = self._find_identity()
        self._counts: dict[int, list[int]] = {}
        self._deleted = 0
        self._started = False
        self._rowid_from: int | None = None

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
        if self._job.mode == WriteMode.REPLACE:
            self._deleted = self._connection.execute(f"delete from {self._target}").rowcount
        elif self._job.mode == WriteMode.UPSERT and self._parent is not None:
            self._parent.start()
            self._deleted = self._connection.execute(
                f"delete from {self._target} as t where {self._parent.holds(self._job.parent_key)}"
            ).rowcount
        elif self._job.mode == WriteMode.APPEND and self._identity is None and self._shape.rowid:
            self._rowid_from = self._value(f"select coalesce(max({self._shape.rowid}), 0) + 1 from {self._target}")
        if self._identity:
            self._make_keys()
        if self._merges:
            typed = ", ".join(f"c{i} {self._declared(name)}" for i, name in enumerate(self._names))
            self._connection.execute(f"create table {self._stage} ({typed}, {FILE} integer)")

    def load(self, rows: pa.Table) -> None:
        """Write one chunk or, raising RowsRefusedError, nothing of it."""
        self.start()
        counts = self._counts
        self._counts = {file: list(numbers) for file, numbers in counts.items()}
        self._connection.execute("savepoint loadlock_chunk")
        try:
            if self._merges:
                self._upsert(rows)
            else:
                self._insert(rows)
        except BaseException:
            self._counts = counts
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
            self._count(file, count, 0, 0)

    def _upsert(self, rows: pa.Table) -> None:
        self._connection.execute(f"delete from {self._stage}")
        self._remember(rows)
        self._each(f"insert into {self._stage} values", [*self._bound(rows), rows[FILE].to_pylist()])
        same = " and ".join(f"t.{quote_ansi(name)} = s.c{self._names.index(name)}" for name in self._job.key)
        others = [(i, name) for i, name in enumerate(self._names) if name not in self._job.key]
        differs = (
            " or ".join(
                f"t.{quote_ansi(name)} is not s.c{i} collate binary" for i, name in others if name not in LINEAGE_NAMES
            )
            or "false"
        )
        inserted, updated, unchanged = self._classify(same, differs, rows.num_rows)
        if others:
            changes = ", ".join(f"{quote_ansi(name)} = s.c{i}" for i, name in others)
            # with lineage an unchanged row becomes this batch's too, so that it is found again
            condition = "true" if self._job.lineage else differs
            done = self._write(
                f"update {self._target} as t set {changes} from {self._stage} as s where {same} and ({condition})"
            )
            _agree(done, updated + (unchanged if self._job.lineage else 0), "updated")
        names = ", ".join(map(quote_ansi, self._names))
        values = ", ".join(f"s.c{i}" for i in range(len(self._names)))
        done = self._write(
            f"insert into {self._target} ({names}) select {values} from {self._stage} as s"
            f" where not exists (select 1 from {self._target} as t where {same})"
        )
        _agree(done, inserted, "inserted")

    def _classify(self, same: str, differs: str, rows: int) -> tuple[int, int, int]:
        """Count new, changed and unchanged rows of the stage by file, before they are merged."""
        found = self._connection.execute(
            f"select s.{FILE}, sum(t.k is null), sum(t.k is not null and ({differs})), count(*)"
            f" from {self._stage} as s left join (select 1 as k, * from {self._target}) as t on {same} group by 1"
        ).fetchall()
        if sum(total for *_, total in found) != rows:
            raise RefusedError(
                f"a key ({', '.join(self._job.key)}) stands in several rows of the table: which one to update is not known",
                hint="Remove the repeated keys from the table and give it a unique index.",
            )
        for file, new, changed, total in found:
            self._count(file, new, changed, total - new - changed)
        inserted, updated = sum(row[1] for row in found), sum(row[2] for row in found)
        return inserted, updated, rows - inserted - updated

    def _remember(self, rows: pa.Table) -> None:
        """Note the identities of a chunk's rows; they must be new in the batch and not null."""
        if not self._identity:
            return
        bound = [self._bound(rows)[self._names.index(name)] for name in self._identity]
        if self._job.mode == WriteMode.APPEND and any(value is None for values in bound for value in values):
            # the database numbers such rows itself: the read-back can only count
            self._identity = None
            return
        self._each(f"insert into {self.keys} values", bound)

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

    def _count(self, file: int, inserted: int, updated: int, unchanged: int) -> None:
        numbers = self._counts.setdefault(file, [0, 0, 0])
        for index, value in enumerate((inserted, updated, unchanged)):
            numbers[index] += value

    def _value(self, query: str) -> int:
        return int(self._connection.execute(query).fetchall()[0][0])

    def _declared(self, name: str) -> str:
        info = self._shape.info.column(name)
        assert info is not None
        return "" if info.sql_type == "ANY" else info.sql_type

    def finish(self) -> Published:
        """The counts, once all chunks are written."""
        self.start()
        by_file = {file: (n[0], n[1], n[2]) for file, n in sorted(self._counts.items())}
        inserted, updated, unchanged = (sum(n[i] for n in by_file.values()) for i in range(3))
        return Published(
            inserted=inserted, updated=updated, unchanged=unchanged, deleted=self._deleted, by_file=by_file
        )

    def recognise(self, rows: Iterable[pa.Table]) -> None:
        """Take the keys of rows that another session wrote, so that `batch_rows` finds them."""
        self._started, self._identity, self._rowid_from = True, self._job.key, None
        self._make_keys()
        for table in rows:
            self._remember(table)

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
        if job.mode == WriteMode.REPLACE:
            return f"{self._target} as t"
        if job.lineage:
            return f"{self._target} as t where t._batch = '" + job.batch.replace("'", "''") + "'"
        if not self._started:
            return None
        if self._parent is not None and job.mode == WriteMode.UPSERT:
            return f"{self._target} as t where {self._parent.holds(job.parent_key)}"
        if self._identity:
            same = " and ".join(f"k.k{i} = t.{quote_ansi(name)}" for i, name in enumerate(self._identity))
            return f"{self.keys} as k join {self._target} as t on {same}"
        if self._rowid_from is not None:
            return f"{self._target} as t where t.{self._shape.rowid} >= {self._rowid_from}"
        return None


def _refused(error: sqlite3.Error, row: int | None) -> RowsRefusedError:
    return RowsRefusedError(Refusal(message=str(error), code=error.sqlite_errorname, row=row))


def _agree(done: int, counted: int, what: str) -> None:
    # a trigger may drop or turn aside rows without an error
    if done != counted:
        raise BalanceError(f"SQLite {what} {done:,} rows where {counted:,} were sent: nothing was published")
