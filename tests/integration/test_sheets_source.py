"""Google sheets as sources and lookups, and the whole way of a sheet by the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from loadlock.errors import RefusedError, UsageError
from loadlock.pipeline._read_lookups import lookup
from loadlock.pipeline.written import WrongValueError
from loadlock.sheets import read
from loadlock.sheets.address import Address, canonical, parse, written
from loadlock.testing.command import CommandLine, Ended
from loadlock.testing.sheets import Fault, Quotas, Settings, SheetsEmulator

LOADER = "loader@tests.iam.gserviceaccount.com"
NO_QUOTAS = Quotas(reads_per_user=0, writes_per_user=0, reads_per_project=0, writes_per_project=0)
ORDERS: list[list[Any]] = [
    ["id", "code", "price", "paid", "country"],
    [1, "007", 1093.35, True, "Germany"],
    [2, "=1+2", 0.5, False, "France"],
    [],
    [3, "a, \"b\"\nc", None, True, "Germany"],
]  # fmt: skip


@pytest.fixture(scope="module")
def emulator() -> Iterator[SheetsEmulator]:
    with SheetsEmulator(settings=Settings(quotas=NO_QUOTAS)) as running:
        yield running


@pytest.fixture
def sheet(emulator: SheetsEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A spreadsheet with orders and a list of countries, and the machine's credentials for it."""
    key = tmp_path / "key.json"
    key.write_text(json.dumps(emulator.person(LOADER)))
    monkeypatch.setenv("LOADLOCK_SHEETS_ENDPOINT", emulator.url)
    monkeypatch.setenv("LOADLOCK_SHEETS_CREDENTIALS", str(key))
    countries = [["name", "iso"], ["Germany", "DE"], [], ["France", "FR"]]
    tabs: dict[str, Any] = {"Orders": ORDERS, "It's a list": countries}
    found = emulator.add_spreadsheet(tabs=tabs, share={LOADER: "writer"})
    emulator.write(found, "Orders!H40", [["a note far away"]])
    return found


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("gsheets://abc/Orders", Address(spreadsheet="abc", sheet="Orders")),
        ("gsheets://abc/My%20orders", Address(spreadsheet="abc", sheet="My orders")),
        ("gsheets://abc/My orders!A2:F", Address(spreadsheet="abc", sheet="My orders", cells="A2:F")),
        ("gsheets://abc/'Bob''s'!A:C", Address(spreadsheet="abc", sheet="Bob's", cells="A:C")),
        ("gsheets://abc/Sale! Now", Address(spreadsheet="abc", sheet="Sale! Now")),
        ("gsheets://abc?gid=12", Address(spreadsheet="abc", sheet="gid=12")),
        ("gsheets://abc", Address(spreadsheet="abc")),
        ("https://docs.google.com/spreadsheets/d/a-b_C/edit?usp=sharing#gid=12", Address(spreadsheet="a-b_C", sheet="gid=12")),
        ("https://docs.google.com/spreadsheets/u/1/d/abc/edit?gid=7#gid=8", Address(spreadsheet="abc", sheet="gid=8")),
        ("https://docs.google.com/spreadsheets/d/abc", Address(spreadsheet="abc")),
    ],
)  # fmt: skip
def test_addresses_are_read(url: str, address: Address) -> None:
    assert parse(url) == address
    if address.sheet is not None and "Sale" not in url:
        assert parse(written(address)) == address


@pytest.mark.parametrize("url", ["gsheets://", "https://example.com/spreadsheets/d/x", "gsheets:///Orders"])
def test_what_names_no_spreadsheet_is_refused(url: str) -> None:
    assert canonical(url) is None
    with pytest.raises(UsageError, match="names no spreadsheet"):
        parse(url)


def rows_of(address: str) -> list[list[str]]:
    wanted = parse(address)
    wire = read.open_sheet(wanted)
    try:
        return list(read.lines(wire, read.area_of(wire, wanted)))
    finally:
        wire.close()


