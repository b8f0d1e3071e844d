"""What is kept of how a batch's values are spread."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import duckdb
import pytest

from loadlock.types import ColumnType
from loadlock.workflow.distribution import Spreads


@pytest.mark.parametrize("masked", [False, True])
def test_long_texts_are_kept_as_hashes(masked: bool) -> None:
    column = SimpleNamespace(name="c", mask=masked)
    plan: Any = SimpleNamespace(columns=[("c", ColumnType(kind="text"))], pipeline=SimpleNamespace(columns=[column]))
    with duckdb.connect() as connection:
        connection.execute(
            "create table rows as select repeat('x', 1000000) || i % 2 as c from range(4) t(i)"
        ).fetchall()
        connection.execute("insert into rows values ('short')").fetchall()
        spreads = Spreads(connection, plan)
        kept = spreads.of("c")
        assert len(json.dumps(kept)) < 300
        assert sorted(kept["values"].values()) == [0.2, 0.4, 0.4]
        assert ("short" in kept["values"]) is not masked
        assert spreads.distance("c", kept) == 0
        connection.execute("delete from rows where c like '%0'").fetchall()
        assert (spreads.distance("c", kept) or 0) > 30
