"""A batch whose source is to be read in another way is taken in again, from the kept bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlock.errors import InterruptedRunError, UsageError
from loadlock.ledger.sql_ledger import open_ledger
from loadlock.pipeline.build import make_pipeline
from loadlock.pipeline.model import Pipeline
from loadlock.workflow import run as runs
from loadlock.workflow.result import RunResult
from loadlock.workflow.start import Options, rerun, resume, run_pipeline


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in.csv").write_bytes("name\nJos\u00e9\n".encode("cp1252"))
    return tmp_path


def pipeline(folder: Path, encoding: str) -> Pipeline:
    return make_pipeline(
        name="p",
        files="in.csv",
        columns=None,
        destination={"url": "out.csv"},
        base_folder=folder,
        source={"encoding": encoding},
    )


def first_run(folder: Path) -> RunResult:
    return run_pipeline(pipeline(folder, "cp437"), Options(workspace=folder / "w"))


def again(folder: Path, encoding: str, batch: str) -> RunResult:
    return rerun(batch, Options(workspace=folder / "w"), pipeline=pipeline(folder, encoding))


def delivered(folder: Path) -> str:
    return (folder / "out.csv").read_text(encoding="utf-8")


def generation(folder: Path, batch: str) -> int:
    ledger = open_ledger(folder / "w")
    try:
        return ledger.find_batch(batch).generation
    finally:
        ledger.close()


def test_a_rerun_with_another_encoding_reads_the_kept_bytes_again(folder: Path) -> None:
    batch = first_run(folder).batch
    assert delivered(folder) == "name\nJos\u0398\n"
    (folder / "in.csv").unlink()
    result = again(folder, "cp1252", batch)
    assert delivered(folder) == "name\nJos\u00e9\n"
    assert result.document["files"][0]["encoding"]["name"] == "cp1252"
    assert generation(folder, batch) == 2


def test_a_run_by_force_with_another_encoding_reads_the_files_again(folder: Path) -> None:
    batch = first_run(folder).batch
    with pytest.raises(UsageError, match=r"changed since: source\.encoding"):
        run_pipeline(pipeline(folder, "cp1252"), Options(workspace=folder / "w"))
    run_pipeline(pipeline(folder, "cp1252"), Options(workspace=folder / "w", force=True))
    assert delivered(folder) == "name\nJos\u00e9\n"
    assert generation(folder, batch) == 2


def test_a_rerun_that_reads_alike_works_from_the_staged_rows(folder: Path) -> None:
    batch = first_run(folder).batch
    again(folder, "cp1252", batch)
    again(folder, "cp1252", batch)
    assert generation(folder, batch) == 2


def test_a_rerun_cut_short_while_reading_is_resumed_in_its_own_generation(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = first_run(folder).batch

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(runs, "take_in", interrupted)
        with pytest.raises(InterruptedRunError) as caught:
            again(folder, "cp1252", batch)
    (name,) = {word for word in str(caught.value).split() if word.startswith("r2")}
    assert generation(folder, batch) == 1
    resume(name, Options(workspace=folder / "w"))
    assert delivered(folder) == "name\nJos\u00e9\n"
    assert generation(folder, batch) == 2
