"""The contract suites of rollbacks and of SQL hooks on every destination."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import duckdb
import psycopg
import pytest

from loadlock.delivery.base import Destination, Target
from loadlock.delivery.destinations.csv_file import CsvFile
from loadlock.delivery.destinations.duckdb import DuckDB
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.delivery.destinations.ndjson_file import NdjsonFile
from loadlock.delivery.destinations.parquet_file import ParquetFile
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.delivery.destinations.sqlite import SQLite
from loadlock.testing.contracts.destinations import Case
from loadlock.testing.contracts.hooks import HooksContract
from loadlock.testing.contracts.undo import UndoContract
from loadlock.testing.databases import connect_mysql


@pytest.mark.postgres
class TestPostgres(UndoContract, HooksContract):
    @pytest.fixture
    def case(self, postgres: str) -> Case:
        def execute(sql: str) -> None:
            with psycopg.connect(postgres) as connection:
                connection.execute(sql.encode())

        def count() -> int:
            with psycopg.connect(postgres) as connection:
                return int(connection.execute("select count(*) from people").fetchall()[0][0])

        target = Target(url=postgres, table="people")
        return Case(destination=PostgresDestination(), target=target, count=count, execute=execute)


@pytest.mark.mysql
class TestMysql(UndoContract, HooksContract):
    @pytest.fixture
    def database(self, mysql: str) -> str:
        return mysql

    @pytest.fixture
    def case(self, database: str) -> Case:
        def execute(sql: str) -> None:
            with closing(connect_mysql(database)) as connection, connection.cursor() as cursor:
                cursor.execute(sql)

        def count() -> int:
            with closing(connect_mysql(database)) as connection, connection.cursor() as cursor:
                cursor.execute("select count(*) from people")
                return int(cursor.fetchall()[0][0])

        target = Target(url=database, table="people")
        return Case(destination=MysqlDestination(), target=target, count=count, execute=execute)


@pytest.mark.mysql
@pytest.mark.slow
class TestMysqlLts(TestMysql):
    """MySQL's own server."""

    @pytest.fixture
    def database(self, mysql_lts: str) -> str:
        return mysql_lts


class TestDuckDB(UndoContract, HooksContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        path = tmp_path / "shop.duckdb"

        def execute(sql: str) -> None:
            with duckdb.connect(str(path)) as connection:
                connection.execute(sql).fetchall()

        def count() -> int:
            with duckdb.connect(str(path)) as connection:
                return int(connection.execute("select count(*) from people").fetchall()[0][0])

        target = Target(url=f"duckdb:///{path}", table="people")
        return Case(destination=DuckDB(), target=target, count=count, execute=execute)


class TestSQLite(UndoContract, HooksContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        path = tmp_path / "shop.db"

        def execute(sql: str) -> None:
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                connection.execute(sql)

        def count() -> int:
            with closing(sqlite3.connect(path)) as connection:
                return int(connection.execute("select count(*) from people").fetchall()[0][0])

        target = Target(url=f"sqlite:///{path}", table="people")
        return Case(destination=SQLite(), target=target, count=count, execute=execute)


FILES: dict[str, Callable[[], Destination]] = {".csv": CsvFile, ".parquet": ParquetFile, ".ndjson": NdjsonFile}


class TestFiles(UndoContract):
    @pytest.fixture(params=sorted(FILES))
    def case(self, request: pytest.FixtureRequest, tmp_path: Path) -> Case:
        path = tmp_path / f"out{request.param}"
        readers = {
            ".csv": f"read_csv('{path}', header = true, all_varchar = true)",
            ".parquet": f"'{path}'",
            ".ndjson": f"'{path}'",
        }

        def count() -> int:
            if not path.exists() or not path.stat().st_size:
                return 0
            with duckdb.connect() as connection:
                return int(connection.execute(f"select count(*) from {readers[request.param]}").fetchall()[0][0])

        return Case(destination=FILES[request.param](), target=Target(url=str(path)), count=count)
