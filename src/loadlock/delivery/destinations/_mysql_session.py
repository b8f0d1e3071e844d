"""One delivery to MySQL or MariaDB.

Rows go by LOAD DATA from memory, or by multi-row INSERT. MySQL's DDL commits, so control tables, target and staging table
are made before the transaction begins.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import CHUNK_TABLE, DeliveryColumn, Job
from loadlock.delivery.destinations import _mysql_catalog as catalog
from loadlock.delivery.destinations._mysql_address import Address
from loadlock.delivery.destinations._mysql_errors import is_denied
from loadlock.delivery.destinations._mysql_merge import MysqlMerge
from loadlock.delivery.destinations._mysql_proof import Answer, Proof, ask
from loadlock.delivery.destinations._mysql_send import Sender
from loadlock.delivery.destinations._mysql_sieve import MysqlSieve
from loadlock.delivery.destinations._mysql_types import CatalogTable, created_type
from loadlock.delivery.destinations._mysql_values import rows_of
from loadlock.delivery.destinations._mysql_wire import WireConnection, changed, connect, run, translated
from loadlock.delivery.destinations._server_rehearsal import ServerRehearsal
from loadlock.delivery.destinations._server_sieve import Desk
from loadlock.delivery.destinations._server_target import LOCK_POLL_SECONDS
from loadlock.delivery.evolve import Dialect
from loadlock.delivery.hooks import ENDS, MYSQL_COMMITS, run_hooks
from loadlock.delivery.names import TableName, check_names
from loadlock.delivery.names import quote_backtick as quote
from loadlock.delivery.sqltext import FILE_COLUMN
from loadlock.errors import LoadlockError, LockedError, RefusedError
from loadlock.model import Chunk, WriteMode
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

NAME_CHARS = 64
_INTEGER = ColumnType(kind="integer")


class MysqlSession(ServerRehearsal[CatalogTable, WireConnection]):
    """See `loadlock.delivery.base.Session`."""

    def __init__(
        self, job: Job, address: Address, name: TableName, label: str, parent: MysqlSession | None = None
    ) -> None:
        super().__init__(job, name, label, parent)
        self._address = address
        self._duckdb: Any = None
        self._load_data = True
        self._rows_before = 0
        self._proof: Proof | None = None

    proof = "every row proved by hashes that the server made of it"

    # -- the server's words -------------------------------------------------------------------------------------------

    def _is_connected(self) -> bool:
        return self._link.connection is not None and self._link.connection.open

    def _translated(self) -> AbstractContextManager[None]:
        return translated()

    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        return run(self._connection, sql)

    def _changed(self, sql: str) -> int:
        return changed(self._connection, sql)

    def _quote(self, name: str) -> str:
        return quote(name)

    def _text(self, text: str) -> str:
        return str(self._connection.escape(text))

    def _find(self, name: TableName) -> CatalogTable | None:
        return catalog.find_table(self._connection, name)

    def _start(self) -> str:
        return "start transaction"

    def _run_hooks(self, statements: Sequence[str]) -> None:
        run_hooks(statements, self._run_one, self._label, forbidden=ENDS | MYSQL_COMMITS)

    def _run_one(self, sql: str) -> None:
        with translated():
            self._run(sql)

    # -- open ---------------------------------------------------------------------------------------------------------

    def _check_names(self) -> None:
        names = [column.name for column in self._columns]
        check_names(names, max_chars=NAME_CHARS, fold_case=True, bmp_only=True)
        for name in filter(None, (self._name.schema, self._name.table)):
            check_names([name], max_chars=NAME_CHARS, bmp_only=True, what="table")

    def _dial(self) -> WireConnection:
        return connect(self._address, self._options)

    def _disconnect(self) -> None:
        if self._link.connection is not None and self._link.connection.open:
            self._link.connection.close()

    def _take(self) -> None:
        known = f"select 1 from information_schema.schemata where schema_name = {self._text(self._name.schema or '')}"
        self._need_schema(known, "database")
        self._load_data = bool(self._run("select @@local_infile")[0][0])
        if self._job.trial:
            return
        self._lock()
        catalog.create_control_tables(self._connection, self._name)
        self._sign_lock()
        self._sweep_published()

    @property
    def _lock_name(self) -> str:
        """At most 64 characters, and one for all databases of the server."""
        return "loadlock:" + hashlib.sha256(str(self._name).encode()).hexdigest()[:48]

    def _lock(self) -> None:
        deadline = time.monotonic() + self._job.wait_seconds
        while run(self._connection, "select get_lock(%s, 0)", self._lock_name)[0][0] != 1:
            if time.monotonic() >= deadline:
                raise LockedError(
                    f"{self._label} is held by {self._lock_owner()}", hint="Wait for it, or use --wait SECONDS."
                )
            time.sleep(LOCK_POLL_SECONDS)

    def _sign_lock(self) -> None:
        """Leave our name where others look for the lock's owner: MySQL tells only the connection's number."""
        self._unsign()
        self._run(
            f"insert into {self._beside(CHUNK_TABLE)} (delivery_id, chunk_id, rows_loaded)"
            f" values ({self._text(self._job.delivery_id)}, {self._text(self._lock_name)}, connection_id())"
        )

    def _unsign(self) -> None:
        self._run(f"delete from {self._beside(CHUNK_TABLE)} where chunk_id = {self._text(self._lock_name)}")

    def _lock_owner(self) -> str:
        number = run(self._connection, "select is_used_lock(%s)", self._lock_name)[0][0]
        try:
            with translated():
                found = self._run(
                    f"select delivery_id from {self._beside(CHUNK_TABLE)} where rows_loaded = {int(number or 0)}"
                    f" and chunk_id = {self._text(self._lock_name)}"
                )
        except LoadlockError:
            found = []
        who = f"run {found[0][0].partition(':')[0]}" if found else "another session"
        return f"{who} (server connection {number})"

    @property
    def _own_receipts(self) -> str:
        return f"{super()._own_receipts} and chunk_id <> {self._text(self._lock_name)}"

    def _check_kind(self) -> None:
        if self._found.kind != "BASE TABLE":
            raise RefusedError(f"{self._label} is a {self._found.kind.lower()}", hint="Name the table itself.")
        if self._found.engine.lower() != "innodb":
            raise RefusedError(
                f"{self._label} is stored by {self._found.engine}, which can't roll back",
                hint="alter table ... engine = InnoDB",
            )

    def _make_target(self) -> None:
        if self._created:
            self._create_target()

    def _create_target(self) -> None:
        collation = catalog.collation(self._connection)
        self._run(catalog.create_target_sql(self._name, self._job, self._added, collation))
        self._table = self._find(self._name)

    def _create_staging(self) -> None:
        catalog.create_staging(self._connection, self._staging_name, self._name, self._job)

    @property
    def _dialect(self) -> Dialect:
        collation = catalog.collation(self._connection)

        def type_of(kind: ColumnType) -> str:
            return created_type(kind, collation, key=False, keys=0)

        # MODIFY would lose the default, comment and character set of a column
        return Dialect(target=self._target, quote=quote, type_of=type_of, widens=False)

    def _imagine(self) -> None:
        if self._created:
            self._table = catalog.imagined(self._job, self._added, catalog.collation(self._connection))
        elif self._staged:
            catalog.create_staging(self._connection, self._staging_name, self._name, self._job, temporary=True)
        self._run(self._start())
        self._link.in_transaction = True

    def _notes(self) -> Iterator[str]:
        way = "through a staging table, published in one transaction" if self._staged else "in one transaction"
        if self._load_data:
            yield f"LOAD DATA LOCAL INFILE {way}"
        else:
            yield f"multi-row INSERT {way}: the server forbids LOAD DATA LOCAL (local_infile is off), about 2.5 times slower"
        yield from self._slow_merge()

    def _make_child(self, job: Job, name: TableName, label: str) -> MysqlSession:
        return MysqlSession(job, self._address, name, label, self)

    # -- load ---------------------------------------------------------------------------------------------------------

    def _empty(self) -> None:
        if self._job.mode == WriteMode.REPLACE:
            if self._holds_rows():
                self._deleted = self._changed(f"delete from {self._target}")
        elif not self._created and not self._job.stamped:
            self._rows_before = self._count(self._target)

    def _save_replaced(self) -> None:
        if self._job.mode == WriteMode.REPLACE and self._holds_rows():
            super()._save_replaced()

    def _holds_rows(self) -> bool:
        """Asked first, since a DELETE that finds no row still keeps others from inserting until the commit."""
        return bool(self._run(f"select 1 from {self._target} limit 1"))

    def _claim(self, chunk: Chunk) -> bool:
        rows = ", ".join(
            f"({self._text(self._job.delivery_id)}, {self._text(name)}, {count})" for name, count in chunk.owed
        )
        return bool(
            self._changed(
                f"insert ignore into {self._beside(CHUNK_TABLE)} (delivery_id, chunk_id, rows_loaded) values {rows}"
            )
        )

    def _send(self, table: str, rows: pa.Table) -> None:
        columns = [(column.name, column.type) for column in self._columns]
        if self._staged:
            columns.append((FILE_COLUMN, _INTEGER))
        else:
            rows = rows.drop_columns(["_file"])
        if self._proof is None:
            self._proof = Proof(self._found, self._job.compared)
        with self._proof.sending(rows):
            self._sender(columns).send(table, rows)

    def _sender(self, columns: Sequence[tuple[str, ColumnType]]) -> Sender:
        if self._duckdb is None:
            import duckdb

            self._duckdb = duckdb.connect()
        return Sender(
            connection=self._connection,
            table=self._found,
            columns=tuple(columns),
            load_data=self._load_data,
            duckdb=self._duckdb,
        )

    def _make_sieve(self, desk: Desk) -> MysqlSieve:
        columns = [(column.name, column.type) for column in self._columns]
        if self._staged:
            columns.append((FILE_COLUMN, _INTEGER))
        family = () if self._parent is None else (self._parent._name,)
        return MysqlSieve(
            desk,
            self._staging_name if self._staged else self._name,
            lambda rows: self._sender(columns).each(desk.table, rows),
            later=self._name if self._staged else None,
            family=family,
        )

    clash_code = "1062"

    def _index_name(self, columns: Sequence[str]) -> str | None:
        return catalog.unique_name(self._connection, self._name, columns)

    def _forget(self, rows: pa.Table) -> None:
        if self._proof is not None:
            self._proof.forget(rows)

    def _sent(self) -> None:
        """Nothing to note: InnoDB doesn't say which transaction wrote a row."""

    # -- publish and read back ----------------------------------------------------------------------------------------

    def _ready_to_merge(self) -> None:
        for session in (self, *self._children):
            self._run(f"analyze table {session._staging}")

    def _merge_by(self, key: tuple[str, ...]) -> MysqlMerge:
        return MysqlMerge(
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
            references=catalog.references(self._connection, self._name, {column.name for column in self._columns}),
        )

    def _marks(self) -> dict[str, Any] | None:
        return {"rows_before": self._rows_before} if self._job.mode == WriteMode.APPEND else None

    def _remember(self, marks: dict[str, Any]) -> None:
        self._rows_before = marks.get("rows_before", 0)

    def _analyze(self) -> None:
        with suppress(LoadlockError), translated():
            self._run(f"analyze table {self._target}")

    def proved(self) -> int | None:
        """Rows that the server's hashes prove to be those sent."""
        wanted = self._proof.wanted() if self._proof is not None and self._published is not None else None
        if self._proof is None or wanted is None or not self._is_connected():
            return None
        try:
            with translated():
                if (where := self._own_rows()) is None:
                    return None
                stretches = catalog.stretches(self._connection, self._name)
                places = [(self._target, f"{where} and {stretch}") for stretch in stretches]
                if self._job.mode == WriteMode.INSERT_ONLY:
                    places.append((self._staging, self._is_left))
                question = self._proof.question
                found = self._asked([f"select {question} from {table} t where {rows}" for table, rows in places])
        except LoadlockError:
            return None
        return wanted[0] if found == wanted else None

    def _asked(self, questions: Sequence[str]) -> Answer:
        """The sum of the answers, asked on two connections where there is more than one."""
        if len(questions) == 1:
            return ask([self._answer], questions)
        with closing(self._dial()) as other:
            return ask([self._answer, lambda question: _answer(run(other, question))], questions)

    def _answer(self, question: str) -> Answer:
        return _answer(self._run(question))

    def _own_rows(self) -> str | None:
        if self._job.mode.takes_all:
            return "true"
        if found := self._in_staging():
            return found
        if self._job.stamped:
            return f"t.{quote('_batch')} = {self._text(self._job.batch)}"
        if not self._staged and self._rows_before == 0 and self._count(self._target) == self._rows:
            return "true"  # the table was empty before, and nobody added to it since
        return None

    def _count_own(self) -> int:
        return max(0, self._count(self._target) - self._rows_before)

    @property
    def _keys_table(self) -> str:
        return self._beside("_loadlock_keys")

    @property
    def _retired_table(self) -> str:
        return self._beside("_loadlock_retired")

    def _send_keys(self, rows: pa.Table, table: str | None = None) -> None:
        kinds = {column.name: column.type for column in self._columns}
        columns = [(name, kinds.get(name, _INTEGER)) for name in rows.column_names]
        self._sender(columns).send(table or self._keys_table, rows)

    # -- taking back --------------------------------------------------------------------------------------------------

    @property
    def _fixed_columns(self) -> frozenset[str]:
        return frozenset()

    @property
    def _joins(self) -> bool:
        return True

    def _may_create(self) -> bool:
        """Tried, since rights may come from roles and patterns: the table would be made next in any case."""
        trial = self._undo_name.sql(quote)
        try:
            with translated():
                self._run(f"create table if not exists {trial} (one int)")
        except RefusedError as error:
            if is_denied(error):
                return False
            raise
        return True

    def _tables_named(self, prefix: str) -> list[str]:
        found = self._run(
            f"select table_name from information_schema.tables where table_schema = {self._text(self._name.schema or '')}"
        )
        return [str(name) for (name,) in found if str(name).startswith(prefix)]

    def _hold(self) -> None:
        """Nothing: the rows are held when they are read, LOCK TABLES would commit."""

    @property
    def _held_words(self) -> str:
        return " for update"

    @property
    def _tells_apart(self) -> bool:
        return bool(self._job.key or self._job.lineage or self._created)

    def _read(self, columns: Sequence[DeliveryColumn], where: str, table: str | None = None) -> Iterator[pa.Table]:
        with translated():
            yield from rows_of(self._connection, self._found, table or self._target, columns, where)

    def close(self) -> None:
        """See `ServerSession`; lets DuckDB go too, and the thread that hashes."""
        if self._proof is not None:
            self._proof.close()
        if self._duckdb is not None:
            self._duckdb.close()
            self._duckdb = None
        super().close()

    def _clear(self) -> None:
        super()._clear()
        if self._published is None and not self._staged and not self._link.commit_sent:
            self._drop_created()
            if self._has_undo:
                self._run(f"drop table if exists {self._undo_name.sql(quote)}")
        self._unsign()


def _answer(rows: list[tuple[Any, ...]]) -> Answer:
    return tuple(map(int, rows[0]))
