"""`python -m bench.intake`: the intake alone, from bytes to Parquet, in turn with DuckDB's `read_csv(all_varchar=true)`.

Both do the same files in processes of their own; each times itself from after its imports. The machine should do
nothing else meanwhile; CPU time is the steadier number where it does.
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
from typing import Any

import duckdb

from bench.measure import measure
from bench.page import put_between_markers

DOCS = Path(__file__).parent.parent / "docs" / "performance.md"
MARKERS = ("<!-- intake: begin (written by `make bench-intake`) -->", "<!-- intake: end -->")
TARGET = 0.8

_BASE = """
select printf('%d', 100000 + i) as order_id, list_element(['Zoë Grünwald', 'Bob Weiß', 'Ivan Nguyen', 'Ann O''Neil'],
    1 + i % 4) as customer, printf('user%d@example%d.com', i, i % 90) as email, printf('+49 30 %07d',
    i * 7919 % 9999999) as phone,
    list_element(['Lima', 'Tokyo', 'Köln', 'Malmö', 'Genève'], 1 + i % 5) as city, list_element(['BR', 'FR', 'IN'], 1 + i % 3)
    as country, printf('%02d.%02d.20%02d', 1 + i % 28, 1 + i % 12, 10 + i % 15) as ordered_on, printf('20%02d-%02d-%02d',
    10 + i % 15, 1 + i % 12, 1 + i % 28) as shipped_on, printf('%d,%03d.%02d', i % 9, i % 999, i % 100) as amount,
    printf('%d', i % 1000) as quantity, list_element(['yes', 'no', 'true', ''], 1 + i % 4) as paid, list_element(['open',
    'paid', 'closed'], 1 + i % 3) as status, case when {newline} then printf('first line\nsecond, line %d\nthe end', i) when
    i % 6 = 0 then 'needs follow up; soon' when i % 3 = 0 then 'N/A' else '' end as note, printf('%.6f', i / 7.0) as weight,
    printf('REF-%010d-%08x', i, hash(i) % 4294967296) as reference
from range({rows}) numbers(i)
"""
_MALFORMED = """
copy (
    select case when i % 10 != 3 then line when i % 30 = 3 then line || ',one more' when i % 30 = 13 then
        replace(line, ',+49 30', '+49 30') else replace(line, 'REF-', 'RE "F-') end as line
    from (select row_number() over () - 1 as i, line from read_csv('{source}', header=false, delim='\x01', quote='',
        escape='', columns={{'line': 'varchar'}}, strict_mode=false))
) to '{target}' (format csv, header false, delimiter '\x01', quote '', escape '')
"""
FILES = {
    "plain": "quotes where they are needed",
    "quoted": "every field quoted",
    "newlines": "5 % of the records with line ends in a field",
    "malformed": "10 % of the rows with a field too many, a field too few or a stray quote; DuckDB leaves them out",
    "rejects": "the same file; DuckDB keeps its rejects, too",
}
_LOADLOCK = """
import sys, json, time
from pathlib import Path
from loadlock.engines.memory import choose_allocator, collect_seldom, keep_small, spare_pandas
choose_allocator()
keep_small()
spare_pandas()
collect_seldom()
import pyarrow as pa, pyarrow.csv, pyarrow.compute, pyarrow.parquet
from loadlock.intake.base import SourceOptions
from loadlock.intake.files import open_sources
from loadlock.intake.formats.csv import CsvFormat
from loadlock.workflow.take_in import Intake, take_in
from loadlock.workflow.workspace import Workspace
pa.array(["the modules that this loads"])
workspace = Workspace.open(Path("intake-ws"))
begun, cpu = time.perf_counter(), time.process_time()
sources = list(open_sources([Path(sys.argv[1])]))
batch = "b" * 64
workspace.ledger.begin_batch(batch, "intake", [source.file for source in sources])
take_in(Intake(workspace=workspace, batch=batch, generation=1, options=SourceOptions(), keep_source=False), sources,
        lambda size, rows: None)
seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
report = workspace.ledger.file_reports(batch, 1)[0]
print(json.dumps({"seconds": seconds, "cpu": cpu, "rows": report.staged, "rejects": report.rejected}))
"""
_DUCKDB = """
import sys, json, time, duckdb
connection = duckdb.connect()
connection.execute("set enable_progress_bar = false").fetchall()
begun, cpu = time.perf_counter(), time.process_time()
name = sys.argv[1].rpartition("/")[2]
more = ", ignore_errors=true" if name == "malformed.csv" else ""
more = ", store_rejects=true, rejects_limit=0" if name == "rejects.csv" else more
rows = connection.execute(f"copy (select * from read_csv('{sys.argv[1]}', all_varchar=true{more})) to 'duckdb.parquet'"
                          " (format parquet)").fetchall()[0][0]
seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
kept = "select count(distinct line) from reject_errors"
rejects = connection.execute(kept).fetchall()[0][0] if "store_rejects" in more else 0
print(json.dumps({"seconds": seconds, "cpu": cpu, "rows": rows, "rejects": rejects}))
"""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One file, several rounds of both in turn."""

    name: str
    mib: float
    ours: list[dict[str, Any]]
    theirs: list[dict[str, Any]]

    def ratio(self, key: str) -> float:
        """Median over the rounds of DuckDB's number by ours: above 1 we are faster."""
        return float(statistics.median(b[key] / a[key] for a, b in zip(self.ours, self.theirs, strict=True)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the files, measure, write docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.intake", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", default=",".join(FILES))
    parser.add_argument("--no-docs", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    options = parser.parse_args(arguments)
    work = (options.out / "intake").resolve()
    work.mkdir(parents=True, exist_ok=True)
    try:
        found = [_compare(name, work, options.rows, options.rounds) for name in options.files.split(",")]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    text = _page(found, options.rows, options.rounds)
    print(text)
    if not options.no_docs:
        put_between_markers(DOCS, text, MARKERS)
    return 0


def make_file(name: str, folder: Path, rows: int) -> Path:
    """One of the files, made by DuckDB."""
    target = folder / f"{name}.csv"
    base = _BASE.format(rows=rows, newline="i % 20 = 7" if name == "newlines" else "false")
    if name in ("malformed", "rejects"):
        duckdb.execute(_MALFORMED.format(source=make_file("plain", folder, rows), target=target)).fetchall()
        return target
    quoting = ", force_quote *" if name == "quoted" else ""
    duckdb.execute(f"copy ({base}) to '{target}' (format csv, header true{quoting})").fetchall()
    return target


def _compare(name: str, work: Path, rows: int, rounds: int) -> Compared:
    path = make_file(name, work, rows)
    found = Compared(name=name, mib=path.stat().st_size / (1 << 20), ours=[], theirs=[])
    for _ in range(rounds):
        found.ours.append(_run(_LOADLOCK, path, work))
        shutil.rmtree(work / "intake-ws", ignore_errors=True)
        found.theirs.append(_run(_DUCKDB, path, work))
    path.unlink()
    return found


def _run(script: str, path: Path, work: Path) -> dict[str, Any]:
    run = measure([sys.executable, "-c", script, str(path)], cwd=work)
    if run.exit_code:
        raise RuntimeError(run.errors)
    return {**json.loads(run.output), "mib": run.peak_mib}


def _page(found: Sequence[Compared], rows: int, rounds: int) -> str:
    names = ["file", "MiB", "speed, wall", "speed, CPU", "Loadlock s (CPU s)", "DuckDB s (CPU s)", "Loadlock peak MiB"]
    names += ["DuckDB peak MiB", "Loadlock rows + rejects", "DuckDB rows + rejects"]
    lines = [
        f"{rows:,} records of 15 columns, {rounds} rounds in turn, medians; target: speed at least {TARGET} of DuckDB's.",
        "",
        f"| {' | '.join(names)} |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in found:
        times = [f"{_median(side, 'seconds'):.1f} ({_median(side, 'cpu'):.1f})" for side in (one.ours, one.theirs)]
        peaks = [f"{max(run['mib'] for run in side):.0f}" for side in (one.ours, one.theirs)]
        ours, theirs = (f"{side[0]['rows']:,} + {side[0]['rejects']:,}" for side in (one.ours, one.theirs))
        ratios = [f"{one.ratio('seconds'):.2f}", f"{one.ratio('cpu'):.2f}"]
        cells = [FILES[one.name], f"{one.mib:.0f}", *ratios, *times, *peaks, ours, theirs]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _median(side: Sequence[dict[str, Any]], key: str) -> float:
    return float(statistics.median(run[key] for run in side))


if __name__ == "__main__":
    sys.exit(main())
