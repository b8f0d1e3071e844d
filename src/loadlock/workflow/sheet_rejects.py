"""Rejects in a Google sheet: written there for people to edit, and fetched again for `correct`."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from loadlock.delivery.base import DeliveryColumn, Job, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.names import TableName
from loadlock.intake.places.sheets import SheetFile
from loadlock.model import WriteMode
from loadlock.quarantine.cells import cells_of
from loadlock.quarantine.export import Export
from loadlock.quarantine.sheet import IN_SHEETS, as_text
from loadlock.quarantine.workbook import shown
from loadlock.rows import FILE, ROW, SUB
from loadlock.sheets.address import SCHEME, canonical, parse, written
from loadlock.types import TEXT
from loadlock.workflow.destinations import destination_for

if TYPE_CHECKING:
    import pyarrow as pa

PART_ROWS = 5_000
TRIES = 4


def is_sheet(path: str) -> bool:
    """Whether a path is the address of a sheet."""
    return path.lower().startswith(f"{SCHEME}://") or canonical(path) is not None


def export_to_sheet(export: Export, url: str) -> int:
    """Write rejects into a sheet, one of its own where the address names none; how many.

    A sheet that is there takes only the same export again, and only while nobody has edited it.
    """
    address = parse(url)
    layout, count = export.layout, export.count
    header = [IN_SHEETS.get(name, name) for name in layout.header]
    title = address.sheet or f"Rejects {export.token}"
    target = Target(url=written(address), table=TableName(table=title).written())
    job = Job(
        run=f"export-{uuid.uuid4().hex[:12]}",
        batch=str(export.token),
        pipeline="rejects",
        target=target,
        columns=tuple(DeliveryColumn(name=name, type=TEXT) for name in header),
        mode=WriteMode.REPLACE,
        rows=count,
    )
    lines = (
        [shown(as_text(cell or "")) for cell in line]
        for part in export.parts()
        for line in zip(*(column.to_pylist() for column in cells_of(part, layout).columns()), strict=True)
    )
    with Delivery(destination_for(f"{SCHEME}://")(), job) as delivery:
        delivery.open()
        delivery.load(enumerate(_parts(lines, header), 1), lambda _: None)
        delivery.publish()
        delivery.verify()
    return count


def _parts(lines: Iterable[list[str]], header: list[str]) -> Iterator[pa.Table]:
    import pyarrow as pa

    first, rest = 1, iter(lines)
    while part := list(islice(rest, PART_ROWS)):
        columns = {
            name: pa.array(cells, pa.string()) for name, cells in zip(header, zip(*part, strict=True), strict=True)
        }
        columns[FILE] = pa.array([0] * len(part), pa.int32())
        columns[ROW] = pa.array(range(first, first + len(part)), pa.int64())
        columns[SUB] = pa.array([0] * len(part), pa.int32())
        yield pa.table(columns)
        first += len(part)


@contextmanager
def fetched(path: str | Path) -> Iterator[Path]:
    """The file to read: a sheet comes as a CSV file of the moment, any other path is itself."""
    if not is_sheet(str(path)):
        yield Path(path)
        return
    sheet = SheetFile(address=parse(str(path)))
    with tempfile.TemporaryDirectory(prefix="loadlock-sheet-") as folder:
        file = Path(folder) / sheet.name
        sheet.save(file, tries=TRIES)
        yield file
