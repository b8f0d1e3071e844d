"""The read-back of MySQL and MariaDB by hashes: what it proves, and what it leaves to the full comparison."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from loadlock.delivery.base import DeliveryColumn, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations._mysql_session import MysqlSession
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.model import Receipt, VerifyLevel, WriteMode
from loadlock.testing.contracts.cases import (
    ALL_TYPES,
    ALL_VALUES,
    HOSTILE_TEXTS,
    NO_VALUES,
    Case,
    columns,
    ignore,
    job,
    part,
)
from loadlock.testing.databases import connect_mysql

pytestmark = pytest.mark.mysql

PROVED = MysqlSession.proof
PLAIN = tuple(column for column in ALL_TYPES if column.name != "js")
JSON_AT = [column.name for column in ALL_TYPES].index("js")
ROWS = [(*row[:JSON_AT], *row[JSON_AT + 1 :]) for row in (*ALL_VALUES, NO_VALUES)]
KEYED = columns(*(f"{column.name}:{column.type}" for column in PLAIN), key=("id",))
FLOATS = (
    0.1, 1.0, -1.5, 1 / 3, 1e14, 1e15, 1e16, 123456789012345678.0, 1476846475437009.2, 999999999999999.9, 1e-4, 1e-5,
    1.5e-14, 1e-14, 1e-15, 1.2345e-16, 5e-324, -1.7976931348623157e308, 1e22, 1e23, 9007199254740993.0, 2.5e-7, 100.0,
)  # fmt: skip


@pytest.fixture(params=["mysql", "mysql_lts"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def execute(url: str, *statements: str) -> None:
    with closing(connect_mysql(url)) as connection, connection.cursor() as cursor:
        cursor.execute("set time_zone = '+00:00'")
        for statement in statements:
            cursor.execute(statement)


def load(
    url: str,
    given: tuple[DeliveryColumn, ...],
    rows: Sequence[tuple[Any, ...]],
    *,
    between: Sequence[str] = (),
    **changes: Any,
) -> Receipt:
    """Deliver in small chunks; run `between` before the read-back, on a connection of its own."""
    case = Case(destination=MysqlDestination(), target=Target(url=url, table="t"), count=lambda: None)
    work = job(case, given, changes.pop("mode", WriteMode.REPLACE), **changes)
    with Delivery(case.destination, work, chunk_rows=2) as delivery:
        delivery.open()
        delivery.load(enumerate([part(given, rows)], 1), ignore)
        delivery.publish()
        execute(url, *between)
        return delivery.verify()


def is_proved(receipt: Receipt, rows: int) -> bool:
    assert (receipt.level, receipt.equal, receipt.read_back) == (VerifyLevel.CONTENT, True, rows)
    return PROVED in receipt.notes


def test_every_type_is_proved_by_hashes_in_every_mode(server: str) -> None:
    for number, mode in enumerate((WriteMode.REPLACE, WriteMode.UPSERT, WriteMode.MIRROR, WriteMode.DELETE_INSERT)):
        assert is_proved(load(server, KEYED, ROWS, mode=mode, run=f"run{number}"), len(ROWS)), mode
    execute(server, "drop table t")
    assert is_proved(load(server, PLAIN, ROWS, mode=WriteMode.APPEND, run="new"), len(ROWS))


def test_json_is_proved_where_it_is_kept_as_text(mysql: str, mysql_lts: str) -> None:
    given, rows = columns("id:integer", "js:json"), [(1, '{"b":1, "a":1.10}'), (2, None)]
    assert is_proved(load(mysql, given, rows), 2)
    assert not is_proved(load(mysql_lts, given, rows), 2)


def test_texts_and_floats_of_every_kind_are_proved(server: str) -> None:
    given = columns("n:integer", "a:text", "b:text")
    rows = [(n, text, None if n % 3 else text) for n, text in enumerate(HOSTILE_TEXTS)]
    assert is_proved(load(server, given, rows), len(rows))
    execute(server, "drop table t")
    numbers = [(n, value) for n, value in enumerate((0.0, *FLOATS, *(-x for x in FLOATS), None))]
    assert is_proved(load(server, columns("n:integer", "f:float"), numbers, run="run2"), len(numbers))
    assert not is_proved(load(server, columns("n:integer", "f:float"), [(1, -0.0)], run="run3"), 1)


def test_values_in_columns_of_other_types_are_proved(server: str) -> None:
    execute(
        server,
        "create table t (id int unsigned primary key, u bigint unsigned, a decimal(20,4), b decimal(10,2) unsigned,"
        " c smallint, d char(9), e datetime, f datetime(3), g timestamp(6) null, h time, i year,"
        " j enum('x', 'Y'), k set('p', 'q'), l varchar(20) character set latin1,"
        " m text character set utf8mb4 collate utf8mb4_general_ci, n tinyint,"
        " o varchar(40), p decimal(6,6), q varchar(30), r varchar(30))",
    )
    given = columns(
        "id:integer", "u:integer", "a:decimal(12,2)", "b:integer", "c:decimal(4,0)", "d:text", "e:date", "f:timestamp",
        "g:timestamptz", "h:time", "i:integer", "j:text", "k:text", "l:text", "m:text", "n:boolean", "o:timestamptz",
        "p:decimal(6,6)", "q:float", "r:boolean",
    )  # fmt: skip
    moment = dt.datetime(2024, 2, 29, 1, 2, 3, 250000, tzinfo=dt.UTC)
    full = (
        1, 2**63 - 1, Decimal("1.50"), 7, Decimal("8"), "ab", dt.date(2024, 1, 2), moment.replace(tzinfo=None), moment,
        dt.time(1, 2, 3), 2024, "Y", "p,q", "é", "Straße ", True, moment, Decimal("0.500000"), 1e16, False,
    )  # fmt: skip
    assert is_proved(load(server, given, [full, (2, *[None] * (len(given) - 1))]), 2)


@pytest.mark.parametrize("text", [chr(28), f"a{chr(29)}b"])
def test_a_text_with_the_characters_that_part_values_is_compared_in_full(mysql: str, text: str) -> None:
    assert not is_proved(load(mysql, columns("n:integer", "a:text"), [(1, text), (2, None)]), 2)


ALTERED = {
    "t": "concat(t, ' ')", "i": "i div 2 + 1", "d": "d - 0.01", "w": "w - 0.0000000001", "f": "f / 2 + 1", "b": "1 - b",
    "dt": "dt + interval 1 day", "tm": "'00:00:00.000001'", "ts": "ts + interval 1 microsecond",
    "tz": "tz + interval 1 microsecond", "u": "'0b9ae7d2-0a3c-4e6a-9f4e-1f6c2d3e4f51'",
}  # fmt: skip


CHANGES = (
    *(f"update t set {name} = {value} where id = 1" for name, value in ALTERED.items()),
    "update t set t = null where id = 1",
    "update t set f = null where id = 1",
    "update t set t = '' where t is null",
    "update t set t = char(29) where t is null",
    "update t set b = 0 where b is null",
    "update t set i = 0 where i is null",
    "insert into t select * from t where id = 1",
    "delete from t where id = 2",
    "update t set t = case id when 1 then ' ' else 'text' end where id in (1, 2)",
)


def test_one_altered_cell_or_row_differs(server: str) -> None:
    case = Case(destination=MysqlDestination(), target=Target(url=server, table="t"), count=lambda: None)
    with Delivery(case.destination, job(case, PLAIN, WriteMode.REPLACE), chunk_rows=2) as delivery:
        delivery.open()
        delivery.load(enumerate([part(PLAIN, ROWS)], 1), ignore)
        delivery.publish()
        execute(server, "create table kept as select * from t")
        for change in CHANGES:
            execute(server, change)
            receipt = delivery.verify()
            assert (receipt.level, receipt.equal) == (VerifyLevel.CONTENT, False), change
            execute(server, "delete from t", "insert into t select * from kept")
            assert is_proved(delivery.verify(), len(ROWS))


@pytest.mark.parametrize("change", ["'ABC'", "'abc '", "'äbc'", "concat('abc', char(28))"])
def test_a_change_that_the_collation_calls_equal_differs(server: str, change: str) -> None:
    execute(
        server, "create table t (n int primary key, a varchar(20) character set utf8mb4 collate utf8mb4_general_ci)"
    )
    given = columns("n:integer", "a:text")
    between = [f"update t set a = {change} where n = 1"]
    assert load(server, given, [(1, "abc"), (2, "x")], between=between).equal is False


def test_a_change_in_a_row_of_an_upsert_differs_and_one_beside_it_does_not(server: str) -> None:
    load(server, KEYED, [(99, *ROWS[0][1:])], mode=WriteMode.UPSERT)
    beside = "update t set t = 'theirs' where id = 99"
    assert is_proved(load(server, KEYED, ROWS, mode=WriteMode.UPSERT, run="r2", between=[beside]), len(ROWS))
    change = "update t set t = 'theirs' where id = 1"
    assert load(server, KEYED, ROWS, mode=WriteMode.UPSERT, run="r3", between=[change]).equal is False


def test_rows_that_an_insert_only_left_are_proved_with_those_that_landed(server: str) -> None:
    given, rows = columns("id:integer", "a:text", key=("id",)), [(1, "new"), (2, "b"), (3, None)]
    load(server, given, [(1, "old")], mode=WriteMode.INSERT_ONLY)
    assert is_proved(load(server, given, rows, mode=WriteMode.INSERT_ONLY, run="r2"), 2)
    beside = ["delete from t where id > 1", "update t set a = 'theirs' where id = 1"]
    execute(server, beside[0])
    assert is_proved(load(server, given, rows, mode=WriteMode.INSERT_ONLY, run="r3", between=beside[1:]), 2)
    execute(server, beside[0])
    change = ["update t set a = 'c' where id = 3"]
    assert load(server, given, rows, mode=WriteMode.INSERT_ONLY, run="r4", between=change).equal is False


def test_a_changed_scale_is_not_rounded_away(server: str) -> None:
    given = columns("id:integer", "d:decimal(10,2)")
    between = ["alter table t modify d decimal(12,4)", "update t set d = 1.2390 where id = 1"]
    assert load(server, given, [(1, Decimal("1.24")), (2, Decimal("5.00"))], between=between).equal is False


def test_all_stretches_of_a_key_are_asked_for(mysql: str) -> None:
    given = columns("id:integer", "a:text", key=("id",))
    rows = [(7 * n - 50, f"{n}") for n in range(40)]
    assert is_proved(load(mysql, given, rows, mode=WriteMode.REPLACE), 40)
    for number in (0, 39):
        change = f"update t set a = 'x' where id = {7 * number - 50}"
        assert load(mysql, given, rows, mode=WriteMode.REPLACE, run=f"r{number}", between=[change]).equal is False
