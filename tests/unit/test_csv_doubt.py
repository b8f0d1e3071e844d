"""Rows that look whole and may not be: a delimiter too many before an empty last value, a header that fits no row."""

from __future__ import annotations

import pytest

from loadlock.intake._csv_doubt import may_be_shifted
from loadlock.intake._csv_torn import edge_of
from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.csv import CsvFormat
from loadlock.intake.read import choose_format
from loadlock.model import FileReport
from loadlock.testing.bytes_source import BytesSource


def read(data: str, *tolerate: str) -> tuple[int, list[tuple[int, str]], FileReport]:
    """The number of rows, number and message of the rejects, and the report."""
    result = CsvFormat().read(BytesSource(data.encode(), block_bytes=1 << 20), SourceOptions(tolerate=tolerate))
    staged, rejects = 0, []
    for part in result.parts:
        staged += part.rows.num_rows
        rejects += [(row["_row"], row["problems"][0]["message"]) for row in part.rejects.to_pylist()]
        assert {row["problems"][0]["code"] for row in part.rejects.to_pylist()} <= {"field_count"}
    return staged, rejects, result.report()


ROWS = [f"{n},{n}.5,some town,{'a remark' if n % 3 else ''}" for n in range(30)]


def orders(*more: str) -> str:
    return "\n".join(["id,amount,city,note", *ROWS, *more]) + "\n"


def test_a_delimiter_too_many_before_an_empty_last_value_keeps_the_row_out() -> None:
    staged, rejects, report = read(orders("40,4.5,,Rome,", "41,,4.5,Rome,", "4,2,4.5,Rome,"))
    assert staged == 30
    assert [row for row, _ in rejects] == [31, 32, 33]
    assert "5 fields instead of 4: the last one is empty" in rejects[0][1]
    assert "drop_extra" in rejects[0][1]
    assert "trailing_empty" not in report.counts


def test_such_a_row_can_be_taken() -> None:
    staged, rejects, _ = read(orders("40,4.5,,Rome,"), "drop_extra")
    assert (staged, rejects) == (31, [])


def test_a_delimiter_behind_an_empty_last_value_is_harmless() -> None:
    staged, rejects, report = read(orders("40,4.5,Rome,,"))
    assert (staged, rejects) == (31, [])
    assert report.counts["trailing_empty"] == 1


def test_a_delimiter_at_the_end_is_harmless_where_the_last_column_is_never_empty() -> None:
    rows = [f"{n},text {n},{n}" for n in range(20)]
    staged, rejects, report = read("\n".join(["id,text,count", *rows, "20,text 20,20,"]))
    assert (staged, rejects) == (21, [])
    assert report.counts["trailing_empty"] == 1


def test_delimiters_at_the_end_are_harmless_where_many_rows_have_them() -> None:
    rows = [f"{n},text {n},{'x' if n % 2 else ''}{',' if n % 3 == 0 else ''}" for n in range(30)]
    staged, rejects, _ = read("\n".join(["id,text,remark", *rows]))
    assert (staged, rejects) == (30, [])


@pytest.mark.parametrize(
    ("cells", "shifted"),
    [
        (["7", "town", "1.5"], False),
        (["7", "", "town"], True),
        (["7", "town", ""], False),
        (["x", "town", "1.5"], True),
    ],
)
def test_values_that_fit_their_columns_settle_it(cells: list[str], shifted: bool) -> None:
    columns = [
        edge_of(["1", "2", "3", "44", "5", "6"]),
        edge_of(["any town"] * 6),
        edge_of(["1.5", "2.5", "", "", "9.0", "1.2", "7.7"]),
    ]
    assert may_be_shifted(cells, columns) is shifted


def test_no_row_is_taken_under_a_header_that_lost_a_delimiter() -> None:
    rows = [f"{n},name {n},{'x' if n % 3 else ''}" for n in range(20)]
    staged, rejects, report = read("\n".join(["id,namecity", *rows, "8,nine"]))
    assert staged == 0
    assert rejects[0] == (1, "the header names 2 columns, but most rows have 3 fields")
    assert rejects[-1] == (21, "the header names 2 columns, but most rows have 3 fields")
    assert "is it damaged?" in report.notes[-1]


@pytest.mark.parametrize("value", ["Oslo", ""])
def test_no_row_is_taken_under_a_damaged_header_of_two_columns(value: str) -> None:
    staged, rejects, report = read("\n".join(["cityname", *[f"town {n},{value if n % 2 else 'b'}" for n in range(20)]]))
    assert (staged, len(rejects)) == (0, 20)
    assert report.header == ["cityname"]
    assert "is it damaged?" in report.notes[-1]


@pytest.mark.parametrize("title", ["All the cities\n", "cities\n\n"])
def test_a_title_above_two_columns_is_still_a_title(title: str) -> None:
    staged, rejects, report = read(title + "\n".join(["city,name", *[f"town {n},b" for n in range(20)]]))
    assert (staged, rejects) == (20, [])
    assert report.header == ["city", "name"]


def test_damaged_quotes_of_a_header_are_noted() -> None:
    staged, _, report = read('"the "good" one",b\n1,2\n3,4\n')
    assert staged == 2
    assert report.header == ['"the "good" one"', "b"]
    assert report.notes[0] == "the header's quotes are damaged in name 1: it is taken as it stands"


@pytest.mark.parametrize(
    ("second", "line"),
    [
        ("key,price,town,remark\n", 250_003),
        ("a,b\n1,2\n3,4\n", 250_003),
        ("7,7.5,some town,\n", None),
    ],
)
def test_a_second_table_in_a_long_file_is_reported(second: str, line: int | None) -> None:
    body = "\n".join(ROWS[1:]) + "\n"
    body = "id,amount,city,note\n" + (body * (250_000 // 29 + 1))
    body = "".join(body.splitlines(keepends=True)[:250_001])
    _, _, report = read(body + "\n" + second + "\n".join(ROWS) + "\n")
    noted = [note for note in report.notes if "another table" in note]
    assert bool(noted) is (line is not None)
    if line is not None:
        assert f"at line {line:,}:" in noted[0]


def test_json_lines_named_csv_are_json_lines_also_where_one_is_broken() -> None:
    lines = ['{"a": 1, "b": "x,y"}'] * 9 + ['{"a": 5, "b":'] + ['{"a": 2, "b": "x,y"}'] * 9
    source = BytesSource("\n".join(lines).encode(), block_bytes=1 << 16)
    assert choose_format(source, SourceOptions()).name == "ndjson"
    assert CsvFormat().sniff("\n".join(lines).encode(), "x.csv") < 0.2
    assert CsvFormat().sniff(b"{id},name\n{1},a\n", "x.csv") == 0.9
