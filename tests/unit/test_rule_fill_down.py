"""`fill_down` gives a gap the value that stands above it in the file, however the file is cut."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import loadlock
from loadlock.cleanup import filling
from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.plan import Plan
from loadlock.cleanup.survey import columns_needed, decide, survey
from loadlock.errors import PipelineError, StoppedError
from loadlock.pipeline.read import pipeline_from_text
from loadlock.testing.contracts.row_rules import cleaned, raw_part

BODY = "pipeline: p\nsource: x.csv\ncolumns: {region: {rules: [fill_down, trim, upper]}, city: text}\n"


def plan_of(body: str = BODY) -> Plan:
    pipeline = pipeline_from_text(body, base_folder=Path(), environment={})
    return compile_plan(pipeline, ["region", "city"], run_time=datetime(2026, 1, 2, tzinfo=UTC))


def filled(values: list[str | None], cuts: list[int], body: str = BODY) -> list[str | None]:
    """The column after the rule, surveyed and cleaned in parts, each in another order."""
    rows = [{"region": value, "city": "x"} for value in values]
    ends = sorted({0, *(cut % (len(rows) + 1) for cut in cuts), len(rows)})
    pieces = [(start, rows[start:end]) for start, end in pairwise(ends)]
    counts: dict[str, int] = {}
    for start, piece in reversed(pieces):
        counts |= survey(raw_part(piece, ["region", "city"], start + 1), plan_of(body))
    plan, _ = decide(plan_of(body), counts)
    plan = compile_plan(
        plan.pipeline, plan.names, run_time=plan.run_time, decisions=json.loads(json.dumps(plan.decisions))
    )
    found: dict[int, str | None] = {}
    for start, piece in pieces:
        for row in cleaned(plan, piece, ["region", "city"], start + 1).clean.to_pylist():
            found[row["_row"]] = row["region"]
    return [found[number] for number in sorted(found)]


def test_a_gap_takes_the_value_above_it() -> None:
    values = [None, " north ", "", None, "south", "\u00a0", None]
    assert filled(values, [2, 3, 6]) == [None, "NORTH", "NORTH", "NORTH", "SOUTH", "SOUTH", "SOUTH"]
    body = BODY.replace("fill_down,", "{fill_down: {empty: false}},")
    assert filled(values, [3], body) == [None, "NORTH", "", "", "SOUTH", "", ""]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from([None, "", "a", "b/1", "é:2"]), max_size=25), st.lists(st.integers(0, 30), max_size=5))
def test_the_cut_into_parts_changes_nothing(values: list[str | None], cuts: list[int]) -> None:
    expected, above = [], None
    for value in values:
        above = value or above
        expected.append(above if above and not value else value)
    assert filled(values, cuts) == [None if value is None else value.upper() for value in expected]


def test_a_single_row_cleaned_again_gets_the_value_that_stood_above_it() -> None:
    rows: list[dict[str, str | None]] = [{"region": value, "city": "x"} for value in ("a", None, None, "b", None)]
    plan, made = decide(plan_of(), survey(raw_part(rows, ["region", "city"], 1), plan_of()))
    again = cleaned(plan, [rows[2]], ["region", "city"], 3)
    assert again.clean["region"].to_pylist() == ["A"]
    assert [(decision.column, decision.what) for decision in made] == [("region", "fill_down: from the row above")]
    assert [(tally.rule, tally.changed, tally.examples) for tally in again.tallies.rules][:1] == [
        ("fill_down", 1, ((None, "a"),))
    ]


def test_a_survey_reads_the_columns_that_it_needs_and_no_others() -> None:
    body = "pipeline: p\nsource: x.csv\ncolumns: {region: {rules: [%s]}, city: text}\n"
    names = ["region", "city", "_row"]
    for rules, needed in (
        ("fill_down", ["region", "_row"]),
        ("number", ["region"]),
        ("fill_down, number", ["region", "_row"]),
    ):
        plan = plan_of(body % rules)
        assert columns_needed(plan, names) == needed
        part = raw_part([{"region": "1,5", "city": "x"}], ["region", "city"], 1)
        assert survey(part.select(needed), plan)


def test_too_many_groups_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "MOST", 1)
    rows: list[dict[str, str | None]] = [{"region": value, "city": "x"} for value in ("a", None, "b", None)]
    with pytest.raises(StoppedError, match="2 values have gaps below them"):
        decide(plan_of(), survey(raw_part(rows, ["region", "city"], 1), plan_of()))


def test_it_must_be_the_first_rule_of_its_column() -> None:
    for body in (
        "columns: {region: {rules: [trim, fill_down]}}",
        "columns: {region: {rules: [trim]}}\nrules: [{fill_down: {}, column: region}]",
    ):
        with pytest.raises(PipelineError, match="first of the column's own rules"):
            plan_of(f"pipeline: p\nsource: x.csv\n{body}\n")


def test_each_file_of_a_batch_begins_anew(tmp_path: Path) -> None:
    for number, rows in enumerate(("x,1\n,2\n", ",3\ny,4\n,5\n")):
        (tmp_path / f"in{number}.csv").write_text(f"region,city\n{rows}")
    text = BODY.replace("x.csv", "in*.csv") + "destination: out.ndjson\n"
    (tmp_path / "p.yaml").write_text(text)
    done: Any = loadlock.Pipeline.load(tmp_path / "p.yaml").run()
    assert done.status == "verified"
    found = [json.loads(line) for line in (tmp_path / "out.ndjson").read_text().splitlines()]
    assert sorted((row["city"], row["region"]) for row in found) == [
        ("1", "X"), ("2", "X"), ("3", ""), ("4", "Y"), ("5", "Y"),
    ]  # fmt: skip
