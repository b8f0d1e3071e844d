"""A Parquet file, written beside and renamed. One row group a chunk, zstd; JSON and UUIDs as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from loadlock.delivery.base import Capabilities, ColumnInfo, Job, TableInfo, Target
from loadlock.delivery.destinations._files import (
    Columns,
    FileSession,
    forget_record,
    inspect_file,
    last_record,
    target_path,
)
from loadlock.errors import RefusedError
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

READ_ROWS = 50_000


class ParquetFile:
    """A Parquet file."""

    name: ClassVar[str] = "parquet"
    summary: ClassVar[str] = "a Parquet file"
    schemes: ClassVar[tuple[str, ...]] = (".parquet",)
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT}),
        transactions=False,
        foresees=True,
        undoes=frozenset({WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT}),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Options of a Parquet file."""

        compression: str = field(default="zstd", metadata={"doc": "`zstd`, `snappy`, `gzip`, `lz4` or `none`."})

    def label(self, target: Target) -> str:
        return str(target_path(target))

    def inspect(self, target: Target) -> TableInfo | None:
        return inspect_file(target, ParquetForm({}))

    def session(self, job: Job) -> FileSession:
        return FileSession(job, ParquetForm(job.target.options), self.label(job.target))

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        return last_record(target)

    def settled(self, target: Target, run: str) -> None:
        forget_record(target, run)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise RefusedError(f"can't read {path} as Parquet: {reason}", hint="Is it a Parquet file?") from error


class ParquetForm:
    """Parquet for `FileSession`."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._compression = str(options.get("compression", "zstd"))

    def planned(self, columns: Columns) -> TableInfo:
        return TableInfo(columns=tuple(ColumnInfo(name=c.name, sql_type=str(c.type.arrow())) for c in columns))

    def inspect(self, path: Path) -> TableInfo:
        import pyarrow.parquet as pq

        with _readable(path):
            schema = pq.read_schema(path)
        return TableInfo(
            columns=tuple(
                ColumnInfo(name=entry.name, sql_type=str(entry.type), nullable=entry.nullable, **_fit(entry.type))
                for entry in schema
            )
        )

    def count(self, path: Path) -> int:
        import pyarrow.parquet as pq

        with _readable(path):
            rows: int = pq.read_metadata(path).num_rows
        return rows

    def start(self, path: Path, columns: Columns) -> ParquetWriter:
        import pyarrow as pa

        return ParquetWriter(path, pa.schema([(c.name, c.type.arrow()) for c in columns]), self._compression)

    def go_on(self, old: Path, path: Path, columns: Columns) -> ParquetWriter:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with _readable(old), pq.ParquetFile(old) as source:
            writer = ParquetWriter(path, source.schema_arrow, self._compression)
            for batch in source.iter_batches(READ_ROWS):
                writer.write(pa.Table.from_batches([batch]))
        return writer

    def read(self, path: Path, columns: Columns) -> Iterator[pa.Table]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([(c.name, c.type.arrow()) for c in columns])
        with _readable(path), pq.ParquetFile(path) as source:
            # read whole and chosen by position: `columns=` would take a dot in a name for a path
            indexes = [source.schema_arrow.get_field_index(name) for name in schema.names]
            for batch in source.iter_batches(READ_ROWS):
                yield pa.Table.from_batches([batch]).select(indexes).cast(schema)


def _fit(kind: pa.DataType) -> dict[str, Any]:
    """What a column of this Arrow type takes, as arguments of `ColumnInfo`."""
    import pyarrow as pa

    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return {"accepts": ("text", "json", "uuid")}
    if pa.types.is_integer(kind):
        signed = pa.types.is_signed_integer(kind)
        bits = kind.bit_width - signed
        return {"accepts": ("integer",), "integer_range": (-(2**bits) if signed else 0, 2**bits - 1)}
    if pa.types.is_decimal(kind):
        return {"accepts": ("decimal", "integer"), "precision": kind.precision, "scale": kind.scale}
    if pa.types.is_timestamp(kind):
        return (
            {"accepts": ("timestamptz",) if kind.tz else ("timestamp",)}
            if kind.unit in ("us", "ns")
            else {"accepts": ()}
        )
    names = {pa.float64(): "float", pa.bool_(): "boolean", pa.date32(): "date", pa.time64("us"): "time"}
    return {"accepts": (names[kind],) if kind in names else ()}


class ParquetWriter:
    """Writes tables as row groups."""

    def __init__(self, path: Path, schema: pa.Schema, compression: str) -> None:
        import pyarrow.parquet as pq

        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression=compression)

    def write(self, rows: pa.Table) -> None:
        if rows.num_rows:
            self._writer.write_table(rows.cast(self._schema))

    def close(self) -> None:
        self._writer.close()
