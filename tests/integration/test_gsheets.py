"""Google Sheets as a destination: the contract of destinations, and what is special to spreadsheets."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations.gsheets import GoogleSheets
from loadlock.errors import DoesNotFitError, LockedError, RefusedError
from loadlock.model import Receipt, VerifyLevel, WriteMode
from loadlock.sheets import pace as _sheets_pace
from loadlock.testing.contracts.destinations import Case, DestinationContract, columns, deliver, job, part
from loadlock.testing.contracts.undo import UndoContract
from loadlock.testing.sheets import Quotas, Settings, SheetsEmulator, session

LOADER = "loader@tests.iam.gserviceaccount.com"
NO_QUOTAS = Quotas(reads_per_user=0, writes_per_user=0, reads_per_project=0, writes_per_project=0)


@pytest.fixture(scope="module")
def emulator() -> Iterator[SheetsEmulator]:
    with SheetsEmulator(settings=Settings(quotas=NO_QUOTAS)) as running:
        yield running


@pytest.fixture
def target(emulator: SheetsEmulator, tmp_path: Path) -> Target:
    """A sheet `People` that does not exist, in a spreadsheet that has another one."""
    sheet = emulator.add_spreadsheet(tabs={"Other": [["x"], [1]]}, share={LOADER: "writer"})
    key = emulator.write_key(tmp_path / "key.json", LOADER)
    options = {"credentials": str(key), "endpoint": emulator.url, "requests_per_minute": 0}
    return Target(url=f"gsheets://{sheet}/People", table="People", options=options)


def rows_of(emulator: SheetsEmulator, target: Target) -> list[list[Any]] | None:
    sheet = target.url.split("/")[2]
    return emulator.rows(sheet, "People") if "People" in emulator.tabs(sheet) else None


@pytest.fixture
def case(emulator: SheetsEmulator, target: Target) -> Case:
    def count() -> int | None:
        rows = rows_of(emulator, target)
        return None if rows is None else max(0, len(rows) - 1)

    return Case(destination=GoogleSheets(), target=target, count=count)


class TestGoogleSheets(DestinationContract):
    pass


class TestGoogleSheetsTakenBack(UndoContract):
    pass


class Sheet:
    """A spreadsheet with a sheet `People`, and deliveries into it."""

    def __init__(self, emulator: SheetsEmulator, target: Target, rows: list[list[Any]]) -> None:
        self.emulator = emulator
        self.id = target.url.split("/")[2]
        self.target = target
        emulator.edit(self.id, [{"addSheet": {"properties": {"sheetId": 77, "title": "People"}}}])
        self.edit({"updateCells": {"start": {"sheetId": 77}, "rows": _cells(rows), "fields": "userEnteredValue"}})

    def edit(self, *requests: dict[str, Any]) -> None:
        """What a person does."""
        self.emulator.edit(self.id, list(requests))

    def rows(self) -> list[list[Any]]:
        return self.emulator.rows(self.id, "People")

    def case(self, **options: Any) -> Case:
        target = replace(self.target, options={**self.target.options, **options})
        return Case(destination=GoogleSheets(), target=target, count=lambda: None)

    def deliver(
        self, given: Any, rows: list[tuple[Any, ...]], mode: WriteMode, run: str = "run1", **options: Any
    ) -> Receipt:
        case = self.case(**options)
        return deliver(case, job(case, given, mode, run), [part(given, rows)])

    def tab(self) -> Any:
        return next(tab for tab in self.emulator.service.books[self.id].tabs if tab.sheet_id == 77)


def _cells(rows: list[list[Any]]) -> list[dict[str, Any]]:
    def cell(value: Any) -> dict[str, Any]:
        if value is None:
            return {}
        return {"userEnteredValue": {"stringValue" if isinstance(value, str) else "numberValue": value}}

    return [{"values": [cell(value) for value in row]} for row in rows]


def area(row: int, end: int, column: int, end_column: int) -> dict[str, Any]:
    return {
        "sheetId": 77,
        "startRowIndex": row,
        "endRowIndex": end,
        "startColumnIndex": column,
        "endColumnIndex": end_column,
    }


TWO = columns("id:integer", "name:text")
HEADER: list[Any] = ["name", "note", "id"]


@pytest.fixture
def sheet(emulator: SheetsEmulator, target: Target) -> Sheet:
    """Columns in another order, with one of a person's between them."""
    return Sheet(emulator, target, [HEADER, ["old", None, 1]])


