"""Which staged rows would clash with another unique index of the target than the key's, asked before the publish."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from loadlock.delivery.base import EVERY_ROW
from loadlock.delivery.clashes import Clash
from loadlock.delivery.destinations._server_early import ServerEarly
from loadlock.delivery.destinations._server_target import ConnectionT, TableT
from loadlock.errors import Refusal
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import pyarrow as pa


class ServerClash(ServerEarly[TableT, ConnectionT]):
    """A clash is a value that stands in a row of the target which the publish leaves there, under another key."""

    clash_code = "23505"
    """What the server calls it: the standard's name, unless it has another."""

    @abstractmethod
    def _index_name(self, columns: Sequence[str]) -> str | None:
        """The name of the unique index over these columns."""

    def clashes(self) -> list[Clash]:
        """See `Session.clashes`."""
        if not self._staged or self._created or self._parent is not None:
            return []
        self._connect()
        with self._translated():
            wanted = [(columns, where) for columns in self._found.unique if (where := self._where_refused(columns))]
            if wanted:
                self._ready_to_foresee()
            found = ((columns, self._refused_rows(columns, where)) for columns, where in wanted)
            return [self._clash(columns, rows) for columns, rows in found if rows.num_rows]

    @abstractmethod
    def _ready_to_foresee(self) -> None: ...

    def _clash(self, columns: Sequence[str], rows: pa.Table) -> Clash:
        named = ", ".join(columns)
        refusal = Refusal(
            message=f"the value of {named} stands in the table in a row that stays, under another key",
            code=self.clash_code,
            constraint=self._index_name(columns),
            column=columns[0] if len(columns) == 1 else None,
        )
        return Clash(refusal=refusal, rows=rows)

    def _refused_rows(self, columns: Sequence[str], where: str) -> pa.Table:
        by = self._job.key if self._job.mode.has_unique_key else columns
        wanted = [next(one for one in self._job.columns if one.name == name) for name in by]
        import pyarrow as pa

        tables = list(self._read(wanted, where, self._staging))
        nothing = pa.schema([pa.field(one.name, one.type.arrow()) for one in wanted]).empty_table()
        return pa.concat_tables([nothing, *tables])

    def _where_refused(self, columns: Sequence[str]) -> str | None:
        """The condition on staged rows `t` that this index will refuse; None where it refuses none."""
        job, key = self._job, self._job.key
        if (
            not set(columns) <= {one.name for one in job.columns}
            or set(columns) == set(key)
            or job.validity is not None
        ):
            return None
        held = self._equal(columns, "x", "t")
        apart = f"not ({self._equal(key, 'x', 't')})"
        staged = f"exists (select 1 from {self._staging} o where {self._equal(key, 'o', 'x')})"
        known = f"exists (select 1 from {self._target} k where {self._equal(key, 'k', 't')})"
        match job.mode:
            case WriteMode.DELETE_INSERT:
                stays = f"not {staged}"
            case WriteMode.INSERT_ONLY:
                stays = f"{apart} and not {known}"
            case WriteMode.UPSERT if self._writes_all(columns):
                stays = f"{apart} and not {staged}"
            case WriteMode.UPSERT:
                stays = f"{apart} and not {known}"
            case _:  # a mirror leaves no row that is not staged
                return None
        return f"exists (select 1 from {self._target} x where {held} and {stays})"

    def _writes_all(self, columns: Sequence[str]) -> bool:
        update = self._job.update
        return update is None or update == EVERY_ROW or set(columns) <= {*update, *self._job.key}

    def _equal(self, columns: Sequence[str], one: str, other: str) -> str:
        return " and ".join(f"{one}.{self._quote(name)} = {other}.{self._quote(name)}" for name in columns)
