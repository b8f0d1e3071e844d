"""arrow: an Arrow IPC file, replaced as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from loadlock.delivery.base import (
    Capabilities,
    ColumnInfo,
    DeliveryColumn,
    Job,
    Opened,
    Published,
    Session,
    TableInfo,
    Target,
)
from loadlock.errors import BalanceError
from loadlock.model import Chunk, VerifyLevel, WriteMode
from loadlock.rows import FILE


class ArrowFile:
    """An Arrow IPC file. Holds the rows in memory until they are published."""

    name: ClassVar[str] = "arrow"
    summary: ClassVar[str] = "an Arrow IPC file"
    schemes: ClassVar[tuple[str, ...]] = (".arrow",)
    capabilities: ClassVar[Capabilities] = Capabilities(modes=frozenset({WriteMode.REPLACE}), transactions=False)

    def label(self, target: Target) -> str:
        return target.url

    def inspect(self, target: Target) -> TableInfo | None:
        if not Path(target.url).exists():
            return None
        with pa.memory_map(target.url) as file:
            schema = pa.ipc.open_file(file).schema
        return TableInfo(columns=tuple(ColumnInfo(name=entry.name, sql_type=str(entry.type)) for entry in schema))

    def session(self, job: Job) -> ArrowSession:
        return ArrowSession(job)

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        return None


class ArrowSession(Session):
    def __init__(self, job: Job) -> None:
        self.job = job
        self.path = Path(job.target.url)
        self.chunks: dict[str, pa.Table] = {}

    def open(self) -> Opened:
        info = TableInfo(columns=tuple(ColumnInfo(name=c.name, sql_type=str(c.type)) for c in self.job.columns))
        return Opened(table=info, created=not self.path.exists(), staged=False)

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        self.chunks.setdefault(chunk.id, rows)

    def publish(self, *, rows: int, digest: str) -> Published:
        arrived = sum(table.num_rows for table in self.chunks.values())
        if arrived != rows:
            raise BalanceError(f"{self.path}: {rows} rows were sent, {arrived} arrived")
        schema = pa.schema([(column.name, column.type.arrow()) for column in self.job.columns])
        beside = self.path.with_suffix(".part")
        with pa.OSFile(str(beside), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for table in self.chunks.values():
                writer.write_table(table.select(schema.names).cast(schema))
        beside.replace(self.path)
        counts = Counter(index for table in self.chunks.values() for index in table[FILE].to_pylist())
        return Published(inserted=rows, by_file={index: (count, 0, 0) for index, count in counts.items()})

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        with pa.memory_map(str(self.path)) as file:
            table = pa.ipc.open_file(file).read_all()
        return VerifyLevel.CONTENT, iter([table.select([column.name for column in columns])])

    def abandon(self) -> None:
        self.chunks.clear()

    def close(self) -> None:
        self.chunks.clear()
