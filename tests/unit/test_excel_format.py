"""Workbooks: exact values, dates in both systems, the table's place in its sheet, what is hidden or merged, damage."""

from __future__ import annotations

import datetime as dt
import io
import json
import re
import zipfile
from typing import Any

import openpyxl
import pytest
import xlwt
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from loadlock.errors import SourceError
from loadlock.intake._excel_cells import date_form, date_text, number_text
from loadlock.intake._excel_xls_hidden import Hidden, hidden_in
from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.excel import ExcelFormat
from loadlock.intake.read import choose_format
from loadlock.model import FileReport
from loadlock.testing.bytes_source import BytesSource

PLACES = ("_source_file", "_row", "_line", "_offset", "_length", "_encoding")


def xlsx(*rows: list[Any], change: Any = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in rows:
        sheet.append(row)
    if change:
        change(book, sheet)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def patched(data: bytes, member: str, change: Any) -> bytes:
    """The archive with one member changed."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info.filename, change(content) if info.filename == member else content)
    return sink.getvalue()


SHEET = "xl/worksheets/sheet1.xml"


def ods(body: str, *, styles: str = "") -> bytes:
    sink = io.BytesIO()
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text", "style")
    )
    document = (
        f'<office:document-content {spaces} xmlns:calcext="urn:x"><office:automatic-styles>{styles}</office:automatic-styles>'
        f"<office:body><office:spreadsheet>{body}</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", document)
    return sink.getvalue()


class Reading:
    """All that reading gave; the balance of rows is checked for each."""

    def __init__(self, data: bytes, name: str = "in.xlsx", **options: Any) -> None:
        source = BytesSource(data, name)
        assert choose_format(source, SourceOptions()).name == "excel"
        result = ExcelFormat().read(source, SourceOptions(**options))
        parts = list(result.parts)
        self.rows = [row for part in parts for row in part.rows.to_pylist()]
        self.rejects = [row for part in parts for row in part.rejects.to_pylist()]
        self.report: FileReport = result.report()
        assert self.report.received == len(self.rows) + len(self.rejects)
        numbers = sorted(row["_row"] for row in self.rows + self.rejects)
        assert numbers == list(range(1, len(numbers) + 1))

    @property
    def values(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name not in PLACES} for row in self.rows]

    @property
    def lines(self) -> list[int]:
        return [row["_line"] for row in self.rows]

    @property
    def codes(self) -> list[str]:
        return [reject["problems"][0]["code"] for reject in self.rejects]


def test_values_come_as_exact_text() -> None:
    data = xlsx(
        ["text", "whole", "part", "flag", "day", "at", "clock", "long", "none"],
        ["Zoë <&>\nb", 12345678901, 1.1, True, dt.date(2024, 2, 29), dt.datetime(2024, 3, 1, 12, 30), dt.time(7, 5),
         dt.timedelta(hours=30), None],
    )  # fmt: skip
    assert Reading(data).values == [
        {
            "text": "Zoë <&>\nb",
            "whole": "12345678901",
            "part": "1.1",
            "flag": "true",
            "day": "2024-02-29",
            "at": "2024-03-01T12:30:00",
            "clock": "07:05:00",
            "long": "30:00:00",
            "none": None,
        }
    ]


def test_rows_have_the_numbers_of_the_sheet_and_blank_ones_are_counted() -> None:
    read = Reading(xlsx(["a"], ["x"], [], ["y"]))
    assert [tuple(row[name] for name in PLACES) for row in read.rows] == [
        ("in.xlsx", 1, 2, None, None, None),
        ("in.xlsx", 2, 4, None, None, None),
    ]
    assert read.report.blank == 1


def test_the_table_is_found_below_titles_and_beside_empty_columns() -> None:
    read = Reading(xlsx(["Report"], [], [None, None, "id", "name"], [None, None, 1, "Ann"]))
    assert read.values == [{"id": "1", "name": "Ann"}]
    assert (read.report.dialect["preamble"], read.report.dialect["header"]) == (2, 1)
    assert any("row 3" in reason for reason in read.report.dialect["reasons"])


def test_header_preamble_and_footer_can_be_told() -> None:
    data = xlsx(["x", "y"], ["first", "first"], ["a", "b"], ["1", "2"], ["sum", "2"])
    assert Reading(data, header=2, preamble=1, footer=1).values == [{"first a": "1", "first b": "2"}]
    assert Reading(data, header=0, preamble=3).values[0] == {"column_1": "1", "column_2": "2"}


def test_a_first_row_without_text_is_no_header() -> None:
    read = Reading(xlsx([1, 2], [3, 4]))
    assert read.values == [{"column_1": "1", "column_2": "2"}, {"column_1": "3", "column_2": "4"}]


@pytest.mark.parametrize("system", [1900, 1904])
def test_dates_are_right_in_both_systems(system: int) -> None:
    days = [dt.date(1904, 1, 2), dt.date(1999, 12, 31), dt.date(2024, 2, 29), dt.date(9999, 12, 31)]

    def change(book: Any, sheet: Any) -> None:
        if system == 1904:
            book.epoch = CALENDAR_MAC_1904
        for number, day in enumerate(days, 2):
            sheet.cell(number, 1, day)

    read = Reading(xlsx(["day"], change=change))
    assert [row["day"] for row in read.rows] == [day.isoformat() for day in days]
    assert read.report.dialect["dates_from"] == system


@pytest.mark.parametrize(
    ("serial", "form", "text"),
    [
        ("1", "date", "1900-01-01"),
        ("59", "date", "1900-02-28"),
        ("60", "date", "1900-02-29"),
        ("61", "date", "1900-03-01"),
        ("0", "date", "1900-01-00"),
        ("45351", "date", "2024-02-29"),
        ("45351.5", "date", "2024-02-29T12:00:00"),
        ("45351", "datetime", "2024-02-29T00:00:00"),
        ("45352.52083333334", "datetime", "2024-03-01T12:30:00"),
        ("45352.000000011574", "datetime", "2024-03-01T00:00:00.001"),
        ("0.999999999", "time", "24:00:00"),
        ("2958465", "date", "9999-12-31"),
        ("2958466", "date", None),
        ("-1", "date", None),
        ("1.25", "duration", "30:00:00"),
        ("-0.5", "duration", "-12:00:00"),
        ("1e300", "date", None),
        ("nonsense", "date", None),
    ],
)
def test_a_serial_number_is_the_day_that_excel_shows(serial: str, form: str, text: str | None) -> None:
    shown = date_text(serial, form, epoch_1904=False)
    assert shown == ("1900-01-01T00:00:00" if text == "24:00:00" else text)


@pytest.mark.parametrize(
    ("number", "code", "form"),
    [
        (14, None, "date"), (22, None, "datetime"), (46, None, "duration"), (2, None, None),
        (164, "yyyy-mm-dd", "date"), (164, "d. mmmm yyyy", "date"), (164, "[$-407]d. mmm", "date"),
        (164, "h:mm AM/PM", "time"), (164, "[h]:mm", "duration"), (164, "dd/mm/yy hh:mm;@", "datetime"),
        (164, '0.00 "days"', None), (164, "#,##0\\d", None), (164, "[Red]0.00", None), (164, "General", None),
        (164, "0.00E+00", None), (164, "mm:ss", "time"), (164, "_-* #,##0_-", None),
    ],
)  # fmt: skip
def test_number_formats_tell_dates_from_numbers(number: int, code: str | None, form: str | None) -> None:
    assert date_form(number, code) == form


@pytest.mark.parametrize(
    ("stored", "digits", "text"),
    [
        ("1", 17, "1"), ("1.1000000000000001", 17, "1.1"), ("0.30000000000000004", 17, "0.30000000000000004"),
        ("0.30000000000000004", 15, "0.3"), ("1E+20", 17, "100000000000000000000"), ("1E-7", 17, "0.0000001"),
        ("-0", 17, "0"), ("-2.50", 17, "-2.5"), ("x", 17, "x"), ("123456", 3, "123000"),
    ],
)  # fmt: skip
def test_numbers_are_plain_digits(stored: str, digits: int, text: str) -> None:
    assert number_text(stored, digits) == text


def test_plain_numbers_are_dates_where_told() -> None:
    read = Reading(xlsx(["day", "n"], [45351, 45351], ["soon", 1]), extra={"serial_dates": ["day", "dya"]})
    assert read.values == [{"day": "2024-02-29", "n": "45351"}, {"day": "soon", "n": "1"}]
    assert "serial_dates names 'dya', which is no column" in read.report.notes


def test_errors_are_texts_and_counted() -> None:
    read = Reading(xlsx(["a", "b"], ["#N/A", 1], ["#DIV/0!", 2]))
    assert [row["a"] for row in read.rows] == ["#N/A", "#DIV/0!"]
    assert read.report.counts == {"error_cells": 2}


def test_formulas_are_their_stored_values_and_those_without_one_are_rejects() -> None:
    data = xlsx(["a", "b", "c"], [1, "=A2+1", '="x"&"y"'], [2, "=A3+1", "=1=1"], [3, 4, "z"])
    cached = patched(
        data,
        SHEET,
        lambda xml: xml.replace(b"<f>A2+1</f><v />", b"<f>A2+1</f><v>2</v>").replace(
            b'<c r="C2"><f>"x"&amp;"y"</f><v />', b'<c r="C2" t="str"><f>"x"&amp;"y"</f><v>xy</v>'
        ),
    )
    read = Reading(cached)
    assert read.values == [{"a": "1", "b": "2", "c": "xy"}, {"a": "3", "b": "4", "c": "z"}]
    assert read.codes == ["formula_without_value"]
    assert "B3" in read.rejects[0]["problems"][0]["message"]
    assert json.loads(read.rejects[0]["raw"])["A3"] == "2"


def test_hidden_rows_columns_and_sheets_are_read_and_reported() -> None:
    def change(book: Any, sheet: Any) -> None:
        sheet.row_dimensions[2].hidden = True
        sheet.column_dimensions["B"].hidden = True
        book.create_sheet("More")
        book.create_sheet("Secret").sheet_state = "hidden"

    read = Reading(xlsx(["a", "b"], [1, 2], [3, 4], change=change))
    assert len(read.rows) == 2
    assert read.report.counts == {"hidden_columns": 1, "hidden_rows": 1}
    assert read.report.dialect["hidden_sheets"] == ["Secret"]
    assert "sheet 'Sheet' is read; not read: 'More', 'Secret' (hidden)" in read.report.notes


def test_merged_cells_have_their_value_in_the_first_or_in_all() -> None:
    def change(book: Any, sheet: Any) -> None:
        sheet.merge_cells("A2:A3")
        sheet.merge_cells("B4:C4")

    data = xlsx(["g", "x", "y"], ["one", 1, 2], [None, 3, 4], ["two", 5, None], change=change)
    first, filled = Reading(data), Reading(data, extra={"merged": "fill"})
    assert [row["g"] for row in first.rows] == ["one", None, "two"]
    assert first.report.counts == {"merged_ranges": 2}
    assert [(row["g"], row["x"], row["y"]) for row in filled.rows] == [
        ("one", "1", "2"),
        ("one", "3", "4"),
        ("two", "5", "5"),
    ]


@pytest.mark.parametrize(
    ("sheet", "value"), [(None, "1"), ("Second", "2"), ("second", "2"), ("2", "2"), ("3", "3"), ("7", "3")]
)
def test_a_sheet_is_chosen_by_name_or_number(sheet: str | None, value: str) -> None:
    def change(book: Any, first: Any) -> None:
        for name, number in (("Second", 2), ("7", 3)):
            more = book.create_sheet(name)
            more.append(["a"])
            more.append([number])

    assert Reading(xlsx(["a"], [1], change=change), sheet=sheet).values == [{"a": value}]


def test_an_unknown_sheet_is_answered_with_those_there_are() -> None:
    with pytest.raises(SourceError, match="no sheet 'Orders'") as caught:
        Reading(xlsx(["a"]), sheet="Orders")
    assert caught.value.hint == "Its sheets: 1 'Sheet'."


def test_a_hidden_sheet_is_not_taken_by_itself() -> None:
    def change(book: Any, first: Any) -> None:
        first.sheet_state = "hidden"
        book.create_sheet("Shown").append(["b"])

    read = Reading(xlsx(["a"], [1], change=change))
    assert read.report.dialect["sheet"] == "Shown"


def test_a_cell_beyond_the_table_makes_its_row_a_reject_unless_dropped() -> None:
    rows = [["a", "b"], *([["x", "y"]] * 120), ["1", "2", "note"], ["3", "4"]]
    read = Reading(xlsx(*rows))
    assert read.codes == ["field_count"]
    assert "C122" in read.rejects[0]["problems"][0]["message"]
    assert len(Reading(xlsx(*rows), tolerate=("drop_extra",)).rows) == 122


def test_shared_texts_with_rich_parts_and_hints_are_whole() -> None:
    shared = (
        '<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><si><r><t>bo</t></r>'
        '<r><t xml:space="preserve">ld </t></r></si><si><t>東京</t><rPh><t>トウ</t></rPh></si><si><t>a_x000D_b</t></si></sst>'
    )
    data = xlsx(["a"], ["x"], ["y"], ["z"])
    if "xl/sharedStrings.xml" not in zipfile.ZipFile(io.BytesIO(data)).namelist():
        data = _with_shared(data)
    data = patched(data, "xl/sharedStrings.xml", lambda _: shared.encode())
    number = iter((0, 0, 1, 2))
    data = patched(
        data,
        SHEET,
        lambda xml: re.sub(rb't="(?:inlineStr|s)">.*?</c>', lambda _: b't="s"><v>%d</v></c>' % next(number), xml),
    )
    assert [row["bold"] for row in Reading(data, header=1).rows] == ["bold ", "東京", "a\rb"]


def _with_shared(data: bytes) -> bytes:
    """The workbook with a part for shared texts."""
    sink = io.BytesIO()
    link = (
        b'<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings"'
        b' Target="sharedStrings.xml"/></Relationships>'
    )
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(sink, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename == "xl/_rels/workbook.xml.rels":
                content = content.replace(b"</Relationships>", link)
            new.writestr(info.filename, content)
        new.writestr("xl/sharedStrings.xml", "<sst/>")
    return sink.getvalue()


def test_a_sheet_whose_xml_ends_early_keeps_its_rows_and_says_so() -> None:
    data = patched(xlsx(["a"], [1], [2], [3]), SHEET, lambda xml: xml[: xml.index(b'<row r="4"') + 5])
    read = Reading(data)
    assert [row["a"] for row in read.rows] == ["1", "2"]
    assert read.codes == ["unreadable_range"]
    assert "behind row 3" in read.rejects[0]["problems"][0]["message"]


@pytest.mark.parametrize("cut", [60, 500, -30])
def test_a_cut_off_workbook_is_refused(cut: int) -> None:
    data = xlsx(["a"], [1])[:cut]
    with pytest.raises(SourceError, match="no whole workbook"):
        list(ExcelFormat().read(BytesSource(data, "a.xlsx"), SourceOptions()).parts)


def test_bytes_changed_within_the_archive_are_found() -> None:
    data = bytearray(xlsx(["a"], *([[f"text {n}"] for n in range(200)])))
    with zipfile.ZipFile(io.BytesIO(bytes(data))) as archive:
        info = archive.getinfo(SHEET)
    data[info.header_offset + info.compress_size // 2] ^= 0xFF
    with pytest.raises(SourceError, match="no whole workbook"):
        Reading(bytes(data))


def test_an_encrypted_workbook_is_refused_as_such() -> None:
    data = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + "EncryptedPackage".encode("utf-16-le") + bytes(1000)
    with pytest.raises(SourceError, match="is encrypted"):
        Reading(data)


def test_a_workbook_that_declares_entities_is_refused() -> None:
    laughs = b'<!DOCTYPE x [<!ENTITY a "lol">]>'
    data = patched(xlsx(["a"], [1]), SHEET, lambda xml: laughs + xml)
    with pytest.raises(SourceError, match="declares an entity"):
        Reading(data)


def test_a_far_away_cell_costs_no_memory() -> None:
    read = Reading(xlsx(["a"], [1], change=lambda book, sheet: sheet.cell(1_048_576, 16_384, "far")))
    assert (len(read.rows), len(read.rejects) + len(read.rows)) in ((1, 2), (2, 2))


def test_an_old_workbook_gives_the_same_values() -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("S")
    values = ["Zoë", 1.1, 12345678901, dt.date(2024, 2, 29), dt.datetime(2024, 3, 1, 12, 30), True]
    formats = {3: "yyyy-mm-dd", 4: "yyyy-mm-dd hh:mm"}
    for column, value in enumerate(values):
        sheet.write(3, column + 1, f"c{column}")
        style = xlwt.easyxf(num_format_str=formats[column]) if column in formats else xlwt.Style.default_style
        sheet.write(5, column + 1, value, style)
    hidden = book.add_sheet("H")
    hidden.visibility = 1
    sink = io.BytesIO()
    book.save(sink)
    read = Reading(sink.getvalue(), "in.xls")
    assert read.values == [
        {"c0": "Zoë", "c1": "1.1", "c2": "12345678901", "c3": "2024-02-29", "c4": "2024-03-01T12:30:00", "c5": "true"}
    ]
    assert read.lines == [6]
    assert read.report.dialect["hidden_sheets"] == ["H"]


@pytest.mark.parametrize("count", [5, 3000], ids=["short stream", "long stream"])
def test_hidden_rows_and_columns_of_an_old_workbook_are_told(count: int) -> None:
    book = xlwt.Workbook()
    book.add_sheet("Añ").write(0, 0, "x")
    sheet = book.add_sheet("Łódź")
    for row in range(count):
        for column in range(3):
            sheet.write(row, column, f"{column} {row}" if row else f"c{column}")
    sheet.row(2).hidden = sheet.row(3).hidden = sheet.col(1).hidden = True
    sink = io.BytesIO()
    book.save(sink)
    read = Reading(sink.getvalue(), "in.xls", sheet="Łódź")
    assert len(read.values) == count - 1
    assert read.report.counts == {"hidden_rows": 2, "hidden_columns": 1}
    assert "hidden rows: 2; they are read as the others" in read.report.notes
    first = Reading(sink.getvalue(), "in.xls")
    assert (first.report.header, first.report.counts) == (["x"], {})


@pytest.mark.parametrize("cut", [0, 30, 100, 600, 1000, 3000])
def test_what_is_hidden_in_a_damaged_compound_file_is_nothing(cut: int) -> None:
    book = xlwt.Workbook()
    book.add_sheet("S").row(0).hidden = True
    sink = io.BytesIO()
    book.save(sink)
    data = sink.getvalue()
    assert hidden_in(data[:cut], "S") == Hidden()
    assert hidden_in(data[:cut] + b"\xff" * 2000, "S") == Hidden()
    assert hidden_in(data, "S").rows == {1}


def test_a_damaged_old_workbook_is_refused() -> None:
    with pytest.raises(SourceError, match="no whole workbook"):
        Reading(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x07" * 2000, "in.xls")


def cell(kind: str, attributes: str = "", text: str = "") -> str:
    return f'<table:table-cell office:value-type="{kind}" {attributes}><text:p>{text}</text:p></table:table-cell>'


def test_open_document_sheets_give_the_same_values() -> None:
    head = "".join(cell("string", text=name) for name in ("s", "n", "d", "t", "c", "b"))
    row = (
        cell(
            "string",
            text="a<text:s text:c='2'/>b</text:p><office:annotation><text:p>no</text:p></office:annotation><text:p>c",
        )
        + cell("float", 'office:value="1.10"')
        + cell("date", 'office:date-value="2024-02-29"')
        + cell("date", 'office:date-value="2024-03-01T12:30:00"')
        + cell("time", 'office:time-value="PT07H05M00S"')
        + cell("boolean", 'office:boolean-value="true"')
    )
    body = (
        f'<table:table table:name="A"><table:table-row>{head}</table:table-row>'
        '<table:table-row table:number-rows-repeated="3"><table:table-cell table:number-columns-repeated="1024"/>'
        "</table:table-row>"
        f'<table:table-row table:number-rows-repeated="2" table:visibility="collapse">{row}</table:table-row>'
        '<table:table-row table:number-rows-repeated="1048570"><table:table-cell/></table:table-row></table:table>'
        '<table:table table:name="B" table:style-name="h"/>'
    )
    styles = '<style:style style:name="h"><style:table-properties table:display="false"/></style:style>'
    read = Reading(ods(body, styles=styles), "in.ods")
    wanted = {"s": "a  b\nc", "n": "1.1", "d": "2024-02-29", "t": "2024-03-01T12:30:00", "c": "07:05:00", "b": "true"}
    assert read.values == [wanted, wanted]
    assert read.lines == [5, 6]
    assert (read.report.blank, read.report.counts["hidden_rows"]) == (3, 2)
    assert read.report.dialect["hidden_sheets"] == ["B"]


def test_an_office_document_that_is_no_workbook_is_named() -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("word/document.xml", "<x/>")
    with pytest.raises(SourceError, match="office document"):
        choose_format(BytesSource(sink.getvalue(), "a.docx"), SourceOptions())
