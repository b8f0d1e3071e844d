"""Clients that others wrote read and write the emulator as they do the service: gspread and Google's own library."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gspread
import pytest
from googleapiclient.errors import HttpError

from loadlock.testing.sheets import Fault, Quotas, Settings, SheetsEmulator, google_service, gspread_client

LOADER = "loader@tests.iam.gserviceaccount.com"
NO_QUOTAS = Quotas(reads_per_user=0, writes_per_user=0, reads_per_project=0, writes_per_project=0)
Json = dict[str, Any]


@pytest.fixture(scope="module")
def emulator() -> Iterator[SheetsEmulator]:
    with SheetsEmulator(settings=Settings(quotas=NO_QUOTAS)) as running:
        yield running


@pytest.fixture
def sheet(emulator: SheetsEmulator) -> str:
    return emulator.add_spreadsheet(title="Sales", tabs={"Data": [["id", "name"], [1, "x"]]}, share={LOADER: "writer"})


@pytest.fixture
def book(emulator: SheetsEmulator, sheet: str) -> Iterator[Any]:
    """The spreadsheet as gspread opens it."""
    client = gspread_client(emulator, LOADER)
    yield client.open_by_key(sheet)
    client.http_client.session.close()


@pytest.fixture
def service(emulator: SheetsEmulator) -> Iterator[Any]:
    """`spreadsheets()` of google-api-python-client."""
    made = google_service(emulator, LOADER)
    yield made.spreadsheets()
    made.close()


def test_gspread_reads_a_sheet(book: Any) -> None:
    assert book.title == "Sales"
    data = book.worksheet("Data")
    assert data.get_all_records() == [{"id": 1, "name": "x"}]
    assert data.acell("B2").value == "x"
    assert data.find("x").address == "B2"
    assert (data.row_count, data.col_count, data.row_values(1), data.col_values(2)) == (
        1000,
        26,
        ["id", "name"],
        ["name", "x"],
    )


def test_gspread_writes_a_sheet(book: Any, emulator: SheetsEmulator, sheet: str) -> None:
    data = book.worksheet("Data")
    data.update([["a", 1], ["b", 2]], "A2")
    data.append_row(["c", "=1+2"], value_input_option="USER_ENTERED")
    data.batch_update([{"range": "C1", "values": [["extra"]]}])
    data.update_cell(5, 1, "d")
    assert emulator.rows(sheet, "Data") == [
        ["id", "name", "extra"],
        ["a", 1, None],
        ["b", 2, None],
        ["c", 3, None],
        ["d", None, None],
    ]
    data.batch_clear(["A5"])
    data.insert_row(["top"], 1)
    data.delete_rows(2, 3)
    assert emulator.rows(sheet, "Data") == [["top", None], ["b", 2], ["c", 3]]
    data.clear()
    assert emulator.rows(sheet, "Data") == []


def test_gspread_manages_tabs(book: Any, emulator: SheetsEmulator, sheet: str) -> None:
    made = book.add_worksheet("More", rows=5, cols=3)
    made.update_title("Renamed")
    made.resize(rows=7)
    made.freeze(rows=1)
    made.hide()
    copy = book.duplicate_sheet(made.id, new_sheet_name="Copy")
    assert [(tab.title, tab.row_count, tab.isSheetHidden) for tab in book.worksheets()] == [
        ("Copy", 7, True),
        ("Data", 1000, False),
        ("Renamed", 7, True),
    ]
    book.del_worksheet(copy)
    book.reorder_worksheets([book.worksheet("Renamed"), book.worksheet("Data")])
    assert list(emulator.tabs(sheet)) == ["Renamed", "Data"]


def test_gspread_formats_merges_protects_names_and_filters(book: Any, emulator: SheetsEmulator, sheet: str) -> None:
    data = book.worksheet("Data")
    data.format("A1:B1", {"textFormat": {"bold": True}})
    data.merge_cells("A5:B6")
    data.define_named_range("A1:B2", "everything")
    data.add_protected_range("A1:B1", description="header")
    data.set_basic_filter("A1:B2")
    data.update_note("A1", "the key")
    assert data.get_note("A1") == "the key"
    assert book.values_get("everything")["values"] == [["id", "name"], ["1", "x"]]
    assert [item["name"] for item in book.list_named_ranges()] == ["everything"]
    assert book.list_protected_ranges(data.id)[0]["description"] == "header"
    data.clear_basic_filter()
    data.unmerge_cells("A5:B6")
    data.delete_named_range(book.list_named_ranges()[0]["namedRangeId"])
    assert book.list_named_ranges() == []


def test_gspread_hears_errors(book: Any, emulator: SheetsEmulator) -> None:
    with pytest.raises(gspread.exceptions.APIError, match="exceeds grid limits"):
        book.worksheet("Data").update([["x"]], "A2000")
    emulator.fault(Fault(do="status", status=429))
    with pytest.raises(gspread.exceptions.APIError, match="429"):
        book.worksheet("Data").get("A1")
    with pytest.raises(gspread.exceptions.WorksheetNotFound):
        book.worksheet("Nowhere")


def test_googles_client_reads_and_writes_values(service: Any, sheet: str) -> None:
    values = service.values()
    body = {"values": [["a", 1, True], ["b", 2.5, None]]}
    done = values.update(spreadsheetId=sheet, range="Data!A2", valueInputOption="RAW", body=body).execute()
    assert (done["updatedRange"], done["updatedRows"], done["updatedCells"]) == ("Data!A2:C3", 2, 5)
    found = values.batchGet(
        spreadsheetId=sheet, ranges=["Data!A2:C3", "Data!A1"], valueRenderOption="UNFORMATTED_VALUE"
    ).execute()
    assert [part["values"] for part in found["valueRanges"]] == [[["a", 1, True], ["b", 2.5]], [["id"]]]
    append = values.append(
        spreadsheetId=sheet, range="Data", valueInputOption="RAW", body={"values": [["c"]]}
    ).execute()
    assert (append["tableRange"], append["updates"]["updatedRange"]) == ("Data!A1:C3", "Data!A4")
    cleared = values.clear(spreadsheetId=sheet, range="Data!A2:C4", body={}).execute()
    assert cleared["clearedRange"] == "Data!A2:C4"


def test_googles_client_sends_batches(service: Any, sheet: str) -> None:
    lookup = {"developerMetadataLookup": {"metadataKey": "k"}}
    item = {"metadataKey": "k", "metadataValue": "v", "visibility": "DOCUMENT", "location": {"spreadsheet": True}}
    requests = [
        {"addSheet": {"properties": {"title": "Stage", "hidden": True}}},
        {"createDeveloperMetadata": {"developerMetadata": item}},
        {
            "updateDeveloperMetadata": {
                "dataFilters": [lookup],
                "developerMetadata": {"metadataValue": "w"},
                "fields": "metadataValue",
            }
        },
    ]
    done = service.batchUpdate(
        spreadsheetId=sheet, body={"requests": requests, "includeSpreadsheetInResponse": True}
    ).execute()
    assert [tab["properties"]["title"] for tab in done["updatedSpreadsheet"]["sheets"]] == ["Data", "Stage"]
    assert done["replies"][2]["updateDeveloperMetadata"]["developerMetadata"][0]["metadataValue"] == "w"
    found = service.developerMetadata().search(spreadsheetId=sheet, body={"dataFilters": [lookup]}).execute()
    number = found["matchedDeveloperMetadata"][0]["developerMetadata"]["metadataId"]
    again = service.developerMetadata().get(spreadsheetId=sheet, metadataId=number).execute()
    assert again["location"] == {"locationType": "SPREADSHEET", "spreadsheet": True}


def test_googles_client_reads_cells_with_their_formats(service: Any, sheet: str) -> None:
    cell = {
        "userEnteredFormat": {"numberFormat": {"type": "DATE", "pattern": "yyyy-mm-dd"}},
        "userEnteredValue": {"numberValue": 45293},
    }
    area = {"sheetId": 0, "startRowIndex": 1, "endRowIndex": 2, "startColumnIndex": 0, "endColumnIndex": 1}
    fields = "userEnteredValue,userEnteredFormat.numberFormat"
    request = {"repeatCell": {"range": area, "cell": cell, "fields": fields}}
    service.batchUpdate(spreadsheetId=sheet, body={"requests": [request]}).execute()
    found = service.get(spreadsheetId=sheet, includeGridData=True, ranges=["Data!A1:B2"]).execute()
    rows = found["sheets"][0]["data"][0]["rowData"]
    assert rows[1]["values"][0] == {
        "userEnteredValue": {"numberValue": 45293},
        "effectiveValue": {"numberValue": 45293},
        "formattedValue": "2024-01-02",
        "userEnteredFormat": cell["userEnteredFormat"],
        "effectiveFormat": cell["userEnteredFormat"],
    }


def test_metadata_of_a_row_moves_with_it(service: Any, sheet: str) -> None:
    area = {"sheetId": 0, "dimension": "ROWS", "startIndex": 1, "endIndex": 2}
    item = {"metadataKey": "row", "visibility": "DOCUMENT", "location": {"dimensionRange": area}}
    insert = {"insertDimension": {"range": {**area, "startIndex": 0, "endIndex": 3}}}
    requests = [{"createDeveloperMetadata": {"developerMetadata": item}}, insert]
    service.batchUpdate(spreadsheetId=sheet, body={"requests": requests}).execute()
    found = service.get(spreadsheetId=sheet, ranges=["Data!A1:A9"], fields="*").execute()
    rows = found["sheets"][0]["data"][0]["rowMetadata"]
    assert [number for number, row in enumerate(rows) if "developerMetadata" in row] == [4]


def test_googles_client_hears_errors(service: Any, sheet: str) -> None:
    with pytest.raises(HttpError) as caught:
        service.batchUpdate(spreadsheetId=sheet, body={"requests": [{"deleteSheet": {"sheetId": 99}}]}).execute()
    assert (caught.value.status_code, caught.value.reason) == (
        400,
        "Invalid requests[0].deleteSheet: No grid with id: 99",
    )


def test_googles_client_sends_an_append_again_that_was_applied(
    service: Any, sheet: str, emulator: SheetsEmulator
) -> None:
    """Its transport resends whatever got no answer, which is why deliveries don't use it."""
    emulator.fault(Fault(do="close", when="after", match="spreadsheets.values.append"))
    body = {"values": [["twice"]]}
    call = service.values().append(spreadsheetId=sheet, range="Data", valueInputOption="RAW", body=body)
    call.execute(num_retries=0)
    assert emulator.rows(sheet, "Data") == [["id", "name"], [1, "x"], ["twice", None], ["twice", None]]
