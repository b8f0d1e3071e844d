"""What deliveries to database servers leave beside the target, and an undo that is asked for in vain."""

from __future__ import annotations

import pytest

from loadlock.delivery.base import Destination, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.delivery.sqltext import STAGING_PREFIX, staging_name
from loadlock.errors import RefusedError
from loadlock.model import WriteMode
from loadlock.testing.contracts.cases import PEOPLE, Case, columns, deliver, ignore, job, part, person
from loadlock.testing.databases import ask

SERVERS = [pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("mysql", marks=pytest.mark.mysql)]


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    url = request.getfixturevalue(request.param)
    destination: Destination = PostgresDestination() if request.param == "postgres" else MysqlDestination()
    return Case(destination=destination, target=Target(url=url, table="people"), count=lambda: None)


def staging_tables(url: str) -> list[str]:
    schema = "current_schema()" if url.startswith("postgres") else "database()"
    named = f"table_schema = {schema} and table_name like '{STAGING_PREFIX}%'"
    return [str(name) for (name,) in ask(url, f"select table_name from information_schema.tables where {named}")]


@pytest.mark.parametrize("case", SERVERS, indirect=True)
def test_a_staging_table_of_a_published_delivery_goes_with_the_next_one(case: Case) -> None:
    url, work = case.target.url, job(case, PEOPLE, WriteMode.UPSERT)
    deliver(case, work, [part(PEOPLE, [person(1)])])
    assert staging_tables(url) == []
    cut_off = staging_name(work)
    unfinished = job(case, PEOPLE, WriteMode.UPSERT, "run2")
    ask(url, f"create table {cut_off} (n int)")
    with Delivery(case.destination, unfinished) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(2)]))], ignore)
    assert staging_tables(url) == [staging_name(unfinished)], "what can be resumed stays, what was published goes"
    deliver(case, job(case, PEOPLE, WriteMode.UPSERT, "run3"), [part(PEOPLE, [person(3)])])
    assert staging_tables(url) == [staging_name(unfinished)]


@pytest.mark.mysql
@pytest.mark.parametrize("case", ["mysql"], indirect=True)
def test_an_undo_that_is_asked_for_and_can_not_be_had_is_refused(case: Case) -> None:
    ask(case.target.url, "create table people (n bigint)")
    given = columns("n:integer")
    with Delivery(case.destination, job(case, given, WriteMode.APPEND, undo=1)) as delivery:
        assert any("say `undo: none`" in note for note in delivery.open().notes)
    with (
        pytest.raises(RefusedError, match="undo: 2") as caught,
        Delivery(case.destination, job(case, given, WriteMode.APPEND, undo=2, undo_asked=True)) as delivery,
    ):
        delivery.open()
    assert "undo: none" in str(caught.value.hint)
    deliver(case, job(case, given, WriteMode.APPEND, lineage=False), [part(given, [(1,)])])
