"""Files as odd programs write them: what names their delimiter, ends their lines, stands between their pages."""

from __future__ import annotations

import pytest

from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.csv import CsvFormat
from loadlock.intake.read import read_file
from loadlock.model import FileReport
from loadlock.testing.bytes_source import BytesSource
from loadlock.workflow.take_in import doubts


def read(data: str | bytes) -> tuple[list[list[str]], FileReport]:
    """The rows' values, and the report; no reject, and every byte accounted for."""
    raw = data.encode() if isinstance(data, str) else data
    result = read_file(BytesSource(raw, block_bytes=1 << 20), SourceOptions(format="csv"))
    values = []
    for part in result.parts:
        assert part.rejects.num_rows == 0, part.rejects.to_pylist()[:1]
        values += [[value for name, value in row.items() if name[0] != "_"] for row in part.rows.to_pylist()]
    report = result.report()
    assert report.bytes.total == len(raw)
    return values, report


def rows(line: str, count: int = 12) -> str:
    return "".join(line.format(n=n) for n in range(1, count + 1))


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "SEP=;\n"])
def test_a_line_for_excel_names_the_delimiter_and_is_no_header(first: str) -> None:
    values, report = read(first + "id;name;price\n" + rows("{n};a, b, c, {n};{n},5\n"))
    assert (report.header, values[0]) == (["id", "name", "price"], ["1", "a, b, c, 1", "1,5"])
    assert report.dialect is not None
    assert report.dialect["preamble"] == 1


def test_the_line_for_excel_is_found_in_utf_16_too() -> None:
    values, report = read(("\ufeffsep=\t\r\nid\tname\r\n" + rows("{n}\tŁódź\r\n")).encode("utf-16-le"))
    assert (report.header, values[0]) == (["id", "name"], ["1", "Łódź"])


@pytest.mark.parametrize("end", ["\r\r\n", "\n\r"])
def test_line_ends_of_a_faulty_copy_leave_nothing_in_the_values(end: str) -> None:
    values, report = read(("id,name\n" + rows("{n},A\n")).replace("\n", end))
    assert (report.header, values[0], values[-1]) == (["id", "name"], ["1", "A"], ["12", "A"])


def test_the_separators_of_ascii_divide_fields_and_records() -> None:
    values, report = read("id\x1fnote\x1e" + rows("{n}\x1ftwo\nlines\x1e"))
    assert (report.header, values[0], len(values)) == (["id", "note"], ["1", "two\nlines"], 12)


def test_page_breaks_and_the_mark_of_an_old_end_are_no_data() -> None:
    page = "id,name\n" + rows("{n},A\n")
    values, report = read(page + "\x0c" + page + "\x0c\n\x1a")
    assert (report.header, len(values), values[12]) == (["id", "name"], 24, ["1", "A"])
    assert report.counts == {"page_breaks": 2, "repeated_header": 1}
    assert report.blank == 2


def test_a_page_break_that_is_the_delimiter_is_one() -> None:
    data = b"id\x0cname\n\x0cA\n2\x0cB\n"
    result = CsvFormat().read(BytesSource(data, block_bytes=1 << 20), SourceOptions(delimiter="\x0c"))
    rows = [row for part in result.parts for row in part.rows.to_pylist()]
    assert [(row["id"], row["name"]) for row in rows] == [("", "A"), ("2", "B")]


def test_apostrophes_that_begin_values_do_not_make_the_space_a_delimiter() -> None:
    values, report = read("id,name,note\n" + rows("{n},'s-Hertogenbosch,'t Gooi {n}\n"))
    assert (report.header, values[0]) == (["id", "name", "note"], ["1", "'s-Hertogenbosch", "'t Gooi 1"])


def test_commas_of_prose_make_no_columns() -> None:
    values, report = read("comment\n" + rows("well, this is {n}, and so on\n"))
    assert (report.header, values[0]) == (["comment"], ["well, this is 1, and so on"])


