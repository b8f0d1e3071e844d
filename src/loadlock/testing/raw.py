"""Raw parts made by hand, for tests of cleanup."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from loadlock import rows

if TYPE_CHECKING:
    import pyarrow as pa


def raw_part(columns: Mapping[str, Sequence[str | None]], *, first_row: int = 1, file: str = "made.csv") -> pa.Table:
    """A raw part of texts, as a CSV format would stage it: rows numbered from `first_row`, one line and 10 bytes each."""
    import pyarrow as pa

    count = len(next(iter(columns.values()), ()))
    numbers = range(first_row, first_row + count)
    arrays: dict[str, pa.Array] = {name: pa.array(list(values), pa.string()) for name, values in columns.items()}
    arrays[rows.SOURCE_FILE] = pa.array([file] * count, pa.string()).dictionary_encode()
    arrays[rows.ROW] = pa.array(list(numbers), pa.int64())
    arrays[rows.LINE] = pa.array([number + 1 for number in numbers], pa.int64())
    arrays[rows.OFFSET] = pa.array([10 * number for number in numbers], pa.int64())
    arrays[rows.LENGTH] = pa.array([10] * count, pa.int64())
    arrays[rows.ENCODING] = pa.nulls(count, pa.string())
    return pa.table(arrays)


def json_part(records: Sequence[str], *, first_row: int = 1, file: str = "made.ndjson") -> pa.Table:
    """A raw part of JSON records, each staged as its own text."""
    return raw_part({rows.JSON_RECORD: list(records)}, first_row=first_row, file=file)
