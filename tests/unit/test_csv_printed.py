"""Tables printed for people: what is drawn around values is no value, and what stands around the table no row."""

from __future__ import annotations

from typing import Any

import pytest

from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.csv import CsvFormat
from loadlock.model import FileReport
from loadlock.testing.bytes_source import BytesSource
from loadlock.workflow.raw_text import read_texts

ROWS = range(1, 13)


def read(text: str, encoding: str = "utf-8") -> tuple[list[list[Any]], list[dict[str, Any]], FileReport]:
    """Values, rejects and report; every byte accounted for, every row cut out of the source."""
    raw = text.encode(encoding)
    result = CsvFormat().read(BytesSource(raw, block_bytes=1 << 20), SourceOptions())
    values, rejects = [], []
    for part in result.parts:
        rejects += part.rejects.to_pylist()
        for row in part.rows.to_pylist():
            cut = raw[row["_offset"] : row["_offset"] + row["_length"]].decode(encoding)
            found = [value for name, value in row.items() if name[0] != "_"]
            assert all(value in cut for value in found)
            values.append(found)
    report = result.report()
    assert report.bytes.total == len(raw)
    assert report.received == len(values) + len(rejects)
    return values, rejects, report


def body(line: str) -> str:
    return "".join(line.format(n=n) for n in ROWS)


MYSQL = "+----+--------+-----+\n| id | name   | qty |\n+----+--------+-----+\n"
PSQL = " id |  name  | qty \n----+--------+-----\n"
SAP = "--------------------\n|id  |name    | qty|\n--------------------\n"
PRINTED = {
    "mysql": MYSQL + body("| {n:2d} | N{n:<5d} | {n:3d} |\n") + "+----+--------+-----+\n12 rows in set (0.00 sec)\n\n",
    "prompt": "mysql> select 1;\n" + MYSQL + body("| {n:2d} | N{n:<5d} | {n:3d} |\n") + "+----+--------+-----+\n",
    "psql": PSQL + body(" {n:2d} | N{n:<5d} | {n:3d}\n") + "(12 rows)\n\n",
    "sqlplus": "ID|NAME  |QTY\n--|------|---\n".lower() + body("{n:2d}|N{n:<5d}|{n:3d}\n") + "\n12 rows selected.\n",
    "markdown": "| id | name | qty |\n|---:|:-----|:---:|\n" + body("| {n} | N{n} | {n} |\n"),
    "bare": "id | name | qty\n---|:-----|---:\n" + body("{n} | N{n} | {n}\n"),
    "org": "| id | name | qty |\n|----+------+-----|\n" + body("| {n} | N{n} | {n} |\n"),
    "grid": "+---+-----+---+\n|id |name |qty|\n+===+=====+===+\n" + body("|{n:3d}|N{n:<4d}|{n:3d}|\n+---+-----+---+\n"),
    "box": "┌──┬────┬───┐\n│id│name│qty│\n├──┼────┼───┤\n" + body("│{n:2d}│N{n:<3d}│{n:3d}│\n") + "└──┴────┴───┘\n",
    "sap": "01.02.2024 List 1\n\n" + SAP + body("|{n:4d}|N{n:<7d}|{n:4d}|\n") + "--------------------\n",
}


@pytest.mark.parametrize("kind", PRINTED)
def test_a_printed_table_gives_its_values_without_what_is_drawn_around_them(kind: str) -> None:
    values, rejects, report = read(PRINTED[kind])
    assert report.header == ["id", "name", "qty"]
    assert values == [[str(n), f"N{n}", str(n)] for n in ROWS]
    assert rejects == []


def test_bars_are_found_in_other_encodings_too() -> None:
    values, rejects, _ = read(PRINTED["psql"].replace("N1 ", "Ñ1 "), "cp1252")
    assert (values[0], rejects) == (["1", "Ñ1", "1"], [])


def test_pages_of_a_list_are_one_table() -> None:
    page = "01.02.2024 List {page}\n\n" + SAP + "|   {page}|N       | 1,5|\n--------------------\n\n"
    values, rejects, report = read("".join(page.format(page=number) for number in range(1, 6)))
    assert [value[0] for value in values] == ["1", "2", "3", "4", "5"]
    assert rejects == []
    assert report.counts["repeated_header"] == 4


def test_dashes_for_nothing_are_a_row_and_no_ruler() -> None:
    values, _, _ = read("a | b\n---|---\n1 | 2\n- | -\n--- | ----\n3 | 4\n")
    assert values == [["1", "2"], ["-", "-"], ["---", "----"], ["3", "4"]]


def test_a_bar_too_many_and_text_outside_of_the_bars_are_rejects() -> None:
    values, rejects, _ = read(MYSQL + body("| {n:2d} | N{n:<5d} | {n:3d} |\n") + "| 1 | a|b | 2 |\nx| 1 | N | 2 |\n")
    assert len(values) == 12
    assert [reject["problems"][0]["code"] for reject in rejects] == ["field_count", "field_count"]
    assert rejects[1]["problems"][0]["message"] == "text stands outside of the bars around the table"


def test_the_rows_of_another_answer_are_kept_apart() -> None:
    other = "mysql> select * from u;\n" + MYSQL.replace("id", "no") + "|  7 | other  |   9 |\n+----+--------+-----+\n"
    values, rejects, _ = read(PRINTED["mysql"] + other)
    assert len(values) == 12
    assert "other_table" in {reject["problems"][0]["code"] for reject in rejects}


def test_bars_without_a_ruler_are_delimiters_only() -> None:
    values, _, report = read("id|name\n" + body("{n}| N{n} \n"))
    assert (values[0], report.header) == (["1", " N1 "], ["id", "name"])


@pytest.mark.parametrize(("kind", "text"), [("mysql", "| 7 | ab | 2 |"), ("psql", " 7 | ab |  2")])
def test_the_corrected_text_of_a_reject_is_read_as_its_table_was(kind: str, text: str) -> None:
    _, _, report = read(PRINTED[kind])
    mended = read_texts([text, "7 | a|b | 2 |"], report, SourceOptions())
    assert mended.rows.to_pylist() == [{"id": "7", "name": "ab", "qty": "2"}]
    assert list(mended.problems) == [1]


def test_a_value_of_several_lines_is_no_two_rows() -> None:
    head = " id |  name  | note \n----+--------+------\n"
    inner = "  1 | a     +| x\n    | b      | \n  2 | A+     | C+\n"
    text = head + inner + "  3 | c      | d   +\n    |        | e\n"
    values, rejects, _ = read(text + "  4 | f      | g\n(4 rows)\n")
    assert [value[0] for value in values] == ["2", "4"]
    assert {reject["problems"][0]["code"] for reject in rejects} == {"torn_row"}
    assert len(rejects) == 4


def test_a_middle_line_of_a_value_is_a_reject_though_it_reads_like_a_number_of_rows() -> None:
    _, rejects, _ = read("id | note\n---|-----\n" + body("{n} | N{n}\n") + "13 | a\n12 rows\nb | c\n14 | d\n")
    assert [reject["raw"] for reject in rejects] == [b"13 | a", b"12 rows"]


def test_lines_of_digits_below_a_title_of_digits_are_rejects() -> None:
    _, rejects, _ = read("2026\n\nid | note\n---|-----\n" + body("{n} | N{n}\n") + "77\n14 | d\n")
    assert b"77" in [reject["raw"] for reject in rejects]
