"""Whatever stands in a pipeline file: a pipeline, or mistakes with their places, never another error."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from loadlock.errors import Mistake, PipelineError
from loadlock.pipeline import written
from loadlock.pipeline._guess_yaml import flow
from loadlock.pipeline.model import Pipeline
from loadlock.pipeline.read import pipeline_from, pipeline_from_text
from loadlock.pipeline.yaml_positions import parse

KEYS = sorted(
    {*written.PIPELINE, *written.SOURCE, *written.COLUMN, *written.DESTINATION, *written.RULE, *written.VERDICT, *written.KEEP,
     *written.BUDGET, *written.FLATTEN, "sql", "python", "batch", "unique", "trim", "map", "in", "number", "range", "dev"}
)  # fmt: skip
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
    | st.sampled_from(["trim", "date", "csv", "%Y", "a > 1", "x.py:f", "out.csv", "${X", "upsert", "duckdb:///x.duckdb", "auto"])
)  # fmt: skip
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)
documents = st.dictionaries(st.sampled_from(sorted(written.PIPELINE)), trees, max_size=5)


def outcome(read: Callable[[], Pipeline]) -> list[Mistake] | None:
    """The mistakes, or None where there is a pipeline; any other error passes through and fails the test."""
    try:
        read()
    except PipelineError as error:
        return error.mistakes
    return None


@settings(max_examples=100, deadline=None)
@given(documents)
def test_any_mapping_is_a_pipeline_or_has_mistakes(document: dict[str, Any]) -> None:
    found = outcome(partial(pipeline_from, document, base_folder=Path("nowhere"), environment={}))
    assert found is None or found


@settings(max_examples=100, deadline=None)
@given(documents)
def test_mistakes_in_a_text_have_places(document: dict[str, Any]) -> None:
    found = outcome(partial(pipeline_from_text, flow(document), base_folder=Path("nowhere"), environment={}))
    assert all(mistake.line and mistake.column and mistake.remedy for mistake in found or ())


@settings(max_examples=300, deadline=None)
@given(st.text() | st.text(alphabet="ab:-[]{}&*!|>'\"#%@`, \n\t0", max_size=40))
@example("? a\n: b")
@example("a: &x\nb: *x")
@example("<<: 5")
def test_any_text_is_parsed_or_has_one_mistake_or_more(text: str) -> None:
    document = parse(text)
    assert document.value is None or not isinstance(document.value, bytes)
    assert all(mistake.line and mistake.remedy for mistake in document.mistakes)


@given(trees)
def test_what_is_written_as_flow_is_read_back(tree: Any) -> None:
    document = parse(f"a: {flow(tree)}\n")
    assert document.mistakes == ()
    assert document.value == {"a": tree}
