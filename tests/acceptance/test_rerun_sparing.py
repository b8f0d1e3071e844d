"""A rerun into PostgreSQL sends the rows that its rules make other than before, and no row that nobody has written to since."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from loadlock.testing.command import CommandLine

pytestmark = pytest.mark.postgres
ROWS = 60
TABLE = "create table t (id bigint primary key, name text, n double precision, day date)"
CHANGE = ("rules: [trim]", "rules: [trim, {map: {values: {Oslo: Bergen}, missing: keep}}]")
SELECT = "select id, name, n, day from t order by id"
VERSIONS = "select xmin::text::bigint, count(*) from t group by 1 order by 1"


@pytest.fixture
def server(postgres: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(TABLE.encode())
        yield connection


@pytest.fixture
def done(loadlock: CommandLine, postgres: str, server: psycopg.Connection[Any]) -> dict[str, Any]:
    """The document of the first run; its pipeline has another rule now. Every fifth row changes by it; 3 rows are rejects."""
    lines = [
        f"{i},{'Oslo' if i % 5 == 0 else 'Rome '},{i / 4 if i % 7 else ''},2024-05-{i % 28 + 1:02}" for i in range(ROWS)
    ]
    text = "\n".join(["id,name,n,day", *lines, "x1,Oslo,1,2024-05-01", "x2,,1,", "x3,Rome,y,"])
    (loadlock.folder / "in.csv").write_text(text + "\n", encoding="utf-8")
    columns = (
        "{id: {type: integer, required: true}, name: {type: text, rules: [trim]}, n: {type: float}, day: {type: date}}"
    )
    parts = [
        "pipeline: p",
        "source: in.csv",
        f"columns: {columns}",
        "rejects: {budget: {rows: 100}}",
        f'destination: {{url: "{postgres}", table: t, mode: upsert, key: [id]}}',
    ]
    path = loadlock.folder / "p.yaml"
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")
    document: dict[str, Any] = loadlock.json("run", "p.yaml")
    change(path, *CHANGE)
    return document


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def counts(document: dict[str, Any]) -> list[int]:
    return [document["balance"][name] for name in ("clean", "inserted", "updated", "unchanged", "deleted")]


def expected(server: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    return server.execute(SELECT.replace("name", "replace(name, 'Oslo', 'Bergen')")).fetchall()


def is_spared(document: dict[str, Any]) -> bool:
    return any("not sent again" in note for note in document["receipt"]["notes"])


def test_changed_rows_are_sent_and_the_others_counted(
    loadlock: CommandLine, server: psycopg.Connection[Any], done: dict[str, Any]
) -> None:
    rows = expected(server)
    (version,) = server.execute(VERSIONS).fetchall()
    document = loadlock.json("rerun", done["batch"])
    assert counts(document) == [ROWS, 0, 12, 48, 0]
    assert is_spared(document)
    assert document["receipt"]["level"] == "content"
    assert document["receipt"]["rows"] == document["receipt"]["read_back"] == ROWS
    assert document["files"][0]["balance"]["unchanged"] == 48
    assert server.execute(SELECT).fetchall() == rows
    assert [count for _, count in server.execute(VERSIONS).fetchall()] == [48, 12]
    assert server.execute(VERSIONS).fetchall()[0][0] == version[0]
    assert loadlock("verify", done["batch"]).code == 0
    assert document["digest"] == fresh(loadlock, server)["digest"], "another digest than that of a first run"


def fresh(loadlock: CommandLine, server: psycopg.Connection[Any]) -> dict[str, Any]:
    server.execute("drop table t")
    document: dict[str, Any] = loadlock.json("run", "p.yaml", "--workspace", "other", "--force")
    return document


def test_a_rerun_after_a_rerun_is_spared_both_their_rows(
    loadlock: CommandLine, server: psycopg.Connection[Any], done: dict[str, Any]
) -> None:
    loadlock.json("rerun", done["batch"])
    change(loadlock.folder / "p.yaml", "Bergen", "Oslo")
    document = loadlock.json("rerun", done["batch"])
    assert counts(document) == [ROWS, 0, 12, 48, 0]
    assert is_spared(document)
    assert document["digest"] == done["digest"]


def test_nothing_is_sent_where_nothing_changes(
    loadlock: CommandLine, server: psycopg.Connection[Any], done: dict[str, Any]
) -> None:
    change(loadlock.folder / "p.yaml", "Oslo: Bergen", "Paris: Bergen")
    before = server.execute(VERSIONS).fetchall()
    document = loadlock.json("rerun", done["batch"])
    assert counts(document) == [ROWS, 0, 0, ROWS, 0]
    assert is_spared(document)
    assert document["receipt"]["equal"]
    assert server.execute(VERSIONS).fetchall() == before


@pytest.mark.parametrize(
    ("act", "found"),
    [
        ("update t set name = 'by hand' where id = 1", [ROWS, 0, 13, 47, 0]),
        ("update t set name = name where id = 1", [ROWS, 0, 12, 48, 0]),
        ("delete from t where id = 1", [ROWS, 1, 12, 47, 0]),
        ("delete from loadlock_deliveries", [ROWS, 0, 12, 48, 0]),
        ("update loadlock_deliveries set marks = null", [ROWS, 0, 12, 48, 0]),
    ],
)
def test_all_rows_are_sent_where_others_have_written(
    act: str, found: list[int], loadlock: CommandLine, server: psycopg.Connection[Any], done: dict[str, Any]
) -> None:
    rows = expected(server)
    server.execute(act.encode())
    document = loadlock.json("rerun", done["batch"])
    assert not is_spared(document)
    assert counts(document) == found
    assert server.execute(SELECT).fetchall() == rows


def test_rows_of_others_are_no_hindrance(
    loadlock: CommandLine, server: psycopg.Connection[Any], done: dict[str, Any]
) -> None:
    server.execute("insert into t values (1000, 'by hand', 1, null)")
    document = loadlock.json("rerun", done["batch"])
    assert is_spared(document)
    assert counts(document) == [ROWS, 0, 12, 48, 0]


def test_rows_that_come_in_and_rows_that_go_are_counted(
    loadlock: CommandLine, server: psycopg.Connection[Any], done: dict[str, Any]
) -> None:
    change(
        loadlock.folder / "p.yaml",
        "n: {type: float}",
        "n: {type: float, rules: [{replace: {old: y, new: '3'}}], checks: [{range: {max: 12}}]}",
    )
    change(
        loadlock.folder / "p.yaml", "id: {type: integer", "id: {type: integer, rules: [{replace: {old: x, new: '10'}}]"
    )
    document = loadlock.json("rerun", done["batch"])
    clean, inserted, _, unchanged, deleted = counts(document)
    assert is_spared(document)
    assert inserted == 3
    assert deleted == ROWS + 3 - clean > 0
    assert unchanged > 0
    assert server.execute("select count(*) from t").fetchone() == (clean,)
    assert document["receipt"]["equal"]
    change(loadlock.folder / "p.yaml", "checks: [{range: {max: 12}}]", "checks: []")
    again = loadlock.json("rerun", done["batch"])
    assert is_spared(again)
    assert counts(again)[0] == ROWS + 3


def test_it_is_undone_like_any_delivery(
    loadlock: CommandLine, server: psycopg.Connection[Any], done: dict[str, Any]
) -> None:
    server.execute("insert into t values (1000, 'by hand', 1, null)")
    document = loadlock.json("rerun", done["batch"])
    assert is_spared(document)
    loadlock.json("rollback", done["batch"])
    assert server.execute("select id from t").fetchall() == [(1000,)], "the batch as a whole is taken back"
    assert loadlock.json("rerun", done["batch"])["receipt"]["equal"]


@pytest.mark.parametrize(
    "place", ["cleaned.recorded", "chunk.committed", "delivery.loaded", "target.merged", "published.recorded"]
)
@pytest.mark.parametrize("meanwhile", ["", "update t set name = 'by hand' where id = 1"], ids=["alone", "others write"])
def test_a_rerun_killed_on_the_way_is_resumed_to_the_same_end(
    place: str, meanwhile: str, loadlock: CommandLine, server: psycopg.Connection[Any], done: dict[str, Any]
) -> None:
    rows = expected(server)
    assert loadlock("rerun", done["batch"], fault=f"{place}=kill").code == -signal.SIGKILL
    run = loadlock.json("runs")[0]["run"]
    if meanwhile and place != "published.recorded":
        server.execute(meanwhile.encode())
    document = loadlock.json("resume", run)
    assert document["receipt"]["equal"]
    assert document["receipt"]["level"] == "content"
    assert document["receipt"]["rows"] == ROWS
    left = server.execute("select table_name from information_schema.tables where table_name like '\\_loadlock\\_st%'")
    assert left.fetchall() == []
    if not meanwhile or place == "published.recorded":
        assert server.execute(SELECT).fetchall() == rows
        assert counts(document) == [ROWS, 0, 12, 48, 0]
    else:
        found = server.execute(SELECT).fetchall()
        assert [row for row in found if row[0] != 1] == [row for row in rows if row[0] != 1]
