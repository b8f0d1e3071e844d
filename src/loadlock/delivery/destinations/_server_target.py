"""The target of one delivery to a database server: connection, lock, control tables, staging table and receipts.

What PostgreSQL and MySQL do in different words are methods without a body here.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from loadlock.delivery.base import CHUNK_TABLE, CONTROL_TABLE, DeliveryColumn, Job, Published, TableInfo
from loadlock.delivery.chunks import EARLY
from loadlock.delivery.destinations._server_options import ServerOptions
from loadlock.delivery.destinations._versions import Versions, validity_columns, versions_of
from loadlock.delivery.evolve import Change, Dialect, changes
from loadlock.delivery.fit import LINEAGE, check_contract
from loadlock.delivery.names import TableName
from loadlock.delivery.retry import LostTransactionError
from loadlock.delivery.sqltext import DELIVERY_COLUMNS, FILE_COLUMN, published_from, staging_name
from loadlock.errors import DeliveryError, RefusedError, UnavailableError
from loadlock.model import Chunk
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

LOCK_POLL_SECONDS = 0.2


class ServerTable(Protocol):
    """A table as a server's catalogue has it."""

    @property
    def unique(self) -> tuple[tuple[str, ...], ...]: ...

    def info(self) -> TableInfo: ...


TableT = TypeVar("TableT", bound=ServerTable)
ConnectionT = TypeVar("ConnectionT")


@dataclass(kw_only=True)
class Link(Generic[ConnectionT]):
    """A connection and where its transaction stands; a parent's session shares it with its children's."""

    connection: ConnectionT | None = None
    in_transaction: bool = False
    commit_sent: bool = False
    """A commit was sent, and it is not noted yet what came of it."""


