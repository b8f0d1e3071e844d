"""The round trip of a reject: kept out, exported, edited as a person does, corrected, replayed, delivered exactly once."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import openpyxl
import pytest

import loadlock as loadlock_package
from loadlock.testing.command import CommandLine
from loadlock.testing.databases import connect_mysql
from loadlock.workflow.lists import opened
from loadlock.workflow.look import query

PEOPLE = """\
id,name,born,country,zip
1,Ann,1990-02-28,DE,01067
2,Bo,1990-02-30,DE,01069
3,"Cy,1985-01-01,FR,75001
4,Di,1979-12-31,FR,75002,extra
x5,Ed,1960-06-06,Germany,00501
6,Flo,,IT,00118
7,Gwendolyn the Great,1999-09-09,IT,00119
8,Hal,1970-01-01,XX,00120
"""
PIPELINE = """\
pipeline: people
source: {{files: people.csv}}
columns:
  id: {{type: integer, required: true}}
  name: {{required: true}}
  born: {{type: date, required: true}}
  land: {{from: country, checks: [{{in: [DE, FR, IT]}}]}}
  zip: {{}}
destination: {{url: "{url}", table: people, {way}}}
"""
TABLE = (
    "create table people (id bigint, name varchar(99), born date, land varchar(10), zip varchar(10),"
    " check (length(name) < 13))"
)
MENDED = [
    (1, "Ann", "1990-02-28", "DE", "01067"),
    (2, "Bo", "1990-02-28", "DE", "01069"),
    (3, "Cy", "1985-01-01", "FR", "75001"),
    (4, "Di", "1979-12-31", "FR", "75002"),
    (5, "Ed", "1960-06-06", "DE", "00501"),
    (7, "Gwendolyn", "1999-09-09", "IT", "00119"),
]


def ask(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """The rows of the last statement, dates as text."""
    kind, path = url.partition(":")[0], url.partition(":///")[2]
    rows: list[Any] = []
    if kind == "duckdb":
        import duckdb

        with duckdb.connect(path) as base:
            for statement in statements:
                rows = base.execute(statement).fetchall()
    elif kind == "sqlite":
        import sqlite3

        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            for statement in statements:
                rows = file.execute(statement).fetchall()
    elif kind == "mysql":
        with closing(connect_mysql(url)) as link, link.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = list(cursor.fetchall())
            link.commit()
    else:
        import psycopg

        with psycopg.connect(url, autocommit=True) as server:
            for statement in statements:
                found = server.execute(statement.encode())
            rows = found.fetchall() if found.description else []
    return [tuple(str(cell) if hasattr(cell, "isoformat") else cell for cell in row) for row in rows]


def delivered(url: str) -> list[tuple[Any, ...]]:
    return sorted(ask(url, "select id, name, born, land, zip from people"))


def write(loadlock: CommandLine, url: str, way: str = "mode: append") -> None:
    (loadlock.folder / "people.csv").write_text(PEOPLE, encoding="utf-8")
    (loadlock.folder / "p.yaml").write_text(PIPELINE.format(url=url, way=way), encoding="utf-8")


def run(loadlock: CommandLine, url: str, way: str = "mode: append") -> str:
    write(loadlock, url, way)
    return str(loadlock.json("run", "p.yaml", codes=[3])["batch"])


Edit = Callable[[dict[str, Any]], None]


def person(cells: dict[str, Any]) -> None:
    """What somebody types into the row of a reject; `cells` by the names of their columns."""
    number = cells["_row"].value
    if number == "2":
        cells["born"].value = "1990-02-28"
    if number == "3":
        cells["_raw"].value = "3,Cy,1985-01-01,FR,75001"
    if number == "4":
        for name, value in {"id": "4", "name": "Di", "born": "1979-12-31", "country": "FR", "zip": "75002"}.items():
            cells[name].value = value
    if number == "5":
        cells["id"].value, cells["country"].value = "5", "DE"
    if number == "7":
        cells["name"].value = "Gwendolyn"


def edit(path: Path, edits: Edit) -> None:
    book = openpyxl.load_workbook(path)
    sheet = book["rejects"]
    header = [cell.value for cell in sheet[1]]
    for row in sheet.iter_rows(min_row=2):
        edits(dict(zip(header, row, strict=True)))
    book.save(path)


def saved_by_office(path: Path) -> None:
    """Saved again by LibreOffice, as a person who has that does; with a profile of its own, so that several may run at once."""
    office = shutil.which("soffice")
    if office is None:
        return
    made = path.parent / "saved"
    profile = f"-env:UserInstallation={(path.parent / 'office').as_uri()}"
    command = [office, profile, "--headless", "--convert-to", "xlsx", "--outdir", str(made), str(path)]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    shutil.copy(made / path.name, path)


def closes(balance: dict[str, Any]) -> bool:
    rejected = balance["rejected"]
    taken = balance["inserted"] + balance["updated"] + balance["unchanged"]
    out = rejected["cleanup"] + balance["skipped"] + balance["superseded"] + balance["discarded"]
    return bool(
        balance["received"] == balance["staged"] + rejected["intake"]
        and balance["staged"] + balance["exploded"] == balance["clean"] + out
        and balance["clean"] == taken + rejected["delivery"]
    )


def test_rejects_edited_in_a_workbook_are_delivered_exactly_once(loadlock: CommandLine, url: str) -> None:
    ask(url, TABLE)
    batch = run(loadlock, url)
    assert delivered(url) == MENDED[:1]
    fix = loadlock.folder / "fix.xlsx"
    assert loadlock("rejects", batch, "--export", fix).code == 0
    edit(fix, person)
    if url.startswith(("postgresql", "mysql", "mariadb")):
        saved_by_office(fix)
    corrected = loadlock.json("correct", batch, fix, "--by", "ann", "--why", "asked the sender")
    assert (corrected["altered"], corrected["malformed"]) == ([], [])
    replayed = loadlock.json("replay", batch, codes=[3])
    assert delivered(url) == MENDED
    assert replayed["balance"]["received"] == 8
    assert replayed["balance"]["inserted"] == 6
    assert replayed["balance"]["rejected"] == {"intake": 0, "cleanup": 2, "delivery": 0}
    assert closes(replayed["balance"])
    assert all(closes(file["balance"]) for file in replayed["files"])
    left = loadlock.json("rejects", batch)
    assert [(reject["row"], reject["problems"][0]["code"], reject["state"]) for reject in left] == [
        (6, "required", "open"),
        (8, "not_in", "open"),
    ]
    audit = loadlock.json("corrections", "list", batch, "--cells")
    assert {"by": "ann", "why": "asked the sender"}.items() <= audit[0].items()
    changed = {(cell["row"], cell["column"]): (cell["old"], cell["new"]) for cell in audit}
    assert changed[(2, "born")] == ("1990-02-30", "1990-02-28")
    assert changed[(3, None)] == ('3,"Cy,1985-01-01,FR,75001', "3,Cy,1985-01-01,FR,75001")
    assert changed[(5, "country")] == ("Germany", "DE")
    assert loadlock.json("replay", batch, codes=[0])["noop"]
    assert delivered(url) == MENDED


@pytest.mark.skipif(shutil.which("soffice") is None, reason="NO LIBREOFFICE: the workbook is saved by openpyxl alone")
def test_libreoffice_saves_the_workbook_again_without_altering_a_cell(loadlock: CommandLine, tmp_path: Path) -> None:
    batch = run(loadlock, f"duckdb:///{tmp_path / 'out.db'}")
    fix = loadlock.folder / "fix.xlsx"
    loadlock("rejects", batch, "--export", fix)
    saved_by_office(fix)
    found = loadlock.json("correct", batch, fix)
    assert (found["act"], found["altered"]) == (None, [])


def mended(loadlock: CommandLine, url: str, way: str = "mode: append") -> str:
    """A batch whose rejects are corrected and not yet replayed."""
    batch = run(loadlock, url, way)
    loadlock("rejects", batch, "--export", loadlock.folder / "fix.xlsx")
    edit(loadlock.folder / "fix.xlsx", person)
    loadlock.json("correct", batch, loadlock.folder / "fix.xlsx")
    return batch


SOME, OTHERS = (
    ("cleaned.recorded", "delivery.published", "end.document_saved"),
    (
        "run.begun",
        "replay.sent_listed",
        "cleanup.part_listed",
        "delivery.loaded",
        "published.recorded",
        "end.rejects_counted",
    ),
)


@pytest.fixture(params=[*SOME, *OTHERS])
def place(request: pytest.FixtureRequest) -> str:
    if request.param in OTHERS and not request.config.getoption("--full-faults"):
        pytest.skip("this place is tried with --full-faults")
    return str(request.param)


def test_a_killed_replay_is_finished_by_the_next_and_delivers_each_row_once(
    loadlock: CommandLine, tmp_path: Path, place: str
) -> None:
    url = f"duckdb:///{tmp_path / 'out.db'}"
    ask(url, TABLE)
    batch = mended(loadlock, url)
    assert loadlock("replay", batch, fault=f"{place}=kill").code == -9
    done = loadlock.json("replay", batch, codes=[3])
    assert delivered(url) == MENDED
    assert (done["balance"]["inserted"], done["balance"]["rejected"]["cleanup"]) == (6, 2)
    assert closes(done["balance"])
    assert [reject["row"] for reject in loadlock.json("rejects", batch)] == [6, 8]
    runs = loadlock.json("runs")
    assert [run["status"] for run in runs] == ["verified", "verified"]


def test_a_killed_correction_is_recorded_whole_or_not_at_all(loadlock: CommandLine, tmp_path: Path) -> None:
    batch = run(loadlock, f"duckdb:///{tmp_path / 'out.db'}")
    bulk = ("correct", batch, "--set", "born='1990-02-28'", "--code", "not_date")
    assert loadlock(*bulk, fault="edits.part_written=kill").code == -9
    assert loadlock.json("corrections", "list", batch) == []
    assert loadlock.json(*bulk)["act"]["seq"] == 1
    assert [act["values"] for act in loadlock.json("corrections", "list", batch)] == [1]


def test_the_digest_after_a_replay_is_that_of_a_batch_that_came_right(loadlock: CommandLine, tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path / 'out.db'}"
    ask(url, TABLE)
    batch = mended(loadlock, url)
    replayed = loadlock.json("replay", batch)
    (loadlock.folder / "people.csv").write_text(
        "id,name,born,country,zip\n" + "".join(",".join(map(str, row)) + "\n" for row in MENDED), encoding="utf-8"
    )
    pipeline = loadlock.folder / "p.yaml"
    pipeline.write_text(pipeline.read_text().replace("people, mode", "others, mode"), encoding="utf-8")
    assert loadlock.json("run", "p.yaml")["digest"] == replayed["digest"]


def test_an_export_is_stale_once_the_batch_was_replayed(loadlock: CommandLine, tmp_path: Path) -> None:
    batch = mended(loadlock, f"duckdb:///{tmp_path / 'out.db'}")
    loadlock.json("replay", batch)
    ended = loadlock("correct", batch, "fix.xlsx")
    assert ended.code == 2
    assert "the export is stale" in ended.err


def test_a_file_with_rows_that_do_not_belong_changes_nothing(loadlock: CommandLine, tmp_path: Path) -> None:
    batch = run(loadlock, f"duckdb:///{tmp_path / 'out.db'}")
    fix = loadlock.folder / "fix.xlsx"
    loadlock("rejects", batch, "--export", fix)

    def spoil(cells: dict[str, Any]) -> None:
        key = next(iter(cells.values()))
        if cells["_row"].value == "2":
            cells["born"].value = "1990-02-28"
            key.value = key.value.replace("k0.2.", "k0.1.")

    edit(fix, spoil)
    ended = loadlock("correct", batch, fix)
    assert ended.code == 2
    assert "line 4: its key is empty, was changed, or belongs to another export" in ended.err
    assert loadlock.json("corrections", "list", batch) == []


def test_what_a_spreadsheet_altered_in_a_csv_is_told_and_not_taken(loadlock: CommandLine, tmp_path: Path) -> None:
    batch = run(loadlock, f"duckdb:///{tmp_path / 'out.db'}")
    fix = loadlock.folder / "fix.csv"
    loadlock("rejects", batch, "--export", fix)
    with fix.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = csv.reader(file)
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        if cells["_row"] == "2":
            cells["born"] = "28.02.1990"  # typed
        for name, value in cells.items():
            if value.isdecimal() and not name.startswith("_"):
                cells[name] = str(int(value))  # zeros lost, also beside
        row[:] = cells.values()
    with fix.open("w", encoding="cp1252", newline="") as file:
        csv.writer(file, delimiter=";").writerows([header, *rows])
    found = loadlock.json("correct", batch, fix, codes=[3])
    assert {(cell["column"], cell["was"], cell["now"]) for cell in found["altered"]} == {
        ("zip", "01069", "1069"),
        ("zip", "00501", "501"),
        ("zip", "00118", "118"),
        ("zip", "00120", "120"),
    }
    assert found["act"]["cells"] == 1


def test_bulk_corrections_set_by_sql_and_by_a_map(loadlock: CommandLine, tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path / 'out.db'}"
    batch = run(loadlock, url)
    (loadlock.folder / "countries.csv").write_text("from,to\nGermany,DE\nXX,FR\n", encoding="utf-8")
    where = "code = 'not_in' and country = 'Germany'"
    found = loadlock.json("correct", batch, "--set", "land='DE'", "--set", "id=replace(id, 'x', '')", "--where", where)
    assert (found["rows"], found["act"]["cells"]) == (1, 2)
    assert loadlock.json("correct", batch, "--map", "country=countries.csv")["act"]["cells"] == 1
    loadlock.json("replay", batch)
    assert {(5, "DE"), (8, "FR")} <= {(row[0], row[3]) for row in delivered(url)}
    for wrong in (
        ["--set", "nope=1"],
        ["--set", "zip=1", "--where", "foo=1"],
        ["--set", "zip"],
        ["--set", "zip=1); drop table x"],
        ["--set", "zip='1', country='DE'"],
    ):
        assert loadlock("correct", batch, *wrong).code == 2


def test_accepted_rejects_are_delivered_as_they_are_and_discarded_ones_counted(
    loadlock: CommandLine, tmp_path: Path
) -> None:
    url = f"duckdb:///{tmp_path / 'out.db'}"
    batch = run(loadlock, url)
    refused = loadlock("accept", batch, "--why", "they say so", "--stage", "cleanup")
    assert refused.code == 2
    assert "row 2: not_date" in refused.err
    assert loadlock("accept", batch, "--where", "country='XX'").code == 2  # no reason given
    loadlock.json("accept", batch, "--where", "country='XX'", "--why", "they say so", codes=[0])
    decided = loadlock.json("discard", batch, "--stage", "intake", "--why", "came again", codes=[0])
    assert decided["balance"]["discarded"] == 2
    assert closes(decided["balance"])
    replayed = loadlock.json("replay", batch)
    assert (8, "XX") in {(row[0], row[3]) for row in delivered(url)}
    assert replayed["balance"]["discarded"] == 2
    assert closes(replayed["balance"])
    states = {reject["row"]: reject["state"] for reject in loadlock.json("rejects", batch)}
    assert states == {2: "open", 3: "discarded", 4: "discarded", 5: "open", 6: "open"}
    loadlock.json("corrections", "undo", batch, "--act", "2", codes=[0])
    assert (
        loadlock.json("discard", batch, "--code", "required", "--why", "gone", codes=[0])["balance"]["discarded"] == 1
    )


def test_what_waits_for_a_replay_is_discarded_only_where_it_is_named(loadlock: CommandLine, tmp_path: Path) -> None:
    batch = run(loadlock, f"duckdb:///{tmp_path / 'out.db'}")
    loadlock.json("accept", batch, "--where", "country='XX'", "--why", "they say so", codes=[0])
    every = {reject["row"] for reject in loadlock.json("rejects", batch)}
    said = loadlock("discard", batch, "--why", "gone")
    assert "1 reject was corrected or accepted and not replayed yet: not discarded" in said.out
    states = {reject["row"]: reject["state"] for reject in loadlock.json("rejects", batch)}
    assert states == {row: "accepted" if row == 8 else "discarded" for row in every}
    found = loadlock.json("discard", batch, "--state", "accepted", "--why", "gone", codes=[0])
    assert (found["act"]["rejects"], found["left"]) == (1, 0)


def test_an_undone_correction_is_not_sent(loadlock: CommandLine, tmp_path: Path) -> None:
    batch = mended(loadlock, f"duckdb:///{tmp_path / 'out.db'}")
    assert loadlock.json("corrections", "undo", batch, codes=[0])["undoes"] == 1
    assert {reject["state"] for reject in loadlock.json("rejects", batch)} == {"open"}
    assert loadlock.json("replay", batch, codes=[0])["noop"]
    assert [act["undone"] for act in loadlock.json("corrections", "list", batch)] == [True, False]


def test_a_key_that_a_later_batch_wrote_is_stale_unless_forced(loadlock: CommandLine, tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path / 'out.db'}"
    batch = mended(loadlock, url, "mode: upsert, key: [id]")
    (loadlock.folder / "people.csv").write_text("id,name,born,country,zip\n2,Bob,1991-01-01,FR,1\n", encoding="utf-8")
    loadlock.json("run", "p.yaml", "--files", "new", codes=[0])
    replayed = loadlock.json("replay", batch)
    assert {row[0]: row[1] for row in delivered(url)}[2] == "Bob"
    assert replayed["balance"]["rejected"]["delivery"] == 1
    assert closes(replayed["balance"])
    assert {reject["row"]: reject["state"] for reject in loadlock.json("rejects", batch)}[2] == "stale"
    forced = loadlock.json("replay", batch, "--force")
    assert {row[0]: row[1] for row in delivered(url)}[2] == "Bo"
    assert forced["balance"]["rejected"]["delivery"] == 0


def test_a_replay_after_a_replace_adds_rows_and_never_empties_the_table(loadlock: CommandLine, tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path / 'out.db'}"
    batch = mended(loadlock, url, "mode: replace")
    assert loadlock.json("replay", batch)["balance"]["inserted"] == 6
    assert [row[0] for row in delivered(url)] == [1, 2, 3, 4, 5, 7]


def test_a_corrected_row_that_repeats_a_delivered_one_stays_out(loadlock: CommandLine, tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path / 'out.db'}"
    write(loadlock, url)
    pipeline = loadlock.folder / "p.yaml"
    text = pipeline.read_text().replace("id: {type: integer, required: true}", "id: {type: integer, unique: true}")
    pipeline.write_text(text, encoding="utf-8")
    batch = str(loadlock.json("run", "p.yaml", codes=[3])["batch"])
    loadlock.json("correct", batch, "--set", "id='1'", "--set", "country='DE'", "--where", "id='x5'")
    loadlock.json("replay", batch)
    (left,) = [reject for reject in loadlock.json("rejects", batch) if reject["row"] == 5]
    assert [problem["code"] for problem in left["problems"]] == ["not_unique"]
    assert [row[0] for row in delivered(url)] == [1, 7]


def test_a_row_refused_by_one_of_two_destinations_is_sent_to_that_one_alone(
    loadlock: CommandLine, tmp_path: Path
) -> None:
    first, second = (f"duckdb:///{tmp_path / name}" for name in ("a.db", "b.db"))
    ask(second, TABLE)
    write(loadlock, first)
    pipeline = loadlock.folder / "p.yaml"
    both = f'destinations: [{{url: "{first}", table: people, mode: append}}, {{url: "{second}", table: people, mode: append}}]'
    lines = [line for line in pipeline.read_text().splitlines() if not line.startswith("destination")]
    pipeline.write_text("\n".join([*lines, both, ""]), encoding="utf-8")
    batch = str(loadlock.json("run", "p.yaml", codes=[3])["batch"])
    loadlock.json("correct", batch, "--set", "name='Gwen'", "--code", "refused")
    replayed = loadlock.json("replay", batch)
    assert [row[1] for row in delivered(first)] == ["Ann", "Gwendolyn the Great"]
    assert [row[1] for row in delivered(second)] == ["Ann", "Gwen"]
    assert [entry["balance"]["inserted"] for entry in replayed["destinations"]] == [2, 2]
    assert all(closes(entry["balance"]) for entry in replayed["destinations"])


ORDERS = [
    {"id": 1, "who": {"mail": "a@x.de"}, "day": "2024-01-01", "items": [{"sku": "A", "n": 1}]},
    {"id": 2, "who": {"mail": "b@x.de"}, "day": "2024-13-01", "items": [{"sku": "B", "n": 2}, {"sku": "C", "n": 3}]},
]


def test_rejected_json_records_come_back_with_their_child_rows(loadlock: CommandLine, tmp_path: Path) -> None:
    url = f"duckdb:///{tmp_path / 'out.db'}"
    lines = [json.dumps(order) for order in ORDERS]
    (loadlock.folder / "o.ndjson").write_text("\n".join([*lines, '{"id": 3, "day": }', ""]), encoding="utf-8")
    (loadlock.folder / "o.yaml").write_text(
        "pipeline: orders\nsource: {files: o.ndjson, flatten: {children: {items: order_items}}}\n"
        "columns:\n  id: {type: integer}\n  mail: {from: who.mail}\n  day: {type: date}\n"
        f'destination: {{url: "{url}", table: orders, mode: append}}\n',
        encoding="utf-8",
    )
    batch = str(loadlock.json("run", "o.yaml", codes=[3])["batch"])
    loadlock("rejects", batch, "--export", "fix.jsonl")
    fix = loadlock.folder / "fix.jsonl"
    documents = [json.loads(line) for line in fix.read_text(encoding="utf-8").splitlines()]
    for document in documents:
        if document["values"] is None:
            document["raw"] = '{"id": 3, "who": {"mail": "c@x.de"}, "day": "2024-03-03", "items": [{"sku": "D"}]}'
        else:
            document["values"]["day"] = "2024-12-01"
    fix.write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")
    assert loadlock.json("correct", batch, fix)["act"]["rejects"] == 2
    assert closes(loadlock.json("replay", batch, codes=[0])["balance"])
    assert ask(url, "select id, mail, day from orders order by id") == [
        (1, "a@x.de", "2024-01-01"),
        (2, "b@x.de", "2024-12-01"),
        (3, "c@x.de", "2024-03-03"),
    ]
    assert [row[0] for row in ask(url, "select sku from order_items order by sku")] == ["A", "B", "C", "D"]


def test_the_verbs_are_there_in_python_and_sql_sees_the_batch_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    result = loadlock_package.Pipeline.build(
        "people",
        files="people.csv",
        columns={"id": {"type": "integer"}, "born": {"type": "date", "required": True}, "name": {}},
        destination={"url": f"duckdb:///{tmp_path / 'out.db'}", "table": "people"},
        base_folder=tmp_path,
    ).run(workspace=tmp_path / "w")
    batch = loadlock_package.Batch(result.batch, workspace=result.workspace)
    assert sorted(batch.rejects(column="born")["_row"].to_pylist()) == [2, 6]
    assert batch.export_rejects(tmp_path / "fix.csv", code="not_integer") == 1
    assert batch.correct(tmp_path / "fix.csv").act is None
    found = batch.correct_in_bulk(sets=["id='5'"], where="id='x5'", by="ann", why="typing error")
    assert found.act is not None
    assert batch.undo() == found.act.seq
    batch.correct_in_bulk(sets=["id='5'"], where="id='x5'", by="ann", why="typing error")
    assert batch.discard(why="gone", where="code='required'").balance["discarded"] == 1
    replayed = batch.replay()
    assert sorted(replayed.rejects()["_row"].to_pylist()) == [2, 3, 4, 6]
    with opened(result.workspace) as space:
        ids = query(space, result.batch, "select id from clean order by id")["id"].to_pylist()
        states = query(space, result.batch, "select _row, state from rejects order by _row").to_pylist()
    assert ids == [1, 5, 7, 8]
    assert [(row["_row"], row["state"]) for row in states] == [(2, "open"), (3, "open"), (4, "open"), (6, "discarded")]
    assert [(cell["by"], cell["old"], cell["new"]) for cell in batch.corrections()][1] == ("ann", "x5", "5")
    assert batch.forget(confirm=True).sources == 1
