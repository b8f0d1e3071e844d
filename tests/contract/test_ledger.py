"""The ledger in SQL and its twin in memory keep the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loadlock.ledger.base import Ledger
from loadlock.ledger.ids import Clock
from loadlock.ledger.sql_ledger import open_ledger
from loadlock.testing.contracts.ledger import LedgerContract
from loadlock.testing.twins import MemoryLedger


class TestSqlLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
        ledger = open_ledger(tmp_path, clock=clock)
        yield ledger
        ledger.close()


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, clock: Clock) -> Ledger:
        return MemoryLedger(clock=clock)
