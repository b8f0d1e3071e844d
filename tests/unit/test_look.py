"""The verbs that only look: SQL over a batch, and the ledger's lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlock.testing.command import CommandLine


@pytest.fixture
def loaded(loadlock: CommandLine) -> CommandLine:
    for number in range(5):
        (loadlock.folder / f"f{number}.csv").write_text(f"id,name\n{number},a\n{number},b,c\n", encoding="utf-8")
    assert loadlock("load", *(f"f{number}.csv" for number in range(5)), "--to", "out.parquet").code == 3
    return loadlock


def test_raw_rows_and_rejects_are_known_by_the_number_of_their_file(loaded: CommandLine) -> None:
    batch = loaded("batches", "--json").document[0]["batch"]
    joined = "select r._file, r.id, r._source_file, j._row from raw r join rejects j using (_file) order by r._file"
    assert [tuple(row.values()) for row in loaded("sql", batch, joined, "--json").document] == [
        (number, str(number), f"f{number}.csv", 2) for number in range(5)
    ]
    both = "select count(*) as n from raw r join clean c using (_file, _row)"
    assert loaded("sql", batch, both, "--json").document == [{"n": 5}]


def test_a_batch_without_a_row_has_empty_views(loadlock: CommandLine) -> None:
    (loadlock.folder / "a.csv").write_text("id,name\n", encoding="utf-8")
    assert loadlock("load", "a.csv", "--to", "out.parquet").code == 0
    batch = loadlock("batches", "--json").document[0]["batch"]
    for view in ("raw", "clean", "rejects"):
        assert loadlock("sql", batch, f"select count(*) as n from {view}", "--json").document == [{"n": 0}]


def test_batches_names_its_files_as_people_do(loaded: CommandLine) -> None:
    shown = loaded("batches").out
    assert "f0.csv, f1.csv, f2.csv and 2 more" in shown
    assert "[" not in shown
    assert len(loaded("batches", "--json").document[0]["files"]) == 5


def test_spill_files_of_a_killed_run_are_swept_by_the_next_command(loadlock: CommandLine) -> None:
    (loadlock.folder / "a.csv").write_text("id,name\n1,a\n", encoding="utf-8")
    assert loadlock("load", "a.csv", "--to", "out.parquet", fault="cleanup.part_written=kill").code < 0
    temp = Path(loadlock.folder / ".loadlock" / "tmp")
    left = [path.name for path in temp.iterdir()]
    assert left
    assert loadlock("runs").code == 0
    assert not set(left) & {path.name for path in temp.iterdir()}
