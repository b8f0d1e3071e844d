"""The target of a delivery to MySQL or MariaDB: connection, lock, control tables, staging table and receipts."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import CHUNK_TABLE, CONTROL_TABLE, DeliveryColumn, Job, Published
from loadlock.delivery.destinations import _mysql_catalog as catalog
from loadlock.delivery.destinations._mysql_address import Address
from loadlock.delivery.destinations._mysql_types import CatalogTable
from loadlock.delivery.destinations._mysql_wire import WireConnection, connect, run, translated
from loadlock.delivery.fit import LINEAGE, check_contract
from loadlock.delivery.names import TableName
from loadlock.delivery.names import quote_backtick as quote
from loadlock.delivery.sqltext import (
    DELIVERY_COLUMNS,
    published_from,
    staging_name,
)
from loadlock.errors import LoadlockError, LockedError, RefusedError, UnavailableError
from loadlock.model import WriteMode
from loadlock.types import ColumnType

if TYPE_CHECKING:
    pass

_LOCK_POLL_SECONDS = 0.2


class MysqlTarget:
    """The target of one job, locked, with what stands beside it. `MysqlSession` adds the steps of a delivery."""

    def __init__(self, job: Job, address: Address, name: TableName, label: str) -> None:
        self._job = job
        self._address = address
        self._name = name
        self._label = label
        self._staged = job.mode == WriteMode.UPSERT
        self._lineage = tuple(_lineage_column(column) for column in LINEAGE) if job.lineage else ()
        self._columns = (*job.columns, *self._lineage)
        self._conn: WireConnection | None = None
        self._duckdb: Any = None
        self._load_data = True
        self._table: CatalogTable | None = None
        self._created = False
        self._published: Published | None = None
        self._in_transaction = False
        self._commit_sent = False
        self._rows = 0
        self._rows_before = 0
        self._deleted = 0
        self._by_file: Counter[int] = Counter()

    @property
    def _connection(self) -> WireConnection:
        if self._conn is None or not self._conn.open:
            raise UnavailableError("the connection to the server is closed")
        return self._conn

    @property
    def _found(self) -> CatalogTable:
        assert self._table is not None, "open() comes first"
        return self._table

    def _connect(self) -> None:
        """A connection that holds the target's lock, waiting up to the job's `wait_seconds`."""
        if self._conn is not None and self._conn.open:
            return
        self._conn = connect(self._address, self._job.statement_timeout_seconds)
        try:
            with translated():
                self._lock()
                catalog.create_control_tables(self._conn, self._name)
                self._sign_lock()
                self._load_data = bool(run(self._conn, "select @@local_infile")[0][0])
        except BaseException:
            self._conn.close()
            raise

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
            time.sleep(_LOCK_POLL_SECONDS)

    def _sign_lock(self) -> None:
        """Leave our name where others look for the lock's owner: MySQL tells only the connection's number."""
        receipts = self._beside(CHUNK_TABLE)
        run(self._connection, f"delete from {receipts} where chunk_id = {self._text(self._lock_name)}")
        run(
            self._connection,
            f"insert into {receipts} (delivery_id, chunk_id, rows_loaded)"
            f" values ({self._text(self._job.delivery_id)}, {self._text(self._lock_name)}, connection_id())",
        )

    def _lock_owner(self) -> str:
        number = run(self._connection, "select is_used_lock(%s)", self._lock_name)[0][0]
        try:
            with translated():
                found = run(
                    self._connection,
                    f"select delivery_id from {self._beside(CHUNK_TABLE)} where rows_loaded = {int(number or 0)}"
                    f" and chunk_id = {self._text(self._lock_name)}",
                )
        except LoadlockError:
            found = []
        who = f"run {found[0][0].partition(':')[0]}" if found else "another session"
        return f"{who} (server connection {number})"

    def _ask(self) -> Published | None:
        """The control row of this delivery, if it is published."""
        fields = list(DELIVERY_COLUMNS)
        found = run(
            self._connection,
            f"select {', '.join(map(quote, fields))} from {self._beside(CONTROL_TABLE)}"
            f" where delivery_id = {self._text(self._job.delivery_id)}",
        )
        if not found:
            return None
        row = dict(zip(fields, found[0], strict=True))
        self._rows = int(row["rows_sent"])
        self._rows_before = json.loads(row["marks"] or "{}").get("rows_before", 0)
        return published_from(row)

    def _check_target(self) -> None:
        if self._table is None:
            if not self._job.create:
                raise RefusedError(f"{self._label} does not exist", hint="Create it, or leave out `create: false`.")
            collation = catalog.collation(self._connection)
            run(self._connection, catalog.create_target_sql(self._name, self._job, self._lineage, collation))
            self._created = True
            self._table = catalog.find_table(self._connection, self._name)
            return
        if self._table.kind != "BASE TABLE":
            raise RefusedError(f"{self._label} is a {self._table.kind.lower()}", hint="Name the table itself.")
        if self._table.engine.lower() != "innodb":
            raise RefusedError(
                f"{self._label} is stored by {self._table.engine}, which can't roll back",
                hint="alter table ... engine = InnoDB",
            )
        check_contract(self._table.info(), self._job, self._label)

    def _prepare_staging(self) -> frozenset[str]:
        """The ids of the chunks in the staging table, which is made where it is absent."""
        receipts = self._receipts()
        exists = catalog.find_table(self._connection, self._staging_name) is not None
        if exists and self._staged_rows() == sum(receipts.values()):
            return frozenset(receipts)
        self._drop_staging()
        catalog.create_staging(self._connection, self._staging_name, self._name)
        return frozenset()

    def _receipts(self) -> dict[str, int]:
        found = run(
            self._connection,
            f"select chunk_id, rows_loaded from {self._beside(CHUNK_TABLE)}"
            f" where delivery_id = {self._text(self._job.delivery_id)} and chunk_id <> {self._text(self._lock_name)}",
        )
        return {chunk: int(rows) for chunk, rows in found}

    def _count_all(self) -> int:
        return int(run(self._connection, f"select count(*) from {self._target}")[0][0])

    def _drop_created(self) -> None:
        if self._created and self._count_all() == 0:
            run(self._connection, f"drop table if exists {self._target}")

    def _rollback(self) -> None:
        self._in_transaction = False
        with contextlib.suppress(Exception):
            run(self._connection, "rollback")

    def _drop_staging(self) -> None:
        run(self._connection, f"drop table if exists {self._staging}")
        run(self._connection, self._delete_receipts)

    @property
    def _delete_receipts(self) -> str:
        return (
            f"delete from {self._beside(CHUNK_TABLE)} where delivery_id = {self._text(self._job.delivery_id)}"
            f" and chunk_id <> {self._text(self._lock_name)}"
        )

    def _staged_rows(self) -> int:
        return int(run(self._connection, f"select count(*) from {self._staging}")[0][0])

    @property
    def _target(self) -> str:
        return self._name.sql(quote)

    @property
    def _staging_name(self) -> TableName:
        return self._name.beside(staging_name(self._job))

    @property
    def _staging(self) -> str:
        return self._staging_name.sql(quote)

    def _beside(self, table: str) -> str:
        return self._name.beside(table).sql(quote)

    def _text(self, text: str) -> str:
        """A text literal, by the driver."""
        return str(self._connection.escape(text))


def _lineage_column(name: str) -> DeliveryColumn:
    return DeliveryColumn(name=name, type=ColumnType(kind="text" if name == "_batch" else "integer"))
