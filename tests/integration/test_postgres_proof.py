"""The read-back of PostgreSQL by hashes: what it proves, and what it leaves to the full comparison."""

from __future__ import annotations

import random
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from loadlock.delivery.base import DeliveryColumn, Target
from loadlock.delivery.deliver import PROVED, Delivery
from loadlock.delivery.destinations import _postgres_watch
from loadlock.delivery.destinations._postgres_proof import Span
from loadlock.delivery.destinations._postgres_watch import Watch
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.model import Receipt, VerifyLevel, WriteMode
from loadlock.testing.contracts.destinations import (
    ALL_TYPES,
    ALL_VALUES,
    HOSTILE_TEXTS,
    NO_VALUES,
    Case,
    columns,
    job,
    part,
)

pytestmark = pytest.mark.postgres

PLAIN = tuple(column for column in ALL_TYPES if column.name != "js")
JSON_AT = [column.name for column in ALL_TYPES].index("js")
ROWS = [(*row[:JSON_AT], *row[JSON_AT + 1 :]) for row in (*ALL_VALUES, NO_VALUES)]


@pytest.fixture
def server(postgres: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield connection


def load(
    url: str,
    given: tuple[DeliveryColumn, ...],
    rows: list[tuple[Any, ...]],
    *,
    between: str = "",
    chunk_rows: int = 2,
    **changes: Any,
) -> Receipt:
    """Deliver in small chunks; run `between` before the read-back, on a connection of its own."""
    case = Case(destination=PostgresDestination(), target=Target(url=url, table="t"), count=lambda: None)
    work = job(case, given, changes.pop("mode", WriteMode.REPLACE), **changes)
    with Delivery(case.destination, work, chunk_rows=chunk_rows) as delivery:
        delivery.open()
        delivery.load(enumerate([part(given, rows)], 1), lambda chunk: None)
        delivery.publish()
        if between:
            with psycopg.connect(url, autocommit=True) as other:
                other.execute(between.encode())
        return delivery.verify()


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.APPEND])
def test_every_type_is_proved_by_hashes(postgres: str, mode: WriteMode) -> None:
    first = load(postgres, PLAIN, ROWS, mode=mode)
    second = load(postgres, PLAIN, ROWS, mode=mode, run="run2")
    for receipt in (first, second):
        assert (receipt.level, receipt.equal, receipt.read_back) == (VerifyLevel.CONTENT, True, len(ROWS))
        assert PROVED in receipt.notes


