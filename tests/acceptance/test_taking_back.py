"""A rerun in upsert takes back the rows of its batch that the rules of today don't let through any more."""

from __future__ import annotations

from typing import Any

from loadlock.testing.command import CommandLine
from loadlock.testing.databases import ask

PIPELINE = """\
pipeline: p
source: in.csv
columns:
  id: {{type: integer, required: true}}
  city: {{checks: [{{in: [Oslo, Rome, Bonn]}}]}}
rejects: {{budget: {{percent: 100}}}}
destination: {{url: "{url}", table: t, mode: upsert, key: [id], undo: 5}}
"""
ROWS = "id,city\n1,Oslo\n2,Rome\n3,Bonn\n4,Rome\n"


def write(loadlock: CommandLine, url: str, rows: str = ROWS) -> None:
    (loadlock.folder / "in.csv").write_text(rows, encoding="utf-8")
    (loadlock.folder / "p.yaml").write_text(PIPELINE.format(url=url), encoding="utf-8")


def without_rome(loadlock: CommandLine) -> None:
    pipeline = loadlock.folder / "p.yaml"
    pipeline.write_text(pipeline.read_text(encoding="utf-8").replace("Rome, ", ""), encoding="utf-8")


def table(url: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in ask(url, "select id, city from t order by id")]


def test_rows_that_are_no_longer_clean_go_and_a_rollback_of_the_batch_leaves_none(
    loadlock: CommandLine, url: str
) -> None:
    write(loadlock, url)
    batch = loadlock.json("run", "p.yaml")["batch"]
    without_rome(loadlock)
    done = loadlock.json("rerun", batch, codes=[3])
    assert table(url) == [(1, "Oslo"), (3, "Bonn")]
    counts = [done["balance"][name] for name in ("inserted", "updated", "unchanged", "deleted")]
    assert counts == [0, 0, 2, 2]
    assert done["receipt"]["equal"] is True
    loadlock.json("rollback", batch, codes=[0])
    assert table(url) == []


def test_what_others_wrote_or_what_stood_there_before_stays_and_is_told(loadlock: CommandLine, url: str) -> None:
    write(loadlock, url)
    batch = loadlock.json("run", "p.yaml")["batch"]
    ask(url, "update t set city = 'Lima' where id = 4")
    without_rome(loadlock)
    ended = loadlock("rerun", batch)
    assert (ended.code, table(url)) == (3, [(1, "Oslo"), (3, "Bonn"), (4, "Lima")])
    assert "1 rows that the batch delivers no longer were taken back" in ended.err
    assert "1 rows that the batch delivers no longer stay" in ended.err
    assert "(key 4)" in ended.err


def test_rows_that_the_batch_had_updated_stay(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    ask(url, "create table t (id bigint primary key, city varchar)")
    ask(url, "insert into t values (2, 'Lima')")
    write(loadlock, url)
    batch = loadlock.json("run", "p.yaml")["batch"]
    without_rome(loadlock)
    assert "2 rows that the batch delivers no longer stay" in loadlock("rerun", batch).err
    assert len(table(url)) == 4


def test_a_rerun_by_another_type_of_key_takes_nothing_back(loadlock: CommandLine) -> None:
    url = f"sqlite:///{loadlock.folder}/out.db"
    write(loadlock, url)
    batch = loadlock.json("run", "p.yaml")["batch"]
    ask(url, "drop table t")
    without_rome(loadlock)
    pipeline = loadlock.folder / "p.yaml"
    pipeline.write_text(pipeline.read_text(encoding="utf-8").replace("type: integer", "type: text"), encoding="utf-8")
    done = loadlock.json("rerun", batch, codes=[3])
    assert (done["balance"]["inserted"], done["balance"]["deleted"]) == (2, 0)
