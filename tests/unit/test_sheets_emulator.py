"""The emulator as a server: tokens, permissions, quotas, limits, faults, other writers, its command."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from loadlock.errors import UsageError
from loadlock.testing.sheets import ApiError, Fault, Limits, Quotas, Settings, SheetsEmulator, session
from loadlock.testing.sheets.behaviours import BEHAVIOURS

LOADER = "loader@tests.iam.gserviceaccount.com"
Json = dict[str, Any]


@pytest.fixture
def emulator() -> Iterator[SheetsEmulator]:
    with SheetsEmulator() as running:
        yield running


class Client:
    """One spreadsheet with a tab `Data`, and a session that may write it."""

    def __init__(self, emulator: SheetsEmulator, rows: list[list[Any]] | None = None) -> None:
        self.emulator = emulator
        self.id = emulator.add_spreadsheet(tabs={"Data": rows or [["id"], [1]]}, share={LOADER: "writer"})
        self.http = session(emulator, LOADER)
        self.base = f"{emulator.url}/v4/spreadsheets/{self.id}"

    def get(self, cells: str = "Data", **query: str) -> requests.Response:
        answer: requests.Response = self.http.get(f"{self.base}/values/{cells}", params=query, timeout=5)
        return answer

    def put(self, rows: list[list[Any]], cells: str = "Data!A1", timeout: float = 5) -> requests.Response:
        url = f"{self.base}/values/{cells}?valueInputOption=RAW"
        answer: requests.Response = self.http.put(url, json={"values": rows}, timeout=timeout)
        return answer

    def batch(self, *requests_: Json) -> requests.Response:
        body = {"requests": list(requests_)}
        answer: requests.Response = self.http.post(f"{self.base}:batchUpdate", json=body, timeout=5)
        return answer

    def rows(self) -> list[list[Any]]:
        return self.emulator.rows(self.id, "Data")


@pytest.fixture
def client(emulator: SheetsEmulator) -> Iterator[Client]:
    made = Client(emulator)
    with made.http:
        yield made


def message(answer: requests.Response) -> str:
    return str(answer.json()["error"]["message"])


def reason(answer: requests.Response) -> str:
    return str(answer.json()["error"]["details"][0]["reason"])


ADD_TAB: Json = {"addSheet": {"properties": {"title": "New"}}}


# tokens and permissions


def test_a_request_without_a_token_is_refused(client: Client) -> None:
    answer = requests.get(client.base, timeout=5)
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert requests.get(client.base, headers={"Authorization": "Bearer made-up"}, timeout=5).status_code == 401


def test_a_key_of_another_account_gets_no_token(emulator: SheetsEmulator, client: Client) -> None:
    from google.auth.exceptions import RefreshError

    from loadlock.testing.sheets import credentials

    stolen = {**emulator.service_account("other@x"), "client_email": LOADER}
    with pytest.raises(RefreshError, match=r"Invalid JWT Signature"):
        credentials(stolen).refresh(_transport())
    with pytest.raises(RefreshError, match="account not found"):
        credentials({**emulator.service_account("other@x"), "client_email": "nobody@x"}).refresh(_transport())


def _transport() -> Any:
    from google.auth.transport.requests import Request

    kind: Any = Request
    return kind(requests.Session())


def test_a_token_of_a_narrow_scope_may_not_write(emulator: SheetsEmulator, client: Client) -> None:
    with session(emulator, LOADER, scopes=["https://www.googleapis.com/auth/spreadsheets.readonly"]) as http:
        assert http.get(client.base, timeout=5).status_code == 200
        answer = http.post(f"{client.base}:batchUpdate", json={"requests": [ADD_TAB]}, timeout=5)
    assert (answer.status_code, reason(answer)) == (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")


def test_a_token_lives_for_an_hour_of_the_emulators_clock(emulator: SheetsEmulator, client: Client) -> None:
    token = client.get() and client.http.credentials.token
    emulator.clock.advance(3601)
    answer = requests.get(client.base, headers={"Authorization": f"Bearer {token}"}, timeout=5)
    assert (answer.status_code, reason(answer)) == (401, "ACCESS_TOKEN_EXPIRED")
    assert client.get().status_code == 200  # the session fetches a new one


def test_a_person_signs_in_with_a_refresh_token(emulator: SheetsEmulator) -> None:
    info = emulator.person("ann@example.com")
    sheet = emulator.add_spreadsheet(share={"ann@example.com": "reader"})
    form = {
        "grant_type": "refresh_token",
        **{name: info[name] for name in ("client_id", "client_secret", "refresh_token")},
    }
    token = requests.post(info["token_uri"], data=form, timeout=5).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{emulator.url}/v4/spreadsheets/{sheet}", headers=headers, timeout=5).status_code == 200
    wrong = requests.post(info["token_uri"], data={**form, "refresh_token": "no"}, timeout=5)
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_grant")


def test_only_whom_it_is_shared_with_may_read_and_write(emulator: SheetsEmulator, client: Client) -> None:
    emulator.share(client.id, LOADER, "reader")
    assert client.get().status_code == 200
    answer = client.put([["x"]])
    assert (answer.status_code, message(answer)) == (403, "The caller does not have permission")
    emulator.share(client.id, LOADER, None)
    assert client.get().status_code == 403
    assert client.http.get(f"{emulator.url}/v4/spreadsheets/none", timeout=5).status_code == 404


def test_a_service_account_owns_no_spreadsheets(emulator: SheetsEmulator, client: Client) -> None:
    url = f"{emulator.url}/v4/spreadsheets"
    assert client.http.post(url, json={"properties": {"title": "x"}}, timeout=5).status_code == 403
    emulator.configure(service_accounts_own_files=True)
    made = client.http.post(
        url, json={"properties": {"title": "x"}, "sheets": [{"properties": {"title": "T"}}]}, timeout=5
    )
    assert made.json()["sheets"][0]["properties"]["title"] == "T"


def test_a_protected_range_keeps_others_out(emulator: SheetsEmulator, client: Client) -> None:
    protection = {"range": {"sheetId": 0, "startRowIndex": 0, "endRowIndex": 1}}
    emulator.edit(client.id, [{"addProtectedRange": {"protectedRange": protection}}])
    seen = client.http.get(client.base, params={"fields": "sheets.protectedRanges"}, timeout=5).json()
    assert "requestingUserCanEdit" not in seen["sheets"][0]["protectedRanges"][0]
    answer = client.put([["x"]])
    assert (answer.status_code, "protected cell" in message(answer)) == (400, True)
    assert client.put([["x"]], "Data!A2").status_code == 200


# quotas


def test_a_minutes_quota_is_refused_with_the_real_body(emulator: SheetsEmulator, client: Client) -> None:
    emulator.configure(quotas={"writes_per_user": 3})
    assert [client.put([[n]]).status_code for n in range(3)] == [200] * 3
    answer = client.put([[9]])
    detail = answer.json()["error"]["details"][0]
    assert (answer.status_code, answer.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert (detail["reason"], detail["metadata"]["quota_limit"], detail["metadata"]["quota_limit_value"]) == (
        "RATE_LIMIT_EXCEEDED",
        "WriteRequestsPerMinutePerUser",
        "3",
    )
    assert "Retry-After" not in answer.headers
    assert client.get().status_code == 200  # reads are counted apart
    emulator.clock.advance(61)
    assert client.put([[9]]).status_code == 200
    count = emulator.count(LOADER, "write")
    assert (count.taken, count.refused, count.most_per_minute) == (4, 1, 3)


def test_a_projects_quota_is_shared_by_its_accounts(emulator: SheetsEmulator, client: Client) -> None:
    emulator.configure(quotas={"reads_per_project": 2, "retry_after_seconds": 7})
    emulator.share(client.id, "second@x", "reader")
    client.get()
    with session(emulator, "second@x") as http:
        assert http.get(client.base, timeout=5).status_code == 200
        answer = http.get(client.base, timeout=5)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
    assert answer.json()["error"]["details"][0]["metadata"]["quota_limit"] == "ReadRequestsPerMinutePerProject"


# limits


def test_cells_are_counted_by_the_grid_and_rows_before_columns(emulator: SheetsEmulator, client: Client) -> None:
    emulator.configure(limits={"cells": 26_000})
    assert "above the limit of 26000 cells" in message(client.batch(ADD_TAB))
    both = {
        "properties": {"sheetId": 0, "gridProperties": {"rowCount": 5_000, "columnCount": 2}},
        "fields": "gridProperties",
    }
    assert client.batch({"updateSheetProperties": both}).status_code == 400
    columns = {
        "properties": {"sheetId": 0, "gridProperties": {"columnCount": 2}},
        "fields": "gridProperties.columnCount",
    }
    assert client.batch({"updateSheetProperties": columns}, {"updateSheetProperties": both}).status_code == 200
    assert emulator.cells(client.id) == 10_000


def test_a_batch_takes_so_many_requests(emulator: SheetsEmulator, client: Client) -> None:
    emulator.configure(limits={"subrequests": 2})
    assert message(client.batch(*[ADD_TAB] * 3)) == "Cannot exceed 2 requests in a single batch."


def test_a_request_that_would_take_too_long_is_not_applied(emulator: SheetsEmulator, client: Client) -> None:
    emulator.configure(cells_per_second=0.01)
    answer = client.put([["a", "b"]])
    assert (answer.status_code, client.rows()) == (504, [["id"], [1]])


def test_what_the_emulator_does_not_know_is_refused_by_name(emulator: SheetsEmulator, client: Client) -> None:
    answer = client.batch({"addSlicer": {"slicer": {}}})
    assert (answer.status_code, "addSlicer" in message(answer)) == (501, True)
    answer = client.http.post(f"{client.base}:getByDataFilter", json={}, timeout=5)
    assert (answer.status_code, "spreadsheets.getByDataFilter" in message(answer)) == (501, True)
    answer = client.http.post(f"{emulator.url}/drive/v3/files", json={}, timeout=5)
    assert (answer.status_code, "/drive/v3/files" in message(answer)) == (501, True)
    cell = {"rows": [{"values": [{"pivotTable": {}}]}], "fields": "pivotTable", "start": {"sheetId": 0}}
    assert client.batch({"updateCells": cell}).status_code == 501


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"valueRenderOption": "PLAIN"}, "Invalid value at 'value_render_option'"),
        ({"colour": "red"}, 'Unknown name "colour": Cannot bind query parameter'),
        ({"fields": "valuez"}, "Cannot find matching fields for path 'valuez'"),
    ],
)
def test_the_query_is_checked(client: Client, query: dict[str, str], expected: str) -> None:
    answer = client.get(**query)
    assert (answer.status_code, expected in message(answer)) == (400, True)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"requests": [{"deleteSheet": {"sheetId": "x"}}]},
            "Invalid value at 'requests[0].delete_sheet.sheet_id' (TYPE_INT32)",
        ),
        ({"requests": [{"deleteSheet": {}, "addSheet": {}}]}, "oneof field 'kind' is already set"),
        ({"requests": {}}, "Invalid value at 'requests' (list)"),
        ([], "Root element must be a message"),
    ],
)
def test_the_body_is_checked(client: Client, body: Any, expected: str) -> None:
    answer = client.http.post(f"{client.base}:batchUpdate", json=body, timeout=5)
    assert (answer.status_code, expected in message(answer)) == (400, True), answer.text


def test_snake_case_and_numbers_as_text_are_understood(client: Client) -> None:
    grid = {"row_count": "3", "columnCount": 2}
    assert client.batch({"add_sheet": {"properties": {"title": "S", "grid_properties": grid}}}).status_code == 200
    assert client.emulator.cells(client.id) == 26_000 + 6


# faults


GONE = requests.exceptions.ConnectionError


@pytest.mark.parametrize("action", ["reset", "close"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_cut_connection_before_or_after_the_work(client: Client, action: Any, when: Any) -> None:
    client.put([["seen"]])
    fault = client.emulator.fault(Fault(do=action, when=when, match="spreadsheets.values.update"))
    with pytest.raises(GONE):
        client.put([["new"]])
    assert client.rows()[0] == (["new"] if when == "after" else ["seen"])
    entry = client.emulator.log[-1]
    assert (entry.status, entry.applied, entry.faults, fault.fired) == (0, when == "after", (f"{when}:{action}",), 1)
    assert client.put([["last"]]).status_code == 200


@pytest.mark.parametrize("status", [429, 500, 502, 503, 404])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_error_status_before_or_after_the_work(client: Client, status: int, when: Any) -> None:
    client.emulator.fault(Fault(do="status", status=status, when=when))
    answer = client.put([["new"]])
    assert (answer.status_code, client.rows()[0]) == (status, ["new"] if when == "after" else ["id"])
    assert answer.json()["error"]["code"] == status


def test_a_slow_answer_is_applied_after_its_client_has_gone(client: Client) -> None:
    client.emulator.fault(Fault(do="delay", seconds=0.4, when="before"))
    with pytest.raises(requests.exceptions.ReadTimeout):
        client.put([["late"]], timeout=0.1)
    assert client.rows() == [["id"], [1]]
    for _ in range(100):
        if client.rows()[0] == ["late"]:
            break
        threading.Event().wait(0.05)
    assert client.rows()[0] == ["late"]


def test_an_answer_that_ends_early(client: Client) -> None:
    client.emulator.fault(Fault(do="truncate", when="after"))
    with pytest.raises((requests.exceptions.ChunkedEncodingError, GONE)):
        client.get()


def test_tokens_that_end_in_the_middle_are_fetched_anew(client: Client) -> None:
    client.get()
    client.emulator.fault(Fault(do="expire_token", match="spreadsheets.values.update"))
    assert client.put([["x"]]).status_code == 200
    assert [entry.status for entry in client.emulator.log[-3:]] == [401, 200, 200]


def test_the_token_endpoint_can_fail(client: Client) -> None:
    from google.auth.exceptions import RefreshError

    client.emulator.fault(Fault(do="status", status=403, match="token", times=None))
    with pytest.raises(RefreshError):
        client.get()


def test_a_fault_fires_where_and_as_often_as_it_says(client: Client) -> None:
    rule = Fault(do="status", match="spreadsheets.batchUpdate", contains="deleteSheet", skip=1, times=1)
    client.emulator.fault(rule)
    tab = {"addSheet": {"properties": {"sheetId": 7, "title": "New"}}}
    statuses = []
    for _ in range(3):
        statuses.append(client.batch(tab).status_code)
        statuses.append(client.batch({"deleteSheet": {"sheetId": 7}}).status_code)
    assert statuses == [200, 200, 200, 503, 400, 200]
    client.emulator.clear_faults()


def test_another_writer_at_a_chosen_request(client: Client) -> None:
    other = {"start": {"sheetId": 0}, "rows": [{"values": [{"userEnteredValue": {"stringValue": "theirs"}}]}]}
    edit = {"updateCells": {**other, "fields": "userEnteredValue"}}
    client.emulator.fault(Fault(do="edit", when="after", requests=[edit], match="spreadsheets.values.update"))
    client.put([["ours"], ["ours"]])
    assert client.rows() == [["theirs"], ["ours"]]


@pytest.mark.parametrize("wrong", [{"do": "explode"}, {"do": "truncate", "when": "before"}, {"do": "edit"}])
def test_a_fault_that_makes_no_sense_is_refused(wrong: Json) -> None:
    with pytest.raises(UsageError):
        Fault(**wrong)


# state


def test_requests_at_the_same_time_are_done_one_after_the_other(emulator: SheetsEmulator, client: Client) -> None:
    emulator.configure(quotas={"writes_per_user": 0, "writes_per_project": 0})

    def add() -> None:
        with session(emulator, LOADER) as http:
            for _ in range(10):
                url = f"{client.base}/values/Data!A1:append?valueInputOption=RAW"
                assert http.post(url, json={"values": [["x"]]}, timeout=20).status_code == 200

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.rows() == [["id"], [1]] + [["x"]] * 40


def test_a_merge_keeps_its_first_value_only(client: Client) -> None:
    client.batch({"mergeCells": {"range": {"sheetId": 0, "startRowIndex": 0, "endRowIndex": 2, "endColumnIndex": 1}}})
    client.put([["a"], ["swallowed"], ["c"]])
    assert client.rows() == [["a"], [None], ["c"]]


def test_an_append_under_a_filter_writes_over_hidden_rows(client: Client) -> None:
    client.put([["h"], ["keep"], ["hide"]])
    area = {"sheetId": 0, "startRowIndex": 0, "endRowIndex": 3, "startColumnIndex": 0, "endColumnIndex": 1}
    criteria = [{"columnIndex": 0, "filterCriteria": {"hiddenValues": ["hide"]}}]
    client.batch({"setBasicFilter": {"filter": {"range": area, "filterSpecs": criteria}}})
    url = f"{client.base}/values/Data!A1:append?valueInputOption=RAW"
    client.http.post(url, json={"values": [["new"]]}, timeout=5)
    assert client.rows() == [["h"], ["keep"], ["new"]]


def test_pasted_text_is_parsed_as_typed(client: Client) -> None:
    request = {
        "coordinate": {"sheetId": 0, "rowIndex": 5},
        "data": "007,x\n1-2,",
        "delimiter": ",",
        "type": "PASTE_NORMAL",
    }
    assert client.batch({"pasteData": request}).status_code == 200
    assert client.emulator.rows(client.id, "Data!A6:A6") == [[7]]


def test_cut_cells_are_moved_unless_something_refers_to_them(client: Client) -> None:
    area = {"sheetId": 0, "startRowIndex": 0, "endRowIndex": 2, "endColumnIndex": 1}
    cut = {"cutPaste": {"source": area, "destination": {"sheetId": 0, "rowIndex": 3, "columnIndex": 1}}}
    assert client.batch(cut).status_code == 200
    assert client.emulator.rows(client.id, "Data!A1:B5") == [[None, None]] * 3 + [[None, "id"], [None, 1]]
    named = {
        "name": "n",
        "range": {**area, "startRowIndex": 3, "endRowIndex": 5, "startColumnIndex": 1, "endColumnIndex": 2},
    }
    client.batch({"addNamedRange": {"namedRange": named}})
    back = {"cutPaste": {"source": named["range"], "destination": {"sheetId": 0}}}
    assert client.batch(back).status_code == 501


def test_text_is_found_and_replaced(client: Client) -> None:
    client.put([["Cat"], ["concat"], ["dog"]])
    answer = client.batch({"findReplace": {"find": "cat", "replacement": "x", "sheetId": 0}})
    assert answer.json()["replies"][0]["findReplace"] == {
        "valuesChanged": 2,
        "rowsChanged": 2,
        "sheetsChanged": 1,
        "occurrencesChanged": 2,
    }
    assert client.rows() == [["x"], ["conx"], ["dog"]]


def test_the_emulator_can_be_asked_without_requests(emulator: SheetsEmulator) -> None:
    sheet = emulator.add_spreadsheet(tabs={"A": [["x", None, 1]], "B": []}, spreadsheet_id="mine")
    assert (sheet, emulator.tabs("mine"), emulator.rows("mine", "A")) == ("mine", {"A": 0, "B": 1}, [["x", None, 1]])
    with pytest.raises(ApiError, match="there is no spreadsheet none"):
        emulator.rows("none", "A")
    with pytest.raises(ApiError, match="no such limits: cellz"):
        emulator.configure(limits={"cellz": 1})


def test_an_emulator_that_was_stopped_can_still_be_looked_into() -> None:
    with SheetsEmulator() as emulator:
        sheet = emulator.add_spreadsheet(tabs={"Data": [["x"]]})
    assert emulator.rows(sheet, "Data") == [["x"]]
    with pytest.raises(UsageError, match="has not been started"):
        _ = SheetsEmulator().url


def test_a_port_in_use_is_said(emulator: SheetsEmulator) -> None:
    port = int(emulator.url.rpartition(":")[2])
    with pytest.raises(UsageError, match=f"can't listen on 127.0.0.1:{port}"):
        SheetsEmulator(port=port).start()


def test_an_unstarted_setting_is_taken() -> None:
    settings = Settings(limits=Limits(cell_chars=3), quotas=Quotas(writes_per_user=9))
    with SheetsEmulator(settings=settings) as emulator:
        client = Client(emulator)
        with client.http:
            assert "maximum of 3 characters" in message(client.put([["long"]]))


def test_each_behaviour_is_shown_by_a_test() -> None:
    tests = Path(__file__).parents[1]
    files = [*tests.glob("unit/test_sheets_emulator*.py"), tests / "contract" / "test_sheets_service.py"]
    written = set(re.findall(r"^def (test_\w+)", "\n".join(file.read_text() for file in files), re.MULTILINE))
    assert [fact.test for fact in BEHAVIOURS if fact.test not in written] == []
    assert [fact.text for fact in BEHAVIOURS if fact.mark != "assumed" and not fact.source] == []


# another process


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Json]:
    command = [
        sys.executable,
        "-m",
        "loadlock.testing.sheets",
        "--key",
        str(tmp_path / "key.json"),
        "--account",
        LOADER,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        yield {**json.loads(running.stdout.readline()), "process": running}
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0


def asked(url: str, method: str = "GET", **body: Any) -> Json:
    answer = requests.request(method, url, data=orjson.dumps(body) if body else None, timeout=10)
    result: Json = answer.json()
    return result | {"status": answer.status_code}


@pytest.fixture
def control(process: Json) -> Callable[..., Json]:
    return lambda name, method="POST", **body: asked(f"{process['url']}/_emulator/{name}", method, **body)


def test_an_emulator_in_another_process_is_told_over_http(
    process: Json, control: Callable[..., Json], tmp_path: Path
) -> None:
    key = json.loads((tmp_path / "key.json").read_text())
    assert (key["client_email"], key["token_uri"]) == (LOADER, f"{process['url']}/token")
    made = control("spreadsheets", id="two", tabs={"T": [["a", 1]]}, share={LOADER: "writer"})
    assert made == {"spreadsheetId": "two", "status": 200}
    assert control("faults", do="status", status=500)["faults"][0]["fired"] == 0
    assert requests.get(f"{process['url']}/v4/spreadsheets/two", timeout=5).status_code == 500
    assert control("faults", "DELETE") == {"faults": [], "status": 200}
    control("edit", spreadsheetId="two", requests=[ADD_TAB])
    sheets = control("state", "GET")["spreadsheets"][1]["sheets"]
    assert [sheet["title"] for sheet in sheets] == ["T", "New"]
    assert control("settings", limits={"cells": 5})["settings"]["limits"]["cells"] == 5
    assert control("log", "GET")["log"][0]["faults"] == ["before:status"]
    assert control("nonsense")["status"] == 404
    assert control("faults", do="explode")["status"] == 400


@pytest.mark.slow
def test_millions_of_cells_fit_into_little_memory(process: Json, control: Callable[..., Json], tmp_path: Path) -> None:
    """400,000 rows x 12 columns, staged in chunks and pasted onto another tab in one batch, as a delivery does it."""
    from google.auth.transport.requests import AuthorizedSession

    from loadlock.testing.sheets import credentials

    rows, chunk = 400_000, 15_000
    control("settings", quotas={"writes_per_user": 0, "writes_per_project": 0})
    kind: Any = AuthorizedSession
    before = _memory(process["process"].pid)
    base = f"{process['url']}/v4/spreadsheets/{process['spreadsheet']}"
    with kind(credentials(json.loads((tmp_path / "key.json").read_text()))) as http:

        def batch(*requests_: Json) -> None:
            answer = http.post(f"{base}:batchUpdate", json={"requests": requests_}, timeout=60)
            assert answer.status_code == 200, answer.text

        size = {"gridProperties": {"rowCount": rows, "columnCount": 12}}
        narrow = {
            "properties": {"sheetId": 0, "gridProperties": {"columnCount": 12}},
            "fields": "gridProperties.columnCount",
        }
        tall = {"properties": {"sheetId": 0, "gridProperties": {"rowCount": rows}}, "fields": "gridProperties.rowCount"}
        batch({"addSheet": {"properties": {"sheetId": 7, "title": "stage", "hidden": True, **size}}})
        for start in range(0, rows, chunk):
            values = [[f"{n}", *[f"value {n % 97}"] * 11] for n in range(start, min(rows, start + chunk))]
            cells = f"stage!A{start + 1}:L{start + len(values)}"
            answer = http.put(
                f"{base}/values/{cells}?valueInputOption=RAW", data=orjson.dumps({"values": values}), timeout=60
            )
            assert answer.status_code == 200, answer.text
        whole = {"startRowIndex": 0, "endRowIndex": rows, "startColumnIndex": 0, "endColumnIndex": 12}
        batch(
            {"updateSheetProperties": narrow},
            {"updateSheetProperties": tall},
            {
                "copyPaste": {
                    "source": {"sheetId": 7, **whole},
                    "destination": {"sheetId": 0, **whole},
                    "pasteType": "PASTE_VALUES",
                }
            },
            {"deleteSheet": {"sheetId": 7}},
        )
        last = http.get(f"{base}/values/Sheet1!A{rows}:B{rows}", timeout=60).json()["values"]
    assert last == [[str(rows - 1), f"value {(rows - 1) % 97}"]]
    assert _memory(process["process"].pid, "VmHWM") - before < 250


def _memory(pid: int, name: str = "VmRSS") -> int:
    """Mebibytes of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(name))
