"""Delivery to DuckDB files."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.destinations.duckdb import DuckDB
from loadlock.testing.contracts.destinations import Case, DestinationContract


def make_case(folder: Path) -> Case:
    path = folder / "shop.duckdb"

    def count() -> int | None:
        if not path.exists():
            return None
        with duckdb.connect(str(path)) as connection:
            known = connection.execute("select 1 from duckdb_tables() where table_name = 'orders'").fetchall()
            return connection.execute("select count(*) from orders").fetchall()[0][0] if known else None

    return Case(destination=DuckDB(), target=Target(url=f"duckdb:///{path}", table="orders"), count=count)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return make_case(tmp_path)


class TestContract(DestinationContract):
    pass
