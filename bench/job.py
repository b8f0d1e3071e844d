"""The files of the job: the dirty batch with its truth, and what baseline and peers are given instead of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from loadlock.testing.maker import BENCH_TYPES, make_batch

TABLE = "orders"
UNPARSEABLE = ("stray_quote", "open_quote")
"""Codes of the rows that Polars' reader refuses a whole file for."""
_DUCKDB_TYPES = {"integer": "bigint", "float": "double", "text": "varchar"}
_POSTGRES_TYPES = {"integer": "bigint", "float": "double precision"}
_MYSQL_TYPES = {"integer": "bigint", "float": "double", "text": "varchar(200)"}


@dataclass(frozen=True, kw_only=True)
class Job:
    """A batch as made. `settings` is its pipeline without destinations."""

    folder: Path
    source: Path
    truth: Path
    settings: str
    counts: Mapping[str, Any]

    def pipeline(self, name: str, urls: Sequence[str], mode: str = "replace") -> Path:
        """Write a pipeline that delivers into the table `orders` at each URL; `mode` may be followed by `, key: [...]`."""
        items = "".join(f"  - {{url: '{url}', table: {TABLE}, mode: {mode}}}\n" for url in urls)
        path = self.folder / f"{name}.yaml"
        path.write_text(f"{self.settings}destinations:\n{items}", encoding="utf-8")
        return path


def make_job(folder: Path, *, records: int, seed: int, shape: str = "bench") -> Job:
    """Make the batch below `folder`."""
    made = make_batch(folder, records=records, seed=seed, shape=shape)
    settings, found, _ = made.pipeline.read_text(encoding="utf-8").partition("destination:\n")
    if not found:
        raise ValueError(f"{made.pipeline}: no `destination:` to replace")
    return Job(folder=folder, source=made.files[0], truth=made.truth, settings=settings, counts=made.counts)


def postgres_table(key: str | None = None) -> str:
    """SQL that makes the empty table with the right types."""
    columns = [f"{name} {_POSTGRES_TYPES.get(kind, kind)}" for name, kind in BENCH_TYPES.items()]
    return f"create table {TABLE} ({', '.join(columns if key is None else [*columns, f'primary key ({key})'])})"


def mysql_table() -> str:
    """SQL that makes the empty table with the right types."""
    columns = ", ".join(f"{name} {_MYSQL_TYPES.get(kind, kind)}" for name, kind in BENCH_TYPES.items())
    return f"create table {TABLE} ({columns}) character set utf8mb4"


def write_clean(job: Job, path: Path, *, null: str, words: tuple[str, str] = ("true", "false")) -> None:
    """The rows that should load, in their types, as CSV without header; nulls stand unquoted as `null`."""
    values = ", ".join(written(name, kind, words) for name, kind in BENCH_TYPES.items())
    with duckdb.connect() as connection:
        connection.execute("set enable_progress_bar = false").fetchall()
        connection.execute(
            f"copy (select {values} from read_parquet('{job.truth}/truth.parquet') where _code is null order by _row)"
            f" to '{path}' (format csv, header false, nullstr '{null}')"
        ).fetchall()


def written(name: str, kind: str, words: tuple[str, str] = ("true", "false")) -> str:
    """SQL over the truth: a column's value in its type, as CSV takes it."""
    if kind == "boolean":
        return f"case {name}::boolean when true then '{words[0]}' when false then '{words[1]}' end"
    return f"{name}::{_DUCKDB_TYPES.get(kind, kind)}"


def write_parseable(job: Job, path: Path) -> int:
    """A copy of the source from which the rows with stray and open quotes were taken; returns how many."""
    truth = pq.read_table(job.truth / "truth.parquet", columns=["_offset", "_code"])
    offsets, codes = truth["_offset"].to_pylist(), truth["_code"].to_pylist()
    data = memoryview(job.source.read_bytes())
    ends = [*offsets[1:], len(data)]
    begin, taken = 0, 0
    with path.open("wb") as out:
        for offset, end, code in zip(offsets, ends, codes, strict=True):
            if code in UNPARSEABLE:
                out.write(data[begin:offset])
                begin, taken = end, taken + 1
        out.write(data[begin:])
    return taken
