"""Links lead somewhere, and the pipelines and programs that pages show are right."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from loadlock.pipeline.read import load_pipeline

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"<!-- file: (\S+) -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    plain = _FENCED.sub("", text)
    headings = re.findall(r"^#+ (.*)$", plain, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_internal_links_lead_somewhere(page: Path) -> None:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"\w+:", target):
            continue
        name, _, anchor = target.partition("#")
        there = page if not name else page.parent / name
        assert there.exists(), f"{named(page)} links to {target}"
        if anchor:
            assert anchor in anchors(there.read_text(encoding="utf-8")), f"{named(page)} links to {target}"


def pipelines(page: Path) -> list[str]:
    """The YAML blocks of a page that are whole pipelines."""
    blocks = _FENCED.findall(page.read_text(encoding="utf-8"))
    return [text for kind, text in blocks if kind == "yaml" and re.match(r"(#.*\n)*pipeline:", text)]


@pytest.mark.parametrize("page", [page for page in PAGES if pipelines(page)], ids=named)
def test_pipelines_in_pages_are_read_without_a_mistake(page: Path, tmp_path: Path) -> None:
    for name, text in _FILE.findall(page.read_text(encoding="utf-8")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    for text in pipelines(page):
        (tmp_path / "shown.yaml").write_text(text, encoding="utf-8")
        assert load_pipeline(tmp_path / "shown.yaml").name


def test_every_example_is_read_and_told_of() -> None:
    folders = sorted(path.parent for path in (ROOT / "examples").glob("*/*.yaml"))
    told = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    for folder in folders:
        assert load_pipeline(folder / f"{folder.name}.yaml").destinations
        assert f"]({folder.name}/{folder.name}.yaml)" in told


@pytest.mark.slow
def test_the_readme_s_pipeline_and_program_work(tmp_path: Path) -> None:
    blocks = _FENCED.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    (program,) = [text for kind, text in blocks if kind == "python"]
    (pipeline,) = pipelines(ROOT / "README.md")
    (tmp_path / "orders.yaml").write_text(pipeline, encoding="utf-8")
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "orders-1.csv").write_text(
        "Order ID,customer,email,ordered_on,amount,country\n"
        '1,  JosÃ©  Ruiz,JOSE@EXAMPLE.COM,02/03/2024,"1.200,50",de\n'
        "2,Ann,ann@example,2024-03-01,5,XX\n",
        encoding="utf-8",
    )
    database = tmp_path / "database.duckdb"
    with duckdb.connect(str(database)) as connection:
        connection.execute("create schema shop").fetchall()
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "SHOP_DB": f"duckdb:///{database}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "'received': 2" in done.stdout
    assert "True" in done.stdout
    assert "[1 rows x" in done.stdout
    with duckdb.connect(str(database)) as connection:
        rows = connection.execute("select customer, email, amount::text, country from shop.orders").fetchall()
    assert rows == [("José Ruiz", "jose@example.com", "1200.50", "DE")]
