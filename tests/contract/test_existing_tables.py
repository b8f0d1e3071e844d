"""Every write mode on tables that others made: triggers, foreign keys, generated and identity columns, partitions, views and
grants stay and work, a row that breaks a constraint is refused alone, and a rollback brings back what was there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loadlock.delivery.base import Job, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.undo import Undoing
from loadlock.model import Receipt, WriteMode
from loadlock.testing.contracts.destinations import Case, columns, ignore, job, part
from loadlock.testing.databases import ask
from loadlock.workflow.destinations import destination_for

BEFORE = [(1, "north", "1.00"), (2, "north", "2.00"), (3, "south", "3.00")]
AFTER = [(1, "north", "1.00"), (2, "north", "2.50"), (4, "east", "4.00"), (5, "mars", "5.00")]
"""The last one names a shop that there isn't."""
COUNTS = {
    WriteMode.APPEND: (3, 0, 0, 0),
    WriteMode.REPLACE: (3, 0, 0, 3),
    WriteMode.UPSERT: (1, 1, 1, 0),
    WriteMode.INSERT_ONLY: (1, 0, 2, 0),
    WriteMode.DELETE_INSERT: (3, 0, 0, 2),
    WriteMode.MIRROR: (1, 1, 1, 1),
    WriteMode.SCD2: (1, 1, 1, 0),
}


@dataclass(frozen=True, kw_only=True)
class Words:
    """How a database writes a table of this kind."""

    identity: str
    twice: str = "numeric generated always as (price * 2) stored"
    moment: str = "timestamp"
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    partition: str = ""
    in_key: str = ""
    keeps_foreign_keys: bool = True
    notes: bool = True
    """Whether triggers write the log."""


_NOTED = "create trigger noted_{0} after {1} on people for each row {2}"
_OPS = (("i", "insert"), ("u", "update"), ("d", "delete"))
_POSTGRES = (
    (
        "create or replace function noted() returns trigger language plpgsql as"
        " $$ begin insert into log values (lower(left(tg_op, 1))); return null; end $$"
    ),
    "create trigger noted after insert or update or delete on people for each row execute function noted()",
    "grant select on people to public",
)
WORDS = {
    "sqlite": Words(
        identity="no integer primary key",
        after=tuple(_NOTED.format(op, verb, f"begin insert into log values ('{op}'); end") for op, verb in _OPS),
        keeps_foreign_keys=False,
    ),
    "duckdb": Words(
        identity="no bigint default nextval('numbers')",
        twice="decimal(12,2) generated always as (price * 2)",
        before=("create sequence if not exists numbers",),
        notes=False,
    ),
    "postgres": Words(identity="no bigint generated always as identity", after=_POSTGRES),
    "postgres, partitioned": Words(
        identity="no bigint generated always as identity",
        after=(
            "create table people_north partition of people for values in ('north')",
            "create table people_others partition of people default",
            *_POSTGRES,
        ),
        partition=" partition by list (shop)",
        in_key=", shop",
    ),
    "mysql": Words(
        identity="no bigint not null auto_increment, key (no)",
        twice="decimal(12,2) generated always as (price * 2) stored",
        moment="datetime(6)",
        after=tuple(_NOTED.format(op, verb, f"insert into log values ('{op}')") for op, verb in _OPS),
    ),
}


