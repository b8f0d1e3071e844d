"""`loadlock rollback`: a delivered batch is taken back, and what others did since is not undone unasked."""

from __future__ import annotations

from typing import Any

import pytest

from loadlock import Batch
from loadlock.errors import ConflictError
from loadlock.testing.command import CommandLine
from loadlock.testing.databases import ask

FIRST = "id,name\n1,a\n2,b\n3,c\n"
SECOND = "id,name\n2,B\n4,d\n"
UPSERT = "mode: upsert, key: [id]"


def deliver(loadlock: CommandLine, url: str, text: str, way: str, name: str, *, files: str = "new") -> dict[str, Any]:
    (loadlock.folder / name).write_text(text, encoding="utf-8")
    lines = ["pipeline: people", "source: '*.csv'", "columns: {id: {type: integer}, name: {}}"]
    lines.append(f'destination: {{url: "{url}", table: people, {way}}}')
    (loadlock.folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return dict(loadlock.json("run", "p.yaml", "--files", files, codes=[0]))


def rows(url: str) -> list[tuple[Any, ...]]:
    return ask(url, "select id, name from people order by id")


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, loadlock: CommandLine) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres"))
    return f"{request.param}:///{loadlock.folder}/out.db"


def test_an_upsert_is_taken_back_and_the_batch_before_it_is_whole_again(url: str, loadlock: CommandLine) -> None:
    way = f"{UPSERT}, undo: 2"
    first = deliver(loadlock, url, FIRST, way, "a.csv")
    second = deliver(loadlock, url, SECOND, way, "b.csv")
    done = loadlock.json("rollback", second["batch"], "--to", url)
    (target,) = done["targets"]
    assert (done["noop"], done["runs"], done["status"]) == (False, [second["run"]], "rolled_back")
    assert (target["deleted"], target["restored"], target["brought_back"], target["conflicts"]) == (1, 1, 0, None)
    assert rows(url) == [(1, "a"), (2, "b"), (3, "c")]
    assert loadlock.json("verify", first["batch"], "--to", url)["equal"] is True
    again = loadlock.json("rollback", second["batch"], "--to", url)
    assert (again["noop"], again["targets"]) == (True, [])
    loadlock.json("rollback", first["batch"], "--to", url)
    assert rows(url) == []
    statuses = {batch["batch"]: batch["status"] for batch in loadlock.json("batches")}
    assert statuses == {first["batch"]: "rolled_back", second["batch"]: "rolled_back"}


def test_a_row_changed_by_others_stops_it_with_its_key_and_force_restores_the_old_row(loadlock: CommandLine) -> None:
    url = f"sqlite:///{loadlock.folder}/out.db"
    deliver(loadlock, url, FIRST, UPSERT, "a.csv")
    second = deliver(loadlock, url, SECOND, UPSERT, "b.csv")
    ask(url, "update people set name = 'theirs' where id = 2")
    stopped = loadlock("rollback", second["batch"], "--to", url, "--json")
    assert stopped.code == 4
    (conflict,) = stopped.document["conflicts"]
    assert (conflict["changed"], conflict["keys"]) == (1, [{"id": "2"}])
    assert "id = 2" in stopped.err
    assert "--force" in stopped.err
    assert rows(url) == [(1, "a"), (2, "theirs"), (3, "c"), (4, "d")]
    loadlock.json("rollback", second["batch"], "--to", url, "--force")
    assert rows(url) == [(1, "a"), (2, "b"), (3, "c")]


