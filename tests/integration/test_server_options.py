"""Statement and lock timeouts of database servers, as settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import psycopg
import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations import _mysql_wire
from loadlock.delivery.destinations._server_options import ServerOptions
from loadlock.delivery.retry import RetryPolicy
from loadlock.errors import RefusedError, UnavailableError, UsageError
from loadlock.model import WriteMode
from loadlock.testing.contracts.destinations import PEOPLE, Case, job, part, person
from loadlock.testing.databases import connect_mysql
from loadlock.workflow.destinations import destination_for

TABLE = "create table people (id bigint primary key, name varchar(20), score decimal(10,2))"
ONCE = RetryPolicy(attempts=1)

Sql = Callable[[str], Any]


class Others:
    """A server with a table, and another session there."""

    def __init__(self, url: str, execute: Sql) -> None:
        self.url, self.execute = url, execute
        self.is_postgres = url.startswith("postgres")
        execute(TABLE)

    def delivery(self, mode: WriteMode = WriteMode.REPLACE, **options: float) -> Delivery:
        """A delivery that tries once."""
        target = Target(url=self.url, table="people", options=options)
        case = Case(destination=destination_for(self.url)(), target=target, count=lambda: None)
        return Delivery(case.destination, job(case, PEOPLE, mode), retry=ONCE)


@pytest.fixture(
    params=[pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("mysql", marks=pytest.mark.mysql)]
)
def others(request: pytest.FixtureRequest) -> Iterator[Others]:
    url = request.getfixturevalue(request.param)
    with ExitStack() as stack:
        if request.param == "postgres":
            session = stack.enter_context(psycopg.connect(url, autocommit=True))
            yield Others(url, lambda sql: session.execute(sql.encode()))
        else:
            cursor = stack.enter_context(closing(connect_mysql(url))).cursor()
            yield Others(url, cursor.execute)


def load(delivery: Delivery) -> None:
    with delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(1), person(2)]))], lambda _: None)
        delivery.publish()


def test_a_lock_of_others_is_waited_for_as_long_as_the_setting_says(others: Others) -> None:
    others.execute("insert into people values (1, 'theirs', 0)")
    others.execute("begin")
    others.execute("update people set name = 'held'")
    with pytest.raises(UnavailableError, match=r"55P03|1205"):
        load(others.delivery(lock_timeout=1))
    others.execute("rollback")
    load(others.delivery(lock_timeout=1))


def test_a_table_that_others_alter_is_waited_for_as_long_as_the_setting_says(others: Others) -> None:
    others.execute("begin" if others.is_postgres else "lock tables people write")
    if others.is_postgres:
        others.execute("alter table people add column more text")
    with pytest.raises(UnavailableError, match=r"55P03|1205"):
        load(others.delivery(lock_timeout=1))


def test_a_statement_that_takes_longer_than_the_setting_is_given_up(
    others: Others, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mysql_wire, "_GRACE_SECONDS", 0.2)
    if others.is_postgres:
        body = "begin perform pg_sleep(2); return new; end"
        others.execute(f"create function slow() returns trigger language plpgsql as $$ {body} $$")
        others.execute("create trigger slow before insert on people for each row execute function slow()")
    else:
        others.execute("create trigger slow before insert on people for each row set @slept = sleep(2)")
    with pytest.raises((RefusedError, UnavailableError), match=r"(?i)57014|1969|lost connection"):
        load(others.delivery(statement_timeout=0.5))


@pytest.mark.parametrize("options", [{"lock_timeout": "ten"}, {"statement_timeout": -1}, {"lock_timeout": 0}])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        ServerOptions.of(options)
