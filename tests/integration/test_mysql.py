"""MariaDB and MySQL: what only a real server can show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pymysql
import pytest

from loadlock.delivery.base import DeliveryColumn, Job, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations._mysql_address import Address
from loadlock.delivery.destinations._mysql_wire import connect, run
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.delivery.retry import LostTransactionError, RetryPolicy
from loadlock.delivery.undo import Undoing
from loadlock.errors import RefusedError, UnavailableError, UsageError
from loadlock.model import Receipt, VerifyLevel, WriteMode
from loadlock.testing.contracts.destinations import PEOPLE, Case, columns, job, part, person
from loadlock.testing.databases import connect_mysql

pytestmark = pytest.mark.mysql

MODES = [WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT]


class Base:
    """An empty database: its URL, and a connection to look around."""

    def __init__(self, url: str, connection: Any) -> None:
        self.url = url
        self.connection = connection
        self.case = Case(destination=MysqlDestination(), target=Target(url=url, table="t"), count=lambda: None)

    def sql(self, text: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(text)
            return list(cursor.fetchall())

    def job(self, given: tuple[DeliveryColumn, ...], mode: WriteMode, run: str = "run1", **changes: Any) -> Job:
        return job(self.case, given, mode, run, **changes)

    def load(self, work: Job, parts: list[pa.Table], **options: Any) -> tuple[Delivery, Receipt]:
        with Delivery(self.case.destination, work, **options) as delivery:
            delivery.open()
            delivery.load(enumerate(parts, 1), lambda chunk: None)
            delivery.publish()
            return delivery, delivery.verify()


@pytest.fixture
def base(mysql: str) -> Iterator[Base]:
    with closing(connect_mysql(mysql)) as connection:
        yield Base(mysql, connection)


@pytest.fixture
def no_local_infile(base: Base) -> Iterator[None]:
    base.sql("set global local_infile = 0")
    try:
        yield
    finally:
        base.sql("set global local_infile = 1")


def quick() -> RetryPolicy:
    return RetryPolicy(sleep=lambda seconds: None)


CHECKED = (
    "create table t (id bigint primary key, name varchar(20) check (name <> 'bad'), score decimal(10,2))"
    " default charset = utf8mb4"
)


def test_a_repeated_key_that_load_data_would_skip_is_refused(base: Base) -> None:
    base.sql("create table t (id bigint primary key, name varchar(20), score decimal(10,2))")
    base.sql("insert into t values (5, 'old', 1)")
    rows = [person(number) for number in (1, 2, 2, 5, 6)]
    delivery, receipt = base.load(base.job(PEOPLE, WriteMode.APPEND), [part(PEOPLE, rows)])
    assert [(row.row, row.values["id"]) for row in delivery.refused] == [(3, "2"), (4, "5")]
    assert "Duplicate entry" in delivery.refused[0].problem.message
    assert (receipt.inserted, base.sql("select name from t where id = 5")) == (3, [("old",)])


@pytest.mark.usefixtures("no_local_infile")
@pytest.mark.parametrize("mode", MODES)
def test_without_local_infile_rows_go_by_insert_and_the_user_is_told(base: Base, mode: WriteMode) -> None:
    base.sql(CHECKED)
    hostile = ["bad", "it's", "back\\slash", "tab\tline\n", "%s", "\\N", "NULL", "", "😀 \x1a\0"]
    rows = [person(number, text) for number, text in enumerate(hostile)]
    with Delivery(base.case.destination, base.job(PEOPLE, mode)) as delivery:
        assert "local_infile is off" in delivery.open().notes[0]
        delivery.load([(1, part(PEOPLE, rows))], lambda chunk: None)
        delivery.publish()
        receipt = delivery.verify()
    assert [row.row for row in delivery.refused] == [1]
    assert (receipt.inserted, receipt.equal, receipt.level) == (8, True, VerifyLevel.CONTENT)


def test_a_file_that_the_server_asks_for_is_not_sent(base: Base) -> None:
    base.sql("create table t (line text)")
    with closing(connect(Address.parse(base.url))) as connection, pytest.raises(pymysql.err.MySQLError):
        run(connection, "load data local infile '/etc/hostname' into table t")
    assert base.sql("select count(*) from t") == [(0,)]


NARROW = columns(
    "t1:integer", "u:integer", "n:decimal(20,4)", "v:text", "c:text", "e:text", "j:json", "dt0:timestamp", "ts:timestamptz",
    "b:boolean", "l1:text", "u3:text", "f:float", "y:integer",
)  # fmt: skip
NARROW_DDL = """
create table t (t1 tinyint, u int unsigned not null, n decimal(6,2), v varchar(3) character set utf8mb4, c char(4),
    e enum('fine','so so'), j json, dt0 datetime, ts timestamp(6) null, b tinyint(1), l1 varchar(9) character set latin1,
    u3 varchar(9) character set utf8mb3, f double, y year, g bigint as (u * 2) stored, a int auto_increment, plain int default 7,
    key (a)) engine = InnoDB default charset = utf8mb4
