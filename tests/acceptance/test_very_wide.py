"""Files of very many columns: the work grows with the columns, and the digests agree everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlock import digest
from loadlock.pipeline.read import load_pipeline
from loadlock.testing.command import CommandLine
from loadlock.workflow.start import Options, run_pipeline

COLUMNS = 1_500


def test_a_file_of_very_many_columns_is_loaded_and_read_back(loadlock: CommandLine) -> None:
    names = [f"column {number}" for number in range(COLUMNS)]
    rows = [[f"{row}-{number}" for number in range(COLUMNS)] for row in range(3)]
    lines = [",".join(names), *(",".join(row) for row in rows)]
    (loadlock.folder / "wide.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    document = loadlock.json("load", "wide.csv", "--to", "out.csv", codes=[0])
    assert document["receipt"]["equal"]
    assert document["receipt"]["digest"] == document["digest"]
    assert (loadlock.folder / "out.csv").read_text(encoding="utf-8").splitlines() == lines


def test_typed_columns_with_rules_give_the_digest_that_narrow_rows_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = digest.GROUP + 30
    names = [f"c{place}" for place in range(number)]
    texts = [[f" {row * place} " if place % 3 else "\x1f" * row for place in range(number)] for row in range(4)]
    (tmp_path / "a.csv").write_text("\n".join(map(",".join, [names, *texts])) + "\n", encoding="utf-8")
    columns = [
        f"  {name}: {{type: {'integer' if place % 3 else 'text'}, rules: [trim]}}" for place, name in enumerate(names)
    ]
    lines = ["pipeline: p", "source: a.csv", "columns:", *columns, "destination: {url: 'duckdb:///{out}', table: t}"]
    digests = []
    for group in (digest.GROUP, number):
        monkeypatch.setattr(digest, "GROUP", group)
        text = "\n".join(lines).replace("{out}", f"{group}.duckdb")
        (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
        pipeline = load_pipeline(tmp_path / "p.yaml")
        found = run_pipeline(pipeline, Options(workspace=tmp_path / f"ws{group}", report=False)).document
        assert found["balance"]["inserted"] == 4
        digests.append((found["digest"], found["receipt"]["digest"], found["receipt"]["equal"]))
    assert digests[0] == digests[1]
    assert digests[0][0] == digests[0][1]
