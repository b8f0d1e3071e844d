"""Counts the rows that are right, by a script that imports nothing of Loadlock, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench.contestants import Arena, program
from bench.errors import BenchError
from bench.job import TABLE
from loadlock.testing import compare

_FLAGS = {"postgres": "--postgres", "mariadb": "--mysql", "mysql": "--mysql", "duckdb": "--duckdb"}


def judge(truth: Path, arena: Arena, destination: str, batch: str | None = None) -> dict[str, Any]:
    """What `compare` says of the table, and of the rejects of Loadlock's batch where one is given."""
    place = arena.url.removeprefix("duckdb:///") if destination == "duckdb" else arena.url
    command = [sys.executable, compare.__file__, str(truth), _FLAGS[destination], place, "--table", TABLE]
    if batch is not None:
        command += ["--rejects", str(_rejects(arena, batch))]
    # it ends with 1 where something is wrong; that is a result
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise BenchError(f"the comparison failed: {done.stderr[-2000:]}") from None
    return found


def is_right(verdict: dict[str, Any]) -> bool:
    """Whether each record is where it should be, with the right values or the right reason."""
    return not any(verdict[name] for name in ("wrong", "missing", "extra", "reject_mismatch"))


def _rejects(arena: Arena, batch: str) -> Path:
    command = [program(), "rejects", batch, "--workspace", str(arena.folder / "workspace"), "--json"]
    path = arena.folder / "rejects.json"
    with path.open("wb") as out:
        done = subprocess.run(command, stdout=out, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BenchError(f"`loadlock rejects` ended with {done.returncode}: {done.stderr[-2000:]}")
    return path
