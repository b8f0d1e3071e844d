"""Columns of types that PostgreSQL alone can read take text in the form in which the server shows it, in every mode."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from loadlock.delivery.base import DeliveryColumn, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.model import Receipt, VerifyLevel, WriteMode
from loadlock.testing.contracts.destinations import Case, columns, job, part

pytestmark = pytest.mark.postgres

SHOWN = {
    "interval": "1 day 02:03:04.5", "interval year to month": "1 year 2 mons", "bytea": "\\x0001ff", "inet": "192.168.0.1/24",
    "cidr": "10.0.0.0/8", "macaddr": "08:00:2b:01:02:03", "int[]": "{1,2,NULL,-4}", "text[]": '{a,"b c",NULL,"x\\"y\\\\z"}',
    "int4range": "[1,5)", "tsrange": '["2024-01-01 00:00:00","2024-02-01 00:00:00")', "tsvector": "'a' 'b'",
    "point": "(1,2)", "box": "(3,4),(1,2)", "money": "$12.50", "bit(4)": "1010", "bit varying(8)": "101",
    "timetz": "12:00:00+02", "xml": "<a>\n\t1</a>", "real": "1.5", '"char"': "x", "oid": "42", "mood[]": '{fine,"so so"}',
    "pair": '(1,"b,c")',
}  # fmt: skip
"""Each type with a value as the server shows it."""
OTHERWISE = {
    "interval": ("2 hours", "'02:00:00'"), "bytea": ("\\x00FF", "'\\\\x00ff'"), "inet": ("10.0.0.1/32", "'10.0.0.1'"),
    "int[]": ("{1, 2}", "'{1,2}'"), "bit(4)": ("10101", "'1010'"), "real": ("1.123456789", "'1.1234568'"),
}  # fmt: skip
"""Values that it shows in another way."""
UNREADABLE = {"interval": "soon", "int[]": "{1,", "inet": "300.1.1.1", "int4range": "[5,1)", "mood[]": "{angry}"}
NAMES = [f"c{number}" for number in range(len(SHOWN))]
GIVEN = columns("id:integer", "at:timestamptz", *(f"{name}:text" for name in NAMES), key=("id",))


@pytest.fixture
def server(postgres: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create type mood as enum ('fine', 'so so'); create type pair as (a int, b text)")
        yield connection


def load(
    url: str, given: tuple[DeliveryColumn, ...], rows: list[tuple[Any, ...]], mode: WriteMode, run: str = "run1"
) -> tuple[Delivery, Receipt]:
    case = Case(destination=PostgresDestination(), target=Target(url=url, table="t"), count=lambda: None)
    with Delivery(case.destination, job(case, given, mode, run)) as delivery:
        delivery.open()
        delivery.load([(1, part(given, rows))], lambda chunk: None)
        delivery.publish()
        return delivery, delivery.verify()


@pytest.mark.parametrize("mode", list(WriteMode))
def test_every_type_takes_values_as_the_server_shows_them(
    postgres: str, server: psycopg.Connection[Any], mode: WriteMode
) -> None:
    made = ", ".join(f"{name} {kind}" for name, kind in zip(NAMES, SHOWN, strict=True))
    versions = ", valid_from timestamptz not null, valid_to timestamptz" if mode == WriteMode.SCD2 else ""
    server.execute(f"create table t (id bigint, at timestamptz, {made}{versions})".encode())
    rows = [(1, None, *SHOWN.values()), (2, None, *[None] * len(SHOWN))]
    first, receipt = load(postgres, GIVEN, rows, mode)
    assert [row.problem.message for row in first.refused] == []
    assert (receipt.level, receipt.equal, receipt.inserted) == (VerifyLevel.CONTENT, True, 2)
    shown = ", ".join(f"{name}::text" for name in NAMES)
    assert server.execute(f"select {shown} from t where id = 1".encode()).fetchall() == [tuple(SHOWN.values())]
    if mode in (WriteMode.UPSERT, WriteMode.MIRROR, WriteMode.SCD2):
        _, again = load(postgres, GIVEN, rows, mode, "run2")
        assert (again.unchanged, again.updated, again.equal) == (2, 0, True)


def test_values_in_another_form_are_refused_with_the_form_to_write(
    postgres: str, server: psycopg.Connection[Any]
) -> None:
    kinds = list(OTHERWISE)
    server.execute(f"create table t (id bigint, {', '.join(f'c{n} {kind}' for n, kind in enumerate(kinds))})".encode())
    given = columns("id:integer", *(f"c{n}:text" for n in range(len(kinds))))
    rows = [(n, *(OTHERWISE[kind][0] if kind == odd else SHOWN[kind] for kind in kinds)) for n, odd in enumerate(kinds)]
    delivery, receipt = load(postgres, given, [*rows, (99, *(SHOWN[kind] for kind in kinds))], WriteMode.APPEND)
    assert (receipt.equal, receipt.inserted, receipt.level) == (True, 1, VerifyLevel.CONTENT)
    assert len(delivery.refused) == len(kinds)
    for n, (row, (_, form)) in enumerate(zip(delivery.refused, OTHERWISE.values(), strict=True)):
        assert (row.row, row.problem.column) == (n + 1, f"c{n}")
        assert row.problem.message.endswith(f"is shown by the server as {form}: write it so"), row.problem.message


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.UPSERT])
def test_values_that_the_server_cannot_read_are_refused_alone(
    postgres: str, server: psycopg.Connection[Any], mode: WriteMode
) -> None:
    kinds = list(UNREADABLE)
    server.execute(f"create table t (id bigint, {', '.join(f'c{n} {kind}' for n, kind in enumerate(kinds))})".encode())
    given = columns("id:integer", *(f"c{n}:text" for n in range(len(kinds))), key=("id",))
    rows = [(n, *(UNREADABLE[kind] if kind == odd else SHOWN[kind] for kind in kinds)) for n, odd in enumerate(kinds)]
    delivery, receipt = load(postgres, given, [*rows, (99, *(SHOWN[kind] for kind in kinds))], mode)
    assert {row.row for row in delivery.refused} == set(range(1, len(kinds) + 1))
    assert all(row.problem.message for row in delivery.refused)
    assert (receipt.equal, receipt.inserted) == (True, 1)


def test_rows_are_found_by_keys_of_such_types(postgres: str, server: psycopg.Connection[Any]) -> None:
    server.execute("create table t (host inet primary key, seen interval)")
    given = columns("host:text", "seen:text", key=("host",))
    load(postgres, given, [("10.0.0.1", "1 day"), ("::1", None)], WriteMode.UPSERT)
    _, receipt = load(postgres, given, [("10.0.0.1", "2 days"), ("fe80::1", "00:00:01")], WriteMode.UPSERT, "run2")
    assert (receipt.updated, receipt.inserted, receipt.equal) == (1, 1, True)