def test_a_doubled_delimiter_is_found_though_a_single_one_stands_in_the_values() -> None:
    values, report = read("id||name||note\n" + rows("{n}||Ann||a|b\n"))
    assert (report.header, values[0]) == (["id", "name", "note"], ["1", "Ann", "a|b"])


def test_times_and_addresses_make_the_colon_no_delimiter_of_a_log() -> None:
    line = '10.0.0.{n} - - [10/Oct/2000:13:55:01 -0700] "GET /a?b={n} HTTP/1.0" 200 1{n} "http://ref" "M/5.0 (X11; Linux)"\n'
    values, _ = read(rows(line))
    assert values[0][5:] == ["GET /a?b=1 HTTP/1.0", "200", "11", "http://ref", "M/5.0 (X11; Linux)"]


def test_lines_that_hold_quotes_and_no_delimiter_are_one_column_of_text() -> None:
    values, _ = read("line\n" + rows('level=info ts=2024-01-01T00:00:0{n}Z msg="did {n}"\n'))
    assert values[0] == ['level=info ts=2024-01-01T00:00:01Z msg="did 1"']


def test_names_of_groups_above_the_names_of_columns_are_joined() -> None:
    top = ",,2023,2023,2024,2024\nregion,code,sales,cost,sales,cost\n"
    values, report = read(top + rows("R{n},{n},2{n},3{n},4{n},5{n}\n"))
    assert report.header == ["region", "code", "2023 sales", "2023 cost", "2024 sales", "2024 cost"]
    assert values[0] == ["R1", "1", "21", "31", "41", "51"]


def test_a_byte_order_mark_that_was_encoded_twice_is_no_part_of_a_name() -> None:
    _, report = read("\u00ef\u00bb\u00bfid,name\n" + rows("{n},A\n"))
    assert (report.header, report.header_found) == (["id", "name"], ["\u00ef\u00bb\u00bfid", "name"])


def thorns(*values: str, end: str = "\n") -> str:
    return "\x14".join(f"þ{value}þ" for value in values) + end


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "utf-16"])
def test_a_load_file_for_document_review_loses_the_thorns_around_its_values(encoding: str) -> None:
    lines = [thorns("BEGDOC", "TITLE", "TEXT", end="\r\n")]
    lines += [thorns(f"A{n}", "" if n % 2 else 'a, "b"', f"þing® {n}", end="\r\n") for n in range(40)]
    values, report = read("".join(lines).encode(encoding))
    assert (report.header, values[0], values[1]) == (
        ["BEGDOC", "TITLE", "TEXT"],
        ["A0", 'a, "b"', "þing® 0"],
        ["A1", "", "þing® 1"],
    )
    assert report.dialect is not None
    assert (report.dialect["delimiter"], report.dialect["quote"]) == ("\x14", "þ")


def test_an_escaped_delimiter_is_found_where_each_line_with_one_fits_only_so() -> None:
    values, report = read("id,name,note\n" + rows("{n},Smith\\, John,a\\\\b\n{n},Ann,x\n"))
    assert values[:2] == [["1", "Smith, John", "a\\b"], ["1", "Ann", "x"]]
    assert report.dialect is not None
    assert report.dialect["escape"] == "\\"


def test_a_backslash_at_the_end_of_a_path_escapes_nothing() -> None:
    values, report = read("id,path,note\n" + rows("{n},C:\\tmp\\,x\n{n},\\\\server\\share,y\n"))
    assert values[:2] == [["1", "C:\\tmp\\", "x"], ["1", "\\\\server\\share", "y"]]
    assert report.dialect is not None
    assert report.dialect["escape"] is None


