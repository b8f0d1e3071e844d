"""One delivery to PostgreSQL.

Rows go by binary COPY, for an upsert into an unlogged staging table. They are found again by the table (replace), by the
staging table's keys (upsert), or by the ids of the subtransactions that inserted them (append): those are kept in the control
row, and a row that others changed later no longer has them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import CHUNK_TABLE, DeliveryColumn, Job
from loadlock.delivery.destinations import _postgres_catalog as catalog
from loadlock.delivery.destinations import _postgres_copy as wire
from loadlock.delivery.destinations._postgres_catalog import changed, run
from loadlock.delivery.destinations._postgres_connect import Connector, translated
from loadlock.delivery.destinations._postgres_landed import merged_sql, same_rows_sql
from loadlock.delivery.destinations._postgres_merge import PostgresMerge
from loadlock.delivery.destinations._postgres_proof import Span
from loadlock.delivery.destinations._postgres_sieve import PostgresSieve
from loadlock.delivery.destinations._postgres_types import CatalogTable, Wire, created_type, wire_of
from loadlock.delivery.destinations._postgres_values import rows_of
from loadlock.delivery.destinations._postgres_versions import WROTE, PostgresVersions
from loadlock.delivery.destinations._postgres_watch import Watch
from loadlock.delivery.destinations._postgres_written import refuse_unlike
from loadlock.delivery.destinations._server_sieve import Desk
from loadlock.delivery.destinations._server_target import LOCK_POLL_SECONDS
from loadlock.delivery.evolve import Dialect
from loadlock.delivery.hooks import run_hooks
from loadlock.delivery.names import TableName, check_names
from loadlock.delivery.names import quote_ansi as quote
from loadlock.delivery.sqltext import FILE_COLUMN, lock_number
from loadlock.errors import LockedError, Refusal, RefusedError, RowsRefusedError
from loadlock.model import Chunk, WriteMode

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

    Connection = psycopg.Connection[Any]

NAME_BYTES = 63


class PostgresSession(PostgresVersions):
    """See `loadlock.delivery.base.Session`."""

    def __init__(
        self, job: Job, connector: Connector, name: TableName, label: str, parent: PostgresSession | None = None
    ) -> None:
        super().__init__(job, name, label, parent)
        self._connector = connector
        self._xids: list[str] = []
        self._piece: pa.Table | None = None
        self._span: Span | None = None
        self._pieces = 0
        self._watch = Watch()
        self._watches_staging = False

    # -- the server's words -------------------------------------------------------------------------------------------

    def _is_connected(self) -> bool:
        return self._link.connection is not None and not self._link.connection.closed

    def _translated(self) -> AbstractContextManager[None]:
        return translated()

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        return run(self._connection, sql)

    def _changed(self, sql: str) -> int:
        return changed(self._connection, sql)

    def _quote(self, name: str) -> str:
        return quote(name)

    def _text(self, text: str) -> str:
        return literal(text)

    def _find(self, name: TableName) -> CatalogTable | None:
        return catalog.find_table(self._connection, name)

    def _start(self) -> str:
        return "begin"

    def _is_answer(self, error: Exception) -> bool:
        return getattr(error, "sqlstate", None) is not None

    def _run_hooks(self, statements: Sequence[str]) -> None:
        run_hooks(statements, self._run_one, self._label)

    def _run_one(self, sql: str) -> None:
        """In the extended protocol, which takes one statement: `...; commit` is refused."""
        with translated():
            self._connection.execute(sql.encode(), binary=True)

    # -- open ---------------------------------------------------------------------------------------------------------

    def _check_names(self) -> None:
        check_names((column.name for column in self._columns), max_bytes=NAME_BYTES)
        for name in filter(None, (self._name.schema, self._name.table)):
            check_names([name], max_bytes=NAME_BYTES, what="table")

    def _dial(self) -> Connection:
        return self._connector.connect(self._options)

    def _disconnect(self) -> None:
        if self._link.connection is not None:
            self._link.connection.close()

    def _take(self) -> None:
        self._name = catalog.resolve(self._connection, self._name)
        self._need_schema(f"select 1 from pg_namespace where nspname = {literal(self._name.schema or '')}", "schema")
        if self._job.trial:
            return
        self._lock(lock_number(self._name.schema or "", self._name.table))
        catalog.create_control_tables(self._connection, self._name)
        self._sweep_published()

    def _lock(self, number: int) -> None:
        deadline = time.monotonic() + self._job.wait_seconds
        while not run(self._connection, "select pg_try_advisory_lock($1)", number)[0][0]:
            if time.monotonic() >= deadline:
                owner = catalog.lock_owner(self._connection, number)
                raise LockedError(f"{self._label} is held by {owner}", hint="Wait for it, or use --wait SECONDS.")
            time.sleep(LOCK_POLL_SECONDS)

    def _check_kind(self) -> None:
        if self._found.kind not in ("r", "p"):
            raise RefusedError(f"{self._label} is a view or a foreign table", hint="Name the table itself.")

    def _make_target(self) -> None:
        if not self._link.in_transaction:
            self._run("begin")
            self._link.in_transaction = True
        if self._created:
            self._create_target()

    def _create_target(self) -> None:
        self._run(catalog.create_target_sql(self._name, self._job, self._added))
        self._table = self._find(self._name)

    def _create_staging(self) -> None:
        parent = None if self._parent is None else self._parent._name
        catalog.create_staging(self._connection, self._staging_name, self._name, self._found, self._job, parent)

    @property
    def _dialect(self) -> Dialect:
        return Dialect(target=self._target, quote=quote, type_of=created_type)

    def _imagine(self) -> None:
        self._run(self._start())
        self._link.in_transaction = True
        if self._created:
            self._create_target()
        elif self._staged:
            self._create_staging()

    def _ready_to_foresee(self) -> None:
        self._run(f"analyze {self._staging}")

    def _notes(self) -> Iterator[str]:
        way = "through a staging table, published in one transaction" if self._staged else "in one transaction"
        written = any(self._found.column(column.name).is_written for column in self._job.columns)
        yield f"{'COPY in text' if written else 'binary COPY'} {way}"
        yield from self._slow_merge()

    def _make_child(self, job: Job, name: TableName, label: str) -> PostgresSession:
        return PostgresSession(job, self._connector, name, label, self)

    # -- load ---------------------------------------------------------------------------------------------------------

    def _empty(self) -> None:
        if self._empties_last:
            if not catalog.holds_two(self._connection, self._target):
                raise RefusedError(f"{self._label} can't hold old and new rows at once")
        elif self._job.mode == WriteMode.REPLACE:
            self._deleted = self._changed(f"delete from {self._target}")
        job = replace(self._job, mode=WriteMode.APPEND) if self._empties_last else self._job
        self._watch.begin(self._connection, self._target, self._found, job, self._created)

    @property
    def _empties_last(self) -> bool:
        return self._job.empties_last and not self._created

    @property
    def _finds_by_writer(self) -> bool:
        """Whether each chunk's subtransaction is remembered."""
        return self._job.mode == WriteMode.APPEND or self._empties_last

    def _empty_at_last(self) -> None:
        if self._empties_last:
            ids = ",".join(self._xids)
            self._deleted = self._changed(f"delete from {self._target} t where not t.xmin = any ('{{{ids}}}'::xid[])")

    def _claim(self, chunk: Chunk) -> bool:
        rows = ", ".join(f"({literal(self._job.delivery_id)}, {literal(name)}, {count})" for name, count in chunk.owed)
        return bool(
            self._changed(
                f"insert into {self._beside(CHUNK_TABLE)} (delivery_id, chunk_id, rows_loaded)"
                f" values {rows} on conflict do nothing"
            )
        )

    def _send(self, table: str, rows: pa.Table) -> None:
        """COPY and compare the number of rows taken: triggers and rules may drop rows without an error."""
        import pyarrow as pa

        names = [column.name for column in self._columns]
        wires = [wire_of(self._found.column(column.name), column.type) for column in self._columns]
        self._span = None
        if self._staged:
            names.append(FILE_COLUMN)
            wires.append(Wire(type=pa.int32(), convert=_as_it_is))
            self._watch_staging()
        else:
            rows = rows.drop_columns(["_file"])
            self._piece, self._span = rows, self._watch.span(rows)
        statement = f"copy {table} ({', '.join(map(quote, names))}) from stdin"
        refuse_unlike(self._connection, [self._found.column(name) for name in names if name != FILE_COLUMN], rows)
        watch = None if self._span is None else self._span.update
        taken = wire.send(self._connection, statement, rows, wires, watch)
        if taken != rows.num_rows:
            message = f"the table took {taken} of {rows.num_rows} rows without an error: a trigger dropped the rest"
            raise RowsRefusedError(Refusal(message=message))
        if self._staged:
            self._watch.add_staged(self._connection, rows)

    def _watch_staging(self) -> None:
        """The rows of the staging table are proved where the publish leaves them there as they are."""
        if self._parent is None and not self._watches_staging:
            self._watches_staging = True
            self._watch.begin_staging(self._connection, self._staging, self._found, self._job.columns)

    def _index_name(self, columns: Sequence[str]) -> str | None:
        return catalog.unique_name(self._connection, self._name, columns)

    def _forget(self, rows: pa.Table) -> None:
        self._watch.give_up()

    def _sent(self) -> None:
        if self._finds_by_writer:
            self._xids.append(self._subtransaction())
        assert self._piece is not None, "_send comes first"
        self._watch.add(self._connection, self._piece, self._span, self._written_by)

    def _written_by(self) -> str:
        return self._xids[-1] if self._finds_by_writer else self._subtransaction()

    def _subtransaction(self) -> str:
        """The id that the rows of the current savepoint carry as xmin, read from a row that is taken back at the end."""
        found = self._run(
            f"insert into {self._beside(CHUNK_TABLE)} (delivery_id, chunk_id, rows_loaded)"
            f" values ({literal(self._job.delivery_id)}, 'subtransaction {self._pieces}', 0) returning xmin::text"
        )
        self._pieces += 1
        return str(found[0][0])

    def _make_sieve(self, desk: Desk) -> PostgresSieve:
        return PostgresSieve(desk, self._insert_words)

    # -- publish and read back ----------------------------------------------------------------------------------------

    def _merge_by(self, key: tuple[str, ...]) -> PostgresMerge:
        return PostgresMerge(
            run=self._run,
            changed=self._changed,
            quote=quote,
            target=self._target,
            staging=self._staging,
            unique=self._found.unique,
            columns=tuple(column.name for column in self._columns),
            key=key,
            mode=self._job.mode,
            max_delete_percent=self._job.max_delete_percent,
            update=self._job.update,
            versions=self._versions,
            table=self._found,
        )

    def _marks(self) -> dict[str, Any] | None:
        if self._writes_versions:
            return {WROTE: [*self._built_on, self._run("select txid_current()::text")[0][0]]}
        return {"xids": self._xids} if self._xids and self._job.mode == WriteMode.APPEND else None

    def _remember(self, marks: dict[str, Any]) -> None:
        self._xids = marks.get("xids", [])

    def _analyze(self) -> None:
        """Statistics are made beside the read-back, or at the end."""
        self._watch.due(self._target)

    def proved(self) -> int | None:
        """Rows that the server's hashes prove to be those sent; the statistics are made at the same time."""
        if self._published is None or not self._is_connected():
            return None
        with translated():
            watched = self._staging if self._staged else self._target
            read = partial(self._read, self._job.columns, table=watched)
            found = self._watch.compare(self._connection, self._connector, read)
            if found is None or (self._empties_last and self._count(self._target) != found):
                return None
            return found if not self._staged or self._is_merged(found) else None

    def _is_merged(self, rows: int) -> bool:
        """Whether so many staged rows, and no others of their keys, lie in the target as they were staged."""
        if self._job.mode == WriteMode.DELETE_INSERT:
            columns = [self._found.column(column.name) for column in self._job.compared]
            staged, landed = same_rows_sql(columns, self._staging, self._target, self._keys_match_staged)
            return self._run(staged) == self._run(landed) and self._count(self._staging) == rows
        sql = merged_sql(
            [self._found.column(column.name) for column in self._job.compared],
            self._staging,
            self._target,
            f"{self._keys_match_staged}{self._and_current}",
        )
        return self._run(sql) == [(rows, rows)] and (not self._job.mode.takes_all or self._count(self._target) == rows)

    @property
    def _keys_match_staged(self) -> str:
        return " and ".join(f"s.{quote(name)} = t.{quote(name)}" for name in self._job.key)

    def _own_rows(self) -> str | None:
        if self._job.mode.takes_all:
            return "true"
        if found := self._in_staging():
            return found
        if self._job.stamped:
            return f"t.{quote('_batch')} = {literal(self._job.batch)}"
        return None if self._staged else f"t.xmin = any ('{{{','.join(self._xids)}}}'::xid[])"

    @property
    def _keys_table(self) -> str:
        return "_loadlock_keys"

    @property
    def _retired_table(self) -> str:
        return "pg_temp._loadlock_retired"

    def _send_keys(self, rows: pa.Table, table: str | None = None) -> None:
        kinds = {column.name: column.type for column in self._columns}
        wires = [
            wire_of(self._found.column(name), kinds[name]) if name in kinds else Wire(type=kind, convert=_as_it_is)
            for name, kind in zip(rows.column_names, rows.schema.types, strict=True)
        ]
        names = ", ".join(map(quote, rows.column_names))
        wire.send(self._connection, f"copy {table or self._keys_table} ({names}) from stdin", rows, wires)

    # -- taking back --------------------------------------------------------------------------------------------------

    @property
    def _fixed_columns(self) -> frozenset[str]:
        return frozenset(column.name for column in self._found.columns if column.identity_always)

    @property
    def _insert_words(self) -> str:
        return " overriding system value" if self._fixed_columns else ""

    def _may_create(self) -> bool:
        right = f"select has_schema_privilege({literal(self._name.schema or '')}, 'CREATE')"
        return bool(self._run(right)[0][0])

    def _tables_named(self, prefix: str) -> list[str]:
        return [
            str(name)
            for (name,) in self._run(
                "select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
                f" where n.nspname = {literal(self._name.schema or '')} and starts_with(c.relname, {literal(prefix)})"
                " and c.relkind = 'r'"
            )
        ]

    def _hold(self) -> None:
        self._run(f"lock table {self._target} in share row exclusive mode")

    def _read(self, columns: Sequence[DeliveryColumn], where: str, table: str | None = None) -> Iterator[pa.Table]:
        with translated():
            yield from rows_of(self._connection, self._found, table or self._target, columns, where)

    def _clear(self) -> None:
        if self._published is not None:
            self._watch.analyze(self._connection)
        super()._clear()

    def close(self) -> None:
        """See `ServerSession`; ends the thread that hashes."""
        self._watch.close()
        super().close()


def _as_it_is(values: pa.Array) -> pa.Array:
    return values


def literal(text: str) -> str:
    """A text literal of standard SQL."""
    return "'" + text.replace("'", "''") + "'"
