"""Delivery to DuckDB files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from loadlock.delivery.base import Job, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations.duckdb import DuckDB
from loadlock.errors import LockedError, RefusedError, RowsRefusedError, UnavailableError
from loadlock.model import Chunk, VerifyLevel, WriteMode
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


def make_case(folder: Path, name: str = "shop.duckdb") -> Case:
    path = folder / name

    def count() -> int | None:
        if not path.exists():
            return None
        with duckdb.connect(str(path)) as connection:
            known = connection.execute("select 1 from duckdb_tables() where table_name = 'orders'").fetchall()
            return connection.execute("select count(*) from orders").fetchall()[0][0] if known else None

    def execute(sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(path)) as connection:
            return connection.execute(sql).fetchall()

    target = Target(url=f"duckdb:///{path}", table="orders")
    return Case(destination=DuckDB(), target=target, count=count, execute=execute)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


class TestContract(DestinationContract, VersionsContract):
    pass


def query(case: Case, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in the case's database; the rows of the last."""
    rows: list[tuple[Any, ...]] = []
    with duckdb.connect(case.target.url.removeprefix("duckdb:///")) as connection:
        for statement in statements:
            rows = connection.execute(statement).fetchall()
    return rows


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@contextmanager
def other_process(code: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process that printed a line and goes on."""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def holder(case: Case, seconds: float = 60) -> str:
    path = case.target.url.removeprefix("duckdb:///")
    return f"import duckdb, time; c = duckdb.connect({path!r}); print('ready', flush=True); time.sleep({seconds}); c.close()"


def refused(case: Case, work: Job, parts: list[pa.Table]) -> tuple[list[tuple[int, str]], Delivery]:
    """Deliver; (row, message) of the refused rows."""
    with Delivery(case.destination, work) as delivery:
        delivery.open()
        delivery.load(enumerate(parts, 1), lambda chunk: None)
        delivery.publish()
        assert delivery.verify().equal
    return [(row.row, row.problem.message) for row in delivery.refused], delivery


def test_nothing_lies_beside_the_database_afterwards(case: Case, tmp_path: Path) -> None:
    for mode in (WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT):
        deliver(case, job(case, PEOPLE, mode, f"run {mode}"), [part(PEOPLE, [person(ord(mode[0]))])])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.duckdb"]


def test_a_created_table_has_the_declared_types_and_the_key(case: Case) -> None:
    given = columns(*(f"{c.name}:{c.type}" for c in ALL_TYPES), key=("id",))
    deliver(case, job(case, given, WriteMode.UPSERT), [part(given, ALL_VALUES)])
    types = query(case, "select data_type from duckdb_columns() where table_name = 'orders' order by column_index")
    assert [name for (name,) in types] == [
        "BIGINT", "VARCHAR", "BIGINT", "DECIMAL(12,2)", "DECIMAL(38,10)", "DOUBLE", "BOOLEAN", "DATE", "TIME", "TIMESTAMP",
        "TIMESTAMP WITH TIME ZONE", "JSON", "UUID",
    ]  # fmt: skip
    info = case.destination.inspect(case.target)
    assert info is not None
    assert info.unique == (("id",),)
    assert not info.columns[0].nullable


def test_rows_that_break_a_constraint_are_refused_and_the_others_land(case: Case) -> None:
    query(
        case,
        "create table shops (id bigint primary key)",
        "insert into shops values (1), (2)",
        "create table orders (id bigint primary key, kind enum('a', 'b'), shop bigint references shops (id),"
        " n integer check (n > 0), code varchar unique, more integer default 7 check (more < 10))",
        "insert into orders values (100, 'a', 1, 1, 'taken', 7)",
    )
    given = columns("id:integer", "kind:text", "shop:integer", "n:integer", "code:text")
    rows = [
        (1, "a", 1, 1, "x"), (2, "c", 1, 1, None), (3, None, 9, 1, None), (4, "b", None, 0, None), (5, "b", 2, 2, "taken"),
        (6, "b", 2, 2, "x"), (100, "a", 1, 1, None), (7, "b", 2, None, "y"), (1, "b", 2, 2, "z"),
    ]  # fmt: skip
    parts = [part(given, rows[:5]), part(given, rows[5:], first_row=6)]
    found, delivery = refused(case, job(case, given, WriteMode.APPEND), parts)
    assert [row for row, _ in found] == [2, 3, 4, 5, 6, 7, 9]
    messages = dict(found)
    assert "does not fit ENUM" in messages[2]
    assert "no such row in shops" in messages[3]
    assert "CHECK((n > 0)) does not hold" in messages[4]
    assert "code must be unique, and stands in the table already" in messages[5]
    assert "code must be unique, and stands in an earlier row of the batch already" in messages[6]
    assert "id must be unique, and stands in the table already" in messages[7]
    assert "id must be unique, and stands in an earlier row of the batch already" in messages[9]
    assert delivery.published is not None
    assert delivery.published.inserted == 2
    assert query(case, "select id, more from orders order by id") == [(1, 7), (7, 7), (100, 7)]


def test_numbers_too_big_for_an_existing_column_are_refused(case: Case) -> None:
    query(case, "create table orders (n smallint, d decimal(5,1))")
    given = columns("n:integer", "d:decimal(12,2)")
    rows = [("32767", "1.50"), ("32768", "1.50"), ("1", "1.55"), ("1", "99999.00")]
    parts = [part(given, [(int(n), __import__("decimal").Decimal(d)) for n, d in rows])]
    found, _ = refused(case, job(case, given, WriteMode.APPEND), parts)
    assert [row for row, _ in found] == [2, 3, 4]


def test_a_key_that_comes_twice_in_an_upsert_is_refused(case: Case) -> None:
    parts = [part(PEOPLE, [person(1), person(2)]), part(PEOPLE, [person(2, "again"), person(3)], first_row=3)]
    found, _ = refused(case, job(case, PEOPLE, WriteMode.UPSERT), parts)
    assert [row for row, _ in found] == [3]


def test_an_upsert_refuses_a_value_that_another_row_holds(case: Case) -> None:
    query(
        case,
        "create table orders (id bigint primary key, name varchar unique, score decimal(10,2))",
        "insert into orders values (1, 'ann', 1), (2, 'bob', 2)",
    )
    parts = [part(PEOPLE, [person(1, "bob"), person(2, "bob"), person(3, "cid")])]
    found, _ = refused(case, job(case, PEOPLE, WriteMode.UPSERT), parts)
    assert [row for row, _ in found] == [1]
    assert query(case, "select id, name from orders order by id") == [(1, "ann"), (2, "bob"), (3, "cid")]


def test_an_upsert_stops_where_the_table_holds_a_key_twice(case: Case) -> None:
    query(
        case,
        "create table orders (id bigint, name varchar, score decimal(10,2))",
        "insert into orders values (1, 'a', 1), (1, 'b', 2)",
    )
    with Delivery(case.destination, job(case, PEOPLE, WriteMode.UPSERT)) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(1), person(2)]))], lambda chunk: None)
        with pytest.raises(RefusedError, match="more than once"):
            delivery.publish()
    assert query(case, "select name from orders order by name") == [("a",), ("b",)]


def test_after_a_refused_chunk_nothing_of_it_is_kept(case: Case) -> None:
    session = case.destination.session(job(case, PEOPLE, WriteMode.UPSERT))
    try:
        session.open()
        rows = part(PEOPLE, [person(1), person(1)]).drop_columns(["_row", "_sub"])
        with pytest.raises(RowsRefusedError) as caught:
            session.load(Chunk(id="c1", seq=1, rows=2, digest=0), rows)
        assert (caught.value.refusal.row, caught.value.refusal.code) == (1, "unique")
        session.load(Chunk(id="c2", seq=1, rows=1, digest=0), rows.slice(0, 1))
        assert session.publish(rows=1, digest="0" * 32).inserted == 1
    finally:
        session.close()


def test_replace_keeps_constraints_indexes_views_and_comments(case: Case) -> None:
    query(
        case,
        "create table orders (id bigint primary key, name varchar default 'x', score decimal(10,2))",
        "create index by_name on orders (name)",
        "comment on table orders is 'kept'",
        "create view seen as from orders",
        "insert into orders values (1, 'old', 1), (5, 'old', 1)",
    )
    deliver(case, job(case, PEOPLE, WriteMode.REPLACE), [part(PEOPLE, [person(1, "new"), person(2, "new")])])
    assert query(case, "select id, name from seen order by id") == [(1, "new"), (2, "new")]
    assert query(case, "select comment from duckdb_tables() where table_name = 'orders'") == [("kept",)]
    assert query(case, "select index_name from duckdb_indexes() where table_name = 'orders'") == [("by_name",)]
    info = case.destination.inspect(case.target)
    assert info is not None
    assert info.unique == (("id",),)


def test_a_file_open_in_another_process_is_locked(case: Case) -> None:
    deliver(case, job(case, PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(1)])])
    with other_process(holder(case)):
        session = case.destination.session(job(case, PEOPLE, WriteMode.APPEND, "run2"))
        with pytest.raises(LockedError, match="another process"):
            session.open()
        session.close()
        with pytest.raises(UnavailableError):
            case.destination.inspect(case.target)


def test_a_session_waits_for_a_file_that_is_soon_closed(case: Case) -> None:
    deliver(case, job(case, PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(1)])])
    with other_process(holder(case, 0.5)):
        session = case.destination.session(job(case, PEOPLE, WriteMode.APPEND, "run2", wait_seconds=60))
        session.open()
        session.close()


def test_a_run_killed_after_the_publish_is_found_published_and_can_be_read_back(case: Case, tmp_path: Path) -> None:
    deliver(case, job(case, PEOPLE, WriteMode.UPSERT, "run0"), [part(PEOPLE, [person(7), person(1, "old")])])
    path = case.target.url.removeprefix("duckdb:///")
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from tests.integration.test_duckdb import *
import os
case = make_case(Path({path!r}).parent)
delivery = Delivery(case.destination, job(case, PEOPLE, WriteMode.UPSERT))
delivery.open()
delivery.load([(1, part(PEOPLE, [person(1, 'new'), person(2)]))], lambda chunk: None)
delivery.publish()
print('ready', flush=True)
time.sleep(60)
"""
    with other_process(code) as process:
        process.kill()
        process.wait()
    assert hidden(tmp_path)
    with Delivery(case.destination, job(case, PEOPLE, WriteMode.UPSERT)) as delivery:
        opened = delivery.open()
        assert opened.published is not None
        assert (opened.published.inserted, opened.published.updated) == (1, 1)
        receipt = delivery.verify()
    assert (receipt.level, receipt.equal, receipt.read_back) == (VerifyLevel.CONTENT, True, 2)
    assert hidden(tmp_path) == []


def test_debris_of_dead_runs_is_cleared(case: Case, tmp_path: Path) -> None:
    work = job(case, PEOPLE, WriteMode.APPEND, "dead")
    session = case.destination.session(work)
    session.open()
    session.load(Chunk(id="c1", seq=1, rows=1, digest=0), part(PEOPLE, [person(1)]).drop_columns(["_row", "_sub"]))
    debris = [path for path in tmp_path.iterdir() if path.is_dir()]
    kept = [(path / file.name, file.read_bytes()) for path in debris for file in path.iterdir()]
    session.close()
    for path, data in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    deliver(case, job(case, PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(2)])])
    assert kept
    assert hidden(tmp_path) == []
    assert case.count() == 1