def test_columns_are_found_by_name_and_others_are_left_alone(sheet: Sheet) -> None:
    sheet.deliver(TWO, [(2, "007"), (3, "=1+2")], WriteMode.REPLACE)
    assert sheet.rows() == [HEADER, ["007", None, 2], ["=1+2", None, 3]]
    sheet.edit(
        {
            "updateCells": {
                "start": {"sheetId": 77, "rowIndex": 1, "columnIndex": 1},
                "rows": _cells([["mine"]]),
                "fields": "*",
            }
        }
    )
    receipt = sheet.deliver(TWO, [(4, "new")], WriteMode.APPEND, "run2")
    assert (receipt.level, receipt.equal) == (VerifyLevel.CONTENT, True)
    assert sheet.rows() == [HEADER, ["007", "mine", 2], ["=1+2", None, 3], ["new", None, 4]]


def test_a_replace_that_would_part_rows_from_a_person_s_values_is_refused(sheet: Sheet) -> None:
    sheet.edit(
        {
            "updateCells": {
                "start": {"sheetId": 77, "rowIndex": 1, "columnIndex": 1},
                "rows": _cells([["mine"]]),
                "fields": "*",
            }
        }
    )
    with pytest.raises(RefusedError, match="values in other columns"):
        sheet.deliver(TWO, [(4, "new")], WriteMode.REPLACE)
    assert sheet.rows() == [HEADER, ["old", "mine", 1]]


def test_what_points_at_the_sheet_still_does_after_a_replace(sheet: Sheet) -> None:
    other = {"sheetId": 0, "rowIndex": 4, "columnIndex": 0}
    formula = {"userEnteredValue": {"formulaValue": "=SUM(People!C2:C100)"}}
    sheet.edit(
        {"addNamedRange": {"namedRange": {"name": "ids", "range": area(1, 100, 2, 3)}}},
        {"updateCells": {"start": other, "rows": [{"values": [formula]}], "fields": "userEnteredValue"}},
        {"addChart": {"chart": {"spec": {}, "position": {"overlayPosition": {"anchorCell": {"sheetId": 77}}}}}},
        {"repeatCell": {"range": area(0, 9, 0, 1), "cell": {"note": "kept"}, "fields": "note"}},
    )
    sheet.deliver(TWO, [(n, "x") for n in range(10, 20)], WriteMode.REPLACE)
    assert sheet.emulator.rows(sheet.id, "Other!A5:A5") == [[145]]
    assert sheet.emulator.rows(sheet.id, "ids")[:2] == [[10], [11]]
    assert len(sheet.tab().charts) == 1
    assert sheet.tab().attributes.at(3, 0) == {"note": "kept"}


def test_rows_that_a_filter_hides_are_replaced_too(sheet: Sheet) -> None:
    criteria = [{"columnIndex": 0, "filterCriteria": {"hiddenValues": ["old"]}}]
    sheet.edit({"setBasicFilter": {"filter": {"range": area(0, 2, 0, 3), "filterSpecs": criteria}}})
    sheet.deliver(TWO, [(2, "a"), (3, "old"), (4, "c")], WriteMode.REPLACE)
    assert sheet.rows() == [HEADER, ["a", None, 2], ["old", None, 3], ["c", None, 4]]
    assert sheet.tab().filter["range"]["endRowIndex"] == 4


def test_dates_are_dates_and_long_numbers_are_text(emulator: SheetsEmulator, target: Target) -> None:
    given = columns("d:date", "t:timestamp", "n:integer", "m:decimal(30,2)")
    rows = [(dt.date(2024, 1, 2), dt.datetime(2024, 1, 2, 12), 2**53 + 1, Decimal("12345678901234567890.12"))]
    case = Case(destination=GoogleSheets(), target=target, count=lambda: None)
    assert deliver(case, job(case, given, WriteMode.REPLACE), [part(given, rows)]).equal
    assert (rows_of(emulator, target) or [])[1] == [45293, 45293.5, str(2**53 + 1), "12345678901234567890.12"]
    with session(emulator, LOADER) as http:
        found = http.get(f"{emulator.url}/v4/spreadsheets/{target.url.split('/')[2]}/values/People!A2:B2", timeout=5)
    assert found.json()["values"] == [["2024-01-02", "2024-01-02 12:00:00"]]
    iso = replace(target, table="Iso", options={**target.options, "dates": "iso"})
    case = replace(case, target=iso)
    assert deliver(case, job(case, given, WriteMode.REPLACE), [part(given, rows)]).equal
    assert emulator.rows(target.url.split("/")[2], "Iso!A2:A2") == [["2024-01-02"]]


