"""What the destination relies on in the Sheets API, asked of the emulator, and with `--live` of the real service.

`--live` needs LOADLOCK_SHEETS_KEY (a service account's key file) and LOADLOCK_SHEETS_SPREADSHEET (the id of a spreadsheet
shared with it as editor, for tests alone). Each test makes a tab of its own there and deletes it. LOADLOCK_SHEETS_ENDPOINT stands
for another address than Google's, so that the suite itself can be tried: see test_sheets_live.py.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.destinations.gsheets import GoogleSheets
from loadlock.delivery.undo import Undoing
from loadlock.model import VerifyLevel, WriteMode
from loadlock.sheets.wire import GOOGLE
from loadlock.testing.contracts.destinations import PEOPLE, Case, deliver, job, part, person
from loadlock.testing.sheets import Quotas, Settings, SheetsEmulator, session

LOADER = "loader@tests.iam.gserviceaccount.com"
NO_QUOTAS = Quotas(reads_per_user=0, writes_per_user=0, reads_per_project=0, writes_per_project=0)
RAW, TYPED = "RAW", "USER_ENTERED"
Json = dict[str, Any]


@dataclass(kw_only=True)
class Place:
    """A spreadsheet and a tab of one test's own, on the emulator or on the real service."""

    base: str
    http: Any
    spreadsheet: str
    title: str = ""
    sheet_id: int = 0
    live: bool = False
    key: str = ""
    """The account's key file."""

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        data = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
        headers = {"Content-Type": "application/json"}
        url = f"{self.base}/v4/spreadsheets/{self.spreadsheet}{path}"
        for wait in itertools.chain((5, 15, 30, 60), [None]):
            answer = self.http.request(method, url, data=data, params=query, headers=headers, timeout=200)
            if answer.status_code != 429 or wait is None or not self.live:
                break
            time.sleep(wait)
        return answer

    def ok(self, method: str, path: str, body: Any = None, **query: Any) -> Json:
        answer = self.call(method, path, body, **query)
        assert answer.status_code == 200, answer.text
        result: Json = answer.json()
        return result

    def refused(self, method: str, path: str, body: Any = None, **query: Any) -> str:
        """The message of a 400."""
        answer = self.call(method, path, body, **query)
        assert answer.status_code == 400, answer.text
        return str(answer.json()["error"]["message"])

    def range(self, cells: str) -> str:
        return "'" + self.title.replace("'", "''") + "'!" + cells

    def values_path(self, cells: str, verb: str = "") -> str:
        return "/values/" + quote(self.range(cells), safe="") + verb

    def write(self, cells: str, rows: list[list[Any]], option: str = RAW) -> Json:
        return self.ok("PUT", self.values_path(cells), {"values": rows}, valueInputOption=option)

    def read(self, cells: str, option: str = "UNFORMATTED_VALUE", **query: Any) -> list[list[Any]]:
        found = self.ok("GET", self.values_path(cells), valueRenderOption=option, **query)
        rows: list[list[Any]] = found.get("values", [])
        return rows

    def batch(self, *requests: Json) -> list[Json]:
        replies: list[Json] = self.ok("POST", ":batchUpdate", {"requests": list(requests)})["replies"]
        return replies

    def batch_refused(self, *requests: Json) -> str:
        return self.refused("POST", ":batchUpdate", {"requests": list(requests)})

    def grid(self, row: int, end_row: int, column: int, end_column: int, sheet_id: int | None = None) -> Json:
        return {
            "sheetId": self.sheet_id if sheet_id is None else sheet_id,
            "startRowIndex": row,
            "endRowIndex": end_row,
            "startColumnIndex": column,
            "endColumnIndex": end_column,
        }

    def sheets(self, fields: str = "sheets") -> list[Json]:
        found: list[Json] = self.ok("GET", "", fields=fields)["sheets"]
        return found

    def own(self, fields: str) -> Json:
        """This test's tab, with the fields asked for."""
        mask = f"sheets(properties(sheetId),{fields})"
        return next(sheet for sheet in self.sheets(mask) if sheet["properties"]["sheetId"] == self.sheet_id)


