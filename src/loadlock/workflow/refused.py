"""The rows that a destination refused, at rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.kernel import flat_rows
from loadlock.cleanup.rejecting import staged_values
from loadlock.delivery.refusals import RefusedRow
from loadlock.ledger.base import PartRecord
from loadlock.model import PartKey, PartKind, Stage
from loadlock.quarantine.read import count_rejects, fill_raw
from loadlock.rows import IDENTITY, LENGTH, LINE, OFFSET, ROW, SUB, Place, reject, reject_table

if TYPE_CHECKING:
    import pyarrow as pa

    from loadlock.workflow.delivering import DeliveryWork


def refused_rows(work: DeliveryWork, scope: str) -> pa.Table | None:
    """The identity of the rows that a destination refused; None where it refused none."""
    import pyarrow as pa

    records = work.workspace.ledger.parts(work.batch, scope, PartKind.REJECTS)
    tables = [work.workspace.staging.read(record.ref, columns=list(IDENTITY)) for record in records]
    return pa.concat_tables(tables) if tables else None


def write_refused(work: DeliveryWork, scope: str, refused: list[RefusedRow], *, of_child: bool = False) -> PartRecord:
    """The destination's rejects at rest, with the place of each row from staging.

    Their values are those staged, which can be corrected; of a child table's rows, those that were to be delivered.
    """
    places = _places(work, refused)
    staged = {} if of_child else _staged(work, refused)
    rows = [
        reject(
            Place(
                file=row.file,
                source_file=work.clean_work.files[row.file].name,
                row=row.row,
                sub=row.sub,
                **places.get((row.file, row.row), {}),
            ),
            problems=row.problems,
            stage=Stage.DELIVERY,
            values=staged.get((row.file, row.row, row.sub), row.values),
        )
        for row in refused
    ]
    table = fill_raw(reject_table(rows), work.clean_work.store, work.clean_work.files)
    key = PartKey(batch=work.batch, scope=scope, kind=PartKind.REJECTS, seq=1)
    ref = work.workspace.staging.write(key, table)
    return PartRecord(ref=ref, info={"counts": [[*code, rows] for code, rows in count_rejects(table).items()]})


def _places(work: DeliveryWork, refused: list[RefusedRow]) -> dict[tuple[int, int], dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    wanted: dict[int, set[int]] = {}
    for row in refused:
        wanted.setdefault(row.file, set()).add(row.row)
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for record in work.raw:
        rows = wanted.get(record.ref.file_index or 0)
        if not rows or not record.ref.rows:
            continue
        table = work.workspace.staging.read(record.ref, columns=[ROW, LINE, OFFSET, LENGTH])
        near = table.filter(pc.is_in(table[ROW], pa.array(sorted(rows), pa.int64())))
        for place in near.to_pylist():
            found[(record.ref.file_index or 0, place[ROW])] = {
                "line": place[LINE],
                "offset": place[OFFSET],
                "length": place[LENGTH],
            }
    return found


def _staged(work: DeliveryWork, refused: list[RefusedRow]) -> dict[tuple[int, int, int], dict[str, str | None]]:
    """The values of refused rows as staged, without corrections."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: dict[tuple[int, int, int], dict[str, str | None]] = {}
    wanted: dict[int, set[int]] = {}
    for row in refused:
        wanted.setdefault(row.file, set()).add(row.row)
    for record in work.raw:
        index = record.ref.file_index or 0
        rows = sorted(wanted.get(index, ()))
        if not rows or not record.ref.rows:
            continue
        table = work.workspace.staging.read(record.ref)
        near = flat_rows(table.filter(pc.is_in(table[ROW], pa.array(rows, pa.int64()))), work.plan).table
        places = zip(near[ROW].to_pylist(), near[SUB].to_pylist(), staged_values(near).to_pylist(), strict=True)
        found.update({(index, row, sub): json.loads(values) for row, sub, values in places})
    return found
