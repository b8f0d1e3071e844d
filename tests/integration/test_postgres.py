"""PostgreSQL: what only a real server can show."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from loadlock.delivery.base import DeliveryColumn, Job, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.delivery.retry import LostTransactionError, RetryPolicy
from loadlock.errors import RefusedError, UnavailableError
from loadlock.model import Receipt, VerifyLevel, WriteMode
from loadlock.testing.contracts.destinations import PEOPLE, Case, columns, deliver, job, part, person
from loadlock.testing.databases import with_database
from loadlock.testing.servers import MissingServerError, start_postgres

pytestmark = pytest.mark.postgres


class Base:
    """An empty database: its URL, and a connection to look around."""

    def __init__(self, url: str, connection: psycopg.Connection[Any]) -> None:
        self.url = url
        self.connection = connection
        self.case = Case(destination=PostgresDestination(), target=Target(url=url, table="t"), count=lambda: None)

    @property
    def impatient(self) -> Target:
        """The table, with little patience for locks."""
        return replace(self.case.target, options={"lock_timeout": 0.2})

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        cursor = self.connection.execute(text.encode())
        return cursor.fetchall() if cursor.description else []

    def job(self, given: tuple[DeliveryColumn, ...], mode: WriteMode, run: str = "run1", **changes: Any) -> Job:
        return job(self.case, given, mode, run, **changes)

    def load(self, work: Job, parts: list[pa.Table], **options: Any) -> tuple[Delivery, Receipt]:
        with Delivery(self.case.destination, work, **options) as delivery:
            delivery.open()
            delivery.load(enumerate(parts, 1), lambda chunk: None)
            delivery.publish()
            return delivery, delivery.verify()


@pytest.fixture
def base(postgres: str) -> Iterator[Base]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield Base(postgres, connection)


def quick() -> RetryPolicy:
    return RetryPolicy(sleep=lambda seconds: None)


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT])
def test_refused_rows_are_found_and_the_rest_goes_on(base: Base, mode: WriteMode) -> None:
    base.sql("create table t (id bigint primary key, name text check (name <> 'bad'), score numeric(10,2))")
    rows = [person(number, "bad" if number in (7, 507, 508) else "ok") for number in range(900)]
    delivery, receipt = base.load(base.job(PEOPLE, mode), [part(PEOPLE, rows)], chunk_rows=300)
    assert [row.row - 1 for row in delivery.refused] == [7, 507, 508]
    problem = delivery.refused[0].problem
    assert (problem.code, "t_name_check" in problem.message, "23514" in problem.message) == ("refused", True, True)
    assert (receipt.inserted, receipt.equal, receipt.rejected) == (897, True, 3)
    assert base.sql("select count(*) from t") == [(897,)]


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.UPSERT])
def test_a_broken_foreign_key_refuses_its_rows_only(base: Base, mode: WriteMode) -> None:
    base.sql("create table places (name text primary key); insert into places values ('ok')")
    base.sql("create table t (id bigint primary key, name text references places, score numeric(10,2))")
    rows = [person(number, "nowhere" if number in (3, 77) else "ok") for number in range(100)]
    delivery, receipt = base.load(base.job(PEOPLE, mode), [part(PEOPLE, rows)])
    assert [row.row - 1 for row in delivery.refused] == [3, 77]
    assert "23503" in delivery.refused[0].problem.message
    assert (receipt.inserted, receipt.equal) == (98, True)


def test_repeated_keys_of_an_append_refuse_the_later_row(base: Base) -> None:
    base.sql("create table t (id bigint primary key, name text, score numeric(10,2)); insert into t values (5)")
    rows = [person(number) for number in (1, 2, 2, 5, 6)]
    delivery, receipt = base.load(base.job(PEOPLE, WriteMode.APPEND), [part(PEOPLE, rows)])
    assert [(row.row, row.values["id"]) for row in delivery.refused] == [(3, "2"), (4, "5")]
    assert (receipt.inserted, receipt.equal) == (3, True)


def test_rows_that_a_trigger_drops_are_refused_not_lost(base: Base) -> None:
    base.sql("create table t (id bigint, name text, score numeric(10,2))")
    base.sql(
        "create function drop_it() returns trigger language plpgsql as"
        " $$ begin if new.name = 'drop' then return null; end if; return new; end $$"
    )
    base.sql("create trigger d before insert on t for each row execute function drop_it()")
    rows = [person(1), person(2, "drop"), person(3)]
    delivery, receipt = base.load(base.job(PEOPLE, WriteMode.APPEND), [part(PEOPLE, rows)])
    assert [row.row for row in delivery.refused] == [2]
    assert "trigger" in delivery.refused[0].problem.message
    assert (receipt.inserted, receipt.equal) == (2, True)


def test_replace_keeps_grants_views_and_foreign_keys(base: Base) -> None:
    role = f"r_{base.url.rpartition('_')[2]}"
    base.sql("create table t (id bigint primary key, name text, score numeric(10,2)); insert into t values (1, 'old')")
    base.sql(f"create role {role}; grant select on t to {role}; comment on table t is 'kept'")
    base.sql("create view v as select name from t; create index by_name on t (name)")
    try:
        oid = base.sql("select 't'::regclass::oid")
        _, receipt = base.load(
            base.job(PEOPLE, WriteMode.REPLACE), [part(PEOPLE, [person(1, "new"), person(2, "two")])]
        )
        assert (receipt.deleted, receipt.inserted) == (1, 2)
        assert base.sql("select name from v order by 1") == [("new",), ("two",)]
        assert base.sql(f"select has_table_privilege('{role}', 't', 'select'), obj_description('t'::regclass)") == [
            (True, "kept")
        ]
        assert base.sql("select 't'::regclass::oid") == oid
        assert base.sql("select count(*) from pg_indexes where tablename = 't'") == [(2,)]
    finally:
        base.sql(f"drop owned by {role}; drop role {role}")


NARROW = columns(
    "i2:integer", "i4:integer", "n:decimal(20,4)", "v:text", "c:text", "e:text", "j:json", "tz:timestamptz", "d:date",
    "ts0:timestamp", "dom:text", "u:text",
)  # fmt: skip
NARROW_DDL = """
create type mood as enum ('fine', 'so so');
create domain word as varchar(4) not null;
create table t (i2 int2, i4 int4 not null, n numeric(6,2), v varchar(3), c char(4), e mood, j json, tz timestamptz(0),
    d timestamp, ts0 timestamp(0), dom word, u uuid default gen_random_uuid(), g int generated always as (i4 * 2) stored,
    k int generated always as identity, plain text default 'x')
