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


@pytest.mark.parametrize(("own", "times"), [(0, 3), (memory.MUCH + 1, 3 * memory.SELDOM)])
def test_memory_is_given_back_after_every_few_parts_and_always_in_a_big_process(
    own: int, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    monkeypatch.setattr(memory, "give_back", lambda: given.append(1))
    monkeypatch.setattr(memory, "_own_bytes", lambda: own)
    for _ in range(3 * memory.SELDOM):
        memory.give_back_now_and_then()
    assert len(given) == times


def test_a_process_knows_its_own_memory() -> None:
    before = memory._own_bytes()
    block = b"x" * (32 << 20)
    assert memory._own_bytes() - before > 16 << 20 or sys.platform != "linux"
    assert len(block) == 32 << 20