def test_rows_of_many_lengths_in_a_table_that_was_empty_are_proved(
    postgres: str, server: psycopg.Connection[Any]
) -> None:
    server.execute("create table t (n bigint, a text)")
    # long rows leave room on their pages, which short ones of a later COPY may take
    noise = random.Random(1)
    rows = [(n, noise.randbytes(900 if n // 50 % 2 == 0 else 20).hex()) for n in range(900)]
    receipt = load(postgres, columns("n:integer", "a:text"), rows, chunk_rows=50)
    assert (receipt.level, receipt.equal, receipt.read_back) == (VerifyLevel.CONTENT, True, len(rows))
    assert PROVED in receipt.notes


@pytest.mark.parametrize("altered", [False, True])
def test_staged_rows_that_lie_away_from_their_chunk_are_proved_with_it(
    postgres: str, server: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, altered: bool
) -> None:
    monkeypatch.setattr(_postgres_watch, "_PAGES_BACK", 0)
    server.execute("create table t (n bigint primary key, a text)")
    noise = random.Random(1)
    rows = [(n, noise.randbytes(noise.choice((2, 60, 300))).hex()) for n in range(6_000)]
    given = columns("n:integer", "a:text", key=("n",))
    case = Case(destination=PostgresDestination(), target=Target(url=postgres, table="t"), count=lambda: None)
    watched: list[Watch] = []
    begin = Watch.begin_staging

    def note(watch: Watch, *arguments: Any) -> None:
        watched.append(watch)
        begin(watch, *arguments)

    monkeypatch.setattr(Watch, "begin_staging", note)
    with Delivery(case.destination, job(case, given, WriteMode.UPSERT), chunk_rows=1_000) as delivery:
        delivery.open()
        delivery.load(enumerate([part(given, rows)], 1), lambda chunk: None)
        delivery.publish()
        away = watched[0]._strays[0]["n"][0].as_py()
        if altered:
            (staging,) = server.execute(
                "select tablename from pg_tables where tablename like '\\_loadlock\\_%'"
            ).fetchall()
            for table in (staging[0], "t"):
                server.execute(f"update \"{table}\" set a = 'other' where n = {away}".encode())
        receipt = delivery.verify()
    assert (receipt.level, receipt.equal) == (VerifyLevel.CONTENT, not altered)
    assert (PROVED in receipt.notes) == (not altered)


@pytest.mark.parametrize("exists", [False, True])
def test_only_a_table_made_in_the_transaction_is_trusted_to_keep_the_order(
    postgres: str, server: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    # after many pages COPY goes back to what earlier ones have left, but for a table that nobody else can know
    asked: list[bool] = []
    span = Watch.span

    def note(watch: Watch, rows: pa.Table) -> Span | None:
        found = span(watch, rows)
        asked.append(found is not None)
        return found

    monkeypatch.setattr(Watch, "span", note)
    if exists:
        server.execute("create table t (n bigint)")
    assert PROVED in load(postgres, columns("n:integer"), [(n,) for n in range(9)]).notes
    assert set(asked) == {not exists}


def test_rows_of_others_in_a_bare_table_are_told_apart(postgres: str, server: psycopg.Connection[Any]) -> None:
    server.execute("create table t (n bigint)")
    assert PROVED in load(postgres, columns("n:integer"), [(n,) for n in range(9)], mode=WriteMode.APPEND).notes
    server.execute("truncate t")
    case = Case(destination=PostgresDestination(), target=Target(url=postgres, table="t"), count=lambda: None)
    with Delivery(
        case.destination, job(case, columns("n:integer"), WriteMode.APPEND, run="run2"), chunk_rows=2
    ) as delivery:
        delivery.open()
        for number in range(3):
            delivery.load([(number + 1, part(columns("n:integer"), [(number,)]))], lambda chunk: None)
            server.execute("insert into t values (77)")
        delivery.publish()
        receipt = delivery.verify()
    assert (receipt.level, receipt.equal, receipt.read_back) == (VerifyLevel.CONTENT, True, 3)


def test_texts_of_every_kind_are_proved(postgres: str) -> None:
    given = columns("n:integer", "a:text", "b:text")
    rows = [(n, text, None if n % 3 else text) for n, text in enumerate(HOSTILE_TEXTS)]
    assert PROVED in load(postgres, given, rows).notes


def test_a_text_with_every_control_character_is_compared_in_full(postgres: str) -> None:
    given = columns("a:text")
    receipt = load(postgres, given, [("".join(map(chr, range(1, 32))),), ("x",)])
    assert (receipt.equal, PROVED in receipt.notes) == (True, False)


def test_jsonb_is_compared_in_full_and_json_is_proved(postgres: str, server: psycopg.Connection[Any]) -> None:
    given = columns("js:json")
    receipt = load(postgres, given, [('{"b":1, "a":1.10}',), (None,)])
    assert (receipt.equal, PROVED in receipt.notes) == (True, False)
    server.execute("drop table t; create table t (js json)")
    receipt = load(postgres, given, [('{"b":1, "a":1.10}',), (None,)], run="run2")
    assert (receipt.equal, PROVED in receipt.notes) == (True, True)


def test_numbers_in_a_column_of_another_scale_are_proved(postgres: str, server: psycopg.Connection[Any]) -> None:
    server.execute("create table t (a numeric(20,4), b numeric, c numeric(30,9), d int2, e char(9), f timestamp)")
    given = columns("a:decimal(12,2)", "b:decimal(12,2)", "c:integer", "d:integer", "e:text", "f:date")
    day = ALL_VALUES[0][7]
    receipt = load(postgres, given, [(Decimal("1.50"), Decimal("-0.01"), 7, 8, "ab", day), (None,) * 6])
    assert (receipt.equal, PROVED in receipt.notes) == (True, True)


ALTERED = {
    "t": "t || ' '", "i": "i - 1", "d": "d - 0.01", "w": "w - 0.0000000001", "f": "f * 2", "b": "not b", "dt": "dt - 1",
    "tm": "tm - interval '1 microsecond'", "ts": "ts - interval '1 microsecond'",
    "tz": "tz - interval '1 microsecond'", "u": "gen_random_uuid()",
}  # fmt: skip


def test_one_altered_cell_differs(postgres: str) -> None:
    for name, value in [*ALTERED.items(), *((name, "null") for name in ALTERED)]:
        change = f"update t set {name} = {value} where id = 1"
        receipt = load(postgres, PLAIN, ROWS, between=change, run=change)
        assert (receipt.level, receipt.equal) == (VerifyLevel.CONTENT, False), change


def test_other_changes_differ(postgres: str) -> None:
    for change in (
        "update t set t = '' where t is null",
        "update t set b = false where b is null",
        "update t set i = 0 where i is null",
        "update t set dt = '-infinity' where dt is null",
        "update t set ts = '-infinity' where ts is null",
        "insert into t select * from t where id = 1",
        "delete from t where id = 2",
        "update t set t = case id when 1 then ' ' else 'text' end where id in (1, 2)",
    ):
        assert load(postgres, PLAIN, ROWS, between=change, run=change).equal is False, change


def test_a_changed_scale_is_not_rounded_away(postgres: str) -> None:
    given = columns("id:integer", "d:decimal(10,2)")
    change = "alter table t alter d type numeric; update t set d = 1.239 where id = 1"
    assert load(postgres, given, [(1, Decimal("1.24")), (2, Decimal("5.00"))], between=change).equal is False


def test_rows_in_another_order_are_compared_in_full(postgres: str) -> None:
    receipt = load(postgres, PLAIN, ROWS, between="create index on t (id desc); cluster t using t_id_idx")
    assert (receipt.equal, PROVED in receipt.notes) == (True, False)


KEYED = columns(*(f"{column.name}:{column.type}" for column in PLAIN), key=("id",))
BY_KEY = [WriteMode.UPSERT, WriteMode.MIRROR, WriteMode.DELETE_INSERT, WriteMode.INSERT_ONLY, WriteMode.SCD2]


@pytest.mark.parametrize("mode", BY_KEY)
def test_a_merge_by_key_is_proved_in_the_server(
    postgres: str, server: psycopg.Connection[Any], mode: WriteMode
) -> None:
    known = [(2, *ROWS[0][1:])] if mode != WriteMode.INSERT_ONLY else []
    load(postgres, KEYED, [(99, *ROWS[0][1:]), *known], mode=mode)
    receipt = load(postgres, KEYED, ROWS, mode=mode, run="run2")
    assert (receipt.level, receipt.equal, receipt.read_back) == (VerifyLevel.CONTENT, True, len(ROWS))
    assert PROVED in receipt.notes
    assert server.execute("select count(*) from t where id = 99").fetchall() == [(int(mode != WriteMode.MIRROR),)]


@pytest.mark.parametrize("mode", BY_KEY)
def test_one_altered_cell_of_a_merge_differs(postgres: str, server: psycopg.Connection[Any], mode: WriteMode) -> None:
    case = Case(destination=PostgresDestination(), target=Target(url=postgres, table="t"), count=lambda: None)
    with Delivery(case.destination, job(case, KEYED, mode), chunk_rows=2) as delivery:
        delivery.open()
        delivery.load(enumerate([part(KEYED, ROWS)], 1), lambda chunk: None)
        delivery.publish()
        server.execute("create table kept as select * from t")
        changes = [f"update t set {name} = {value} where id = 1" for name, value in ALTERED.items()]
        for change in [*changes, "update t set t = null where id = 1", "update t set i = 0 where i is null"]:
            server.execute(change.encode())
            receipt = delivery.verify()
            assert (receipt.level, receipt.equal) == (VerifyLevel.CONTENT, False), change
            server.execute("delete from t; insert into t select * from kept")
            assert PROVED in delivery.verify().notes


def test_rows_of_a_replaced_partition_are_proved_with_those_that_are_equal(
    postgres: str, server: psycopg.Connection[Any]
) -> None:
    given, rows = columns("p:integer", "a:text", key=("p",)), [(1, "a"), (1, "a"), (1, None), (2, 'b,"c')]
    server.execute("create table t (p bigint, a text)")
    server.execute("insert into t values (1, 'old'), (3, 'theirs')")
    run = iter(range(9))

    def receipt(between: str) -> Receipt:
        return load(postgres, given, rows, mode=WriteMode.DELETE_INSERT, between=between, run=f"run{next(run)}")

    assert PROVED in receipt("insert into t values (3, 'beside')").notes
    assert receipt("insert into t values (1, 'a')").equal is False
    assert receipt("delete from t where ctid = (select min(ctid) from t where a = 'a')").equal is False
    assert receipt("update t set a = '' where a is null").equal is False


def test_rows_that_an_insert_only_left_are_compared_in_full(postgres: str) -> None:
    given = columns("id:integer", "a:text", key=("id",))
    load(postgres, given, [(1, "old")], mode=WriteMode.INSERT_ONLY)
    receipt = load(postgres, given, [(1, "new"), (2, "b")], mode=WriteMode.INSERT_ONLY, run="r2")
    assert (receipt.equal, receipt.read_back, PROVED in receipt.notes) == (True, 1, False)


def test_rows_of_others_beside_a_merge(postgres: str, server: psycopg.Connection[Any]) -> None:
    given, rows = columns("id:integer", "a:text", key=("id",)), [(1, "a"), (2, "b")]
    server.execute("create table t (id bigint, a text)")
    theirs = "insert into t values (3, 'theirs')"
    assert PROVED in load(postgres, given, rows, mode=WriteMode.UPSERT, between=theirs).notes
    assert load(postgres, given, rows, mode=WriteMode.MIRROR, between=theirs, run="r2").equal is False
    same_key = "insert into t values (1, 'theirs')"
    assert load(postgres, given, rows, mode=WriteMode.UPSERT, between=same_key, run="r3").equal is False


def test_a_resumed_merge_is_compared_in_full(postgres: str) -> None:
    given, rows = columns("id:integer", "a:text", key=("id",)), [(n, f"{n}") for n in range(6)]
    case = Case(destination=PostgresDestination(), target=Target(url=postgres, table="t"), count=lambda: None)
    work = job(case, given, WriteMode.UPSERT)
    with Delivery(case.destination, work, chunk_rows=2) as delivery:
        delivery.open()
        delivery.load([(1, part(given, rows[:2]))], lambda chunk: None)
    receipt = load(postgres, given, rows, mode=WriteMode.UPSERT)
    assert (receipt.equal, receipt.read_back, PROVED in receipt.notes) == (True, 6, False)


HOLED = columns("id:integer", "a:text", "d:decimal(10,2)")


def fill_with_holes(url: str, server: psycopg.Connection[Any]) -> None:
    load(url, HOLED, [(n, "x" * 500, None) for n in range(400)], mode=WriteMode.APPEND)
    server.execute("delete from t where id % 4 < 2")
    server.execute("vacuum t")


NEW = [(1000 + n, "y" * (50 + 7919 * n % 1900), Decimal(n)) for n in range(150)]


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.REPLACE])
def test_rows_in_the_holes_of_a_table_are_proved(
    postgres: str, server: psycopg.Connection[Any], mode: WriteMode
) -> None:
    fill_with_holes(postgres, server)
    receipt = load(postgres, HOLED, NEW, mode=mode, run="run2", chunk_rows=50)
    assert (receipt.equal, receipt.read_back, PROVED in receipt.notes) == (True, 150, True)
    found = server.execute("select id from t where id >= 1000").fetchall()
    assert [row for (row,) in found] != [row[0] for row in NEW], "they lie in the order sent: nothing was tried"


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.REPLACE])
def test_one_altered_cell_in_a_hole_differs(postgres: str, server: psycopg.Connection[Any], mode: WriteMode) -> None:
    fill_with_holes(postgres, server)
    for place in ("min", "max"):
        change = f"update t set d = d + 0.01 where ctid = (select {place}(ctid) from t where id >= 1000)"
        receipt = load(postgres, HOLED, NEW, mode=mode, run=place, chunk_rows=50, between=change)
        assert (receipt.level, receipt.equal) == (VerifyLevel.CONTENT, False)


