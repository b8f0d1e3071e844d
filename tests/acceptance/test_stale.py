"""A rerun of an older batch leaves what later batches and other people wrote since."""

from __future__ import annotations

from typing import Any

import pytest

from loadlock.testing.command import CommandLine
from loadlock.testing.databases import ask


def write(loadlock: CommandLine, url: str, way: str, *, rules: str = "") -> None:
    lines = ["pipeline: people", "source: '*.csv'", f"columns: {{id: {{type: integer}}, name: {{{rules}}}}}"]
    lines.append(f'destination: {{url: "{url}", table: people, {way}}}')
    (loadlock.folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def deliver(loadlock: CommandLine, name: str, text: str) -> dict[str, Any]:
    (loadlock.folder / name).write_text(text, encoding="utf-8")
    return dict(loadlock.json("run", "p.yaml", "--files", "new", codes=[0]))


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, loadlock: CommandLine) -> str:
    if request.param == "duckdb":
        return f"duckdb:///{loadlock.folder}/out.db"
    return str(request.getfixturevalue(request.param))


def test_rows_written_since_are_listed_as_stale_and_left(url: str, loadlock: CommandLine) -> None:
    way = "mode: upsert, key: [id]"
    write(loadlock, url, way)
    first = deliver(loadlock, "a.csv", "id,name\n1,a\n2,b\n3,c\n4,d\n")
    deliver(loadlock, "b.csv", "id,name\n2,later\n")
    ask(url, "update people set name = 'theirs' where id = 3")
    ask(url, "delete from people where id = 4")
    write(loadlock, url, way, rules="rules: [upper]")
    again = loadlock.json("rerun", first["batch"], "p.yaml", codes=[3])
    assert (again["rejects"], again["balance"]["updated"]) == ({"stale": 3}, 1)
    assert ask(url, "select id, name from people order by id") == [(1, "A"), (2, "later"), (3, "theirs")]
    stale = [(reject["row"], reject["state"]) for reject in loadlock.json("rejects", first["batch"])]
    assert stale == [(2, "stale"), (3, "stale"), (4, "stale")]
    forced = loadlock.json("rerun", first["batch"], "p.yaml", "--force", codes=[0])
    assert forced["rejects"] == {}
    assert ask(url, "select id, name from people order by id") == [(1, "A"), (2, "B"), (3, "C"), (4, "D")]


def test_the_newest_batch_is_rerun_whole(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    way = "mode: upsert, key: [id]"
    write(loadlock, url, way)
    deliver(loadlock, "a.csv", "id,name\n1,a\n2,b\n")
    newest = deliver(loadlock, "b.csv", "id,name\n2,later\n")
    write(loadlock, url, way, rules="rules: [upper]")
    assert loadlock.json("rerun", newest["batch"], "p.yaml", codes=[0])["balance"]["updated"] == 1


def test_a_replace_that_is_not_the_newest_is_stopped(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    write(loadlock, url, "mode: replace")
    first = deliver(loadlock, "a.csv", "id,name\n1,a\n")
    second = deliver(loadlock, "b.csv", "id,name\n2,b\n")
    stopped = loadlock("rerun", first["batch"])
    assert stopped.code == 4
    assert second["run"] in stopped.err
    assert ask(url, "select id from people") == [(2,)]
    loadlock.json("rerun", first["batch"], "--force", codes=[0])
    assert ask(url, "select id from people") == [(1,)]


def test_a_resumed_run_leaves_what_was_written_since_it_stopped(url: str, loadlock: CommandLine) -> None:
    write(loadlock, url, "mode: upsert, key: [id]")
    deliver(loadlock, "0.csv", "id,name\n1,old\n2,old\n3,old\n")
    (loadlock.folder / "a.csv").write_text("id,name\n1,a\n2,a\n3,a\n4,a\n", encoding="utf-8")
    stopped = loadlock("run", "p.yaml", "--files", "new", "--confirm", stdin=b"n\n")
    assert stopped.code == 4
    (loadlock.folder / "a.csv").unlink()
    deliver(loadlock, "b.csv", "id,name\n2,later\n4,later\n")
    run = next(one["run"] for one in loadlock.json("runs", codes=[0]) if one["status"] == "stopped")
    resumed = loadlock.json("resume", run, codes=[3])
    assert (resumed["rejects"], resumed["balance"]["updated"]) == ({"stale": 2}, 2)
    assert ask(url, "select id, name from people order by id") == [(1, "a"), (2, "later"), (3, "a"), (4, "later")]


def test_a_resumed_replace_does_not_undo_a_later_one(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    write(loadlock, url, "mode: replace")
    (loadlock.folder / "a.csv").write_text("id,name\n1,a\n", encoding="utf-8")
    assert loadlock("run", "p.yaml", "--confirm", stdin=b"n\n").code == 4
    (loadlock.folder / "a.csv").unlink()
    later = deliver(loadlock, "b.csv", "id,name\n2,b\n")
    run = next(one["run"] for one in loadlock.json("runs", codes=[0]) if one["status"] == "stopped")
    stopped = loadlock("resume", run)
    assert stopped.code == 4
    assert later["run"] in stopped.err
    assert ask(url, "select id from people") == [(2,)]
