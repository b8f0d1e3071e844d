"""`corrections suggest`: what operators corrected again and again becomes rules; a preview keeps corrections."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlock.pipeline.read import pipeline_from_text
from loadlock.testing.command import CommandLine
from loadlock.workflow.suggesting import Suggestion, as_rules

ROWS = """id,Land,zip
1,Germany,01067
2,Germany,01069
3,Deutschland,04109
4,Deutschland,04109
5,XX,1
6,XX,2
7,,3
8,,4
9,DE,5
"""
PIPELINE = """pipeline: p
source: in.csv
columns:
  id: {type: integer}
  country: {from: Land, checks: [{in: [DE, FR]}]}
  zip: {}
rejects: {budget: {percent: 100}}
destination: {url: "duckdb:///t.duckdb", table: t, mode: upsert, key: [id]}
"""


@pytest.fixture
def batch(loadlock: CommandLine) -> str:
    """A batch whose rejects operators corrected."""
    (loadlock.folder / "in.csv").write_text(ROWS, encoding="utf-8")
    (loadlock.folder / "p.yaml").write_text(PIPELINE, encoding="utf-8")
    name = str(loadlock.json("run", "p.yaml", codes=[3])["batch"])
    for change, which in (
        ("Land='DE'", "Land in ('Germany', 'Deutschland', '')"),
        ("Land='FR'", "id = '5'"),
        ("Land='DE'", "id = '6'"),
    ):
        assert loadlock("correct", name, "--set", change, "--where", which, "--by", "ann").code in (0, 3)
    return name


def test_what_was_corrected_again_and_again_is_proposed(loadlock: CommandLine, batch: str) -> None:
    found = loadlock.json("corrections", "suggest", batch, codes=[0])
    assert [(one["column"], one["old"], one["new"], one["times"], one["rule"]) for one in found] == [
        ("country", "", "DE", 2, {"default": {"value": "DE", "empty": True}}),
        ("country", "Deutschland", "DE", 2, {"map": {"values": {"Deutschland": "DE"}}}),
        ("country", "Germany", "DE", 2, {"map": {"values": {"Germany": "DE"}}}),
    ]
    told = loadlock("corrections", "suggest", batch, "--least", "1").said
    rules = "country: {rules: [{default: {value: DE, empty: true}}, {map: {values: {Deutschland: DE, Germany: DE}}}]}"
    assert rules in " ".join(told.split())
    assert "'XX'" in told


def test_a_preview_takes_rows_that_a_replay_settled_with_their_corrections(loadlock: CommandLine, batch: str) -> None:
    assert loadlock("replay", batch).code in (0, 3)
    rule = "from: Land, rules: [{map: {values: {Germany: DE}}}]"
    text = PIPELINE.replace("from: Land", rule)
    (loadlock.folder / "p.yaml").write_text(text, encoding="utf-8")
    seen = loadlock.json("preview", "p.yaml", "--batch", batch, codes=[0])
    assert (seen["leave"]["rows"], seen["enter"]["rows"], seen["values"]["rows"]) == (0, 0, 0)
    assert seen["before"] == seen["after"]


def suggestion(old: str | None, new: str | None, contradicted: int = 0) -> Suggestion:
    return Suggestion(column="c", old=old, new=new, times=3, batches=1, contradicted=contradicted)


def test_proposed_rules_can_be_written_into_a_pipeline() -> None:
    odd = [suggestion("a, b", 'q"x'), suggestion("no", "yes"), suggestion("12", "-"), suggestion("?", None)]
    rules = as_rules([*odd, suggestion(None, "none"), suggestion("z", "y", contradicted=1)])
    text = f"pipeline: p\nsource: a.csv\ncolumns: {{c: {{rules: [{', '.join(rules['c'])}]}}}}\ndestination: out.csv\n"
    read = pipeline_from_text(text, base_folder=Path(), environment={})
    assert read.columns is not None
    mapped, nulled, filled = read.columns[0].rules
    assert mapped.options["values"] == {"a, b": 'q"x', "no": "yes", "12": "-"}
    assert (nulled.name, filled.options) == ("null_if", {"value": "none", "empty": True})
