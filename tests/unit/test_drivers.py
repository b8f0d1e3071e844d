"""Drivers that are not installed are asked for by name."""

from __future__ import annotations

import sys

import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.delivery.destinations.postgres import PostgresDestination
from loadlock.errors import UsageError


def test_postgres_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError) as caught:
        PostgresDestination().inspect(Target(url="postgresql://localhost/x", table="t"))
    assert caught.value.hint == "pip install 'loadlock[postgres]'"


def test_mysql_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("loadlock.delivery.destinations._mysql_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(UsageError) as caught:
        MysqlDestination().inspect(Target(url="mysql://localhost/x", table="t"))
    assert caught.value.hint == "pip install 'loadlock[mysql]'"


def test_labels_need_no_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "pymysql", None)
    assert PostgresDestination().label(Target(url="postgresql://u:secret@h/x", table="s.t")) == "h:5432/x s.t"
    assert MysqlDestination().label(Target(url="mysql://u:secret@h/x", table="t")) == "h:3306/x t"
