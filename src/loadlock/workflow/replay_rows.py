"""Which rejects a replay sends, and from which raw parts, with the decisions of operators on them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.amending import Amendment
from loadlock.ledger.base import PartRecord
from loadlock.model import PartKind, RejectState, Stage
from loadlock.quarantine.edits import RAW_COLUMN, SCOPE, in_force
from loadlock.rows import FILE, IDENTITY, ROW, SUB
from loadlock.workflow.quarantine import Quarantine, sent_schema

if TYPE_CHECKING:
    import pyarrow as pa

MENDED = frozenset({RejectState.CORRECTED, RejectState.ACCEPTED})
OPEN = MENDED | {RejectState.OPEN}
FORCED = OPEN | {RejectState.STALE}


def to_send(quarantine: Quarantine, states: Collection[RejectState]) -> pa.Table:
    """The rejects in these states that can be sent (`sent_schema`), each row once. Malformed rows only where mended."""
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted = pa.array([str(state) for state in states])
    mended = mended_rows(quarantine)
    found = []
    for table in quarantine.tables(["stage", "values"]):
        chosen = pc.and_(pc.is_in(table["state"], wanted), pc.not_equal(table["to"], 0))
        table = table.filter(chosen)
        if table.num_rows:
            found.append(_sendable(table, mended))
    rows = pa.concat_tables([sent_schema().empty_table(), *found])
    return _once(rows) if rows.num_rows else rows


def _sendable(table: pa.Table, mended: pa.Table) -> pa.Table:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from loadlock.quarantine.edits import edited

    intake = pc.equal(table["stage"], str(Stage.INTAKE))
    ready = np.zeros(table.num_rows, bool)
    ready[edited(table, mended)["at"].to_numpy()] = True
    record = pc.or_(intake, pc.is_null(table["values"]))
    table = table.select([*IDENTITY, "to", "stage"]).append_column("record", record)
    kept = pc.or_(pc.invert(intake), pa.chunked_array([pa.array(ready)]))
    return table.filter(kept).cast(sent_schema())


def _once(rows: pa.Table) -> pa.Table:
    """Each row once, with all destinations that it is to go to."""
    import numpy as np
    import pyarrow as pa

    numbered = rows.append_column("at", pa.array(range(rows.num_rows), pa.int64()))
    groups = numbered.group_by(list(IDENTITY), use_threads=False).aggregate([("at", "min"), ("at", "count")])
    if groups.num_rows == rows.num_rows:
        return rows
    places = list(zip(*(rows[name].to_pylist() for name in IDENTITY), strict=True))
    masks: dict[Any, int] = {}
    for place, to in zip(places, rows["to"].to_pylist(), strict=True):
        masks[place] = masks.get(place, 0) | to
    first = np.sort(groups["at_min"].to_numpy())
    table = rows.take(pa.array(first))
    to = pa.array([masks[places[index]] for index in first.tolist()], pa.int64())
    return table.set_column(table.schema.get_field_index("to"), "to", to)


def mended_rows(quarantine: Quarantine) -> pa.Table:
    """The malformed rows that were corrected into rows: identity and `seq` of the raw part that holds each."""
    import pyarrow as pa

    standing = {act.seq for act in in_force(quarantine.acts)}
    newest: dict[tuple[int, int], int] = {}
    workspace = quarantine.workspace
    for record in workspace.ledger.parts(quarantine.batch.batch, SCOPE, PartKind.RAW):
        if record.info["act"] in standing:
            rows = workspace.staging.read(record.ref, columns=[ROW])[ROW].to_pylist()
            newest.update(dict.fromkeys(((record.ref.file_index or 0, row) for row in rows), record.ref.key.seq))
    files, rows = zip(*newest, strict=True) if newest else ((), ())
    return pa.table(
        {
            FILE: pa.array(files, pa.int32()),
            ROW: pa.array(rows, pa.int64()),
            SUB: pa.array([0] * len(newest), pa.int32()),
            "seq": pa.array(list(newest.values()), pa.int64()),
        }
    )


def touched(
    quarantine: Quarantine, raw: Sequence[PartRecord], sent: pa.Table
) -> tuple[list[PartRecord], dict[int, Amendment]]:
    """The raw parts (those made of corrected raw text too) that hold rows to be sent, and what is decided on these."""
    import pyarrow as pa
    import pyarrow.compute as pc

    mended = mended_rows(quarantine)
    own = quarantine.workspace.ledger.parts(quarantine.batch.batch, SCOPE, PartKind.RAW)
    cells, waived = quarantine.cells(), quarantine.waived()
    cells = cells.filter(pc.not_equal(cells["column"], RAW_COLUMN))
    from_text, staged = _parted(sent, mended)
    parts, amendments = [], {}
    for record, rows in [*((record, staged) for record in raw), *((record, from_text) for record in own)]:
        held = within(rows, record)
        if record.info.get("act") is not None:
            current = mended.filter(pc.equal(mended["seq"], record.ref.key.seq))
            held = held.filter(pc.is_in(held[ROW], current[ROW].combine_chunks()))
        if held.num_rows:
            parts.append(record)
            lines = within(waived, record)
            amendments[record.ref.key.seq] = Amendment(
                cells=within(cells, record).select([ROW, SUB, "column", "new"]),
                waived=pa.table({ROW: lines[ROW], SUB: lines[SUB], "code": lines["column"]}),
                wanted=held.select([ROW, SUB, "record"]),
            )
    return parts, amendments


def _parted(sent: pa.Table, mended: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows that lie in parts made of corrected raw text, and the others."""
    import numpy as np
    import pyarrow as pa

    mask = np.zeros(sent.num_rows, bool)
    known = set(zip(mended[FILE].to_pylist(), mended[ROW].to_pylist(), strict=True))
    if known:
        mask[:] = [place in known for place in zip(sent[FILE].to_pylist(), sent[ROW].to_pylist(), strict=True)]
    return sent.filter(pa.array(mask)), sent.filter(pa.array(~mask))


def elsewhere(sent: pa.Table, destinations: Iterable[int]) -> dict[int, pa.Table]:
    """By destination (index), where there are any: the rows sent that are only for others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = {}
    for index in destinations:
        here = pc.bit_wise_and(sent["to"], pa.scalar(1 << index, pa.int64()))
        rows = sent.filter(pc.equal(here, 0)).select(list(IDENTITY))
        if rows.num_rows:
            found[index] = rows
    return found


def within(rows: pa.Table, record: PartRecord) -> pa.Table:
    """The rows in the range of a raw part."""
    import pyarrow.compute as pc

    near = pc.and_(
        pc.greater_equal(rows[ROW], record.info["first_row"]), pc.less_equal(rows[ROW], record.info["last_row"])
    )
    return rows.filter(pc.and_(near, pc.equal(rows[FILE], record.ref.file_index or 0)))


def counted(parts: Iterable[PartRecord], amendments: Mapping[int, Amendment]) -> list[PartRecord]:
    """The raw parts with the number of rows that are wanted of each, as accounts are kept."""
    found = []
    for record in parts:
        wanted = amendments[record.ref.key.seq].wanted
        assert wanted is not None
        found.append(replace(record, ref=replace(record.ref, rows=wanted.num_rows)))
    return found
