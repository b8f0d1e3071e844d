"""`python -m bench.refused`: what rows cost that the database refuses, as a ratio to the same load without them.

One delivery (send, publish, read back) of typed rows, without intake and cleanup, into a table with a primary key, a check,
a unique column and a foreign key. In turn: all rows are right, or one of a thousand breaks the constraint named. The rejects
are compared with what was broken. The machine should do nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa

from bench.page import put_between_markers
from loadlock.delivery.base import DeliveryColumn, Destination, Job, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.model import Chunk, WriteMode
from loadlock.testing.databases import connect_mysql, fresh_mysql, fresh_postgres
from loadlock.testing.servers import start_mariadb, start_postgres
from loadlock.types import ColumnType

DOCS = Path(__file__).parent.parent / "docs" / "performance.md"
MARKERS = ("<!-- refused: begin (written by `make bench-refused`) -->", "<!-- refused: end -->")
TARGET = 2.0
PART_ROWS = 100_000
EVERY = 1000
BROKEN = ("check", "unique", "foreign key")
COLUMNS = (
    ("id", "integer", "bigint primary key"), ("email", "text", "varchar(80) unique"),
    ("country", "integer", "int references countries (id)"), ("quantity", "integer", "int check (quantity > 0)"),
    ("name", "text", "varchar(80)"), ("city", "text", "varchar(80)"), ("born", "date", "date"),
    ("amount", "decimal(12,2)", "decimal(12,2)"), ("weight", "float", "double precision"), ("paid", "boolean", "boolean"),
    ("status", "text", "varchar(20)"), ("note", "text", "text"), ("reference", "text", "varchar(60)"),
    ("seen", "timestamp", "{timestamp}"), ("changed", "date", "date"),
)  # fmt: skip
_ROWS = """
select i as id, case when {unique} then 'user0@example.com' else 'user' || i || '@example.com' end as email,
    case when {foreign_key} then 999 else i % 50 end as country, case when {check} then -1 else 1 + i % 9 end as quantity,
    'Bob O''Neil ' || i % 5000 as name, ['Lima', 'Tokyo', 'Köln', 'Malmö'][1 + i % 4] as city,
    date '1950-01-01' + (i % 20000)::integer as born, (i % 99999 / 100)::decimal(12,2) as amount, i / 7.0::double as weight,
    i % 2 = 0 as paid, ['open', 'paid', 'closed'][1 + i % 3] as status,
    case when i % 3 = 0 then 'needs follow up; soon' end as note, printf('ref-%010d', i) as reference,
    timestamp '2024-01-01' + to_seconds(i % 9000000) as seen, date '2020-01-01' + (i % 2000)::integer as changed,
    0::integer as _file, i as _row, 0::integer as _sub
