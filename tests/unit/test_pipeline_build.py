"""Pipelines built in Python take the same names, and functions that travel as text."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadlock.api import rule
from loadlock.errors import PipelineError
from loadlock.pipeline.build import make_pipeline
from loadlock.pipeline.model import Pipeline, RuleUse
from loadlock.pipeline.read import pipeline_from_text

_SPACES = re.compile(" +")
_CACHE = object()
_SUFFIX = {"shout": "!"}


def _end(name: str) -> str:
    return _SUFFIX.get(name, "")


def shout(value: str | None) -> str | None:
    return None if value is None else value.upper() + _end("shout")


def squeeze(value: str | None) -> str | None:
    return None if value is None else _SPACES.sub(" ", value)


def remember(value: str) -> str:
    return f"{value}{_CACHE}"


def count_down(value: str) -> str:
    return value if len(value) < 2 else count_down(value[1:])


@rule(kind="column")
def as_they_are(values: Any) -> Any:
    return re.compile("x") and values


def python_options(function: Callable[..., Any], **others: Any) -> dict[str, Any]:
    pipeline = make_pipeline(name="p", columns={"a": {"rules": [{"python": function}]}}, **others)
    assert pipeline.columns is not None
    return pipeline.columns[0].rules[0].options


def run_alone(options: dict[str, Any]) -> Any:
    """The function from nothing but its text, as another process makes it."""
    namespace: dict[str, Any] = {}
    exec(options["source"], namespace)
    return namespace[options["python"].rpartition(":")[2]]


def test_a_built_pipeline_equals_the_written_one(tmp_path: Path) -> None:
    built = make_pipeline(
        name="orders",
        files=["a.csv", "b.csv"],
        columns={"id": "integer", "name": {"from": "Name", "rules": ["trim", {"default": "x"}]}},
        rules=[{"sql": "upper(name)", "column": "name"}],
        checks=[{"sql": "id > 0", "severity": "warn"}],
        destination={"url": "out.csv", "mode": "upsert", "key": "id"},
        source={"delimiter": ";"},
        rejects={"budget": {"rows": 3}},
        base_folder=tmp_path,
    )
    written = pipeline_from_text(
        """
pipeline: orders
source: {files: [a.csv, b.csv], delimiter: ;}
columns: {id: integer, name: {from: Name, rules: [trim, {default: x}]}}
rules: [{sql: upper(name), column: name}]
checks: [{sql: id > 0, severity: warn}]
destination: {url: out.csv, mode: upsert, key: id}
rejects: {budget: {rows: 3}}
""",
        base_folder=tmp_path,
        environment={},
    )
    assert built.compiled_digest() == written.compiled_digest()
    assert built.destinations == written.destinations


def test_paths_are_taken_as_they_are() -> None:
    assert make_pipeline(name="p", files=Path("a") / "b.csv").source.files == ("a/b.csv",)  # type: ignore[arg-type]
    assert make_pipeline(name="p", files="a.csv").source.files == ("a.csv",)
    assert make_pipeline(name="p") == Pipeline(name="p")


def test_a_function_stands_where_a_rule_stands() -> None:
    pipeline = make_pipeline(name="p", rules=[{"python": shout, "column": "a"}, squeeze])
    (first_column, first), (second_column, second) = pipeline.rules
    assert (first_column, second_column) == ("a", "")
    assert isinstance(first, RuleUse)
    assert first.options["python"] == f"{__name__}:shout"
    assert second.options["python"] == f"{__name__}:squeeze"


def test_a_function_travels_with_what_it_uses() -> None:
    assert run_alone(python_options(shout))("hey") == "HEY!"
    assert run_alone(python_options(count_down))("abc") == "c"
    assert run_alone(python_options(squeeze))("a   b") == "a b"


def test_a_decorated_function_keeps_its_mark() -> None:
    assert run_alone(python_options(as_they_are)).__loadlock__ == {"kind": "column", "is": "rule"}


def test_the_digest_of_a_function_follows_its_text() -> None:
    assert python_options(shout) == python_options(shout)
    assert python_options(shout)["sha256"] != python_options(count_down)["sha256"]


def _with_variable() -> Callable[..., Any]:
    word = "x"

    def inner(value: str) -> str:
        return value + word

    return inner


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda value: value, "only a named function"),
        (len, "only a named function"),
        (_with_variable(), r"uses variables around it \(word\)"),
        (remember, "uses '_CACHE', which can't travel with it"),
    ],
    ids=["lambda", "built-in", "closure", "object"],
)
def test_a_function_that_cannot_travel_is_a_mistake(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(PipelineError, match=message) as caught:
        python_options(function)
    assert caught.value.mistakes[0].path == "columns.a.rules[0].python"
    assert caught.value.mistakes[0].remedy == "Write the function in a file and name it as file.py:function."


def test_mistakes_of_a_built_pipeline_have_paths() -> None:
    with pytest.raises(PipelineError) as caught:
        make_pipeline(name="p", columns={"a": "integr"}, destination="out.cvs", destinatons=[])
    assert [mistake.path for mistake in caught.value.mistakes] == ["destinatons", "columns.a", "destination.url"]