def test_two_tables_of_one_file_can_be_written_at_the_same_time(case: Case) -> None:
    other = Case(destination=case.destination, target=Target(url=case.target.url, table="others"), count=lambda: None)
    with (
        Delivery(case.destination, job(case, PEOPLE, WriteMode.REPLACE)) as first,
        Delivery(other.destination, job(other, PEOPLE, WriteMode.REPLACE)) as second,
    ):
        for delivery in (first, second):
            delivery.open()
            delivery.load([(1, part(PEOPLE, [person(1)]))], lambda chunk: None)
        for delivery in (first, second):
            delivery.publish()
        assert first.verify().equal
        assert second.verify().equal
    assert query(case, "select count(*) from others") == [(1,)]


def test_an_append_is_read_back_by_its_own_rows_and_later_by_their_number(case: Case) -> None:
    deliver(case, job(case, PEOPLE, WriteMode.APPEND, "run0"), [part(PEOPLE, [person(1)])])
    query(case, "delete from orders")
    work = job(case, PEOPLE, WriteMode.APPEND)
    assert deliver(case, work, [part(PEOPLE, [person(2)])]).level == VerifyLevel.CONTENT
    with Delivery(case.destination, work) as delivery:
        delivery.open()
        assert delivery.verify().level == VerifyLevel.COUNT


