"""The emulator's parts that hold cells: packed columns, attributes, ranges, masks, number formats, formulas."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.testing.sheets import a1, entry, grid, masks, render
from loadlock.testing.sheets.a1 import Area, Box
from loadlock.testing.sheets.attributes import Attributes
from loadlock.testing.sheets.book import Book, Tab
from loadlock.testing.sheets.errors import ApiError
from loadlock.testing.sheets.formula_text import reference, rewritten, shifted
from loadlock.testing.sheets.formula_value import Evaluator
from loadlock.testing.sheets.grid import Grid
from loadlock.testing.sheets.moves import Shift

ROWS, COLUMNS = 40, 4
cells = st.one_of(st.none(), st.text(max_size=3), st.integers(-5, 5), st.booleans()).map(lambda cell: cell or None)
places = st.tuples(st.integers(0, ROWS - 1), st.integers(0, COLUMNS - 1))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), places, st.lists(st.lists(cells, min_size=1, max_size=9), min_size=1, max_size=2)),
        st.tuples(st.just("clear"), places, st.tuples(st.integers(1, 30), st.integers(1, 3))),
        st.tuples(st.just("insert"), st.integers(0, ROWS - 1), st.integers(1, 12)),
        st.tuples(st.just("delete"), st.integers(0, ROWS - 1), st.integers(1, 12)),
        st.tuples(st.just("insert_columns"), st.integers(0, COLUMNS - 1), st.integers(1, 2)),
        st.tuples(st.just("delete_columns"), st.integers(0, COLUMNS - 1), st.integers(1, 2)),
    ),
    max_size=12,
)


class PlainGrid:
    """A grid as a mapping, to compare with."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], Any] = {}

    def step(self, kind: str, first: Any, second: Any) -> None:
        if kind == "write":
            for right, column in enumerate(second):
                # columns of different length: the shorter one writes less
                self.cells |= {(first[0] + down, first[1] + right): cell for down, cell in enumerate(column)}
        elif kind == "clear":
            box = Box(first[0], first[0] + second[0], first[1], first[1] + second[1])
            self.cells = {p: c for p, c in self.cells.items() if not Box(p[0], p[0] + 1, p[1], p[1] + 1).within(box)}
        else:
            axis = 1 if kind.endswith("columns") else 0
            count = -second if kind.startswith("delete") else second
            self._move(axis, Shift(at=first, count=count))

    def _move(self, axis: int, shift: Shift) -> None:
        moved = {}
        for place, cell in self.cells.items():
            span = shift.span(place[axis], place[axis] + 1)
            if span:
                moved[(span[0], place[1]) if axis == 0 else (place[0], span[0])] = cell
        self.cells = moved


def apply(packed: Grid, kind: str, first: Any, second: Any) -> None:
    if kind == "write":
        packed.write(first[0], first[1], second)
    elif kind == "clear":
        packed.clear(Box(first[0], first[0] + second[0], first[1], first[1] + second[1]))
    elif kind == "insert":
        packed.insert_rows(first, second)
    elif kind == "delete":
        packed.delete_rows(first, first + second)
    elif kind == "insert_columns":
        packed.insert_columns(first, second)
    else:
        packed.delete_columns(first, first + second)


