"""`make demo`: right on what it makes, wrong where a truth row is altered; real files where they are at hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.slow


def demo(out: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, the document in the last line, and everything said."""
    command = [sys.executable, "-m", "demo", "--out", str(out), "--records", "3000", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), said


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, dict[str, Any], str]:
    out = tmp_path_factory.mktemp("demo")
    return (out, *demo(out, "--only-made"))


def test_a_made_batch_comes_out_as_its_truth_says(made: tuple[Path, int, dict[str, Any], str]) -> None:
    _, code, verdict, said = made
    assert code == 0, said
    counts = {name: verdict[name] for name in ("received", "wrong", "missing", "extra", "reject_mismatch")}
    assert counts == {"received": verdict["received"], "wrong": 0, "missing": 0, "extra": 0, "reject_mismatch": 0}
    assert verdict["received"] >= 3000
    assert Path(verdict["report"]).is_file()
    assert "Balance sheet" in said


def other(column: pa.ChunkedArray, row: int) -> pa.Array:
    """The column with another value in one row."""
    mask = pa.array([index == row for index in range(len(column))])
    values = column.combine_chunks()
    different = next(value for value in pc.unique(values) if value.is_valid and value != values[row])
    return pc.if_else(mask, different, values)


def test_the_demo_fails_when_one_truth_row_is_altered(
    made: tuple[Path, int, dict[str, Any], str], tmp_path: Path
) -> None:
    out = tmp_path / "altered"
    shutil.copytree(made[0] / "batch", out / "batch")
    truth = next((out / "batch" / "truth").glob("*truth*.parquet"))
    table = pq.read_table(truth)
    name = next(name for name in table.column_names if name == "customer" or "name" in name)
    index = table.column_names.index(name)
    pq.write_table(table.set_column(index, table.schema.field(index), other(table[name], table.num_rows // 2)), truth)
    code, verdict, _ = demo(out, "--only-made", "--keep")
    assert code == 1
    assert (verdict["wrong"], verdict["missing"]) == (1, 0)


JOBS = {"football": "football", "covid": "covid-daily", "movies": "movies", "beers": "beers"}


def test_real_files_come_out_as_an_independent_count_says(tmp_path: Path) -> None:
    folder = Path(os.environ.get("LOADLOCK_CORPORA", ROOT.parent / "shared" / "corpora"))
    at_hand = {name for name, sub in JOBS.items() if (folder / sub).is_dir()}
    if not at_hand:
        pytest.skip("NO CORPORA: set LOADLOCK_CORPORA to the folder of the real files")
    code, verdict, said = demo(tmp_path, "--records", "500")
    assert code == 0, said
    assert {name for name, job in verdict["corpora"].items() if job["right"]} == at_hand
