"""The rows of child tables: made once a run from the raw parts, then read for each destination beside their parents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from loadlock.cleanup.flatten import child_tables
from loadlock.delivery.base import DeliveryColumn
from loadlock.errors import UsageError
from loadlock.faults import point
from loadlock.ledger.base import PartRecord
from loadlock.model import PartKey, PartKind
from loadlock.rows import FILE, IDENTITY, JSON_RECORD, PROVENANCE, ROW, SUB
from loadlock.types import TEXT, ColumnType
from loadlock.workflow.cleaning import CleanWork, without
from loadlock.workflow.delivering import DeliveryWork, delivered_names
from loadlock.workflow.destinations import BoundDestination
from loadlock.workflow.some_rows import matching

if TYPE_CHECKING:
    import pyarrow as pa

PARENT_FILE = "_parent_file"
PARENT_ROW = "_parent_row"
INDEX = "_index"
_RESERVED = (PARENT_FILE, PARENT_ROW, INDEX, FILE, ROW, SUB, "_batch")
_BIGINT = ColumnType(kind="integer")


def child_scope(run: str, child: int) -> str:
    """Where the rows of a child table lie."""
    return f"{run}-c{child}"


def child_parts(work: DeliveryWork) -> list[list[PartRecord]]:
    """The child rows of all readable records at rest, for each child table; made where they are missing."""
    ledger, children = work.workspace.ledger, work.plan.flatten.children
    scopes = [child_scope(work.run, child) for child in range(len(children))]
    if not scopes:
        return []
    # the parts of one raw part are listed together
    done = {record.ref.key.seq for record in ledger.parts(work.batch, scopes[0], PartKind.CLEAN)}
    missing = [
        record for record in work.raw if JSON_RECORD in record.info["columns"] and record.ref.key.seq not in done
    ]
    for made in work.engine.map(partial(_make_parts, work.clean_work), missing):
        ledger.add_parts(made)
        point("children.part_listed")
    return [ledger.parts(work.batch, scope, PartKind.CLEAN) for scope in scopes]


def _make_parts(work: CleanWork, raw: PartRecord) -> list[PartRecord]:
    made = []
    for child, table in enumerate(child_tables(work.staging.read(raw.ref), work.plan.flatten).values()):
        own = [name for name in table.column_names if name not in (*PROVENANCE, SUB)]
        key = PartKey(batch=work.batch, scope=child_scope(work.scope, child), kind=PartKind.CLEAN, seq=raw.ref.key.seq)
        ref = work.staging.write(key, table.select([*own, ROW, SUB]), file_index=raw.ref.file_index)
        point("children.part_written")
        made.append(PartRecord(ref=ref, info={"columns": own}))
    return made


@dataclass(frozen=True, kw_only=True)
class ChildShape:
    """The columns of a child table at one destination."""

    key: tuple[DeliveryColumn, ...]
    """The parent's key columns; empty where it has none."""
    own: tuple[tuple[str, str], ...]
    """(name in the parts, name as delivered)."""

    @property
    def columns(self) -> tuple[DeliveryColumn, ...]:
        """As delivered: the parent's key (else its file), its row number, the position, the element's own columns."""
        link = (PARENT_ROW, INDEX) if self.key else (PARENT_FILE, PARENT_ROW, INDEX)
        return (
            *self.key,
            *(DeliveryColumn(name=name, type=_BIGINT, required=True) for name in link),
            *(DeliveryColumn(name=name, type=TEXT) for _, name in self.own),
        )


def shape_of(work: DeliveryWork, parent: BoundDestination, parts: Sequence[PartRecord]) -> ChildShape:
    """The columns over all parts, in the order of first appearance; a name that is taken gets a suffix.

    Names that differ only in case are one to most databases, so they count as taken.
    """
    key = _key_columns(work, parent)
    taken = {name.casefold() for name in (*_RESERVED, *(column.name for column in key))}
    own = []
    for name in dict.fromkeys(name for part in parts for name in part.info["columns"]):
        given, number = name, 1
        while given.casefold() in taken:
            number += 1
            given = f"{name}_{number}"
        taken.add(given.casefold())
        own.append((name, given))
    return ChildShape(key=key, own=tuple(own))


def _key_columns(work: DeliveryWork, parent: BoundDestination) -> tuple[DeliveryColumn, ...]:
    """The destination's key, else the first `unique` column that it gets."""
    names = parent.spec.key
    if not names:
        delivered = delivered_names(work, parent)
        unique = [column.name for column in work.plan.pipeline.columns or () if column.unique]
        names = tuple(name for name in unique if name in delivered)[:1]
    if reserved := [name for name in names if name.casefold() in _RESERVED]:
        raise UsageError(f"a child table has a column {reserved[0]} of its own", hint="Rename the parent's key column.")
    types = dict(work.plan.columns)
    return tuple(DeliveryColumn(name=n, type=types[n], required=n in work.plan.required) for n in names)


@dataclass(frozen=True, kw_only=True)
class ChildReader:
    """Reads the child rows of the parents that one destination got, one part at a time."""

    work: CleanWork
    shape: ChildShape
    losers: pa.Table | None
    refused: pa.Table | None
    """The parents that the destination refused."""
    condition: str | None
    """The destination's filter over the parents."""

    def read(self, pair: tuple[PartRecord, PartRecord]) -> tuple[pa.Table, int]:
        """The rows of a child part (columns as delivered, then the identity), and how many stay out with their parents.

        `pair` = the child part and the clean part of the same raw part. An exploded parent counts as delivered where one
        of its rows was; the first of these gives the key.
        """
        import numpy as np
        import pyarrow as pa

        child, clean = pair
        rows, parents = self.work.staging.read(child.ref), self._parents(clean)
        known, first = np.unique(parents[ROW].to_numpy(), return_index=True)
        wanted = rows[ROW].to_numpy()
        kept = np.isin(wanted, known)
        at = first[np.searchsorted(known, wanted[kept])]
        rows = rows.filter(pa.array(kept))
        table = self._table(rows, parents.take(pa.array(at)), child.ref.file_index or 0)
        return table, int(np.count_nonzero(~kept))

    def _parents(self, clean: PartRecord) -> pa.Table:
        names = [*(column.name for column in self.shape.key), *IDENTITY]
        # a filter may ask for any column
        table = self.work.staging.read(clean.ref, columns=names if self.condition is None else None)
        table = without(table, self.losers)
        if self.condition is not None:
            table = matching(table, self.condition)
        return without(table.select(names), self.refused)

    def _table(self, rows: pa.Table, parents: pa.Table, file_index: int) -> pa.Table:
        import pyarrow as pa

        count = rows.num_rows
        arrays = {column.name: parents[column.name] for column in self.shape.key}
        if not arrays:
            arrays[PARENT_FILE] = pa.repeat(pa.scalar(file_index, pa.int64()), count)
        arrays |= {PARENT_ROW: rows[ROW], INDEX: rows[SUB].cast(pa.int64())}
        for name, given in self.shape.own:
            arrays[given] = rows[name] if name in rows.column_names else pa.nulls(count, pa.string())
        arrays[FILE] = pa.repeat(pa.scalar(file_index, pa.int32()), count)
        return pa.table(arrays | {ROW: rows[ROW], SUB: rows[SUB]})