@pytest.mark.parametrize("block_rows", [4, 1024])
@settings(max_examples=60, deadline=None)
@given(steps=steps)
def test_a_packed_grid_is_a_mapping_of_cells(block_rows: int, steps: list[tuple[str, Any, Any]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "BLOCK_ROWS", block_rows)
        packed, plain = Grid(), PlainGrid()
        for step in steps:
            before, copy = read_all(packed), packed.copy()
            apply(packed, *step)
            plain.step(*step)
            assert read_all(copy) == before
        expected = [[plain.cells.get((row, column)) for row in range(200)] for column in range(30)]
        assert read_all(packed) == expected
        filled = [row for (row, _), cell in plain.cells.items() if cell is not None]
        assert packed.last_row(Box(0, 200, 0, 30)) == max(filled, default=-1) + 1


boxes = st.tuples(st.integers(0, 20), st.integers(1, 15), st.integers(0, 3), st.integers(1, 3))


@settings(max_examples=80, deadline=None)
@given(source=steps, target=steps, box=boxes, corner=places)
def test_a_pasted_box_holds_the_cells_of_its_source(
    source: list[tuple[str, Any, Any]],
    target: list[tuple[str, Any, Any]],
    box: tuple[int, int, int, int],
    corner: tuple[int, int],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid, "BLOCK_ROWS", 4)
        one, other = Grid(), Grid()
        for step in source:
            apply(one, *step)
        for step in target:
            apply(other, *step)
        cut = Box(box[0], box[0] + box[1], box[2], box[2] + box[3])
        kept, expected, values = read_all(one), read_all(other), one.read(cut)
        for right, column in enumerate(values):
            expected[corner[1] + right][corner[0] : corner[0] + cut.rows] = column
        other.paste(one, cut, *corner)
        assert read_all(other) == expected
        assert read_all(one) == kept


def read_all(packed: Grid) -> list[list[Any]]:
    return packed.read(Box(0, 200, 0, 30))


def test_cells_take_few_bytes() -> None:
    packed = Grid()
    packed.write(0, 0, [[f"text {number}" for number in range(100_000)]] * 2)
    assert packed.packed_bytes() < 200_000 * 16


def test_an_empty_grid_of_any_size_takes_no_memory() -> None:
    packed = Grid()
    assert packed.read(Box(9_999_990, 10_000_000, 0, 1)) == [[None] * 10]
    assert packed.packed_bytes() == 0


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(st.integers(0, 20), st.integers(1, 12), st.sampled_from(["a", "b", ""])), max_size=12),
    at=st.integers(0, 25),
    count=st.integers(-6, 6),
)
def test_runs_of_attributes_are_a_mapping_of_cells(steps: list[tuple[int, int, str]], at: int, count: int) -> None:
    runs, plain = Attributes(), dict[int, str]()
    for row, length, note in steps:
        runs.change(Box(row, row + length, 0, 1), lambda now, note=note: {"note": note} if note else {})  # type: ignore[misc]
        plain |= dict.fromkeys(range(row, row + length), note)
    assert [runs.at(row, 0).get("note", "") for row in range(40)] == [plain.get(row, "") for row in range(40)]
    shift = Shift(at=at, count=count)
    runs.move_rows(shift.span)
    moved = {span[0]: note for row, note in plain.items() if note and (span := shift.span(row, row + 1))}
    for row, note in moved.items():
        assert runs.at(row, 0) == {"note": note}
    if count <= 0:
        assert sum(end - start for start, end, _ in runs.runs(0, 0, 100)) == len(moved)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A1", Area(row=0, end_row=1, column=0, end_column=1, anchor=True)),
        ("B2:C", Area(row=1, end_row=None, column=1, end_column=3)),
        ("A:AA", Area(row=None, end_row=None, column=0, end_column=27)),
        ("2:3", Area(row=1, end_row=3, column=None, end_column=None)),
        ("C3:A1", Area(row=0, end_row=3, column=0, end_column=3)),
    ],
)
def test_a_range_in_a1_notation(text: str, expected: Area) -> None:
    assert a1.area(text, text) == expected


@pytest.mark.parametrize("text", ["", "1A", "A0", "ABCD1", "A1:B2:C3", "A"])
def test_what_is_no_range_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="Unable to parse range") as caught:
        a1.area(text, text)
    assert caught.value.code == 400


def test_r1c1_notation_is_refused_by_name() -> None:
    with pytest.raises(ApiError, match="R1C1 notation") as caught:
        a1.area("R1C1:R2C3", "R1C1:R2C3")
    assert caught.value.code == 501


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("Data", "Data!A1:B2"),
        ("it's", "'it''s'!A1:B2"),
        ("A1", "'A1'!A1:B2"),
        ("2024", "'2024'!A1:B2"),
        ("R1", "'R1'!A1:B2"),
    ],
)
def test_a_title_is_quoted_where_it_must_be(title: str, shown: str) -> None:
    assert a1.written(title, Box(0, 2, 0, 2)) == shown
    assert a1.split(shown) == (title, "A1:B2")