class Base:
    """A database with the tables of a kind."""

    def __init__(self, kind: str, url: str) -> None:
        self.words, self.url = WORDS[kind], url
        target = Target(url=url, table="people")
        self.case = Case(destination=destination_for(url)(), target=target, count=lambda: None)

    def ask(self, *statements: str) -> list[tuple[Any, ...]]:
        return ask(self.url, *statements)

    def make(self, mode: WriteMode) -> None:
        """The tables anew, for a mode."""
        words, versions, key = self.words, "", f"id{self.words.in_key}"
        if mode == WriteMode.SCD2:
            versions = f" valid_from {words.moment} not null, valid_to {words.moment} null,"
            key += ", valid_from"
        self.ask(
            "drop view if exists cheap",
            "drop table if exists people",
            "drop table if exists shops",
            "drop table if exists log",
            "create table shops (name varchar(20) primary key)",
            "create table log (op char(1))",
            "insert into shops values ('north'), ('south'), ('east')",
            *words.before,
            (
                f"create table people ({words.identity}, id bigint not null, shop varchar(20), price decimal(10,2) not null,"
                f" twice {words.twice}, seen integer default 7,{versions} unique ({key}),"
                f" foreign key (shop) references shops (name)){words.partition}"
            ),
            *words.after,
            "create view cheap as select id, twice from people where price < 100",
        )

    def job(self, mode: WriteMode, run: str) -> Job:
        key = "shop" if mode == WriteMode.DELETE_INSERT else "id"
        given = columns("id:integer", "shop:text", "price:decimal(10,2)", key=(key,))
        return job(self.case, given, mode, run, undo=2)

    def deliver(self, work: Job, rows: list[tuple[Any, ...]]) -> tuple[Delivery, Receipt, Any]:
        import pyarrow as pa

        sent = part(work.columns, [(number, shop, None) for number, shop, _ in rows])
        prices = pa.array([price for *_, price in rows]).cast(pa.decimal128(10, 2))
        sent = sent.set_column(2, "price", prices)
        with Delivery(self.case.destination, work) as delivery:
            delivery.open()
            delivery.load([(1, sent)], ignore)
            delivery.publish()
            return delivery, delivery.verify(), sent

    def rows(self) -> list[tuple[int, str, str]]:
        found = self.ask("select id, shop, price from people order by id, price")
        return [(int(number), str(shop), f"{float(price):.2f}") for number, shop, price in found]


@pytest.fixture(
    params=[
        "sqlite",
        "duckdb",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("postgres, partitioned", marks=pytest.mark.postgres),
        pytest.param("mysql", marks=pytest.mark.mysql),
    ]
)
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Base]:
    kind = request.param.partition(",")[0]
    if kind in ("sqlite", "duckdb"):
        yield Base(kind, f"{kind}:///{tmp_path}/base.db")
    else:
        yield Base(request.param, request.getfixturevalue(kind))


def test_every_mode_leaves_what_hangs_on_a_table_and_is_taken_back(base: Base, tmp_path: Path) -> None:
    for mode, counts in COUNTS.items():
        base.make(mode)
        base.deliver(base.job(mode, f"{mode} 1"), BEFORE)
        base.ask("delete from log")
        more = 10 if mode == WriteMode.APPEND else 0
        known = [row for row in AFTER if base.words.keeps_foreign_keys or row[1] != "mars"]
        work = base.job(mode, f"{mode} 2")
        delivery, receipt, sent = base.deliver(work, [(number + more, shop, price) for number, shop, price in known])
        assert [row.row for row in delivery.refused] == ([4] if base.words.keeps_foreign_keys else []), mode
        assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.deleted) == counts, mode
        assert receipt.equal is True, mode
        _check_hangers(base, mode, receipt)
        kept = sent.slice(0, 3)
        with Undoing(base.case.destination, work, tmp_path) as undoing:
            undoing.open()
            conflicts = undoing.look(lambda: [kept])  # noqa: B023 - asked at once
            assert not conflicts, (mode, conflicts.told())
            undoing.undo()
        assert base.rows() == BEFORE, mode
        assert base.ask("select count(*) from people where twice <> price * 2 or no is null or seen is null") == [(0,)]


def _check_hangers(base: Base, mode: WriteMode, receipt: Receipt) -> None:
    """Triggers fired once a change, computed columns, defaults and the view go along."""
    total = base.ask("select count(*), count(distinct no), min(seen), max(seen) from people")[0]
    assert total == (total[0], total[0], 7, 7), mode
    assert base.ask("select count(*) from cheap") == [(total[0],)], mode
    assert base.ask("select count(*) from people where twice <> price * 2 or twice is null") == [(0,)], mode
    if base.url.startswith("postgres"):
        grants = base.ask("select count(*) from information_schema.role_table_grants where table_name = 'people'"
                          " and grantee = 'PUBLIC' and privilege_type = 'SELECT'")  # fmt: skip
        assert grants == [(1,)], mode
    if not base.words.notes:
        return
    noted = Counter(op for (op,) in base.ask("select op from log"))
    begun = receipt.inserted + (receipt.updated if mode == WriteMode.SCD2 else 0)
    assert (noted["i"], noted["u"], noted["d"]) == (begun, receipt.updated, receipt.deleted), mode