def test_a_row_added_by_others_to_a_replaced_table_differs(postgres: str, server: psycopg.Connection[Any]) -> None:
    fill_with_holes(postgres, server)
    change = "insert into t values (1, 'theirs', 0)"
    assert load(postgres, HOLED, NEW, run="run2", chunk_rows=50, between=change).equal is False


def test_rows_in_disorder_that_no_column_tells_apart_are_compared_in_full(
    postgres: str, server: psycopg.Connection[Any]
) -> None:
    fill_with_holes(postgres, server)
    rows = [(7, text, None) for _, text, _ in NEW]
    receipt = load(postgres, HOLED, rows, run="run2", chunk_rows=50)
    assert (receipt.equal, PROVED in receipt.notes) == (True, False)


def test_statistics_are_made_with_and_without_a_read_back(postgres: str, server: psycopg.Connection[Any]) -> None:
    given = columns("id:integer")
    question = b"select reltuples from pg_class where relname = 't'"
    load(postgres, given, [(1,), (2,)])
    assert server.execute(question).fetchall() == [(2.0,)]
    case = Case(destination=PostgresDestination(), target=Target(url=postgres, table="t"), count=lambda: None)
    with Delivery(case.destination, job(case, given, WriteMode.REPLACE, "run2")) as delivery:
        delivery.open()
        delivery.load(enumerate([part(given, [(1,), (2,), (3,)])], 1), lambda chunk: None)
        delivery.publish()
    assert server.execute(question).fetchall() == [(3.0,)]
