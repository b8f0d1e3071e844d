"""Rows into PostgreSQL by binary COPY from Arrow, and out of it by COPY in CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import TYPE_CHECKING, Any

from loadlock.delivery.destinations._postgres_types import Wire
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa

SEND_ROWS = 8192
"""Rows encoded at a time: a refused row is noticed before the rest is encoded."""
READ_BYTES = 8 << 20
"""CSV bytes parsed at a time."""


def send(connection: psycopg.Connection[Any], statement: str, rows: pa.Table, wires: Sequence[Wire]) -> int:
    """Send a table's columns, in order, by `COPY ... FROM STDIN (FORMAT BINARY)`; rows the server took."""
    import pgpq.encoders
    import pgpq.schema
    import pyarrow as pa

    schema = pa.schema([pa.field(f"c{index}", wire.type) for index, wire in enumerate(wires)])
    encoders = {field.name: pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field) for field in schema}
    for field, wire in zip(schema, wires, strict=True):
        if wire.jsonb:
            encoders[field.name] = pgpq.encoders.StringEncoderBuilder.new_with_output(field, pgpq.schema.Jsonb())
    encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, encoders)
    with connection.cursor() as cursor:
        with cursor.copy(statement.encode()) as copy:
            copy.write(encoder.write_header())
            for batch in rows.to_batches(max_chunksize=SEND_ROWS):
                arrays = [wire.convert(values) for wire, values in zip(wires, batch.columns, strict=True)]
                copy.write(encoder.write_batch(pa.record_batch(arrays, schema=schema)))
            copy.write(encoder.finish())
        return cursor.rowcount


def receive(
    connection: psycopg.Connection[Any], statement: str, types: Sequence[pa.DataType]
) -> Iterator[list[pa.Array | pa.ChunkedArray]]:
    """The columns of a query's rows, block by block, from `COPY (...) TO STDOUT (FORMAT CSV)`."""
    buffer = BytesIO()
    with connection.cursor() as cursor, cursor.copy(statement.encode()) as copy:
        while data := copy.read():
            buffer.write(data)
            if buffer.tell() >= READ_BYTES:
                yield parse_csv(buffer.getvalue(), types)
                buffer = BytesIO()
    if buffer.tell():
        yield parse_csv(buffer.getvalue(), types)


def parse_csv(data: bytes, types: Sequence[pa.DataType]) -> list[pa.ChunkedArray]:
    """CSV as COPY writes it: null is nothing, empty text is `""`.

    Values that a declared type can't hold (they were changed by others) become null, so that the comparison fails.
    """
    import pyarrow as pa

    try:
        return list(_read(data, types).columns)
    except pa.ArrowInvalid:
        texts = _read(data, [pa.string()] * len(types))
        return [_lenient(texts[index], wanted) for index, wanted in enumerate(types)]


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
            true_values=["t", "true"],
            false_values=["f", "false"],
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
