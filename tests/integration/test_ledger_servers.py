"""The ledger's SQL is portable: its contract holds on PostgreSQL and MariaDB too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, make_url

from loadlock.ledger.base import Ledger
from loadlock.ledger.ids import Clock
from loadlock.ledger.schema import metadata
from loadlock.ledger.sql_ledger import SqlLedger
from loadlock.testing.contracts.ledger import LedgerContract
from loadlock.testing.databases import fresh_mysql, fresh_postgres


def engine_for(url: str, driver: str) -> Engine:
    engine = create_engine(make_url(url).set(drivername=driver))
    metadata.create_all(engine)
    return engine


def emptied(engine: Engine, clock: Clock) -> Ledger:
    with engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    return SqlLedger(engine, place=engine.url.render_as_string(), clock=clock)


@pytest.fixture(scope="module")
def on_postgres(postgres_server: str) -> Iterator[Engine]:
    with fresh_postgres(postgres_server) as url:
        engine = engine_for(url, "postgresql+psycopg")
        yield engine
        engine.dispose()


@pytest.fixture(scope="module")
def on_mariadb(mysql_server: str) -> Iterator[Engine]:
    with fresh_mysql(mysql_server) as url:
        engine = engine_for(url, "mysql+pymysql")
        yield engine
        engine.dispose()


@pytest.mark.postgres
class TestPostgresLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, on_postgres: Engine, clock: Clock) -> Ledger:
        return emptied(on_postgres, clock)


@pytest.mark.mysql
class TestMariaDbLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, on_mariadb: Engine, clock: Clock) -> Ledger:
        return emptied(on_mariadb, clock)
