"""`loadlock gc`: room is given back by a rule that is shown before, and nothing that is needed goes."""

from __future__ import annotations

import os
import time
from typing import Any

import pytest

from loadlock.testing.command import CommandLine

PIPELINE = """\
pipeline: people
source: '*.csv'
columns: {id: {type: integer}, name: {}}
destination: {url: "duckdb:///out.db", table: people, mode: upsert, key: [id], undo: 3}
"""


@pytest.fixture
def batches(loadlock: CommandLine) -> list[str]:
    """Three batches of one pipeline, oldest first."""
    (loadlock.folder / "p.yaml").write_text(PIPELINE, encoding="utf-8")
    found = []
    for number in (1, 2, 3):
        (loadlock.folder / f"{number}.csv").write_text(f"id,name\n{number},n\n", encoding="utf-8")
        found.append(str(loadlock.json("run", "p.yaml", codes=[0])["batch"]))
    return found


def removed(document: Any, kind: str) -> list[str]:
    return [item["what"] for item in document["items"] if item["kind"] == kind]


def test_the_preview_names_what_goes_and_removes_nothing(loadlock: CommandLine, batches: list[str]) -> None:
    before = sorted(path for path in (loadlock.folder / ".loadlock").rglob("*") if path.is_file())
    document = loadlock.json("gc", "--keep", "1", "--dry-run")
    assert removed(document, "batch") == [f"{batch[:12]} of people" for batch in (batches[1], batches[0])]
    assert removed(document, "source") == ["2.csv", "1.csv"]
    assert document["bytes"] > 0
    assert sorted(path for path in (loadlock.folder / ".loadlock").rglob("*") if path.is_file()) == before


def test_what_is_old_goes_and_says_so_when_it_is_asked_for(loadlock: CommandLine, batches: list[str]) -> None:
    document = loadlock.json("gc", "--keep", "1")
    assert len(removed(document, "batch")) == 2
    assert sorted(path.name for path in (loadlock.folder / ".loadlock" / "staging").iterdir()) == [batches[2][:16]]
    assert loadlock.json("verify", batches[2])["equal"] is True
    for verb in ("verify", "rollback"):
        gone = loadlock(verb, batches[0])
        assert gone.code == 2
        assert "gc" in gone.err
    assert [batch["status"] for batch in loadlock.json("batches")] == ["delivered"] * 3
    assert loadlock.json("run", "p.yaml", codes=[0])["noop"] is True
    assert loadlock.json("gc", "--keep", "1")["items"] == []


def test_a_collected_batch_is_taken_in_again_from_its_file(loadlock: CommandLine, batches: list[str]) -> None:
    loadlock.json("gc", "--keep", "1")
    again = loadlock.json("rerun", batches[0], codes=[0])
    assert (again["batch"], again["balance"]["clean"]) == (batches[0], 1)


def test_young_batches_and_batches_with_rejects_stay(loadlock: CommandLine, batches: list[str]) -> None:
    assert loadlock.json("gc", "--keep", "0", "--older-than", "1")["items"] == []
    (loadlock.folder / "4.csv").write_text("id,name\n4,n\nx,n\n", encoding="utf-8")
    loadlock.json("run", "p.yaml", codes=[3])
    assert len(removed(loadlock.json("gc", "--keep", "0"), "batch")) == 3
    assert len(removed(loadlock.json("gc", "--keep", "0", "--with-rejects"), "batch")) == 1


def test_undo_data_at_the_destination_goes_when_asked(loadlock: CommandLine, batches: list[str]) -> None:
    assert removed(loadlock.json("gc", "--destinations"), "destination") == []
    shown = removed(loadlock.json("gc", "--undo", "1", "--dry-run"), "destination")
    assert len(shown) == 2
    assert all("table loadlock_undo_" in what for what in shown)
    assert removed(loadlock.json("gc", "--undo", "1"), "destination") == shown
    assert "not kept" in loadlock("rollback", batches[1]).err
    assert loadlock.json("rollback", batches[2])["targets"][0]["deleted"] == 1


def test_what_killed_processes_left_goes_after_a_day(loadlock: CommandLine, batches: list[str]) -> None:
    left = loadlock.folder / ".loadlock" / "staging" / ("f" * 16)
    left.mkdir()
    (left / "part").write_bytes(b"x" * 10)
    assert loadlock.json("gc")["items"] == []
    os.utime(left, (0, time.time() - 100_000))
    assert removed(loadlock.json("gc"), "debris") == [f"staging/{'f' * 16}"]
    assert not left.exists()
