"""`python -m demo`: makes a dirty batch, runs it, compares with the truth, then runs real files where they are at hand.

The last line is one JSON document; the exit code is 0 only if everything is right.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from demo.corpora import run_all
from loadlock import LoadlockError, Pipeline
from loadlock.cli.balance import print_balance
from loadlock.cli.progress import make_progress
from loadlock.testing import compare, maker
from loadlock.workflow.result import RunResult

RECORDS = 900_000
SEED = 20_261


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; its exit code."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("demo-out"), help="folder for batch, workspace and results")
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--keep", action="store_true", help="take the batch and truth that lie in OUT already")
    parser.add_argument("--only-made", action="store_true", help="leave the real files out")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        verdict = made_batch(options.out, options.records, options.seed, keep=options.keep)
        if not options.only_made:
            verdict["corpora"] = real_files(options.out)
    except LoadlockError as exc:
        print(f"demo: {exc}", file=sys.stderr)
        return 1
    right = is_right(verdict)
    print(json.dumps(verdict, ensure_ascii=False))
    return 0 if right else 1


def is_right(verdict: dict[str, Any]) -> bool:
    """Whether nothing is wrong, missing, too much, or rejected for another reason than the truth says."""
    counts = ("wrong", "missing", "extra", "reject_mismatch")
    return not any(verdict[name] for name in counts) and all(
        job["right"] for job in verdict.get("corpora", {}).values()
    )


def made_batch(out: Path, records: int, seed: int, *, keep: bool) -> dict[str, Any]:
    """Make the dirty batch, run it into DuckDB, and compare it with its truth."""
    folder = out / "batch"
    if not keep:
        shutil.rmtree(folder, ignore_errors=True)
        say(f"making {records:,} dirty records (seed {seed}) in {folder}")
        maker.make_batch(folder, records=records, seed=seed, shape="demo")
    workspace = out / "workspace"
    shutil.rmtree(workspace, ignore_errors=True)
    (folder / "orders.duckdb").unlink(missing_ok=True)
    say("loadlock run orders.yaml")
    result = run(folder / "orders.yaml", workspace)
    print_balance(result.document)
    say("comparing with the truth")
    found = compared(folder, result)
    for name, examples in found.pop("examples").items():
        for example in examples:
            say(f"  {name}: {json.dumps(example, ensure_ascii=False, default=str)}")
    return found


def run(pipeline: Path, workspace: Path) -> RunResult:
    """The main job, as `loadlock run` does it."""
    return Pipeline.load(pipeline).run(workspace=workspace, progress=make_progress(quiet=False))


def compared(folder: Path, result: RunResult) -> dict[str, Any]:
    """What the comparing script (which knows nothing of Loadlock) says of the table and the rejects."""
    rejects = folder.parent / "rejects.parquet"
    pq.write_table(result.rejects(), rejects)
    command = [sys.executable, compare.__file__, str(folder / "truth"), "--duckdb", str(folder / "orders.duckdb")]
    begun = time.monotonic()
    done = subprocess.run(
        [*command, "--table", "orders", "--rejects", str(rejects)], stdout=subprocess.PIPE, text=True, check=False
    )
    say(f"  compared in {time.monotonic() - begun:.1f} s")
    found: dict[str, Any] = json.loads(done.stdout)
    return {**found, "digest": result.digest, "report": result.document["report"]}


def real_files(out: Path) -> dict[str, Any]:
    """The example pipelines over real dirty files, each checked against an independent count."""
    found = {}
    for name, job in run_all(out):
        say(f"{name}: {job['found']}: {'right' if job['right'] else 'WRONG'}  ({job['report']})")
        found[name] = {"right": job["right"], "found": job["found"]}
    return found


def say(text: str) -> None:
    """Talk goes to standard output too: the last line is the document."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