@pytest.mark.parametrize("blank", ["", "\n", '""\n'])
def test_facts_above_a_short_table_are_no_rows_of_it(blank: str) -> None:
    facts = '"Konto";"DE12"\n"Inhaber";"Max Müller"\n"Zeitraum";"01.01.2024 - 31.01.2024"\n"Stand";"1.234,56 EUR"\n'
    table = '"Tag";"Text";"Betrag";"Währung"\n"02.01.2024";"Miete; Januar";"-850,00";"EUR"\n"15.01.2024";"Lohn";"25,00";"EUR"\n'
    values, report = read(facts + blank + table)
    assert (report.header, len(values)) == (["Tag", "Text", "Betrag", "Währung"], 2)
    assert any("with facts, no rows" in note for note in report.notes)


def test_a_small_table_above_another_one_is_no_list_of_facts() -> None:
    result = CsvFormat().read(BytesSource(b"code,count\na,1\nb,2\nc,3\n\nid,name,qty\n1,x,2\n2,y,3\n"), SourceOptions())
    values = [row["code"] for part in result.parts for row in part.rows.to_pylist()]
    assert values == ["a", "b", "c"]
    assert any("2 tables" in note for note in result.report().notes)


@pytest.mark.parametrize("years", ["2019,2020", "2021,2020,2019"])
def test_years_above_numbers_that_are_none_are_a_header(years: str) -> None:
    count = len(years.split(","))
    values, report = read(f"Country,{years}\n" + rows("C{n}" + ",{n}00" * count + "\n"))
    assert (report.header, len(values)) == (["Country", *years.split(",")], 12)


def test_years_above_years_may_be_a_row() -> None:
    values, _ = read("Lima,2019,2020\n" + rows("C{n},2{n:03d},19{n:02d}\n"))
    assert len(values) == 13


@pytest.mark.parametrize("mark", ["#", "# ", "##f=4\n##s=x\n#"])
def test_the_mark_of_a_comment_before_a_header_is_no_part_of_a_name(mark: str) -> None:
    _, report = read(mark + "CHROM\tPOS\tREF\n" + rows("20\t{n}\tA\n"))
    assert (report.header, report.header_found[1:]) == (["CHROM", "POS", "REF"], ["POS", "REF"])
    assert any("is staged as 'CHROM'" in note for note in report.notes)


@pytest.mark.parametrize("name", ["#", "# of orders", "#1"])
def test_a_number_sign_that_means_number_stays(name: str) -> None:
    assert read(f"{name},name\n" + rows("{n},a\n"))[1].header[0] == name


def test_a_total_below_the_rows_is_told_and_kept() -> None:
    values, report = read("Datum;Text;Betrag\n" + rows("{n:02d}.01.2024;B{n};{n},00\n") + "Summe;;78,00\n")
    assert values[-1] == ["Summe", "", "78,00"]
    assert any("line 14 seems to hold a total ('Summe')" in note for note in report.notes)
    assert not read("id;text\n" + rows("{n};Total\n"))[1].notes


def test_a_first_line_wider_than_the_table_is_no_header_where_a_clear_one_follows() -> None:
    first = '"EXTF";700;21;"Buchungsstapel";12;20240131;;"RE";"";"";29098;55003\n'
    values, report = read(first + '"Umsatz";"WKZ";"Konto";"Text"\n' + rows('{n},50;"EUR";440{n};"Rechnung {n}"\n'))
    assert (report.header, values[0]) == (["Umsatz", "WKZ", "Konto", "Text"], ["1,50", "EUR", "4401", "Rechnung 1"])
    assert any("1 line above the table" in note for note in report.notes)


def test_units_and_kinds_of_a_logger_are_joined_to_the_names() -> None:
    top = '"TOA5","Station","CR1000","1234","x","y"\n"TIMESTAMP","RECORD","Temp","RH"\n"TS","RN","Deg C","%"\n"","","Avg","Smp"\n'
    values, report = read(top + rows('"2024-01-01 00:{n:02d}:00",{n},{n}.5,4{n}\n'))
    assert (report.header[2], len(values)) == ("Temp Deg C Avg", 12)