def test_decimals_arrive_as_the_numbers_they_are(sheet: Sheet) -> None:
    given = columns("id:decimal(12,2)", "name:text")
    texts = [f"{cents // 100}.{cents % 100:02}" for cents in range(100_000, 112_000, 7)]
    sheet.deliver(given, [(Decimal(text), "x") for text in texts], WriteMode.REPLACE)
    assert [row[2] for row in sheet.rows()[1:]] == [float(text) for text in texts]


def test_nulls_and_empty_texts_read_back_as_sent_where_a_column_has_one_kind(sheet: Sheet) -> None:
    for run, values in enumerate([("a", None), ("a", ""), ("", None)]):
        rows = [(n, value) for n, value in enumerate(values)]
        assert sheet.deliver(TWO, rows, WriteMode.REPLACE, f"run{run}").equal
        case = sheet.case()
        again = Delivery(case.destination, job(case, TWO, WriteMode.REPLACE, f"run{run}"))
        with again:
            again.open()
            receipt = again.verify()
        level = VerifyLevel.COUNT if run == 2 else VerifyLevel.CONTENT
        assert (receipt.level, receipt.equal) == (level, True), values


def test_a_cell_that_a_person_changed_is_seen_by_a_later_verify(sheet: Sheet) -> None:
    sheet.deliver(TWO, [(1, "a"), (2, "b")], WriteMode.REPLACE)
    sheet.edit({"updateCells": {"start": {"sheetId": 77, "rowIndex": 2}, "rows": _cells([["B"]]), "fields": "*"}})
    case = sheet.case()
    with Delivery(case.destination, job(case, TWO, WriteMode.REPLACE)) as again:
        again.open()
        assert again.verify().equal is False


def test_rows_that_people_added_are_appended_behind(sheet: Sheet) -> None:
    sheet.deliver(TWO, [(2, "a")], WriteMode.APPEND)
    sheet.edit(
        {"updateCells": {"start": {"sheetId": 77, "rowIndex": 3}, "rows": _cells([["theirs", None, 9]]), "fields": "*"}}
    )
    sheet.deliver(TWO, [(3, "b")], WriteMode.APPEND, "run2")
    assert [row[0] for row in sheet.rows()[1:]] == ["old", "a", "theirs", "b"]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"addProtectedRange": {"protectedRange": {"range": {"sheetId": 77}}}}, "is protected"),
        ({"mergeCells": {"range": area(4, 6, 0, 1)}}, "A5:A6 is merged"),
    ],
)
def test_what_is_in_the_way_is_named_before_anything_is_written(
    sheet: Sheet, request_: dict[str, Any], said: str
) -> None:
    sheet.edit(request_)
    before = len(sheet.emulator.log)
    with pytest.raises(RefusedError, match=said):
        sheet.deliver(TWO, [(2, "a")], WriteMode.REPLACE)
    assert {entry.method for entry in sheet.emulator.log[before:]} <= {
        "token",
        "spreadsheets.get",
        "spreadsheets.values.get",
        "spreadsheets.values.batchGet",
    }


def test_too_many_cells_are_refused_with_the_arithmetic(sheet: Sheet) -> None:
    with pytest.raises(DoesNotFitError, match=r"52,006 cells are needed, 52,005 fit .* its staging copy 6"):
        sheet.deliver(TWO, [(n, "a") for n in range(3)], WriteMode.REPLACE, max_cells=52_005)
    with pytest.raises(DoesNotFitError, match=r"6 cells would be published .* \(5\)") as caught:
        sheet.deliver(TWO, [(n, "a") for n in range(3)], WriteMode.REPLACE, max_copy_cells=5)
    assert "raise max_copy_cells" in (caught.value.hint or "")
    assert list(sheet.emulator.tabs(sheet.id)) == ["Other", "People"]


def test_a_sheet_that_is_not_shared_names_the_account(sheet: Sheet) -> None:
    sheet.emulator.share(sheet.id, LOADER, "reader")
    with pytest.raises(RefusedError) as caught:
        sheet.deliver(TWO, [(2, "a")], WriteMode.REPLACE)
    assert f"Share it with {LOADER} as an editor." in (caught.value.hint or "")


