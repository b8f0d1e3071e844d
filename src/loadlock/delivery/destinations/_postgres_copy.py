"""Rows into PostgreSQL by binary COPY from Arrow, or COPY in text for types that only the server can read; out of it in CSV."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from io import BytesIO
from typing import TYPE_CHECKING, Any

from loadlock.delivery.ahead import ahead
from loadlock.delivery.destinations._postgres_types import Wire
from loadlock.delivery.tabtext import TextColumn, encode_lines, parse_csv
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa
    from psycopg import pq

SEND_ROWS = 8192
"""Rows encoded at a time: a refused row is noticed before the rest is encoded."""
READ_BYTES = 8 << 20
"""CSV bytes parsed at a time."""


def send(
    connection: psycopg.Connection[Any],
    statement: str,
    rows: pa.Table,
    wires: Sequence[Wire],
    watch: Callable[[Sequence[pa.Array]], None] | None = None,
) -> int:
    """Send a table's columns, in order, by `COPY ... FROM STDIN`, its `statement`; rows the server took.

    `watch` is given each block of columns as they are encoded, in a thread that works ahead of the wire; not where they go as
    text.
    """
    if any(one.written for one in wires):
        return _send_text(connection, statement, rows)
    encoder, encode = _encoder(wires, watch)
    with connection.cursor() as cursor:
        binary = f"{statement} (format binary)".encode()
        with cursor.copy(binary) as copy, closing(ahead(_blocks(rows), encode)) as blocks:
            copy.write(encoder.write_header())
            for block in blocks:
                copy.write(block)
            copy.write(encoder.finish())
        return cursor.rowcount


def _send_text(connection: psycopg.Connection[Any], statement: str, rows: pa.Table) -> int:
    import duckdb
    import pyarrow as pa

    columns = [_as_text(kind) for kind in rows.schema.types]
    with duckdb.connect() as encoder, connection.cursor() as cursor:
        with cursor.copy(statement.encode()) as copy:
            for block in _blocks(rows):
                for lines in encode_lines(pa.Table.from_batches([block]), columns, encoder):
                    copy.write(lines)
        return cursor.rowcount


def _as_text(kind: pa.DataType) -> TextColumn:
    """How values of an Arrow type are written for COPY in text."""
    import pyarrow as pa

    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return TextColumn(type=ColumnType(kind="text"))
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return TextColumn(type=ColumnType(kind="timestamptz"), as_text=True)
    return TextColumn(type=ColumnType(kind="integer"))


def _blocks(rows: pa.Table) -> Iterator[pa.RecordBatch]:
    yield from rows.to_batches(max_chunksize=SEND_ROWS)


def _encoder(
    wires: Sequence[Wire], watch: Callable[[Sequence[pa.Array]], None] | None
) -> tuple[Any, Callable[[pa.RecordBatch], bytes]]:
    """The encoder of a COPY, and what makes a block's bytes."""
    import pgpq.encoders
    import pgpq.schema
    import pyarrow as pa

    schema = pa.schema([pa.field(f"c{index}", wire.type) for index, wire in enumerate(wires)])
    encoders = {field.name: pgpq.ArrowToPostgresBinaryEncoder.infer_encoder(field) for field in schema}
    for field, wire in zip(schema, wires, strict=True):
        if wire.jsonb:
            encoders[field.name] = pgpq.encoders.StringEncoderBuilder.new_with_output(field, pgpq.schema.Jsonb())
    encoder = pgpq.ArrowToPostgresBinaryEncoder.new_with_encoders(schema, encoders)

    def encode(batch: pa.RecordBatch) -> bytes:
        arrays = [wire.convert(values) for wire, values in zip(wires, batch.columns, strict=True)]
        if watch is not None:
            watch(arrays)
        block: bytes = encoder.write_batch(pa.record_batch(arrays, schema=schema))
        return block

    return encoder, encode


def receive(
    connection: psycopg.Connection[Any], statement: str, types: Sequence[pa.DataType]
) -> Iterator[list[pa.Array | pa.ChunkedArray]]:
    """The columns of a query's rows, block by block, from `COPY (...) TO STDOUT (FORMAT CSV)`."""
    buffer = BytesIO()
    for line in _copy_out(connection, statement):
        buffer.write(line)
        if buffer.tell() >= READ_BYTES:
            yield parse_csv(buffer.getvalue(), types)
            buffer = BytesIO()
    if buffer.tell():
        yield parse_csv(buffer.getvalue(), types)


def _copy_out(connection: psycopg.Connection[Any], statement: str) -> Iterator[memoryview | bytes]:
    """The lines of a COPY TO STDOUT, from libpq itself: psycopg's own loop takes two and a half times the processor time."""
    from psycopg import errors, pq

    wire = connection.pgconn
    result = wire.exec_(statement.encode())
    try:
        if result.status == pq.ExecStatus.COPY_OUT:
            while True:
                size, line = wire.get_copy_data(0)
                if size < 0:
                    break
                yield line
            result = wire.get_result() or result
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise errors.error_from_result(result)
    finally:
        _drain(wire)


def _drain(wire: pq.abc.PGconn) -> None:
    """Take what is left of a copy that was not read to its end, so that the connection can go on."""
    from psycopg import pq

    while (result := wire.get_result()) is not None:
        if result.status == pq.ExecStatus.COPY_OUT:
            while wire.get_copy_data(0)[0] >= 0:
                pass
        elif result.status == pq.ExecStatus.FATAL_ERROR and wire.status == pq.ConnStatus.BAD:
            break
