"""Two versions of the rules over the same rows, compared without a run: fates, values, examples, parts that add up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pytest

from loadlock.cleanup.difference import Difference, Fate, difference
from loadlock.model import Problem, Stage
from loadlock.rows import FILE, ROW, SUB, Place, reject, reject_table


def fate(clean: Mapping[int, Any], rejected: Mapping[int, str], kind: pa.DataType | None = None) -> Fate:
    """`clean`: row → value of its one column; `rejected`: row → code."""
    table = pa.table(
        {
            "v": pa.array(list(clean.values()), kind or pa.string()),
            FILE: pa.array([0] * len(clean), pa.int32()),
            ROW: pa.array(list(clean), pa.int64()),
            SUB: pa.array([0] * len(clean), pa.int32()),
        }
    )
    rejects = [
        reject(
            Place(file=0, source_file="f", row=row), problems=[Problem(code=code, message=code)], stage=Stage.CLEANUP
        )
        for row, code in rejected.items()
    ]
    return Fate(clean=table, rejects=reject_table(rejects))


def test_every_row_has_one_fate_before_and_one_after() -> None:
    found = difference(fate({1: "a", 2: "b"}, {3: "x", 4: "x"}), fate({1: "a", 3: "c"}, {2: "y", 5: "y"}))
    assert dict(found.moves) == {
        ("clean", "clean"): 1,
        ("clean", "rejected"): 1,
        ("rejected", "clean"): 1,
        ("rejected", "left_out"): 1,
        ("left_out", "rejected"): 1,
    }
    assert (found.leave, found.enter) == (2, 2)
    assert (found.left, found.entered) == ({("x", None): 2}, {("y", None): 2})


@pytest.mark.parametrize(
    ("kind", "before", "after", "cells"),
    [
        (None, "a", "a", 0),
        (None, None, None, 0),
        (None, None, "", 1),
        (None, "a", None, 1),
        (pa.float64(), float("nan"), float("nan"), 0),
        (pa.float64(), 0.0, -0.0, 1),
        (pa.bool_(), True, False, 1),
    ],
)
def test_null_equals_null_and_nothing_else(kind: Any, before: Any, after: Any, cells: int) -> None:
    found = difference(fate({1: before}, {}, kind), fate({1: after}, {}, kind))
    assert (found.cells, found.changed_rows) == (cells, cells)


def test_parts_add_up_to_the_whole_wherever_they_are_cut() -> None:
    before = {row: str(row % 3) for row in range(1, 40)}, {row: "ab"[row % 2] for row in range(40, 60)}
    after = {row: str(row % 4) for row in range(1, 60, 2)}, dict.fromkeys(range(2, 60, 2), "c")
    whole = difference(fate(*before), fate(*after))
    for cut in (1, 13, 39, 40, 47, 60):
        total = Difference()
        for low, high in ((0, cut), (cut, 100)):
            sides = (
                fate(*({row: v for row, v in side.items() if low <= row < high} for side in pair))
                for pair in (before, after)
            )
            total = total + difference(*sides)
        assert (total.moves, total.cells, total.left, total.entered) == (
            whole.moves,
            whole.cells,
            whole.left,
            whole.entered,
        )
        assert total.columns["v"].examples == whole.columns["v"].examples


def test_examples_show_different_problems_first() -> None:
    rejected = {1: "a", 2: "a", 3: "a", 4: "b", 5: "c"}
    found = difference(fate({}, rejected), fate(dict.fromkeys(rejected, "v"), {}), limit=3)
    assert [example["problems"][0]["code"] for example in found.left_examples] == ["a", "b", "c"]
    assert [example["row"] for example in found.left_examples] == [1, 4, 5]


def test_nothing_to_compare_is_no_difference() -> None:
    assert difference(fate({}, {}), fate({}, {})) == Difference()
