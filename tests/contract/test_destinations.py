"""The contract suite of destinations on real PostgreSQL, MariaDB and MySQL servers."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg
import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.testing.contracts.cases import only
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
@only(
    "test_a_pipeline_may_add_columns_to_an_existing_table",
    "test_a_publish_that_waits_for_a_yes_says_the_same",
    "test_a_published_run_is_known_when_it_comes_again",
    "test_a_trial_says_what_each_mode_would_do_and_changes_nothing",
    "test_a_value_that_stands_twice_in_a_unique_column_refuses_the_later_row",
    "test_an_upsert_writes_what_differs_or_all_or_given_columns",
    "test_changed_rows_are_closed_and_opened_anew_and_equal_ones_left",
    "test_chunks_with_receipts_are_not_loaded_twice",
    "test_every_type_comes_back_as_it_was_sent",
    "test_hostile_texts_and_names_survive_a_merge_by_key",
    "test_insert_only_adds_new_keys_and_leaves_known_rows_as_they_are",
    "test_refused_rows_are_found_and_the_rest_goes_on",
    "test_taken_back_the_versions_before_are_valid_again",
    "test_two_sessions_of_one_target_exclude_each_other",
    "test_versions_of_every_type_are_told_apart",
)
class TestMysqlLts(TestMysql):
    """MySQL's own server: what goes through statements and types in which it differs from MariaDB."""

    @pytest.fixture
    def database(self, mysql_lts: str) -> str:
        return mysql_lts
