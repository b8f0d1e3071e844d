"""A table that holds rows already: half of them the batch changes, the other half it must leave alone."""

from __future__ import annotations

import duckdb
import psycopg

from bench.errors import BenchError
from bench.job import TABLE, Job, postgres_table, written
from loadlock.testing.maker import BENCH_TYPES

OTHERS = 1_000_000_000
"""Keys of rows that the batch doesn't know begin here."""
_STALE = {"status": "'stale'", "amount": "0.00", "note": "null"}
_KEPT = {"status": "'kept'", "amount": "1.00", "order_id": f"order_id::bigint + {OTHERS}"}


class Filling:
    """The rows of such a table, made from the truth of a job: every second row that the batch will load, with other values,
    and each of these once more under a key of its own."""

    def __init__(self, job: Job) -> None:
        self._path = job.folder / "filling.csv"
        half = f"from read_parquet('{job.truth}/truth.parquet') where _code is null and order_id::bigint % 2 = 0"
        rows = " union all ".join(f"select {_values(other)} {half}" for other in (_STALE, _KEPT))
        with duckdb.connect() as connection:
            connection.execute("set enable_progress_bar = false").fetchall()
            connection.execute(f"copy ({rows}) to '{self._path}' (format csv, header false)").fetchall()
            self.changed: int = connection.execute(f"select count(*) {half}").fetchall()[0][0]

    @property
    def rows(self) -> int:
        """All rows of the table."""
        return 2 * self.changed

    def fill(self, url: str) -> None:
        """Make the table with its primary key, and fill it."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(postgres_table(key="order_id").encode())
            with (
                connection.cursor() as cursor,
                cursor.copy(f"copy {TABLE} from stdin (format csv)".encode()) as copy,
                self._path.open("rb") as file,
            ):
                while block := file.read(1 << 20):
                    copy.write(block)
            connection.execute(f"vacuum analyze {TABLE}".encode())
            connection.execute("checkpoint")

    def take_out(self, url: str) -> None:
        """Take away the rows that the batch doesn't know; a BenchError if it changed one."""
        others = f"from {TABLE} where order_id >= {OTHERS}"
        kept = f"select count(*), count(*) filter (where status = 'kept' and amount = 1) {others}"
        with psycopg.connect(url, autocommit=True) as connection:
            found = connection.execute(kept.encode()).fetchone()
            if found != (self.changed, self.changed):
                raise BenchError(
                    f"of {self.changed:,} rows that the batch doesn't know are left, and as they were: {found}"
                )
            connection.execute(f"delete {others}".encode())


def _values(others: dict[str, str]) -> str:
    return ", ".join(others.get(name) or written(name, kind) for name, kind in BENCH_TYPES.items())
