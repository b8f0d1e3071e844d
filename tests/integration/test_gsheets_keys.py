"""Upsert and mirror into a Google sheet: rows meet by their keys, and what people have in the sheet stays theirs."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from loadlock.delivery.base import Job, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations import _sheets_arrange, _sheets_turn
from loadlock.delivery.destinations.gsheets import GoogleSheets
from loadlock.errors import RefusedError, StoppedError
from loadlock.model import Receipt, VerifyLevel, WriteMode
from loadlock.testing.contracts.destinations import Case, columns, deliver, job, part
from loadlock.testing.sheets import Quotas, Settings, SheetsEmulator

LOADER = "loader@tests.iam.gserviceaccount.com"
NO_QUOTAS = Quotas(reads_per_user=0, writes_per_user=0, reads_per_project=0, writes_per_project=0)
GIVEN = columns("id:integer", "name:text", "on:date", key=("id",))
HEADER: list[Any] = ["name", "note", "id", "on"]
"""The sheet's columns: another order than ours, one is a person's."""


@pytest.fixture(scope="module")
def emulator() -> Iterator[SheetsEmulator]:
    with SheetsEmulator(settings=Settings(quotas=NO_QUOTAS)) as running:
        yield running


class Sheet:
    def __init__(self, emulator: SheetsEmulator, folder: Path, rows: Sequence[Sequence[Any]]) -> None:
        self.emulator = emulator
        self.id = emulator.add_spreadsheet(tabs={"People": rows, "Other": [["x"]]}, share={LOADER: "writer"})
        key = emulator.write_key(folder / "key.json", LOADER)
        self.options: dict[str, Any] = {"credentials": str(key), "endpoint": emulator.url, "requests_per_minute": 0}

    def case(self, **options: Any) -> Case:
        target = Target(url=f"gsheets://{self.id}/People", table="People", options={**self.options, **options})
        return Case(destination=GoogleSheets(), target=target, count=lambda: None)

    def job(self, mode: WriteMode, run: str, given: Any = GIVEN, **more: Any) -> Job:
        options = more.pop("options", {})
        return job(self.case(**options), given, mode, run, **more)

    def deliver(self, mode: WriteMode, rows: Sequence[tuple[Any, ...]], run: str = "run1", **more: Any) -> Receipt:
        work = self.job(mode, run, **more)
        return deliver(self.case(), work, [part(work.columns, rows)])

    def rows(self) -> list[list[Any]]:
        return self.emulator.rows(self.id, "People")

    def write(self, at: str, *rows: Sequence[Any]) -> None:
        """What a person types."""
        self.emulator.write(self.id, f"People!{at}", rows)

    @property
    def writes(self) -> int:
        return sum(entry.method.endswith(("pdate", "append")) for entry in self.emulator.log)


@pytest.fixture
def make(emulator: SheetsEmulator, tmp_path: Path) -> Callable[..., Sheet]:
    return lambda *rows: Sheet(emulator, tmp_path, rows or [HEADER])


@pytest.fixture
def sheet(make: Callable[..., Sheet]) -> Sheet:
    return make(HEADER, ["a", "mine", 1, 45000], ["b", None, 2, None], ["c", "=C4*2", 3, 45001])


def test_an_upsert_changes_rows_where_they_are_and_adds_new_ones_below(sheet: Sheet) -> None:
    receipt = sheet.deliver(WriteMode.UPSERT, [(4, "d", None), (3, "C", None), (2, "b", None)])
    assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.level) == (1, 1, 1, VerifyLevel.CONTENT)
    assert sheet.rows() == [
        HEADER,
        ["a", "mine", 1, 45000],
        ["b", None, 2, None],
        ["C", "=C4*2", 3, None],
        ["d", None, 4, None],
    ]


def test_keys_meet_by_their_value_not_by_how_a_person_typed_them(make: Callable[..., Sheet]) -> None:
    sheet = make(["id", "name", "on"], ["1", "a", None], [2.0, "b", None])
    receipt = sheet.deliver(WriteMode.UPSERT, [(1, "A", None), (2, "b", None)])
    assert (receipt.inserted, receipt.updated, receipt.unchanged) == (0, 1, 1)
    assert sheet.rows() == [["id", "name", "on"], [1, "A", None], [2, "b", None]]


def test_a_key_that_stands_twice_in_the_sheet_is_refused_before_anything_is_written(sheet: Sheet) -> None:
    sheet.write("A5", ["again", None, 2])
    before = sheet.writes
    with pytest.raises(RefusedError, match=r"1 keys \(id\) stand more than once in the sheet: rows 3, 5"):
        sheet.deliver(WriteMode.UPSERT, [(2, "x", None)])
    assert sheet.writes == before


def test_rows_without_a_key_are_left_alone(make: Callable[..., Sheet]) -> None:
    sheet = make(HEADER, ["a", None, 1], [None, "a heading"], ["no key", None, None], ["b", None, 2])
    sheet.deliver(WriteMode.UPSERT, [(2, "B", None), (3, "c", None)])
    assert [row[0] for row in sheet.rows()] == ["name", "a", None, "no key", "B", "c"]
    with pytest.raises(RefusedError, match=r"1 rows have values and no key \(rows 4\)"):
        sheet.deliver(WriteMode.MIRROR, [(2, "B", None)], "run2", options={"foreign": "keep_in_place"})


@pytest.mark.parametrize("people", [False, True])
def test_scattered_changes_are_brought_into_order_and_pasted_at_once(
    make: Callable[..., Sheet], monkeypatch: pytest.MonkeyPatch, people: bool
) -> None:
    for module in (_sheets_turn, _sheets_arrange):
        monkeypatch.setattr(module, "MOST_PASTES", 5)
    note = [f"note {n}" for n in range(60)] if people else [None] * 60
    sheet = make(HEADER, *[["old", note[n], n, 45000] for n in range(60)])
    sheet.write("A31", ["=1+2"])
    changed = random.Random(1).sample([n for n in range(60) if n != 29], 25)
    rows = [(n, "new", None) for n in [*changed, *range(100, 110)]]
    receipt = sheet.deliver(WriteMode.UPSERT, rows)
    assert (receipt.inserted, receipt.updated, receipt.equal) == (10, 25, True)
    expected: list[list[Any]] = [
        ["new", note[n], n, None] if n in changed else ["old", note[n], n, 45000] for n in range(60)
    ]
    expected[29][0] = 3
    assert sheet.rows() == [HEADER, *expected, *[["new", None, n, None] for n in range(100, 110)]]
    assert sheet.emulator.rows(sheet.id, "People!A31:A31", formulas=True) == [["=1+2"]]
    assert [title for title in sheet.emulator.tabs(sheet.id) if "_rows_" not in title] == ["People", "Other"]


def test_a_mirror_holds_the_batch_and_nothing_else(make: Callable[..., Sheet]) -> None:
    sheet = make(HEADER, ["a", None, 1, 45000], ["b", None, 2, None], ["c", None, 3, None])
    receipt = sheet.deliver(WriteMode.MIRROR, [(4, "d", None), (2, "b", None), (3, "C", None)])
    assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.deleted) == (1, 1, 1, 1)
    assert sheet.rows() == [HEADER, ["d", None, 4, None], ["b", None, 2, None], ["C", None, 3, None]]


def test_a_mirror_beside_a_person_s_values_keeps_each_row_in_its_place(sheet: Sheet) -> None:
    with pytest.raises(
        RefusedError, match="values in other columns, which would stand beside other rows after a mirror"
    ):
        sheet.deliver(WriteMode.MIRROR, [(3, "c", None)])
    receipt = sheet.deliver(
        WriteMode.MIRROR, [(4, "d", None), (3, "C", None)], "run2", options={"foreign": "keep_in_place"}
    )
    assert (receipt.inserted, receipt.updated, receipt.deleted, receipt.equal) == (1, 1, 2, True)
    assert sheet.rows() == [
        HEADER,
        [None, "mine", None, None],
        [None, None, None, None],
        ["C", "=C4*2", 3, None],
        ["d", None, 4, None],
    ]


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.MIRROR])
def test_what_people_changed_is_not_overwritten_unasked(make: Callable[..., Sheet], mode: WriteMode) -> None:
    sheet = make(HEADER)
    sheet.deliver(mode, [(1, "a", None), (2, "b", None)])
    sheet.write("A3", ["B"])
    before = sheet.writes
    with pytest.raises(StoppedError, match="the delivered columns were changed since run run1") as caught:
        sheet.deliver(mode, [(1, "a", None), (2, "b", None), (3, "c", None)], "run2")
    assert "edits: overwrite" in (caught.value.hint or "")
    assert (sheet.writes, sheet.rows()[2][0]) == (before, "B")
    sheet.deliver(mode, [(1, "a", None), (2, "b", None)], "run3", options={"edits": "overwrite"})
    assert sheet.rows()[2][0] == "b"
    sheet.deliver(mode, [(5, "e", None)], "run4")
    assert len(sheet.rows()) == 2


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.UPSERT])
def test_what_people_changed_is_told(make: Callable[..., Sheet], mode: WriteMode) -> None:
    sheet = make(HEADER)
    sheet.deliver(mode, [(1, "a", None), (2, "b", None)])
    sheet.write("A4", ["theirs", None, 9])
    work = sheet.job(mode, "run2")
    with Delivery(sheet.case().destination, work) as delivery:
        notes = delivery.open().notes
        delivery.abandon()
    assert any("changed since run run1: 3 rows stand there now, 2 then" in note for note in notes), notes


MODES = [WriteMode.APPEND, WriteMode.INSERT_ONLY, WriteMode.UPSERT, WriteMode.DELETE_INSERT]


@pytest.mark.parametrize("mode", MODES)
def test_a_cell_that_people_changed_is_told_once(make: Callable[..., Sheet], mode: WriteMode) -> None:
    sheet = make(HEADER)
    sheet.deliver(mode, [(1, "a", None), (2, "b", None)])
    sheet.write("A3", ["B"])
    told = []
    for number in (3, 4):
        with Delivery(sheet.case().destination, sheet.job(mode, f"run{number}")) as delivery:
            told.append(sum("were changed since run" in note for note in delivery.open().notes))
            delivery.load([(1, part(GIVEN, [(number, "new", None)]))], lambda _: None)
            delivery.publish()
    assert [row[0] for row in sheet.rows()[1:]] == ["a", "B", "new", "new"]
    assert told == [1, 0]


KEYED = [WriteMode.UPSERT, WriteMode.DELETE_INSERT]


@pytest.mark.parametrize("mode", KEYED)
def test_rows_that_people_changed_or_added_are_not_written_over_unasked(
    make: Callable[..., Sheet], mode: WriteMode
) -> None:
    sheet = make(HEADER)
    sheet.deliver(mode, [(1, "a", None), (2, "b", None), (3, "c", None)])
    sheet.write("A3", ["B"])
    sheet.write("A5", ["theirs", None, 9])
    with pytest.raises(StoppedError, match=r"would overwrite 2 rows \(rows 3, 5\), nothing was published") as caught:
        sheet.deliver(mode, [(1, "A", None), (2, "b", None), (9, "i", None)], "run2")
    assert "edits: overwrite" in (caught.value.hint or "")
    assert [row[0] for row in sheet.rows()[1:]] == ["a", "B", "c", "theirs"]
    sheet.deliver(mode, [(1, "A", None), (4, "d", None)], "run3")
    assert [row[0] for row in sheet.rows()[1:]] == ["A", "B", "c", "theirs", "d"]
    with Delivery(sheet.case().destination, sheet.job(mode, "run4")) as delivery:
        assert not any("changed" in note for note in delivery.open().notes)
        delivery.abandon()
    sheet.write("A3", ["BB"])
    sheet.deliver(mode, [(2, "b", None)], "run5", options={"edits": "overwrite"})
    assert [row[0] for row in sheet.rows()[1:]] == ["A", "b", "c", "theirs", "d"]


def test_a_plan_tells_of_rows_of_people_that_would_be_written_over(make: Callable[..., Sheet]) -> None:
    sheet = make(HEADER)
    sheet.deliver(WriteMode.UPSERT, [(1, "a", None), (2, "b", None)])
    sheet.write("A3", ["B"])
    stops = []
    for rows in ([(2, "b", None)], [(1, "A", None)]):
        with Delivery(sheet.case().destination, sheet.job(WriteMode.UPSERT, "plan", trial=True)) as delivery:
            delivery.open()
            delivery.load([(1, part(GIVEN, rows))], lambda _: None)
            stops.append(delivery.foresee().stop)
    assert "would overwrite 1 rows (rows 3)" in (stops[0] or "")
    assert stops[1] is None


@pytest.mark.parametrize("spoiled", [False, True])
def test_where_it_is_not_known_whose_the_rows_are_none_is_written_over(
    make: Callable[..., Sheet], spoiled: bool
) -> None:
    sheet = make(HEADER)
    sheet.deliver(WriteMode.UPSERT if spoiled else WriteMode.APPEND, [(1, "a", None), (2, "b", None)])
    for title in sheet.emulator.tabs(sheet.id):
        if "_rows_" in title:
            sheet.emulator.write(sheet.id, f"{title}!A1", [["nonsense!"]])
    sheet.write("A3", ["B"])
    with pytest.raises(StoppedError, match=r"would overwrite 1 rows, theirs perhaps, \(rows 2\)"):
        sheet.deliver(WriteMode.UPSERT, [(1, "A", None), (5, "e", None)], "run2")
    sheet.deliver(WriteMode.UPSERT, [(5, "e", None)], "run3")


def _other_order(sheet: Sheet, rows: Sequence[Sequence[Any]]) -> None:
    """A person moves the columns: `on` before `name`."""
    sheet.write("A1", *[[row[3], row[1], row[2], row[0]] for row in rows])


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.UPSERT])
def test_columns_that_people_move_are_no_change_of_values(make: Callable[..., Sheet], mode: WriteMode) -> None:
    sheet = make(HEADER)
    rows = [(1, "a", None), (2, "", None)]
    sheet.deliver(mode, rows)
    _other_order(sheet, sheet.rows())
    with Delivery(sheet.case().destination, sheet.job(mode, "run1")) as again:
        again.open()
        assert again.verify_again(lambda: [part(GIVEN, rows)], lambda table: table).equal
    sheet.deliver(mode, [(1, "A", None), (2, "", None)], "run2")
    assert [row[3] for row in sheet.rows()] == ["name", "A", None]
    sheet.write("D2", ["B"])
    with pytest.raises(StoppedError, match="the delivered columns were changed since run run2"):
        sheet.deliver(mode, [(1, "a", None)], "run3")


def test_other_columns_than_before_are_said_not_to_be_comparable(make: Callable[..., Sheet]) -> None:
    sheet = make(["name", "id"])
    fewer = columns("id:integer", "name:text", key=("id",))
    sheet.deliver(WriteMode.REPLACE, [(1, "a"), (2, "b")], given=fewer)
    sheet.write("C1", ["on"], [45000])
    with pytest.raises(StoppedError, match="other columns are delivered than by run run1"):
        sheet.deliver(WriteMode.REPLACE, [(1, "a", None)], "run2")
    sheet.deliver(WriteMode.REPLACE, [(1, "a", None)], "run3", options={"edits": "overwrite"})
    assert sheet.rows() == [["name", "id", "on"], ["a", 1, None]]


def test_rows_that_people_add_while_an_append_is_on_its_way_stay_and_are_told(make: Callable[..., Sheet]) -> None:
    sheet = make(HEADER)
    sheet.deliver(WriteMode.APPEND, [(1, "a", None)])
    with Delivery(sheet.case().destination, sheet.job(WriteMode.APPEND, "run2")) as delivery:
        delivery.open()
        delivery.load([(1, part(GIVEN, [(2, "b", None)]))], lambda _: None)
        sheet.write("A3", ["theirs", None, 9])
        delivery.publish()
        assert delivery.verify().equal
    assert [row[0] for row in sheet.rows()[1:]] == ["a", "theirs", "b"]
    sheet.write("A2", ["A"])
    with pytest.raises(StoppedError, match="were changed since run run2"):
        sheet.deliver(WriteMode.REPLACE, [(5, "e", None)], "run3")


@pytest.mark.parametrize("mode", [*MODES, WriteMode.REPLACE, WriteMode.MIRROR])
def test_values_below_an_empty_first_row_are_not_written_over(make: Callable[..., Sheet], mode: WriteMode) -> None:
    rows = [[None], ["theirs", None, 9]]
    sheet = make(*rows)
    before = sheet.writes
    with pytest.raises(RefusedError, match="its first row is empty, and there are values below"):
        sheet.deliver(mode, [(1, "a", None)])
    assert (sheet.writes, sheet.rows()) == (before, [[None] * 3, rows[1]])


def test_rows_are_moved_and_sorted_by_people_without_harm_to_an_upsert(make: Callable[..., Sheet]) -> None:
    sheet = make(HEADER)
    sheet.deliver(WriteMode.UPSERT, [(1, "a", None), (2, "b", None)])
    sheet.write("A2", ["b", "x", 2], ["a", "y", 1])
    receipt = sheet.deliver(WriteMode.UPSERT, [(1, "A", None)], "run2")
    assert (receipt.updated, sheet.rows()[2]) == (1, ["A", "y", 1, None])


def test_a_format_that_a_person_chose_stays(make: Callable[..., Sheet]) -> None:
    sheet = make(HEADER)
    sheet.deliver(WriteMode.REPLACE, [(1, "a", 45000)])
    mine = {"numberFormat": {"type": "DATE", "pattern": "dd.mm."}}
    area = {"sheetId": 0, "startRowIndex": 1, "endRowIndex": 2, "startColumnIndex": 3, "endColumnIndex": 4}
    cell = {"cell": {"userEnteredFormat": mine}, "fields": "userEnteredFormat"}
    sheet.emulator.edit(sheet.id, [{"repeatCell": {"range": area, **cell}}])
    sheet.deliver(WriteMode.REPLACE, [(1, "a", 45001), (2, "b", 45002)], "run2")
    tab = sheet.emulator.service.books[sheet.id].tabs[0]
    patterns = [tab.attributes.at(row, 3)["userEnteredFormat"]["numberFormat"]["pattern"] for row in (1, 2)]
    assert patterns == ["dd.mm.", "yyyy-mm-dd"]


def test_a_column_that_people_move_while_rows_are_on_their_way_is_found(sheet: Sheet) -> None:
    work = sheet.job(WriteMode.UPSERT, "run1")
    with Delivery(sheet.case().destination, work) as delivery:
        delivery.open()
        delivery.load([(1, part(GIVEN, [(2, "B", None)]))], lambda _: None)
        sheet.emulator.edit(
            sheet.id,
            [{"insertDimension": {"range": {"sheetId": 0, "dimension": "COLUMNS", "startIndex": 1, "endIndex": 2}}}],
        )
        delivery.publish()
        assert delivery.verify().equal
    assert sheet.rows()[2] == ["B", None, None, 2, None]


def test_a_later_verify_finds_the_rows_by_their_keys(sheet: Sheet) -> None:
    rows = [(2, "B", None), (7, "g", None)]
    sheet.deliver(WriteMode.UPSERT, rows)
    for text, equal in (("B", True), ("changed", False)):
        sheet.write("A3", [text])
        with Delivery(sheet.case().destination, sheet.job(WriteMode.UPSERT, "run1")) as again:
            again.open()
            receipt = again.verify_again(lambda: [part(GIVEN, rows)], lambda table: table)
        assert (receipt.level, receipt.equal, receipt.read_back) == (VerifyLevel.CONTENT, equal, 2)


def test_an_insert_only_adds_unknown_keys_below_and_touches_nothing_else(sheet: Sheet) -> None:
    receipt = sheet.deliver(WriteMode.INSERT_ONLY, [(2, "other", None), (5, "e", None), (1, "x", None), (4, "d", None)])
    assert (receipt.inserted, receipt.unchanged, receipt.level, receipt.equal) == (2, 2, VerifyLevel.CONTENT, True)
    assert sheet.rows()[1:] == [
        ["a", "mine", 1, 45000], ["b", None, 2, None], ["c", "=C4*2", 3, 45001], ["e", None, 5, None], ["d", None, 4, None],
    ]  # fmt: skip


def test_an_exchange_is_refused_beside_people_s_values_and_then_keeps_them_in_place(sheet: Sheet) -> None:
    rows = [(1, "A", None), (1, "AA", None), (9, "z", None)]
    with pytest.raises(RefusedError, match="other rows after a delete_insert"):
        sheet.deliver(WriteMode.DELETE_INSERT, rows)
    work = sheet.job(WriteMode.DELETE_INSERT, "run2", options={"foreign": "keep_in_place"})
    receipt = deliver(sheet.case(foreign="keep_in_place"), work, [part(work.columns, rows)])
    assert (receipt.inserted, receipt.deleted, receipt.level, receipt.equal) == (3, 1, VerifyLevel.CONTENT, True)
    assert [row[:3] for row in sheet.rows()[1:]] == [
        ["A", "mine", 1], ["b", None, 2], ["c", "=C4*2", 3], ["AA", None, 1], ["z", None, 9],
    ]  # fmt: skip


def test_new_rows_that_lie_scattered_among_known_ones_are_brought_together(
    sheet: Sheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_sheets_turn, "MOST_PASTES", 1)
    monkeypatch.setattr(_sheets_arrange, "MOST_PASTES", 1)
    rows = [(number, f"n{number}", None) for number in (10, 1, 11, 2, 12, 3, 13)]
    receipt = sheet.deliver(WriteMode.INSERT_ONLY, rows)
    assert (receipt.inserted, receipt.unchanged, receipt.equal) == (4, 3, True)
    assert [row[2] for row in sheet.rows()[1:]] == [1, 2, 3, 10, 11, 12, 13]
