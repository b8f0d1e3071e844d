"""Every example of the documentation runs, and prints what the page shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loadlock.testing.sheets import SheetsEmulator

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path for folder in ("tutorial", "how-to", "why", "reference") for path in (ROOT / "docs" / folder).glob("*.md")
    if "```sh" in path.read_text(encoding="utf-8")
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_examples_of_a_page_run_and_print_what_it_shows(page: Path, run_page: Callable[..., None]) -> None:
    run_page(page)


@pytest.mark.slow
@pytest.mark.postgres
def test_the_examples_for_postgresql_run(run_page: Callable[..., None], postgres: str) -> None:
    run_page(ROOT / "docs" / "how-to" / "deliver.md", postgres=postgres)


@pytest.mark.slow
@pytest.mark.mysql
def test_the_examples_for_mysql_run(run_page: Callable[..., None], mysql: str) -> None:
    run_page(ROOT / "docs" / "how-to" / "deliver.md", mysql=mysql)


@pytest.mark.slow
def test_the_examples_for_google_sheets_run(run_page: Callable[..., None], tmp_path: Path) -> None:
    loader = "loader@shop.iam.gserviceaccount.com"
    book = "1aBcD_the_long_id_in_the_address"
    with SheetsEmulator() as emulator:
        emulator.add_spreadsheet(tabs={"Orders": []}, share={loader: "writer"}, spreadsheet_id=book)
        keys = tmp_path / "shop" / "keys"
        keys.mkdir(parents=True)
        emulator.write_key(keys / "loader.json", loader)
        run_page(ROOT / "docs" / "how-to" / "google-sheets.md", sheets=emulator.url)
