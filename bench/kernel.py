"""`python -m bench.kernel`: cleanup alone, 15 typed columns with four rules each, in turn with one hand-written DuckDB query.

Both read the same raw parts and write clean rows and rejects with all problems of a row, and count for each rule what it
changed. What comes out is compared: the same rows, the same problems, the same tallies. The machine should do nothing else
meanwhile; CPU time is the steadier number where it does.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from bench.measure import measure
from bench.page import put_between_markers

DOCS = Path(__file__).parent.parent / "docs" / "performance.md"
MARKERS = ("<!-- kernel: begin (written by `make bench-kernel`) -->", "<!-- kernel: end -->")
TARGET = 1.3
TEXT, NUMBER = ("  ", " "), (" ", "")
"""What the rule `replace` looks for in texts and in numbers, and what it puts there."""
COLUMNS = (
    ("id", "integer", NUMBER, "upper"), ("name", "text", TEXT, "upper"), ("email", "text", TEXT, "lower"),
    ("phone", "text", NUMBER, "lower"), ("city", "text", TEXT, "lower"), ("country", "text", TEXT, "upper"),
    ("born", "date", NUMBER, "upper"), ("seen", "timestamp", TEXT, "upper"), ("amount", "decimal(12,2)", NUMBER, "upper"),
    ("quantity", "integer", NUMBER, "upper"), ("paid", "boolean", NUMBER, "lower"), ("status", "text", TEXT, "lower"),
    ("note", "text", TEXT, "lower"), ("weight", "float", NUMBER, "upper"), ("reference", "text", TEXT, "upper"),
)  # fmt: skip
"""(name, type, what `replace` does, the last rule); before them come `trim` and `null_if`."""
NULLS = ("N/A", "-")
_CASTS = {
    "integer": "try_cast({0} as bigint)",
    "date": "try_strptime({0}, '%Y-%m-%d')::date",
    "timestamp": "try_strptime({0}, '%Y-%m-%d %H:%M:%S')",
    "decimal(12,2)": "try_cast({0} as decimal(12,2))",
    "boolean": "try_cast({0} as boolean)",
    "float": "try_cast({0} as double)",
}
_DATA = """
copy (select i as id, case i % 9 when 0 then ' Ann  Weiß ' when 4 then 'N/A' else 'Bob O''Neil' || i % 5000 end as name,
    case when i % 7 = 0 then 'USER' else 'user' end || i || '@example.com' as email, '+49 30 ' || (i * 7919 % 9999999) as phone,
    ['Lima', ' Tokyo', 'Köln', 'Malmö', '-'][1 + i % 5] as city, ['br', 'FR', 'in '][1 + i % 3] as country,
    case when i % 500 = 3 then 'soon' else (date '1950-01-01' + (i % 20000)::integer)::varchar end as born,
    (timestamp '2024-01-01' + to_seconds(i % 9000000))::varchar as seen,
    case when i % 400 = 9 then 'twelve' else (i % 99999) || '.' || lpad((i % 100)::varchar, 2, '0') end as amount,
    case i % 11 when 0 then '-' when 5 then ' 7 ' else (i % 1000)::varchar end as quantity,
    ['true', 'false', 'TRUE', ' false'][1 + i % 4] as paid, ['open', 'PAID', 'closed'][1 + i % 3] as status,
    case when i % 3 = 0 then 'N/A' when i % 6 = 1 then 'needs  follow up; soon' else '' end as note,
    printf('%.6f', i / 7.0) as weight, printf('ref-%010d-%08x', i, hash(i) % 4294967296) as reference
from range({rows}) numbers(i)) to '{target}' (format csv, header true)
"""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One run of one of the two."""

    seconds: float
    cpu: float
    mib: float
    rows: int
    problems: int
    changed: dict[str, int]
    """`column/rule number` → values changed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the parts, measure in turn, compare, write docs/performance.md; 1 where the two differ in what they make."""
    parser = argparse.ArgumentParser(prog="python -m bench.kernel", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-docs", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    parser.add_argument("--side", choices=("loadlock", "duckdb"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    work = (options.out / "kernel").resolve()
    if options.side:
        from bench.kernel_sides import SIDES

        print(json.dumps(SIDES[options.side](work)))
        return 0
    work.mkdir(parents=True, exist_ok=True)
    try:
        return _compare(work, options.rows, options.rounds, docs=not options.no_docs)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _compare(work: Path, rows: int, rounds: int, *, docs: bool) -> int:
    from bench.kernel_sides import stage

    duckdb.execute(_DATA.format(rows=rows, target=work / "in.csv")).fetchall()
    stage(work)
    sides: dict[str, list[Side]] = {"loadlock": [], "duckdb": []}
    for _ in range(rounds):
        for name, runs in sides.items():
            runs.append(_run(name, work))
    faults = _differences(work, sides["loadlock"][-1], sides["duckdb"][-1])
    text = _page(sides, rows, rounds, faults)
    print(text)
    if docs and not faults:
        put_between_markers(DOCS, text, MARKERS)
    return 1 if faults else 0


def _run(name: str, work: Path) -> Side:
    run = measure([sys.executable, "-m", "bench.kernel", "--side", name, "--out", str(work.parent)], cwd=Path.cwd())
    if run.exit_code:
        raise RuntimeError(run.errors)
    return Side(mib=run.peak_mib, **json.loads(run.output))


def _differences(work: Path, ours: Side, theirs: Side) -> list[str]:
    """Where the two made something else: clean rows (all values), problems, tallies."""
    names = ", ".join(name for name, *_ in COLUMNS)
    hashes = f"select count(*), sum(hash({names})::hugeint) from read_parquet"
    made = [f"{work}/ws/staging/*/kernel/clean/*.parquet", f"{work}/duckdb/clean.parquet"]
    contents = [duckdb.execute(f"{hashes}('{path}')").fetchall() for path in made]
    found = [f"other clean rows: {contents}"] if contents[0] != contents[1] else []
    if ours.problems != theirs.problems:
        found.append(f"other problems: {ours.problems:,} and {theirs.problems:,}")
    other = {
        key: (ours.changed.get(key), count) for key, count in theirs.changed.items() if ours.changed.get(key) != count
    }
    return found + ([f"other tallies: {other}"] if other else [])


def _page(sides: dict[str, list[Side]], rows: int, rounds: int, faults: Sequence[str]) -> str:
    def ratio(name: str) -> str:
        pairs = zip(sides["loadlock"], sides["duckdb"], strict=True)
        return f"{statistics.median(getattr(a, name) / getattr(b, name) for a, b in pairs):.2f}"

    last = sides["loadlock"][-1]
    lines = [
        f"{rows:,} rows, 15 typed columns with four rules each, {rounds} rounds in turn, medians; target: at most {TARGET}x.",
        "",
        "| | s (CPU s) | peak MiB |",
        "| --- | ---: | ---: |",
    ]
    for name, label in (("loadlock", "Loadlock's cleanup"), ("duckdb", "one DuckDB query")):
        middle = {key: statistics.median(getattr(run, key) for run in sides[name]) for key in ("seconds", "cpu", "mib")}
        lines.append(f"| {label} | {middle['seconds']:.2f} ({middle['cpu']:.2f}) | {middle['mib']:.0f} |")
    lines += ["", f"Ratio: {ratio('seconds')} of the time, {ratio('cpu')} of the CPU time."]
    same = (
        f"Both made the same {last.rows:,} clean rows, found {last.problems:,} problems and counted the same changes."
    )
    return "\n".join([*lines, same if not faults else "THE TWO DIFFER: " + "; ".join(faults)]) + "\n"


def chain(column: str, replaced: tuple[str, str], last: str) -> list[str]:
    """The four rules of a column as SQL, each over the name of the one before."""
    old, new = replaced
    words = ", ".join(f"'{word}'" for word in NULLS)
    return [
        f"trim({column})",
        f"case when {column}_1 in ({words}) then null else {column}_1 end",
        f"replace({column}_2, '{old}', '{new}')",
        f"{last}({column}_3)",
    ]


def query(raw: str) -> str:
    """The hand-written query: typed values, all problems of a row as a list, and what each rule changed."""
    levels = f"read_parquet('{raw}')"
    for step in range(4):
        made = ", ".join(f"{chain(name, old, last)[step]} as {name}_{step + 1}" for name, _, old, last in COLUMNS)
        levels = f"(select *, {made} from {levels})"
    typed = ", ".join(f"{_CASTS[kind].format(f'{name}_4')} as {name}_t" for name, kind, *_ in COLUMNS if kind in _CASTS)
    problems = ", ".join(
        f"case when {name}_4 <> '' and {name}_t is null then {{'code': 'not_{kind}', 'column': '{name}', 'value': {name}_4,"
        f" 'message': '''' || {name}_4 || ''' is no {kind}'}} end"
        for name, kind, *_ in COLUMNS
        if kind in _CASTS
    )
    finals = ", ".join(f"{name}_{'t' if kind in _CASTS else '4'} as {name}" for name, kind, *_ in COLUMNS)
    before = {1: "{0}", 2: "{0}_1", 3: "{0}_2", 4: "{0}_3"}
    changed = ", ".join(
        f"{name}_{step} is distinct from {before[step].format(name)} as {name}_c{step}"
        for name, *_ in COLUMNS
        for step in before
    )
    return (
        f"select {finals}, {changed}, _row, _line, list_filter([{problems}], lambda x: x is not null) as problems"
        f" from (select *, {typed} from {levels})"
    )


if __name__ == "__main__":
    sys.exit(main())