from range({first}, {last}) numbers(i)
"""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server, and how the bench speaks to it. `execute` runs one statement in the database of a URL."""

    name: str
    url: str
    destination: Destination
    execute: Callable[[str, str], None]
    fresh: Callable[[str], Any]
    timestamp: str = "timestamp"
    """What the server calls a moment without a zone."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write docs/performance.md; 1 where rejects are not the rows that were broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.refused", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--servers", nargs="*", default=["PostgreSQL", "MariaDB"])
    parser.add_argument("--modes", nargs="*", default=["append", "upsert"])
    parser.add_argument("--broken", nargs="*", default=list(BROKEN))
    parser.add_argument("--no-docs", action="store_true")
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        lines = [
            line
            for server in servers(stack, options.servers)
            for mode in options.modes
            for line in measured(server, WriteMode(mode), options)
        ]
    if not options.no_docs:
        put_between_markers(DOCS, page(lines, options.rows, options.rounds), MARKERS)
    return 0


def servers(stack: ExitStack, wanted: Sequence[str]) -> Iterator[Server]:
    """Durable servers, stopped at the end of the stack."""
    if "PostgreSQL" in wanted:
        started = start_postgres(durable=True)
        stack.callback(started.stop)
        yield Server(
            name="PostgreSQL",
            url=started.url,
            destination=PostgresDestination(),
            execute=_postgres,
            fresh=fresh_postgres,
        )
    if "MariaDB" in wanted:
        started = start_mariadb(durable=True)
        stack.callback(started.stop)
        yield Server(
            name="MariaDB",
            url=started.url,
            destination=MysqlDestination(),
            execute=_mysql,
            fresh=fresh_mysql,
            timestamp="datetime(6)",
        )


def measured(server: Server, mode: WriteMode, options: argparse.Namespace) -> Iterator[str]:
    """The lines of one server and mode: the clean load and each kind of broken rows in turn, medians."""
    times: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for broken in ("", *options.broken):
            times.setdefault(broken, []).append(once(server, mode, broken, options.rows))
            print(f"{server.name} {mode} {broken or 'clean'}: {times[broken][-1]:.2f} s", file=sys.stderr)
    clean = statistics.median(times.pop(""))
    for broken, found in times.items():
        seconds = statistics.median(found)
        yield f"| {server.name} | {mode} | {broken} | {clean:.2f} | {seconds:.2f} | {seconds / clean:.2f} |"


def once(server: Server, mode: WriteMode, broken: str, rows: int) -> float:
    """Seconds of one delivery into a table of its own, with one of a thousand rows broken in this way."""
    with server.fresh(server.url) as url:
        make_table(server, url)
        job = Job(
            run="run", batch="batch", pipeline="bench", target=Target(url=url, table="orders"), mode=mode,
            columns=columns(mode), key=("id",) if mode.by_key else (),
        )  # fmt: skip
        parts = enumerate(made(rows, broken), 1)
        begun = time.perf_counter()
        with Delivery(server.destination, job) as delivery:
            delivery.open()
            delivery.load(parts, lambda chunk: _nothing(chunk))
            delivery.publish()
            receipt = delivery.verify()
        seconds = time.perf_counter() - begun
    found = [row.row for row in delivery.refused]
    wanted = [row for row in range(rows) if broken and is_broken(row)]
    if found != wanted or not receipt.equal:
        raise SystemExit(f"{len(found)} rows were refused, {len(wanted)} are broken; read back: {receipt.equal}")
    return seconds


def is_broken(row: int) -> bool:
    """Whether this row is one of those that may be broken."""
    return row % EVERY == EVERY // 2


def made(rows: int, broken: str) -> Iterator[pa.Table]:
    """The rows in parts."""
    bad = f"i % {EVERY} = {EVERY // 2}"
    conditions = {kind.replace(" ", "_"): bad if kind == broken else "false" for kind in BROKEN}
    with duckdb.connect() as connection:
        for first in range(0, rows, PART_ROWS):
            sql = _ROWS.format(first=first, last=min(rows, first + PART_ROWS), **conditions)
            yield connection.sql(sql).to_arrow_table()


def columns(mode: WriteMode) -> tuple[DeliveryColumn, ...]:
    """The delivered columns."""
    return tuple(
        DeliveryColumn(name=name, type=ColumnType.parse(kind), key=mode.by_key and name == "id", required=name == "id")
        for name, kind, _ in COLUMNS
    )


def make_table(server: Server, url: str) -> None:
    """The empty table, and the one that it points to."""
    server.execute(url, "create table countries (id int primary key)")
    server.execute(url, f"insert into countries values {', '.join(f'({number})' for number in range(50))}")
    body = ", ".join(f"{name} {definition}" for name, _, definition in COLUMNS)
    server.execute(url, f"create table orders ({body.format(timestamp=server.timestamp)})")


def page(lines: Sequence[str], rows: int, rounds: int) -> str:
    """The table of the page."""
    head = (
        f"{rows:,} rows, one of {EVERY:,} refused, medians of {rounds} rounds in turn, seconds; target ≤ {TARGET:g}.\n\n"
        "| server | mode | constraint | all rows right | with refused rows | ratio |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "\n".join(lines)


def _postgres(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.encode())


def _mysql(url: str, sql: str) -> None:
    with closing(connect_mysql(url)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)


def _nothing(chunk: Chunk) -> None:
    """Nobody keeps a list of chunks here."""


if __name__ == "__main__":
    sys.exit(main())
