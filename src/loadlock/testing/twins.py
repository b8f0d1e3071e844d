"""Twins of ledger and staging for tests: they pass the same contract suites as the real ones."""

from loadlock.testing.memory_ledger import MemoryLedger
from loadlock.testing.sqlite_staging import SqlStaging

__all__ = ["MemoryLedger", "SqlStaging"]
