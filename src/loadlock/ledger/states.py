"""Which statuses end a run, and which say that its rows are delivered."""

from __future__ import annotations

from loadlock.model import RunStatus

DELIVERED = (RunStatus.PUBLISHED, RunStatus.VERIFIED)
"""Statuses of a run whose rows are in the destination."""
ENDS = frozenset({*DELIVERED, RunStatus.STOPPED, RunStatus.INTERRUPTED, RunStatus.FAILED})
"""Statuses that set `finished`. A run that goes on from one of them is unfinished again; a rollback changes nothing."""
