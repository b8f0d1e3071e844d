"""The contract suites of rollbacks and of SQL hooks on every destination."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb
import psycopg
import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.destinations.csv_file import CsvFile
from loadlock.delivery.destinations.duckdb import DuckDB
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.delivery.destinations.sqlite import SQLite
from loadlock.testing.contracts.cases import Case, only
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
@only(
    "test_a_delete_insert_brings_its_partitions_back",
    "test_a_mirror_brings_back_what_it_deleted",
    "test_every_type_comes_back_as_it_was",
    "test_hooks_see_the_rows_before_and_behind",
    "test_retired_rows_go_with_the_publish_and_come_back",
    "test_undone_in_spite_of_a_conflict_the_old_rows_are_there_again",
)
class TestMysqlLts(TestMysql):
    """MySQL's own server: what goes through statements and types in which it differs from MariaDB."""

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


class TestFiles(UndoContract):
    """Which format does not matter: a file is taken back as a whole."""

    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        path = tmp_path / "out.csv"

        def count() -> int:
            with duckdb.connect() as connection:
                rows = f"read_csv('{path}', header = true, all_varchar = true)"
                known = path.exists() and path.stat().st_size
                return int(connection.execute(f"select count(*) from {rows}").fetchall()[0][0]) if known else 0

        return Case(destination=CsvFile(), target=Target(url=str(path)), count=count)
