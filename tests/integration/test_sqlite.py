"""Delivery to SQLite files."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.destinations.sqlite import SQLite
from loadlock.testing.contracts.destinations import Case, DestinationContract


@pytest.fixture
def case(tmp_path: Path) -> Case:
    path = tmp_path / "shop.db"

    def count() -> int | None:
        if not path.exists():
            return None
        with closing(sqlite3.connect(path)) as connection:
            if not connection.execute("select 1 from sqlite_master where name = 'orders'").fetchall():
                return None
            return int(connection.execute("select count(*) from orders").fetchall()[0][0])

    return Case(destination=SQLite(), target=Target(url=f"sqlite:///{path}", table="orders"), count=count)


class TestContract(DestinationContract):
    pass
