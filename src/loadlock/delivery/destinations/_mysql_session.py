"""One delivery to MySQL or MariaDB.

Append and replace are one InnoDB transaction, with a savepoint around each chunk. Upsert goes through a staging table beside
the target: each chunk commits with its receipt, and the publish is one transaction. MySQL's DDL commits, so control
tables, target and staging table are made before the transaction begins.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from loadlock.delivery.base import CHUNK_TABLE, CONTROL_TABLE, DeliveryColumn, Opened, Published
from loadlock.delivery.destinations import _mysql_catalog as catalog
from loadlock.delivery.destinations._mysql_send import Sender
from loadlock.delivery.destinations._mysql_target import MysqlTarget
from loadlock.delivery.destinations._mysql_types import read_sql
from loadlock.delivery.destinations._mysql_upsert import Upsert
from loadlock.delivery.destinations._mysql_wire import changed, run, translated
from loadlock.delivery.names import check_names
from loadlock.delivery.names import quote_backtick as quote
from loadlock.delivery.retry import LostTransactionError
from loadlock.delivery.sqltext import (
    FILE_COLUMN,
    delivery_row,
    inserted_by_file,
)
from loadlock.delivery.tabtext import parse_csv
from loadlock.errors import BalanceError, RefusedError, UnavailableError
from loadlock.model import Chunk, VerifyLevel, WriteMode
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

NAME_CHARS = 64
READ_BYTES = 8 << 20
_INTEGER = ColumnType(kind="integer")


class MysqlSession(MysqlTarget):
    """See `loadlock.delivery.base.Session`."""

    # -- open ---------------------------------------------------------------------------------------------------------

    def open(self) -> Opened:
        """Lock, look for an earlier publish, create what is absent, check the contract, find receipts."""
        names = [column.name for column in self._columns]
        check_names(names, max_chars=NAME_CHARS, fold_case=True, bmp_only=True)
        for name in filter(None, (self._name.schema, self._name.table)):
            check_names([name], max_chars=NAME_CHARS, bmp_only=True, what="table")
        self._connect()
        try:
            with translated():
                return self._begin()
        except BaseException:
            if self._in_transaction:
                self._rollback()
            raise

    def _begin(self) -> Opened:
        self._table = catalog.find_table(self._connection, self._name)
        self._published = self._ask()
        if self._published is not None:
            return self._opened(frozenset())
        self._check_target()
        if self._staged:
            return self._opened(self._prepare_staging())
        self._begin_direct()
        return self._opened(frozenset())

    def _opened(self, loaded: frozenset[str]) -> Opened:
        if self._table is None:
            raise RefusedError(
                f"{self._label} was published by this run, but the table is gone",
                hint="Run the batch again by --force.",
            )
        return Opened(
            table=self._table.info(),
            created=self._created,
            staged=self._staged,
            loaded=loaded,
            published=self._published,
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterator[str]:
        way = "through a staging table, published in one transaction" if self._staged else "in one transaction"
        if self._load_data:
            yield f"LOAD DATA LOCAL INFILE {way}"
        else:
            yield f"multi-row INSERT {way}: the server forbids LOAD DATA LOCAL (local_infile is off), about 2.5 times slower"
        if self._staged and not any(set(unique) == set(self._job.key) for unique in self._found.unique):
            yield f"no unique index on {', '.join(self._job.key)}: the upsert reads the whole table"

    def _begin_direct(self) -> None:
        run(self._connection, "start transaction")
        self._in_transaction = True
        if self._job.mode == WriteMode.REPLACE:
            self._deleted = changed(self._connection, f"delete from {self._target}")
        elif not self._created and not self._job.lineage:
            self._rows_before = self._count_all()

    # -- load ---------------------------------------------------------------------------------------------------------

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        """Send one chunk, with its receipt in the same transaction."""
        if self._staged:
            self._load_staged(chunk, rows)
        else:
            self._load_direct(rows)

    def _load_direct(self, rows: pa.Table) -> None:
        if not self._in_transaction or self._conn is None or not self._conn.open:
            raise LostTransactionError("the transaction of this load is gone", hint="The run must load again.")
        try:
            with translated(), self._savepoint():
                self._sender([]).send(self._target, rows.drop_columns(["_file"]))
        except UnavailableError:
            self._rollback()
            raise
        self._note(rows)

    @contextlib.contextmanager
    def _savepoint(self) -> Iterator[None]:
        run(self._connection, "savepoint loadlock")
        try:
            yield
        except Exception:
            with contextlib.suppress(Exception):
                run(self._connection, "rollback to savepoint loadlock")
            raise
        run(self._connection, "release savepoint loadlock")

    def _load_staged(self, chunk: Chunk, rows: pa.Table) -> None:
        self._connect()
        with translated(), self._transaction():
            found = changed(
                self._connection,
                f"insert ignore into {self._beside(CHUNK_TABLE)} (delivery_id, chunk_id, rows_loaded)"
                f" values ({self._text(self._job.delivery_id)}, {self._text(chunk.id)}, {rows.num_rows})",
            )
            if found:
                self._sender([(FILE_COLUMN, _INTEGER)]).send(self._staging, rows)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        run(self._connection, "start transaction")
        self._in_transaction = True
        try:
            yield
        except BaseException:
            self._rollback()
            raise
        run(self._connection, "commit")
        self._in_transaction = False

    def _sender(self, extra: list[tuple[str, ColumnType]]) -> Sender:
        if self._duckdb is None:
            import duckdb

            self._duckdb = duckdb.connect()
        return Sender(
            connection=self._connection,
            table=self._found,
            columns=(*((column.name, column.type) for column in self._columns), *extra),
            load_data=self._load_data,
            duckdb=self._duckdb,
        )

    def _note(self, rows: pa.Table) -> None:
        import pyarrow.compute as pc

        self._rows += rows.num_rows
        for entry in pc.value_counts(rows["_file"]).to_pylist():
            self._by_file[entry["values"]] += entry["counts"]

    # -- publish ------------------------------------------------------------------------------------------------------

    def publish(self, *, rows: int, digest: str) -> Published:
        """Commit, with the control row. After a lost answer the control row says what happened."""
        if self._published is not None:
            return self._published
        if self._commit_sent:
            return self._after_lost_answer(rows, digest)
        if self._staged:
            return self._publish_staged(rows, digest)
        return self._publish_direct(rows, digest)

    def _after_lost_answer(self, rows: int, digest: str) -> Published:
        self._connect()
        with translated():
            self._published = self._ask()
        self._commit_sent = False
        if self._published is not None:
            return self._published
        if self._staged:
            return self._publish_staged(rows, digest)
        raise LostTransactionError(
            "the connection was lost and the commit did not happen", hint="The run must load again."
        )

    def _publish_direct(self, rows: int, digest: str) -> Published:
        if not self._in_transaction:
            raise LostTransactionError("the transaction of this load is gone", hint="The run must load again.")
        if rows != self._rows:
            self._rollback()
            raise BalanceError(f"{rows:,} rows were sent, but {self._rows:,} were loaded: nothing was published")
        published = Published(inserted=self._rows, deleted=self._deleted, by_file=inserted_by_file(self._by_file))
        try:
            with translated():
                self._finish(published, rows, digest)
                self._in_transaction = False
                self._commit()
        except UnavailableError as error:
            if self._commit_sent:
                raise
            self._rollback()
            raise LostTransactionError(str(error), hint="The run must load again.") from error
        self._published = published
        self._analyze()
        return published

    def _publish_staged(self, rows: int, digest: str) -> Published:
        self._connect()
        upsert = Upsert(
            connection=self._connection,
            target=self._target,
            staging=self._staging,
            table=self._found,
            columns=tuple(column.name for column in self._columns),
            key=self._job.key,
        )
        with translated():
            run(self._connection, f"analyze table {self._staging}")
            run(self._connection, "start transaction")
            self._in_transaction = True
            try:
                published = upsert.publish(rows)
                self._finish(published, rows, digest)
            except BaseException:
                self._rollback()
                raise
            self._in_transaction = False
            self._commit()
        self._rows = rows
        self._published = published
        self._analyze()
        return published

    def _finish(self, published: Published, rows: int, digest: str) -> None:
        """The control row, and the receipts away."""
        marks = {"rows_before": self._rows_before} if self._job.mode == WriteMode.APPEND else None
        row = delivery_row(self._job, str(self._name), published, rows=rows, digest=digest, marks=marks)
        values = ", ".join("null" if value is None else self._text(str(value)) for value in row.values())
        run(self._connection, self._delete_receipts)
        run(
            self._connection,
            f"insert into {self._beside(CONTROL_TABLE)} ({', '.join(map(quote, row))}) values ({values})",
        )

    def _commit(self) -> None:
        """Once COMMIT is sent, only the control row can tell whether it happened."""
        self._commit_sent = True
        run(self._connection, "commit")
        self._commit_sent = False

    def _analyze(self) -> None:
        """Fresh statistics for the planner; failing at that changes nothing about the delivery."""
        with contextlib.suppress(Exception):
            run(self._connection, f"analyze table {self._target}")

    # -- read back ----------------------------------------------------------------------------------------------------

    def proved(self) -> int | None:
        """Nothing is proved without reading back."""
        return None

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        """The rows of this delivery as they are now in the target."""
        self._connect()
        with translated():
            where = self._own_rows()
            if where is None:
                return VerifyLevel.COUNT, iter([_count_table(max(0, self._count_all() - self._rows_before))])
        return VerifyLevel.CONTENT, self._read(columns, where)

    def _own_rows(self) -> str | None:
        """The condition on `t` that holds for this delivery's rows; None where they can't be told apart."""
        if self._job.mode == WriteMode.REPLACE:
            return "true"
        if self._staged and catalog.find_table(self._connection, self._staging_name) is not None:
            keys = " and ".join(f"s.{quote(name)} = t.{quote(name)}" for name in self._job.key)
            return f"exists (select 1 from {self._staging} s where {keys})"
        if self._job.lineage:
            return f"t.{quote('_batch')} = {self._text(self._job.batch)}"
        if not self._staged and self._rows_before == 0 and self._count_all() == self._rows:
            return "true"  # the table was empty before, and nobody added to it since
        return None

    def _read(self, columns: Sequence[DeliveryColumn], where: str) -> Iterator[pa.Table]:
        import pyarrow as pa

        parts = [read_sql(self._found.column(c.name), c.type, f"t.{quote(c.name)}") for c in columns]
        fields = ", ".join(sql for sql, _ in parts)
        statement = f"select cast(concat_ws(',', {fields}) as binary) from {self._target} t where {where}"
        with translated():
            for block in _blocks(self._connection.lines(statement)):
                arrays = parse_csv(block, [kind for _, kind in parts])
                found = [array.cast(column.type.arrow()) for array, column in zip(arrays, columns, strict=True)]
                yield pa.table(found, names=[column.name for column in columns])

    # -- end ----------------------------------------------------------------------------------------------------------

    def abandon(self) -> None:
        """Roll back what is open; drop staging table and receipts, and a table that was made for them."""
        if self._published is not None:
            return
        if self._in_transaction:
            self._rollback()
        self._connect()
        with translated():
            if self._staged:
                self._drop_staging()
            self._drop_created()

    def close(self) -> None:
        """Roll back, unlock, close; drop the staging table of a published delivery."""
        if self._duckdb is not None:
            self._duckdb.close()
            self._duckdb = None
        if self._conn is None or not self._conn.open:
            return
        with contextlib.suppress(Exception):
            if self._in_transaction:
                self._rollback()
            if self._published is not None and self._staged:
                run(self._connection, f"drop table if exists {self._staging}")
            if self._published is None and not self._staged:
                self._drop_created()
            run(
                self._connection,
                f"delete from {self._beside(CHUNK_TABLE)} where chunk_id = {self._text(self._lock_name)}",
            )
        self._conn.close()


def _blocks(lines: Iterator[bytes | None]) -> Iterator[bytes]:
    """Lines joined to blocks. A row too long for the server to join is null: left out, so the comparison fails."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        if line is None:
            continue
        waiting.append(line)
        size += len(line)
        if size >= READ_BYTES:
            yield b"\n".join(waiting) + b"\n"
            waiting, size = [], 0
    if waiting:
        yield b"\n".join(waiting) + b"\n"


def _count_table(count: int) -> pa.Table:
    import pyarrow as pa

    return pa.table({"count": pa.array([count], pa.int64())})
