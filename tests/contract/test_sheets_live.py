"""`pytest --live` asks the service that it is told to: tried with the emulator in Google's place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from loadlock.testing.sheets import Quotas, Settings, SheetsEmulator

ROOT = Path(__file__).parents[2]
LOADER = "loader@live.iam.gserviceaccount.com"
SOME = "metadata_id_in_use or typed_cells or (taken_back and upsert)"


def live(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable, "-m", "pytest", "--live", "-q", "-p", "no:cacheprovider", f"--basetemp={folder / 'live'}", "-k", SOME,
        "tests/contract/test_sheets_service.py",
    ]  # fmt: skip
    variables = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **environment}
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_the_suite_asks_the_service_that_it_is_told_to(tmp_path: Path) -> None:
    none = Quotas(reads_per_user=0, writes_per_user=0, reads_per_project=0, writes_per_project=0)
    with SheetsEmulator(settings=Settings(quotas=none)) as posing:
        sheet = posing.add_spreadsheet(share={LOADER: "writer"})
        key = posing.write_key(tmp_path / "key.json", LOADER)
        where = {"LOADLOCK_SHEETS_ENDPOINT": posing.url, "LOADLOCK_SHEETS_SPREADSHEET": sheet}
        ended = live(tmp_path, LOADLOCK_SHEETS_KEY=str(key), **where)
        assert ended.returncode == 0, ended.stdout
        assert "3 passed" in ended.stdout
        assert len([entry for entry in posing.log if entry.method == "spreadsheets.batchUpdate"]) > 8
        assert list(posing.tabs(sheet)) == ["Sheet1"], "each test deletes what it made"


@pytest.mark.slow
def test_without_credentials_it_fails_and_says_what_it_needs(tmp_path: Path) -> None:
    ended = live(tmp_path)
    assert ended.returncode == 1
    assert "--live needs LOADLOCK_SHEETS_KEY and LOADLOCK_SHEETS_SPREADSHEET" in ended.stdout
