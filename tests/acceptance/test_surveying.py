"""What the whole batch decides is counted while files are still taken in: the decisions are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loadlock.cleanup.plan import Plan
from loadlock.ledger.base import PartRecord
from loadlock.pipeline.read import load_pipeline
from loadlock.staging.base import Staging
from loadlock.workflow import cleaning
from loadlock.workflow.result import RunResult
from loadlock.workflow.start import Options, run_pipeline
from loadlock.workflow.surveying import Surveying

PARTS = 5
TEXT = """\
pipeline: p
source: "*.csv"
columns:
  id: {type: integer}
  day: {type: date, formats: ["%d/%m/%Y", "%m/%d/%Y"]}
destination: {url: "duckdb:///{name}.duckdb", table: t, mode: replace}
"""


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The parts that were counted after the intake."""
    seqs: list[int] = []
    survey_part = cleaning._survey_part

    def count(staging: Staging, plan: Plan, record: PartRecord) -> dict[str, int]:
        seqs.append(record.ref.key.seq)
        return survey_part(staging, plan, record)

    monkeypatch.setattr(cleaning, "_survey_part", count)
    return seqs


def go(folder: Path, name: str) -> RunResult:
    for part in range(PARTS):
        # only the last file tells the order
        days = ["01/02/2024", "03/04/2024"] + (["25/12/2024"] if part == PARTS - 1 else [])
        lines = ["id,day", *(f"{part}{number},{day}" for number, day in enumerate(days))]
        (folder / f"{part}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "p.yaml").write_text(TEXT.replace("{name}", name), encoding="utf-8")
    return run_pipeline(load_pipeline(folder / "p.yaml"), Options(workspace=folder / name, force=True, report=False))


def patiently(look: Callable[..., None]) -> Callable[..., None]:
    """`look`, when the plan is made and nothing else is looked at: no part is left out."""

    def waiting(self: Surveying, seq: int, rows: pa.Table, file_index: int) -> None:
        assert self._plan is not None
        self._plan.result()
        if self._last is not None:
            self._last.result()
        look(self, seq, rows, file_index)

    return waiting


def test_parts_are_counted_during_the_intake_and_decide_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: list[int]
) -> None:
    look = Surveying.look
    outcomes: dict[str, Any] = {}
    for name, way in (("early", patiently(look)), ("late", lambda *_: None), ("as_it_comes", look)):
        later.clear()
        monkeypatch.setattr(Surveying, "look", way)
        document = go(tmp_path, name).document
        outcomes[name] = document["digest"], document["decisions"], document["balance"]
        if name != "as_it_comes":
            assert len(later) == (0 if name == "early" else PARTS)
    assert outcomes["early"] == outcomes["late"] == outcomes["as_it_comes"]
    [decision] = outcomes["early"][1]
    assert decision["column"] == "day"
    assert "1 values fit only %d/%m/%Y" in decision["reason"]
