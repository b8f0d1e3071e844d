"""Delivery to SQLite files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loadlock.delivery.base import Job, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations.sqlite import SQLite
from loadlock.errors import BalanceError, LockedError, RefusedError
from loadlock.model import Receipt, VerifyLevel, WriteMode
from loadlock.testing.contracts.destinations import (
    ALL_TYPES,
    ALL_VALUES,
    PEOPLE,
    Case,
    DestinationContract,
    columns,
    deliver,
    job,
    part,
    person,
)
from loadlock.testing.contracts.versions import VersionsContract


@pytest.fixture
def case(tmp_path: Path) -> Case:
    path = tmp_path / "shop.db"

    def count() -> int | None:
        if not path.exists():
            return None
        with closing(sqlite3.connect(path)) as connection:
            if not connection.execute("select 1 from sqlite_master where name = 'orders'").fetchall():
                return None
            return int(connection.execute("select count(*) from orders").fetchall()[0][0])

    def execute(sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            return connection.execute(sql).fetchall()

    target = Target(url=f"sqlite:///{path}", table="orders")
    return Case(destination=SQLite(), target=target, count=count, execute=execute)


class TestContract(DestinationContract, VersionsContract):
    pass


def query(case: Case, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in the case's database; the rows of the last."""
    rows: list[tuple[Any, ...]] = []
    with closing(sqlite3.connect(case.target.url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
    return rows


def sent(case: Case, work: Job, parts: list[pa.Table]) -> tuple[list[int], Receipt]:
    """Deliver; the refused rows and the receipt."""
    with Delivery(case.destination, work) as delivery:
        delivery.open()
        delivery.load(enumerate(parts, 1), lambda chunk: None)
        delivery.publish()
        return [row.row for row in delivery.refused], delivery.verify()


def test_nothing_lies_beside_the_database_afterwards(case: Case, tmp_path: Path) -> None:
    deliver(case, job(case, PEOPLE, WriteMode.UPSERT), [part(PEOPLE, [person(1)])])
    assert [path.name for path in tmp_path.iterdir()] == ["shop.db"]


def test_a_created_table_has_types_that_keep_every_digit(case: Case) -> None:
    given = columns(*(f"{c.name}:{c.type}" for c in ALL_TYPES), key=("id",))
    deliver(case, job(case, given, WriteMode.UPSERT), [part(given, ALL_VALUES)])
    types = query(case, "select type from pragma_table_info('orders') order by cid")
    assert [name for (name,) in types] == [
        "INTEGER", "TEXT", "INTEGER", "NUMERIC(12,2)", "TEXT", "REAL", "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ",
        "TEXT", "TEXT",
    ]  # fmt: skip
    assert query(case, "select w, dt, tz, b from orders where id = 1") == [
        ("1234567890123456789012345678.0123456789", "1000-01-01", "2024-03-31 01:30:00Z", 1),
    ]


def test_rows_that_break_a_constraint_are_refused_and_the_others_land(case: Case) -> None:
    query(
        case,
        "create table orders (id integer primary key, n integer check (n > 0), code text unique, t text not null default 'd')",
        "insert into orders values (100, 1, 'taken', 'x')",
    )
    given = columns("id:integer", "n:integer", "code:text")
    rows = [(1, 1, "x"), (2, 0, None), (3, 1, "taken"), (4, 1, "x"), (100, 1, None), (5, None, "y"), (1, 1, "z")]
    refused, receipt = sent(
        case, job(case, given, WriteMode.APPEND), [part(given, rows[:3]), part(given, rows[3:], first_row=4)]
    )
    assert refused == [2, 3, 4, 5, 7]
    assert (receipt.inserted, receipt.equal, receipt.level) == (2, True, VerifyLevel.CONTENT)
    assert query(case, "select id, t from orders order by id") == [(1, "d"), (5, "d"), (100, "x")]


def test_a_refused_row_of_an_upsert_is_found_by_halving(case: Case) -> None:
    query(
        case,
        "create table orders (id integer primary key, name text check (name <> 'bad'), score decimal(10,2))",
        "insert into orders values (1, 'a', 1)",
    )
    rows = [person(number, "bad" if number in (1, 7) else "good") for number in range(1, 10)]
    refused, receipt = sent(case, job(case, PEOPLE, WriteMode.UPSERT), [part(PEOPLE, rows)])
    assert (refused, receipt.equal, receipt.inserted) == ([1, 7], True, 7)
    assert query(case, "select name from orders where id = 1") == [("a",)]


def test_a_key_that_comes_twice_in_an_upsert_is_refused(case: Case) -> None:
    parts = [part(PEOPLE, [person(1), person(2)]), part(PEOPLE, [person(2, "again"), person(3)], first_row=3)]
    refused, receipt = sent(case, job(case, PEOPLE, WriteMode.UPSERT), parts)
    assert (refused, receipt.read_back) == ([3], 3)


def test_an_upsert_stops_where_the_table_holds_a_key_twice(case: Case) -> None:
    query(
        case,
        "create table orders (id integer, name text, score decimal(10,2))",
        "insert into orders values (1,'a',1),(1,'b',2)",
    )
    with Delivery(case.destination, job(case, PEOPLE, WriteMode.UPSERT)) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(1), person(2)]))], lambda chunk: None)
        with pytest.raises(RefusedError, match="more than once"):
            delivery.publish()
    assert query(case, "select name from orders") == [("a",), ("b",)]


