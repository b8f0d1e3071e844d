"""What the whole column shows decides what one value can't: counted in parts, decided once, recorded."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa

from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.kernel import clean
from loadlock.cleanup.plan import Plan
from loadlock.cleanup.survey import Decision, decide, survey
from loadlock.pipeline.model import Column, Pipeline, RuleUse
from loadlock.testing.raw import raw_part
from loadlock.types import ColumnType

RUN_TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
BOTH = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y")


def plan_of(*rules: str, formats: tuple[str, ...] = BOTH) -> Plan:
    uses = tuple(RuleUse(name=name) for name in rules)
    column = Column(name="d", type=ColumnType.parse("date"), formats=formats, rules=uses)
    return compile_plan(Pipeline(name="p", columns=(column,)), run_time=RUN_TIME)


def counted(plan: Plan, *parts: pa.Table) -> dict[str, int]:
    total: dict[str, int] = {}
    for part in parts:
        for name, number in survey(part, plan).items():
            total[name] = total.get(name, 0) + number
    return total


def dates(*texts: str | None) -> pa.Table:
    return raw_part({"d": list(texts)})


def cleaned(plan: Plan, raw: pa.Table) -> tuple[list[Any], list[str]]:
    part = clean(raw, plan, file_index=0)
    return part.clean["d"].to_pylist(), [p["code"] for row in part.rejects.to_pylist() for p in row["problems"]]


def test_one_unambiguous_value_anywhere_decides_the_whole_column() -> None:
    plan = plan_of()
    first, second = dates("01/02/2024", "2024-05-06"), dates(None, "31/12/2024", "x")
    assert plan.needs_survey
    decided, decisions = decide(plan, counted(plan, first, second))
    assert not decided.needs_survey
    assert cleaned(decided, first) == ([dt.date(2024, 2, 1), dt.date(2024, 5, 6)], [])
    assert decisions == [
        Decision(
            column="d",
            what="date format: %d/%m/%Y",
            reason="1 values fit both with different dates; 1 values fit only %d/%m/%Y, 0 only %m/%d/%Y",
        )
    ]


def test_contradicting_values_leave_the_ambiguous_ones_as_problems() -> None:
    plan = plan_of()
    raw = dates("01/02/2024", "31/12/2024", "12/31/2024", "03/03/2024")
    decided, decisions = decide(plan, counted(plan, raw))
    assert cleaned(decided, raw) == (
        [dt.date(2024, 12, 31), dt.date(2024, 12, 31), dt.date(2024, 3, 3)],
        ["ambiguous_date"],
    )
    assert decisions[0].what.startswith("date format: undecided")


def test_without_evidence_ambiguous_values_are_problems() -> None:
    plan = plan_of()
    raw = dates("01/02/2024", "02/02/2024")
    decided, _ = decide(plan, counted(plan, raw))
    assert cleaned(decided, raw) == ([dt.date(2024, 2, 2)], ["ambiguous_date"])
    assert cleaned(plan, raw) == ([dt.date(2024, 2, 2)], ["ambiguous_date"])


def test_formats_that_can_not_collide_need_no_survey() -> None:
    plan = plan_of(formats=("%Y-%m-%d", "%d/%m/%Y", "%d.%m.%Y"))
    assert not plan.needs_survey
    assert survey(dates("01/02/2024"), plan) == {}
    assert decide(plan, {}) == (plan, [])


def test_the_survey_sees_values_behind_the_columns_rules() -> None:
    plan = plan_of("trim", "fix_encoding")
    decided, _ = decide(plan, counted(plan, dates(" 31/12/2024 ")))
    assert cleaned(decided, dates("01/02/2024")) == ([dt.date(2024, 2, 1)], [])


def test_decisions_kept_by_the_ledger_make_the_same_plan_again() -> None:
    plan = plan_of()
    decided, _ = decide(plan, counted(plan, dates("31/12/2024")))
    again = compile_plan(plan.pipeline, decisions=decided.decisions, run_time=RUN_TIME)
    assert again == decided


def test_rules_are_surveyed_too() -> None:
    rules = (RuleUse(name="number", options={"decimal": "auto"}),)
    column = Column(name="n", type=ColumnType.parse("decimal(9,3)"), rules=rules)
    plan = compile_plan(Pipeline(name="p", columns=(column,)), run_time=RUN_TIME)
    raw = raw_part({"n": ["1,234", "72,3"]})
    decided, decisions = decide(plan, counted(plan, raw))
    assert [str(value) for value in clean(raw, decided, file_index=0).clean["n"].to_pylist()] == ["1.234", "72.300"]
    assert decisions[0].column == "n"
    assert "decimal comma" in decisions[0].reason
