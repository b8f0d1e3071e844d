"""What a database server does for a load into a staging table that began before the batch was judged."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loadlock.delivery.base import CHUNK_TABLE
from loadlock.delivery.destinations._server_session import ServerSession
from loadlock.delivery.destinations._server_target import ConnectionT, TableT
from loadlock.delivery.retry import LostTransactionError
from loadlock.faults import point
from loadlock.model import Chunk

if TYPE_CHECKING:
    import pyarrow as pa


class ServerEarly(ServerSession[TableT, ConnectionT]):
    """Rows out of the staging table again, receipts under other names."""

    @abstractmethod
    def _forget(self, rows: pa.Table) -> None:
        """These rows are no longer in the staging table: what proves its content must know."""

    def take_back(self, chunk: Chunk, rows: pa.Table, by: Sequence[str]) -> None:
        """See `Session.take_back`."""
        self._connect()
        with self._translated():
            taken = False
            with self._transaction():
                if self._claim(chunk):
                    taken = True
                    self._delete_staged(rows.select(list(by)))
            if taken:
                self._forget(rows)
        self._chunks.add(chunk.id)
        point("early.taken_back")

    def _delete_staged(self, rows: pa.Table) -> None:
        """By these columns, whose values stand in the staging table once."""
        table, key = self._retired_table, rows.column_names
        keys = ", ".join(map(self._quote, key))
        self._run(f"drop {'temporary ' if self._joins else ''}table if exists {table}")
        self._run(f"create temporary table {table} as select {keys} from {self._staging} where false")
        self._send_keys(rows, table)
        same = " and ".join(f"k.{self._quote(name)} = s.{self._quote(name)}" for name in key)
        if self._joins:
            found = self._changed(f"delete s from {self._staging} s join {table} k on {same}")
        else:
            found = self._changed(f"delete from {self._staging} s where exists (select 1 from {table} k where {same})")
        if found != rows.num_rows:
            raise LostTransactionError(
                f"{found:,} rows of the staging table have the values of {rows.num_rows:,} rows that are to go",
                hint="The run must load again.",
            )

    def settle(self, chunks: Sequence[Chunk]) -> None:
        """See `Session.settle`."""
        self._connect()
        names = [f"({self._text(self._job.delivery_id)}, {self._text(chunk.id)}, {chunk.rows})" for chunk in chunks]
        with self._translated(), self._transaction():
            self._run(self._delete_receipts)
            if names:
                receipts = self._beside(CHUNK_TABLE)
                self._run(f"insert into {receipts} (delivery_id, chunk_id, rows_loaded) values {', '.join(names)}")
        self._chunks = {chunk.id for chunk in chunks}
        point("early.settled")