def test_a_replaced_table_has_its_old_rows_again_and_their_batch_counts_as_delivered(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    first = deliver(loadlock, url, FIRST, "mode: replace", "a.csv", files="all")
    (loadlock.folder / "a.csv").unlink()
    second = deliver(loadlock, url, SECOND, "mode: replace", "b.csv", files="all")
    loadlock.json("rollback", second["run"], "--to", url)
    assert rows(url) == [(1, "a"), (2, "b"), (3, "c")]
    statuses = {batch["batch"]: batch["status"] for batch in loadlock.json("batches")}
    assert statuses == {first["batch"]: "delivered", second["batch"]: "rolled_back"}
    again = loadlock.json("run", "p.yaml", codes=[0])
    assert (again["noop"], rows(url)) == (False, [(2, "B"), (4, "d")])


def test_an_appended_batch_goes_whatever_came_before_it(loadlock: CommandLine) -> None:
    url = f"sqlite:///{loadlock.folder}/out.db"
    way = "mode: append, lineage: columns"
    deliver(loadlock, url, FIRST, way, "a.csv")
    second = deliver(loadlock, url, SECOND, way, "b.csv")
    assert loadlock.json("rollback", second["batch"], "--to", url)["targets"][0]["deleted"] == 2
    assert rows(url) == [(1, "a"), (2, "b"), (3, "c")]


def test_without_undo_data_it_is_refused_and_says_what_to_set(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    first = deliver(loadlock, url, FIRST, f"{UPSERT}, undo: none", "a.csv")
    refused = loadlock("rollback", first["batch"])
    assert refused.code == 1
    assert "not kept" in refused.err
    assert "undo: N" in refused.err
    assert len(rows(url)) == 3


def test_a_file_has_its_old_content_again(loadlock: CommandLine) -> None:
    out = loadlock.folder / "out" / "people.csv"
    out.parent.mkdir()
    for name, text in (("a.csv", FIRST), ("b.csv", SECOND)):
        for old in loadlock.folder.glob("*.csv"):
            old.unlink()
        (loadlock.folder / name).write_text(text, encoding="utf-8")
        lines = ["pipeline: people", "source: '*.csv'", "columns: {id: {type: integer}, name: {}}"]
        lines.append("destination: {url: out/people.csv, undo: 1}")
        (loadlock.folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
        run = loadlock.json("run", "p.yaml", codes=[0])
    assert out.read_text() == SECOND
    with out.open("a") as file:
        file.write("9,theirs\n")
    stopped = loadlock("rollback", run["batch"], "--json")
    assert (stopped.code, stopped.document["conflicts"][0]["changed"]) == (4, 1)
    out.write_text(SECOND)
    loadlock.json("rollback", run["batch"])
    assert out.read_text() == FIRST


def test_child_tables_are_taken_back_with_their_parents(url: str, loadlock: CommandLine) -> None:
    lines = [
        "pipeline: orders",
        "source: {files: '*.json', flatten: {children: {items: people_items}}}",
        "columns: {id: {type: integer}, name: {}}",
        f'destination: {{url: "{url}", table: people, {UPSERT}}}',
    ]
    (loadlock.folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (loadlock.folder / "a.json").write_text('[{"id": 1, "name": "a", "items": [{"sku": "x"}, {"sku": "y"}]}]')
    loadlock.json("run", "p.yaml", codes=[0])
    (loadlock.folder / "b.json").write_text('[{"id": 1, "name": "A", "items": [{"sku": "z"}]}, {"id": 2, "items": []}]')
    second = loadlock.json("run", "p.yaml", codes=[0])
    items = "select sku from people_items order by sku"
    assert ask(url, items) == [("z",)]
    loadlock.json("rollback", second["batch"], "--to", url)
    assert rows(url) == [(1, "a")]
    assert ask(url, items) == [("x",), ("y",)]


@pytest.mark.parametrize("way", ["mode: replace", "mode: append, key: [id]"])
def test_a_replayed_batch_is_taken_back_with_its_replays(way: str, loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    deliver(loadlock, url, FIRST, f"{way}, undo: 3", "a.csv", files="all")
    (loadlock.folder / "a.csv").unlink()
    (loadlock.folder / "b.csv").write_text("id,name\n2,B\nx,d\n", encoding="utf-8")
    if way == "mode: append, key: [id]":
        (loadlock.folder / "b.csv").write_text("id,name\n7,B\nx,d\n", encoding="utf-8")
    second = loadlock.json("run", "p.yaml", codes=[3])
    assert loadlock("correct", second["batch"], "--set", "id='8'", "--by", "ann", "--why", "typo").code == 0
    replayed = loadlock.json("replay", second["batch"], codes=[0])
    assert (8, "d") in rows(url)
    done = loadlock.json("rollback", second["batch"])
    assert done["runs"] == [replayed["run"], second["run"]]
    assert rows(url) == [(1, "a"), (2, "b"), (3, "c")]


def test_in_python_the_conflicts_are_in_the_error(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    run = deliver(loadlock, url, FIRST, UPSERT, "a.csv")
    ask(url, "update people set name = 'theirs' where id = 2")
    batch = Batch(run["batch"], workspace=loadlock.folder / ".loadlock")
    with pytest.raises(ConflictError) as caught:
        batch.rollback()
    assert caught.value.details["conflicts"][0]["keys"] == [{"id": "2"}]
    assert [one.undone.deleted for one in batch.rollback(force=True).targets] == [3]
