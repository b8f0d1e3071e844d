"""`python -m bench.readers`: how long a reader of a table waits while it is loaded and published.

A second process reads one row by its key, again and again, each time in a transaction of its own, and notes how long each read
took and what it saw. Once while nothing happens, once while the same rows go into another table (the server is busy, and nobody
holds the reader up), once while they replace, or are merged into, the table that is read.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import duckdb

from bench.errors import BenchError
from bench.page import put_between_markers
from loadlock.delivery.base import DeliveryColumn, Job, Target
from loadlock.delivery.deliver import Delivery
from loadlock.model import Chunk, WriteMode
from loadlock.testing.databases import ask, connect_mysql, fresh_mysql, fresh_postgres
from loadlock.testing.servers import MissingServerError, start_mariadb, start_mysql, start_postgres
from loadlock.types import ColumnType
from loadlock.workflow.destinations import destination_for

DOCS = Path(__file__).parent.parent / "docs" / "performance.md"
MARKERS = ("<!-- readers: begin (written by `make bench-readers`) -->", "<!-- readers: end -->")
MODES = (WriteMode.REPLACE, WriteMode.UPSERT, WriteMode.MIRROR, WriteMode.DELETE_INSERT)
QUIET_SECONDS = 3.0
PART_ROWS = 100_000
COLUMNS = tuple(
    DeliveryColumn(name=name, type=ColumnType(kind=kind), key=name == "id")
    for name, kind in (("id", "integer"), ("name", "text"), ("n", "integer"), ("note", "text"))
)
TABLE = "create table {} (id bigint primary key, name varchar(60), n bigint, note varchar(200))"
_ROWS = """
select i as id, 'name ' || i as name, {n}::bigint as n, repeat('note ', 1 + (i % 20)::integer) as note,
    0::integer as _file, i as _row, 0::integer as _sub from range({first}, {last}) numbers(i)
"""


@dataclass(frozen=True, kw_only=True)
class Reads:
    """What a reader noted: seconds of each read, and the values it saw, in order, each once in a row."""

    seconds: list[float]
    seen: list[int | None]

    @property
    def cells(self) -> str:
        """Reads, median, 99th percentile and longest, in milliseconds."""
        ordered = sorted(self.seconds)
        at = (ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1])
        return f"{len(ordered):,} | " + " | ".join(f"{seconds * 1000:.1f}" for seconds in at)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write docs/performance.md; a BenchError where a reader saw another value than the old and the new one."""
    parser = argparse.ArgumentParser(prog="python -m bench.readers", description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--servers", nargs="*", default=["PostgreSQL", "MariaDB", "MySQL"])
    parser.add_argument("--no-docs", action="store_true")
    options = parser.parse_args(arguments)
    starts = {"PostgreSQL": start_postgres, "MariaDB": start_mariadb, "MySQL": start_mysql}
    lines = [
        "| server | meanwhile | reads | median ms | 99 % ms | longest ms |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    with ExitStack() as stack:
        for name in options.servers:
            try:
                server = starts[name](durable=True)
            except MissingServerError as error:
                print(f"{name}: {error}", file=sys.stderr)
                continue
            stack.callback(server.stop)
            for line in measured(name, server.url, options.rows):
                print(line, file=sys.stderr)
                lines.append(line)
    if not options.no_docs:
        put_between_markers(
            DOCS, f"{options.rows:,} rows in the table, as many delivered.\n\n" + "\n".join(lines), MARKERS
        )
    return 0


def measured(name: str, server_url: str, rows: int) -> Iterator[str]:
    """The lines of one server."""
    fresh = fresh_postgres if name == "PostgreSQL" else fresh_mysql
    with fresh(server_url) as url:
        ask(url, TABLE.format("t"), TABLE.format("other"))
        deliver(url, "t", WriteMode.APPEND, rows, 0)
        quiet = watched(url, lambda: time.sleep(QUIET_SECONDS))
        yield f"| {name} | nothing | {quiet.cells} |"
        busy = watched(url, lambda: deliver(url, "other", WriteMode.REPLACE, rows, 1))
        yield f"| {name} | the rows go into another table | {busy.cells} |"
        for number, mode in enumerate(MODES, 1):
            found = watched(url, lambda mode=mode, number=number: deliver(url, "t", mode, rows, number))  # type: ignore[misc]
            if found.seen != [number - 1, number]:
                raise BenchError(f"{name}, {mode}: a reader saw {found.seen}, not the old value and then the new one")
            yield f"| {name} | {mode} | {found.cells} |"


def deliver(url: str, table: str, mode: WriteMode, rows: int, value: int) -> None:
    """Deliver the rows with this value in the column `n`."""
    made = Job(
        run=f"r{value}{table}", batch=f"b{value}{table}", pipeline="bench", target=Target(url=url, table=table), mode=mode,
        columns=COLUMNS, key=("id",) if mode.by_key else (),
    )  # fmt: skip
    with Delivery(destination_for(url)(), made) as delivery:
        delivery.open()
        delivery.load(_parts(rows, value), _ignore)
        delivery.publish()
        if not delivery.verify().equal:
            raise BenchError(f"{mode}: the rows read back differ")


def _parts(rows: int, value: int) -> Iterator[tuple[int, Any]]:
    with duckdb.connect() as connection:
        for seq, first in enumerate(range(0, rows, PART_ROWS)):
            sql = _ROWS.format(n=value, first=first, last=min(rows, first + PART_ROWS))
            yield seq, connection.sql(sql).to_arrow_table()


def _ignore(chunk: Chunk) -> None:
    return


def watched(url: str, work: Callable[[], None]) -> Reads:
    """Do something while a second process reads."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    reader = context.Process(target=_read, args=(url, theirs), daemon=True)
    reader.start()
    ours.recv()
    try:
        work()
    finally:
        ours.send(None)
        found: Reads = ours.recv()
        reader.join()
    return found


def _read(url: str, pipe: Connection) -> None:
    query = "select n from t where id = 4711"
    seconds: list[float] = []
    seen: list[int | None] = []
    with ExitStack() as stack:
        if url.startswith("postgres"):
            import psycopg

            link: Any = stack.enter_context(psycopg.connect(url, autocommit=True))
        else:
            link = stack.enter_context(closing(connect_mysql(url)))
        cursor = stack.enter_context(link.cursor())
        pipe.send(None)
        while not pipe.poll():
            begun = time.perf_counter()
            cursor.execute(query)
            found = cursor.fetchone()
            seconds.append(time.perf_counter() - begun)
            value = None if found is None else int(found[0])
            if not seen or seen[-1] != value:
                seen.append(value)
            time.sleep(0.001)
    pipe.send(Reads(seconds=seconds, seen=seen))


if __name__ == "__main__":
    sys.exit(main())