"""


def narrow(**changes: Any) -> tuple[Any, ...]:
    row = {
        "i2": 1,
        "i4": 2,
        "n": Decimal("1.50"),
        "v": "äöü",
        "c": "ab",
        "e": "so so",
        "j": '{"b": 1, "a": [1.10]}',
        "tz": dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC),
        "d": dt.date(2024, 2, 29),
        "ts0": dt.datetime(2024, 1, 1, 1, 2, 3),
        "dom": "word",
    } | changes
    return tuple(row.values())


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.REPLACE])
def test_an_existing_table_takes_what_fits_its_exact_types(base: Base, mode: WriteMode) -> None:
    base.sql(NARROW_DDL)
    given = NARROW[:-1]
    rows = [
        narrow(),
        narrow(i2=40_000),
        narrow(i4=None),
        narrow(n=Decimal("10000.0000")),
        narrow(n=Decimal("1.2345")),
        narrow(v="abcd"),
        narrow(c="ab "),
        narrow(e="angry"),
        narrow(tz=dt.datetime(2024, 1, 1, 12, 0, 0, 1, tzinfo=dt.UTC)),
        narrow(ts0=dt.datetime(2024, 1, 1, 0, 0, 0, 500_000)),
        narrow(dom="words"),
        narrow(dom=None),
        narrow(i2=None, n=None, v="", c=None, e=None, j=None, tz=None, d=None, ts0=None),
    ]
    delivery, receipt = base.load(base.job(given, mode), [part(given, rows)])
    assert {row.row: row.problem.code for row in delivery.refused} == {
        2: "too_big_for_column",
        3: "null_in_column",
        4: "too_big_for_column",
        5: "too_big_for_column",
        6: "too_long_for_column",
        7: "unsupported_character",
        8: "refused",
        9: "too_big_for_column",
        10: "too_big_for_column",
        11: "too_long_for_column",
        12: "null_in_column",
    }
    assert (receipt.equal, receipt.inserted, receipt.level) == (True, 2, VerifyLevel.CONTENT)
    assert base.sql("select g, plain, u is not null from t where i2 = 1") == [(4, "x", True)]


def test_an_upsert_into_an_existing_table_with_identity_and_computed_columns(base: Base) -> None:
    base.sql(
        "create table t (id bigint generated always as identity primary key, name varchar(9), score numeric(10,2) not null,"
        " double numeric generated always as (score * 2) stored, must text not null default 'd')"
    )
    base.load(base.job(PEOPLE, WriteMode.UPSERT), [part(PEOPLE, [person(1, "a"), person(2, "b")])])
    _, receipt = base.load(base.job(PEOPLE, WriteMode.UPSERT, "run2"), [part(PEOPLE, [person(2, "B"), person(7, "c")])])
    assert (receipt.inserted, receipt.updated, receipt.equal) == (1, 1, True)
    assert base.sql("select id, name, double, must from t order by id") == [
        (1, "a", Decimal("3.00"), "d"),
        (2, "B", Decimal("3.00"), "d"),
        (7, "c", Decimal("3.00"), "d"),
    ]


def test_an_upsert_without_a_unique_index_works_and_says_that_it_is_slow(base: Base) -> None:
    base.sql(
        "create table t (id bigint, name text, score numeric(10,2)); insert into t values (1, 'a', 1.5), (9, 'z', 0)"
    )
    with Delivery(base.case.destination, base.job(PEOPLE, WriteMode.UPSERT)) as delivery:
        assert any("no unique index" in note for note in delivery.open().notes)
        delivery.load([(1, part(PEOPLE, [person(1, "A"), person(2)]))], lambda chunk: None)
        published = delivery.publish()
    assert (published.inserted, published.updated) == (1, 1)


def test_an_upsert_onto_a_key_that_stands_twice_in_the_table_is_refused(base: Base) -> None:
    base.sql("create table t (id bigint, name text, score numeric(10,2)); insert into t values (1, 'a'), (1, 'b')")
    with pytest.raises(RefusedError, match="id = 1 stands in the table more than once"):
        base.load(base.job(PEOPLE, WriteMode.UPSERT), [part(PEOPLE, [person(1)])])
    assert base.sql("select name from t order by 1") == [("a",), ("b",)]


def test_nul_characters_and_megabyte_cells(base: Base) -> None:
    given = columns("id:integer", "text:text")
    rows = [(1, "a\0b"), (2, "x" * 1_000_000), (3, "😀" * 250_000), (4, "\\N")]
    delivery, receipt = base.load(base.job(given, WriteMode.APPEND), [part(given, rows)])
    assert [(row.row, row.problem.code) for row in delivery.refused] == [(1, "unsupported_character")]
    assert (receipt.inserted, receipt.equal) == (3, True)
    assert base.sql("select id, length(text) from t order by id") == [(2, 1_000_000), (3, 250_000), (4, 2)]


def test_floats_that_are_no_numbers_and_moments_far_away(base: Base) -> None:
    given = columns("f:float", "d:date", "ts:timestamp")
    far = pa.table(
        {
            "f": pa.array([math.nan, math.inf, -math.inf, -0.0], pa.float64()),
            "d": pa.array([-2_500_000, 3_000_000, -1_000_000, 0], pa.int32()).cast(pa.date32()),
            "ts": pa.array([-(10**17), 10**17 + 1, -1, 253402300800000000], pa.int64()).cast(pa.timestamp("us")),
            "_file": pa.array([0] * 4, pa.int32()),
            "_row": pa.array(range(4), pa.int64()),
        }
    )
    delivery, receipt = base.load(base.job(given, WriteMode.APPEND), [far])
    assert [row.row for row in delivery.refused] == [0]  # before 4713 BC
    assert (receipt.inserted, receipt.equal) == (3, True)


def test_an_append_is_told_apart_from_equal_rows_that_were_there(base: Base) -> None:
    rows = [part(PEOPLE, [person(1), person(2)])]
    plain = tuple(DeliveryColumn(name=column.name, type=column.type) for column in PEOPLE)
    base.load(base.job(plain, WriteMode.APPEND), rows, chunk_rows=1)
    _, receipt = base.load(base.job(plain, WriteMode.APPEND, "run2"), rows, chunk_rows=1)
    assert (receipt.level, receipt.equal, receipt.read_back) == (VerifyLevel.CONTENT, True, 2)
    assert base.sql("select count(*) from t") == [(4,)]


@pytest.mark.parametrize("change", ["update t set name = name || ' ' where id = 2", "delete from t where id = 2"])
def test_one_change_by_others_makes_the_read_back_unequal(base: Base, change: str) -> None:
    plain = tuple(DeliveryColumn(name=column.name, type=column.type) for column in PEOPLE)
    work = base.job(plain, WriteMode.APPEND)
    base.load(work, [part(PEOPLE, [person(1), person(2), person(3)])])
    base.sql(change)
    with Delivery(base.case.destination, work) as delivery:
        delivery.open()
        assert delivery.verify().equal is False


def test_a_value_that_the_type_no_longer_holds_makes_the_read_back_unequal(base: Base) -> None:
    work = base.job(PEOPLE, WriteMode.REPLACE)
    base.load(work, [part(PEOPLE, [person(1, score="1.24"), person(2)])])
    base.sql("alter table t alter score type numeric; update t set score = 1.239 where id = 1")
    with Delivery(base.case.destination, work) as delivery:
        delivery.open()
        assert delivery.verify().equal is False


def test_a_cut_connection_is_mended_in_a_staged_load(base: Base) -> None:
    work = base.job(PEOPLE, WriteMode.UPSERT)
    with Delivery(base.case.destination, work, retry=quick()) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(1)]))], lambda chunk: None)
        _cut(base)
        delivery.load([(2, part(PEOPLE, [person(2)]))], lambda chunk: None)
        _cut(base)
        assert delivery.publish().inserted == 2
        assert delivery.verify().equal
    assert base.sql("select count(*) from t") == [(2,)]
    assert _left_behind(base) == []


def test_a_cut_connection_ends_a_direct_load_and_leaves_nothing(base: Base) -> None:
    with Delivery(base.case.destination, base.job(PEOPLE, WriteMode.APPEND), retry=quick()) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(1)]))], lambda chunk: None)
        _cut(base)
        with pytest.raises(LostTransactionError):
            delivery.load([(2, part(PEOPLE, [person(2)]))], lambda chunk: None)
    assert base.sql("select to_regclass('t')") == [(None,)]
    deliver(base.case, base.job(PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(1), person(2)])])
    assert base.sql("select count(*) from t") == [(2,)]


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.UPSERT])
@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_answer_to_commit_is_asked_of_the_control_row(
    base: Base, mode: WriteMode, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loadlock.delivery.destinations._postgres_catalog import run as plain_run

    lost: list[bool] = []

    def losing(connection: Any, sql: str, *values: Any) -> Any:
        if sql == "commit" and not lost:
            lost.append(True)
            if committed:
                plain_run(connection, sql, *values)
            connection.close()
            raise psycopg.OperationalError("the answer was lost")
        return plain_run(connection, sql, *values)

    with Delivery(base.case.destination, base.job(PEOPLE, mode), retry=quick()) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(1)]))], lambda chunk: None)
        monkeypatch.setattr("loadlock.delivery.destinations._postgres_session.run", losing)
        if mode == WriteMode.APPEND and not committed:
            with pytest.raises(LostTransactionError):
                delivery.publish()
            return
        assert delivery.publish().inserted == 1
        assert delivery.verify().equal
    assert base.sql("select count(*) from t") == [(1,)]


def test_a_table_locked_by_others_is_waited_for_and_tried_again(base: Base) -> None:
    base.sql("create table t (id bigint primary key, name text, score numeric(10,2)); insert into t values (1)")
    base.sql("begin; lock table t in access exclusive mode")
    policy = RetryPolicy(sleep=lambda seconds: void(base.sql("rollback")))
    work = base.job(PEOPLE, WriteMode.REPLACE, target=base.impatient)
    with Delivery(base.case.destination, work, retry=policy) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(2)]))], lambda chunk: None)
        assert (delivery.publish().deleted, delivery.verify().equal) == (1, True)


def test_an_upsert_waits_for_another_writer_of_the_table(base: Base) -> None:
    base.sql("create table t (id bigint primary key, name text, score numeric(10,2))")
    policy = RetryPolicy(sleep=lambda seconds: void(base.sql("commit")))
    work = base.job(PEOPLE, WriteMode.UPSERT, target=base.impatient)
    with Delivery(base.case.destination, work, retry=policy) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(1), person(2)]))], lambda chunk: None)
        base.sql("begin; insert into t values (1, 'theirs', 0)")
        published = delivery.publish()
    assert (published.inserted, published.updated) == (1, 1)


def test_a_case_insensitive_key_takes_the_new_spelling(base: Base) -> None:
    try:
        base.sql("create extension citext")
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("the server has no citext")
    given = columns("name:text", "v:integer", key=("name",))
    base.sql("create table t (name citext primary key, v int); insert into t values ('anna', 1), ('Berta', 2)")
    _, receipt = base.load(base.job(given, WriteMode.UPSERT), [part(given, [("Anna", 1), ("Berta", 2), ("Carl", 3)])])
    assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.equal) == (1, 1, 1, True)
    assert base.sql("select name::text from t order by name") == [("Anna",), ("Berta",), ("Carl",)]


def test_a_staging_table_of_a_published_run_is_swept_by_the_next(base: Base) -> None:
    work = base.job(PEOPLE, WriteMode.UPSERT)
    delivery = Delivery(base.case.destination, work)
    delivery.open()
    delivery.load([(1, part(PEOPLE, [person(1)]))], lambda chunk: None)
    delivery.publish()
    _cut(base)
    delivery.close()
    assert len(_left_behind(base)) == 1
    base.load(base.job(PEOPLE, WriteMode.UPSERT, "run2"), [part(PEOPLE, [person(2)])])
    assert _left_behind(base) == []


def test_a_crash_of_the_server_empties_the_staging_table_and_the_receipts_with_it() -> None:
    try:
        server = start_postgres(settings={"fsync": "on"})
    except MissingServerError as error:
        pytest.skip(f"NO SERVER: {error}")
    try:
        case = Case(destination=PostgresDestination(), target=Target(url=server.url, table="t"), count=lambda: None)
        work = job(case, PEOPLE, WriteMode.UPSERT)
        parts = [(seq, part(PEOPLE, [person(seq)])) for seq in (1, 2)]
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            delivery.load(parts[:1], lambda chunk: None)
            server.kill()
        server.restart()
        with Delivery(case.destination, work) as delivery:
            assert delivery.open().loaded == frozenset()
            delivery.load(parts, lambda chunk: None)
            assert delivery.publish().inserted == 2
            assert delivery.verify().equal
    finally:
        server.stop()


def test_a_wrong_password_is_refused_without_showing_it(base: Base) -> None:
    role = f"u_{base.url.rpartition('_')[2]}"
    base.sql(f"create role {role} login password 'right'")
    url = with_database(base.url, "no_such_database").replace("postgres@", f"{role}:s3cr3t%40x@")
    destination = PostgresDestination()
    try:
        with pytest.raises(RefusedError) as caught:
            destination.inspect(Target(url=url, table="t"))
    finally:
        base.sql(f"drop role {role}")
    assert "s3cr3t" not in str(caught.value)
    assert "no_such_database" in str(caught.value)
    assert caught.value.hint is not None


@pytest.mark.parametrize("rest", ["se%zzcret@127.0.0.1/x", "secret@[::1/x", "secret@127.0.0.1:port/x"])
def test_a_broken_url_is_not_repeated(rest: str) -> None:
    with pytest.raises(RefusedError) as caught:
        PostgresDestination().inspect(Target(url=f"postgresql://user:{rest}", table="t"))
    assert "cret" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1/x does not answer"):
        PostgresDestination().inspect(Target(url="postgresql://user:secret@127.0.0.1:1/x", table="t"))


def test_rights_that_are_missing_are_named(base: Base) -> None:
    role = f"p_{base.url.rpartition('_')[2]}"
    base.sql(f"create role {role} login; create schema closed; create table closed.t (id bigint)")
    target = Target(url=base.url.replace("postgres@", f"{role}@"), table="closed.t")
    try:
        work = base.job(PEOPLE, WriteMode.APPEND, target=target)
        with Delivery(base.case.destination, work) as delivery, pytest.raises(RefusedError, match="permission denied"):
            delivery.open()
    finally:
        base.sql(f"drop owned by {role}; drop role {role}")


def test_a_view_is_not_loaded(base: Base) -> None:
    base.sql("create view t as select 1 as id, 'x' as name, 1.5 as score")
    with Delivery(base.case.destination, base.job(PEOPLE, WriteMode.APPEND)) as delivery, pytest.raises(RefusedError):
        delivery.open()


def test_a_lock_is_waited_for(base: Base) -> None:
    first = Delivery(base.case.destination, base.job(PEOPLE, WriteMode.APPEND, "run1"))
    first.open()
    first.close()
    with Delivery(base.case.destination, base.job(PEOPLE, WriteMode.APPEND, "run2", wait_seconds=5)) as second:
        second.open()


def void(value: object) -> None:
    """Forget a value."""


def _cut(base: Base) -> None:
    base.sql(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
        " where application_name like 'loadlock%' and datname = current_database()"
    )


def _left_behind(base: Base) -> list[tuple[Any, ...]]:
    """Staging tables and receipts."""
    return base.sql(
        "select relname::text from pg_class where relname like '\\_loadlock\\_%' and relkind = 'r'"
        " union all select chunk_id from loadlock_chunks"
    )
