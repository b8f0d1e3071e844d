"""Rows beside a line of one field: which of them may have lost a piece of a value."""

from __future__ import annotations

import random

import pytest

from loadlock.intake import _csv_stream
from loadlock.intake._csv_torn import edge_of
from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.csv import CsvFormat
from loadlock.testing.bytes_source import BytesSource


def read(data: str, *tolerate: str) -> tuple[list[str], list[tuple[int, str]]]:
    """First values of the rows, and number and code of the rejects."""
    options = SourceOptions(delimiter=",", header=1, tolerate=tolerate)
    result = CsvFormat().read(BytesSource(data.encode(), block_bytes=1 << 16), options)
    kept, rejects = [], []
    for part in result.parts:
        kept += part.rows["id"].to_pylist()
        rejects += [(row["_row"], row["problems"][0]["code"]) for row in part.rejects.to_pylist()]
    return kept, rejects


def table(*lines: str, last: str = "note") -> str:
    good = [f"{n},2024-01-{n - 100:02},{'some words' if last == 'note' else n * 3}" for n in range(101, 120)]
    return "\n".join([f"id,day,{last}", *good, *lines, *(line.replace("1", "2", 1) for line in good)]) + "\n"


def test_a_row_before_the_rest_of_a_free_text_is_kept_out() -> None:
    kept, rejects = read(table("120,2024-01-30,text that goes", "on here"))
    assert rejects == [(20, "torn_row"), (21, "field_count")]
    assert len(kept) == 38


def test_a_row_behind_the_beginning_of_a_number_is_kept_out() -> None:
    kept, rejects = read(table("12", "0,2024-01-30,words"))
    assert rejects == [(20, "field_count"), (21, "torn_row")]
    assert len(kept) == 38


def test_a_remark_among_numbers_costs_no_row() -> None:
    kept, rejects = read(table("-- page 2 --", last="amount"))
    assert (len(kept), rejects) == (38, [(20, "field_count")])


def test_a_line_at_the_end_of_the_file_casts_no_doubt() -> None:
    _, rejects = read("id,day,note\n" + "101,2024-01-01,words\n" * 9 + "the end\n")
    assert rejects == [(10, "field_count")]


def test_torn_rows_may_be_tolerated() -> None:
    kept, rejects = read(table("120,2024-01-30,text that goes", "on here"), "torn_rows")
    assert (len(kept), rejects) == (39, [(21, "field_count")])


def test_the_message_says_where_the_piece_stands() -> None:
    data = table("120,2024-01-30,text that goes", "on here").encode()
    result = CsvFormat().read(BytesSource(data), SourceOptions())
    messages = [row["problems"][0]["message"] for part in result.parts for row in part.rejects.to_pylist()]
    assert messages[0] == "the line behind the row has one field only and may be the end of the row"


def test_the_cut_into_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    lines = ["id,day,note"]
    for number in range(1000, 1400):
        lines.append(f"{number},2024-01-01,some words")
        lines += rng.choices(["a piece", "7", ""], k=rng.choice((0, 0, 0, 1, 2)))
    data = "\n".join(lines)
    wanted = read(data)
    assert {code for _, code in wanted[1]} == {"torn_row", "field_count"}
    for size in (17, 64, 301):
        monkeypatch.setattr(_csv_stream, "BLOCK_BYTES", size)
        assert read(data) == wanted


@pytest.mark.parametrize(
    ("cells", "kind", "odd"),
    [
        (["1001", "1002", "1003", "1004", "1005"], "digits", "01"),
        (["AB-1", "CD-2", "EF-3", "GH-4", "IJ-5"], "shapes", "AB"),
        (["1.5", "2.25", "-3", "4", "5"], "number", "x"),
        (["2024-01-05"] * 5, "shapes", "2024-0"),
    ],
)
def test_what_a_column_looks_like(cells: list[str], kind: str, odd: str) -> None:
    edge = edge_of(cells)
    assert edge.kind == kind
    assert edge.unlike(odd)
    assert not any(edge.unlike(cell) for cell in cells)


def test_texts_are_unlike_nothing_and_few_values_say_nothing() -> None:
    assert not edge_of(["red", "green", "blue", "a b", "c"]).unlike("x")
    assert edge_of(["1", "2"]).kind == ""
