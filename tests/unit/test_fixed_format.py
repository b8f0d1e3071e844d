"""Fixed-width text: columns given or found, exact places, lines that don't fit are rejects."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.errors import SourceError, UsageError
from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.fixed import FixedFormat
from loadlock.intake.read import choose_format
from loadlock.model import FileReport
from loadlock.testing.bytes_source import BytesSource

PLACES = ("_source_file", "_row", "_line", "_offset", "_length", "_encoding")
TABLE = "id  name      amount\n1   Ann         1.50\n22  Bo Li      20.00\n333 Zoë       300.00\n"


class Reading:
    """All that reading some bytes gave; balance of rows and bytes, and the place of each, are checked for each."""

    def __init__(self, data: bytes | str, *, block_bytes: int = 4 << 20, **options: Any) -> None:
        data = data.encode() if isinstance(data, str) else data
        result = FixedFormat().read(BytesSource(data, "in.fwf", block_bytes=block_bytes), SourceOptions(**options))
        parts = list(result.parts)
        self.rows = [row for part in parts for row in part.rows.to_pylist()]
        self.rejects = [row for part in parts for row in part.rejects.to_pylist()]
        self.report: FileReport = result.report()
        assert self.report.received == len(self.rows) + len(self.rejects)
        assert self.report.bytes.total == len(data)
        assert self.report.bytes.framing >= 0
        everything = sorted(self.rows + self.rejects, key=lambda row: row["_row"])
        assert [row["_row"] for row in everything] == list(range(1, len(everything) + 1))
        self.cut = [data[row["_offset"] : row["_offset"] + row["_length"]] for row in everything]
        assert [reject["raw"] for reject in self.rejects] == [
            data[row["_offset"] : row["_offset"] + min(row["_length"], 65536)] for row in self.rejects
        ]

    @property
    def values(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name not in PLACES} for row in self.rows]

    @property
    def codes(self) -> list[str]:
        return [reject["problems"][0]["code"] for reject in self.rejects]


def test_columns_and_header_are_found_with_reasons() -> None:
    read = Reading(TABLE)
    assert read.values == [
        {"id": "1", "name": "Ann", "amount": "1.50"},
        {"id": "22", "name": "Bo Li", "amount": "20.00"},
        {"id": "333", "name": "Zoë", "amount": "300.00"},
    ]
    assert read.report.dialect["positions"] == ["1-4", "5-14", "15-20"]
    assert any("words above numbers" in reason for reason in read.report.dialect["reasons"])


def test_a_space_in_the_same_place_of_every_value_is_no_gap_where_the_header_has_no_word() -> None:
    read = Reading("id name      n\n1  Ann A.    1\n2  Bob B.    2\n")
    assert read.values == [{"id": "1", "name": "Ann A.", "n": "1"}, {"id": "2", "name": "Bob B.", "n": "2"}]


def test_every_line_has_its_place_and_bytes() -> None:
    read = Reading(TABLE)
    assert [row["_line"] for row in read.rows] == [2, 3, 4]
    assert read.cut == [line.encode() for line in TABLE.splitlines()[1:]]


@pytest.mark.parametrize(
    "extra",
    [{"widths": [3, 4]}, {"positions": ["1-3", "4-7"]}],
    ids=["widths", "positions"],
)
def test_columns_without_gaps_are_given(extra: dict[str, Any]) -> None:
    read = Reading("123abcd\n456efgh\n", extra=extra, header=0)
    assert read.values == [{"column_1": "123", "column_2": "abcd"}, {"column_1": "456", "column_2": "efgh"}]


def test_names_can_be_given() -> None:
    read = Reading("1ab\n2cd\n", extra={"widths": [1, 2], "names": ["n", "t"]})
    assert read.values == [{"n": "1", "t": "ab"}, {"n": "2", "t": "cd"}]


def test_what_stands_between_positions_is_left_out() -> None:
    assert Reading("a##b\n", extra={"positions": ["1-1", "4-4"]}, header=0).values == [
        {"column_1": "a", "column_2": "b"}
    ]


def test_a_value_of_spaces_is_none_and_trim_can_be_left() -> None:
    data = " 1 x   \n    y  \n"
    assert Reading(data, extra={"widths": [3, 4]}, header=0).values[1] == {"column_1": None, "column_2": "y"}
    kept = Reading(data, extra={"widths": [3, 4], "trim": False}, header=0).values
    assert kept == [{"column_1": " 1 ", "column_2": "x   "}, {"column_1": None, "column_2": " y  "}]


def test_a_line_that_goes_on_behind_the_last_column_is_a_reject() -> None:
    read = Reading("12ab\n34cdX\n56ef  \n", extra={"widths": [2, 2]}, header=0)
    assert [row["column_2"] for row in read.rows] == ["ab", "ef"]
    assert read.codes == ["field_count"]
    assert "ends at 4" in read.rejects[0]["problems"][0]["message"]


def test_a_short_line_is_a_reject_where_lines_are_padded() -> None:
    data = "12ab  \n34\n56ef  \n"
    read = Reading(data, extra={"widths": [2, 4]}, header=0)
    assert (len(read.rows), read.codes) == (2, ["field_count"])
    padded = Reading(data, extra={"widths": [2, 4]}, header=0, tolerate=("pad_short",))
    assert padded.values[1] == {"column_1": "34", "column_2": None}
    assert padded.report.counts == {"short_lines": 1}


def test_a_short_line_lacks_empty_values_where_lines_have_lost_their_spaces() -> None:
    read = Reading("12ab\n34\n56ef\n", extra={"widths": [2, 4]}, header=0)
    assert [row["column_2"] for row in read.rows] == ["ab", None, "ef"]
    assert any("short lines" in reason for reason in read.report.dialect["reasons"])


def test_text_between_two_found_columns_is_a_reject() -> None:
    lines = ["Ann    1", "Bo     2"] * 6000 + ["Annabel1"]
    read = Reading("\n".join(lines) + "\n", header=0)
    assert len(read.rows) == 12000
    assert read.codes == ["field_count"]
    assert "between two columns" in read.rejects[0]["problems"][0]["message"]


def test_columns_that_nothing_tells_apart_are_asked_for() -> None:
    with pytest.raises(SourceError, match="can't be told apart"):
        Reading("abc\ndef\n")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"widths": [1], "positions": ["1-2"]}, "both given"),
        ({"widths": [0]}, "1 or more"),
        ({"positions": ["5-3"]}, "ranges from 1 on"),
        ({"positions": ["1-3", "2-4"]}, "rise and not overlap"),
        ({"widths": [1, 2], "names": ["a"]}, "1 names for 2 columns"),
    ],
)
def test_options_that_make_no_sense_are_named(extra: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Reading("abc\n", extra=extra)


def test_preamble_header_comments_footer_and_blank_lines_are_counted_apart() -> None:
    data = "Report\nid name\n# c\n1  Ann \n\n2  Bob \nsum 2  \n"
    read = Reading(data, preamble=1, header=1, footer=1, comment="#", extra={"widths": [3, 4]})
    assert read.values == [{"id": "1", "name": "Ann"}, {"id": "2", "name": "Bob"}]
    assert (read.report.blank, read.report.counts) == (1, {"comments": 1})
    assert read.report.bytes.headers == 8


def test_a_line_in_another_encoding_is_read_and_marked() -> None:
    data = "1 Zoë \n".encode() * 5 + b"2 Jos\xe9\n3 \x81\x81  \n"
    read = Reading(data, extra={"widths": [2, 4]}, header=0)
    assert [(row["column_2"], row["_encoding"]) for row in read.rows[-1:]] == [("José", "cp1252")]
    assert read.codes == ["invalid_encoding"]
    assert read.report.encoding["fallback_rows"] == 1


def test_widths_can_count_bytes() -> None:
    data = "ë1\nab1\n"
    read = Reading(data, header=0, extra={"widths": [2, 1], "unit": "bytes"})
    assert [row["column_2"] for row in read.rows] == ["1", "1"]
    cut = Reading("aë1\nab1\n", header=0, extra={"widths": [2, 2], "unit": "bytes"})
    assert cut.codes == ["field_count"]


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8-sig"])
def test_places_are_those_of_the_original_bytes(encoding: str) -> None:
    read = Reading("1 Zoë\n2 Bob\n".encode(encoding), extra={"widths": [2, 3]}, header=0, encoding=encoding)
    codec = {"utf-16": "utf-16-le", "utf-8-sig": "utf-8"}.get(encoding, encoding)
    assert [piece.decode(codec) for piece in read.cut] == ["1 Zoë", "2 Bob"]


def test_an_endless_line_is_one_reject() -> None:
    read = Reading(
        "1 a\n" + "x" * 50_000 + "\n2 b\n", extra={"widths": [2, 1]}, header=0, record_limit=1000, block_bytes=777
    )
    assert [row["column_2"] for row in read.rows] == ["a", "b"]
    assert read.codes == ["record_too_long"]
    assert read.rejects[0]["_length"] == 50_000


@pytest.mark.parametrize("size", [1, 5, 64])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_blocks_and_line_ends_do_not_matter(size: int, end: str) -> None:
    data = TABLE.replace("\n", end)
    assert Reading(data, block_bytes=size).values == Reading(TABLE).values


def test_an_empty_file_has_no_rows() -> None:
    assert Reading("").report.received == 0


def test_it_is_told_by_its_gaps_and_equal_lines() -> None:
    def chosen(data: str, name: str) -> str:
        return choose_format(BytesSource(data.encode(), name), SourceOptions()).name

    assert chosen("ab   12\ncd    3\n", "a.dat") == "fixed"
    assert chosen("ab   12\ncd 3\n", "a.fwf") == "fixed"
    assert chosen("ab,  12\ncd,   3\n", "a.dat") == "csv"
    assert chosen("one line of text\nand another\n", "a.txt") == "csv"


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], exclude_characters="\x85"), max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=8), st.sampled_from([str.ljust, str.rjust])
)
def test_what_was_written_is_read_back(rows: list[list[str]], pad: Any) -> None:
    lines = ["".join(pad(cell, 7) for cell in row) for row in rows]
    read = Reading("\n".join(lines) + "\n", extra={"widths": [7, 7, 7]}, header=0)
    wanted = [[cell or None for cell in row] for row in rows if any(row)]
    assert [[row[f"column_{place}"] for place in (1, 2, 3)] for row in read.rows] == wanted
    assert read.rejects == []


RULED = """id     name            amount
-----  --------------  ------
1      Ann, Smith       12.50
2      Bob               3.00

