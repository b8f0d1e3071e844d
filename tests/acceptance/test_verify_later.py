"""`verify` of a batch after others have delivered to the same table: their work is told from that of strangers."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from loadlock.testing.command import CommandLine
from loadlock.testing.databases import connect_mysql

FIRST = "id,name\n1,a\n2,b\n3,c\n"
SECOND = "id,name\n2,B\n4,d\n"


def deliver(loadlock: CommandLine, url: str, text: str, destination: str, name: str) -> dict[str, Any]:
    (loadlock.folder / name).write_text(text, encoding="utf-8")
    lines = ["pipeline: people", "source: '*.csv'", "columns: {id: {type: integer}, name: {}}"]
    lines.append(f'destination: {{url: "{url}", table: people, {destination}}}')
    (loadlock.folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return dict(loadlock.json("run", "p.yaml", "--files", "new", codes=[0]))


def verdict(loadlock: CommandLine, run: dict[str, Any], url: str) -> tuple[str, Any, str]:
    document = loadlock("verify", run["batch"], "--to", url, "--json").document
    (receipt,) = document["receipts"]
    return receipt["level"], receipt["equal"], " ".join(receipt["notes"])


def execute(url: str, sql: str) -> None:
    """One statement, by others."""
    kind, path = url.partition(":")[0], url.partition(":///")[2]
    if kind == "duckdb":
        import duckdb

        with duckdb.connect(path) as base:
            base.execute(sql)
    elif kind == "sqlite":
        import sqlite3

        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute(sql)
    elif kind == "mysql":
        with closing(connect_mysql(url)) as link, link.cursor() as cursor:
            cursor.execute(sql)
    else:
        import psycopg

        with psycopg.connect(url, autocommit=True) as server:
            server.execute(sql.encode())


@pytest.mark.parametrize("lineage", ["", ", lineage: columns"])
def test_rows_that_a_later_upsert_wrote_are_not_compared_and_others_are(
    url: str, lineage: str, loadlock: CommandLine
) -> None:
    way = f"mode: upsert, key: [id]{lineage}"
    first = deliver(loadlock, url, FIRST, way, "a.csv")
    assert verdict(loadlock, first, url)[:2] == ("content", True)
    second = deliver(loadlock, url, SECOND, way, "b.csv")
    level, equal, notes = verdict(loadlock, first, url)
    assert (level, equal) == ("content", True)
    assert f"1 rows were written by later batches since (run {second['run']})" in notes
    assert verdict(loadlock, second, url)[:2] == ("content", True)
    execute(url, "update people set name = 'stranger' where id = 3")
    assert verdict(loadlock, first, url)[:2] == ("content", False)
    assert verdict(loadlock, second, url)[:2] == ("content", True)
    execute(url, "delete from people where id = 2")
    assert verdict(loadlock, second, url)[:2] == ("content", False)


def test_an_append_with_a_key_is_found_again_by_it(url: str, loadlock: CommandLine) -> None:
    first = deliver(loadlock, url, FIRST, "mode: append, key: [id]", "a.csv")
    second = deliver(loadlock, url, "id,name\n7,x\n", "mode: append, key: [id]", "b.csv")
    for run in (first, second):
        assert verdict(loadlock, run, url)[:2] == ("content", True)
    execute(url, "update people set name = 'stranger' where id = 1")
    assert verdict(loadlock, first, url)[:2] == ("content", False)
    assert verdict(loadlock, second, url)[:2] == ("content", True)


def test_a_batch_that_was_replaced_says_so(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    first = deliver(loadlock, url, FIRST, "mode: replace", "a.csv")
    second = deliver(loadlock, url, SECOND, "mode: replace", "b.csv")
    level, equal, notes = verdict(loadlock, first, url)
    assert (level, equal) == ("none", None)
    assert f"run {second['run']} replaced the rows since" in notes


def test_rows_appended_to_a_replaced_table_leave_the_question_open(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    first = deliver(loadlock, url, FIRST, "mode: replace", "a.csv")
    second = deliver(loadlock, url, SECOND, "mode: append", "b.csv")
    level, equal, notes = verdict(loadlock, first, url)
    assert (level, equal) == ("content", None)
    assert f"run {second['run']} added rows since" in notes


@pytest.mark.parametrize("way", ["mode: append, key: [id]", "mode: upsert, key: [id]"])
def test_a_replay_is_told_from_the_rows_of_its_batch_that_were_there(url: str, way: str, loadlock: CommandLine) -> None:
    """`_batch` stands in the rows of both."""
    (loadlock.folder / "a.csv").write_text("id,name\n1,a\nx,b\n3,c\n", encoding="utf-8")
    (loadlock.folder / "p.yaml").write_text(
        "pipeline: people\nsource: a.csv\ncolumns: {id: {type: integer}, name: {}}\n"
        f'destination: {{url: "{url}", table: people, {way}, lineage: columns, undo: 2}}\n',
        encoding="utf-8",
    )
    run = loadlock.json("run", "p.yaml", codes=[3])
    loadlock("correct", run["batch"], "--set", "id='2'", "--by", "ann")
    receipt = loadlock.json("replay", run["batch"], codes=[0])["receipt"]
    assert (receipt["equal"], receipt["rows"]) == (True, 1)
    assert verdict(loadlock, run, url)[:2] == ("content", True)
    execute(url, "update people set name = 'other' where id = 1")
    assert verdict(loadlock, run, url)[:2] == ("content", False)
    execute(url, "update people set name = 'a' where id = 1")
    done = loadlock.json("rollback", run["batch"], codes=[0])
    assert (len(done["runs"]), sum(target["deleted"] for target in done["targets"])) == (2, 3), done
