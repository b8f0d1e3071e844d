"""Rows as text and back: tab-separated lines built by DuckDB, CSV read by PyArrow.

The lines are made by one expression per row; the data buffer of the resulting Arrow column is the byte stream itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

_NULL = "'\\N'"


@dataclass(frozen=True, kw_only=True)
class TextColumn:
    """One column of the lines: its type, and how it is written there."""

    type: ColumnType
    as_text: bool = False
    """The target is a text column: booleans as words, moments with their zone."""


def encode_lines(rows: pa.Table, columns: Sequence[TextColumn], connection: Any) -> Iterator[memoryview]:
    """The rows as lines: values by tab, `\\N` for null, backslash escapes. `columns` in the table's order.

    `connection` = a DuckDB connection. The views hold until the next is taken.
    """
    import pyarrow as pa

    plain = rows.rename_columns([f"c{index}" for index in range(rows.num_columns)])
    connection.register("_lines", plain)
    try:
        values = [
            f"coalesce({_value(f'c{index}', column, plain.column(index))}, {_NULL})"
            for index, column in enumerate(columns)
        ]
        lines = connection.sql(f"select concat_ws(chr(9), {', '.join(values)}) || chr(10) as line from _lines")
        found = lines.to_arrow_table()["line"]
    finally:
        connection.unregister("_lines")
    for chunk in found.cast(pa.large_string()).chunks:
        if len(chunk):
            yield _bytes(chunk)


def _bytes(lines: pa.Array) -> memoryview:
    import numpy as np

    _, offsets, data = lines.buffers()
    bounds = np.frombuffer(offsets, np.int64)
    return memoryview(data)[int(bounds[lines.offset]) : int(bounds[lines.offset + len(lines)])]


def _value(name: str, column: TextColumn, values: pa.ChunkedArray) -> str:
    """SQL of a value's text; null stays null."""
    match column.type.kind:
        case "text" | "json":
            return _escaped(name) if _has_special(values) else name
        case "boolean" if not column.as_text:
            return f"({name}::tinyint)::varchar"
        case "timestamptz":
            # Arrow gives UTC; DuckDB would show it in the session's zone
            zone = " || '+00'" if column.as_text else ""
            return f"make_timestamp(epoch_us({name}))::varchar{zone}"
        case _:
            return f"{name}::varchar"


def _escaped(name: str) -> str:
    backslash = f"replace({name}, '\\', '\\\\')"
    for character, letter in ((9, "t"), (10, "n"), (13, "r"), (0, "0")):
        backslash = f"replace({backslash}, chr({character}), '\\{letter}')"
    return backslash


def _has_special(values: pa.ChunkedArray) -> bool:
    """Whether a byte that needs an escape stands anywhere in the column: most columns have none."""
    import numpy as np

    for chunk in values.chunks:
        data = chunk.buffers()[2]
        if data is not None:
            content = np.frombuffer(data, np.uint8)
            if content.size and int(content.min()) < 32:
                return True
            if (content == ord("\\")).any():
                return True
    return False


def parse_csv(data: bytes, types: Sequence[pa.DataType]) -> list[pa.ChunkedArray]:
    """CSV as COPY writes it: null is nothing, empty text is `""`.

    Rows with a value that its declared type can't hold (it was changed by others) are left out, so that the comparison
    fails.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return list(_read(data, types).columns)
    except pa.ArrowInvalid:
        texts = _read(data, [pa.string()] * len(types))
    found = [_lenient(texts[index], wanted) for index, wanted in enumerate(types)]
    kept = pa.repeat(pa.scalar(True), texts.num_rows)
    for values, given in zip(found, texts.columns, strict=True):
        kept = pc.and_(kept, pc.equal(values.is_null(), given.is_null()).combine_chunks())
    return [values.filter(kept) for values in found]


def _read(data: bytes, types: Sequence[pa.DataType]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv

    names = [f"c{index}" for index in range(len(types))]
    return csv.read_csv(
        pa.py_buffer(data),
        read_options=csv.ReadOptions(column_names=names, block_size=len(data) + 1, use_threads=False),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=dict(zip(names, types, strict=True)),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t", "true", "1"],
            false_values=["f", "false", "0"],
        ),
    )


def _lenient(texts: pa.ChunkedArray, wanted: pa.DataType) -> pa.ChunkedArray:
    import duckdb
    import pyarrow as pa

    kind = _duckdb_type(wanted)
    if kind == "varchar":
        return texts
    with duckdb.connect() as connection:
        connection.register("texts", pa.table({"v": texts}))
        value = f"try_cast(replace(v, ' BC', ' (BC)') as {kind})"
        if pa.types.is_timestamp(wanted) or pa.types.is_date(wanted):
            value = f"case when isfinite({value}) then {value} end"
        if pa.types.is_integer(wanted) or pa.types.is_decimal(wanted):
            # a cast would round: a number with more decimals than the type has is a changed value
            scale = wanted.scale if pa.types.is_decimal(wanted) else 0
            value = f"case when regexp_full_match(v, '-?[0-9]+([.][0-9]{{0,{scale}}}0*)?') then {value} end"
        found = connection.sql(f"select {value} as v from texts").to_arrow_table()["v"]
    return found.cast(wanted)


def _duckdb_type(wanted: pa.DataType) -> str:
    import pyarrow as pa

    if pa.types.is_decimal(wanted):
        return f"decimal({wanted.precision},{wanted.scale})"
    for kind in ("integer", "float", "boolean", "date", "time", "timestamp", "timestamptz"):
        if ColumnType(kind=kind).arrow() == wanted:
            return ColumnType(kind=kind).duckdb
    return "varchar"