def test_lineage_finds_the_rows_of_an_upsert_again_also_unchanged_ones(case: Case) -> None:
    work = job(case, PEOPLE, WriteMode.UPSERT, lineage=True)
    deliver(case, work, [part(PEOPLE, [person(1), person(2)])])
    again = job(case, PEOPLE, WriteMode.UPSERT, "run2", lineage=True)
    receipt = deliver(case, again, [part(PEOPLE, [person(1), person(3)])])
    assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.equal) == (1, 0, 1, True)
    assert query(case, "select id, _batch from orders order by id") == [
        (1, "batch of run2"), (2, "batch of run1"), (3, "batch of run2"),
    ]  # fmt: skip


def test_schemas_and_tables_with_hostile_names_are_written(case: Case) -> None:
    query(case, 'create schema "a.b"')
    target = Target(url=case.target.url, table='"a.b"."it""s; drop"')
    hostile = Case(destination=case.destination, target=target, count=lambda: None)
    deliver(hostile, job(hostile, PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(1)])])
    assert query(case, 'select count(*) from "a.b"."it""s; drop"') == [(1,)]
    assert query(case, 'select target from "a.b".loadlock_deliveries') == [('a.b.it"s; drop',)]


@pytest.mark.parametrize("schema", ["shop", "elsewhere"])
def test_a_schema_that_is_not_there_is_named_also_where_the_file_has_its_name(case: Case, schema: str) -> None:
    target = Target(url=case.target.url, table=f"{schema}.orders")
    elsewhere = Case(destination=case.destination, target=target, count=lambda: None)
    session = case.destination.session(job(elsewhere, PEOPLE, WriteMode.APPEND))
    with pytest.raises(RefusedError, match=f"no schema '{schema}'"):
        session.open()
    session.close()