def test_a_sheet_comes_as_text_with_all_digits(sheet: str) -> None:
    found = rows_of(f"gsheets://{sheet}/Orders")
    assert found[1] == ["1", "007", "1093.35", "TRUE", "Germany"]
    assert (found[2][1], found[3], len(found)) == ("=1+2", [], 40)
    assert rows_of(f"gsheets://{sheet}/orders!B2:C3") == [["007", "1093.35"], ["=1+2", "0.5"]]
    assert rows_of(f"gsheets://{sheet}/Orders!E:E")[:2] == [["country"], ["Germany"]]
    assert rows_of(f"gsheets://{sheet}") == found
    with pytest.raises(RefusedError, match="no such sheet") as caught:
        rows_of(f"gsheets://{sheet}/Nope")
    assert "'Orders'" in (caught.value.hint or "")


def test_a_sheet_in_several_portions_is_read_twice_and_refused_while_it_changes(
    sheet: str, emulator: SheetsEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.write(sheet, "Orders!A2", [[number] for number in range(900)])
    monkeypatch.setattr(read, "PORTION_CELLS", 100)
    assert len(rows_of(f"gsheets://{sheet}/Orders!A:A")) == 901
    wanted = parse(f"gsheets://{sheet}/Orders!A:A")
    wire = read.open_sheet(wanted)
    found = read.lines(wire, read.area_of(wire, wanted))
    next(found)
    emulator.write(sheet, "Orders!A2", [["changed"]])
    with pytest.raises(read.ChangedMeanwhileError):
        list(found)
    wire.close()


def test_a_lookup_may_be_a_sheet(sheet: str, tmp_path: Path) -> None:
    rows = lookup(f"gsheets://{sheet}/It's a list", tmp_path, {})
    assert rows == (("name", "iso"), ("Germany", "DE"), ("France", "FR"))
    with pytest.raises(WrongValueError, match="no such sheet"):
        lookup(f"gsheets://{sheet}/Nope", tmp_path, {})


PIPELINE = """
pipeline: from a sheet into a sheet
source: "gsheets://{sheet}/Orders!A:E"
columns:
  id: {{type: integer, required: true}}
  code: {{}}
  price: {{type: "decimal(12,2)"}}
  country: {{rules: [{{map: "gsheets://{sheet}/It's a list"}}]}}
destination:
  url: https://docs.google.com/spreadsheets/d/{target}/edit#gid=0
  mode: upsert
  key: id
  credentials: keys/loader.json
  requests_per_minute: 0
  undo: 1
"""


@pytest.mark.slow
def test_the_whole_way_by_the_command_line(
    sheet: str, emulator: SheetsEmulator, loadlock: CommandLine, tmp_path: Path
) -> None:
    target = emulator.add_spreadsheet(share={LOADER: "writer"})
    (loadlock.folder / "keys").mkdir()
    (loadlock.folder / "keys" / "loader.json").write_text((tmp_path / "key.json").read_text())
    (loadlock.folder / "sheet.yaml").write_text(PIPELINE.format(sheet=sheet, target=target))
    expected = [[1, "007", 1093.35, "DE"], [2, "=1+2", 0.5, "FR"], [3, 'a, "b"\nc', None, "DE"]]

    def command(*words: str) -> Ended:
        key = str(tmp_path / "key.json")
        return loadlock(*words, LOADLOCK_SHEETS_ENDPOINT=emulator.url, LOADLOCK_SHEETS_CREDENTIALS=key)

    def rows() -> list[list[Any]]:
        return emulator.rows(target, "Sheet1")[1:]

    planned = command("plan", "sheet.yaml")
    assert planned.code == 0, planned.said
    assert "3" in planned.out
    assert rows() == []
    first = command("run", "sheet.yaml", "--json")
    assert first.code == 0, first.said
    assert (first.document["status"], first.document["receipt"]["level"], rows()) == ("verified", "content", expected)
    assert command("run", "sheet.yaml", "--json").document["noop"] is True
    emulator.write(sheet, "Orders!B2", [["008"]])
    second = command("run", "sheet.yaml", "--json").document
    assert (second["receipt"]["updated"], second["receipt"]["unchanged"], rows()[0][1]) == (1, 2, "008")
    assert command("verify", second["batch"]).code == 0
    back = command("rollback", second["batch"])
    assert (back.code, rows()) == (0, expected), back.said
    assert len(emulator.tabs(target)) == 1


@pytest.mark.slow
def test_rejects_are_corrected_in_a_sheet(
    sheet: str, emulator: SheetsEmulator, loadlock: CommandLine, tmp_path: Path
) -> None:
    def command(*words: str) -> Ended:
        key = str(tmp_path / "key.json")
        return loadlock(*words, LOADLOCK_SHEETS_ENDPOINT=emulator.url, LOADLOCK_SHEETS_CREDENTIALS=key)

    (loadlock.folder / "people.csv").write_text("id,born\n1,1990-02-28\n2,1990-02-30\n3,never\n")
    (loadlock.folder / "people.yaml").write_text(
        "pipeline: people\nsource: people.csv\ncolumns: {id: {type: integer}, born: {type: date, required: true}}\n"
        "destination: {url: 'duckdb:///people.duckdb', table: people, mode: upsert, key: id}\n"
    )
    run = command("run", "people.yaml", "--json")
    assert run.code == 3, run.said
    batch = run.document["batch"]
    written_to = f"gsheets://{sheet}/Please mend"
    told = command("rejects", batch, "--export", written_to)
    assert (told.code, "2 rejects written" in told.said) == (0, True), told.said
    rows = emulator.rows(sheet, "Please mend")
    column = rows[0].index("born")
    assert [row[column] for row in rows[1:]] == ["1990-02-30", "never"]
    emulator.write(sheet, f"Please mend!{chr(65 + column)}2", [["1990-02-27"]])
    refused = command("rejects", batch, "--export", written_to)
    assert (refused.code, "were changed since" in refused.said) == (4, True), refused.said
    corrected = command("correct", batch, written_to, "--json")
    assert (corrected.code, corrected.document["act"]["cells"]) == (0, 1), corrected.said
    replayed = command("replay", batch, "--json")
    assert replayed.code in (0, 3), replayed.said
    with duckdb.connect(str(loadlock.folder / "people.duckdb")) as connection:
        found = connection.execute("select id, born::varchar from people order by id").fetchall()
    assert found == [(1, "1990-02-28"), (2, "1990-02-27")]


@pytest.mark.slow
def test_nothing_secret_is_kept_or_told_when_a_delivery_fails(
    sheet: str, emulator: SheetsEmulator, loadlock: CommandLine, tmp_path: Path
) -> None:
    """A 403, an answer lost in the middle of the publish, a key that Google does not know any more."""
    key = json.loads((tmp_path / "key.json").read_text())
    unknown = {
        **emulator.service_account("stranger@tests.iam.gserviceaccount.com"),
        "client_email": "gone@nowhere.test",
    }
    (loadlock.folder / "loader.json").write_text(json.dumps(key))
    (loadlock.folder / "unknown.json").write_text(json.dumps(unknown))
    (loadlock.folder / "people.csv").write_text("id,name\n1,Ann\n")
    closed = emulator.add_spreadsheet()
    told = ""
    for name, found, credentials, code in (
        ("closed", closed, "loader.json", 1), ("unknown", sheet, "unknown.json", 1), ("lost", sheet, "loader.json", 0),
    ):  # fmt: skip
        (loadlock.folder / f"{name}.yaml").write_text(
            f"pipeline: {name}\nsource: people.csv\ncolumns: {{id: {{type: integer}}, name: {{}}}}\n"
            f"destination: {{url: 'gsheets://{found}/New', credentials: {credentials}, endpoint: '{emulator.url}'}}\n"
        )
        if name == "lost":
            emulator.fault(Fault(do="reset", when="after", match="spreadsheets.batchUpdate", contains="deleteSheet"))
        ended = loadlock("run", f"{name}.yaml", "-v")
        assert ended.code == code, (name, ended.said)
        told += ended.out + ended.said
    kept = b"".join(file.read_bytes() for file in (loadlock.folder / ".loadlock").rglob("*") if file.is_file())
    secrets = [key["refresh_token"], unknown["private_key_id"]]
    secrets += [*unknown["private_key"].splitlines()[1:-1], *emulator.service.accounts._tokens]
    assert len(secrets) > 25
    assert [secret for secret in secrets if secret.encode() in kept or secret in told] == []
