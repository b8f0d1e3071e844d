"""The target of a delivery to PostgreSQL: connection, lock, control tables, staging table and receipts."""

from __future__ import annotations

import json
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import CHUNK_TABLE, CONTROL_TABLE, Job, Published
from loadlock.delivery.destinations import _postgres_catalog as catalog
from loadlock.delivery.destinations._postgres_catalog import run
from loadlock.delivery.destinations._postgres_connect import Connector, translated
from loadlock.delivery.destinations._postgres_types import CatalogTable, lineage_column
from loadlock.delivery.destinations._postgres_watch import Watch
from loadlock.delivery.fit import LINEAGE, check_contract
from loadlock.delivery.names import TableName, parse_table
from loadlock.delivery.names import quote_ansi as quote
from loadlock.delivery.retry import LostTransactionError
from loadlock.delivery.sqltext import (
    DELIVERY_COLUMNS,
    STAGING_PREFIX,
    lock_number,
    published_from,
    staging_name,
)
from loadlock.errors import LockedError, RefusedError, UnavailableError
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import psycopg

_LOCK_POLL_SECONDS = 0.2


class PostgresTarget:
    """The target of one job, locked, with what stands beside it. `PostgresSession` adds the steps of a delivery."""

    def __init__(self, job: Job, connector: Connector, label: str) -> None:
        self._job = job
        self._connector = connector
        self._label = label
        self._name: TableName = parse_table(job.target.table)
        self._staged = job.mode == WriteMode.UPSERT
        self._lineage = tuple(lineage_column(name) for name in LINEAGE) if job.lineage else ()
        self._columns = (*job.columns, *self._lineage)
        self._conn: psycopg.Connection[Any] | None = None
        self._table: CatalogTable | None = None
        self._created = False
        self._published: Published | None = None
        self._in_transaction = False
        self._commit_sent = False
        self._rows = 0
        self._deleted = 0
        self._by_file: Counter[int] = Counter()
        self._xids: list[str] = []
        self._watch = Watch("")

    @property
    def _connection(self) -> psycopg.Connection[Any]:
        if self._conn is None or self._conn.closed:
            raise UnavailableError("the connection to the server is closed")
        return self._conn

    @property
    def _found(self) -> CatalogTable:
        assert self._table is not None, "open() comes first"
        return self._table

    def _connect(self) -> None:
        """A connection that holds the target's lock, waiting up to the job's `wait_seconds`."""
        if self._conn is not None and not self._conn.closed:
            return
        self._conn = self._connector.connect(self._job.statement_timeout_seconds)
        try:
            with translated():
                self._name = catalog.resolve(self._conn, self._name)
                self._lock(lock_number(self._name.schema or "", self._name.table))
                self._watch.target = self._target
        except BaseException:
            self._conn.close()
            raise

    def _lock(self, number: int) -> None:
        deadline = time.monotonic() + self._job.wait_seconds
        while not run(self._connection, "select pg_try_advisory_lock($1)", number)[0][0]:
            if time.monotonic() >= deadline:
                owner = catalog.lock_owner(self._connection, number)
                raise LockedError(f"{self._label} is held by {owner}", hint="Wait for it, or use --wait SECONDS.")
            time.sleep(_LOCK_POLL_SECONDS)

    def _sweep(self) -> None:
        """Drop staging tables whose delivery is published: their session ended before it could."""
        own = staging_name(self._job)
        for (table,) in run(
            self._connection,
            f"select c.relname from pg_class c join {self._beside(CONTROL_TABLE)} d"
            f" on c.relname = '{STAGING_PREFIX}' || substr(md5(d.delivery_id), 1, 16)"
            " where c.relnamespace = (select oid from pg_namespace where nspname = $1) and d.target = $2",
            self._name.schema,
            str(self._name),
        ):
            if table != own:
                run(self._connection, f"drop table if exists {self._beside(table)}")

    def _ask(self) -> Published | None:
        """The control row of this delivery, if it is published."""
        fields = list(DELIVERY_COLUMNS)
        found = run(
            self._connection,
            f"select {', '.join(fields)} from {self._beside(CONTROL_TABLE)} where delivery_id = $1",
            self._job.delivery_id,
        )
        if not found:
            return None
        row = dict(zip(fields, found[0], strict=True))
        self._rows = int(row["rows_sent"])
        self._xids = json.loads(row["marks"] or "{}").get("xids", [])
        return published_from(row)

    def _check_target(self) -> None:
        if self._table is None:
            if not self._job.create:
                raise RefusedError(f"{self._label} does not exist", hint="Create it, or leave out `create: false`.")
            self._created = True
            return
        if self._table.kind not in ("r", "p"):
            raise RefusedError(f"{self._label} is a view or a foreign table", hint="Name the table itself.")
        check_contract(self._table.info(), self._job, self._label)

    def _create_target(self) -> None:
        run(self._connection, catalog.create_target_sql(self._name, self._job, self._lineage))
        self._table = catalog.find_table(self._connection, self._name)

    def _prepare_staging(self) -> frozenset[str]:
        """The ids of the chunks in the staging table, which is made where it is absent or lost rows in a crash."""
        with self._connection.transaction():
            if self._created:
                self._create_target()
            receipts = run(
                self._connection,
                f"select chunk_id, rows_loaded from {self._beside(CHUNK_TABLE)} where delivery_id = $1",
                self._job.delivery_id,
            )
            exists = catalog.find_table(self._connection, self._staging_name) is not None
            if exists and self._staged_rows() == sum(rows for _, rows in receipts):
                return frozenset(chunk for chunk, _ in receipts)
            self._drop_staging()
            delivered = {column.name for column in self._columns}
            catalog.create_staging(self._connection, self._staging_name, self._name, self._found, delivered)
        return frozenset()

    def _count_all(self) -> int:
        return int(run(self._connection, f"select count(*) from {self._target}")[0][0])

    def _rollback(self) -> None:
        import contextlib

        import psycopg

        self._in_transaction = False
        with contextlib.suppress(psycopg.Error):
            run(self._connection, "rollback")

    def _reconnect(self) -> None:
        """A new connection where the old one is gone. A staging table that lost its rows in a crash must be filled anew."""
        if self._conn is None or not self._conn.closed:
            return
        self._connect()
        if self._staged and self._published is None:
            with translated():
                sums = f"select coalesce(sum(rows_loaded), 0) from {self._beside(CHUNK_TABLE)} where delivery_id = $1"
                rows = int(run(self._connection, sums, self._job.delivery_id)[0][0])
                if self._staged_rows() != rows and self._ask() is None:
                    raise LostTransactionError("the staging table lost its rows in a crash of the server")

    def _drop_staging(self) -> None:
        run(self._connection, f"drop table if exists {self._staging}")
        run(self._connection, f"delete from {self._beside(CHUNK_TABLE)} where delivery_id = $1", self._job.delivery_id)

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
