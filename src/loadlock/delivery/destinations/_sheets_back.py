"""The batch's rows read back from the live tab: where they lie together by place, otherwise by their keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import DeliveryColumn
from loadlock.delivery.destinations._sheets_aim import Aim
from loadlock.delivery.destinations._sheets_cells import decode
from loadlock.delivery.destinations._sheets_rows import fingerprint, last_row, read_rows, slices
from loadlock.delivery.destinations._sheets_stage import Stage
from loadlock.delivery.destinations._sheets_state import State
from loadlock.delivery.destinations._sheets_survey import keyed, survey, table_keys
from loadlock.model import WriteMode
from loadlock.sheets.wire import Json, Wire

if TYPE_CHECKING:
    import pyarrow as pa

    from loadlock.delivery.destinations._sheets_turn import Turn


@dataclass(frozen=True, kw_only=True)
class BatchKeys:
    """The keys of a batch's rows."""

    key: tuple[str, ...]
    texts: pa.Array

    @classmethod
    def of(cls, rows: Iterable[pa.Table], columns: Sequence[DeliveryColumn], key: tuple[str, ...]) -> BatchKeys:
        import pyarrow as pa

        texts = [table_keys(table, columns, key) for table in rows]
        return cls(key=key, texts=pa.chunked_array(texts, pa.large_string()).combine_chunks())


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads rows of the live tab as the job's columns. `record` is the delivery's mark."""

    wire: Wire
    aim: Aim
    record: Json
    escaped: bool

    def placed(self, columns: Sequence[DeliveryColumn], end: int | None = None) -> Iterator[pa.Table]:
        """The rows from where the delivery put them, up to `end` (as many as it put)."""
        base = int(self.record["base"])
        yield from self.between(base, end or base + placed_rows(self.record), columns)

    def between(self, first: int, end: int, columns: Sequence[DeliveryColumn]) -> Iterator[pa.Table]:
        """The rows from the first to the one behind the last."""
        for start, behind in slices(first, end, len(self.aim.places)):
            yield self._table(self._lines(start, behind), columns)

    def by_key(self, columns: Sequence[DeliveryColumn], wanted: BatchKeys) -> Iterator[pa.Table]:
        """The rows whose keys are the batch's, wherever they are."""
        import pyarrow.compute as pc

        for start, behind in slices(1, self.aim.tab.rows, len(self.aim.places)):
            lines = self._lines(start, behind)
            found = keyed(lines, len(lines), self.aim.columns, wanted.key, escaped=self.escaped)
            mine = pc.is_in(found.keys, value_set=wanted.texts, skip_nulls=True)
            yield self._table([lines[index] for index in pc.indices_nonzero(mine).to_pylist()], columns)

    def _lines(self, start: int, behind: int) -> list[list[Any]]:
        rows = read_rows(self.wire, self.aim.tab, self.aim.places, start, behind)
        return rows + [[] for _ in range(behind - start - len(rows))]

    def _table(self, lines: Sequence[list[Any]], columns: Sequence[DeliveryColumn]) -> pa.Table:
        import pyarrow as pa

        names = sorted(column.name for column in self.aim.columns)
        empties = {names[place] for place in self.record.get("empty", ())}
        index = {column.name: at for at, column in enumerate(self.aim.columns)}
        arrays = []
        for column in columns:
            at = index[column.name]
            cells = [line[at] if at < len(line) else "" for line in lines]
            arrays.append(decode(cells, column, escaped=self.escaped, empty_text=column.name in empties))
        return pa.table(arrays, pa.schema([(column.name, column.type.arrow()) for column in columns]))


def placed_rows(record: Json) -> int:
    """How many rows a delivery put behind each other: an insert only left out those whose key was known."""
    return int(record["inserted" if record["mode"] == WriteMode.INSERT_ONLY else "rows_sent"])


def left(turn: Turn, columns: Sequence[DeliveryColumn]) -> Iterator[pa.Table]:
    """The staged rows that are not delivered, as the job's columns; before the publish, which takes the staging tab away."""
    stage, aim = turn.stage, turn.aim
    places = tuple(range(len(stage.columns)))
    reader = Reader(
        wire=stage.wire,
        aim=replace(aim, tab=stage.tab, columns=stage.columns, places=places),
        record={"empty": sorted(stage.texts("empties"))},
        escaped=stage.encoder.escapes,
    )
    for first, end in turn.left:
        yield from reader.between(first, end, columns)


def proved(wire: Wire, aim: Aim, stage: Stage, turn: Turn) -> int | None:
    """Rows that lie in the live tab as they were read from the staging one; None where something differs."""
    if turn.left:
        return None
    if turn.base is None:
        return _proved_by_key(wire, aim, stage)
    row = turn.base
    for receipt in stage.ordered:
        for count, known in receipt.parts:
            if fingerprint(read_rows(wire, aim.tab, aim.places, row, row + count)) != known:
                return None
            row += count
    return row - turn.base


def _proved_by_key(wire: Wire, aim: Aim, stage: Stage) -> int | None:
    import numpy as np
    import pyarrow.compute as pc

    staged = stage.keyed()
    found = survey(wire, aim, stage.key, escaped=stage.encoder.escapes)
    mine = pc.is_in(found.rows.keys, value_set=staged.keys, skip_nulls=True).to_numpy(zero_copy_only=False)
    # a key may stand in several rows, and people may have sorted them
    if not np.array_equal(np.sort(found.rows.hashes[mine]), np.sort(staged.hashes)):
        return None
    return len(staged.keys)


def counted(wire: Wire, aim: Aim) -> Iterator[pa.Table]:
    """The number of rows below the header."""
    import pyarrow as pa

    rows = 0 if aim.made else last_row(wire, aim.tab, aim.places, 0) - 1
    yield pa.table({"count": pa.array([rows], pa.int64())})


def overwritten(state: State, record: Json) -> bool:
    """Whether a later delivery put other rows in the place of this one's."""
    later = [v for _, v in state.markers(int(record["_sheet"])) if int(v["seq"]) > int(record["seq"])]
    return any(WriteMode(value["mode"]).takes_all for value in later)
