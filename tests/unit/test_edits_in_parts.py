"""Edited exports and rejects are compared part by part: where the cuts lie makes no difference."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import loadlock
from loadlock.errors import UsageError
from loadlock.workflow import edited_file, known_rejects
from loadlock.workflow.correct import Correction, correct
from loadlock.workflow.edited_file import _filled
from loadlock.workflow.lists import export_rejects, opened, reject_filter

PIPELINE = """\
pipeline: p
source: in.csv
columns: {id: integer, town: {checks: [{in: [Oslo]}]}}
rejects: {budget: {percent: 100}}
destination: out.csv
"""
Lines = list[list[str]]


@pytest.fixture
def exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """A batch with 11 rejects, exported; each part of the file and each piece of rejects has few of them."""
    monkeypatch.setattr(edited_file, "PART_ROWS", 3)
    monkeypatch.setattr(known_rejects, "_PIECE_ROWS", 2)
    rows = "".join(f"{n},Rome {n % 3}\n" for n in range(1, 11))
    (tmp_path / "in.csv").write_text(f"id,town\n{rows}11,a,b\n12,Oslo\n", encoding="utf-8")
    (tmp_path / "p.yaml").write_text(PIPELINE, encoding="utf-8")
    batch = str(loadlock.Pipeline.load(tmp_path / "p.yaml").run().document["batch"])
    with opened(tmp_path / ".loadlock") as space:
        assert export_rejects(space, batch, reject_filter(), str(tmp_path / "fix.csv")) == 11
    return batch, tmp_path / "fix.csv"


def edited(batch: str, path: Path, edit: Any) -> Correction:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines: Lines = list(csv.reader(file))
    lines = edit(lines)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)
    return correct(batch, path, workspace=path.parent / ".loadlock")


def test_changes_of_all_parts_are_recorded_whatever_the_order_of_the_rows(exported: tuple[str, Path]) -> None:
    def edit(lines: Lines) -> Lines:
        town, raw, number = (lines[0].index(name) for name in ("town", "_raw", "_row"))
        for line in lines[1:]:
            if line[number] in ("1", "4", "10"):
                line[town] = "Oslo"
            if line[number] == "11":
                line[raw] = "11,Oslo"
        return [lines[0], *reversed(lines[1:])]

    done = edited(*exported, edit)
    assert done.act is not None
    assert (done.rows, done.act.rejects, done.act.cells, done.malformed) == (11, 4, 4, [])


def test_a_key_that_stands_in_two_parts_is_refused_with_its_first_line(exported: tuple[str, Path]) -> None:
    with pytest.raises(UsageError, match=r"line 13: its key stands in line 2 too"):
        edited(*exported, lambda lines: [*lines, lines[1]])


def test_a_key_of_no_reject_is_refused(exported: tuple[str, Path]) -> None:
    def edit(lines: Lines) -> Lines:
        return [*lines[:5], ["k0.3.0.0000000000", *lines[5][1:]], *lines[6:]]

    with pytest.raises(UsageError, match="its key is empty, was changed, or belongs to another export"):
        edited(*exported, edit)


def test_nothing_of_the_comparison_is_left_in_the_workspace(exported: tuple[str, Path]) -> None:
    batch, path = exported
    edited(batch, path, lambda lines: lines)
    assert not list((path.parent / ".loadlock").rglob("known-*"))


def test_an_empty_line_is_left_out_whether_its_cells_are_empty_or_null() -> None:
    table = pa.table({"key": ["k1", None, "", "k2"], "id": ["x", None, "", None]})
    assert _filled(table, ["key", "id"])["key"].to_pylist() == ["k1", "k2"]
