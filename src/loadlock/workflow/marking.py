"""Before a run delivers: which of its rows must not go out, and which rows of earlier deliveries go with its publish."""

from __future__ import annotations

from collections.abc import Sequence

from loadlock.workflow.cleaning import Cleaned
from loadlock.workflow.delivering import DeliveryWork, Outcome
from loadlock.workflow.run_task import RunTask
from loadlock.workflow.stale import mark_stale
from loadlock.workflow.superseding import retire
from loadlock.workflow.taking_back import take_back
from loadlock.workflow.target_checks import look_up


def mark(task: RunTask, work: DeliveryWork, outcomes: Sequence[Outcome]) -> Cleaned:
    """Fill the outcomes' `unwanted` and `retired`; the batch, with what checks found in the destinations."""
    if task.pipeline.supersedes:
        retire(work, task.record, outcomes)
    take_back(work, task.record, outcomes)
    if not task.settings.force:
        mark_stale(work, task.record, outcomes)
    return look_up(work, task.record, outcomes)
