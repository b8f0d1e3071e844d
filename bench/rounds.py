"""Runs the contestants in turn and pairs each with the baseline of its own round."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from bench.arena import arena
from bench.contestants import Arena, Contestant, program
from bench.errors import BenchError
from bench.job import Job
from bench.judge import is_right, judge
from bench.measure import Measured, measure


@dataclass(kw_only=True)
class Record:
    """All runs of one contestant. `baseline` holds the seconds of the same rounds' baselines."""

    contestant: Contestant
    runs: list[Measured] = field(default_factory=list)
    baseline: list[float] = field(default_factory=list)
    verdict: dict[str, Any] = field(default_factory=dict)
    documents: list[dict[str, Any]] = field(default_factory=list)
    read_back: list[float] = field(default_factory=list)
    """Seconds from the commit to the end of each run of Loadlock: read-back, statistics, report."""

    @property
    def ratios(self) -> list[float]:
        """Seconds over those of the baseline, round by round."""
        return [run.seconds / base for run, base in zip(self.runs, self.baseline, strict=False)]

    @property
    def _read_back_ratios(self) -> list[float]:
        return [seconds / base for seconds, base in zip(self.read_back, self.baseline, strict=False)]

    def to_json(self) -> dict[str, Any]:
        """For the results; medians over the rounds, the peak over all."""
        one = self.contestant
        return {
            "name": one.name,
            "destination": one.destination,
            "does": one.does,
            "errs": one.errs,
            "seconds": median(run.seconds for run in self.runs),
            "ratio": median(self.ratios) if self.ratios else None,
            "cpu_seconds": median(run.cpu_seconds for run in self.runs),
            "peak_mib": max(run.peak_mib for run in self.runs),
            "all_seconds": [run.seconds for run in self.runs],
            "all_ratios": self.ratios,
            "read_back": median(self._read_back_ratios) if self._read_back_ratios else None,
            "verdict": self.verdict,
            "digests": sorted({digest for document in self.documents for digest in digests(document)}),
        }


def digests(document: Mapping[str, Any]) -> list[str]:
    """The run's digest and that of each receipt."""
    return [document["digest"], *(one["receipt"]["digest"] for one in document["destinations"])]


def run_rounds(contestants: Sequence[Contestant], job: Job, servers: Mapping[str, str], rounds: int) -> list[Record]:
    """`rounds` times all contestants one after another; the first of a destination is its baseline.

    What they delivered is compared with the truth after their first run, outside the timing.
    """
    records = [Record(contestant=one) for one in contestants]
    for number in range(1, rounds + 1):
        base: dict[str, float] = {}
        for record in records:
            one = record.contestant
            destination = one.destination
            with arena(servers, destination, job.folder / "arena", with_table=one.prepare is None) as place:
                if one.prepare is not None:
                    one.prepare(place)
                measured = run_once(record, place, job)
                say(f"round {number}: {destination}: {record.contestant.name}: {_said(measured)}")
                if one.is_loadlock:
                    record.read_back.append(read_back_seconds(place, record.documents[-1]["run"]))
                if number == 1:
                    _judge(record, place, job)
            if destination != "duckdb":  # that has no baseline of its own
                record.baseline.append(base.setdefault(destination, measured.seconds))
    return records


def run_once(record: Record, place: Arena, job: Job) -> Measured:
    """One measured run; a BenchError where it ends otherwise than it should."""
    one = record.contestant
    measured = measure(one.command(place), cwd=job.folder)
    if measured.exit_code not in one.exit_codes:
        raise BenchError(f"{one.name} ended with {measured.exit_code}: {measured.errors}")
    record.runs.append(measured)
    if one.is_loadlock:
        record.documents.append(read_document(measured))
    return measured


def read_document(measured: Measured) -> dict[str, Any]:
    """The JSON of a run of Loadlock; a BenchError unless it is verified in all its destinations."""
    document: dict[str, Any] = json.loads(measured.output)
    equal = all(one["receipt"]["equal"] for one in document["destinations"])
    if document["status"] != "verified" or document["noop"] or not equal:
        raise BenchError(f"Loadlock's run is {document['status']}: {measured.output[:2000]}")
    return document


def read_back_seconds(place: Arena, run: str) -> float:
    """Seconds between the events `published` and `run_finished` of a run, as the ledger has them."""
    command = [program(), "show", run, "--workspace", str(place.folder / "workspace"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    at = {event["data"].get("to", event["kind"]): event["at"] for event in json.loads(done.stdout)["events"]}
    begun, ended = (dt.datetime.fromisoformat(at[name]) for name in ("published", "run_finished"))
    return (ended - begun).total_seconds()


def _judge(record: Record, place: Arena, job: Job) -> None:
    if record.contestant.tidy is not None:
        record.contestant.tidy(place)
    batch = record.documents[-1]["batch"] if record.documents else None
    record.verdict = judge(job.truth, place, record.contestant.destination, batch)
    counts = {name: value for name, value in record.verdict.items() if name != "examples"}
    say(f"  {json.dumps(counts)}")
    if record.contestant.is_loadlock and not is_right(record.verdict):
        say(f"  {json.dumps(record.verdict['examples'], ensure_ascii=False, default=str)[:4000]}")


def _said(measured: Measured) -> str:
    return f"{measured.seconds:.1f} s, {measured.cpu_seconds:.1f} s CPU, {measured.peak_mib:.0f} MiB"


def say(text: str) -> None:
    """Talk goes to standard error."""
    print(text, file=sys.stderr, flush=True)
