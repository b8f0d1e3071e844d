"""Everything that can be written or asked for is documented, and the generated pages are fresh."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from loadlock.api import Pipeline
from loadlock.cli.app import app
from loadlock.pipeline import written
from loadlock.problems import CATALOGUE
from loadlock.registry import components, options_of
from loadlock.types import KINDS
from loadlock.workflow.verify import Verification

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
BUILT_IN = {
    kind: {name: found for name, found in components(kind).items() if found.__module__.startswith("loadlock.")}
    for kind in ("rules", "checks", "formats", "destinations")
}


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def test_the_generated_pages_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "reference.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", BUILT_IN)
def test_every_component_and_each_of_its_options_has_its_place(kind: str) -> None:
    text = page(f"{kind}.md")
    for name, component in BUILT_IN[kind].items():
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert component.summary in section
        for option in options_of(component):
            assert f"| `{option.name}` |" in section, f"{kind} {name}: {option.name}"
            assert option.doc, f"{kind} {name}: {option.name} says nothing"


def test_every_command_and_each_of_its_options_is_shown() -> None:
    text = page("commands.md")
    context = click.Context(app)
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        assert command is not None
        section = text.split(f"\n## {name}\n")[1].split("\n## ")[0]
        flags = [flag for parameter in command.params for flag in parameter.opts if flag.startswith("--")]
        assert [flag for flag in flags if flag not in section] == [], name


def test_every_key_of_a_pipeline_and_every_type_is_explained() -> None:
    text = page("pipeline.md")
    sections = (
        *(
            written.PIPELINE,
            written.SOURCE,
            written.FLATTEN,
            written.COLUMN,
            written.RULE,
            written.CHECK,
            written.VERDICT,
        ),
        *(written.REJECTS, written.BUDGET, written.KEEP, written.DESTINATION),
    )
    assert [name for keys in sections for name in keys if f"| `{name}` |" not in text] == []
    assert [kind for kind in KINDS if not re.search(rf"\| `{kind}(\(p,s\))?` \|", text)] == []


def test_every_problem_code_says_what_to_do() -> None:
    text = page("problems.md")
    assert [code for code, entry in CATALOGUE.items() if f"| `{code}` |" not in text or not entry.remedy] == []


def names_in(value: Any, *, inside: str = "") -> Iterator[str]:
    """Names of all fields of a document, as far as their names are fixed."""
    if isinstance(value, list):
        for item in value:
            yield from names_in(item, inside=inside)
    elif isinstance(value, dict) and inside not in ("rejects", "counts", "values", "unnamed", "bound", "samples"):
        for name, item in value.items():
            yield name
            yield from names_in(item, inside=name)


def test_every_field_of_the_run_document_is_explained(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id;name\n1;Ann\nx;Bo\n2;Cy;3\n", encoding="utf-8")
    result = Pipeline.build(
        "p", files="in.csv", columns={"id": "integer", "name": {"rules": ["upper"]}}, destination="out.csv",
        base_folder=tmp_path,
    ).run()  # fmt: skip
    told = set(re.findall(r"`(\w+)`", page("run-document.md")))
    evidence = {"low_confidence", "high_bytes", "bom_bytes", "bad_lines", "fields", "score"}  # "and more evidence"
    assert sorted(set(names_in(result.document)) - told - evidence) == []
    assert sorted(set(Verification.__annotations__) - told) == []
