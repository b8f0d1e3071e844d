"""Real dirty files, where they are at hand: the example pipelines run over them and are checked against independent counts.

The folders are looked for in `LOADLOCK_CORPORA`, else in `../shared/corpora` beside the project.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb

from loadlock import Pipeline
from loadlock.workflow.result import RunResult

ROOT = Path(__file__).parent.parent
_COVID_NAMES = (("Province_State", "Province/State"), ("Country_Region", "Country/Region"))


def corpora_folder() -> Path | None:
    """Where the real files are, or None."""
    folder = Path(os.environ.get("LOADLOCK_CORPORA", ROOT.parent / "shared" / "corpora"))
    return folder if folder.is_dir() else None


def run_example(name: str, files: str, out: Path) -> tuple[RunResult, Path]:
    """Run `examples/NAME` over `files` into a DuckDB file below `out`; the result and that file."""
    pipeline = Pipeline.load(ROOT / "examples" / name / f"{name}.yaml")
    target = out / f"{name}.duckdb"
    target.unlink(missing_ok=True)
    spec = pipeline.spec
    destination = replace(spec.destinations[0], url=f"duckdb:///{target.resolve()}")
    spec = replace(spec, source=replace(spec.source, files=(files,)), destinations=(destination,))
    return Pipeline(spec).run(workspace=out / f"workspace-{name}", force=True), target


def read_plainly(path: Path) -> Iterator[dict[str, str]]:
    """Rows of a CSV file by Python's own reader; rows of empty cells are left out."""
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252")
    rows = csv.reader(io.StringIO(text, newline=""))
    header = next(rows)
    for row in rows:
        if any(cell.strip() for cell in row):
            yield dict(zip(header, row, strict=False))


def football(folder: Path, out: Path) -> dict[str, Any]:
    """One table of matches; dates right, blank rows counted apart."""
    result, target = run_example("football", f"{folder}/**/*.csv", out)
    expected: dict[tuple[str, ...], int] = {}
    for path in sorted(folder.rglob("*.csv")):
        for row in read_plainly(path):
            day, month, year = row["Date"].split("/")
            full = int(year) + (0 if len(year) == 4 else 1900 if int(year) > 68 else 2000)
            home, away = row.get("HomeTeam", row.get("HT", "")), row.get("AwayTeam", row.get("AT", ""))
            key = (f"{full}-{month}-{day}", home.strip(), away.strip(), row["FTHG"], row["FTAG"])
            expected[key] = expected.get(key, 0) + 1
    found: dict[tuple[str, ...], int] = {}
    query = "select played_on::varchar, home, away, home_goals::varchar, away_goals::varchar from matches"
    for key in _rows(target, query):
        found[key] = found.get(key, 0) + 1
    return _judged(
        result, expected == found, f"{sum(found.values()):,} matches", len(set(expected.items()) ^ set(found.items()))
    )


def covid(folder: Path, out: Path) -> dict[str, Any]:
    """All headers in one table; the rows equal an independent reading, and so their sums."""
    result, target = run_example("covid", f"{folder}/*.csv", out)
    expected: Counter[tuple[Any, ...]] = Counter()
    for path in sorted(folder.glob("*.csv")):
        for row in read_plainly(path):
            where = (row.get(new, row.get(old, "")) for new, old in _COVID_NAMES)
            numbers = (int(row[name]) if row[name] else None for name in ("Confirmed", "Deaths", "Recovered"))
            expected[(path.name, *(text.strip() for text in where), *numbers)] += 1
    query = "select report, coalesce(province, ''), country, confirmed, deaths, recovered from daily"
    found = Counter(_rows(target, query))
    confirmed, deaths = (sum((row[place] or 0) * times for row, times in found.items()) for place in (3, 4))
    words = f"{found.total():,} rows, {confirmed:,} confirmed, {deaths:,} deaths"
    wrong = (found - expected).total() + (expected - found).total()
    return _judged(result, wrong == 0, words, wrong)


def movies(folder: Path, out: Path) -> dict[str, Any]:
    """Titles as text in any case, the dates after the list was made kept out."""
    import json

    result, target = run_example("movies", f"{folder}/movies.json", out)
    records = json.loads((folder / "movies.json").read_text(encoding="utf-8"))
    late = sum(1 for r in records if int(r["Release Date"][-4:]) > 2015)
    untitled = sum(1 for r in records if r["Title"] is None)
    wanted = {
        (str(r["Title"]), r["US Gross"], r["IMDB Votes"])
        for r in records
        if r["Title"] is not None and int(r["Release Date"][-4:]) <= 2015
    }
    found = set(_rows(target, "select title, us_gross, imdb_votes from movies"))
    rejected = sum(result.balance["rejected"].values())
    right = found == wanted and rejected == late + untitled
    return _judged(result, right, f"{len(records):,} records, {rejected} kept out", len(wanted ^ found))


def beers(folder: Path, out: Path) -> dict[str, Any]:
    """Every dirty cell repaired, no clean cell changed."""
    result, target = run_example("beers", f"{folder}/dirty.csv", out)
    columns = "index::varchar, id::varchar, beer_name, style, ounces, abv, ibu::varchar"
    columns += ", brewery_id::varchar, brewery_name, city, state"
    found = {row[0]: row for row in _rows(target, f"select {columns} from beers")}
    dirty, wrong, repaired = (list(read_plainly(folder / name)) for name in ("dirty.csv",)), 0, 0
    before = {row["index"]: tuple(row.values()) for row in next(dirty)}
    for clean in read_plainly(folder / "clean.csv"):
        expected = tuple(clean.values())
        actual = tuple("" if value is None else value for value in found.get(clean["index"], ()))
        wrong += sum(a != e for a, e in zip(actual, expected, strict=False)) if actual else len(expected)
        repaired += sum(b != e for b, e in zip(before[clean["index"]], expected, strict=True))
    return _judged(result, wrong == 0, f"{repaired:,} dirty cells, {wrong} wrong after the run", wrong)


JOBS: dict[str, tuple[str, Callable[[Path, Path], dict[str, Any]]]] = {
    "football": ("football", football),
    "covid": ("covid-daily", covid),
    "movies": ("movies", movies),
    "beers": ("beers", beers),
}


def run_all(out: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each job whose folder is at hand, with what came out."""
    base = corpora_folder()
    if base is None:
        return
    for name, (folder, job) in JOBS.items():
        if (base / folder).is_dir():
            yield name, job(base / folder, out)


def _rows(target: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(target), read_only=True) as connection:
        return connection.execute(query).fetchall()


def _judged(result: RunResult, right: bool, words: str, wrong: int) -> dict[str, Any]:
    receipt = result.receipt or {}
    right = right and receipt.get("equal") is True
    return {
        "right": right,
        "found": words,
        "wrong": wrong,
        "balance": result.balance,
        "codes": Counter(problem["code"] for found in result.rejects()["problems"].to_pylist() for problem in found),
        "report": result.document["report"],
    }
