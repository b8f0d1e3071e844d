"""Whether there is room for a batch, before anything is read."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from loadlock.errors import StoppedError
from loadlock.pipeline.model import DestinationSpec, Pipeline, Source
from loadlock.workflow.destinations import bind_destinations
from loadlock.workflow.doctor import examine
from loadlock.workflow.space import Estimate, check_space, estimates, plain_size
from loadlock.workflow.start import Options, run_pipeline

MB = 1_000_000


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many bytes every disk has free."""

    def set_free(number: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=1, used=0, free=number))

    return set_free


def pipeline(folder: Path, url: str) -> Pipeline:
    (folder / "a.csv").write_text("id\n" + "1\n" * 1000, encoding="utf-8")
    source = Source(files=("a.csv",))
    return Pipeline(
        name="p", source=source, destinations=(DestinationSpec(url=url, table="t"),), base_folder=str(folder)
    )


def test_compressed_files_count_for_what_they_hold() -> None:
    assert plain_size([("a.csv", 10 * MB), ("b.csv.gz", 10 * MB)]) == 70 * MB


def test_workspace_and_local_destinations_are_estimated_and_servers_are_not(tmp_path: Path) -> None:
    bound = bind_destinations(pipeline(tmp_path, "duckdb:///out.db"))
    found = estimates(100 * MB, tmp_path / "not" / "yet", bound, keep_source=True)
    assert [(one.what, one.bytes) for one in found] == [("workspace", 155 * MB), (bound[0].label, 150 * MB)]
    assert found[0].folder == tmp_path
    server = bind_destinations(pipeline(tmp_path, "postgresql://localhost/shop"))
    assert len(estimates(100 * MB, tmp_path, server, keep_source=False)) == 1


def test_what_may_not_fit_is_said_and_what_does_not_is_stopped(tmp_path: Path) -> None:
    def estimate(free_bytes: int) -> Estimate:
        return Estimate(what="workspace", folder=tmp_path, bytes=300 * MB, free=free_bytes)

    assert check_space([estimate(300 * MB)]) == []
    (note,) = check_space([estimate(200 * MB)])
    assert "300.0 MB needed, 200.0 MB free" in note
    with pytest.raises(StoppedError, match="too small") as caught:
        check_space([estimate(90 * MB)])
    assert "--force" in str(caught.value.hint)


def test_a_run_that_does_not_fit_is_stopped_before_it_begins(tmp_path: Path, free: Callable[[int], None]) -> None:
    free(500)
    made = pipeline(tmp_path, "duckdb:///out.db")
    with pytest.raises(StoppedError, match="disk is too small"):
        run_pipeline(made, Options(workspace=tmp_path / "w"))
    assert not (tmp_path / "out.db").exists()
    assert run_pipeline(made, Options(workspace=tmp_path / "w", force=True)).exit_code == 0


def test_doctor_tells_what_a_batch_needs(tmp_path: Path, free: Callable[[int], None]) -> None:
    pipeline(tmp_path, "duckdb:///out.db")
    (tmp_path / "p.yaml").write_text("pipeline: p\nsource: a.csv\ndestination: {url: 'duckdb:///out.db', table: t}\n")
    free(10**12)
    found = [finding for finding in examine(str(tmp_path / "p.yaml"), tmp_path / "w") if finding.what == "space"]
    assert [finding.verdict for finding in found] == ["ok", "ok"]
    assert "needed" in found[0].found