def test_a_trigger_that_drops_rows_in_silence_stops_the_run(case: Case) -> None:
    query(
        case,
        "create table orders (id integer, name text, score decimal(10,2))",
        "create trigger dropping before insert on orders when new.id = 2 begin select raise(ignore); end",
    )
    with Delivery(case.destination, job(case, PEOPLE, WriteMode.APPEND)) as delivery:
        delivery.open()
        with pytest.raises(BalanceError, match="inserted 1 rows where 2 were sent"):
            delivery.load([(1, part(PEOPLE, [person(1), person(2)]))], lambda chunk: None)
    assert case.count() == 0


def test_columns_that_would_change_text_or_lose_digits_are_refused(case: Case) -> None:
    query(case, "create table orders (id integer, name numeric, score real)")
    session = case.destination.session(job(case, PEOPLE, WriteMode.APPEND))
    with pytest.raises(RefusedError, match="'name' is"):
        session.open()
    session.close()
    query(case, "drop table orders", "create table orders (score real)")
    given = columns("score:decimal(20,2)")
    session = case.destination.session(job(case, given, WriteMode.APPEND))
    with pytest.raises(RefusedError, match="keeps 15 digits"):
        session.open()
    session.close()


@pytest.mark.parametrize("text", ["0", "1e5", " 12", "0x1F", "-", "1.0", "Infinity", "2024-01-01"])
def test_text_that_looks_like_a_number_stays_text(case: Case, text: str) -> None:
    given = columns("k:text", "t:text", "j:json", key=("k",))
    assert deliver(
        case, job(case, given, WriteMode.UPSERT), [part(given, [(text, text, '"x"'), ("k2", None, "1.10")])]
    ).equal
    assert query(case, "select typeof(k), typeof(t), t from orders where t is not null") == [("text", "text", text)]


def test_nul_and_nan_are_misfits(case: Case) -> None:
    given = columns("t:text", "f:float")
    rows = [("a\0b", 1.0), ("a", float("nan")), ("b", -0.0)]
    refused, receipt = sent(case, job(case, given, WriteMode.APPEND), [part(given, rows)])
    assert (refused, receipt.equal) == ([1, 2], True)


