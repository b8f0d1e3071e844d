"""The contract suite of destinations on real PostgreSQL, MariaDB and MySQL servers."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg
import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.testing.contracts.destinations import Case, DestinationContract
from loadlock.testing.contracts.versions import VersionsContract
from loadlock.testing.databases import connect_mysql


@pytest.mark.postgres
class TestPostgres(DestinationContract, VersionsContract):
    """PostgreSQL, in a schema of its own."""

    @pytest.fixture
    def case(self, postgres: str) -> Case:
        def count() -> int | None:
            with psycopg.connect(postgres) as connection:
                if connection.execute("select to_regclass('s.people')").fetchall()[0][0] is None:
                    return None
                return int(connection.execute("select count(*) from s.people").fetchall()[0][0])

        def execute(sql: str) -> list[tuple[Any, ...]]:
            with psycopg.connect(postgres) as connection:
                cursor = connection.execute(sql.encode())
                return cursor.fetchall() if cursor.description else []

        execute("create schema s")
        target = Target(url=postgres, table="s.people")
        return Case(destination=PostgresDestination(), target=target, count=count, execute=execute)


@pytest.mark.mysql
class TestMysql(DestinationContract, VersionsContract):
    """MariaDB or MySQL, whatever `LOADLOCK_TEST_MYSQL` names."""

    @pytest.fixture
    def database(self, mysql: str) -> str:
        return mysql

    @pytest.fixture
    def case(self, database: str) -> Case:
        def count() -> int | None:
            with closing(connect_mysql(database)) as connection, connection.cursor() as cursor:
                cursor.execute("show tables like 'people'")
                if cursor.fetchone() is None:
                    return None
                cursor.execute("select count(*) from people")
                return int(cursor.fetchall()[0][0])

        def execute(sql: str) -> list[tuple[Any, ...]]:
            with closing(connect_mysql(database)) as connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())

        target = Target(url=database, table="people")
        return Case(destination=MysqlDestination(), target=target, count=count, execute=execute)


@pytest.mark.mysql
@pytest.mark.slow
class TestMysqlLts(TestMysql):
    """MySQL's own server."""

    @pytest.fixture
    def database(self, mysql_lts: str) -> str:
        return mysql_lts
