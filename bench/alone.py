"""What is run once: the memory of a larger batch, and one demo batch into several destinations at a time."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench.arena import arena
from bench.contestants import Arena, loadlock, run_command
from bench.errors import BenchError
from bench.job import make_job
from bench.judge import judge
from bench.measure import measure
from bench.rounds import Record, digests, read_document, run_once, say


def memory_of(folder: Path, servers: Mapping[str, str], *, rows: int, seed: int) -> dict[str, Any]:
    """Loadlock's peak for a batch of `rows` records into the first destination of `servers`."""
    say(f"memory: making {rows:,} records")
    job = make_job(folder, records=rows, seed=seed)
    destination = next(iter(servers))
    with arena(servers, destination, folder / "arena") as place:
        record = Record(contestant=loadlock(job, destination))
        measured = run_once(record, place, job)
    shutil.rmtree(folder)
    (document,) = record.documents
    expected, delivered = job.counts["load"], document["receipt"]["rows"]
    say(f"  {measured.peak_mib:.0f} MiB, {measured.seconds:.1f} s; {delivered:,} of {expected:,} rows")
    if delivered != expected:
        raise BenchError(f"{delivered:,} rows were delivered and {expected:,} should have been")
    return {
        "rows": rows,
        "destination": destination,
        "peak_mib": measured.peak_mib,
        "seconds": measured.seconds,
        "cpu_seconds": measured.cpu_seconds,
    }


def same_everywhere(folder: Path, servers: Mapping[str, str], *, records: int, seed: int) -> dict[str, Any]:
    """One run of a demo batch into all destinations: its digests, and each table compared with the truth."""
    say(f"the same everywhere: making {records:,} demo records")
    job = make_job(folder, records=records, seed=seed, shape="demo")
    with ExitStack() as stack:
        places = {
            name: stack.enter_context(arena(servers, name, folder / f"arena-{name}", with_table=False))
            for name in servers
        }
        urls = [place.url for place in places.values()]
        scratch = folder / "run"
        scratch.mkdir()
        command = run_command(job.pipeline("everywhere", urls), scratch / "workspace")
        measured = measure(command, cwd=folder)
        if measured.exit_code not in (0, 3):
            raise BenchError(f"loadlock run ended with {measured.exit_code}: {measured.errors}")
        document = read_document(measured)
        say(f"  {measured.seconds:.1f} s, {measured.peak_mib:.0f} MiB, digests {', '.join(digests(document))}")
        verdicts = {
            name: judge(job.truth, Arena(url=place.url, folder=scratch), name, document["batch"])
            for name, place in places.items()
        }
    shutil.rmtree(folder)
    for name, verdict in verdicts.items():
        say(f"  {name}: { {key: value for key, value in verdict.items() if key != 'examples'} }")
    return {
        "records": records,
        "seconds": measured.seconds,
        "peak_mib": measured.peak_mib,
        "digest": document["digest"],
        "receipts": {
            name: one["receipt"]["digest"] for name, one in zip(places, document["destinations"], strict=True)
        },
        "verdicts": verdicts,
    }
