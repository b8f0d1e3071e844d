"""`python -m bench.rerun`: what a rerun with one changed rule costs, as a ratio to the first run of the same batch.

Each round takes a batch into an empty table (a run, from the file), changes one rule, and takes it again (a rerun, from
staging). Both are commands of their own; the second must have met nothing but rows that are there, and the counts it gives are
compared with what the table shows. The machine should do nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from bench.arena import arena, start_servers
from bench.contestants import program, run_command
from bench.errors import BenchError
from bench.job import TABLE, Job, make_job
from bench.measure import Measured, measure
from bench.page import put_between_markers

DOCS = Path(__file__).parent.parent / "docs" / "performance.md"
MARKERS = ("<!-- rerun: begin (written by `make bench-rerun`) -->", "<!-- rerun: end -->")
TARGET = 0.8
MODES = ("upsert", "replace")
CHANGE = (
    "type: text, rules: [trim, upper],",
    "type: text, rules: [trim, upper, {map: {values: {NO: DK}, missing: keep}}],",
)
"""A rule of one column, as it is in the pipeline's text and as the rerun has it."""
_XMIN = f"select xmin::text::bigint, count(*) from {TABLE} group by 1 order by 1"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One round: the first run and the rerun after it, and how many rows the rerun changed."""

    first: Measured
    again: Measured
    updated: int

    @property
    def ratio(self) -> float:
        """Of the seconds."""
        return self.again.seconds / self.first.seconds

    @property
    def cpu_ratio(self) -> float:
        """Of the CPU seconds."""
        return self.again.cpu_seconds / self.first.cpu_seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write docs/performance.md; 1 where a rerun's counts are not true."""
    parser = argparse.ArgumentParser(prog="python -m bench.rerun", description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--modes", nargs="*", choices=MODES, default=list(MODES))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-docs", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    options = parser.parse_args(arguments)
    work = (options.out / "rerun").resolve()
    try:
        with ExitStack() as stack:
            servers = start_servers(["postgres"], stack)
            job = make_job(work / "job", records=options.rows, seed=options.seed)
            found = {mode: list(_rounds(job, servers, mode, options.rounds, work)) for mode in options.modes}
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    text = page(found, options.rows, options.rounds)
    print(text)
    if not options.no_docs:
        put_between_markers(DOCS, text, MARKERS)
    return 0


def page(found: dict[str, list[Pair]], rows: int, rounds: int) -> str:
    """The results as Markdown."""
    names = [
        "write mode",
        "first run s (CPU s)",
        "rerun s (CPU s)",
        "ratio",
        "CPU ratio",
        "rerun's peak MiB",
        "rows changed",
    ]
    head = f"{rows:,} records, {rounds} rounds, medians; ratios within a round; target ≤ {TARGET}."
    lines = [head, "", f"| {' | '.join(names)} |", f"| --- |{' ---: |' * (len(names) - 1)}"]
    for mode, pairs in found.items():
        cells = [
            mode,
            _seconds([pair.first for pair in pairs]),
            _seconds([pair.again for pair in pairs]),
            f"{statistics.median(pair.ratio for pair in pairs):.2f}",
            f"{statistics.median(pair.cpu_ratio for pair in pairs):.2f}",
            f"{max(pair.again.peak_mib for pair in pairs):.0f}",
            f"{pairs[0].updated:,}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _seconds(runs: Sequence[Measured]) -> str:
    wall, cpu = (statistics.median(getattr(run, name) for run in runs) for name in ("seconds", "cpu_seconds"))
    return f"{wall:.1f} ({cpu:.1f})"


def _rounds(job: Job, servers: dict[str, str], mode: str, rounds: int, work: Path) -> Iterator[Pair]:
    for number in range(1, rounds + 1):
        with arena(servers, "postgres", work / "arena", with_table=False) as place:
            pair = one_round(job, mode, place.url, place.folder / "workspace")
        said = (
            f"{pair.first.seconds:.1f} s, then {pair.again.seconds:.1f} s: {pair.ratio:.2f} (CPU {pair.cpu_ratio:.2f})"
        )
        print(f"{mode}, round {number}: {said}", file=sys.stderr, flush=True)
        yield pair


def one_round(job: Job, mode: str, url: str, workspace: Path) -> Pair:
    """The first run and the rerun; a BenchError where one ends wrongly or its counts are not those of the table."""
    pipeline = write_pipeline(job, mode, url, changed=False)
    first = measure(run_command(pipeline, workspace), cwd=job.folder)
    batch = document_of(first)["batch"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("checkpoint")
        write_pipeline(job, mode, url, changed=True)
        command = [program(), "rerun", batch, "--workspace", str(workspace), "--json", "--quiet"]
        again = measure(command, cwd=job.folder)
        balance = document_of(again)["balance"]
        written = connection.execute(_XMIN.encode()).fetchall()
    if mode == "upsert" and (balance["inserted"], balance["updated"]) != (0, sum(rows for _, rows in written[1:])):
        raise BenchError(f"the rerun says {balance}, the table {written}")
    return Pair(first=first, again=again, updated=balance["updated"] if mode == "upsert" else balance["inserted"])


def write_pipeline(job: Job, mode: str, url: str, *, changed: bool) -> Path:
    """The job's pipeline with this destination; `changed`: with another rule in one column."""
    text = job.settings.replace(*CHANGE) if changed else job.settings
    if changed and text == job.settings:
        raise BenchError(f"the pipeline has no {CHANGE[0]!r} to change")
    key = ", key: [order_id]" if mode == "upsert" else ""
    path = job.folder / "orders.yaml"
    path.write_text(f"{text}destination: {{url: '{url}', table: {TABLE}, mode: {mode}{key}}}\n", encoding="utf-8")
    return path


def document_of(run: Measured) -> dict[str, Any]:
    """What a run said; a BenchError unless it is verified."""
    document: dict[str, Any] = json.loads(run.output) if run.exit_code in (0, 3) else {}
    if document.get("status") != "verified" or not document["receipt"]["equal"]:
        raise BenchError(f"a run ended with {run.exit_code}: {run.errors or run.output[:2000]}")
    return document


if __name__ == "__main__":
    sys.exit(main())
