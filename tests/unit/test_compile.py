"""Compiling finds all mistakes at once, each with its place and remedy, and lets SQL see nothing but the row."""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Sequence
from typing import Any

import pytest

from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.plan import Plan
from loadlock.errors import Mistake, PipelineError
from loadlock.model import WriteMode
from loadlock.pipeline.model import CheckUse, Column, DestinationSpec, Pipeline, RuleUse
from loadlock.types import ColumnType

RUN_TIME = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
COLUMNS = (
    Column(name="a"),
    Column(name="n", type=ColumnType.parse("integer")),
    Column(name="address.city", source=("City",)),
)


def compiled(*columns: Column, names: Sequence[str] | None = None, **options: Any) -> Plan:
    return compile_plan(Pipeline(name="p", columns=columns or COLUMNS, **options), names, run_time=RUN_TIME)


def mistakes(*columns: Column, **options: Any) -> list[Mistake]:
    with pytest.raises(PipelineError) as caught:
        compiled(*columns, **options)
    return caught.value.mistakes


def sql_rule(text: str, column: str = "a") -> tuple[str, RuleUse]:
    return column, RuleUse(name="sql", options={"sql": text})


def batch(text: str) -> CheckUse:
    return CheckUse(name="batch", options={"batch": text})


def test_all_mistakes_come_at_once_with_path_and_remedy() -> None:
    found = mistakes(
        Column(name="a", rules=(RuleUse(name="trimm"), RuleUse(name="map", options={"fiel": "x"}))),
        Column(name="d", type=ColumnType.parse("date"), formats=("%Q",)),
        Column(name="e", checks=(CheckUse(name="emial"),)),
        rules=(sql_rule("aa || 'x'"),),
        checks=(CheckUse(name="sql", options={"sql": "a >"}),),
        destinations=(DestinationSpec(url="x", mode=WriteMode.UPSERT, key=("id",)),),
    )
    assert [mistake.path for mistake in found] == [
        "columns.a.rules[0]", "columns.a.rules[1]", "columns.d.formats[0]", "rules[0]", "destinations[0].key",
        "columns.e.checks[0]", "checks[0]",
    ]  # fmt: skip
    assert "did you mean 'trim'" in found[0].message
    assert "fiel" in found[1].message
    assert all(mistake.remedy for mistake in found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("now()", "run_time()"),
        ("current_timestamp", "run_time()"),
        ("current_date", "run_time()"),
        ("age(a::timestamp)", "run_time()"),
        ("random()", "repeatable"),
        ("gen_random_uuid()", "repeatable"),
        ("getenv('HOME')", "can't be used"),
        ("getvariable('x')", "can't be used"),
        ("current_setting('threads')", "can't be used"),
        ("nextval('s')", "can't be used"),
        ("error('x')", "can't be used"),
        ("sum(n)", "can't be used"),
        ("row_number() over ()", "window function"),
        ("(select 1)", "subquery"),
        ("exists(select 1 from read_csv('/etc/passwd'))", "subquery"),
        ("(from read_text('/etc/passwd'))", "subquery"),
        ("1) from read_csv('/etc/passwd') where (1 = 1", "not a single expression"),
        ("1; set threads = 4", "does not parse"),
        ("*", "`*`"),
        ("columns('a')", "`*`"),
        ("$1", "parameter"),
        ("", "empty"),
        ("a +", "does not parse"),
        ("lowr(a)", "lower"),
        ("_row", "unknown column"),
        ("b", "unknown column 'b'"),
        ("n + date '2024-01-01' + 'x'::blob", "Binder Error"),
        ("[a]", "not one value"),
        ("{'x': a}", "not one value"),
    ],
)
def test_sql_over_the_row_can_do_nothing_else(text: str, words: str) -> None:
    (mistake,) = mistakes(rules=(sql_rule(text),))
    assert mistake.path == "rules[0]"
    assert words in f"{mistake.message}. {mistake.remedy}"


@pytest.mark.parametrize(
    "text",
    [
        "list_transform([n, 1], lambda x: x + n)[1]::varchar",
        "address.city",
        '"address.city" || City',
        "A || N",
        "a -> '$.x'",
        "case when a like '%x' then 'now()' else \"a\" end -- now()",
        "strftime(run_time(), '%Y')",
        "age(timestamp '2024-01-01', timestamp '2023-01-01')::varchar",
    ],
)
def test_ordinary_expressions_compile(text: str) -> None:
    assert compiled(rules=(sql_rule(text),)).columns[0][0] == "a"


