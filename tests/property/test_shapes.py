"""What is worked out by shape, or remembered from an earlier part, is what every text gives alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from itertools import product
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.cleanup import known
from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.distinct import DistinctStep
from loadlock.cleanup.prepared import query
from loadlock.cleanup.shapes import ShapeStep, shapes_of, with_digits
from loadlock.pipeline.model import Column, Pipeline, RuleUse
from loadlock.types import ColumnType

OPTIONS: list[dict[str, Any]] = [
    {},
    {"decimal": "."},
    {"decimal": ","},
    {"percent": "strip"},
    {"currencies": ("pcs",)},
]
AMOUNTS = st.text(alphabet="0123456789.,-+()'_ $€%EURpcskr\xa0x٣", max_size=14)
MONEY = st.from_regex(r"\A[-+(]?[$€]? ?[0-9]{1,4}([.,' ][0-9]{3}){0,2}([.,][0-9]{1,4})?( ?(EUR|USD|pcs|%))?\)?\Z")


@cache
def steps(written: str, decision: Any) -> list[ShapeStep]:
    rule = RuleUse(name="number", options=json.loads(written))
    column = Column(name="n", type=ColumnType.parse("decimal(18,4)"), rules=(rule,))
    pipeline = Pipeline(name="p", columns=(column,))
    decided = {"columns.n.rules[0]:n": decision}
    plan = compile_plan(pipeline, ["n"], decisions=decided, run_time=datetime(2026, 1, 1, tzinfo=UTC))
    undecided = compile_plan(pipeline, ["n"], run_time=datetime(2026, 1, 1, tzinfo=UTC))
    return [step for step in (*plan.steps, *undecided.survey_steps) if isinstance(step, ShapeStep)]


@pytest.mark.parametrize(("options", "decision"), list(product(OPTIONS, [".", ",", None])))
@settings(max_examples=25, deadline=None)
@given(texts=st.lists(st.one_of(AMOUNTS, MONEY, st.none()), min_size=4, max_size=40))
def test_by_shape_is_by_text(options: dict[str, Any], decision: Any, texts: list[str | None]) -> None:
    column = pa.array(texts * 4, pa.string())  # as often as shapes must pay
    for step in steps(json.dumps(options), decision):
        by_text = query(step.sql, pa.table({step.root: column}))
        by_shape = step.run(pa.table({step.root: column}))
        assert by_shape.select(by_text.column_names).to_pylist() == by_text.to_pylist()


def test_the_number_rule_works_by_shape_and_by_text_where_it_divides() -> None:
    assert next(step.texts for step in steps("{}", ".")) == ("c0_0",)
    assert steps('{"percent": "divide"}', ".") == []


@given(st.lists(st.one_of(st.none(), st.text(alphabet="09a.ä\0", max_size=6)), max_size=20), st.integers(0, 5))
def test_shapes_of_texts(texts: list[str | None], start: int) -> None:
    def shape(text: str) -> str:
        made = "".join("9" if char in "0123456789" else char for char in text)
        first = next((n for n, char in enumerate(text) if char in "0123456789"), None)
        return made if first is None or text[first] != "0" else made[:first] + "0" + made[first + 1 :]

    column = pa.array(texts, pa.string()).slice(start)
    assert shapes_of(column).to_pylist() == [None if text is None else shape(text) for text in texts[start:]]


def test_digits_that_a_template_lost_are_noticed() -> None:
    texts = pa.array(["123", "0456"])
    assert with_digits(pa.array(["99", "0999"]), texts, shapes_of(texts)) is None
    assert with_digits(pa.array(["9.99", "0,999"]), texts, shapes_of(texts)) == pa.array(["1.23", "0,456"])


@given(parts=st.lists(st.lists(st.one_of(st.none(), st.sampled_from("abcdef")), min_size=1, max_size=30), max_size=6))
def test_remembered_results_are_those_of_each_text(parts: list[list[str | None]]) -> None:
    sql = "select v0 || 'x' as u, v0 is null as empty from part"
    for texts in parts:
        coded = pa.array(texts, pa.string()).dictionary_encode()
        results, places = known.results_of(sql, "v0", coded.dictionary)
        found = results.take(places).to_pylist()
        assert found == [{"u": f"{text}x", "empty": False} for text in coded.dictionary.to_pylist()]
        assert results.slice(0, 1).to_pylist() == [{"u": None, "empty": True}]


def test_memory_for_results_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST", 100)
    sql = "select strlen(s0) as bounded from part"
    step = DistinctStep(root="s0", sql=sql)
    for start in range(0, 2_000, 40):
        column = pa.array([f"text {start + n % 40}" for n in range(2_000)])
        made = step.run(pa.table({"s0": column}))["bounded"].to_pylist()
        assert made == [len(text) for text in column.to_pylist()]
    held = known._remembered((sql, "s0", "string"))
    assert held is not None
    assert len(held.texts) <= 100
