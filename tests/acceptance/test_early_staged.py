"""Modes by key: rows go into the staging table while later parts are cleaned, and come out again where the batch's judgement
says so. The result is that of a load after the judgement, killed anywhere or not."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loadlock.errors import StoppedError
from loadlock.pipeline.read import load_pipeline
from loadlock.testing.command import CommandLine
from loadlock.testing.databases import connect_mysql
from loadlock.workflow import early_rows, run
from loadlock.workflow.delivering import Deliveries
from loadlock.workflow.result import RunResult
from loadlock.workflow.start import Options, run_pipeline

PARTS, ROWS = 3, 20
SERVERS = [
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("mysql", marks=pytest.mark.mysql),
]
TABLE = "create table t (id bigint primary key check (id <> 7777), name varchar(40), n bigint)"
LOOSE = "create table t (id bigint, name varchar(40), n bigint)"
VERSIONED = (
    "create table t (id bigint, name varchar(40), n bigint, valid_from timestamp(6) not null, valid_to timestamp(6) null,"
    " primary key (id, valid_from))"
)
MODES = ["upsert", "mirror, max_delete_percent: 100", "insert_only", "delete_insert", "scd2"]


class Database:
    """A server's empty database."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, *statements: str) -> list[tuple[Any, ...]]:
        """The rows of the last statement."""
        if self.url.startswith("postgres"):
            with psycopg.connect(self.url, autocommit=True) as link:
                cursors = [link.execute(statement.encode()) for statement in statements]
                return cursors[-1].fetchall() if cursors[-1].description else []
        with closing(connect_mysql(self.url)) as wire, wire.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def begin(self, mode: str = "upsert") -> None:
        """The table, with rows that the batch knows and others."""
        moment = ", valid_from" if mode == "scd2" else ""
        value = ", '2024-01-01 00:00:00'" if mode == "scd2" else ""
        rows = ", ".join(f"({i}, 'old {i}', {i}{value})" for i in (*range(0, 40, 2), 5001, 5002))
        made = {"scd2": VERSIONED, "delete_insert": LOOSE}.get(mode, TABLE)
        self.run("drop table if exists t", made, f"insert into t (id, name, n{moment}) values {rows}")

    def rows(self) -> list[tuple[Any, ...]]:
        return self.run("select id, name, n from t order by id, name, n")

    def leftovers(self) -> list[tuple[Any, ...]]:
        return self.run("select table_name from information_schema.tables where table_name like '\\_loadlock\\_%'")


@pytest.fixture(params=SERVERS)
def database(request: pytest.FixtureRequest) -> Database:
    return Database(request.getfixturevalue(request.param))


