"""Rows that look whole and may not be: a delimiter too many before an empty last value, a header that fits no row."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from loadlock.errors import UsageError
from loadlock.intake._csv_doubt import may_be_shifted
from loadlock.intake._csv_file import CsvFile
from loadlock.intake._csv_torn import edge_of
from loadlock.intake.base import SourceOptions
from loadlock.intake.files import open_sources
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


@pytest.mark.parametrize("header", ["town street", "town;street", "townstreet", '"town,street"'])
def test_a_header_of_two_columns_that_lost_its_delimiter_takes_no_row_with_it(header: str) -> None:
    staged, rejects, report = read(header + "\n" + "\n".join(f"town {n},street {n}" for n in range(20)) + "\n")
    assert (staged, len(rejects), len(report.header)) == (0, 20, 1)
    assert report.notes[-1].startswith(
        "most rows are rejects: the header has 1 names, rows have 2 fields; is it damaged?"
    )


def test_damaged_quotes_of_a_header_are_noted() -> None:
    staged, _, report = read('"the "good" one",b\n1,2\n3,4\n')
    assert staged == 2
    assert report.header == ['"the "good" one"', "b"]
    assert report.notes[0] == "the header's quotes are damaged in name 1: it is taken as it stands"


def long_file(second: str) -> str:
    """Two tables, with too many rows in the first for a look at the whole."""
    body = ("\n".join(ROWS[1:]) + "\n") * (250_000 // 29 + 1)
    body = "id,amount,city,note\n" + "".join(body.splitlines(keepends=True)[:250_000])
    return body + "\n" + second + "\n".join(ROWS) + "\n"


@pytest.mark.parametrize(
    ("second", "line", "code", "kept_out"),
    [
        ("key,price,town,remark\n", 250_003, "other_table", 31),
        ("a,b\n1,2\n3,4\n", 250_003, "field_count", 3),
        ("7,7.5,some town,\n", None, "", 0),
    ],
)
def test_the_rows_of_a_second_table_in_a_long_file_are_kept_out(
    second: str, line: int | None, code: str, kept_out: int
) -> None:
    source = BytesSource(long_file(second).encode(), block_bytes=1 << 20)
    result = CsvFormat().read(source, SourceOptions())
    problems = [row["problems"][0] for part in result.parts for row in part.rejects.to_pylist()]
    noted = [note for note in result.report().notes if "another table" in note]
    assert ([problem["code"] for problem in problems], bool(noted)) == ([code] * kept_out, line is not None)
    if line is not None:
        assert f"at line {line:,}:" in noted[0]


@pytest.mark.parametrize(("table", "header", "staged", "left_out"), [(1, "id", 250_000, 31), (2, "key", 30, 0)])
def test_either_table_of_a_long_file_can_be_read(table: int, header: str, staged: int, left_out: int) -> None:
    data = long_file("key,price,town,remark\n").encode()
    result = CsvFormat().read(BytesSource(data, block_bytes=1 << 20), SourceOptions(table=table))
    assert sum(part.rows.num_rows for part in result.parts) == staged
    report = result.report()
    assert (report.header[0], report.rejected, report.bytes.total) == (header, 0, len(data))
    assert report.counts.get("footer_lines", 0) == left_out


def test_a_table_that_a_long_file_does_not_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="table 3 is asked for, but the file seems to hold 2"):
        CsvFormat().read(BytesSource(long_file("key,price,town,remark\n").encode()), SourceOptions(table=3))


def test_the_dialect_of_a_long_file_is_told_by_all_of_it_also_where_it_can_only_be_read_in_order(
    tmp_path: Path,
) -> None:
    # the first megabytes hold no more than one column and no quote in sight
    plain = "".join(f"total_2024_{n % 9}\n" for n in range(450_000))
    rows = "".join(f"{n};'a;b {n}';{n},5\n" for n in range(900_000))
    path = tmp_path / "x.csv.gz"
    path.write_bytes(gzip.compress((plain + rows).encode(), 1))
    [source] = open_sources([path])
    dialect = CsvFile(source, SourceOptions()).report().dialect
    assert dialect is not None
    assert (dialect["delimiter"], dialect["quote"]) == (";", "'")


def test_json_lines_named_csv_are_json_lines_also_where_one_is_broken() -> None:
    lines = ['{"a": 1, "b": "x,y"}'] * 9 + ['{"a": 5, "b":'] + ['{"a": 2, "b": "x,y"}'] * 9
    source = BytesSource("\n".join(lines).encode(), block_bytes=1 << 16)
    assert choose_format(source, SourceOptions()).name == "ndjson"
    assert CsvFormat().sniff("\n".join(lines).encode(), "x.csv") < 0.2
    assert CsvFormat().sniff(b"{id},name\n{1},a\n", "x.csv") == 0.9


@pytest.mark.parametrize("more", range(4))
def test_the_end_of_a_long_last_value_is_no_footer_in_a_big_file(tmp_path: Path, more: int) -> None:
    rows = b"".join(b"%06d,Ann,a longer text of some words\n" % number for number in range(120_000))
    path = tmp_path / "big.csv"
    path.write_bytes(b"id,name,note\n" + rows + b'7,%s,"two\n\nlines"\n' % (b"A" * (1 + more)))
    [source] = open_sources([path])
    found = CsvFormat().read(source, SourceOptions())
    assert [sum(part.rows.num_rows for part in found.parts), found.report().rejected] == [120_001, 0]
