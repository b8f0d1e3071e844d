"""One delivery to PostgreSQL.

Append and replace are one transaction, with a savepoint around each chunk. Upsert goes through an unlogged staging table
beside the target: each chunk commits with its receipt, and the publish is one transaction. Rows are found again by the
table (replace), by the staging table's keys (upsert), or by the ids of the subtransactions that inserted them (append):
those are kept in the control row, and a row that others changed later no longer has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import CHUNK_TABLE, CONTROL_TABLE, DeliveryColumn, Opened, Published
from loadlock.delivery.destinations import _postgres_catalog as catalog
from loadlock.delivery.destinations import _postgres_copy as wire
from loadlock.delivery.destinations._postgres_catalog import changed, run
from loadlock.delivery.destinations._postgres_connect import translated
from loadlock.delivery.destinations._postgres_proof import Span
from loadlock.delivery.destinations._postgres_target import PostgresTarget
from loadlock.delivery.destinations._postgres_types import Wire, read_sql, wire_of
from loadlock.delivery.destinations._postgres_upsert import Upsert
from loadlock.delivery.names import check_names
from loadlock.delivery.names import quote_ansi as quote
from loadlock.delivery.retry import LostTransactionError
from loadlock.delivery.sqltext import (
    FILE_COLUMN,
    delivery_row,
    inserted_by_file,
)
from loadlock.errors import BalanceError, Refusal, RefusedError, RowsRefusedError, UnavailableError
from loadlock.model import Chunk, VerifyLevel, WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

NAME_BYTES = 63


class PostgresSession(PostgresTarget):
    """See `loadlock.delivery.base.Session`."""

    # -- open ---------------------------------------------------------------------------------------------------------

    def open(self) -> Opened:
        """Lock, look for an earlier publish, create what is absent, check the contract, find receipts."""
        check_names((column.name for column in self._columns), max_bytes=NAME_BYTES)
        for name in filter(None, (self._name.schema, self._name.table)):
            check_names([name], max_bytes=NAME_BYTES, what="table")
        self._connect()
        try:
            with translated():
                return self._begin()
        except BaseException:
            if self._in_transaction:
                self._rollback()
            raise

    def _begin(self) -> Opened:
        catalog.create_control_tables(self._connection, self._name)
        self._sweep()
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
        way = "through a staging table, published in one transaction" if self._staged else "in one transaction"
        return Opened(
            table=self._table.info(),
            created=self._created,
            staged=self._staged,
            loaded=loaded,
            published=self._published,
            notes=(f"binary COPY {way}", *self._speed_notes()),
        )

    def _speed_notes(self) -> Iterator[str]:
        if self._staged and not any(set(unique) == set(self._job.key) for unique in self._found.unique):
            yield f"no unique index on {', '.join(self._job.key)}: the upsert reads the whole table"

    def _begin_direct(self) -> None:
        run(self._connection, "begin")
        self._in_transaction = True
        if self._created:
            self._create_target()
        if self._job.mode == WriteMode.REPLACE:
            self._deleted = changed(self._connection, f"delete from {self._target}")
        self._watch.begin(self._connection, self._found, self._job)

    # -- load ---------------------------------------------------------------------------------------------------------

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        """Copy one chunk, with its receipt in the same (sub)transaction."""
        if self._staged:
            self._load_staged(chunk, rows)
        else:
            self._load_direct(rows)

    def _load_direct(self, rows: pa.Table) -> None:
        if not self._in_transaction or self._connection.closed:
            raise LostTransactionError("the transaction of this load is gone", hint="The run must load again.")
        span = self._watch.span(rows)
        with translated(), self._connection.transaction():
            self._copy(self._target, rows.drop_columns(["_file"]), [], span)
            if self._job.mode == WriteMode.APPEND:
                self._xids.append(self._subtransaction())
            if span is not None:
                self._watch.add(self._connection, span)
        self._note(rows)

    def _load_staged(self, chunk: Chunk, rows: pa.Table) -> None:
        self._reconnect()
        with translated(), self._connection.transaction():
            found = changed(
                self._connection,
                f"insert into {self._beside(CHUNK_TABLE)} (delivery_id, chunk_id, rows_loaded)"
                f" values ({_literal(self._job.delivery_id)}, {_literal(chunk.id)}, {rows.num_rows})"
                " on conflict do nothing",
            )
            if found:
                self._copy(self._staging, rows, [FILE_COLUMN])

    def _copy(self, table: str, rows: pa.Table, extra: list[str], span: Span | None = None) -> None:
        """COPY and compare the number of rows taken: triggers and rules may drop rows without an error."""
        import pyarrow as pa

        names = ", ".join(quote(name) for name in [*(column.name for column in self._columns), *extra])
        wires = [wire_of(self._found.column(column.name), column.type) for column in self._columns]
        if extra:
            wires.append(Wire(type=pa.int32(), convert=lambda values: values))
        statement = f"copy {table} ({names}) from stdin (format binary)"
        taken = wire.send(self._connection, statement, rows, wires, None if span is None else span.update)
        if taken != rows.num_rows:
            message = f"the table took {taken} of {rows.num_rows} rows without an error: a trigger dropped the rest"
            raise RowsRefusedError(Refusal(message=message))

    def _subtransaction(self) -> str:
        """The id that the rows of the current savepoint carry as xmin, read from a row that is taken back at once."""
        found = run(
            self._connection,
            f"insert into {self._beside(CHUNK_TABLE)} (delivery_id, chunk_id, rows_loaded) values ($1, $2, 0)"
            " returning xmin::text",
            self._job.delivery_id,
            f"subtransaction {len(self._xids)}",
        )
        return str(found[0][0])

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
        self._reconnect()
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
                self._finish(published, rows, digest, {"xids": self._xids} if self._xids else None)
                self._in_transaction = False
                self._commit()
        except UnavailableError as error:
            if self._commit_sent:
                raise
            self._rollback()
            raise LostTransactionError(str(error), hint="The run must load again.") from error
        self._published = published
        self._watch.published()
        return published

    def _publish_staged(self, rows: int, digest: str) -> Published:
        self._reconnect()
        upsert = Upsert(
            connection=self._connection,
            target=self._target,
            staging=self._staging,
            table=self._found,
            columns=tuple(column.name for column in self._columns),
            key=self._job.key,
        )
        with translated():
            run(self._connection, "begin")
            self._in_transaction = True
            try:
                published = upsert.publish(rows)
                self._finish(published, rows, digest, None)
            except BaseException:
                self._rollback()
                raise
            self._in_transaction = False
            self._commit()
        self._rows = rows
        self._published = published
        self._watch.published()
        return published

    def _finish(self, published: Published, rows: int, digest: str, marks: dict[str, Any] | None) -> None:
        """The control row, and the receipts away."""
        row = delivery_row(self._job, str(self._name), published, rows=rows, digest=digest, marks=marks)
        places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
        run(self._connection, f"delete from {self._beside(CHUNK_TABLE)} where delivery_id = $1", self._job.delivery_id)
        run(
            self._connection,
            f"insert into {self._beside(CONTROL_TABLE)} ({', '.join(row)}) values ({places})",
            *row.values(),
        )

    def _commit(self) -> None:
        """Once COMMIT is sent, only the control row can tell whether it happened."""
        import psycopg

        self._commit_sent = True
        try:
            run(self._connection, "commit")
        except psycopg.Error as error:
            if error.sqlstate is not None:
                self._commit_sent = False
            raise
        self._commit_sent = False

    # -- read back ----------------------------------------------------------------------------------------------------

    def proved(self) -> int | None:
        """Rows that the server's hashes prove to be those sent; the statistics are made at the same time."""
        if self._published is None:
            return None
        with translated():
            return self._watch.compare(self._connection, self._connector)

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        """The rows of this delivery as they are now in the target."""
        self._reconnect()
        with translated():
            where = self._own_rows()
            if where is None:
                return VerifyLevel.COUNT, iter([_count_table(self._count_all())])
        return VerifyLevel.CONTENT, self._read(columns, where)

    def _own_rows(self) -> str | None:
        """The condition on `t` that holds for this delivery's rows; None where they can't be told apart."""
        if self._job.mode == WriteMode.REPLACE:
            return "true"
        if self._staged and catalog.find_table(self._connection, self._staging_name) is not None:
            keys = " and ".join(f"s.{quote(name)} = t.{quote(name)}" for name in self._job.key)
            return f"exists (select from {self._staging} s where {keys})"
        if self._job.lineage:
            return f"t.{quote('_batch')} = {_literal(self._job.batch)}"
        if self._staged:
            return None
        return f"t.xmin = any ('{{{','.join(self._xids)}}}'::xid[])"

    def _read(self, columns: Sequence[DeliveryColumn], where: str) -> Iterator[pa.Table]:
        import pyarrow as pa

        parts = [read_sql(self._found.column(c.name), c.type, f"t.{quote(c.name)}") for c in columns]
        select = ", ".join(sql for sql, _ in parts)
        statement = f"copy (select {select} from {self._target} t where {where}) to stdout (format csv)"
        with translated():
            for arrays in wire.receive(self._connection, statement, [kind for _, kind in parts]):
                found = [array.cast(column.type.arrow()) for array, column in zip(arrays, columns, strict=True)]
                yield pa.table(found, names=[column.name for column in columns])

    # -- end ----------------------------------------------------------------------------------------------------------

    def abandon(self) -> None:
        """Roll back what is open; drop staging table and receipts, and a table that was made for them."""
        if self._published is not None:
            return
        if self._in_transaction:
            self._rollback()
        elif self._staged:
            self._reconnect()
            with translated(), self._connection.transaction():
                self._drop_staging()
                if self._created and not self._count_all():
                    run(self._connection, f"drop table {self._target}")

    def close(self) -> None:
        """Close the connection, which rolls back and unlocks; drop the staging table of a published delivery."""
        import contextlib

        import psycopg

        if self._conn is None:
            return
        with contextlib.suppress(psycopg.Error, UnavailableError):
            if self._in_transaction:
                self._rollback()
            if self._published is not None:
                self._watch.analyze(self._connection)
                if self._staged:
                    run(self._connection, f"drop table if exists {self._staging}")
        self._conn.close()


def _literal(text: str) -> str:
    """A text literal, for statements that take no parameters (COPY) or are simpler without."""
    return "'" + text.replace("'", "''") + "'"


def _count_table(count: int) -> pa.Table:
    import pyarrow as pa

    return pa.table({"count": pa.array([count], pa.int64())})
