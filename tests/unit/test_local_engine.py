"""The local engine: order, bounded work, clean ends, keys kept together."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadlock.engines.local import LocalEngine


def test_results_come_in_the_order_of_the_parts() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number * 10

    with LocalEngine(workers=3) as engine:
        assert list(engine.map(slow_first, range(8))) == [number * 10 for number in range(8)]


def test_only_a_bounded_number_of_parts_is_in_flight() -> None:
    taken = 0

    def parts() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    with LocalEngine(workers=2) as engine:
        results = engine.map(lambda number: number, parts())
        next(results)
        assert taken <= 4


def test_the_first_error_ends_the_work_and_nothing_runs_on() -> None:
    running = threading.Semaphore(0)
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 1:
            raise ValueError("part 1")
        running.release()
        return number

    with LocalEngine(workers=2) as engine:
        with pytest.raises(ValueError, match="part 1"):
            list(engine.map(work, range(50)))
        count = len(begun)
        time.sleep(0.05)
        assert len(begun) == count < 10


def test_closing_the_results_early_stops_the_work() -> None:
    begun: list[int] = []

    with LocalEngine(workers=1) as engine:
        results = engine.map(begun.append, range(50))
        next(results)
        results.close()  # type: ignore[attr-defined]
        assert len(begun) <= 4


def test_rows_of_a_key_stay_together_and_none_is_lost(tmp_path: Path) -> None:
    tables = [
        pa.table({"k": [i % 7 for i in range(n, n + 50)], "v": list(range(n, n + 50))}) for n in range(0, 500, 50)
    ]

    def smallest(table: pa.Table) -> pa.Table:
        return table.group_by("k").aggregate([("v", "min"), ("v", "count")])

    with LocalEngine(workers=2, temp_folder=tmp_path) as engine:
        found = pa.concat_tables(engine.by_key(smallest, tables, ["k"])).sort_by("k").to_pydict()
    assert found["k"] == list(range(7))
    assert found["v_min"] == list(range(7))
    assert sum(found["v_count"]) == 500
    assert list(tmp_path.iterdir()) == []


def test_a_query_over_parquet_files_sees_all_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"b": ["x"], "a": [3]}), tmp_path / "it's.parquet")
    with LocalEngine(workers=1, temp_folder=tmp_path / "t") as engine:
        files = [str(path) for path in sorted(tmp_path.glob("*.parquet"))]
        assert engine.whole("select sum(a) as s, count(b) as n from rows", {"rows": files}).to_pylist() == [
            {"s": 6, "n": 1}
        ]