"""


def narrow(**changes: Any) -> tuple[Any, ...]:
    row = {
        "t1": -128,
        "u": 4_294_967_295,
        "n": Decimal("1.50"),
        "v": "äöü",
        "c": "ab",
        "e": "so so",
        "j": '{"b": 1, "a": [1.10]}',
        "dt0": dt.datetime(1, 1, 1, 1, 2, 3),
        "ts": dt.datetime(2024, 3, 31, 1, 30, 0, 1, tzinfo=dt.UTC),
        "b": True,
        "l1": "Größe",
        "u3": "€",
        "f": 0.1,
        "y": 2024,
    } | changes
    return tuple(row.values())


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.REPLACE])
def test_an_existing_table_takes_what_fits_its_exact_types(base: Base, mode: WriteMode) -> None:
    base.sql(NARROW_DDL)
    rows = [
        narrow(),
        narrow(t1=128),
        narrow(u=-1),
        narrow(u=None),
        narrow(n=Decimal("10000")),
        narrow(n=Decimal("1.2345")),
        narrow(v="abcd"),
        narrow(c="ab "),
        narrow(e="angry"),
        narrow(dt0=dt.datetime(2024, 1, 1, 0, 0, 0, 5)),
        narrow(ts=dt.datetime(2050, 1, 1, tzinfo=dt.UTC)),
        narrow(l1="Łukasz"),
        narrow(u3="😀"),
        narrow(f=float("nan")),
        narrow(y=1066),
        narrow(
            t1=None, n=None, v="", c=None, e=None, j=None, dt0=None, ts=None, b=False, l1=None, u3="", f=-0.0, y=None
        ),
    ]
    delivery, receipt = base.load(base.job(NARROW, mode), [part(NARROW, rows)])
    assert {row.row: row.problem.code for row in delivery.refused} == {
        2: "too_big_for_column",
        3: "too_big_for_column",
        4: "null_in_column",
        5: "too_big_for_column",
        6: "too_big_for_column",
        7: "too_long_for_column",
        8: "unsupported_character",
        9: "refused",
        10: "too_big_for_column",
        11: "out_of_date_range",
        12: "refused",
        13: "unsupported_character",
        14: "too_big_for_column",
        15: "too_big_for_column",
    }
    assert (receipt.equal, receipt.inserted, receipt.level) == (True, 2, VerifyLevel.CONTENT)
    assert base.sql("select plain, a is not null, l1 from t where t1 = -128") == [(7, 1, "Größe")]


def test_an_upsert_by_a_key_that_ignores_case_takes_the_new_spelling(base: Base) -> None:
    given = columns("name:text", "v:integer", key=("name",))
    base.sql(
        "create table t (name varchar(9) primary key, v int) default charset = utf8mb4 collate = utf8mb4_general_ci"
    )
    base.sql("insert into t values ('anna', 1), ('Berta', 2)")
    _, receipt = base.load(base.job(given, WriteMode.UPSERT), [part(given, [("Anna", 1), ("Berta", 2), ("Carl", 3)])])
    assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.equal) == (1, 1, 1, True)
    assert base.sql("select name from t order by name") == [("Anna",), ("Berta",), ("Carl",)]


def test_keys_that_differ_in_case_alone_refuse_the_later_row(base: Base) -> None:
    given = columns("name:text", "v:integer", key=("name",))
    base.sql(
        "create table t (name varchar(9) primary key, v int) default charset = utf8mb4 collate = utf8mb4_general_ci"
    )
    delivery, receipt = base.load(base.job(given, WriteMode.UPSERT), [part(given, [("anna", 1), ("Anna", 2)])])
    assert [row.values["name"] for row in delivery.refused] == ["Anna"]
    assert (receipt.inserted, receipt.equal) == (1, True)


def test_zero_in_an_auto_increment_column_stays_zero(base: Base) -> None:
    base.sql("create table t (id bigint auto_increment primary key, name text, score decimal(10,2)) charset = utf8mb4")
    _, receipt = base.load(base.job(PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(0), person(5)])])
    assert receipt.equal
    assert base.sql("select id from t order by id") == [(0,), (5,)]


def test_an_append_to_a_filled_table_is_compared_by_count_and_with_lineage_by_content(base: Base) -> None:
    base.sql(
        "create table t (id bigint, name text, score decimal(10,2), _batch varchar(80), _row bigint) charset = utf8mb4"
    )
    base.sql("insert into t (id) values (1)")
    rows = [part(PEOPLE, [person(1), person(2)])]
    _, by_count = base.load(base.job(PEOPLE, WriteMode.APPEND), rows)
    _, by_content = base.load(base.job(PEOPLE, WriteMode.APPEND, "run2", lineage=True), rows)
    assert (by_count.level, by_count.equal, by_count.read_back) == (VerifyLevel.COUNT, True, 2)
    assert (by_content.level, by_content.equal, by_content.read_back) == (VerifyLevel.CONTENT, True, 2)


def test_megabyte_cells_and_packets_of_the_greatest_size(base: Base) -> None:
    given = columns("id:integer", "text:text")
    rows = [(1, "x" * 1_000_000), (2, "😀" * 250_000), (3, "\0"), (4, 'q"' * 40_000), (5, "y" * 250), (6, "z" * 251)]
    _, receipt = base.load(base.job(given, WriteMode.APPEND), [part(given, rows)])
    assert (receipt.inserted, receipt.equal) == (6, True)


def test_a_cut_connection_is_mended_in_a_staged_load(base: Base) -> None:
    with Delivery(base.case.destination, base.job(PEOPLE, WriteMode.UPSERT), retry=quick()) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(1)]))], lambda chunk: None)
        _cut(base)
        delivery.load([(2, part(PEOPLE, [person(2)]))], lambda chunk: None)
        _cut(base)
        assert delivery.publish().inserted == 2
        assert delivery.verify().equal
    assert base.sql("select count(*) from t") == [(2,)]
    assert base.sql("select count(*) from loadlock_chunks") == [(0,)]
    assert base.sql("show tables like '\\_loadlock\\_%'") == []


def test_a_cut_connection_ends_a_direct_load_and_leaves_no_row(base: Base) -> None:
    with Delivery(base.case.destination, base.job(PEOPLE, WriteMode.APPEND), retry=quick()) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(1)]))], lambda chunk: None)
        _cut(base)
        with pytest.raises(LostTransactionError):
            delivery.load([(2, part(PEOPLE, [person(2)]))], lambda chunk: None)
    assert base.sql("select count(*) from t") == [(0,)]


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.UPSERT])
@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_answer_to_commit_is_asked_of_the_control_row(
    base: Base, mode: WriteMode, committed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loadlock.delivery.destinations._mysql_wire import run as plain_run

    lost: list[bool] = []

    def losing(connection: Any, sql: str, *values: Any) -> Any:
        if sql == "commit" and not lost:
            lost.append(True)
            if committed:
                plain_run(connection, sql, *values)
            connection.close()
            raise pymysql.err.OperationalError(2013, "the answer was lost")
        return plain_run(connection, sql, *values)

    with Delivery(base.case.destination, base.job(PEOPLE, mode), retry=quick()) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, [person(1)]))], lambda chunk: None)
        monkeypatch.setattr("loadlock.delivery.destinations._mysql_session.run", losing)
        if mode == WriteMode.APPEND and not committed:
            with pytest.raises(LostTransactionError):
                delivery.publish()
            return
        assert delivery.publish().inserted == 1
        assert delivery.verify().equal
    assert base.sql("select count(*) from t") == [(1,)]


def test_a_stop_right_after_the_commit_leaves_what_a_rollback_needs(
    base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base.load(base.job(PEOPLE, WriteMode.REPLACE, "run1", undo=3), [part(PEOPLE, [person(1)])])

    def stop(name: str) -> None:
        if name == "target.committed":
            raise KeyboardInterrupt

    work = base.job(PEOPLE, WriteMode.REPLACE, "run2", undo=3)
    with monkeypatch.context() as patch:
        patch.setattr("loadlock.delivery.destinations._server_session.point", stop)
        with pytest.raises(KeyboardInterrupt):
            base.load(work, [part(PEOPLE, [person(2)])])
    assert base.sql("select id from t") == [(2,)]
    with Undoing(base.case.destination, work, tmp_path) as undoing:
        undoing.open()
        assert not undoing.look(lambda: [part(PEOPLE, [person(2)])])
        undoing.undo()
    assert base.sql("select id from t") == [(1,)]


def test_a_table_that_cannot_roll_back_is_refused(base: Base) -> None:
    base.sql("create table t (id bigint, name text, score decimal(10,2)) engine = MyISAM")
    work = base.job(PEOPLE, WriteMode.APPEND)
    with Delivery(base.case.destination, work) as delivery, pytest.raises(RefusedError, match="MyISAM, which can't"):
        delivery.open()


def test_a_wrong_password_is_refused_without_showing_it(base: Base) -> None:
    url = base.url.replace("root@", "nobody_known:s3cr3t%40x@")
    with pytest.raises(RefusedError) as caught:
        MysqlDestination().inspect(Target(url=url, table="t"))
    assert "s3cr3t" not in str(caught.value)
    assert "nobody_known" in str(caught.value)
    assert caught.value.hint is not None


def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(UnavailableError) as caught:
        MysqlDestination().inspect(Target(url="mysql://user:s3cr3t@127.0.0.1:1/x", table="t"))
    assert "127.0.0.1:1/x" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_an_unknown_host_is_refused() -> None:
    with pytest.raises(RefusedError, match="host"):
        MysqlDestination().inspect(Target(url="mysql://user:s3cr3t@no-such-host.invalid/x", table="t"))


def test_a_url_without_a_database_needs_one_in_the_table() -> None:
    with pytest.raises(UsageError, match="no database"):
        MysqlDestination().inspect(Target(url="mysql://root@127.0.0.1", table="t"))


def _cut(base: Base) -> None:
    """End all other connections to this database."""
    for (number,) in base.sql(
        "select id from information_schema.processlist where db = database() and id <> connection_id()"
    ):
        base.sql(f"kill {number}")
