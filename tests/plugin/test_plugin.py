"""A package from outside brings a rule, a check, a format and a destination by entry points."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pyarrow as pa
import pytest

PACKAGE = Path(__file__).parent / "package"

PIPELINE = """
pipeline: sample
source: {files: in.pairs}
columns:
  id: {type: integer}
  word: {type: text, rules: [{mirror: "!"}], checks: [even]}
destination: {url: out.arrow}
"""
SOURCE = "id=1;word=abc\nid=2;word=ab\nbroken\nid=3;word=xyz\n"

COMMAND = "import sys; from loadlock.cli import main; sys.exit(main())"
FACTS = """
from loadlock.registry import component
from loadlock.testing.contracts import checks, rules
for fact in rules.FACTS:
    fact(component("rules", "mirror"))
for fact in checks.FACTS:
    fact(component("checks", "even"))
"""


def install(folder: Path, **renamed: str) -> None:
    """What an installer leaves: the package, and its metadata with the entry points; `old=new` renames entry points."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    shutil.copytree(PACKAGE / "loadlock_sample", folder / "loadlock_sample")
    metadata = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{renamed.get(name, name)} = {value}" for name, value in entries.items())]
    (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Python with the installed plug-in, in a fresh process."""
    environment = {**os.environ, "PYTHONPATH": str(folder / "site")}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    install(tmp_path / "site")
    (tmp_path / "sample.yaml").write_text(PIPELINE)
    (tmp_path / "in.pairs").write_text(SOURCE)
    return tmp_path


def test_all_four_are_used_by_a_run(place: Path) -> None:
    done = run(place, "-c", COMMAND, "run", "sample.yaml", "--json")
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert document["status"] == "verified"
    assert document["files"][0]["format"] == "pairs"
    assert document["rejects"] == {"unreadable_range": 1, "odd_length": 1}
    assert document["receipt"]["destination"] == "arrow"
    assert (document["receipt"]["level"], document["receipt"]["equal"]) == ("content", True)
    with pa.memory_map(str(place / "out.arrow")) as file:
        rows = pa.ipc.open_file(file).read_all().to_pylist()
    assert rows == [{"id": 1, "word": "cba!"}, {"id": 3, "word": "zyx!"}]


def test_the_schema_knows_them(place: Path) -> None:
    schema = run(place, "-c", COMMAND, "schema").stdout
    assert all(f'"{name}"' in schema for name in ("mirror", "even", "pairs"))


def test_they_keep_the_contracts_that_loadlock_ships(place: Path) -> None:
    done = run(place, "-c", FACTS)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_name_that_is_taken_stops_with_a_clear_message(tmp_path: Path) -> None:
    install(tmp_path / "site", mirror="trim")
    (tmp_path / "sample.yaml").write_text(PIPELINE)
    (tmp_path / "in.pairs").write_text(SOURCE)
    done = run(tmp_path, "-c", COMMAND, "run", "sample.yaml")
    assert done.returncode == 2
    assert "the plug-in loadlock_sample.rule:Mirror brings rule 'trim', which exists already" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out.arrow").exists()


def test_without_the_package_nothing_of_it_is_known(place: Path) -> None:
    shutil.rmtree(place / "site")
    done = run(place, "-c", COMMAND, "run", "sample.yaml")
    assert done.returncode == 2
    assert "mirror" in done.stderr
