"""The script `loadlock` ends at once: with the documented code, all output written, all clean-up done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

START = "import sys; from loadlock.cli import script; sys.argv = ['loadlock', *sys.argv[1:]]; "


def script(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", f"{START}{before}script()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("arguments", "code", "out"),
    [(["--version"], 0, "loadlock, version"), (["schema"], 0, '"$schema"'), (["nonsense"], 2, "")],
)
def test_the_code_and_all_output_arrive(arguments: list[str], code: int, out: str) -> None:
    done = script(*arguments)
    assert done.returncode == code
    assert out in done.stdout
    assert ("No such command" in done.stderr) == (code == 2)


def test_what_is_registered_for_the_end_is_done(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    before = f"import atexit, pathlib; atexit.register(pathlib.Path({str(mark)!r}).touch); "
    assert script("--version", before=before).returncode == 0
    assert mark.exists()


def test_no_module_is_taken_apart() -> None:
    # an object that is still alive at the end of a common interpreter is finalized there
    before = "import loadlock; loadlock.last = type('T', (), {'__del__': lambda self: print('taken apart')})(); "
    done = script("--version", before=before)
    assert (done.returncode, "taken apart" in done.stdout) == (0, False)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_output_that_could_not_be_written_is_no_success() -> None:
    command = [sys.executable, "-c", f"{START}from loadlock.cli import _leave; print('x'); _leave(0)"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, check=False, timeout=60, env=environment)
    assert done.returncode == 120