def test_an_open_write_transaction_of_another_program_locks_the_file(case: Case) -> None:
    query(case, "create table orders (id integer, name text, score decimal(10,2))")
    with closing(sqlite3.connect(case.target.url.removeprefix("sqlite:///"), isolation_level=None)) as other:
        other.execute("begin immediate")
        session = case.destination.session(job(case, PEOPLE, WriteMode.APPEND))
        with pytest.raises(LockedError, match="another connection"):
            session.open()
        session.close()
        other.execute("rollback")
        session = case.destination.session(job(case, PEOPLE, WriteMode.APPEND))
        session.open()
        session.close()


def test_readers_see_the_old_rows_until_the_publish(case: Case) -> None:
    deliver(case, job(case, PEOPLE, WriteMode.REPLACE), [part(PEOPLE, [person(1)])])
    with Delivery(case.destination, job(case, PEOPLE, WriteMode.REPLACE, "run2")) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(2), person(3)]))], lambda chunk: None)
        assert query(case, "select id from orders") == [(1,)]
        delivery.publish()
        assert query(case, "select id from orders") == [(2,), (3,)]


def test_an_append_without_key_is_read_back_by_rowid_and_later_by_number(case: Case) -> None:
    given = columns("name:text", "rowid:integer")
    deliver(case, job(case, given, WriteMode.APPEND, "run0"), [part(given, [("a", 7)])])
    work = job(case, given, WriteMode.APPEND)
    receipt = deliver(case, work, [part(given, [("a", 7), (None, None)])])
    assert (receipt.level, receipt.read_back) == (VerifyLevel.CONTENT, 2)
    with Delivery(case.destination, work) as delivery:
        assert delivery.open().published is not None
        assert delivery.verify().level == VerifyLevel.COUNT


def test_an_append_to_a_table_without_rowid_is_read_back_by_its_key(case: Case) -> None:
    query(case, "create table orders (id integer primary key, name text, score numeric) without rowid")
    query(case, "insert into orders values (9, 'old', 1)")
    receipt = deliver(case, job(case, PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(1)])])
    assert (receipt.level, receipt.read_back, receipt.equal) == (VerifyLevel.CONTENT, 1, True)


def test_lineage_finds_the_rows_of_an_upsert_again_also_unchanged_ones(case: Case) -> None:
    deliver(case, job(case, PEOPLE, WriteMode.UPSERT, lineage=True), [part(PEOPLE, [person(1), person(2)])])
    again = job(case, PEOPLE, WriteMode.UPSERT, "run2", lineage=True)
    receipt = deliver(case, again, [part(PEOPLE, [person(1), person(3)])])
    assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.equal) == (1, 0, 1, True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"hello" * 5000), "not a database"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: None, "does not exist"),
    ],
)
def test_what_is_no_database_is_refused(tmp_path: Path, make: Any, message: str) -> None:
    path = tmp_path / "x" if message != "does not exist" else tmp_path / "gone" / "x"
    make(path)
    case = Case(destination=SQLite(), target=Target(url=f"sqlite:///{path}", table="t"), count=lambda: None)
    session = case.destination.session(job(case, PEOPLE, WriteMode.APPEND))
    with pytest.raises(RefusedError, match=message):
        session.open()
    session.close()


def test_views_and_other_schemas_are_no_targets(case: Case) -> None:
    query(case, "create view orders as select 1 as id")
    with pytest.raises(RefusedError, match="is a view"):
        case.destination.inspect(case.target)
    with pytest.raises(RefusedError, match="no schema 'shop'"):
        case.destination.inspect(Target(url=case.target.url, table="shop.orders"))


def test_five_hundred_columns_are_delivered(case: Case) -> None:
    given = columns(*(f"column {number}:text" for number in range(500)))
    rows = [tuple(f"{row} {number}" for number in range(500)) for row in range(20)]
    assert deliver(case, job(case, given, WriteMode.REPLACE), [part(given, rows)]).equal


def test_a_session_may_be_opened_again_by_its_holder(case: Case) -> None:
    session = case.destination.session(job(case, PEOPLE, WriteMode.REPLACE))
    try:
        assert session.open() == session.open()
    finally:
        session.close()
