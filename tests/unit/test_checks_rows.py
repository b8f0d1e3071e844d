"""Checks that look at other columns, other tables, or only at some rows."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadlock.cleanup.batch import judge_batch
from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.kernel import CleanPart
from loadlock.cleanup.plan import Plan
from loadlock.errors import PipelineError
from loadlock.pipeline.read import pipeline_from_text
from loadlock.testing.contracts.row_rules import cleaned


def plan_of(body: str, names: list[str], folder: Path = Path()) -> Plan:
    pipeline = pipeline_from_text(f"pipeline: p\nsource: x.csv\n{body}", base_folder=folder, environment={})
    return compile_plan(pipeline, names, run_time=datetime(2026, 1, 2, tzinfo=UTC))


def run(body: str, *rows: dict[str, str | None], folder: Path = Path()) -> CleanPart:
    return cleaned(plan_of(body, list(rows[0]), folder), rows, list(rows[0]))


def problems(part: CleanPart) -> dict[int, list[str]]:
    return {row["_row"]: [found["code"] for found in row["problems"]] for row in part.rejects.to_pylist()}


def mistake(body: str, names: list[str], folder: Path = Path()) -> str:
    with pytest.raises(PipelineError) as caught:
        plan_of(body, names, folder)
    (only,) = caught.value.mistakes
    return f"{only.path}: {only.message}. {only.remedy}"


def rows(*values: tuple[str | None, ...], names: str) -> list[dict[str, str | None]]:
    return [dict(zip(names.split(), row, strict=True)) for row in values]


def test_a_value_is_compared_with_another_columns() -> None:
    body = """
columns:
  start: date
  end: {type: date, checks: [{compare: {by: ">=", column: start}}]}
  net: "decimal(10,2)"
  gross: {type: integer, checks: [{compare: {by: ">=", column: net}, severity: warn}]}
"""
    part = run(body, *rows(
        ("2024-01-02", "2024-01-02", "9.99", "10"), ("2024-01-02", "2024-01-01", "1", "1"), ("2024-01-02", None, "1", "0"),
        names="start end net gross",
    ))  # fmt: skip
    assert problems(part) == {2: ["comparison"]}
    assert [(check["message"], check["rows"]) for check in part.tallies.warnings()] == [
        ("{value} must be at least net", 1)
    ]


def test_columns_of_different_kinds_are_not_compared() -> None:
    body = "columns: {a: integer, b: {type: date, checks: [{compare: {by: '<', column: a}}]}}\n"
    assert "date can't be compared with a, which is integer" in mistake(body, ["a", "b"])
    body = "columns: {a: integer, b: {checks: [{compare: {by: '<', column: c}}]}}\n"
    assert "no column 'c' to compare with" in mistake(body, ["a", "b"])


@pytest.mark.parametrize(
    "check",
    [
        "{required: {}, when: country = 'DE'}",
        "{sql: zip is not null, when: country = 'DE'}",
        "{matches: '[0-9]{5}', when: country = 'DE'}",
    ],
)
def test_a_conditional_check_judges_only_the_rows_it_is_for(check: str) -> None:
    body = f"columns: {{country: text, zip: {{checks: [{check}]}}}}\n"
    part = run(
        body,
        *rows(
            ("DE", "10115"), ("DE", "x" if "matches" in check else None), ("FR", None), (None, "x"), names="country zip"
        ),
    )
    assert list(problems(part)) == [2]


def test_a_condition_that_fails_is_a_problem_of_the_row() -> None:
    body = "columns: {n: text, b: {checks: [{required: {}, when: n::integer > 1}]}}\n"
    part = run(body, *rows(("2", None), ("x", "b"), ("1", None), names="n b"))
    assert problems(part) == {1: ["required"], 2: ["sql_error"]}


def test_a_conditional_required_column_may_be_null_in_clean_rows() -> None:
    plan = plan_of("columns: {a: {checks: [{required: {}, when: a <> ''}]}, b: {checks: [required]}}\n", ["a", "b"])
    assert plan.required == {"b"}


def test_values_may_be_unique_among_some_rows_only() -> None:
    body = "columns: {state: text, no: integer}\nchecks: [{unique: [no], when: state = 'open'}]\n"
    table = pa.table({
        "state": ["open", "closed", "open", "closed", "open"], "no": [1, 1, 1, 2, 2],
        "_file": pa.array([0] * 5, pa.int32()), "_row": pa.array(range(1, 6), pa.int64()), "_sub": pa.array([0] * 5, pa.int32()),
    })  # fmt: skip
    with duckdb.connect() as connection:
        connection.register("rows", table)
        verdict = judge_batch(plan_of(body, ["state", "no"]), lambda sql: connection.sql(sql).to_arrow_table())
    assert verdict.losers["_row"].to_pylist() == [3]


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("{python: rules.py:f, when: a > 1}", "a Python check has no `when:`"),
        ("{batch: select true, when: a > 1}", "a check over the batch has no `when:`"),
        ("{sql: a > 1, when: nothing > 1}", "unknown column 'nothing'"),
        ("{sql: a > 1, when: 'a >'}", "does not parse"),
        ("{unique: [a], when: \"a > date '2024-01-01'\"}", "Binder Error"),
    ],
)
def test_a_condition_that_can_not_work_is_a_mistake(check: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text("def f(table):\n    return [True] * table.num_rows\n")
    assert words in mistake(f"columns: {{a: integer}}\nchecks: [{check}]\n", ["a"], tmp_path)


def test_a_row_refers_to_another_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [7, 8], "land": ["IT", "NO"]}), tmp_path / "customers.parquet")
    body = """
