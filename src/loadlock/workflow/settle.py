"""What became of runs that ended while they published: asked of the destination, never assumed."""

from __future__ import annotations

from collections.abc import Sequence

from loadlock.errors import UsageError
from loadlock.ledger.base import Ledger, RunRecord
from loadlock.model import RunStatus
from loadlock.workflow.destinations import BoundDestination

_SETTLED = frozenset({RunStatus.PUBLISHED, RunStatus.VERIFIED, RunStatus.ROLLED_BACK})


def half_published(ledger: Ledger, pipeline: str, bound: Sequence[BoundDestination]) -> list[RunRecord]:
    """Runs of this pipeline to these destinations that published to one of them and did not end well; oldest first.

    Their rows lie in the destination, though the ledger does not count them as delivered. Raises UsageError where the
    destination can't tell any more.
    """
    labels = {destination.label for destination in bound}
    runs = ledger.runs()
    unsure = [
        run
        for run in runs
        if run.pipeline == pipeline
        and set(run.destinations) == labels
        and run.status not in _SETTLED
        and _began_to_publish(ledger, run)
    ]
    order = {run.run: number for number, run in enumerate(reversed(runs))}
    return [run for run in reversed(unsure) if any(_holds(destination, run, order) for destination in bound)]


def _began_to_publish(ledger: Ledger, run: RunRecord) -> bool:
    return any(event.data.get("to") == RunStatus.PUBLISHING for event in ledger.events(run=run.run))


def _holds(bound: BoundDestination, run: RunRecord, order: dict[str, int]) -> bool:
    """Whether the destination's newest delivery is of this run; an older run's says that this one never came so far."""
    newest = bound.destination.last_delivery(bound.target)
    if newest is None or order.get(newest["run"], len(order)) < order[run.run]:
        return False
    if newest["run"] == run.run:
        return True
    raise UsageError(
        f"run {run.run} ended while it published to {bound.label}, and others delivered there since",
        hint=f"`loadlock resume {run.run}` finds out and finishes it; --force goes on without it.",
    )