def test_sql_may_name_the_files_columns_where_they_are_known() -> None:
    rules = (sql_rule('"Other Col" || a'),)
    assert mistakes(rules=rules)[0].message == "unknown column 'Other Col'"
    assert "Other Col" in compiled(names=["Other Col", "a"], rules=rules).sources


@pytest.mark.parametrize(
    "text",
    [
        "select count(*) > 1 from other",
        "select count(*) > 1 from read_csv('/etc/passwd')",
        "select count(*) > 1 from '/etc/passwd'",
        "select count(*) > 1 from duckdb_settings()",
        "select random() > 1 from rows",
        "select now() > '2024-01-01'",
        "select count(*), 1 from rows",
        "select nope from rows",
        "select 1; select 2",
        "delete from rows",
        "attach 'x'",
        "select getenv('HOME') is null",
        "select count(*) > 0 from information_schema.tables",
        "with t as (select * from secret) select count(*) > 0 from t",
    ],
)
def test_batch_checks_read_nothing_but_rows(text: str) -> None:
    (mistake,) = mistakes(checks=(batch(text),))
    assert mistake.path == "checks[0]"


def test_batch_checks_may_be_rich_queries_over_rows() -> None:
    text = (
        "with t as (select n, count(*) as c from rows group by n) select coalesce(max(c), 0) < 3 and"
        " (select count(*) from rows where _row > 0) >= 0 and run_time() > timestamptz '2020-01-01' from t"
    )
    assert len(compiled(checks=(batch(text),)).batch_checks) == 1


def test_names_that_clash_are_mistakes() -> None:
    found = mistakes(Column(name="a"), Column(name="A"), Column(name="_file"))
    assert [mistake.path for mistake in found] == ["columns.A", "columns._file"]


def test_formats_must_suit_the_type() -> None:
    found = mistakes(
        Column(name="a", formats=("%Y",)),
        Column(name="b", type=ColumnType.parse("timestamptz"), formats=("%Y-%m-%d",)),
        Column(name="c", type=ColumnType.parse("timestamp"), formats=("%Y-%m-%d %z",)),
    )
    assert [mistake.path for mistake in found] == ["columns.a.formats", "columns.b.formats[0]", "columns.c.formats[0]"]


def test_python_rules_that_can_not_be_loaded_are_mistakes() -> None:
    def use(source: str, function: str = "f") -> RuleUse:
        return RuleUse(name="python", options={"python": f"r.py:{function}", "source": source})

    found = mistakes(
        Column(name="a", rules=(use("def f(:"),)), Column(name="b", rules=(use("def g(x): return x"),)),
        Column(name="c", rules=(use("import no_such_module_at_all\ndef f(x): return x"),)),
        Column(name="d", rules=(use("def f(t): return t\nf.__loadlock__ = {'kind': 'table'}"),)),
        rules=(("", use("def f(x): return x\nf.__loadlock__ = {'kind': 'value'}")),),
    )  # fmt: skip
    assert [mistake.path.split(".rules")[0] for mistake in found] == [
        "columns.a",
        "columns.b",
        "columns.c",
        "columns.d",
        "rules[0]",
    ]
    assert "line 1" in found[0].message
    assert "no_such_module_at_all" in found[2].message


def test_a_plan_is_picklable_and_tells_what_it_needs() -> None:
    plan = compiled(
        Column(name="a", unique=True), Column(name="b", required=True),
        destinations=(DestinationSpec(url="x", mode=WriteMode.UPSERT, key=("a",)), DestinationSpec(url="y")),
    )  # fmt: skip
    again = pickle.loads(pickle.dumps(plan))
    assert again == plan
    assert plan.needs_batch
    assert not plan.needs_survey
    assert plan.keys == (("a",),)
    assert plan.required == frozenset({"a", "b"})
    assert not compiled().needs_batch


def test_a_python_rule_without_column_and_decorator_is_taken_for_the_table() -> None:
    rule = RuleUse(name="python", options={"python": "r.py:f", "source": "def f(table): return table"})
    plan = compiled(Column(name="a"), rules=(("", rule),))
    assert [type(step).__name__ for step in plan.steps if hasattr(step, "function")] == ["TableStep"]
