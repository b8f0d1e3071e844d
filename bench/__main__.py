"""`python -m bench`: measures the job of docs/performance.md. Exits with 0 if every row and reject of Loadlock is right.

Times decide nothing here: they are results. The machine should do nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import compileall
import datetime as dt
import json
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import loadlock
from bench import contestants as who
from bench.alone import memory_of, same_everywhere
from bench.arena import start_servers
from bench.errors import BenchError
from bench.job import Job, make_job
from bench.judge import is_right
from bench.machine import machine, versions
from bench.page import markdown, put_between_markers
from bench.rounds import run_rounds, say
from loadlock import LoadlockError

DOCS = Path(__file__).parent.parent / "docs" / "performance.md"
QUICK = {"rows": 50_000, "rounds": 1, "memory_rows": 0, "demo_records": 5_000}
FULL = {"rows": 1_000_000, "rounds": 3, "memory_rows": 5_000_000, "demo_records": 900_000}
DESTINATIONS = ("postgres", "mariadb", "mysql", "duckdb")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    options = read_options(words)
    options.out.mkdir(parents=True, exist_ok=True)
    work = options.out / "work"
    shutil.rmtree(work, ignore_errors=True)
    try:
        results = measure_all(options, work.resolve())
    except (BenchError, LoadlockError) as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)
    results["command"] = " ".join(["python -m bench", *words])
    text = markdown(results)
    (options.out / "results.json").write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")
    (options.out / "results.md").write_text(text)
    if not (options.quick or options.no_docs):
        put_between_markers(DOCS, text)
    print(text)
    return 0 if all_right(results) else 1


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """The options, with the numbers of a full or a quick benchmark where none are given."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", type=_positive, help="records of the job")
    parser.add_argument("--rounds", type=_positive, help="how often each contestant runs")
    parser.add_argument("--peers", type=_list_of(who.PEER_NEEDS), default=list(who.PEER_NEEDS))
    parser.add_argument("--destinations", type=_list_of(DESTINATIONS), default=list(DESTINATIONS))
    parser.add_argument("--memory-rows", type=int, help="records of the batch for memory only; 0 = none")
    parser.add_argument("--demo-records", type=int, help="records that go to all destinations at once; 0 = none")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: from the clock")
    parser.add_argument("--quick", action="store_true", help="small, one round, no memory run; docs stay as they are")
    parser.add_argument("--no-docs", action="store_true", help="leave docs/performance.md as it is")
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    options = parser.parse_args(arguments)
    for name, number in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, number)
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _list_of(known: Sequence[str] | dict[str, Any]) -> Any:
    def names(text: str) -> list[str]:
        found = [name for name in text.split(",") if name]
        if unknown := set(found) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        return found

    return names


def measure_all(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Everything that was asked for, as one document."""
    say(f"seed {options.seed}")
    # as pip does when it installs a wheel; an editable install has no bytecode before its first run
    compileall.compile_dir(Path(loadlock.__file__).parent, quiet=2)
    before = machine()
    with ExitStack() as stack:
        servers = start_servers(options.destinations, stack)
        if not servers:
            raise BenchError("no destination is left to measure")
        say(f"making {options.rows:,} records")
        job = make_job(work / "job", records=options.rows, seed=options.seed)
        records = run_rounds(contestants(options, job, list(servers)), job, servers, options.rounds)
        megabytes = job.source.stat().st_size / 1e6
        shutil.rmtree(job.folder)
        memory, everywhere = None, None
        if options.memory_rows:
            memory = memory_of(work / "memory", servers, rows=options.memory_rows, seed=options.seed + 1)
        if options.demo_records:
            everywhere = same_everywhere(
                work / "everywhere", servers, records=options.demo_records, seed=options.seed + 2
            )
        return {
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "seed": options.seed,
            "rows": options.rows,
            "rounds": options.rounds,
            "megabytes": megabytes,
            "counts": job.counts,
            "machine": before,
            "versions": versions(servers),
            "records": [record.to_json() for record in records],
            "memory": memory,
            "everywhere": everywhere,
        }


def contestants(options: argparse.Namespace, job: Job, destinations: Sequence[str]) -> list[who.Contestant]:
    """In the order in which they run; the baseline of a destination is its first."""
    chosen: list[who.Contestant] = []
    if "postgres" in destinations:
        for name in options.peers:
            if missing := who.missing_packages(name):
                say(f"{name} is left out: {', '.join(missing)} not installed")
        chosen += [
            who.copy_baseline(job),
            who.loadlock(job, "postgres"),
            who.upsert(job),
            *who.peers(job, options.peers),
        ]
    for name in ("mariadb", "mysql"):
        if name in destinations:
            chosen += [who.load_data_baseline(job, name), who.loadlock(job, name)]
    if "duckdb" in destinations:
        chosen.append(who.loadlock(job, "duckdb"))
    return chosen


def all_right(results: dict[str, Any]) -> bool:
    """Whether Loadlock's tables and rejects equal the truth everywhere, with one digest for one batch."""
    mine = [record for record in results["records"] if record["name"] in who.OURS]
    verdicts = [record["verdict"] for record in mine]
    digests = [{digest for record in mine for digest in record["digests"]}]
    if everywhere := results["everywhere"]:
        verdicts += everywhere["verdicts"].values()
        digests.append({everywhere["digest"], *everywhere["receipts"].values()})
    return all(map(is_right, verdicts)) and all(len(found) == 1 for found in digests)


if __name__ == "__main__":
    sys.exit(main())
