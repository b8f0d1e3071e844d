"""Dirt that is known cell by cell: what nobody asked for changes no clean cell; declared rules repair what can be repaired."""

from __future__ import annotations

import csv
import datetime as dt
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from loadlock.testing.command import CommandLine
from loadlock.testing.known_dirt import KINDS, Known, beers

ROOT = Path(__file__).parents[2]
CORPORA = Path(os.environ.get("LOADLOCK_CORPORA", ROOT.parent / "shared" / "corpora"))
NO_RULES = "pipeline: p\nsource: in.csv\ndestination: {url: 'duckdb:///out.duckdb', table: t}\n"


def by_load(loadlock: CommandLine) -> None:
    loadlock.json("load", "in.csv", "--to", "duckdb:///out.duckdb", "--table", "t", codes=[0])


def by_no_rules(loadlock: CommandLine) -> None:
    (loadlock.folder / "p.yaml").write_text(NO_RULES, encoding="utf-8")
    loadlock.json("run", "p.yaml", codes=[0])


def by_guess(loadlock: CommandLine) -> None:
    """The pipeline that is proposed, unedited but for its destination; nothing is rejected that it doesn't name."""
    assert loadlock("guess", "in.csv", "-o", "p.yaml").code == 0
    path = loadlock.folder / "p.yaml"
    text = path.read_text(encoding="utf-8")
    begun = text.index("destination:")
    path.write_text(f"{text[:begun]}destination: {{url: 'duckdb:///out.duckdb', table: t}}\n", encoding="utf-8")
    assert "will be rejected" not in text
    loadlock.json("run", "p.yaml", codes=[0])


def delivered(folder: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "out.duckdb"), read_only=True) as connection:
        return connection.execute("select * from t").fetchall()


def same(value: Any, cell: str) -> bool:
    """Whether a delivered value is what the cell of a clean table says, in whatever type."""
    if value is None or isinstance(value, str):
        return (value or "") == cell
    if isinstance(value, bool):
        return str(value).lower() == cell.lower()
    if isinstance(value, dt.date):
        month, day, year = map(int, cell.split("/"))
        return value == dt.date(2000 + year, month, day)
    return Decimal(str(value)) == Decimal(cell)


def wrong_cells(table: Known, rows: Sequence[tuple[Any, ...]]) -> list[tuple[str, str, Any]]:
    """Cells that came clean and are something else now."""
    found = dict(enumerate(sorted(rows, key=lambda row: int(row[0]))))
    assert len(found) == len(table.clean)
    return [
        (table.header[m], table.clean[n][m], found[n][m])
        for n, m in table.untouched
        if not same(found[n][m], table.clean[n][m])
    ]


