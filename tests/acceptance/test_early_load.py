"""Rows go to the server while later parts are still cleaned: the result is the same, and nothing shows before the publish."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.errors import StoppedError
from loadlock.ledger.base import PartRecord
from loadlock.pipeline.read import load_pipeline
from loadlock.testing.databases import connect_mysql
from loadlock.workflow import cleaning, early_rows, run
from loadlock.workflow.cleaning import CleanWork
from loadlock.workflow.delivering import Deliveries
from loadlock.workflow.result import RunResult
from loadlock.workflow.start import Options, run_pipeline

pytestmark = pytest.mark.postgres

PARTS, ROWS = 6, 40
COLUMNS = (
    "columns: {id: {type: integer, unique: true}, name: {type: text, rules: [trim], unique: true}, n: {type: integer}}"
)
SELECT = "select id, name, n from t order by id nulls first, name"


@pytest.fixture
def server(postgres: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        yield connection


def batch(folder: Path) -> None:
    """One part a file: values that repeat within a file, in a later one, and of a row that lost; nulls; rejects."""
    for part in range(PARTS):
        first = part * ROWS
        lines = ["id,name,n", *(f"{first + i},name {first + i},{i}" for i in range(ROWS))]
        lines += [f"{first},again {part},1", f"{max(first - ROWS, 0)},before {part},2", f",no id {part},3"]
        # the first row named so loses by its id: the second one is the first of its name
        lines += [f"{first + 1},Rival {part},4", f"{9000 + part}, Rival {part} ,5"]
        lines += [f"{first + 5},too,many,fields", f"x{part},no number,6"]
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def go(folder: Path, url: str, *, workspace: str = "ws", mode: str = "append", more: str = "") -> RunResult:
    lines = ["pipeline: p", 'source: "*.csv"', COLUMNS, more, f'destination: {{url: "{url}", table: t, mode: {mode}}}']
    (folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    pipeline = load_pipeline(folder / "p.yaml")
    return run_pipeline(pipeline, Options(workspace=folder / workspace, force=True, report=False))


def outcome(result: RunResult) -> list[Any]:
    document = result.document
    return [document[name] for name in ("digest", "balance", "rejects", "files")] + [document["receipt"]["digest"]]


@pytest.mark.parametrize("mode", ["append", "replace"])
def test_the_result_is_that_of_a_load_after_the_judgement(
    mode: str,
    tmp_path: Path,
    postgres: str,
    server: psycopg.Connection[Any],
    finished: list[Deliveries | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch(tmp_path)
    first = go(tmp_path, postgres, mode=mode)
    assert [found is not None for found in finished] == [True], "the load was not early"
    rows = server.execute(SELECT).fetchall()
    server.execute("drop table t")
    monkeypatch.setattr(run, "can_begin", lambda *given: False)
    second = go(tmp_path, postgres, workspace="late", mode=mode)
    assert len(finished) == 1
    assert server.execute(SELECT).fetchall() == rows
    assert outcome(first) == outcome(second)
    receipt = first.document["receipt"]
    assert (receipt["level"], receipt["equal"], receipt["rows"]) == ("content", True, len(rows))
    assert {row[1] for row in rows} >= {f"Rival {part}" for part in range(PARTS)}


@pytest.mark.parametrize("tie", ["", "create unique index on t (id)"], ids=["loose", "unique"])
def test_a_table_that_is_replaced_is_loaded_early_where_old_and_new_rows_may_be_there_at_once(
    tie: str, tmp_path: Path, postgres: str, server: psycopg.Connection[Any], finished: list[Deliveries | None]
) -> None:
    batch(tmp_path)
    server.execute("create table t (id bigint, name text, n bigint)")
    server.execute("create table parted (id bigint, name text, n bigint) partition by range (id)")
    first = go(tmp_path, postgres, mode="replace")
    assert [found is not None for found in finished] == [True], "the load was not early"
    if tie:
        server.execute(tie.encode())
    rows = server.execute(SELECT).fetchall()
    second = go(tmp_path, postgres, mode="replace")
    assert len(finished) == (1 if tie else 2), "rows that are to be replaced were locked early"
    assert server.execute(SELECT).fetchall() == rows
    assert first.document["receipt"]["digest"] == second.document["receipt"]["digest"]
    assert first.document["receipt"]["equal"]
    assert second.document["receipt"]["equal"]
    assert second.document["balance"]["deleted"] == len(rows) == second.document["balance"]["inserted"]
    empty = {name: PostgresDestination().inspect(Target(url=postgres, table=name)) for name in ("t", "parted")}
    assert [found is not None and found.is_empty for found in empty.values()] == [False, False]


@pytest.mark.parametrize(
    "tie",
    [
        "alter table t add exclude (id with =)",
        "create unique index on t (lower(name))",
        "create table other (id bigint); create trigger tr after insert on t execute function no_op()",
    ],
    ids=["exclusion", "expression", "trigger"],
)
def test_a_table_that_minds_two_versions_of_its_rows_is_emptied_first(
    tie: str, tmp_path: Path, postgres: str, server: psycopg.Connection[Any], finished: list[Deliveries | None]
) -> None:
    batch(tmp_path)
    server.execute("create table t (id bigint, name text, n bigint)")
    server.execute("create function no_op() returns trigger language plpgsql as 'begin return null; end'")
    go(tmp_path, postgres, mode="replace")
    rows = server.execute(SELECT).fetchall()
    server.execute(tie.encode())
    second = go(tmp_path, postgres, mode="replace")
    assert finished[1:] in ([], [None]), "the load was early"
    assert server.execute(SELECT).fetchall() == rows
    assert second.document["receipt"]["equal"]
    assert not second.document["balance"]["rejected"]["delivery"]


def test_others_write_to_rows_that_are_to_be_replaced_until_the_publish(
    tmp_path: Path, postgres: str, server: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(tmp_path)
    server.execute("create table t (id bigint, name text, n bigint)")
    go(tmp_path, postgres, mode="replace")
    rows = server.execute(SELECT).fetchall()
    acknowledged = Deliveries._acknowledged

    def write(*given: Any) -> None:
        acknowledged(*given)
        server.execute("set lock_timeout = '2s'")
        server.execute("update t set name = 'by hand'")
        server.execute("insert into t values (-1, 'by hand', 0)")

    monkeypatch.setattr(Deliveries, "_acknowledged", write)
    assert go(tmp_path, postgres, mode="replace").document["receipt"]["equal"]
    assert server.execute(SELECT).fetchall() == rows


def test_rows_are_sent_before_the_last_part_is_clean_and_seen_only_after_the_publish(
    tmp_path: Path, postgres: str, server: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(tmp_path)
    server.execute("create table t (id bigint, name text, n bigint)")
    sent, seen = threading.Event(), []
    clean_part, acknowledged = cleaning._clean_part, Deliveries._acknowledged

    def wait_for_the_load(work: CleanWork, raw: PartRecord) -> list[PartRecord]:
        if raw.ref.key.seq == PARTS:
            assert sent.wait(30), "nothing was sent while a part was not clean"
            seen.append(server.execute("select count(*) from t").fetchone())
        return clean_part(work, raw)

    def tell(*given: Any) -> None:
        acknowledged(*given)
        sent.set()

    monkeypatch.setattr(cleaning, "_clean_part", wait_for_the_load)
    monkeypatch.setattr(Deliveries, "_acknowledged", tell)
    result = go(tmp_path, postgres)
    assert seen == [(0,)]
    assert server.execute("select count(*) from t").fetchone() == (result.document["balance"]["inserted"],)


def test_a_batch_over_its_budget_leaves_nothing(tmp_path: Path, postgres: str, server: psycopg.Connection[Any]) -> None:
    batch(tmp_path)
    with pytest.raises(StoppedError, match="nothing was published"):
        go(tmp_path, postgres, more="rejects: {budget: {rows: 15}}")
    assert server.execute("select to_regclass('t')").fetchone() == (None,)
    assert server.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone() == (0,)
    assert go(tmp_path, postgres).document["receipt"]["equal"]


def test_rows_that_the_table_refuses_are_rejects(
    tmp_path: Path, postgres: str, server: psycopg.Connection[Any]
) -> None:
    batch(tmp_path)
    server.execute("create table t (id bigint, name text, n bigint check (n <> 7))")
    document = go(tmp_path, postgres).document
    assert document["balance"]["rejected"]["delivery"] == PARTS
    assert document["receipt"]["equal"]
    assert server.execute("select count(*) from t").fetchone() == (document["balance"]["inserted"],)


def test_with_too_many_rows_that_wait_the_load_begins_anew(
    tmp_path: Path, postgres: str, server: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(tmp_path)
    monkeypatch.setattr(early_rows, "MOST_HELD", 3)
    document = go(tmp_path, postgres).document
    assert document["receipt"]["equal"]
    assert server.execute("select count(*) from t").fetchone() == (document["balance"]["inserted"],)


def test_an_error_of_the_destination_is_told_after_the_judgement(tmp_path: Path, postgres: str) -> None:
    batch(tmp_path)
    with pytest.raises(StoppedError, match="nothing was published"):
        go(tmp_path, f"{postgres}_nowhere", more="rejects: {budget: {rows: 15}}")


@pytest.mark.mysql
def test_mysql_too_appends_early_but_only_to_a_table_that_is_there(
    tmp_path: Path, mysql: str, finished: list[Deliveries | None]
) -> None:
    batch(tmp_path)
    first = go(tmp_path, mysql)
    assert first.document["receipt"]["equal"]
    assert not finished
    second = go(tmp_path, mysql, workspace="again")
    assert [found is not None for found in finished] == [True]
    assert outcome(first) == outcome(second)
    assert second.document["receipt"]["equal"]
    with closing(connect_mysql(mysql)) as link, link.cursor() as cursor:
        cursor.execute("select count(*) from t")
        assert cursor.fetchall() == ((2 * second.balance["inserted"],),)


@pytest.mark.mysql
def test_mysql_too_replaces_an_empty_table_early_and_lets_others_write_meanwhile(
    tmp_path: Path, mysql: str, finished: list[Deliveries | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(tmp_path)
    sent, clean_part, acknowledged = threading.Event(), cleaning._clean_part, Deliveries._acknowledged
    with closing(connect_mysql(mysql)) as link, link.cursor() as cursor:
        cursor.execute("create table t (id bigint, name varchar(200), n bigint)")
        cursor.execute("set innodb_lock_wait_timeout = 1")

        def write_beside(work: CleanWork, raw: PartRecord) -> list[PartRecord]:
            if raw.ref.key.seq == PARTS:
                assert sent.wait(30), "nothing was sent while a part was not clean"
                cursor.execute("start transaction")
                cursor.execute("insert into t values (-1, 'of another', 0)")
                cursor.execute("rollback")
            return clean_part(work, raw)

        def tell(*given: Any) -> None:
            acknowledged(*given)
            sent.set()

        with monkeypatch.context() as patch:
            patch.setattr(cleaning, "_clean_part", write_beside)
            patch.setattr(Deliveries, "_acknowledged", tell)
            first = go(tmp_path, mysql, mode="replace")
        assert [found is not None for found in finished] == [True]
        second = go(tmp_path, mysql, workspace="late", mode="replace")
        assert len(finished) == 1, "rows that are to be replaced were locked early"
        assert outcome(first)[0] == outcome(second)[0]
        assert first.document["receipt"]["equal"]
        assert second.balance["deleted"] == first.balance["inserted"]


@pytest.mark.mysql
def test_a_replace_that_was_begun_early_and_stopped_leaves_nothing_on_mysql(tmp_path: Path, mysql: str) -> None:
    batch(tmp_path)
    with closing(connect_mysql(mysql)) as link, link.cursor() as cursor:
        cursor.execute("create table t (id bigint, name varchar(200), n bigint)")
        with pytest.raises(StoppedError, match="nothing was published"):
            go(tmp_path, mysql, mode="replace", more="rejects: {budget: {rows: 15}}")
        cursor.execute("select (select count(*) from t), count(*) from information_schema.tables"
                       " where table_schema = database() and table_name like 'loadlock_undo%'")  # fmt: skip
        assert cursor.fetchall() == ((0, 0),)
