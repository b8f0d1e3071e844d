"""`plan` and `run --confirm`: what a run would change, before it changes anything."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadlock.pipeline.read import load_pipeline
from loadlock.registry import component
from loadlock.testing.command import CommandLine, Ended
from loadlock.testing.databases import connect_mysql
from loadlock.workflow.start import Options, run_pipeline

FIRST = "id,name,phone\n1,a,11\n2,b,22\n3,c,33\n4,d,44\n"
SECOND = "id,name,phone\n1,a,11\n2,B,22\n5,e,55\nx,y,66\n"


def write(loadlock: CommandLine, url: str, destination: str, text: str) -> None:
    (loadlock.folder / "a.csv").write_text(text, encoding="utf-8")
    lines = ["pipeline: people", "source: a.csv", "columns: {id: {type: integer}, name: {}, phone: {mask: true}}"]
    lines.append(f'destination: {{url: "{url}", table: people, {destination}}}')
    (loadlock.folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def ended(loadlock: CommandLine, code: int, *words: str, stdin: bytes = b"") -> Ended:
    found = loadlock(*words, stdin=stdin)
    assert found.code == code, found.err
    return found


def tables(url: str) -> list[str]:
    """Names of all tables, ours too."""
    kind, path = url.partition(":")[0], url.partition(":///")[2]
    if kind == "postgresql":
        import psycopg

        with psycopg.connect(url) as server:
            found: list[Any] = server.execute(
                b"select relname::text from pg_class join pg_namespace n on n.oid = relnamespace"
                b" where relkind = 'r' and nspname not in ('pg_catalog', 'information_schema') order by 1"
            ).fetchall()
    elif kind == "mysql":
        with closing(connect_mysql(url)) as link, link.cursor() as cursor:
            cursor.execute("show tables")
            found = list(cursor.fetchall())
    else:
        import sqlite3

        with closing(sqlite3.connect(path)) as file:
            found = file.execute("select name from sqlite_master where type = 'table' order by 1").fetchall()
    return [name for (name,) in found]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres),
                        pytest.param("mysql", marks=pytest.mark.mysql)])  # fmt: skip
def url(request: pytest.FixtureRequest, loadlock: CommandLine) -> str:
    if request.param in ("postgres", "mysql"):
        return str(request.getfixturevalue(request.param))
    return f"sqlite:///{loadlock.folder}/out.db"


def test_a_plan_touches_nothing_and_resume_carries_it_out(url: str, loadlock: CommandLine) -> None:
    way = "mode: upsert, key: [id]"
    write(loadlock, url, way, FIRST)
    planned = loadlock.json("plan", "p.yaml", codes=[0])
    (entry,) = planned["plan"]
    assert (entry["inserted"], entry["rows"], entry["compared"]) == (4, 4, True)
    assert entry["schema"][0].startswith("create people (id ")
    assert planned["status"] == "stopped"
    assert (tables(url) if "sqlite" not in url else []) == []
    assert sorted(path.name for path in loadlock.folder.iterdir()) == [".loadlock", "a.csv", "p.yaml"]
    done = loadlock.json("resume", planned["run"], "--to", url, codes=[0])
    assert (done["balance"]["inserted"], done["receipt"]["equal"]) == (4, True)
    before = tables(url)

    write(loadlock, url, way, SECOND)
    (entry,) = loadlock.json("plan", "p.yaml", codes=[3])["plan"]
    assert [entry[name] for name in ("inserted", "updated", "unchanged", "deleted")] == [1, 1, 1, 0]
    assert entry["columns"] == {"name": 1}
    assert tables(url) == before
    (update,) = (sample for sample in entry["samples"] if sample["kind"] == "update")
    assert (update["key"], update["before"], update["after"]) == ({"id": "2"}, {"name": "b"}, {"name": "B"})
    (insert,) = (sample for sample in entry["samples"] if sample["kind"] == "insert")
    assert insert["after"] == {"id": "5", "name": "e", "phone": "***"}
    ran = loadlock.json("run", "p.yaml", codes=[3])
    assert [ran["balance"][name] for name in ("inserted", "updated", "unchanged")] == [1, 1, 1]


def test_a_plan_of_a_mirror_says_that_it_would_stop(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    write(loadlock, url, "mode: mirror, key: [id]", FIRST)
    ended(loadlock, 0, "run", "p.yaml")
    write(loadlock, url, "mode: mirror, key: [id]", SECOND)
    planned = ended(loadlock, 4, "plan", "p.yaml")
    assert "insert 1, update 1, leave 1, delete 2 (the table has 4 rows)" in planned.out
    assert "WOULD STOP: the mirror would delete 2 of the table's 4 rows, more than 20 %" in planned.out
    assert "1 rows of the batch are rejected" in planned.out


def test_a_destination_that_can_not_be_asked_is_only_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text(FIRST, encoding="utf-8")
    (tmp_path / "p.yaml").write_text("pipeline: p\nsource: a.csv\ndestination: out.ndjson\n", encoding="utf-8")
    kind = component("destinations", "ndjson")
    monkeypatch.setattr(kind, "capabilities", replace(kind.capabilities, foresees=False))
    planned = run_pipeline(load_pipeline(tmp_path / "p.yaml"), Options(workspace=tmp_path / "ws", plan=True))
    (entry,) = planned.document["plan"]
    assert (entry["rows"], entry["compared"]) == (4, False)
    assert not (tmp_path / "out.ndjson").exists()


@pytest.mark.parametrize(("answer", "code"), [("n\n", 4), ("", 4), ("y\n", 0)])
def test_confirm_publishes_only_after_a_yes(answer: str, code: int, loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    write(loadlock, url, "mode: append", FIRST)
    asked = ended(loadlock, code, "run", "p.yaml", "--confirm", "--json", stdin=answer.encode())
    assert "insert 4, update 0, leave 0, delete 0" in asked.err
    import duckdb

    if code == 0:
        assert asked.document["balance"]["inserted"] == 4
        return
    assert "not confirmed: nothing was published" in asked.err
    (run,) = loadlock.json("runs", codes=[0])
    assert run["status"] == "stopped"
    ended(loadlock, 0, "resume", run["run"])
    with duckdb.connect(f"{loadlock.folder}/out.db") as base:
        assert base.execute("select count(*) from people").fetchall() == [(4,)]


def test_a_plan_of_a_delivered_batch_says_that_a_run_would_do_nothing(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    write(loadlock, url, "mode: append", FIRST)
    ended(loadlock, 0, "run", "p.yaml")
    assert "a run would do nothing" in ended(loadlock, 0, "plan", "p.yaml").out


def test_a_plan_for_a_file_compares_it_and_leaves_nothing_beside_it(loadlock: CommandLine) -> None:
    out = loadlock.folder / "out.csv"
    out.write_text(FIRST, encoding="utf-8")
    (loadlock.folder / "a.csv").write_text(SECOND, encoding="utf-8")
    lines = ["pipeline: people", "source: a.csv", "columns: {id: {type: integer}, name: {}, phone: {mask: true}}"]
    lines.append("destination: {url: out.csv, mode: upsert, key: [id]}")
    (loadlock.folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (entry,) = loadlock.json("plan", "p.yaml", codes=[3])["plan"]
    counted = [entry[name] for name in ("compared", "inserted", "updated", "unchanged", "deleted", "columns")]
    assert counted == [True, 1, 1, 1, 0, {"name": 1}]
    assert (out.read_text(encoding="utf-8"), [p.name for p in loadlock.folder.glob(".out*")]) == (FIRST, [])
    refused = ended(loadlock, 4, "run", "p.yaml", "--confirm")
    assert "insert 1, update 1, leave 1, delete 0" in refused.err
    assert out.read_text(encoding="utf-8") == FIRST
    ended(loadlock, 3, "run", "p.yaml", "--confirm", stdin=b"yes\n")
    assert out.read_text(encoding="utf-8").splitlines() == [
        "id,name,phone", "1,a,11", "2,B,22", "3,c,33", "4,d,44", "5,e,55",
    ]  # fmt: skip
