"""What the dialect finder says about small files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from loadlock.errors import UsageError
from loadlock.intake.base import SourceOptions
from loadlock.intake.dialect import Dialect, dialect_of

FREE = SourceOptions()


def find(text: str | bytes, options: SourceOptions = FREE, name: str = "x.csv") -> Dialect:
    return dialect_of(text.encode() if isinstance(text, str) else text, options, name=name)


def table(delimiter: str, rows: int = 10, cells: Sequence[str] = ("name", "2024-01-05", "12.5")) -> str:
    head = delimiter.join(["who", "day", "amount"])
    return "\n".join([head, *[delimiter.join(cells)] * rows]) + "\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", ":", "^", "~"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    found = find(table(delimiter))
    assert (found.delimiter, found.fields, found.header) == (delimiter, 3, 1)


def test_decimal_commas_do_not_make_the_comma_a_delimiter() -> None:
    assert find("a;b;c\n" + "1,5;2,5;3,5\n" * 10).delimiter == ";"


def test_times_do_not_make_the_colon_a_delimiter() -> None:
    assert find("day,time,n\n" + "2024-01-01,12:30:00,4\n" * 10).delimiter == ","


def test_commas_in_quoted_text_are_not_counted() -> None:
    found = find('id;text\n1;"a, b, c"\n2;"d, e, f"\n3;"g, h, i"\n')
    assert (found.delimiter, found.quote) == (";", '"')


def test_single_quotes_are_found_where_they_enclose_fields() -> None:
    found = find("id,name\n" + "1,'Smith, John'\n2,'O''Neil, Pat'\n" * 6)
    assert (found.delimiter, found.quote, found.fields) == (",", "'", 2)


def test_apostrophes_in_text_are_no_quotes() -> None:
    assert find("id,name\n" + "1,O'Neil\n2,it's\n" * 6).quote == '"'


def test_quotes_inside_of_text_mean_no_quoting() -> None:
    found = find("id\tsize\n" + '1\t5" pipe\n2\t6" pipe\n' * 6)
    assert (found.delimiter, found.quote) == ("\t", "")
    assert "no quoting: quotes stand inside the text, not around fields" in found.reasons


def test_one_stray_quote_does_not_end_quoting() -> None:
    assert find("id,size\n" + "1,a\n" * 40 + '2,6"\n').quote == '"'


def test_backslash_escapes_are_found_by_fewer_faults() -> None:
    found = find("id,text\n" + '1,"say \\"hi\\", she said"\n' * 5)
    assert (found.escape, found.fields) == ("\\", 2)


def test_doubled_quotes_need_no_escape() -> None:
    assert find("id,text\n" + '1,"say ""hi"""\n' * 5).escape is None


def test_a_file_of_one_column_has_no_delimiter() -> None:
    found = find("name\nAnn\nBob\nSmith, John\nEve\n")
    assert (found.delimiter, found.fields, found.header) == ("", 1, 1)


def test_the_extension_counts_where_the_bytes_leave_a_choice() -> None:
    text = "a,b\tc,d\n" * 5
    assert find(text, name="x.tsv").delimiter == "\t"


def test_words_of_prose_are_not_divided_by_spaces() -> None:
    assert find("some text here\nand more\nof it all here\n").delimiter == ""


@pytest.mark.parametrize(
    ("text", "shown", "splits_at"),
    [
        ("a,b\n1,2\n", "\n", b"\n"),
        ("a,b\r\n1,2\r\n", "\r\n", b"\n"),
        ("a,b\r1,2\r3,4\r", "\r", b"\r"),
        ("a,b\r\n1,2\r\n3,4\n", "\r\n", b"\n"),
    ],
)
def test_record_ends_are_found(text: str, shown: str, splits_at: bytes) -> None:
    found = find(text)
    assert (found.record_end, found.shape.record_end) == (shown, splits_at)


