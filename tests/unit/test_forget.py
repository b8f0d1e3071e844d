"""A forgotten batch leaves its counts and nothing of its files' text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadlock.ledger.base import Ledger, RunRecord
from loadlock.ledger.sql_ledger import open_ledger
from loadlock.model import BatchStatus, FileReport, PartKind, RunStatus, SourceFile
from loadlock.testing.command import CommandLine
from loadlock.testing.memory_ledger import MemoryLedger

SECRET = "Gwendolyn"
BATCH = "b" * 64


@pytest.fixture(params=["sql", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    found: Ledger = open_ledger(tmp_path / "w") if request.param == "sql" else MemoryLedger()
    yield found
    found.close()


def test_the_ledger_forgets_every_text_and_keeps_the_counts(ledger: Ledger) -> None:
    file = SourceFile(index=0, path=f"/{SECRET}", name=SECRET, size_bytes=7, sha256="c" * 64)
    ledger.begin_batch(BATCH, "people", [file])
    state = {"decisions": {"x": SECRET}, "pipeline": {"name": "people"}}
    ledger.begin_run(RunRecord(
        run="r1", batch=BATCH, pipeline="people", status=RunStatus.RECEIVED, started="2024-03-04T08:00:00Z", state=state
    ))  # fmt: skip
    report = FileReport(format="csv", header=[SECRET], received=3, staged=2, rejected=1, notes=[SECRET])
    ledger.save_file_report(BATCH, 1, 0, report)
    ledger.set_status("r1", RunStatus.FAILED, cause=f"refused: {SECRET}")
    document = {
        "run": "r1",
        "batch": BATCH,
        "balance": {"received": 3},
        "tallies": {"low": SECRET},
        "cause": SECRET,
        "files": [{"name": SECRET, "bytes": 7, "balance": {"received": 3}}],
        "destinations": [],
        "receipt": None,
    }
    ledger.finish_run("r1", digest="d" * 32, document=document)
    ledger.forget(BATCH)
    ledger.forget(BATCH)
    run, batch = ledger.run("r1"), ledger.batch(BATCH)
    assert run is not None
    assert batch is not None
    told = [run, batch, ledger.file_reports(BATCH, 1), ledger.events()]
    assert SECRET not in repr(told)
    assert batch.status == BatchStatus.FORGOTTEN
    assert run.document is not None
    assert run.document["balance"] == {"received": 3}
    assert (run.digest, ledger.file_reports(BATCH, 1)[0].received) == ("d" * 32, 3)
    assert ledger.parts(BATCH, "g1", PartKind.RAW) == []
    assert batch.files[0].sha256 == "c" * 64


@pytest.mark.parametrize("fault", ["", "forget.listed=kill"])
def test_nothing_of_a_forgotten_batch_is_left_on_the_disk(loadlock: CommandLine, fault: str) -> None:
    (loadlock.folder / "a.csv").write_text(f"id,name\n1,{SECRET}\n2,{SECRET},x\n", encoding="utf-8")
    batch = loadlock.json("load", "a.csv", "--to", "out.parquet")["batch"]
    loadlock.json("discard", batch, "--why", f"{SECRET} asked", codes=[0])
    assert loadlock("forget", batch).code == 2
    if fault:
        assert loadlock("forget", batch, "--confirm", fault=fault).code == -9
    assert loadlock.json("forget", batch, "--confirm", codes=[0])["status"] == "forgotten"
    left = [path for path in (loadlock.folder / ".loadlock").rglob("*") if path.is_file()]
    assert [path for path in left if SECRET.encode() in path.read_bytes()] == []
    assert not [path for path in left if path.suffix in (".zst", ".parquet", ".html")]
    assert loadlock("rejects", batch).code == 2
    assert loadlock.json("batches")[0]["status"] == "forgotten"
    assert loadlock.json("load", "a.csv", "--to", "out.parquet", codes=[0])["noop"]