def test_columns_have_letters() -> None:
    assert [a1.letters(column) for column in (0, 25, 26, 701, 702, 18_277)] == ["A", "Z", "AA", "ZZ", "AAA", "ZZZ"]
    assert [a1.number(text) for text in ("A", "zz", "ZZZ")] == [0, 701, 18_277]


def test_a_mask_chooses_fields() -> None:
    mask = masks.parse("sheets(properties(sheetId,title),data/rowData), spreadsheet_id")
    value = {
        "sheets": [{"properties": {"sheetId": 1, "title": "x", "index": 0}, "data": [{"rowData": 1, "z": 2}]}],
        "x": 1,
    }
    assert masks.apply(mask, {**value, "spreadsheetId": "s"}) == {
        "sheets": [{"properties": {"sheetId": 1, "title": "x"}, "data": [{"rowData": 1}]}],
        "spreadsheetId": "s",
    }
    assert masks.apply(masks.parse("sheets(*)"), value) == {"sheets": value["sheets"]}


@pytest.mark.parametrize("text", ["a(b", "a)", ",", "a..b", "a b;"])
def test_a_mask_that_does_not_close_is_refused(text: str) -> None:
    with pytest.raises(ApiError, match="Invalid field mask"):
        masks.parse(text)


def test_a_field_of_the_mask_that_is_not_given_is_cleared() -> None:
    old = {"numberFormat": {"type": "DATE", "pattern": "x"}, "wrapStrategy": "CLIP"}
    assert masks.merged(masks.parse("numberFormat.pattern"), old, {}) == {
        "numberFormat": {"type": "DATE"},
        "wrapStrategy": "CLIP",
    }
    assert masks.merged(masks.parse("numberFormat"), old, {"numberFormat": {"type": "TEXT"}}) == {
        "numberFormat": {"type": "TEXT"},
        "wrapStrategy": "CLIP",
    }


TODAY = datetime.date(2026, 11, 23)


@pytest.mark.parametrize(
    ("text", "cell", "kind"),
    [
        ("007", 7, None),
        ("1,234.50", 1234.5, "NUMBER"),
        ("12,34", "12,34", None),
        ("1e3", 1000, "SCIENTIFIC"),
        ("7e30", 7e30, "SCIENTIFIC"),
        ("1e999", "1e999", None),
        ("12%", 0.12, "PERCENT"),
        ("$100.15", 100.15, "CURRENCY"),
        ("-$5", -5, "CURRENCY"),
        ("'0123", "0123", None),
        ("=A1", {"f": "=A1"}, None),
        ("=", "=", None),
        ("TRUE", True, None),
        ("#N/A", {"e": "N_A"}, None),
        ("1-2", 46024, "DATE"),
        ("2024-01-02", 45293, "DATE"),
        ("2024-13-02", "2024-13-02", None),
        ("1/2/24", 45293, "DATE"),
        ("Jan 2, 2024", 45293, "DATE"),
        ("2-Jan-2024", 45293, "DATE"),
        ("2024-01-02 12:00", 45293.5, "DATE_TIME"),
        ("6:00 PM", 0.75, "TIME"),
        ("25:00", "25:00", None),
        ("+49 30", "+49 30", None),
        ("version 1.2", "version 1.2", None),
        ("  ", "  ", None),
    ],
)
def test_typing_gives(text: str, cell: Any, kind: str | None) -> None:
    found, shape = entry.typed(text, TODAY)
    assert (found, type(found)) == (cell, type(cell))
    assert (shape or {}).get("type") == kind


