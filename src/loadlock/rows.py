"""Names and Arrow schemas that all stages share: provenance columns and rejects.

Functions that need PyArrow import it when called, so `import loadlock` stays light.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.model import Problem, Stage

if TYPE_CHECKING:
    import pyarrow as pa

SOURCE_FILE = "_source_file"
ROW = "_row"
LINE = "_line"
OFFSET = "_offset"
LENGTH = "_length"
ENCODING = "_encoding"
"""Null where the row was decoded by the file's encoding, else the encoding used for this row."""
PROVENANCE = (SOURCE_FILE, ROW, LINE, OFFSET, LENGTH, ENCODING)
"""The provenance columns of every raw part, after the source's own columns."""
FILE = "_file"
"""0-based index of the source file in its batch; clean parts carry `_file` and `_row` as the row's identity."""
SUB = "_sub"
"""0-based number of an exploded row within its record; 0 where nothing was exploded."""
IDENTITY = (FILE, ROW, SUB)
JSON_RECORD = "_json"
"""The one value column of a raw part of a JSON format: the record's own text."""
SOUND = {b"loadlock.sound": b"1"}
"""Metadata of a raw part of JSON records that were all found to be valid JSON: nobody need look again."""
HIDDEN = "***"
"""Stands for a value that must not be shown."""
RAW_LIMIT = 64 * 1024
"""Bytes of raw text a reject keeps."""


def provenance_fields() -> list[pa.Field]:
    """The provenance columns of a raw part, in order."""
    import pyarrow as pa

    return [
        pa.field(SOURCE_FILE, pa.dictionary(pa.int32(), pa.string())),
        pa.field(ROW, pa.int64()),
        pa.field(LINE, pa.int64()),
        pa.field(OFFSET, pa.int64()),
        pa.field(LENGTH, pa.int64()),
        pa.field(ENCODING, pa.string()),
    ]


def reject_schema() -> pa.Schema:
    """Rejects of all stages, as they lie at rest. `values` is a JSON object of the values as staged."""
    import pyarrow as pa

    problem = pa.struct(
        [
            pa.field("code", pa.string()),
            pa.field("column", pa.string()),
            pa.field("value", pa.string()),
            pa.field("message", pa.string()),
        ]
    )
    return pa.schema(
        [
            pa.field(FILE, pa.int32()),
            pa.field(SOURCE_FILE, pa.string()),
            pa.field(ROW, pa.int64()),
            pa.field(SUB, pa.int32()),
            pa.field(LINE, pa.int64()),
            pa.field(OFFSET, pa.int64()),
            pa.field(LENGTH, pa.int64()),
            pa.field("stage", pa.string()),
            pa.field("problems", pa.list_(problem)),
            pa.field("values", pa.string()),
            pa.field("raw", pa.binary()),
            pa.field("raw_truncated", pa.bool_()),
        ]
    )


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a row stands in its source: the file's index in the batch and its base name, then as in `PROVENANCE`."""

    file: int
    source_file: str
    row: int
    line: int | None = None
    offset: int | None = None
    length: int | None = None
    sub: int = 0


def reject(
    place: Place,
    *,
    problems: Sequence[Problem],
    stage: Stage,
    values: Mapping[str, Any] | None = None,
    raw: bytes | None = None,
) -> dict[str, Any]:
    """One reject as a Python row of `reject_schema()`; `raw` is cut at `RAW_LIMIT`."""
    return {
        FILE: place.file,
        SOURCE_FILE: place.source_file,
        ROW: place.row,
        SUB: place.sub,
        LINE: place.line,
        OFFSET: place.offset,
        LENGTH: place.length,
        "stage": str(stage),
        "problems": [{"code": p.code, "column": p.column, "value": p.value, "message": p.message} for p in problems],
        "values": None if values is None else json.dumps(dict(values), ensure_ascii=False),
        "raw": None if raw is None else raw[:RAW_LIMIT],
        "raw_truncated": raw is not None and len(raw) > RAW_LIMIT,
    }


def reject_table(rejects: Iterable[Mapping[str, Any]]) -> pa.Table:
    """An Arrow table of rejects (possibly empty) from rows made by `reject`."""
    import pyarrow as pa

    return pa.Table.from_pylist([dict(row) for row in rejects], schema=reject_schema())
