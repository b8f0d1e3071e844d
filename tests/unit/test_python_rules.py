"""Rules and checks written in Python: loaded from their text, and an exception is a problem of the row."""

from __future__ import annotations

import datetime as dt
from typing import Any

from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.kernel import CleanPart, clean
from loadlock.model import Severity
from loadlock.pipeline.model import CheckUse, Column, Pipeline, RuleUse
from loadlock.testing.raw import raw_part
from loadlock.types import ColumnType

RUN_TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
SOURCE = """
import datetime, decimal
from dataclasses import dataclass
import pyarrow as pa
import pyarrow.compute as pc

def mark(kind):
    def decorate(function):
        function.__loadlock__ = {"kind": kind}
        return function
    return decorate

@dataclass
class Seen:
    values: list

seen = Seen([])

def shout(value):
    return None if value is None else value.upper()

def strict(value):
    if value == "boom":
        raise KeyError("no such thing")
    return value

def typed(value):
    return {"d": datetime.date(2024, 5, 6), "n": decimal.Decimal("1.50"), "t": True, "f": 0.5}[value]

def fill(value):
    return "empty" if value is None else value

@mark("column")
def reverse(values):
    return pc.utf8_reverse(values)

@mark("column")
def short(values):
    return values.slice(1)

@mark("table")
def swap(table):
    return pa.table({"a": table["b"], "b": table["a"], "n": pc.add(table["n"], 1)})

@mark("table")
def lose(table):
    return table.slice(1)

def even(value):
    return value is None or value % 2 == 0

def named(value):
    return True if value != "x" else "x is not allowed"

@mark("table")
def ordered(table):
    return pc.less(table["a"], table["b"])
"""


def rule(function: str) -> RuleUse:
    return RuleUse(name="python", options={"python": f"rules.py:{function}", "source": SOURCE})


def check(function: str, severity: Severity = Severity.REJECT) -> CheckUse:
    options = {"python": f"rules.py:{function}", "source": SOURCE}
    return CheckUse(name="python", options=options, severity=severity, message="not good")


def run(columns: tuple[Column, ...], values: dict[str, list[str | None]], **options: Any) -> CleanPart:
    plan = compile_plan(Pipeline(name="p", columns=columns, **options), run_time=RUN_TIME)
    return clean(raw_part(values), plan, file_index=0)


def found(part: CleanPart) -> list[tuple[int, str, str]]:
    return [(row["_row"], p["code"], p["message"]) for row in part.rejects.to_pylist() for p in row["problems"]]


def test_a_value_function_is_called_with_each_value_and_null() -> None:
    part = run((Column(name="a", rules=(rule("shout"), rule("fill"))),), {"a": ["x", None, "ü", "x"]})
    assert part.clean["a"].to_pylist() == ["X", "empty", "Ü", "X"]
    assert [tally.changed for tally in part.tallies.rules] == [3, 1]


def test_an_exception_is_a_problem_of_the_rows_with_that_value() -> None:
    part = run((Column(name="a", rules=(rule("strict"),)),), {"a": ["x", "boom", "y", "boom"]})
    assert part.clean["a"].to_pylist() == ["x", "y"]
    message = "rules.py:strict('boom') raised KeyError: 'no such thing'"
    assert found(part) == [(2, "python_error", message), (4, "python_error", message)]


def test_results_of_other_types_are_read_by_the_columns_type() -> None:
    kinds = {"d": "date", "n": "decimal(4,2)", "t": "boolean", "f": "float"}
    columns = tuple(Column(name=k, type=ColumnType.parse(kind), rules=(rule("typed"),)) for k, kind in kinds.items())
    part = run(columns, {name: [name] for name in kinds})
    assert [str(part.clean[name][0].as_py()) for name in kinds] == ["2024-05-06", "1.50", "True", "0.5"]


def test_a_column_function_gets_the_whole_array() -> None:
    part = run((Column(name="a", rules=(rule("reverse"),)),), {"a": ["abc", None]})
    assert part.clean["a"].to_pylist() == ["cba", None]


def test_a_column_function_that_loses_rows_is_a_problem_of_all_rows() -> None:
    part = run((Column(name="a", rules=(rule("short"),)),), {"a": ["abc", "d"]})
    assert [(row, code) for row, code, _ in found(part)] == [(1, "python_error"), (2, "python_error")]


def test_a_table_function_sees_typed_columns_and_may_change_all() -> None:
    columns = (Column(name="a"), Column(name="b"), Column(name="n", type=ColumnType.parse("integer")))
    part = run(columns, {"a": ["1", None], "b": ["2", "x"], "n": ["5", ""]}, rules=(("", rule("swap")),))
    assert part.clean.select(["a", "b", "n"]).to_pylist() == [
        {"a": "2", "b": "1", "n": 6},
        {"a": "x", "b": None, "n": None},
    ]


def test_a_table_function_that_fails_rejects_the_rows() -> None:
    part = run((Column(name="a"),), {"a": ["1", "2"]}, rules=(("", rule("lose")),))
    assert [code for _, code, _ in found(part)] == ["python_error", "python_error"]


def test_checks_judge_final_values_and_may_say_why() -> None:
    columns = (
        Column(name="n", type=ColumnType.parse("integer"), checks=(check("even"),)),
        Column(name="t", checks=(check("named"),)),
    )
    part = run(columns, {"n": ["2", "3", None], "t": ["y", "x", "z"]})
    assert part.clean["n"].to_pylist() == [2, None]
    assert found(part) == [(2, "python_check", "not good"), (2, "python_check", "x is not allowed")]


def test_checks_over_the_table_give_one_verdict_a_row() -> None:
    part = run(
        (Column(name="a"), Column(name="b")), {"a": ["1", "3", None], "b": ["2", "2", "1"]}, checks=(check("ordered"),)
    )
    assert part.clean["a"].to_pylist() == ["1", None]
    assert found(part) == [(2, "python_check", "not good")]


def test_a_check_that_warns_keeps_the_row_and_its_hash() -> None:
    column = Column(name="n", type=ColumnType.parse("integer"), checks=(check("even", Severity.WARN),))
    part = run((column,), {"n": ["1", "2"]})
    assert part.clean.num_rows == 2
    assert [(warning["message"], warning["rows"]) for warning in part.tallies.warnings()] == [("not good", 1)]


def test_the_digest_leaves_out_rows_that_a_check_rejected() -> None:
    kind = ColumnType.parse("integer")
    judged = run((Column(name="n", type=kind, checks=(check("even"),)),), {"n": ["1", "2"]})
    assert judged.digest == run((Column(name="n", type=kind),), {"n": ["2"]}).digest