@pytest.mark.parametrize(
    ("value", "kind", "pattern", "shown"),
    [
        (7, None, None, "7"),
        (0.1 + 0.2, None, None, "0.3"),
        (1 / 3, None, None, "0.3333333333"),
        (1e20, None, None, "1E+20"),
        (1234567890123456789, None, None, "1.23457E+18"),
        (1234.5, "NUMBER", "#,##0.00", "1,234.50"),
        (-0.125, "PERCENT", "0.0%", "-12.5%"),
        (0.5, "NUMBER", "0.##", "0.5"),
        (5, "NUMBER", "000", "005"),
        (-1234.5, "CURRENCY", "$#,##0.00", "-$1,234.50"),
        (12345, "SCIENTIFIC", "0.00E+00", "1.23E+04"),
        (45293, "DATE", None, "1/2/2024"),
        (45293.75, "DATE_TIME", "yyyy-mm-dd hh:mm:ss", "2024-01-02 18:00:00"),
        (45293.75, "DATE_TIME", "d mmm yy h:mm am/pm", "2 Jan 24 6:00 PM"),
        (1, "DATE", "yyyy-mm-dd", "1899-12-31"),
        (-5, "NUMBER", '0;"minus "0', "minus 5"),
    ],
)
def test_a_number_is_shown_by_its_format(value: float, kind: str | None, pattern: str | None, shown: str) -> None:
    shape = {"numberFormat": {"type": kind, **({"pattern": pattern} if pattern else {})}} if kind else {}
    assert render.shown(value, {"userEnteredFormat": shape}) == shown


@pytest.mark.parametrize(("kind", "pattern"), [("DATE", "[h]:mm"), ("NUMBER", "0 kg"), ("NUMBER", "# ?/?")])
def test_a_number_format_that_is_not_known_is_refused_by_name(kind: str, pattern: str) -> None:
    with pytest.raises(ApiError, match="pattern") as caught:
        render.shown(1.5, {"userEnteredFormat": {"numberFormat": {"type": kind, "pattern": pattern}}})
    assert caught.value.code == 501


def test_references_move_with_inserted_and_deleted_rows() -> None:
    def moved(text: str, at: int, count: int) -> str:
        return rewritten(text, lambda ref: shifted(ref, Shift(at=at, count=count), rows=True))

    assert moved('=SUM(A2:A9)+$B$3&"A2"', 0, 2) == '=SUM(A4:A11)+$B$5&"A2"'
    assert moved("=SUM(A2:A9)", 4, -2) == "=SUM(A2:A7)"
    assert moved("=A3+A5", 2, -1) == "=#REF!+A4"
    assert moved("=SUM(A2:A)+A:A", 0, 1) == "=SUM(A3:A)+A:A"
    assert moved("=LOG10(A1)", 0, 1) == "=LOG10(A2)"


def test_a_reference_is_written_as_it_was_read() -> None:
    for text in ("A1", "$A$1", "A$1:$B2", "'it''s'!A1:B", "Data!A:A", "2:$3"):
        assert str(reference(text)) == text


def book(*formulas: str) -> Book:
    tab = Tab(sheet_id=0, title="Data")
    tab.grid.write(0, 0, [[1, 2, "x", None], [{"f": text} for text in formulas]])
    return Book(spreadsheet_id="b", title="b", tabs=[tab])


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("=1+2*3", 7),
        ("=-2^2", 4),
        ("=(1+2)*3%", 0.09),
        ("=SUM(A1:A4)", 3),
        ("=COUNTA(Data!A:A)", 3),
        ('=IF(A1<A2,"less","more")&"!"', "less!"),
        ('="a"&1.5', "a1.5"),
        ("=1/0", {"e": "DIVIDE_BY_ZERO"}),
        ("=A3+1", {"e": "VALUE"}),
        ("=#REF!+1", {"e": "REF"}),
        ("=Gone!A1", {"e": "REF"}),
        ("=B1", {"e": "REF"}),
        ("=SUM(1", {"e": "ERROR"}),
        ("=A4", 0),
    ],
)
def test_a_formula_gives(formula: str, value: Any) -> None:
    made = book(formula)
    assert Evaluator(made).value(made.tabs[0], 0, 1, {"f": formula}) == value


def test_a_function_that_is_not_known_is_refused_by_name() -> None:
    made = book("=VLOOKUP(1,A1:A3,1)")
    with pytest.raises(ApiError, match="the function VLOOKUP") as caught:
        Evaluator(made).value(made.tabs[0], 0, 1, {"f": "=VLOOKUP(1,A1:A3,1)"})
    assert caught.value.code == 501