def plainly(path: Path) -> Known:
    """The real table with its truth."""
    tables = []
    for name in ("clean", "dirty"):
        with (path / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            tables.append(list(csv.reader(file)))
    (header, *clean), (_, *dirty) = tables
    return Known(header=header, clean=clean, dirty=dirty)


def real_beers() -> Known:
    """4,362 of 26,510 cells are dirty."""
    if not (CORPORA / "beers").is_dir():
        pytest.skip("NO CORPORA: set LOADLOCK_CORPORA to the folder of the real files")
    table = plainly(CORPORA / "beers")
    assert sum(map(len, table.clean)) - len(table.untouched) == 4362
    return table


MAKERS = {**KINDS, "the real beers": real_beers}


@pytest.mark.parametrize("way", [by_load, by_no_rules, by_guess], ids=["load", "no rules", "guess"])
@pytest.mark.parametrize("name", MAKERS)
def test_what_nobody_asked_for_changes_no_clean_cell(
    loadlock: CommandLine, name: str, way: Callable[[CommandLine], None]
) -> None:
    table = MAKERS[name]()
    table.write(loadlock.folder / "in.csv")
    assert len(table.untouched) < sum(map(len, table.clean))
    way(loadlock)
    assert wrong_cells(table, delivered(loadlock.folder)) == []


DECLARED = {
    "flights": """\
columns:
  tuple_id: integer
  src: text
  flight: text
  sched_dep_time: &time
    rules:
      - null_if: ["", Not Available]
      - {regex: {pattern: '^(?:12/02/2011 |Dec 02 - )?([0-9:]+) ?([ap])\\.?m\\.?$', replacement: '\\1 \\2.m.'}}
    checks: [{matches: '[0-9]{1,2}:[0-9]{2} [ap]\\.m\\.'}]
  act_dep_time: *time
  sched_arr_time: *time
  act_arr_time: *time
""",
    "hospital": """\
columns:
  index: integer
  provider_number: {checks: [{matches: "[0-9]{6}"}]}
  hospital_name:
    rules: [{fuzzy_map: {values: [birmingham medical center, dothan medical center, guntersville medical center], threshold: 80}}]
  city: {rules: [{fuzzy_map: {values: [birmingham, dothan, guntersville], threshold: 70}}]}
  state: {rules: [{map: {values: {al: al, xl: al, ax: al}, missing: reject}}]}
  zip_code: {checks: [{matches: "[0-9]{5}"}]}
  county_name: {rules: [{fuzzy_map: {values: [jefferson, houston, marshall], threshold: 70}}]}
  phone_number: {checks: [{matches: "[0-9]{10}"}]}
  emergency_service: {rules: [{fuzzy_map: {values: ["yes", "no"], threshold: 50}}]}
  measure_code: {rules: [{fuzzy_map: {values: [ami-1, hf-2, pn-5c], threshold: 60}}]}
  measure_name:
    rules: [{fuzzy_map: {values: [aspirin at arrival, "heart failure: lvs assessment", first antibiotics], threshold: 80}}]
  score: {checks: [{matches: "[0-9]{1,3}%"}]}
  sample:
    rules: [{regex: {pattern: '^([0-9]+)[ x][patiensx]+$', replacement: '\\1 patients'}}]
    checks: [{matches: "[0-9]+ patients"}]
  state_avg: text
rules:
  - {sql: "state || '_' || measure_code", column: state_avg}
rejects: {budget: {percent: 100}}
""",
    "rayyan": """\
columns:
  id: integer
  article_title: text
  article_language: {rules: [{null_if: [""]}, {map: {values: {English: eng, French: fre, German: ger}}}]}
  journal_title: text
  journal_abbreviation: {rules: [{null_if: [""]}]}
  journal_issn: {rules: [{null_if: [""]}, {regex: {pattern: '^([0-9]{4})[- ]?([0-9]{3}[0-9X])$', replacement: '\\1-\\2'}}]}
  article_jvolumn: integer
  article_jissue: integer
  article_jcreated_at: {type: date, formats: ["%m/%d/%y"]}
  article_pagination: {rules: [{null_if: [""]}, {replace: {old: "–", new: "-"}}, {replace: {old: "p. ", new: ""}}]}
  author_list: text
rejects: {budget: {percent: 100}}
""",
}
"""Pipelines as somebody writes them who knows the dirt."""
BEYOND_RULES: Mapping[str, Callable[[str, str], bool]] = {
    "provider_number": lambda dirty, clean: dirty != clean,
    "zip_code": lambda dirty, clean: dirty != clean,
    "phone_number": lambda dirty, clean: dirty != clean,
    "score": lambda dirty, clean: dirty != clean,
    "sample": lambda dirty, clean: (
        dirty.split("patients")[0].rstrip(" x") + " patients" != clean and "x" in dirty[: clean.index(" ")]
    ),
    "article_jcreated_at": lambda dirty, _: int(dirty.split("/")[0]) > 12,
}
"""Cells that no rule can repair (a lost digit, a month above 12): column → whether the cell is one. Their rows are rejects."""


def expected_rejects(table: Known) -> dict[str, set[str]]:
    """Key of each row that can't be repaired → its faulty columns."""
    found: dict[str, set[str]] = {}
    for clean, dirty in zip(table.clean, table.dirty, strict=True):
        for name, good, bad in zip(table.header, clean, dirty, strict=True):
            if name in BEYOND_RULES and BEYOND_RULES[name](bad, good):
                found.setdefault(clean[0], set()).add(name)
    return found


@pytest.mark.parametrize("name", DECLARED)
def test_declared_rules_repair_what_can_be_repaired_and_name_every_cell_that_cannot(
    loadlock: CommandLine, name: str
) -> None:
    table = KINDS[name]()
    table.write(loadlock.folder / "in.csv")
    (loadlock.folder / "p.yaml").write_text(NO_RULES + DECLARED[name], encoding="utf-8")
    batch = loadlock.json("run", "p.yaml", codes=[0, 3])["batch"]
    rejects = loadlock.json("rejects", batch)
    wanted = expected_rejects(table)
    faulty = {
        reject["values"][table.header[0]]: {problem["column"] for problem in reject["problems"]} for reject in rejects
    }
    assert faulty == wanted
    clean = {row[0]: row for row in table.clean}
    dirty = {row[0]: row for row in table.dirty}
    rows = delivered(loadlock.folder)
    assert {str(row[0]) for row in rows} == clean.keys() - wanted.keys()
    gaps = ("", "Not Available")
    for row in rows:
        for value, good, bad, column in zip(row, clean[str(row[0])], dirty[str(row[0])], table.header, strict=True):
            if column != "article_jcreated_at" or bad == good:
                assert value is None if bad in gaps else same(value, good), (row[0], column)


@pytest.mark.parametrize("make", [beers, real_beers])
def test_the_declared_rules_of_the_example_repair_beers_wholly(
    loadlock: CommandLine, make: Callable[[], Known]
) -> None:
    table = make()
    shutil.copytree(ROOT / "examples" / "beers", loadlock.folder, dirs_exist_ok=True)
    table.write(loadlock.folder / "inbox" / "beers.csv")
    loadlock.json("run", "beers.yaml", codes=[0])
    columns = ", ".join(f'"{name.replace("-", "_")}"::varchar' for name in table.header)
    with duckdb.connect(str(loadlock.folder / "beers.duckdb"), read_only=True) as connection:
        rows = connection.execute(f"select {columns} from beers").fetchall()
    assert {row[0]: ["" if value is None else value for value in row] for row in rows} == {
        row[0]: row for row in table.clean
    }