class ServerTarget(ABC, Generic[TableT, ConnectionT]):
    """The target of one job, locked, with what stands beside it. `ServerSession` adds the steps of a delivery."""

    def __init__(self, job: Job, name: TableName, label: str, link: Link[ConnectionT] | None = None) -> None:
        """`link` = the parent's, for a child table."""
        self._job = job
        self._name = name
        self._label = label
        self._options = ServerOptions.of(job.target.options)
        self._link: Link[ConnectionT] = link or Link()
        self._held: ConnectionT | None = None
        """The connection on which the target's lock was taken."""
        self._staged = job.mode.by_key
        self._lineage = tuple(lineage_column(column) for column in LINEAGE) if job.lineage else ()
        self._columns = (*job.columns, *self._lineage)
        self._added = (*self._lineage, *validity_columns(job))
        """Columns that a table made by us has besides the job's."""
        self._known_marks: dict[str, Any] = {}
        """Of the control row of an earlier publish."""
        self._table: TableT | None = None
        self._created = False
        self._changes: tuple[str, ...] = ()
        self._begun = False
        self._published: Published | None = None
        self._rows = 0
        self._deleted = 0
        self._by_file: Counter[int] = Counter()
        self._chunks: set[str] = set()
        """Chunks that this session has put into the staging table."""

    # -- what servers do in their own words -----------------------------------------------------------------------------

    @abstractmethod
    def _is_connected(self) -> bool: ...

    @abstractmethod
    def _dial(self) -> ConnectionT:
        """A new connection."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Close the connection, if it is open; never raises."""

    @abstractmethod
    def _take(self) -> None:
        """Lock the target, waiting up to the job's `wait_seconds`, and make the control tables where they are absent."""

    @abstractmethod
    def _translated(self) -> AbstractContextManager[None]:
        """The driver's errors as ours."""

    @abstractmethod
    def _run(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a statement, none for one without rows."""

    @abstractmethod
    def _changed(self, sql: str) -> int:
        """Rows that a statement inserted, updated or deleted."""

    @abstractmethod
    def _quote(self, name: str) -> str: ...

    @abstractmethod
    def _text(self, text: str) -> str:
        """A text literal."""

    @abstractmethod
    def _find(self, name: TableName) -> TableT | None: ...

    @abstractmethod
    def _check_kind(self) -> None:
        """RefusedError for what is no table, or none that can roll back."""

    @abstractmethod
    def _create_target(self) -> None:
        """Make the table from the job's columns."""

    @abstractmethod
    def _create_staging(self) -> None:
        """Make the empty staging table like the target, with what refuses rows early."""

    @abstractmethod
    def _remember(self, marks: dict[str, Any]) -> None:
        """Take from a control row's marks what finds this delivery's rows again."""

    @abstractmethod
    def _check_names(self) -> None:
        """RefusedError for names that the server doesn't take."""

    @abstractmethod
    def _start(self) -> str:
        """The statement that begins a transaction."""

    @abstractmethod
    def _make_target(self) -> None:
        """Make the absent target of a direct load."""

    @abstractmethod
    def _empty(self) -> None:
        """Empty what is replaced, and note what finds the rows of an append again; inside the transaction."""

    @abstractmethod
    def _send(self, table: str, rows: pa.Table) -> None:
        """Send rows (with `_file` for the staging table) and compare the number taken."""

    @abstractmethod
    def _sent(self) -> None:
        """After a chunk of a direct load, inside its savepoint."""

    @abstractmethod
    def _claim(self, chunk: Chunk) -> bool:
        """Write the chunk's receipt; False where it is there."""

    @abstractmethod
    def _marks(self) -> dict[str, Any] | None:
        """For the control row: what finds this delivery's rows again."""

    @abstractmethod
    def _notes(self) -> Iterator[str]: ...

    @abstractmethod
    def _own_rows(self) -> str | None:
        """The condition on `t` that holds for this delivery's rows; None where they can't be told apart."""

    @property
    @abstractmethod
    def _keys_table(self) -> str:
        """Name of a temporary table, as SQL."""

    @abstractmethod
    def _send_keys(self, rows: pa.Table, table: str | None = None) -> None:
        """Send rows of key columns to the temporary table of keys, or to another one."""

    @abstractmethod
    def _read(self, columns: Sequence[DeliveryColumn], where: str, table: str | None = None) -> Iterator[pa.Table]:
        """Rows `t` of the target, or of another table like it."""

    @abstractmethod
    def _analyze(self) -> None:
        """Fresh statistics for the planner; failing at that changes nothing about the delivery."""

    # -- what they share --------------------------------------------------------------------------------------------------

    @property
    def _connection(self) -> ConnectionT:
        if self._link.connection is None or not self._is_connected():
            raise UnavailableError("the connection to the server is closed")
        return self._link.connection

    @property
    def _found(self) -> TableT:
        assert self._table is not None, "open() comes first"
        return self._table

    def _need_schema(self, question: str, noun: str) -> None:
        """RefusedError unless `question` finds the schema that the target is to lie in: it is never made unasked."""
        if self._name.schema is not None and not self._run(question):
            raise RefusedError(
                f"{self._label}: there is no {noun} {self._name.schema!r}",
                hint=f"Create it: create schema {self._quote(self._name.schema)}; or name the table with another one.",
            )

    def _connect(self) -> None:
        """A connection that holds the target's lock: the one there is, or a new one."""
        if not self._is_connected():
            self._link.connection, self._link.in_transaction = self._dial(), False
        if self._held is self._link.connection:
            return
        try:
            with self._translated():
                self._take()
        except BaseException:
            self._disconnect()
            raise
        again, self._held = self._held is not None, self._link.connection
        if again and self._staged and self._published is None:
            with self._translated():
                self._check_staging()

    def _check_staging(self) -> None:
        """After a lost connection: a staging table that was lost in a crash, or lost its rows, must be filled anew."""
        rows = None if self._find(self._staging_name) is None else self._count(self._staging)
        receipts = self._receipts()
        # a server that doesn't flush each commit forgets the last chunks with their receipts
        whole = rows == sum(receipts.values()) and self._chunks <= set(receipts)
        if not whole and self._ask() is None:
            raise LostTransactionError("the staging table lost its rows in a crash of the server")

    def _ask(self) -> Published | None:
        """The control row of this delivery, if it is published."""
        fields = list(DELIVERY_COLUMNS)
        found = self._run(
            f"select {', '.join(map(self._quote, fields))} from {self._beside(CONTROL_TABLE)}"
            f" where delivery_id = {self._text(self._job.delivery_id)}"
        )
        if not found:
            return None
        row = dict(zip(fields, found[0], strict=True))
        self._rows = int(row["rows_sent"])
        self._known_marks = json.loads(row["marks"] or "{}")
        self.__dict__.pop("_versions", None)
        self._remember(self._known_marks)
        return published_from(row)

    @cached_property
    def _versions(self) -> Versions | None:
        """Mode scd2: those of this publish, or of the earlier one."""
        return versions_of(self._job, self._found.info(), self._known_marks)

    def _check_target(self) -> None:
        if self._table is None:
            if not self._job.create:
                raise RefusedError(f"{self._label} does not exist", hint="Create it, or leave out `create: false`.")
            self._created = True
            return
        self._check_kind()
        self._evolve(changes(self._table.info(), self._job, self._dialect))
        check_contract(self._found.info(), self._job, self._label)

    def _evolve(self, wanted: Sequence[Change]) -> None:
        """Change the target as the pipeline allows. Before the load: others wait for a moment, not until it is done."""
        for change in wanted:
            self._run(change.sql)
        self._changes = tuple(change.said for change in wanted)
        if wanted:
            self._table = self._find(self._name)

    @property
    @abstractmethod
    def _dialect(self) -> Dialect:
        """How the target is changed."""

    def _prepare_staging(self) -> frozenset[str]:
        """The ids of the chunks in the staging table, which is made where it is absent, lost rows in a crash, or was filled
        before the batch was judged."""
        if self._created:
            self._create_target()
        receipts, staging = self._receipts(), self._find(self._staging_name)
        # without its last column it was cut off while it was made
        is_whole = staging is not None and staging.info().column(FILE_COLUMN) is not None
        begun_early = any(chunk.startswith(EARLY) for chunk in receipts)
        if is_whole and not begun_early and self._count(self._staging) == sum(receipts.values()):
            return frozenset(receipts)
        self._drop_staging()
        self._create_staging()
        return frozenset()

    def _receipts(self) -> dict[str, int]:
        """Chunk → rows in the staging table."""
        found = self._run(f"select chunk_id, rows_loaded from {self._beside(CHUNK_TABLE)} where {self._own_receipts}")
        return {chunk: int(rows) for chunk, rows in found}

    def _drop_staging(self) -> None:
        self._run(f"drop table if exists {self._staging}")
        self._run(self._delete_receipts)

    @property
    def _own_receipts(self) -> str:
        return f"delivery_id = {self._text(self._job.delivery_id)}"

    @property
    def _delete_receipts(self) -> str:
        return f"delete from {self._beside(CHUNK_TABLE)} where {self._own_receipts}"

    def _count(self, table: str) -> int:
        return int(self._run(f"select count(*) from {table}")[0][0])

    def _rollback(self) -> None:
        self._link.in_transaction = False
        with suppress(DeliveryError), self._translated():
            self._run("rollback")

    @property
    def _target(self) -> str:
        return self._name.sql(self._quote)

    @property
    def _staging_name(self) -> TableName:
        return self._name.beside(staging_name(self._job))

    @property
    def _staging(self) -> str:
        return self._staging_name.sql(self._quote)

    def _beside(self, table: str) -> str:
        return self._name.beside(table).sql(self._quote)


def lineage_column(name: str) -> DeliveryColumn:
    """`_batch` and `_row` as delivered columns."""
    return DeliveryColumn(name=name, type=ColumnType(kind="text" if name == "_batch" else "integer"))