def test_lone_carriage_returns_end_records_where_the_rows_are_more_alike_so() -> None:
    assert find("a,b,c\n" + "1,2,3\r4,5,6\n" * 5).shape.record_end == b"\r"
    assert find("a,b,c\n" + "1,2\r2,3\n" * 5).shape.record_end == b"\n"


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("id,name\n1,Ann\n2,Bob\n", 1),
        ("1,Ann\n2,Bob\n3,Eve\n", 0),
        ("Country,1990,1991,1992\nPeru,1.5,2.5,3.5\nChile,4,5,6\n", 1),
        ("Ann,Berlin,open\nBob,Berlin,open\nEve,Paris,open\n", 0),
        ("first,last\nAnn,Smith\nBob,Brown\n", 1),
        ("name\n", 1),
        ("2024-01-01,5\n2024-01-02,6\n", 0),
    ],
)
def test_the_header_is_found_by_kind_and_repetition(text: str, header: int) -> None:
    assert find(text).header == header


def test_a_header_in_doubt_is_said() -> None:
    assert any("pin `header: 0`" in reason for reason in find("first,last\nAnn,Smith\nBob,Brown\n").reasons)


def test_titles_above_the_table_are_preamble() -> None:
    found = find("Report of May\n\nid,name,amount\n1,a,2.5\n2,b,3.5\n3,c,4.5\n")
    assert (found.preamble, found.header, found.fields) == (2, 1, 3)


def test_titles_padded_with_delimiters_are_preamble() -> None:
    found = find("Emissions,,,,\nin tonnes,,,,\n,,,,\nYear,2000,2001,2002,2003\nCoal,1,2,3,4\nGas,5,6,7,8\n")
    assert (found.preamble, found.header) == (3, 1)


def test_a_shorter_header_is_no_preamble() -> None:
    assert find("a,b,c\n1,2,3,\n4,5,6,\n7,8,9,\n").preamble == 0


def test_every_part_can_be_pinned() -> None:
    pins = SourceOptions(
        delimiter="tab", quote="'", escape="\\", header=2, preamble=1, footer=3, comment="#", record_end="crlf"
    )
    found = find("a,b\n1,2\n", pins)
    assert (found.delimiter, found.quote, found.escape) == ("\t", "'", "\\")
    assert (found.header, found.preamble, found.footer, found.comment) == (2, 1, 3, "#")
    assert found.record_end == "\r\n"
    assert found.shape.record_end == b"\r\n"


def test_a_pinned_delimiter_may_have_several_characters() -> None:
    found = find("a||b||c\n1||2||3\n", SourceOptions(delimiter="||"))
    assert (found.delimiter, found.fields) == ("||", 3)


