"""What a run takes in: the same bytes once, known names with other bytes said; and what it leaves behind: nothing."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from loadlock.errors import SourceError, UsageError
from loadlock.intake.files import LocalSource
from loadlock.ledger.base import BatchRecord
from loadlock.ledger.sql_ledger import SqlLedger, open_ledger
from loadlock.pipeline.build import make_pipeline
from loadlock.workflow.own_folder import OwnFolder, sweep
from loadlock.workflow.result import RunResult
from loadlock.workflow.start import Options, run_pipeline
from loadlock.workflow.workspace import Workspace

ONE, TWO = b"id\n1\n", b"id\n2\n"


def run(
    folder: Path, files: str = "*.csv", *, mode: str = "replace", source: dict[str, Any] | None = None
) -> RunResult:
    (folder / "out").mkdir(exist_ok=True)
    destination = {"url": f"{folder}/out/out.csv", "mode": mode}
    if mode == "append":
        destination = {"url": f"duckdb:///{folder}/out/out.duckdb", "table": "t", "mode": mode}
    pipeline = make_pipeline(
        name="p", files=files, columns=None, destination=destination, base_folder=folder, source=source or {}
    )
    return run_pipeline(pipeline, Options(workspace=folder / "w"))


def batches(folder: Path) -> list[BatchRecord]:
    ledger = open_ledger(folder / "w")
    try:
        return ledger.batches()
    finally:
        ledger.close()


def test_a_file_that_comes_twice_in_a_batch_is_taken_once_and_said(tmp_path: Path) -> None:
    for name, data in (("a.csv", ONE), ("b.csv", ONE), ("c.csv", TWO)):
        (tmp_path / name).write_bytes(data)
    document = run(tmp_path, mode="append").document
    assert [file["name"] for file in document["files"]] == ["a.csv", "c.csv"]
    assert document["notes"] == [f"{tmp_path}/b.csv has the same bytes as {tmp_path}/a.csv: taken once"]
    assert document["balance"]["inserted"] == 2


def test_the_same_bytes_under_another_name_on_another_day_are_no_news(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(ONE)
    first = run(tmp_path, mode="append")
    (tmp_path / "b.csv").write_bytes(ONE)
    again = run(tmp_path, mode="append").document
    assert (again["noop"], again["run"]) == (True, first.document["run"])


def test_a_known_name_with_other_bytes_is_a_new_batch_and_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(ONE)
    first = run(tmp_path, mode="append")
    (tmp_path / "a.csv").write_bytes(TWO)
    document = run(tmp_path, mode="append").document
    assert document["batch"] != first.batch
    assert document["notes"] == [
        f"a.csv was delivered before with other bytes, in batch {first.batch[:12]}; its rows come beside those"
    ]
    assert [str(batch.status) for batch in batches(tmp_path)] == ["delivered", "delivered"]


def test_a_replaced_batch_is_superseded_and_can_come_back(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(ONE)
    first = run(tmp_path)
    (tmp_path / "a.csv").write_bytes(TWO)
    second = run(tmp_path)
    assert second.document["notes"] == [f"a.csv was delivered before with other bytes, in batch {first.batch[:12]}"]
    assert {batch.batch: str(batch.status) for batch in batches(tmp_path)} == {
        first.batch: "superseded",
        second.batch: "delivered",
    }
    (tmp_path / "a.csv").write_bytes(ONE)
    assert not run(tmp_path).document["noop"]
    assert {batch.batch: str(batch.status) for batch in batches(tmp_path)} == {
        first.batch: "delivered",
        second.batch: "superseded",
    }


def test_many_earlier_runs_are_not_listed_to_find_the_last_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_bytes(ONE)
    run(tmp_path)
    monkeypatch.setattr(SqlLedger, "runs", lambda *_, **__: pytest.fail("the runs were listed"))
    assert run(tmp_path).document["noop"]


def test_a_file_that_changes_between_digest_and_reading_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.csv").write_bytes(ONE)
    opened = LocalSource.open

    def swapped(source: LocalSource) -> Any:
        (tmp_path / "a.csv").write_bytes(TWO)
        return opened(source)

    monkeypatch.setattr(LocalSource, "open", swapped)
    with pytest.raises(SourceError, match="changed while it was read"):
        run(tmp_path)
    assert not (tmp_path / "out" / "out.csv").exists()


def test_the_limits_of_the_pipeline_hold(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(gzip.compress(b"id\n" + b"1\n" * 100_000))
    with pytest.raises(SourceError, match="decompression bomb"):
        run(tmp_path, source={"expand_bytes": 100_000})
    assert run(tmp_path, source={"expand_bytes": 1_000_000}).document["balance"]["received"] == 100_000


def test_changed_limits_make_no_other_pipeline(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(ONE)
    run(tmp_path)
    assert run(tmp_path, source={"expand_depth": 3}).document["noop"]


def test_a_link_out_of_a_folder_is_refused_and_one_within_is_not(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    (tmp_path / "secret.csv").write_bytes(ONE)
    (inbox / "a.csv").write_bytes(TWO)
    (inbox / "latest.csv").symlink_to(inbox / "a.csv")
    assert run(tmp_path, "inbox").document["balance"]["received"] == 1
    (inbox / "b.csv").symlink_to(tmp_path / "secret.csv")
    for files in ("inbox", "inbox/*.csv"):
        with pytest.raises(SourceError, match=r"b\.csv is a link to a file outside"):
            run(tmp_path, files)
    assert run(tmp_path, "inbox/b.csv").document["balance"]["received"] == 1


def test_a_terminal_is_no_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="nothing is piped"):
        run(tmp_path, "-")


# --- what processes leave behind


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_uses_is_not(tmp_path: Path) -> None:
    dead, living = OwnFolder(tmp_path), OwnFolder(tmp_path)
    (dead.path / "duckdb_temp_storage-0.tmp").write_bytes(b"x")
    dead._lock.close()  # as the end of its process does
    (tmp_path / "just made").mkdir()
    (tmp_path / "old").mkdir()
    (tmp_path / "old spill").write_bytes(b"x")
    for name in ("old", "old spill"):
        os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living.path.name, "just made"])
    living.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["just made"]


def test_a_workspace_sweeps_when_it_opens_and_leaves_nothing_when_it_closes(tmp_path: Path) -> None:
    with Workspace.open(tmp_path) as first:
        left = first.temp / "spill"
        left.write_bytes(b"x")
        with Workspace.open(tmp_path):
            assert left.exists()
    assert list((tmp_path / "tmp").iterdir()) == []
    dead = OwnFolder(tmp_path / "tmp")
    dead._lock.close()
    with Workspace.open(tmp_path):
        assert not dead.path.exists()
