"""The local engine: this machine's cores, by threads (DuckDB, PyArrow and NumPy release the lock while they work)."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
R = TypeVar("R")

PARTITIONS = 16
"""Spill files of `by_key`: each is read back whole, so memory is about the rows' size divided by this."""
QUERY_MEMORY = "160MB"
"""DuckDB's limit for `whole`; beyond it DuckDB spills to the temporary folder."""


class LocalEngine:
    """Runs parts on threads of this process; at most `workers` + 1 parts are in flight.

    `temp_folder` is where spills go (removed on close).
    """

    name: ClassVar[str] = "local"

    def __init__(self, *, workers: int | None = None, temp_folder: Path | None = None) -> None:
        self.workers = workers or min(8, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="loadlock")
        self._temp_parent = temp_folder
        self._temp: Path | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def map(self, function: Callable[[T], R], parts: Iterable[T]) -> Iterator[R]:
        """See `Engine.map`."""
        waiting: deque[Future[R]] = deque()
        source = iter(parts)
        try:
            for part in source:
                waiting.append(self._pool.submit(function, part))
                if len(waiting) > self.workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
            for future in waiting:
                if not future.cancelled():
                    future.exception()  # wait: nothing runs on behind the caller's back

    def by_key(
        self, function: Callable[[pa.Table], pa.Table], tables: Iterable[pa.Table], keys: Sequence[str]
    ) -> Iterator[pa.Table]:
        """See `Engine.by_key`: rows are spilled to hash partitions, then each partition goes through `function`."""
        folder = Path(tempfile.mkdtemp(dir=self._temp_folder()))
        try:
            partitions = _spill(tables, keys, folder)
            yield from self.map(_PartitionCall(function), partitions)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def whole(self, query: str, views: dict[str, Sequence[str]]) -> pa.Table:
        """See `Engine.whole`."""
        import duckdb

        with duckdb.connect(
            config={"memory_limit": QUERY_MEMORY, "temp_directory": str(self._temp_folder())}
        ) as connection:
            for name, files in views.items():
                bind_parquet(connection, name, files)
            return connection.sql(query).to_arrow_table()

    def close(self) -> None:
        """See `Engine.close`."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._temp is not None:
            shutil.rmtree(self._temp, ignore_errors=True)
            self._temp = None

    def _temp_folder(self) -> Path:
        if self._temp is None:
            if self._temp_parent is not None:
                self._temp_parent.mkdir(parents=True, exist_ok=True)
            self._temp = Path(tempfile.mkdtemp(prefix="loadlock-", dir=self._temp_parent))
        return self._temp


def bind_parquet(connection: Any, name: str, files: Sequence[str]) -> None:
    """Create a view over Parquet files, united by column name."""
    listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    quoted = '"' + name.replace('"', '""') + '"'
    connection.execute(f"create view {quoted} as select * from read_parquet([{listed}], union_by_name=true)").fetchall()


class _PartitionCall:
    """Reads one spilled partition and calls the function with it."""

    def __init__(self, function: Callable[[pa.Table], pa.Table]) -> None:
        self.function = function

    def __call__(self, path: Path) -> pa.Table:
        import pyarrow as pa

        with pa.OSFile(str(path)) as file:
            return self.function(pa.ipc.open_stream(file).read_all())


def _spill(tables: Iterable[pa.Table], keys: Sequence[str], folder: Path) -> list[Path]:
    import duckdb
    import numpy as np
    import pyarrow as pa

    writers: dict[int, tuple[pa.OSFile, pa.RecordBatchStreamWriter]] = {}
    listed = ", ".join('"' + key.replace('"', '""') + '"' for key in keys)
    connection = duckdb.connect(config={"threads": "1"})
    try:
        for table in tables:
            connection.register("spilled", table)
            hashed = connection.sql(
                f"select (hash({listed}) % {PARTITIONS})::utinyint as p from spilled"
            ).to_arrow_table()
            connection.unregister("spilled")
            numbers = hashed["p"].combine_chunks().to_numpy()
            for number in np.unique(numbers).tolist():
                if number not in writers:
                    file = pa.OSFile(str(folder / f"{number}.arrow"), "wb")
                    writers[number] = (file, pa.ipc.new_stream(file, table.schema))
                writers[number][1].write_table(table.take(np.flatnonzero(numbers == number)))
    finally:
        connection.close()
        for file, writer in writers.values():
            writer.close()
            file.close()
    return [folder / f"{number}.arrow" for number in sorted(writers)]
