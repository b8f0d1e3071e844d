"""`supersedes: name`: a corrected file of the same name takes the place of its predecessor's rows, and only of those."""

from __future__ import annotations

from typing import Any

import pytest

from loadlock.testing.command import CommandLine
from loadlock.testing.databases import ask


def write(loadlock: CommandLine, url: str, way: str) -> None:
    lines = ["pipeline: people", "source: '*.csv'", "supersedes: name"]
    lines += ["columns: {id: {type: integer}, name: {}}", f'destination: {{url: "{url}", table: people, {way}}}']
    (loadlock.folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def deliver(loadlock: CommandLine, name: str, *rows: str) -> dict[str, Any]:
    (loadlock.folder / name).write_text("\n".join(["id,name", *rows]) + "\n", encoding="utf-8")
    return dict(loadlock.json("run", "p.yaml", codes=[0]))


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, loadlock: CommandLine) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return f"{request.param}:///{loadlock.folder}/out.db"


def rows(url: str) -> list[tuple[Any, ...]]:
    return ask(url, "select id, name from people order by id, name")


@pytest.mark.parametrize("mode", ["append", "upsert"])
def test_a_corrected_file_takes_the_place_of_its_predecessor(url: str, mode: str, loadlock: CommandLine) -> None:
    write(loadlock, url, f"mode: {mode}, key: [id]")
    first = deliver(loadlock, "day1.csv", "1,a", "2,b", "3,c")
    second = deliver(loadlock, "day2.csv", "7,x")
    ask(url, "update people set name = 'theirs' where id = 3")
    corrected = deliver(loadlock, "day1.csv", "1,a", "2,B", "4,d")
    assert rows(url) == [(1, "a"), (2, "B"), (3, "theirs"), (4, "d"), (7, "x")]
    assert corrected["receipt"]["deleted"] == (2 if mode == "append" else 0)
    assert "1 rows of batch" in " ".join(corrected["destinations"][0]["notes"])
    statuses = {batch["batch"]: batch["status"] for batch in loadlock.json("batches")}
    assert statuses == {
        first["batch"]: "superseded", second["batch"]: "delivered", corrected["batch"]: "delivered"
    }  # fmt: skip


def test_rows_that_the_corrected_file_lacks_go_and_come_back_with_a_rollback(url: str, loadlock: CommandLine) -> None:
    write(loadlock, url, "mode: upsert, key: [id], undo: 2")
    first = deliver(loadlock, "day1.csv", "1,a", "2,b")
    corrected = deliver(loadlock, "day1.csv", "2,B")
    assert rows(url) == [(2, "B")]
    assert corrected["receipt"]["deleted"] == 1
    loadlock.json("rollback", corrected["batch"], "--to", url)
    assert rows(url) == [(1, "a"), (2, "b")]
    assert {batch["batch"]: batch["status"] for batch in loadlock.json("batches")}[first["batch"]] == "delivered"


def test_without_a_key_it_is_refused_before_anything_is_read(loadlock: CommandLine) -> None:
    write(loadlock, f"duckdb:///{loadlock.folder}/out.db", "mode: append")
    refused = loadlock("run", "p.yaml")
    assert (refused.code, "key" in refused.err) == (2, True)