columns:
  customer: {type: integer, checks: [{references: {file: customers.parquet, column: id}}]}
  country: {}
  buyer: {type: integer, checks: [{references: {file: customers.parquet, column: id, also: {country: land}}, severity: warn}]}
  tester: {checks: [{not_in: {file: customers.parquet, column: land}}]}
"""
    part = run(body, *rows(
        ("07", "IT", "7", "x"), ("9", "NO", "7", None), (None, None, "7", "IT"), names="customer country buyer tester"
    ), folder=tmp_path)  # fmt: skip
    assert problems(part) == {2: ["not_found"], 3: ["forbidden"]}
    assert [check["rows"] for check in part.tallies.warnings()] == [1]


def test_a_list_with_a_value_of_another_type_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / "ids.csv").write_text("id\n1\n1.5\n")
    body = "columns: {id: {type: integer, checks: [{references: ids.csv}]}}\n"
    assert "'1.5' in the list is no value of the type integer" in mistake(body, ["id"], tmp_path)


@pytest.mark.parametrize(
    ("name", "options", "value", "fine"),
    [
        ("url", None, "https://例え.jp/パス?q=ü#x", True),
        ("url", None, "https://user:pw@host:8443/", True),
        ("url", None, "https://host:123456/", False),
        ("url", None, "https://-host/", False),
        ("url", None, "javascript:alert(1)", False),
        ("url", None, "https://a.b/c d", False),
        ("url", None, "https://[2001:db8::1]/", True),
        ("url", {"tld": True}, "https://localhost/", False),
        ("url", {"tld": True}, "https://a.b", True),
        ("url", None, "https://" + "a" * 3_000, False),
        ("not_in", {"values": [1, 2]}, "1", False),
    ],
)
def test_addresses_and_lists(name: str, options: Any, value: str, fine: bool) -> None:
    from loadlock.cleanup.base import RuleContext
    from loadlock.cleanup.components import make
    from loadlock.testing.contracts.checks import bad_codes
    from loadlock.types import TEXT

    found = bad_codes(make("checks", name, options), [value], RuleContext(column="c", type=TEXT))
    assert (found == [[]]) is fine
