"""What a rerun does not do again: ask whole columns what they have answered, and look for rows that went nowhere."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import loadlock
from loadlock.cleanup.compile import compile_plan
from loadlock.workflow import cleaning, decided, taking_back
from loadlock.workflow.start import Options, rerun

ROWS = "id,day,city\n" + "".join(
    f"{n},{n % 12 + 1}/{n % 28 + 1}/2024,{'Rome' if n % 3 else 'Oslo'}\n" for n in range(60)
)
PIPELINE = """pipeline: p
source: in.csv
columns:
  id: {type: integer, required: true}
  day: {type: date, formats: ["%m/%d/%Y", "%d/%m/%Y"]}
  city: {checks: [{in: [Rome, Oslo]}]}
rejects: {budget: {percent: 100}}
destination: {url: "duckdb:///out.db", table: t, mode: upsert, key: [id]}
"""


@pytest.fixture
def done(tmp_path: Path) -> dict[str, Any]:
    """The document of a run, with its pipeline file as `path`."""
    (tmp_path / "in.csv").write_text(ROWS, encoding="utf-8")
    path = tmp_path / "p.yaml"
    path.write_text(PIPELINE.replace("out.db", f"{tmp_path}/out.db"), encoding="utf-8")
    return {**loadlock.Pipeline.load(path).run().document, "path": path}


def again(done: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """The document of a rerun with this change in the pipeline."""
    path: Path = done["path"]
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    return rerun(
        done["batch"], Options(workspace=path.parent / ".loadlock"), pipeline=loadlock.Pipeline.load(path).spec
    ).document


def counted(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[tuple[Any, ...]]:
    """The arguments of each call of a function, which is called as before."""
    calls: list[tuple[Any, ...]] = []
    function = getattr(module, name)

    def call(*arguments: Any) -> Any:
        calls.append(arguments)
        return function(*arguments)

    monkeypatch.setattr(module, name, call)
    return calls


def refuse(*arguments: object, **named: object) -> None:
    raise AssertionError("was asked again")


def test_a_column_is_not_asked_again_when_another_one_has_new_rules(
    done: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "decide_all", refuse)
    found = again(done, "city: {", "city: {rules: [trim], ")
    assert found["decisions"] == done["decisions"] != []
    assert found["digest"] == done["digest"]


@pytest.mark.parametrize(
    ("old", "new"),
    [('["%m/%d/%Y", "%d/%m/%Y"]', '["%d/%m/%Y", "%m/%d/%Y"]'), ("type: date", "type: date, rules: [trim]")],
    ids=["formats", "rules before"],
)
def test_a_column_with_new_formats_or_rules_is_asked_again(
    done: dict[str, Any], monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    calls = counted(monkeypatch, cleaning, "decide_all")
    assert again(done, old, new)["digest"] == done["digest"]
    assert len(calls) == 1


def test_rows_at_rest_of_another_reading_are_another_question(done: dict[str, Any]) -> None:
    pipeline = loadlock.Pipeline.load(done["path"]).spec
    plan = compile_plan(pipeline, None, run_time=datetime(2026, 1, 1, tzinfo=UTC))
    assert decided.asked(plan, 1) == decided.asked(plan, 1) != decided.asked(plan, 2)


@pytest.mark.parametrize(
    ("old", "new", "looked"),
    [
        ("city: {", "city: {rules: [upper, lower, {map: {values: {rome: Rome, oslo: Oslo}}}], ", False),
        ("[Rome, Oslo]", "[Rome]", True),
    ],
    ids=["all come again", "some are rejected"],
)
def test_rows_to_take_back_are_looked_for_only_where_some_do_not_come_again(
    done: dict[str, Any], monkeypatch: pytest.MonkeyPatch, old: str, new: str, looked: bool
) -> None:
    calls = counted(monkeypatch, taking_back, "_to_deliver")
    found = again(done, old, new)
    assert bool(calls) is looked
    assert found["balance"]["deleted"] == (20 if looked else 0)
