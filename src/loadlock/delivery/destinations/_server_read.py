"""Finding the rows of a delivery again in a server's table, and reading them back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from loadlock.delivery.base import DeliveryColumn
from loadlock.delivery.destinations._server_target import ConnectionT, TableT
from loadlock.delivery.destinations._server_undo import ServerUndo
from loadlock.delivery.sqltext import FILE_COLUMN
from loadlock.model import VerifyLevel, WriteMode

if TYPE_CHECKING:
    import pyarrow as pa


class ServerReading(ServerUndo[TableT, ConnectionT]):
    """Between taking back and the steps of a delivery."""

    _parent: ServerReading[TableT, ConnectionT] | None
    _recognised = False

    def _empty_at_last(self) -> None:
        """Inside the publishing transaction: delete the rows that were there before (`Job.empties_last`)."""
        return

    def _ready_to_merge(self) -> None:
        """Before the publishing transaction of a staged load begins."""
        return

    def _check_spared(self) -> None:
        """Inside the publishing transaction: keep others from writing to the `spared` rows; RefusedError where they have."""
        return

    def recognise(self, rows: Iterable[pa.Table]) -> bool:
        """Put the rows' keys into a temporary table."""
        if not self._job.key:
            return False
        self._connect()
        keys = ", ".join(map(self._quote, self._job.key))
        with self._translated():
            self._run(f"create temporary table {self._keys_table} as select {keys} from {self._target} where false")
            for table in rows:
                self._send_keys(table.select(list(self._job.key)))
        self._recognised = True
        return True

    def _keys_match(self, names: Sequence[str]) -> str:
        pairs = zip(self._job.key, names, strict=True)
        same = " and ".join(f"k.{self._quote(ours)} = t.{self._quote(name)}" for ours, name in pairs)
        return f"exists (select 1 from {self._keys_table} k where {same})"

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        """The rows of this delivery as they are now in the target."""
        self._connect()
        with self._translated():
            where = self._own_rows()
            if where is None:
                return VerifyLevel.COUNT, iter([_count_table(self._count_own())])
        return VerifyLevel.CONTENT, self._read(columns, where)

    def left(self, columns: Sequence[DeliveryColumn]) -> Iterator[pa.Table] | None:
        """The rows of the staging table that an insert only left out; None where it is gone."""
        self._connect()
        with self._translated():
            if self._find(self._staging_name) is None:
                return None
        return self._read(columns, self._is_left, self._staging)

    @property
    def _is_left(self) -> str:
        """The condition on rows `t` of the staging table that an insert only left out."""
        return f"t.{self._quote(FILE_COLUMN)} < 0"

    def _count_own(self) -> int:
        """Rows of the target that may be this delivery's."""
        return self._count(self._target)

    def _in_staging(self) -> str | None:
        """The condition for rows whose keys lie in the staging table, or were recognised; None where there is neither."""
        if self._recognised:
            return self._keys_match(self._job.key) + self._and_current
        holder, key = (self, self._job.key) if self._parent is None else (self._parent, self._job.parent_key)
        if not holder._staged or self._find(holder._staging_name) is None:
            return None
        if self._count(holder._staging) < holder._rows:  # a crash of the server empties it
            return None
        keys = " and ".join(f"s.{self._quote(name)} = t.{self._quote(name)}" for name in key)
        if self._job.mode == WriteMode.INSERT_ONLY:
            keys += f" and s.{self._quote(FILE_COLUMN)} >= 0"
        return f"exists (select 1 from {holder._staging} s where {keys}){self._and_current}"

    @property
    def _and_current(self) -> str:
        """Mode scd2: a row's older versions are none of this delivery's."""
        validity = self._job.validity
        return "" if validity is None else f" and t.{self._quote(validity.until)} is null"


def _count_table(count: int) -> pa.Table:
    import pyarrow as pa

    return pa.table({"count": pa.array([count], pa.int64())})
