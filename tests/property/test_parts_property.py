"""Rows cut into parts anywhere, and the parts taken in any order, come out the same: rows, problems, counts, decisions."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, reduce
from operator import add
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.cleanup.batch import judge_batch
from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.kernel import CleanPart, clean
from loadlock.cleanup.plan import Plan
from loadlock.cleanup.survey import decide, survey
from loadlock.cleanup.tallies import Tallies
from loadlock.pipeline.build import make_pipeline
from loadlock.pipeline.model import Column, Pipeline, RuleUse
from loadlock.registry import components
from loadlock.rows import IDENTITY
from loadlock.testing.contracts.rules import UGLY, made
from loadlock.testing.raw import raw_part
from loadlock.types import TEXT, ColumnType

RUN_TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
Part = tuple[int, pa.Table]
"""A part and the number of its file."""


@cache
def plan() -> Plan:
    """All that looks beyond a row (columns that decide, gaps filled, rows that win), and several problems in one row."""
    columns: dict[str, Any] = {
        "id": {"type": "integer", "required": True, "unique": True},
        "area": {"rules": ["fill_down", "trim"]},
        "day": {"type": "date", "formats": ["%d/%m/%Y", "%m/%d/%Y"]},
        "amount": {
            "type": "decimal(12,2)",
            "rules": [{"number": {"decimal": "auto"}}],
            "checks": [{"range": {"max": 5000}}],
        },
        "city": {"rules": ["upper", {"map": {"values": {"R": "ROME"}}}], "checks": [{"in": ["ROME", "OSLO"]}]},
    }
    rules: list[Any] = [
        {"sql": "coalesce(city, area)", "column": "city"},
        {"filter": "coalesce(area, '') <> 'test'"},
        {"deduplicate": {"by": ["area", "city"], "keep": "greatest", "order": "day"}},
    ]
    checks: list[Any] = [
        {"sql": "amount <> 7", "message": "no sevens"},
        {"sql": "amount > 0", "message": "positive", "severity": "warn"},
        {"batch": "select count(*) < 3 from rows", "severity": "warn"},
    ]
    pipeline = make_pipeline(name="p", files="x", columns=columns, rules=rules, checks=checks, destination="x.csv")
    return compile_plan(pipeline, run_time=RUN_TIME)


NAMES = ("id", "area", "day", "amount", "city")
CELLS = (
    st.sampled_from(["1", "2", "3", "4", "5", "6", "x", ""]),
    st.sampled_from([None, "", "north", " south ", "test"]),
    st.sampled_from(["01/02/2024", "03/04/2024", "12/11/2023", "25/12/2023", "05/05/2024", "99/99/2024", None]),
    st.sampled_from(["1,234", "1.234,5", "72,3", "7", "-3", "9999", "abc", None]),
    st.sampled_from(["rome", "R", "Oslo", "Bonn", None]),
)
ROWS = st.lists(st.tuples(*CELLS), max_size=24)


def as_part(rows: Sequence[Sequence[str | None]], first: int) -> pa.Table:
    return raw_part({name: [row[n] for row in rows] for n, name in enumerate(NAMES)}, first_row=first)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """All that a batch comes to."""

    clean: list[dict[str, Any]]
    rejects: list[tuple[Any, ...]]
    dropped: list[dict[str, Any]]
    losers: list[dict[str, Any]]
    findings: list[dict[str, Any]]
    digest: int
    tallies: Tallies
    decisions: list[tuple[str, str]]


def place(row: dict[str, Any]) -> tuple[int, ...]:
    return tuple(row[name] for name in IDENTITY)


def outcome(parts: Sequence[Part]) -> Outcome:
    """What a run does with these parts, one after another."""
    counts: dict[str, int] = {}
    for file, part in parts:
        for name, number in survey(part, plan(), file_index=file).items():
            counts[name] = counts.get(name, 0) + number
    decided, decisions = decide(plan(), counts)
    done = [clean(part, decided, file_index=file) for file, part in parts]
    with duckdb.connect(config={"threads": "1"}) as connection:
        connection.register("rows", pa.concat_tables([one.clean for one in done]))
        verdict = judge_batch(decided, lambda query: connection.sql(query).to_arrow_table())
    return Outcome(
        clean=together(done, "clean"),
        rejects=[(place(row), row["values"], row["problems"]) for row in together(done, "rejects")],
        dropped=together(done, "dropped"),
        losers=sorted(verdict.losers.to_pylist(), key=place),
        findings=[vars(finding) for finding in verdict.findings],
        digest=sum(one.digest for one in done) % 2**128,
        tallies=counted(done),
        # the reason for fill_down says how many values had to be remembered: those at the ends of parts too
        decisions=sorted((one.column, one.what) for one in decisions),
    )


def together(done: Sequence[CleanPart], name: str) -> list[dict[str, Any]]:
    return sorted((row for one in done for row in getattr(one, name).to_pylist()), key=place)


def counted(done: Sequence[CleanPart]) -> Tallies:
    """Without the examples, which are the first ones met, in an order of their own."""
    found = reduce(add, (one.tallies for one in done))
    return replace(
        found,
        rules=tuple(replace(rule, examples=()) for rule in found.rules),
        checks=tuple(sorted(found.checks, key=str)),
        columns=tuple(sorted(found.columns, key=str)),
        codes=tuple(sorted(found.codes, key=str)),
        found=tuple(sorted(found.found)),
    )


@settings(deadline=None, max_examples=10)
@given(
    files=st.tuples(ROWS, ROWS), cuts=st.sets(st.integers(1, 23), max_size=6), chance=st.randoms(use_true_random=False)
)
def test_a_batch_comes_to_the_same_wherever_it_is_cut_and_whichever_part_is_taken_first(
    files: tuple[list[Any], list[Any]], cuts: set[int], chance: random.Random
) -> None:
    whole = [(number, as_part(rows, 1)) for number, rows in enumerate(files)]
    parts = []
    for number, rows in enumerate(files):
        ends = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
        parts += [(number, as_part(rows[a:b], a + 1)) for a, b in itertools.pairwise(ends)]
    chance.shuffle(parts)
    assert outcome(parts) == outcome(whole)


def test_every_problem_of_a_row_is_told_with_its_column() -> None:
    rows = [("x", "north", "99/99/2024", "abc", "Bonn"), ("", "north", "01/02/2024", "7", "Bonn")]
    found = outcome([(0, as_part(rows, 1))]).rejects
    told = [{(problem["code"], problem["column"]) for problem in problems} for *_, problems in found]
    assert told == [
        {("not_integer", "id"), ("not_date", "day"), ("not_decimal", "amount"), ("not_in", "city")},
        {("required", "id"), ("ambiguous_date", "day"), ("not_in", "city"), ("sql_check", None)},
    ]


@cache
def each_rule() -> Plan:
    """A column for two examples of each rule that looks at values, all of the same text."""
    columns: list[Column] = []
    for name, rule in components("rules").items():
        if hasattr(rule, "sql") or hasattr(rule, "apply"):
            for example in rule.examples[:2]:
                options = {
                    key: value for key, value in vars(made(rule, example.options).options).items() if value is not None
                }
                kind = ColumnType.parse(getattr(rule, "example_type", str(TEXT)))
                use = RuleUse(name=name, options=options)
                columns.append(Column(name=f"{name}_{len(columns)}", source=("v",), type=kind, rules=(use,)))
    return compile_plan(Pipeline(name="p", columns=tuple(columns)), ["v"], run_time=RUN_TIME)


def judged(values: Sequence[tuple[int, str | None]], plan: Plan) -> dict[int, Any]:
    """Row → what became of it in each column, or its problems; `values` with the number of their first row."""
    done = clean(raw_part({"v": [value for _, value in values]}, first_row=values[0][0]), plan, file_index=0)
    rows = {row["_row"]: row for row in done.clean.to_pylist()}
    return rows | {row["_row"]: row["problems"] for row in done.rejects.to_pylist()}


def test_every_registered_rule_sees_a_value_the_same_in_whatever_part_it_comes() -> None:
    short = [value for value in UGLY if value is None or len(value) < 100]
    values = list(enumerate([*short, *short[::-3]], 1))
    decided, _ = decide(each_rule(), {})
    whole = judged(values, decided)
    assert len(whole) == len(values)
    cut: dict[int, Any] = {}
    for at in reversed(range(0, len(values), 47)):
        cut |= judged(values[at : at + 47], decided)
    assert cut == whole
