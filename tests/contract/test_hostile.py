"""Hostile names and values in every mode of every destination."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlock.delivery.base import Target
from loadlock.testing.contracts.destinations import Case
from loadlock.testing.contracts.hostile import HostileContract
from loadlock.workflow.destinations import destination_for


def _case(url: str, table: str | None = None) -> Case:
    return Case(destination=destination_for(url)(), target=Target(url=url, table=table), count=lambda: None)


class TestLocal(HostileContract):
    """Files and databases of files."""

    @pytest.fixture(params=["csv", "ndjson", "parquet", "duckdb", "sqlite"])
    def case(self, request: pytest.FixtureRequest, tmp_path: Path) -> Case:
        if request.param in ("duckdb", "sqlite"):
            return _case(f"{request.param}:///{tmp_path / 'x.db'}", "people")
        return _case(str(tmp_path / f"x.{request.param}"))


@pytest.mark.postgres
class TestPostgres(HostileContract):
    """PostgreSQL."""

    @pytest.fixture
    def case(self, postgres: str) -> Case:
        return _case(postgres, "people")


@pytest.mark.mysql
class TestMysql(HostileContract):
    """MariaDB or MySQL."""

    bmp_names = True

    @pytest.fixture
    def case(self, mysql: str) -> Case:
        return _case(mysql, "people")


@pytest.mark.mysql
@pytest.mark.slow
class TestMysqlLts(HostileContract):
    """MySQL's own server."""

    bmp_names = True

    @pytest.fixture
    def case(self, mysql_lts: str) -> Case:
        return _case(mysql_lts, "people")