def test_a_path_with_marks_of_sql_and_globs_is_a_path(tmp_path: Path) -> None:
    case = make_case(tmp_path, "it's [1]*.duckdb")
    assert deliver(case, job(case, PEOPLE, WriteMode.UPSERT), [part(PEOPLE, [person(1)])]).equal
    assert case.count() == 1


def test_five_hundred_columns_are_delivered(case: Case) -> None:
    given = columns(*(f"column {number}:text" for number in range(500)))
    rows = [tuple(f"{row} {number}" for number in range(500)) for row in range(20)]
    assert deliver(case, job(case, given, WriteMode.REPLACE), [part(given, rows)]).equal


def test_text_with_nul_is_kept_also_as_a_key(case: Case) -> None:
    given = columns("k:text", "v:text", key=("k",))
    rows = [("a\0b", "x\0"), ("a\0c", "\0"), ("a", "y")]
    assert deliver(case, job(case, given, WriteMode.UPSERT), [part(given, rows)]).equal
    assert query(case, "select strlen(k) from orders order by k") == [(1,), (3,), (3,)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"hello" * 5000), "can't open"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: None, "does not exist"),
    ],
)
def test_what_is_no_database_is_refused(tmp_path: Path, make: Any, message: str) -> None:
    path = tmp_path / "x" if message != "does not exist" else tmp_path / "gone" / "x"
    make(path)
    case = Case(destination=DuckDB(), target=Target(url=f"duckdb:///{path}", table="t"), count=lambda: None)
    session = case.destination.session(job(case, PEOPLE, WriteMode.APPEND))
    with pytest.raises(RefusedError, match=message):
        session.open()
    session.close()


def test_a_missing_table_is_not_created_where_that_is_not_wanted(case: Case) -> None:
    session = case.destination.session(job(case, PEOPLE, WriteMode.APPEND, create=False))
    with pytest.raises(RefusedError, match="does not exist"):
        session.open()
    session.close()


def test_a_view_is_no_target(case: Case) -> None:
    query(case, "create view orders as select 1 as id, 'x' as name, 1.5::decimal(10,2) as score")
    with pytest.raises(RefusedError, match="is a view"):
        case.destination.inspect(case.target)


def test_an_index_beyond_the_memory_limit_is_built_nevertheless(case: Case) -> None:
    target = Target(url=case.target.url, table="orders", options={"memory_limit": "20MB"})
    small = Case(destination=case.destination, target=target, count=case.count)
    given = columns("id:integer", "name:text", key=("id",))
    rows = pa.table(
        {
            "id": pa.array(range(300_000)),
            "name": pa.array([f"name {number}" for number in range(300_000)]),
            "_file": pa.repeat(pa.scalar(0, pa.int32()), 300_000),
            "_row": pa.array(range(300_000)),
            "_sub": pa.repeat(pa.scalar(0, pa.int32()), 300_000),
        }
    )
    receipt = deliver(small, job(small, given, WriteMode.UPSERT), [rows])
    assert (receipt.equal, receipt.inserted) == (True, 300_000)


def test_a_session_may_be_opened_again_by_its_holder(case: Case) -> None:
    session = case.destination.session(job(case, PEOPLE, WriteMode.REPLACE))
    try:
        assert session.open() == session.open()
    finally:
        session.close()