def test_tables_of_different_widths_under_titles_are_told_apart() -> None:
    text = "Orders\nid,name,qty\n1,a,2\n2,b,3\n\nItems\nsku,price\nx,1.5\ny,2.5\n\nUsers\nuser,age,city,zip\nu,1,c,01\nv,2,d,02\n"
    values, report = read(text)
    assert (report.header, values) == (["id", "name", "qty"], [["1", "a", "2"], ["2", "b", "3"]])
    assert any("3 tables" in note for note in report.notes)


@pytest.mark.parametrize(
    ("header", "line", "first"),
    [
        ("id,name", "{n},A &amp; B; {n}", ["1", "A &amp; B; 1"]),
        ("id~name~q", "{n}~n|{n}~{n}", ["1", "n|1", "1"]),
        ("id|~|name", "{n}|~|n~{n}", ["1", "n~1"]),
        ("番号，名前", "{n}，田中{n}", ["1", "田中1"]),
    ],
)
def test_the_delimiter_between_the_names_is_taken_though_others_stand_in_the_values(
    header: str, line: str, first: list[str]
) -> None:
    assert read(f"{header}\n" + rows(line + "\n"))[0][0] == first


def test_wide_commas_of_prose_make_no_columns() -> None:
    assert read("意见\n" + rows("很好，第{n}次\n"))[0][0] == ["很好，第1次"]


@pytest.mark.parametrize(
    ("names", "delimiter"), [("date time c-ip", " "), ("date,time,c-ip", ","), ("date time c-ip", "\t")]
)
def test_a_comment_names_the_columns_of_a_log(names: str, delimiter: str) -> None:
    line = delimiter.join(("2024-01-01", "00:00:{n:02d}", "10.0.0.{n}")) + "\n"
    again = f"#Date: 2024-01-02\n#Fields: {names}\n"
    values, report = read(f"#Software: IIS 10.0\n#Version: 1.0\n#Fields: {names}\n" + rows(line) + again + rows(line))
    assert (report.header, len(values)) == (["date", "time", "c-ip"], 24)
    assert values[0] == ["2024-01-01", "00:00:01", "10.0.0.1"]
    assert report.counts["comments"] == 2


@pytest.mark.parametrize("count", [4, 60_000])
def test_rows_below_other_names_of_a_log_are_rejects_until_the_first_names_come_again(count: int) -> None:
    first, other = "#Fields: date time c-ip status\n", "#Fields: date time status c-ip\n"
    line, moved = "2024-01-01 00:00:01 10.0.0.1 200\n", "2024-01-01 00:00:01 200 10.0.0.1\n"
    data = (first + line * count + other + moved * 3 * count + "#Date: x\n" + moved + first + line * count).encode()
    result = CsvFormat().read(BytesSource(data, "ex.log", block_bytes=1 << 20), SourceOptions())
    parts = list(result.parts)
    assert result.report().header == ["date", "time", "c-ip", "status"]
    assert {value for part in parts for value in part.rows["status"].unique().to_pylist()} == {"200"}
    assert sum(part.rows.num_rows for part in parts) == 2 * count
    problems = [problem for part in parts for problem in part.rejects["problems"].to_pylist()]
    assert len(problems) == 3 * count + 1
    assert {(problem[0]["code"], problem[0]["message"][:61]) for problem in problems} == {
        ("other_table", f"the row stands below other names of columns, at line {count + 2:,} (#Fields:)"[:61])
    }


def test_what_was_left_out_of_a_file_is_told_before_its_rows_are_loaded() -> None:
    source = BytesSource(b"id,name,qty\n1,a,2\n2,b,3\n\nsku,,price\nx,,1.5\ny,,2.5\nSumme,,3\n", "two.csv")
    result = read_file(source, SourceOptions(format="csv", table=2))
    assert sum(part.rows.num_rows for part in result.parts) == 3
    told = doubts({0: result.report()}, [source])
    assert [note[:40] for note in told] == [
        "two.csv: the file holds 2 tables: pinned",
        "two.csv: the row of line 8 seems to hold",
    ]