@pytest.fixture(scope="module")
def emulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with SheetsEmulator(settings=Settings(quotas=NO_QUOTAS)) as emulator:
        sheet = emulator.add_spreadsheet(share={LOADER: "writer"})
        key = emulator.write_key(tmp_path_factory.mktemp("keys") / "key.json", LOADER)
        with session(emulator, LOADER) as http:
            yield Place(base=emulator.url, http=http, spreadsheet=sheet, key=str(key))


@pytest.fixture(scope="module")
def real(request: pytest.FixtureRequest) -> Iterator[Place | None]:
    if not request.config.getoption("--live"):
        yield None
        return
    from google.auth.transport.requests import AuthorizedSession
    from google.oauth2 import service_account

    key, sheet = os.environ.get("LOADLOCK_SHEETS_KEY"), os.environ.get("LOADLOCK_SHEETS_SPREADSHEET")
    if not (key and sheet and Path(key).exists()):
        pytest.fail("--live needs LOADLOCK_SHEETS_KEY and LOADLOCK_SHEETS_SPREADSHEET")
    scopes = ["https://www.googleapis.com/auth/spreadsheets"]
    make: Any = service_account.Credentials.from_service_account_file
    kind: Any = AuthorizedSession
    base = os.environ.get("LOADLOCK_SHEETS_ENDPOINT") or GOOGLE
    with kind(make(key, scopes=scopes)) as http:
        yield Place(base=base, http=http, spreadsheet=sheet, live=True, key=key)


_numbers = itertools.count(1)


