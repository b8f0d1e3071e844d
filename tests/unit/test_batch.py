"""Judgements over the batch: unique values, repeated keys, questions; losers and digest stay in balance."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from loadlock.cleanup.batch import BatchVerdict, digest_of_losers, judge_batch, loser_rejects
from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.kernel import clean
from loadlock.cleanup.plan import Plan
from loadlock.digest import digest_table
from loadlock.model import Severity, WriteMode
from loadlock.pipeline.model import CheckUse, Column, DestinationSpec, Pipeline
from loadlock.rows import reject_schema
from loadlock.testing.raw import json_part, raw_part
from loadlock.types import ColumnType

RUN_TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
Judge = Callable[..., BatchVerdict]


@pytest.fixture
def judge() -> Iterator[Judge]:
    connection = duckdb.connect()

    def run(plan: Plan, *parts: pa.Table) -> BatchVerdict:
        connection.register("rows", pa.concat_tables(parts))
        return judge_batch(plan, lambda query: connection.sql(query).to_arrow_table())

    yield run
    connection.close()


def plan_of(*columns: Column, **options: Any) -> Plan:
    return compile_plan(Pipeline(name="p", columns=columns, **options), run_time=RUN_TIME)


def upsert(*key: str) -> tuple[DestinationSpec, ...]:
    return (DestinationSpec(url="x", mode=WriteMode.UPSERT, key=key),)


def losers(verdict: BatchVerdict) -> list[tuple[int, int, str]]:
    return [(row["_file"], row["_row"], row["reason"]) for row in verdict.losers.to_pylist()]


def test_unique_keeps_the_first_row_by_file_and_row_and_names_it(judge: Judge) -> None:
    plan = plan_of(Column(name="id", unique=True))
    second = clean(raw_part({"id": ["a", "b", None, None]}), plan, file_index=1).clean
    first = clean(raw_part({"id": ["b", "c"]}, first_row=7), plan, file_index=0).clean
    verdict = judge(plan, second, first)
    assert verdict.losers.to_pylist() == [
        {
            "_file": 1, "_row": 2, "_sub": 0, "reason": "not_unique", "column": "id", "value": "b",
            "message": "id stands also in row 7 of file 1, which is kept",
        }
    ]  # fmt: skip


@pytest.mark.parametrize(("keep", "expected"), [("first", [2, 3]), ("last", [1, 2]), ("none", [1, 2, 3])])
def test_the_winner_of_unique_is_a_setting(judge: Judge, keep: str, expected: list[int]) -> None:
    plan = plan_of(Column(name="id", unique=True), keep_unique=keep)
    part = clean(raw_part({"id": ["a", "a", "a", "b"]}), plan, file_index=0).clean
    assert [row for _, row, _ in losers(judge(plan, part))] == expected


def test_a_row_that_lost_beats_no_other(judge: Judge) -> None:
    plan = plan_of(Column(name="a", unique=True), Column(name="b", unique=True))
    part = clean(raw_part({"a": ["1", "1", "2"], "b": ["x", "y", "y"]}), plan, file_index=0).clean
    assert [row for _, row, _ in losers(judge(plan, part))] == [2]


def test_unique_over_several_columns_takes_null_as_different(judge: Judge) -> None:
    plan = plan_of(
        Column(name="a"), Column(name="b"), checks=(CheckUse(name="unique", options={"columns": ["a", "b"]}),)
    )
    part = clean(raw_part({"a": ["1", "1", "1", "1", "1"], "b": ["x", "y", "x", None, None]}), plan, file_index=0).clean
    assert [row for _, row, _ in losers(judge(plan, part))] == [3]


def test_of_a_repeated_upsert_key_the_last_row_wins_and_the_others_are_superseded(judge: Judge) -> None:
    plan = plan_of(Column(name="k"), Column(name="v"), destinations=upsert("k"))
    part = clean(raw_part({"k": ["a", "b", "a", "a"], "v": ["1", "2", "3", "4"]}), plan, file_index=0).clean
    assert losers(judge(plan, part)) == [(0, 1, "superseded"), (0, 3, "superseded")]


def test_rejected_rows_supersede_nothing(judge: Judge) -> None:
    plan = plan_of(Column(name="id", unique=True), Column(name="k"), destinations=upsert("k"))
    part = clean(raw_part({"id": ["1", "1"], "k": ["a", "a"]}), plan, file_index=0).clean
    assert losers(judge(plan, part)) == [(0, 2, "not_unique")]


def test_a_unique_that_only_warns_keeps_the_rows(judge: Judge) -> None:
    unique = CheckUse(name="unique", severity=Severity.WARN)
    plan = plan_of(Column(name="id", checks=(unique,)))
    verdict = judge(plan, clean(raw_part({"id": ["a", "a"]}), plan, file_index=0).clean)
    assert verdict.losers.num_rows == 0
    assert [(finding.severity, finding.passed, finding.value) for finding in verdict.findings] == [("warn", False, "1")]


def test_questions_over_the_batch_are_answered(judge: Judge) -> None:
    def ask(sql: str) -> CheckUse:
        return CheckUse(name="batch", options={"batch": sql}, severity=Severity.FAIL)

    checks = (
        ask("select count(*) > 1 from rows"),
        ask("select sum(n) > 100 from rows"),
        ask("select max(n) > 1 from rows where n > 9"),
    )
    plan = plan_of(Column(name="n", type=ColumnType.parse("integer")), checks=checks)
    verdict = judge(plan, clean(raw_part({"n": ["1", "2"]}), plan, file_index=0).clean)
    assert [(finding.passed, finding.value) for finding in verdict.findings] == [
        (True, "true"),
        (False, "false"),
        (True, None),
    ]
    assert verdict.findings[1].message == "the batch check select sum(n) > 100 from rows failed"


def test_losers_become_rejects_and_leave_the_digest(judge: Judge) -> None:
    plan = plan_of(
        Column(name="id", type=ColumnType.parse("integer"), unique=True),
        Column(name="j", type=ColumnType.parse("json")),
    )
    raw = raw_part({"id": ["1", "2", "1", "x", "1"], "j": ["{}", "[1.0]", '{"b":1,"a":2}', "1", "null"]})
    part = clean(raw, plan, file_index=0)
    verdict = judge(plan, part.clean)
    rejects = loser_rejects(raw, verdict.losers, file_index=0)
    assert rejects.schema == reject_schema()
    assert [(row["_row"], row["problems"][0]["code"], row["values"]) for row in rejects.to_pylist()] == [
        (3, "not_unique", '{"id":"1","j":"{\\"b\\":1,\\"a\\":2}"}'), (5, "not_unique", '{"id":"1","j":"null"}'),
    ]  # fmt: skip
    assert loser_rejects(raw, verdict.losers, file_index=1).num_rows == 0
    kept = part.clean.filter(pc.invert(pc.is_in(part.clean["_row"], verdict.losers["_row"].combine_chunks())))
    left = (part.digest - digest_of_losers(part.clean, verdict.losers, plan)) % 2**128
    assert left == digest_table(kept.select(["id", "j"]), plan.columns)


def test_losers_among_exploded_records_are_told_apart(judge: Judge) -> None:
    from loadlock.pipeline.model import Flatten, Source

    source = Source(flatten=Flatten(explode=("l",)))
    plan = plan_of(Column(name="sku", source=("l.sku",), unique=True), source=source)
    raw = json_part(['{"l": [{"sku": "a"}, {"sku": "a"}, {"sku": "b"}]}'])
    part = clean(raw, plan, file_index=0)
    verdict = judge(plan, part.clean)
    (reject,) = loser_rejects(raw, verdict.losers, file_index=0, plan=plan).to_pylist()
    assert (reject["_row"], reject["_sub"]) == (1, 1)
