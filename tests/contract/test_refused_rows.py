"""Rows that a database server refuses, by every kind of constraint at once: each a reject, the others delivered."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from loadlock.delivery.base import DeliveryColumn, Destination, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.delivery.staged import StagedDelivery
from loadlock.errors import RefusedError
from loadlock.model import WriteMode
from loadlock.testing.contracts.cases import Case, columns, ignore, job, part
from loadlock.testing.databases import connect_mysql

SERVERS = [
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("mysql", marks=pytest.mark.mysql),
    pytest.param("mysql_lts", marks=pytest.mark.mysql),
]
ROWS = 600
BROKEN = {7: "check", 8: "unique", 109: "unique", 210: "foreign key", 311: "not null", 412: "check", 413: "words"}
CODES = {
    "postgres": {"check": "23514", "unique": "23505", "foreign key": "23503", "not null": "23502", "words": "23514"},
    "mysql": {"check": "4025", "unique": "1062", "foreign key": "1452", "not null": "1048", "words": "4025"},
    "mysql_lts": {"check": "3819", "unique": "1062", "foreign key": "1452", "not null": "1048", "words": "3819"},
}
MODES = [WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT, WriteMode.INSERT_ONLY]


@pytest.fixture(params=SERVERS)
def case(request: pytest.FixtureRequest) -> tuple[str, Case]:
    url = request.getfixturevalue(request.param)
    destination: Destination = PostgresDestination() if request.param == "postgres" else MysqlDestination()
    return request.param, Case(destination=destination, target=Target(url=url, table="t"), count=lambda: None)


def execute(case: Case, *statements: str) -> list[tuple[Any, ...]]:
    if case.target.url.startswith("postgres"):
        import psycopg

        with psycopg.connect(case.target.url, autocommit=True) as connection:
            cursors = [connection.execute(statement.encode()) for statement in statements]
            return cursors[-1].fetchall() if cursors[-1].description else []
    with closing(connect_mysql(case.target.url)) as wire, wire.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall())


def make_tables(case: Case) -> None:
    execute(
        case,
        "create table p (a int, b varchar(9), primary key (a, b))",
        "insert into p values (1, 'x'), (2, 'x')",
        "create table t (id int primary key, email varchar(40) unique, a int, b varchar(9), n int check (n > 0),"
        " word varchar(20) not null, check (word not in ('it''s', 'bad')), constraint points_to foreign key (a, b)"
        " references p (a, b))",
        "insert into t values (100000, 'known@x', null, null, 1, 'w')",
    )


def given(mode: WriteMode) -> tuple[DeliveryColumn, ...]:
    specs = ("id:integer", "email:text", "a:integer", "b:text", "n:integer", "word:text")
    return columns(*specs, key=("id",) if mode.by_key else ())


def row(number: int, mode: WriteMode) -> tuple[Any, ...]:
    broken = BROKEN.get(number)
    # what the table has already is only met by a direct load: the row there may go in the publish of the others
    email = {8: "3@x" if mode.by_key else "known@x", 109: "5@x"}.get(number, f"{number}@x")
    return (
        number,
        email if number % 50 or broken else None,
        9 if broken == "foreign key" else (1, 2, None)[number % 3],
        "x",
        0 if broken == "check" else 5,
        {"not null": "", "words": "it's"}.get(broken or "", "fine"),
    )


@pytest.mark.parametrize("mode", MODES)
def test_rows_of_every_broken_constraint_become_rejects(case: tuple[str, Case], mode: WriteMode) -> None:
    server, place = case
    make_tables(place)
    wanted = {number for number, kind in BROKEN.items() if kind != "not null"}
    if mode == WriteMode.REPLACE:
        wanted -= {8}  # the row that has the email already goes
    rows = [row(number, mode) for number in range(ROWS)]
    with Delivery(place.destination, job(place, given(mode), mode), chunk_rows=150) as delivery:
        delivery.open()
        delivery.load([(1, part(given(mode), rows, first_row=0))], ignore)
        delivery.publish()
        receipt = delivery.verify()
    assert {one.row for one in delivery.refused} == wanted
    assert (receipt.rows, receipt.rejected, receipt.equal) == (ROWS - len(wanted), len(wanted), True)
    for one in delivery.refused:
        assert f"[{CODES[server][BROKEN[one.row]]}]" in one.problem.message
    found = {number for (number,) in execute(place, "select id from t")}
    assert found - {100000} == set(range(ROWS)) - wanted


@pytest.mark.parametrize("mode", [WriteMode.UPSERT, WriteMode.MIRROR, WriteMode.INSERT_ONLY, WriteMode.DELETE_INSERT])
def test_rows_may_point_to_others_of_the_same_batch(case: tuple[str, Case], mode: WriteMode) -> None:
    _, place = case
    execute(
        place,
        "create table t (id int primary key, boss int, foreign key (boss) references t (id))",
        "insert into t values (7, null)",
    )
    given = columns("id:integer", "boss:integer", key=("id",))
    # each points to the next one, the last to itself
    rows = [(number, min(number + 1, 39)) for number in range(40)]
    with Delivery(place.destination, job(place, given, mode), chunk_rows=15) as delivery:
        delivery.open()
        delivery.load([(1, part(given, rows, first_row=0))], ignore)
        delivery.publish()
        receipt = delivery.verify()
    known = mode != WriteMode.DELETE_INSERT
    assert (delivery.refused, receipt.inserted, receipt.equal) == ([], 39 if known else 40, True)
    boss = None if mode == WriteMode.INSERT_ONLY else 8
    assert execute(place, "select boss from t where id = 7") == [(boss,)]


def test_rows_that_point_to_each_other_in_a_ring_are_refused_as_a_whole_by_innodb(case: tuple[str, Case]) -> None:
    server, place = case
    execute(place, "create table t (id int primary key, boss int, foreign key (boss) references t (id))")
    given = columns("id:integer", "boss:integer", key=("id",))
    with Delivery(place.destination, job(place, given, WriteMode.UPSERT)) as delivery:
        delivery.open()
        delivery.load([(1, part(given, [(1, 2), (2, 1), (3, None)], first_row=0))], ignore)
        if server == "postgres":
            assert delivery.publish().inserted == 3
        else:
            with pytest.raises(RefusedError, match=r"2 rows .* point to rows that are not there, or to each other"):
                delivery.publish()
    assert execute(place, "select count(*) from t") == [(3 if server == "postgres" else 0,)]


CLASHING = {
    # 2 changes its value to that of 50, 61 is new and has that of 51; 62 takes the one that 2 would have given up
    WriteMode.UPSERT: {2, 61, 62},
    # known keys are left alone
    WriteMode.INSERT_ONLY: {61, 62},
}


@pytest.mark.parametrize("mode", list(CLASHING))
def test_rows_that_clash_with_another_unique_index_are_rejects_and_the_others_are_published(
    case: tuple[str, Case], mode: WriteMode
) -> None:
    server, place = case
    execute(
        place,
        "create table t (id int primary key, email varchar(40), n int, constraint one_email unique (email))",
        "insert into t values (2, 'two', 0), (3, 'three', 0), (4, 'four', 0), (50, 'fifty', 0)",
    )
    given = columns("id:integer", "email:text", "n:integer", key=("id",))
    rows: list[tuple[int, str | None, int]] = [
        (2, "fifty", 1),
        (3, "new three", 1),
        (4, "new four", 1),
        (60, "sixty", 1),
        (61, "fifty 1", 1),
        (62, "two", 1),
    ]
    rows += [(number, None, 1) for number in range(100, 110)]
    execute(place, "insert into t values (51, 'fifty 1', 0)")
    table = part(given, rows, first_row=0)
    with StagedDelivery(place.destination, job(place, given, mode), chunk_rows=4) as delivery:
        delivery.open()
        delivery.load([(1, table)], ignore)
        delivery.reject_clashes(lambda: [(1, table)])
        delivery.publish()
        receipt = delivery.verify()
    assert {rows[one.row][0] for one in delivery.refused} == CLASHING[mode]
    assert receipt.equal
    for one in delivery.refused:
        assert (one.problem.code, one.problem.column) == ("refused", "email")
        assert f"one_email) [{CODES[server]['unique']}]" in one.problem.message
    found = dict(execute(place, "select id, email from t where id in (2, 60, 61, 62, 109)"))
    assert found == {2: "two", 60: "sixty", 109: None}


def test_rows_of_exchanged_keys_clash_with_rows_of_others_alone(case: tuple[str, Case]) -> None:
    _, place = case
    execute(
        place,
        "create table t (day int, email varchar(40) unique)",
        "insert into t values (1, 'goes'), (2, 'stays'), (2, 'too')",
    )
    given = columns("day:integer", "email:text", key=("day",))
    rows = [(1, "goes"), (1, "stays"), (3, "new"), (3, "too"), (3, None)]
    table = part(given, rows, first_row=0)
    with StagedDelivery(place.destination, job(place, given, WriteMode.DELETE_INSERT), chunk_rows=4) as delivery:
        delivery.open()
        delivery.load([(1, table)], ignore)
        delivery.reject_clashes(lambda: [(1, table)])
        delivery.publish()
        assert delivery.verify().equal
    assert [one.row for one in delivery.refused] == [1, 3]
    assert execute(place, "select day, email from t order by day, email is null, email") == [
        (1, "goes"), (2, "stays"), (2, "too"), (3, "new"), (3, None),
    ]  # fmt: skip


def test_rows_that_are_refused_by_a_trigger_alone_are_found_too(case: tuple[str, Case]) -> None:
    server, place = case
    execute(place, "create table t (id int, n int)")
    if server == "postgres":
        execute(
            place,
            "create function f() returns trigger language plpgsql as $$ begin if new.n = 3 then"
            " raise check_violation using message = 'no three'; end if; return new; end $$",
            "create trigger g before insert on t for each row execute function f()",
        )
    else:
        execute(
            place,
            "create trigger g before insert on t for each row begin if new.n = 3 then"
            " signal sqlstate '45000' set message_text = 'no three'; end if; end",
        )
    specs = columns("id:integer", "n:integer")
    rows = [(number, 3 if number in (40, 170) else 1) for number in range(200)]
    with Delivery(place.destination, job(place, specs, WriteMode.APPEND), chunk_rows=100) as delivery:
        delivery.open()
        delivery.load([(1, part(specs, rows, first_row=0))], ignore)
        delivery.publish()
        assert delivery.verify().equal
    assert [one.row for one in delivery.refused] == [40, 170]
    assert Counter("no three" in one.problem.message for one in delivery.refused) == {True: 2}


def test_a_resumed_load_tries_the_refused_rows_again_and_no_others(case: tuple[str, Case]) -> None:
    _, place = case
    make_tables(place)
    specs = given(WriteMode.UPSERT)
    table = part(specs, [row(number, WriteMode.UPSERT) for number in range(ROWS)], first_row=0)
    work = job(place, specs, WriteMode.UPSERT)
    with Delivery(place.destination, work, chunk_rows=150) as delivery:
        delivery.open()
        delivery.load([(1, table)], ignore)
        first = {one.row for one in delivery.refused}
    with Delivery(place.destination, work, chunk_rows=150) as delivery:
        assert len(delivery.open().loaded) > 4
        delivery.load([(1, table)], ignore)
        delivery.publish()
        assert delivery.verify().equal
    assert {one.row for one in delivery.refused} == first
    assert len(first) == 6
