"""Cutting the source at (offset, length) gives each record back, short form; `make places` is the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlock.intake import _csv_stream
from loadlock.testing.places import FORMS, prove


@pytest.mark.parametrize("form", FORMS)
def test_every_record_is_cut_back_from_its_place(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_csv_stream, "BLOCK_BYTES", 50_000)
    proof = prove(tmp_path / "mixed.gz", records=6_000, form=form, seed=7)
    assert proof.exact == proof.records == 6_000
    assert proof.rejects > 50


def test_wrong_places_are_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    originals = _csv_stream._PlainStream.originals
    monkeypatch.setattr(_csv_stream._PlainStream, "originals", lambda self, places: originals(self, places) + 1)
    proof = prove(tmp_path / "mixed.gz", records=100, form="utf-8", seed=7)
    assert proof.exact == 0