def batch(folder: Path) -> None:
    """One part a file. Keys repeat within a file and in later ones (the last wins, so rows lose that were sent), names too (the
    first wins)."""
    for part in range(PARTS):
        first = part * ROWS
        lines = ["id,name,n", *(f"{first + i},name {first + i},{i}" for i in range(ROWS))]
        lines += [f"{first},again {part},1", f"{max(first - ROWS, 0) + 3},before {part},2", f",no id {part},3"]
        lines += [f"{first + 4},name {first + 5},4", f"x{part},no number,6"]
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def pipeline(folder: Path, url: str, mode: str = "upsert", *, more: str = "") -> Path:
    key = "n" if mode == "delete_insert" else "id"
    lines = [
        "pipeline: p",
        'source: "*.csv"',
        "columns: {id: {type: integer}, name: {type: text, unique: true}, n: {type: integer}}",
        "rejects: {budget: {rows: 100}}",
        more,
        f'destination: {{url: "{url}", table: t, mode: {mode}, key: [{key}]}}',
    ]
    (folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "p.yaml"


def go(folder: Path, url: str, mode: str = "upsert", *, workspace: str = "ws", more: str = "") -> RunResult:
    made = load_pipeline(pipeline(folder, url, mode, more=more))
    return run_pipeline(made, Options(workspace=folder / workspace, force=True, report=False))


def outcome(document: dict[str, Any]) -> list[Any]:
    return [document[name] for name in ("digest", "balance", "rejects", "files")] + [document["receipt"]["digest"]]


@pytest.mark.parametrize("mode", MODES)
def test_the_result_is_that_of_a_load_after_the_judgement(
    mode: str,
    tmp_path: Path,
    database: Database,
    finished: list[Deliveries | None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch(tmp_path)
    database.begin(mode)
    first = go(tmp_path, database.url, mode)
    assert [found is not None for found in finished] == [True], "the load was not early"
    rows = database.rows()
    database.begin(mode)
    monkeypatch.setattr(run, "can_begin", lambda *given: False)
    second = go(tmp_path, database.url, mode, workspace="late")
    assert len(finished) == 1
    assert database.rows() == rows
    assert outcome(first.document) == outcome(second.document)
    assert first.document["receipt"]["equal"]
    assert first.document["receipt"]["level"] == second.document["receipt"]["level"] == "content"
    assert database.leftovers() == []


@pytest.mark.parametrize("keep", ["first", "none"])
def test_whichever_row_is_kept_the_others_are_not_published(
    keep: str, tmp_path: Path, database: Database, finished: list[Deliveries | None]
) -> None:
    batch(tmp_path)
    database.begin()
    document = go(tmp_path, database.url, more=f"keep: {{duplicates: {keep}, unique: {keep}}}").document
    assert [found is not None for found in finished] == [True]
    names = {name for _, name, _ in database.rows()}
    assert "again 1" not in names
    assert (f"name {ROWS}" in names) == (keep == "first")
    assert document["receipt"]["equal"]


def test_a_batch_over_its_budget_leaves_nothing(tmp_path: Path, database: Database) -> None:
    batch(tmp_path)
    database.begin()
    before = database.rows()
    with pytest.raises(StoppedError, match="batch check"):
        go(tmp_path, database.url, more='checks: [{batch: "select count(*) < 5 from rows"}]')
    assert database.rows() == before
    assert database.leftovers() == []


def test_rows_that_the_table_refuses_begin_the_load_anew_where_others_lost(
    tmp_path: Path, database: Database, finished: list[Deliveries | None]
) -> None:
    batch(tmp_path)
    (tmp_path / "9.csv").write_text("id,name,n\n7777,refused,1\n8888,taken,1\n", encoding="utf-8")
    database.begin()
    document = go(tmp_path, database.url).document
    assert finished == [None]
    assert document["balance"]["rejected"]["delivery"] == 1
    assert document["receipt"]["equal"]
    assert (8888, "taken", 1) in database.rows()


def test_with_too_many_rows_that_wait_the_load_begins_anew(
    tmp_path: Path, database: Database, finished: list[Deliveries | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(tmp_path)
    database.begin()
    monkeypatch.setattr(early_rows, "MOST_HELD", 3)
    assert go(tmp_path, database.url).document["receipt"]["equal"]
    assert finished == [None]
    assert database.leftovers() == []


@pytest.fixture
def undisturbed(tmp_path: Path, database: Database) -> Callable[[], tuple[list[Any], list[tuple[Any, ...]]]]:
    def made() -> tuple[list[Any], list[tuple[Any, ...]]]:
        folder = tmp_path / "undisturbed"
        folder.mkdir()
        batch(folder)
        database.begin()
        document = go(folder, database.url).document
        rows = database.rows()
        database.begin()
        return outcome(document)[:3], rows

    return made


@pytest.mark.parametrize("place", ["chunk.committed:2", "early.taken_back", "early.settled"])
def test_a_run_killed_on_the_way_is_resumed_to_the_same_end(
    place: str,
    database: Database,
    loadlock: CommandLine,
    undisturbed: Callable[[], tuple[list[Any], list[tuple[Any, ...]]]],
) -> None:
    expected, rows = undisturbed()
    batch(loadlock.folder)
    pipeline(loadlock.folder, database.url)
    before = database.rows()
    killed = loadlock("run", "p.yaml", fault=f"{place}=kill")
    assert killed.code == -signal.SIGKILL, f"the place was not passed: {killed.said}"
    assert database.rows() == before
    (began,) = loadlock.json("runs")
    document = loadlock.json("resume", began["run"])
    assert outcome(document)[:3] == expected
    assert document["receipt"]["equal"]
    assert database.rows() == rows
    assert database.leftovers() == []


def test_a_resumed_run_finds_its_chunks_when_the_batch_was_judged(database: Database, loadlock: CommandLine) -> None:
    database.begin()
    batch(loadlock.folder)
    pipeline(loadlock.folder, database.url)
    assert loadlock("run", "p.yaml", fault="publishing.recorded=kill").code == -signal.SIGKILL
    ask = "select chunk_id, rows_loaded, loaded_at from loadlock_chunks where length(chunk_id) = 32 order by 1"
    receipts = database.run(ask)
    assert len(receipts) == PARTS
    (began,) = loadlock.json("runs")
    assert loadlock("resume", began["run"], fault="publishing.recorded=kill").code == -signal.SIGKILL
    assert database.run(ask) == receipts, "a chunk was sent again"
    assert loadlock.json("resume", began["run"])["receipt"]["equal"]
