"""The round trip of a reject: kept out, exported, edited as a person does, corrected, replayed, delivered exactly once."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from loadlock.testing.command import CommandLine, Ended
from loadlock.testing.databases import connect_mysql

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


@pytest.fixture(
    params=[
        "duckdb",
        "sqlite",
        pytest.param("postgres", marks=pytest.mark.postgres),
        pytest.param("mysql", marks=pytest.mark.mysql),
    ]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param in ("postgres", "mysql"):
        return str(request.getfixturevalue(request.param))
    return f"{request.param}:///{tmp_path / 'out.db'}"


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
    """Saved again by LibreOffice, as a person who has that does."""
    office = shutil.which("soffice")
    if office is None:
        return
    made = path.parent / "saved"
    command = [office, "--headless", "--convert-to", "xlsx", "--outdir", str(made), str(path)]
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
