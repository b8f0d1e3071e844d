"""Reads a pipeline's files into parts that are thrown away: the first bytes of each, or the whole."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from loadlock.cleanup.discover import column_names
from loadlock.intake.base import ByteSource
from loadlock.intake.files import Keep
from loadlock.intake.read import read_file
from loadlock.model import PartKey, PartKind, PartRef
from loadlock.pipeline.model import Pipeline
from loadlock.quarantine.read import count_rejects
from loadlock.rows import JSON_RECORD, LENGTH, PROVENANCE
from loadlock.staging.parquet import ParquetStaging
from loadlock.workflow.inputs import find_inputs, open_inputs
from loadlock.workflow.sample_rejects import Few

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = "preview"
ALL_BYTES = 64 << 20
"""Bytes that are looked at, of all files together, unless the whole is wanted ..."""
FILE_BYTES = 1 << 20
"""... but so many of each at least."""


@dataclass(kw_only=True)
class Taken:
    """What was read."""

    files: list[str] = field(default_factory=list)
    """Base names, in the batch's order."""
    parts: list[PartRef] = field(default_factory=list)
    rejects: Few = field(default_factory=Few)
    """Of intake."""
    rejected: int = 0
    headers: dict[int, list[str]] = field(default_factory=dict)
    """File → its columns (flattened, for JSON), as far as it was read."""
    nested: set[int] = field(default_factory=set)
    """Files of JSON records."""
    whole: bool = True
    """Whether every file was read to its end."""


def take(pipeline: Pipeline, staging: ParquetStaging, *, whole: bool) -> Taken:
    """Read the files' beginnings (or the whole of them) into raw parts."""
    taken = Taken()
    with closing(Keep.in_folder()) as keep:
        sources = open_inputs(find_inputs(pipeline.source, Path(pipeline.base_folder)), pipeline.source, keep)
        room = None if whole else max(FILE_BYTES, ALL_BYTES // max(len(sources), 1))
        for index, source in enumerate(sources):
            _take_file(taken, pipeline, staging, (index, source), room)
    return taken


def _take_file(
    taken: Taken, pipeline: Pipeline, staging: ParquetStaging, file: tuple[int, ByteSource], room: int | None
) -> None:
    index, source = file
    taken.files.append(source.file.name)
    options = pipeline.source.options
    options = options if room is None else replace(options, part_bytes=min(options.part_bytes, room))
    result = read_file(source, options)
    left = room
    for part in result.parts:
        if left is not None and left <= 0:
            taken.whole = False
            return
        left = None if left is None else left - _bytes(part.rows) - _bytes(part.rejects)
        _add(taken, pipeline, staging, index, part.rows)
        taken.rejected += part.rejects.num_rows
        taken.rejects.count(count_rejects(part.rejects))
        taken.rejects.keep(part.rejects)
    if header := result.report().header:
        known = taken.headers.setdefault(index, [])
        known += [name for name in header if name not in known]


def _add(taken: Taken, pipeline: Pipeline, staging: ParquetStaging, index: int, rows: pa.Table) -> None:
    """One more raw part."""
    known = taken.headers.setdefault(index, [])
    if JSON_RECORD in rows.column_names:
        taken.nested.add(index)
        names = column_names(rows, pipeline.source.flatten)
    else:
        names = [name for name in rows.column_names if name not in PROVENANCE]
    known += [name for name in names if name not in known]
    key = PartKey(batch=BATCH, scope="g1", kind=PartKind.RAW, seq=len(taken.parts) + 1)
    taken.parts.append(staging.write(key, rows, file_index=index))


def _bytes(table: pa.Table) -> int:
    """Source bytes of the rows; of formats without places what the rows take in memory."""
    import pyarrow.compute as pc

    return int(pc.sum(table[LENGTH]).as_py() or table.nbytes)
