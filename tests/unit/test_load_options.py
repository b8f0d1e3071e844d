"""`--option NAME=VALUE` of commands that need no pipeline file."""

from __future__ import annotations

import pytest

from loadlock.pipeline.options import source_with_options


def test_a_profile_of_pipeline_files_is_nothing_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOADLOCK_PROFILE", "trial")
    assert source_with_options(["a.csv"], ["header=0"]).options.header == 0
