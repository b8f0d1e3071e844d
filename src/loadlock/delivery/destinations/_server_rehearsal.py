"""A delivery to a database server that is only played through, for a plan: in one transaction that is rolled back.

Nothing is locked against others, and nothing that others could see is made. Rows are sent where they have to be compared
with those in the target.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loadlock.delivery.base import Opened
from loadlock.delivery.destinations._foresee import foresee
from loadlock.delivery.destinations._server_clash import ServerClash
from loadlock.delivery.destinations._server_target import ConnectionT, TableT
from loadlock.delivery.evolve import Change, without
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.retry import LostTransactionError
from loadlock.model import Chunk, WriteMode
from loadlock.rows import FILE

if TYPE_CHECKING:
    import pyarrow as pa


class ServerRehearsal(ServerClash[TableT, ConnectionT]):
    """A session that can also play its delivery through (`Job.trial`)."""

    @abstractmethod
    def _imagine(self) -> None:
        """Begin a transaction, with a staging table or an absent target that nobody else sees."""

    def _ready_to_foresee(self) -> None:
        """Before the staging table is compared with the target."""
        return

    def open(self) -> Opened:
        """See `ServerSession`; for a trial: look at the target, check the contract."""
        if not self._job.trial:
            return super().open()
        self._check_names()
        self._connect()
        with self._translated():
            if self._link.in_transaction:
                self._rollback()
            self._created = False
            self._table = self._find(self._name)
            self._check_target()
            self._imagine()
        return Opened(
            table=self._found.info(),
            created=self._created,
            staged=False,
            notes=(*self._notes(), *self._undo_notes()),
            changes=self._changes,
        )

    def _evolve(self, wanted: Sequence[Change]) -> None:
        """See `ServerTarget`; a trial goes on without the columns that would change."""
        if not self._job.trial:
            super()._evolve(wanted)
            return
        self._changes = tuple(change.said for change in wanted)
        self._job = without(self._job, {change.column for change in wanted})
        self._columns = (*self._job.columns, *self._lineage)

    @property
    def _compares(self) -> bool:
        return self._staged and not self._created

    def begin(self) -> None:
        """See `ServerSession`; a trial empties nothing."""
        if not self._job.trial:
            super().begin()

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        """See `ServerSession`; a trial sends only what is to be compared."""
        if not self._job.trial:
            super().load(chunk, rows)
            return
        if self._compares:
            if not self._link.in_transaction or not self._is_connected():
                raise LostTransactionError("the transaction of this plan is gone", hint="Plan again.")
            with self._translated(), self._savepoint():
                self._send(self._staging, rows.select([*(column.name for column in self._columns), FILE]))
        self._note(rows)

    def foresee(self, rows: int) -> Foreseen:
        """What the publish would do."""
        self._connect()
        with self._translated():
            if self._compares:
                self._ready_to_foresee()
                return foresee(self._merge_by(self._job.key), rows)
            deleted = 0
            if self._job.mode == WriteMode.REPLACE and not self._created:
                deleted = self._count(self._target) if self._job.trial else self._deleted
            return Foreseen(inserted=rows, deleted=deleted)

    def abandon(self) -> None:
        """See `ServerSession`; a trial leaves nothing."""
        if not self._job.trial:
            super().abandon()

    def close(self) -> None:
        """See `ServerSession`; a trial is rolled back."""
        if not self._job.trial:
            super().close()
        elif self._is_connected():
            if self._link.in_transaction:
                self._rollback()
            self._disconnect()