@pytest.fixture
def place(real: Place | None, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A tab of 20 rows and 8 columns."""
    whole = real or request.getfixturevalue("emulated")
    title = f"it's test {next(_numbers)} {time.time_ns()}"
    before = {sheet["properties"]["sheetId"] for sheet in whole.sheets("sheets.properties.sheetId")}
    properties = {"title": title, "gridProperties": {"rowCount": 20, "columnCount": 8}}
    made = whole.batch({"addSheet": {"properties": properties}})[0]["addSheet"]["properties"]
    yield Place(
        base=whole.base,
        http=whole.http,
        spreadsheet=whole.spreadsheet,
        title=title,
        sheet_id=made["sheetId"],
        live=whole.live,
        key=whole.key,
    )
    after = {sheet["properties"]["sheetId"] for sheet in whole.sheets("sheets.properties.sheetId")}
    whole.batch(*({"deleteSheet": {"sheetId": sheet_id}} for sheet_id in after - before))


def other_tab(place: Place, **properties: Any) -> int:
    title = f"other {time.time_ns()}"
    reply = place.batch({"addSheet": {"properties": {"title": title, **properties}}})[0]
    return int(reply["addSheet"]["properties"]["sheetId"])


def own_metadata(place: Place, number: int, key: str = "loadlock-test") -> Json:
    location = {"sheetId": place.sheet_id}
    item = {"metadataId": number, "metadataKey": key, "visibility": "DOCUMENT", "location": location}
    return {"createDeveloperMetadata": {"developerMetadata": item}}


def by_id(number: int) -> Json:
    return {"developerMetadataLookup": {"metadataId": number}}


def fresh_number() -> int:
    return time.time_ns() % 2_000_000_000 + 1


# values


def test_raw_keeps_every_value_as_it_is(place: Place) -> None:
    row = ["007", "=1+2", "+49", "-1", "@x", "1-2", "'0123", "TRUE"]
    place.write("A1", [row, [1, -2.5, True, 1e300, 2**53, "a\nb", " x ", "ü🙂"]])
    assert place.read("A1:H2") == [row, [1, -2.5, True, 1e300, 2**53, "a\nb", " x ", "ü🙂"]]


def test_null_keeps_a_cell_and_empty_text_clears_it(place: Place) -> None:
    place.write("A1", [["a", "b", "c"]])
    place.write("A1", [[None, "", "z"]])
    assert place.read("A1:C1") == [["a", "", "z"]]


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("007", 7),
        ("=1+2", 3),
        ("'0123", "0123"),
        ("7e30", 7e30),
        ("$100.15", 100.15),
        ("true", True),
        ("abc 1", "abc 1"),
    ],
)
def test_user_entered_reads_text_as_if_typed(place: Place, typed: str, stored: Any) -> None:
    place.write("A1", [[typed]], TYPED)
    assert place.read("A1") == [[stored]]


def test_user_entered_makes_dates_of_what_looks_like_one(place: Place) -> None:
    place.write("A1", [["1/2/2024", "2024-01-02"]], TYPED)
    assert place.read("A1:B1") == [[45293, 45293]]
    assert place.read("A1:B1", "FORMATTED_VALUE") == [["1/2/2024", "2024-01-02"]]


def test_a_formula_shows_its_text_or_its_value(place: Place) -> None:
    place.write("A1", [[2, 3, "=SUM(A1:B1)*2"]], TYPED)
    assert place.read("C1", "FORMULA") == [["=SUM(A1:B1)*2"]]
    assert place.read("C1") == [[10]]


def test_reading_leaves_out_empty_cells_and_rows_at_the_end(place: Place) -> None:
    place.write("A1", [["a", "", "c", ""], [""], ["x"]])
    assert place.read("A1:H20") == [["a", "", "c"], [], ["x"]]
    assert place.ok("GET", place.values_path("F1:H20")).get("values") is None


def test_reading_by_columns(place: Place) -> None:
    place.write("A1", [[1, 2], [3]])
    assert place.read("A1:B2", majorDimension="COLUMNS") == [[1, 3], [2]]


def test_writing_a_fixed_range_twice_changes_nothing_more(place: Place) -> None:
    for _ in range(2):
        place.write("A2:B3", [["a", 1], ["b", 2]])
    assert place.read("A1:H20") == [[], ["a", 1], ["b", 2]]


def test_appending_twice_doubles_the_row(place: Place) -> None:
    place.write("A1", [["id"]])
    for _ in range(2):
        place.ok("POST", place.values_path("A1", ":append"), {"values": [["x"]]}, valueInputOption=RAW)
    assert place.read("A1:A20") == [["id"], ["x"], ["x"]]


def test_writing_below_the_grid_is_refused_and_the_grid_stays(place: Place) -> None:
    message = place.refused("PUT", place.values_path("A20:A21"), {"values": [["a"], ["b"]]}, valueInputOption=RAW)
    assert "exceeds grid limits" in message
    assert place.own("properties.gridProperties")["properties"]["gridProperties"]["rowCount"] == 20


def test_reading_below_the_grid_is_refused(place: Place) -> None:
    assert "exceeds grid limits. Max rows: 20, max columns: 8" in place.refused("GET", place.values_path("A21:A22"))


def test_more_rows_than_the_range_has_are_refused(place: Place) -> None:
    message = place.refused("PUT", place.values_path("A1:A2"), {"values": [[1], [2], [3]]}, valueInputOption=RAW)
    assert "but tried writing to row [3]" in message


def test_a_cell_holds_50000_characters_and_no_more(place: Place) -> None:
    place.write("A1", [["x" * 50_000]])
    body = {"values": [["x" * 50_001]]}
    message = place.refused("PUT", place.values_path("A1"), body, valueInputOption=RAW)
    assert "Your input contains more than the maximum of 50000 characters in a single cell." in message


def test_several_ranges_are_written_together_or_not_at_all(place: Place) -> None:
    def data(cells: str) -> Json:
        return {
            "valueInputOption": RAW,
            "data": [
                {"range": place.range("A1"), "values": [["new"]]},
                {"range": place.range(cells), "values": [["new"]]},
            ],
        }

    place.refused("POST", "/values:batchUpdate", data("A99"))
    assert place.read("A1") == []
    assert place.ok("POST", "/values:batchUpdate", data("C3"))["totalUpdatedCells"] == 2
    assert place.read("A1:C3") == [["new"], [], ["", "", "new"]]


def test_not_a_number_is_no_json(place: Place) -> None:
    body = b'{"values": [[NaN]]}'
    assert "Unexpected token" in place.refused("PUT", place.values_path("A1"), body, valueInputOption=RAW)


def test_a_payload_above_ten_mebibytes_is_refused(place: Place) -> None:
    body = b'{"values": [["' + b"x" * 10_485_760 + b'"]]}'
    message = place.refused("PUT", place.values_path("A1"), body, valueInputOption=RAW)
    assert message == "Request payload size exceeds the limit: 10485760 bytes."


# batches


def test_a_batch_is_applied_whole_or_not_at_all(place: Place) -> None:
    cell = {"rows": [{"values": [{"userEnteredValue": {"stringValue": "x"}}]}], "fields": "userEnteredValue"}
    write = {"updateCells": {**cell, "start": {"sheetId": place.sheet_id, "rowIndex": 0, "columnIndex": 0}}}
    message = place.batch_refused(write, {"deleteSheet": {"sheetId": 1_999_999_999}})
    assert message == "Invalid requests[1].deleteSheet: No grid with id: 1999999999"
    assert place.read("A1") == []


def test_an_empty_batch_is_refused(place: Place) -> None:
    assert place.batch_refused() == "Must specify at least one request."


def test_an_unknown_field_is_refused_with_its_place(place: Place) -> None:
    message = place.batch_refused({"addSheets": {}})
    assert message.startswith(
        "Invalid JSON payload received. Unknown name \"addSheets\" at 'requests[0]': Cannot find field."
    )


def test_what_is_written_needs_a_field_mask(place: Place) -> None:
    request = {"updateSheetProperties": {"properties": {"sheetId": place.sheet_id, "hidden": True}}}
    assert "At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)" in place.batch_refused(
        request
    )


def test_typed_cells_are_never_parsed(place: Place) -> None:
    values = [{"stringValue": "=1+2"}, {"stringValue": "007"}, {"numberValue": 1.5}, {"boolValue": True}]
    start = {"sheetId": place.sheet_id, "rowIndex": 0, "columnIndex": 0}
    rows = [{"values": [{"userEnteredValue": value} for value in values]}]
    place.batch({"updateCells": {"start": start, "rows": rows, "fields": "userEnteredValue"}})
    assert place.read("A1:D1") == [["=1+2", "007", 1.5, True]]


def test_a_range_given_to_update_cells_is_cleared_where_rows_end(place: Place) -> None:
    place.write("A1", [["a", "b"], ["c", "d"]])
    rows = [{"values": [{"userEnteredValue": {"stringValue": "z"}}]}]
    place.batch({"updateCells": {"range": place.grid(0, 2, 0, 2), "rows": rows, "fields": "userEnteredValue"}})
    assert place.read("A1:B2") == [["z"]]


def test_a_serial_number_with_a_date_format_is_a_date(place: Place) -> None:
    place.write("A1", [[45293], [45293.5]])
    number_format = {"type": "DATE", "pattern": "yyyy-mm-dd"}
    cell = {"userEnteredFormat": {"numberFormat": number_format}}
    place.batch(
        {"repeatCell": {"range": place.grid(0, 2, 0, 1), "cell": cell, "fields": "userEnteredFormat.numberFormat"}}
    )
    assert place.read("A1:A2", "FORMATTED_VALUE") == [["2024-01-02"], ["2024-01-02"]]
    assert place.read("A1:A2") == [[45293], [45293.5]]
    assert place.read("A1", dateTimeRenderOption="FORMATTED_STRING") == [["2024-01-02"]]


def test_cells_are_shown_with_value_and_format(place: Place) -> None:
    place.write("A1", [["x", 1.5]])
    data = place.ok(
        "GET", "", ranges=place.range("A1:B1"), fields="sheets.data.rowData.values(userEnteredValue,formattedValue)"
    )
    assert data["sheets"][0]["data"][0]["rowData"][0]["values"] == [
        {"userEnteredValue": {"stringValue": "x"}, "formattedValue": "x"},
        {"userEnteredValue": {"numberValue": 1.5}, "formattedValue": "1.5"},
    ]


# copying


def paste(place: Place, source: Json, destination: Json, kind: str = "PASTE_VALUES") -> Json:
    return {"copyPaste": {"source": source, "destination": destination, "pasteType": kind}}


def test_pasted_values_stay_what_they_are(place: Place) -> None:
    stage = other_tab(place, hidden=True, gridProperties={"rowCount": 2, "columnCount": 4})
    row = [{"stringValue": "=1+2"}, {"stringValue": "007"}, {"numberValue": 7}, {"boolValue": False}]
    start = {"sheetId": stage, "rowIndex": 0, "columnIndex": 0}
    rows = [{"values": [{"userEnteredValue": value} for value in row]}]
    place.write("A2:D3", [["old"] * 4, ["old", "", "", "old"]])
    place.batch(
        {"updateCells": {"start": start, "rows": rows, "fields": "userEnteredValue"}},
        paste(place, place.grid(0, 2, 0, 4, stage), place.grid(1, 3, 0, 4)),
        {"deleteSheet": {"sheetId": stage}},
    )
    assert place.read("A1:D20") == [[], ["=1+2", "007", 7, False]]


def test_pasting_values_makes_values_of_formulas_and_brings_no_format(place: Place) -> None:
    place.write("A1", [[1, "=A1+1", "12%"]], TYPED)
    place.batch(paste(place, place.grid(0, 1, 0, 3), place.grid(4, 5, 0, 3)))
    assert place.read("A5:C5", "FORMULA") == [[1, 2, 0.12]]
    assert place.read("C5", "FORMATTED_VALUE") == [["0.12"]]


def test_a_normal_paste_moves_relative_references_along(place: Place) -> None:
    place.write("A1", [[1, "=A1+$A$1"]], TYPED)
    place.batch(paste(place, place.grid(0, 1, 1, 2), place.grid(1, 2, 1, 2), "PASTE_NORMAL"))
    assert place.read("B2", "FORMULA") == [["=A2+$A$1"]]


def test_a_paste_skips_rows_that_a_filter_hides(place: Place) -> None:
    place.write("A1", [["h"], ["keep"], ["hide"], ["keep"]])
    place.write("C1", [["n"], [1], [2], [3]])
    criteria = {"filterSpecs": [{"columnIndex": 0, "filterCriteria": {"hiddenValues": ["hide"]}}]}
    place.batch({"setBasicFilter": {"filter": {"range": place.grid(0, 4, 0, 1), **criteria}}})
    place.batch(paste(place, place.grid(1, 4, 2, 3), place.grid(1, 4, 3, 4)))
    assert place.read("D2:D4") == [[1], [], [3]]


def test_clearing_the_filter_in_the_same_batch_makes_the_paste_whole(place: Place) -> None:
    place.write("A1", [["h"], ["keep"], ["hide"], ["keep"]])
    given = {
        "range": place.grid(0, 4, 0, 1),
        "filterSpecs": [{"columnIndex": 0, "filterCriteria": {"hiddenValues": ["hide"]}}],
    }
    place.batch({"setBasicFilter": {"filter": given}})
    place.batch(
        {"clearBasicFilter": {"sheetId": place.sheet_id}},
        paste(place, place.grid(1, 4, 0, 1), place.grid(1, 4, 3, 4)),
        {"setBasicFilter": {"filter": given}},
    )
    assert place.read("D2:D4") == [["keep"], ["hide"], ["keep"]]
    assert place.own("basicFilter.range")["basicFilter"]["range"]["endRowIndex"] == 4


# tabs


def test_a_tab_keeps_the_id_that_was_asked_for(place: Place) -> None:
    number = fresh_number()
    assert other_tab(place, sheetId=number, hidden=True) == number
    found = [sheet["properties"] for sheet in place.sheets("sheets.properties")]
    assert next(one for one in found if one["sheetId"] == number)["hidden"] is True


def test_an_id_or_title_in_use_makes_the_batch_fail(place: Place) -> None:
    assert place.batch_refused({"addSheet": {"properties": {"sheetId": place.sheet_id, "title": "never made"}}})
    message = place.batch_refused({"addSheet": {"properties": {"title": place.title}}})
    expected = f'A sheet with the name "{place.title}" already exists. Please enter another name.'
    assert message == f"Invalid requests[0].addSheet: {expected}"


def test_formulas_follow_a_renamed_tab_and_lose_a_deleted_one(place: Place) -> None:
    other = other_tab(place)
    title = next(
        s["properties"]["title"] for s in place.sheets("sheets.properties") if s["properties"]["sheetId"] == other
    )
    place.write("A1", [[f"='{title}'!B2"]], TYPED)
    renamed = f"renamed {time.time_ns()}"
    place.batch({"updateSheetProperties": {"properties": {"sheetId": other, "title": renamed}, "fields": "title"}})
    assert place.read("A1", "FORMULA") == [[f"='{renamed}'!B2"]]
    place.batch({"deleteSheet": {"sheetId": other}})
    assert place.read("A1") == [["#REF!"]]


def test_a_duplicate_gets_the_id_and_title_asked_for(place: Place) -> None:
    place.write("A1", [["x"]])
    number, title = fresh_number(), f"copy {time.time_ns()}"
    request = {"sourceSheetId": place.sheet_id, "newSheetId": number, "newSheetName": title}
    reply = place.batch({"duplicateSheet": request})[0]["duplicateSheet"]["properties"]
    assert (reply["sheetId"], reply["title"]) == (number, title)
    found = place.ok("GET", "/values/" + quote(f"'{title}'!A1", safe=""))
    assert found["values"] == [["x"]]


def test_a_named_range_keeps_its_cells_when_values_are_replaced(place: Place) -> None:
    name = f"test_{time.time_ns()}"
    place.batch({"addNamedRange": {"namedRange": {"name": name, "range": place.grid(1, 3, 0, 2)}}})
    place.write("A2:B3", [["a", 1], ["b", 2]])
    assert place.ok("GET", f"/values/{name}", valueRenderOption="UNFORMATTED_VALUE")["values"] == [["a", 1], ["b", 2]]
    place.batch(
        {"insertDimension": {"range": {"sheetId": place.sheet_id, "dimension": "ROWS", "startIndex": 0, "endIndex": 1}}}
    )
    ranges = {item["name"]: item["range"] for item in place.ok("GET", "", fields="namedRanges")["namedRanges"]}
    assert (ranges[name]["startRowIndex"], ranges[name]["endRowIndex"]) == (2, 4)


def test_rows_deleted_at_the_end_take_their_values_along(place: Place) -> None:
    place.write("A1", [[n] for n in range(20)])
    shrink = {
        "properties": {"sheetId": place.sheet_id, "gridProperties": {"rowCount": 5}},
        "fields": "gridProperties.rowCount",
    }
    grow = {
        "properties": {"sheetId": place.sheet_id, "gridProperties": {"rowCount": 20}},
        "fields": "gridProperties.rowCount",
    }
    place.batch({"updateSheetProperties": shrink})
    place.batch({"updateSheetProperties": grow})
    assert place.read("A1:A20") == [[0], [1], [2], [3], [4]]


def test_inserted_and_deleted_rows_move_what_is_below(place: Place) -> None:
    place.write("A1", [[1], [2], [3], ["=A3"]], TYPED)
    at = {"sheetId": place.sheet_id, "dimension": "ROWS"}
    place.batch({"insertDimension": {"range": {**at, "startIndex": 1, "endIndex": 3}}})
    assert place.read("A1:A6", "FORMULA") == [[1], [], [], [2], [3], ["=A5"]]
    place.batch({"deleteDimension": {"range": {**at, "startIndex": 0, "endIndex": 4}}})
    assert place.read("A1:A2", "FORMULA") == [[3], ["=A1"]]


def test_more_cells_than_a_spreadsheet_may_have_are_refused(place: Place) -> None:
    sizes = {"rowCount": 2_000_000, "columnCount": 8}
    request = {"properties": {"sheetId": place.sheet_id, "gridProperties": sizes}, "fields": "gridProperties"}
    message = place.batch_refused({"updateSheetProperties": request})
    assert "increase the number of cells in the workbook above the limit of" in message


# developer metadata


def test_a_metadata_id_in_use_makes_the_whole_batch_fail(place: Place) -> None:
    number = fresh_number()
    place.batch(own_metadata(place, number))
    title = f"never {time.time_ns()}"
    place.batch_refused({"addSheet": {"properties": {"title": title}}}, own_metadata(place, number, "other key"))
    assert title not in [sheet["properties"]["title"] for sheet in place.sheets("sheets.properties.title")]


def test_an_id_can_be_made_and_deleted_within_one_batch(place: Place) -> None:
    number = fresh_number()
    place.batch(own_metadata(place, number), {"deleteDeveloperMetadata": {"dataFilter": by_id(number)}})
    assert "matchedDeveloperMetadata" not in place.ok(
        "POST", "/developerMetadata:search", {"dataFilters": [by_id(number)]}
    )


def test_metadata_is_found_by_id_key_and_tab(place: Place) -> None:
    number, key = fresh_number(), f"key-{time.time_ns()}"
    place.batch(own_metadata(place, number, key))
    for lookup in ({"metadataId": number}, {"metadataKey": key}, {"metadataKey": key, "visibility": "DOCUMENT"}):
        body = {"dataFilters": [{"developerMetadataLookup": lookup}]}
        found = place.ok("POST", "/developerMetadata:search", body)["matchedDeveloperMetadata"]
        assert [item["developerMetadata"]["metadataId"] for item in found] == [number]
    assert place.own("developerMetadata")["developerMetadata"][0]["location"] == {
        "locationType": "SHEET",
        "sheetId": place.sheet_id,
    }


def test_metadata_goes_with_its_tab(place: Place) -> None:
    number, tab = fresh_number(), other_tab(place)
    item = {"metadataId": number, "metadataKey": "k", "visibility": "DOCUMENT", "location": {"sheetId": tab}}
    place.batch({"createDeveloperMetadata": {"developerMetadata": item}})
    place.batch({"deleteSheet": {"sheetId": tab}})
    assert "matchedDeveloperMetadata" not in place.ok(
        "POST", "/developerMetadata:search", {"dataFilters": [by_id(number)]}
    )


def test_metadata_has_room_for_30000_characters_a_tab(place: Place) -> None:
    def item(number: int, value: str) -> Json:
        request = own_metadata(place, number)
        request["createDeveloperMetadata"]["developerMetadata"]["metadataValue"] = value
        return request

    place.batch(item(fresh_number(), "x" * 29_000))
    assert place.batch_refused(item(fresh_number(), "x" * 1_000))


# deliveries


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.APPEND, WriteMode.UPSERT, WriteMode.MIRROR])
def test_a_delivery_is_published_read_back_and_taken_back(place: Place, tmp_path: Path, mode: WriteMode) -> None:
    options = {
        "credentials": place.key,
        **({} if place.base == GOOGLE else {"endpoint": place.base, "requests_per_minute": 0}),
    }
    target = Target(url=f"gsheets://{place.spreadsheet}", table=f'"{place.title}"', options=options)
    case = Case(destination=GoogleSheets(), target=target, count=lambda: None)
    place.write("A1", [["id", "name", "score"], [1, "=1+2", 0.5], [2, "007", 0.5]])
    before = place.read("A1:C20")
    work = job(case, PEOPLE, mode, f"live-{time.time_ns()}", undo=1)
    rows = [part(PEOPLE, [person(2, "+1"), person(3, "=1+2")])]
    receipt = deliver(case, work, rows)
    assert (receipt.equal, receipt.level) == (True, VerifyLevel.CONTENT)
    with Undoing(case.destination, work, tmp_path) as undoing:
        undoing.open()
        assert not undoing.look(lambda: rows)
        undoing.undo()
    assert place.read("A1:C20") == before
