"""What operators did to rejects: corrections, acceptances, discards. Each act is one part, never changed; undoing is an act.

An act's part holds one line a cell (or a reject); who, when and why stand in the ledger beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from loadlock.rows import FILE, IDENTITY, ROW, SUB

if TYPE_CHECKING:
    import pyarrow as pa

SCOPE = "edits"
"""Where the parts of acts lie, and the raw rows made from corrected raw text."""
EVERYWHERE = -1
"""The destinations that a reject is to be sent to, as bits: all."""
RAW_COLUMN = ""
"""Stands for the raw text of the row in place of a column."""


class Action(StrEnum):
    """What an operator did."""

    CORRECT = "correct"
    ACCEPT = "accept"
    DISCARD = "discard"
    UNDO = "undo"


@dataclass(frozen=True, kw_only=True)
class Act:
    """One act of an operator on rejects of a batch."""

    seq: int
    action: Action
    at: str
    """UTC, ISO 8601."""
    by: str
    why: str
    rejects: int
    cells: int = 0
    source: str = ""
    """The file or the expression that the changes came from."""
    undoes: int | None = None
    counts: list[list[Any]] = field(default_factory=list)
    """Of a discard: [stage, file, destinations, rejects]."""
    generation: int | None = None
    """Of the raw rows that it is about; None: written down before acts knew it."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "action": str(self.action)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Act:
        """From what `to_json` gave."""
        return cls(**{**document, "action": Action(document["action"])})


def edit_schema() -> pa.Schema:
    """The lines of an act."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(FILE, pa.int32()),
            pa.field(ROW, pa.int64()),
            pa.field(SUB, pa.int32()),
            pa.field("to", pa.int64()),
            pa.field("column", pa.string()),
            pa.field("old", pa.string()),
            pa.field("new", pa.string()),
        ]
    )


def in_force(acts: Sequence[Act], *, upto: int | None = None) -> list[Act]:
    """The acts that stand: undone ones and the undoing left out, oldest first. `upto`: as it was after that act."""
    known = [act for act in acts if upto is None or act.seq <= upto]
    undone = {act.undoes for act in known if act.action == Action.UNDO}
    return [act for act in known if act.action != Action.UNDO and act.seq not in undone]


def with_act(table: pa.Table, act: int) -> pa.Table:
    """The lines of an act, told apart from those of others."""
    import pyarrow as pa

    return table.append_column("act", pa.repeat(pa.scalar(act, pa.int64()), table.num_rows))


def about_raw(lines: pa.Table) -> pa.Table:
    """The lines that correct raw text."""
    import pyarrow.compute as pc

    return lines.filter(pc.equal(lines["column"], RAW_COLUMN))


def outdated(lines: pa.Table, raws: pa.Table) -> pa.Array:
    """Which lines were written before the raw text of their row was corrected by one of `raws`."""
    import numpy as np
    import pyarrow as pa

    found = np.zeros(lines.num_rows, bool)
    newer = edited(lines, raws)
    at = newer["at"].to_numpy()
    found[at[lines["act"].to_numpy()[at] < newer["act"].to_numpy()]] = True
    return pa.array(found)


def newest_lines(tables: Iterable[pa.Table], keys: Sequence[str]) -> pa.Table:
    """The lines of acts in force (oldest first, `with_act`), the newest of each key, in no certain order.

    The lines of one act alone stay as they are: no act changes a cell twice.
    """
    import pyarrow as pa

    found = list(tables)
    empty = with_act(edit_schema().empty_table(), 0)
    table = pa.concat_tables([empty if not found else empty.select(found[0].column_names), *found]).combine_chunks()
    if len(found) <= 1:
        return table
    numbered = table.append_column("at", pa.array(range(table.num_rows), pa.int64()))
    last = numbered.group_by(list(keys), use_threads=False).aggregate([("at", "max")])
    return table.take(last["at_max"])


def edited(table: pa.Table, edits: pa.Table) -> pa.Table:
    """The lines of `edits` that concern rows of `table` (both with the identity), with the row's index as `at`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = list(IDENTITY)
    if table.num_rows and edits.num_rows:
        ends = pc.min_max(table[ROW])
        near = pc.and_(pc.greater_equal(edits[ROW], ends["min"]), pc.less_equal(edits[ROW], ends["max"]))
        edits = edits.filter(near)
    if not table.num_rows or not edits.num_rows:
        return edits.slice(0, 0).append_column("at", pa.array([], pa.int64()))
    numbered = table.select(keys).append_column("at", pa.array(range(table.num_rows), pa.int64()))
    lines = edits.select(keys).append_column("line", pa.array(range(edits.num_rows), pa.int64()))
    joined = numbered.join(lines, keys=keys, join_type="inner").combine_chunks()
    return edits.take(joined["line"]).append_column("at", joined["at"])
