"""What `rejects` and `preview --batch` say where there is nothing to show, more than is shown, or rows that go."""

from __future__ import annotations

import pytest

from loadlock.testing.command import CommandLine

PIPELINE = """pipeline: p
source: in.csv
columns:
  id: {type: integer, required: true}
  city: {checks: [{in: [Rome, Oslo]}]}
rejects: {budget: {percent: 100}}
destination: {url: "duckdb:///out.db", table: t, mode: upsert, key: [id]}
"""


@pytest.fixture
def batch(loadlock: CommandLine) -> str:
    (loadlock.folder / "in.csv").write_text("id,city\n1,Rome\n2,Bonn\n3,Lima\nx,Oslo\n", encoding="utf-8")
    (loadlock.folder / "p.yaml").write_text(PIPELINE, encoding="utf-8")
    return str(loadlock.json("run", "p.yaml", codes=[3])["batch"])


def test_a_filter_that_fits_no_reject_says_what_there_is(loadlock: CommandLine, batch: str) -> None:
    said = loadlock("rejects", batch, "--code", "not_inn")
    assert (said.code, said.out) == (0, "")
    assert said.err == "no reject is like that; there are: not_in city open 2, not_integer id open 1\n"


def test_what_is_left_out_of_a_list_is_said(loadlock: CommandLine, batch: str) -> None:
    assert loadlock("rejects", batch, "--limit", "3").err == ""
    assert loadlock("rejects", batch, "--limit", "2").err.startswith("... the first 2; --limit shows more")


def test_a_preview_says_that_a_rerun_takes_rows_out(loadlock: CommandLine, batch: str) -> None:
    path = loadlock.folder / "p.yaml"
    path.write_text(PIPELINE.replace("Rome, ", ""), encoding="utf-8")
    said = loadlock("preview", "p.yaml", "--batch", batch).out
    assert "1 rows that were clean would be so no more: a rerun takes them out of the destination" in said
    assert loadlock.json("rerun", batch, codes=[3])["balance"]["deleted"] == 1