@pytest.mark.parametrize(
    ("pins", "message"),
    [
        ({"delimiter": "\n"}, "the delimiter can't be a line end"),
        ({"quote": '""'}, "not a single ASCII character"),
        ({"quote": ",", "delimiter": ","}, "delimiter and quote must differ"),
        ({"escape": "^"}, "unknown escape"),
        ({"record_end": ""}, "the record end is empty"),
    ],
)
def test_impossible_pins_are_usage_errors(pins: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        find("a,b\n", replace(FREE, **pins))  # type: ignore[arg-type]


def test_the_json_names_reasons_and_alternatives() -> None:
    document = find("a;b;c\n" + "1,5;2,5;3,5\n" * 10).to_json()
    assert document["delimiter"] == ";"
    assert document["alternatives"][0]["delimiter"] == ","
    assert any("delimiter ';'" in reason for reason in document["reasons"])


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\0" * 100, b"\xff\xfe\xfd" * 50, b'"' * 99, b",,,,\n"])
def test_any_bytes_have_a_dialect(data: bytes) -> None:
    assert find(data).fields >= 1


@pytest.mark.parametrize("delimiter", ["||", "::", "|~|", "^|^", "~~"])
def test_delimiters_of_several_characters_are_found(delimiter: str) -> None:
    found = find(table(delimiter))
    assert (found.delimiter, found.fields, found.header) == (delimiter, 3, 1)


def test_empty_columns_do_not_make_a_long_delimiter() -> None:
    assert find("a,b,c,d\n" + "1,,,4\n2,,3,4\n" * 10).delimiter == ","


@pytest.mark.parametrize("delimiter", ["¦", "§", "\x01"])
def test_rare_characters_are_found_too(delimiter: str) -> None:
    assert find(table(delimiter)).delimiter == delimiter


def test_lone_line_feeds_in_unquoted_text_end_no_record_where_crlf_does() -> None:
    found = find("id,note,n\r\n" + "1,first\nsecond,2\r\n3,plain,4\r\n" * 10)
    assert (found.record_end, found.shape.record_end) == ("\r\n", b"\r\n")
    assert "a lone LF ends no record: the rows are more alike so" in found.reasons


def test_quoted_texts_with_line_feeds_do_not_hide_that_cr_ends_records() -> None:
    found = find("id,note\r" + '1,"first\nsecond"\r2,plain\r' * 8)
    assert (found.record_end, found.fields) == ("\r", 2)


def test_fields_in_apostrophes_are_found_where_counts_are_equal() -> None:
    assert find("'id';'name'\n" + "'1';'Ann'\n" * 9).quote == "'"


def test_lines_of_comments_are_found_among_rows() -> None:
    found = find("id,name,n\n" + "1,a,2\n# remark\n3,b,4\n" * 5)
    assert found.comment == "#"
    assert "5 lines of the sample begin with # and are no rows: comments" in found.reasons


def test_rows_that_begin_with_a_comment_mark_are_rows() -> None:
    assert find("#id,name,n\n" + "#1,a,2\n#3,b,4\n" * 5).comment == ""


def test_a_footer_behind_a_blank_line_is_found() -> None:
    found = find(table(",") + "\nTotal: 10\nprinted by hand\n")
    assert found.footer == 2


def test_one_line_behind_the_rows_is_no_footer() -> None:
    assert find(table(",") + "Total: 10\n").footer == 0


def test_names_over_two_rows_are_found() -> None:
    found = find("who,what,how much,when\nname,kind,EUR,day\n" + "Ann,a,1.5,2024-01-01\nBob,b,2,2024-02-01\n" * 4)
    assert found.header == 2


def test_a_row_of_words_for_nothing_is_no_header() -> None:
    assert find("who,amount,when\nAnn,N/A,-\n" + "Bob,1.5,2024-01-01\n" * 6).header == 1


TWO_TABLES = "id,amount\n1,2.5\n2,3.5\n3,4.5\n\nname,day,n\nAnn,2024-01-01,5\nBob,2024-01-02,6\n"


def test_several_tables_are_reported_and_the_first_is_taken() -> None:
    found = find(TWO_TABLES)
    assert (found.preamble, found.header, found.fields, found.footer) == (0, 1, 2, 3)
    assert [table["line"] for table in found.to_json()["tables"]] == [1, 6]
    assert "the file holds 2 tables: the first is read; choose another by `table:`" in found.reasons


def test_another_table_can_be_chosen() -> None:
    found = find(TWO_TABLES, SourceOptions(table=2))
    assert (found.preamble, found.fields, found.footer) == (5, 3, 0)


@pytest.mark.parametrize(("text", "table"), [(TWO_TABLES, 3), ("a,b\n1,2\n", 2)])
def test_a_table_that_is_not_there_is_an_error(text: str, table: int) -> None:
    with pytest.raises(UsageError, match=f"table {table} is asked for"):
        find(text, SourceOptions(table=table))


def test_blank_lines_between_rows_make_no_tables() -> None:
    assert find("id,amount\n1,2.5\n\n2,3.5\n\n3,4.5\n").tables == ()
