"""What the command line does to its process before a run."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

from loadlock.engines import memory

SCRIPT = """if True:
    import sys
    from loadlock.engines.memory import spare_pandas
    spare_pandas()
    import pyarrow as pa
    pa.table({"a": pa.array([1, 2])})
    print("pandas" in sys.modules, pa.array([1, 2]).to_pandas().sum())
"""


def test_arrow_does_not_import_pandas_for_a_list_but_on_request() -> None:
    pytest.importorskip("pandas")
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["False", "3"]


def test_pandas_that_is_there_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", module := ModuleType("pandas"))
    memory.spare_pandas()
    assert sys.modules["pandas"] is module


def test_memory_is_given_back_after_every_few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    monkeypatch.setattr(memory, "give_back", lambda: given.append(1))
    for _ in range(3 * memory.SELDOM):
        memory.give_back_now_and_then()
    assert len(given) == 3