def test_errors_hold_no_secret(sheet: Sheet, tmp_path: Path) -> None:
    key = json.loads(Path(sheet.target.options["credentials"]).read_text())
    broken = tmp_path / "broken.json"
    broken.write_text(json.dumps({**key, "private_key": key["private_key"][:200]}))
    with pytest.raises(RefusedError) as caught:
        sheet.deliver(TWO, [(2, "a")], WriteMode.REPLACE, credentials=str(broken))
    assert key["private_key"][40:80] not in str(caught.value)
    with pytest.raises(RefusedError, match="can't read the credentials"):
        sheet.deliver(TWO, [(2, "a")], WriteMode.REPLACE, credentials=str(tmp_path / "none.json"))


def test_chunks_are_cut_by_measured_bytes(sheet: Sheet) -> None:
    rows = [(n, f'{"ü" * (n % 50)} "{n}"') for n in range(2_000)]
    before = len(sheet.emulator.log)
    sheet.deliver(TWO, rows, WriteMode.REPLACE, chunk_bytes=10_000)
    writes = [entry for entry in sheet.emulator.log[before:] if entry.method == "spreadsheets.values.update"]
    assert max(entry.request_bytes for entry in writes) <= 10_000
    assert len(writes) <= 1.1 * sum(entry.request_bytes for entry in writes) / 10_000 + 1


def test_a_payload_that_is_refused_is_halved(sheet: Sheet) -> None:
    sheet.emulator.configure(limits={"payload_bytes": 20_000})
    try:
        receipt = sheet.deliver(TWO, [(n, "x" * 20) for n in range(2_000)], WriteMode.REPLACE)
    finally:
        sheet.emulator.configure(limits={"payload_bytes": 10_485_760})
    assert receipt.equal


def test_pacing_stays_below_the_quota_across_objects(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    now, slept = [1000.0], list[float]()
    monkeypatch.setattr("time.time", lambda: now[0])

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    one, other = (_sheets_pace.Pace("a@b", 3, sleep=sleep) for _ in range(2))
    for pace in (one, other, one, other, other):
        pace.take("write")
        now[0] += 1
    one.take("read")
    assert slept == [57.0]
    assert next(iter(tmp_path.iterdir())).stat().st_mode & 0o777 == 0o600


def test_hidden_sheets_that_nobody_needs_are_swept_under_the_lock(sheet: Sheet) -> None:
    given = columns("id:integer", "name:text", key=("id",))
    case = sheet.case()
    for number in (1, 2, 3):
        work = job(case, given, WriteMode.UPSERT, f"run{number}", undo=3)
        deliver(case, work, [part(given, [(1, f"{number}")])])
    for run in ("over", "waits"):
        # only one is held at a time: its rows stay for `resume`
        with Delivery(case.destination, job(case, given, WriteMode.UPSERT, run, undo=3)) as delivery:
            delivery.open()
            delivery.load([(1, part(given, [(2, run)]))], lambda _: None)
            assert len(_hidden(sheet)) == 4
            with pytest.raises(LockedError, match=run):
                _sweep(case, keep=1, ended=["over:People"], dry_run=False)
    assert _sweep(case, keep=3, ended=["over:People"], dry_run=False) == []
    shown = _sweep(case, keep=1, ended=["waits:People"], dry_run=True)
    assert len(shown) == 3
    assert _sweep(case, keep=1, ended=["waits:People"], dry_run=False) == shown
    left = _hidden(sheet)
    assert len(left) == 1
    assert _sweep(case, keep=0, ended=[], dry_run=False) == [f"hidden sheet {left[0]}"]
    with Delivery(case.destination, job(case, given, WriteMode.UPSERT, "next")) as delivery:
        delivery.open()  # the lock was given back
        delivery.abandon()


def _hidden(sheet: Sheet) -> list[str]:
    """Hidden sheets, without the one that the next delivery needs."""
    return [tab for tab in sheet.emulator.tabs(sheet.id) if tab.startswith("__loadlock") and "_rows_" not in tab]


def _sweep(case: Case, **how: Any) -> list[str]:
    session = case.destination.session(job(case, (), WriteMode.UPSERT, "gc", create=False))
    try:
        return session.sweep(**how)
    finally:
        session.close()