id     name            amount
-----  --------------  ------
3      Carla  Bruni     7.25
(3 rows affected)
"""


def test_a_ruler_of_dashes_below_the_header_says_where_columns_are() -> None:
    source = BytesSource(RULED.encode(), "result.txt")
    assert choose_format(source, SourceOptions()).name == "fixed"
    read = Reading(RULED)
    assert read.values == [
        {"id": "1", "name": "Ann, Smith", "amount": "12.50"},
        {"id": "2", "name": "Bob", "amount": "3.00"},
        {"id": "3", "name": "Carla  Bruni", "amount": "7.25"},
    ]
    assert read.codes == []
    assert read.report.counts == {"comments": 1, "repeated_headers": 2}


def test_a_title_of_the_page_is_no_part_of_the_names() -> None:
    read = Reading(
        "      ACME REPORT  PAGE 1\n\nID   NAME   AMOUNT\n---  -----  ------\n001  Ann      1.50\n002  Bo       2.50\n"
    )
    assert read.values[0] == {"ID": "001", "NAME": "Ann", "AMOUNT": "1.50"}


def test_dashes_that_are_no_ruler_are_data() -> None:
    read = Reading("id  name\n1   Ann \n--- ----\n2   Bo  \n", header=1)
    assert [row["id"] for row in read.values] == ["1", "---", "2"]


UNDERLINED = "ID NAME\n-- --------------\n"


@pytest.mark.parametrize("block_bytes", [7, 40, 4 << 20])
def test_values_that_read_like_a_number_of_rows_are_rows(block_bytes: int) -> None:
    lines = ("12 records", "13 record player", "14 rows", "15 Row boat", "16 table", "17 chair", "18 rows")
    read = Reading(UNDERLINED + "".join(f"{line}\n" for line in lines), block_bytes=block_bytes)
    assert [f"{row['ID']} {row['NAME']}" for row in read.values] == [*lines]
    assert read.rejects == []


@pytest.mark.parametrize("block_bytes", [7, 40, 4 << 20])
@pytest.mark.parametrize("count", ["\n2 rows selected.\n", "(2 rows)\n\n", "2 rows\n\n", "\n9 Zeilen ausgewählt.\n"])
def test_the_number_of_rows_below_them_is_no_row(count: str, block_bytes: int) -> None:
    read = Reading(UNDERLINED + "12 table\n13 chair\n" + count, block_bytes=block_bytes)
    assert [row["ID"] for row in read.values] == ["12", "13"]
    assert (read.rejects, read.report.counts["comments"]) == ([], 1)
