"""Rejects as files that people edit, and what comes back from them."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from loadlock.errors import UsageError
from loadlock.model import Problem, RejectState, Stage
from loadlock.quarantine import workbook
from loadlock.quarantine.export import Export, export_csv, export_jsonl, export_rejects
from loadlock.quarantine.habits import habit
from loadlock.quarantine.marks import Writing, faulty, marked
from loadlock.quarantine.sheet import Token
from loadlock.quarantine.taking import Change, EditedRow, KnownReject, take
from loadlock.rows import Place, reject, reject_table

NOT_DATE = Problem(code="not_date", column="day", value="31/02", message="is no date")
REQUIRED = Problem(code="required", column="name", message="is missing")
FIELDS = Problem(code="field_count", message="3 fields, not 2")
TOKEN = Token(run="r20240304-080000-0001", edits=2)


def row(number: int, *problems: Problem, stage: Stage = Stage.CLEANUP, **more: Any) -> dict[str, Any]:
    place = Place(file=0, source_file="0.csv", row=number, line=number + 1, offset=10, length=10)
    return reject(place, problems=problems, stage=stage, **more)


def export(*rows: dict[str, Any]) -> Export:
    names = dict.fromkeys(name for row in rows for name in json.loads(row["values"] or "{}"))
    return Export(
        tables=[reject_table(rows)], batch="b1", run=TOKEN.run, count=len(rows), names=list(names), token=TOKEN,
        sources={"day": ("Day", "day")},
    )  # fmt: skip


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


# what goes out


def test_a_csv_has_key_place_problems_values_raw_text_and_the_values_as_they_were(tmp_path: Path) -> None:
    rows = export(
        row(1, NOT_DATE, REQUIRED, values={"day": "31/02", "name": None}, raw=b"31/02,\n"),
        row(2, FIELDS, values=None, raw=b"\xff"),
    )
    assert export_csv(rows, tmp_path / "fix.csv") == 2
    header, first, second = cells(tmp_path / "fix.csv")
    info = ["_key of r20240304-080000-0001.2", "_file", "_row", "_line", "_stage", "_problems"]
    assert header == [*info, "day", "name", "_raw", "day (was)", "name (was)"]
    words = "day: is no date (not_date); name: is missing (required)"
    assert first == [TOKEN.key(0, 1, 0), "0.csv", "1", "2", "cleanup", words, "31/02", "", "31/02,\n", "31/02", ""]
    assert second[5:] == ["3 fields, not 2 (field_count)", "", "", "/w==", "", ""]
    assert (tmp_path / "fix.csv").read_bytes().startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@a", "\ta", "\ra"])
def test_no_spreadsheet_runs_a_cell_of_a_csv(tmp_path: Path, value: str) -> None:
    problem = Problem(code="c", message=value)
    export_csv(export(row(1, problem, values={value: value}, raw=value.encode())), tmp_path / "fix.csv")
    header, line = cells(tmp_path / "fix.csv")
    assert header[6] == line[6] == line[7] == line[8] == f"'{value}"
    assert line[5] == f"'{value} (c)"


def test_a_value_named_like_one_of_our_columns_keeps_its_own(tmp_path: Path) -> None:
    export_csv(export(row(1, FIELDS, values={"_row": "x", "row": "y"})), tmp_path / "fix.csv")
    header, line = cells(tmp_path / "fix.csv")
    assert header[6:8] == ["_row'", "row"]
    assert line[6:8] == ["x", "y"]


def test_a_workbook_freezes_its_header_colours_faulty_cells_and_locks_all_but_the_values(tmp_path: Path) -> None:
    rows = export(
        row(1, NOT_DATE, values={"day": "31/02", "zip": "00123"}, raw=b"31/02,00123"),
        row(2, FIELDS, values=None, raw=b"a,b,c"),
    )
    assert export_rejects(rows, tmp_path / "fix.xlsx") == 2
    sheet = openpyxl.load_workbook(tmp_path / "fix.xlsx")["rejects"]
    assert sheet.freeze_panes == "B2"
    assert sheet.protection.sheet
    header = {cell.value: cell.column_letter for cell in sheet[1]}
    day, code, raw = (sheet[f"{header[name]}2"] for name in ("day", "zip", "_raw"))
    assert (day.value, day.comment.text) == ("31/02", "is no date (not_date)")
    assert day.fill.fgColor.rgb != code.fill.fgColor.rgb
    assert (code.value, code.data_type, code.number_format, code.protection.locked) == ("00123", "s", "@", False)
    assert raw.protection.locked
    assert sheet["A2"].protection.locked
    malformed = sheet[f"{header['_raw']}3"]
    assert (malformed.value, malformed.protection.locked) == ("a,b,c", False)
    assert malformed.comment.text == "3 fields, not 2 (field_count)"
    assert sheet[f"{header['day (was)']}2"].value == "31/02"


def test_a_text_longer_than_a_cell_and_characters_that_no_workbook_holds_come_back_unedited(tmp_path: Path) -> None:
    long, odd = "x" * 40_000, "a\x01b\ufffe\r\nc"
    rows = export(row(1, NOT_DATE, values={"day": long, "odd": odd}))
    export_rejects(rows, tmp_path / "fix.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "fix.xlsx")["rejects"]
    shown = {name: cell.value for name, cell in zip([c.value for c in sheet[1]], sheet[2], strict=True)}
    assert len(shown["day"]) == workbook.CELL_CHARACTERS
    edited = EditedRow(line=2, place=(0, 1, 0), cells={"day": shown["day"], "odd": shown["odd"]})
    assert taken(edited, {"day": long, "odd": odd}).changes == []
    cut = EditedRow(line=2, place=(0, 1, 0), cells={"day": "y" + shown["day"]})
    assert "can't hold the text whole" in taken(cut, {"day": long}).refused[0].message


def test_more_rejects_than_a_sheet_has_rows_are_refused_with_the_ways_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "MAX_ROWS", 1)
    with pytest.raises(UsageError, match="2 rejects are more than a sheet of Excel holds") as caught:
        export_rejects(export(row(1, FIELDS), row(2, FIELDS)), tmp_path / "fix.xlsx")
    assert "--code" in str(caught.value.hint)
    assert ".csv" in str(caught.value.hint)
    assert list(tmp_path.iterdir()) == []


def test_json_lines_hold_the_rejects_with_their_keys(tmp_path: Path) -> None:
    rows = export(row(9, FIELDS, values={"a": "=1", "n": [1, None]}))
    assert export_rejects(rows, tmp_path / "fix.JSONL") == 1
    document = json.loads((tmp_path / "fix.JSONL").read_text())
    assert (document["key"], document["export"]) == (TOKEN.key(0, 9, 0), str(TOKEN))
    assert document["values"] == {"a": "=1", "n": "[1, null]"}
    assert document["problems"][0]["code"] == "field_count"


def test_text_that_is_no_valid_unicode_can_be_written(tmp_path: Path) -> None:
    rows = export(row(1, FIELDS, values={"a": "x"}) | {"values": '{"a": "\\udc80"}'})
    export_csv(rows, tmp_path / "fix.csv")
    export_jsonl(rows, tmp_path / "fix.jsonl")
    export_rejects(rows, tmp_path / "fix.xlsx")
    assert cells(tmp_path / "fix.csv")[1][6] == "\\udc80"
    assert json.loads((tmp_path / "fix.jsonl").read_text())["values"]["a"] == "\udc80"


@pytest.mark.parametrize("name", ["fix", "fix.txt"])
def test_other_endings_are_refused_with_the_choices(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="can't be exported as") as caught:
        export_rejects(export(), tmp_path / name)
    assert all(ending in str(caught.value.hint) for ending in (".csv", ".xlsx", ".jsonl"))


@pytest.mark.parametrize("name", ["fix.csv", "fix.xlsx"])
def test_a_failed_export_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / name
    path.write_text("old")

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UsageError, match="No space left"):
        export_rejects(export(row(1, FIELDS)), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# what comes back


def taken(edited: EditedRow, values: Mapping[str, str | None], **more: Any) -> Any:
    known = {"state": RejectState.OPEN, "staged": values, "then": values, "now": values, "raw": "raw"} | more
    return take([edited], lambda place: KnownReject(**known) if place == (0, 1, 0) else None)


def edit(place: tuple[int, int, int] | None = (0, 1, 0), **more: Any) -> EditedRow:
    return EditedRow(line=2, place=place, **more)


def test_an_edited_cell_is_a_change_and_an_emptied_one_is_null() -> None:
    found = taken(edit(cells={"a": "2", "b": "", "c": "z"}), {"a": "1", "b": "y", "c": "z"})
    assert [(c.column, c.old, c.new) for c in found.changes] == [("a", "1", "2"), ("b", "y", None)]


def test_the_apostrophe_of_an_export_is_no_change_and_is_taken_off_a_change() -> None:
    assert taken(edit(cells={"a": "'-5"}), {"a": "-5"}).changes == []
    assert taken(edit(cells={"a": "'-6"}), {"a": "-5"}).changes == [
        Change(place=(0, 1, 0), column="a", old="-5", new="-6")
    ]


ALTERED = [
    ("0012", "12", "leading zeros lost"),
    ("1.10", "1.1", "number rewritten"),
    ("12E3", "12000", "number rewritten"),
    ("4006381333931123", "4.00638E+15", "made a number in scientific notation"),
    ("1234567890123456789", "1234567890123450000", "digits lost"),
    ("2024-01-02", "02.01.2024", "date rewritten"),
    ("2024-01-02", "45293", "date rewritten"),
    ("MAR1", "01-Mar", "date rewritten"),
    ("3-4", "04-Mar", "date rewritten"),
    ("true", "TRUE", "boolean rewritten"),
    ("Müller", "MÃ¼ller", "letters garbled"),
    ("Łódź", "?ód?", "letters garbled"),
    ("a ", "a", "spaces lost"),
    ("=x", "#NAME?", "an error of a formula"),
]


@pytest.mark.parametrize(("was", "now", "words"), ALTERED)
def test_what_a_spreadsheet_does_by_itself_is_known(was: str, now: str, words: str) -> None:
    assert habit(was, now) == words
    found = taken(edit(cells={"a": now}, was={"a": now}), {"a": was})
    assert found.changes == []
    assert [(f.column, f.message, f.was, f.now) for f in found.altered] == [("a", words, was, now)]


@pytest.mark.parametrize(
    ("was", "now"),
    [("x5", "5"), ("12", "13"), ("5", "05"), ("2023-01-02", "2024-01-02"), ("1990-02-30", "1990-02-28"),
     ("Germany", "DE"), ("12,5", "12.5"), (None, "1"), ("a", None), ("1-2", "1-3")],
)  # fmt: skip
def test_what_a_person_does_is_no_habit_of_spreadsheets(was: str | None, now: str | None) -> None:
    assert habit(was, now) is None


def test_a_cell_whose_original_beside_it_is_whole_was_changed_by_a_person() -> None:
    found = taken(edit(cells={"a": "12"}, was={"a": "0012"}), {"a": "0012"})
    assert [c.new for c in found.changes] == ["12"]


def test_altered_cells_are_taken_when_asked_for() -> None:
    known = KnownReject(state=RejectState.OPEN, staged={"a": "0012"}, then={"a": "0012"}, now={"a": "0012"}, raw="")
    found = take([edit(cells={"a": "12"})], lambda _: known, altered=True)
    assert ([c.new for c in found.changes], found.altered) == (["12"], [])


REFUSED: list[tuple[EditedRow, dict[str, Any], str]] = [
    (edit(place=None, cells={}), {}, "its key is empty, was changed, or belongs to another export"),
    (edit(place=(0, 9, 0), cells={}), {}, "there is no such reject"),
    (edit(cells={"a": "2"}), {"state": RejectState.RESOLVED}, "the reject is resolved"),
    (edit(cells={"a": "2"}), {"state": RejectState.DISCARDED}, "the reject is discarded"),
    (edit(cells={"a": "2"}), {"now": {"a": "3"}}, "the export is stale: the value was corrected to '3' since"),
    (edit(cells={"a": "2"}), {"child": True}, "it is a row of a child table"),
    (edit(cells={}, raw="other"), {}, "the raw text of a row with values can't be corrected"),
    (edit(cells={"a": "2"}, raw="other"), {"staged": None}, "both the raw text and values were changed"),
    (edit(cells={}, raw="other"), {"staged": None, "truncated": True}, "only the beginning of the raw text is kept"),
]


@pytest.mark.parametrize(("row", "known", "message"), REFUSED, ids=[message for *_, message in REFUSED])
def test_rows_that_do_not_belong_are_refused(row: EditedRow, known: dict[str, Any], message: str) -> None:
    found = taken(row, {"a": "1"}, **known)
    assert found.changes == []
    assert message in found.refused[0].message


def test_a_row_that_stands_twice_is_refused() -> None:
    known = KnownReject(state=RejectState.OPEN, staged={"a": "1"}, then={"a": "1"}, now={"a": "1"}, raw="")
    found = take([edit(cells={"a": "2"}), edit(cells={"a": "3"})], lambda _: known)
    assert "stands in line 2 too" in found.refused[0].message


def test_a_key_is_known_only_in_its_own_export() -> None:
    key = TOKEN.key(1, 22, 3)
    assert TOKEN.place(f" {key} ") == (1, 22, 3)
    assert TOKEN.place(key.replace("22", "23")) is None
    assert Token(run=TOKEN.run, edits=3).place(key) is None
    with pytest.raises(UsageError, match="doesn't name the export"):
        Token.parse("_key")


# marks


@pytest.mark.parametrize(
    ("raw", "names", "values", "writing", "shown"),
    [
        ('1,"a,b",x', ["b"], {}, Writing(header=["a", "b", "c"], delimiter=","), '1,»"a,b"«,x'),
        ("1;;3", ["b", "c"], {}, Writing(header=["a", "b", "c"], delimiter=";"), "1;»«;»3«"),
        ('{"a": {"b": "x\\"y"}, "c": 1.10}', ["a.b", "c"], {"a.b": 'x"y', "c": "1.10"}, Writing(),
         '{"a": {"b": »"x\\"y"«}, "c": »1.10«}'),
        ('{"a": 1}', ["b"], {"b": None}, Writing(), '{"a": 1}'),
    ],
)  # fmt: skip
def test_faulty_values_are_marked_in_the_raw_text(
    raw: str, names: list[str], values: dict[str, str | None], writing: Writing, shown: str
) -> None:
    mark: Callable[..., str] = marked
    assert mark(raw, faulty(raw, names, values, writing)) == shown
