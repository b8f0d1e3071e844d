"""`rollback`: take a delivered batch back. What it inserted goes, what it updated, replaced or deleted is as before.

A batch with several runs is taken back run by run, the newest first, each destination in one transaction (with its child
tables, where the destination has such). Before anything is changed, all of a run's destinations are looked at: rows that
others changed since are conflicts, and stop it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Undone, UndoneError
from loadlock.delivery.undo import Conflicts, Undoing
from loadlock.engines.local import LocalEngine
from loadlock.errors import ConflictError, UsageError
from loadlock.faults import point
from loadlock.ledger.base import BatchRecord, RunRecord
from loadlock.model import BatchStatus, RunStatus
from loadlock.workflow.children import ChildDeliveries
from loadlock.workflow.delivering import Deliveries, DeliveryWork, Outcome, job_of
from loadlock.workflow.destinations import BoundDestination, all_targets, bind_destinations
from loadlock.workflow.earlier import earlier_work
from loadlock.workflow.look import find
from loadlock.workflow.replaying import bound_for
from loadlock.workflow.start import Options, pipeline_of
from loadlock.workflow.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    import pyarrow as pa

_NEVER = frozenset({RunStatus.ROLLED_BACK})
_UNSETTLED = frozenset({RunStatus.PUBLISHING, RunStatus.LOADED, RunStatus.WAITING, RunStatus.STOPPED})


@dataclass(kw_only=True)
class TakenBack:
    """What became of one table or file."""

    run: str
    target: str
    undone: Undone = field(default_factory=Undone)
    already: bool = False
    """Taken back before, and only the ledger did not know."""
    conflicts: Conflicts | None = None

    def to_json(self) -> dict[str, Any]:
        conflicts = self.conflicts.to_json() if self.conflicts else None
        return {
            "run": self.run,
            "target": self.target,
            **asdict(self.undone),
            "already": self.already,
            "conflicts": conflicts,
        }


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """The outcome. `noop`: the batch was rolled back before."""

    batch: str
    runs: list[str]
    targets: list[TakenBack]

    @property
    def noop(self) -> bool:
        return not self.runs

    def to_json(self) -> dict[str, Any]:
        return {
            "batch": self.batch,
            "status": str(BatchStatus.ROLLED_BACK),
            "noop": self.noop,
            "runs": self.runs,
            "targets": [target.to_json() for target in self.targets],
        }


def rollback(name: str, options: Options, *, to: str | None = None) -> Rollback:
    """Take back the batch `name` (its id or a run's). `options.force` goes on in spite of conflicts.

    Raises ConflictError (nothing is changed), RefusedError where what is needed was not kept, UsageError.
    """
    root = find_workspace(options.workspace, base_folder=None, environment=options.environment)
    with Workspace.open(root, create=False) as workspace, LocalEngine(temp_folder=workspace.temp) as engine:
        batch, _ = find(workspace, name)
        found = Rollback(batch=batch.batch, runs=[], targets=[])
        runs = _published_runs(workspace, batch)
        if not runs and batch.status != BatchStatus.ROLLED_BACK:
            raise UsageError(f"batch {batch.batch[:12]} is {batch.status}: nothing of it was delivered")
        for run in runs:
            pipeline = pipeline_of(run, to=to)
            bound = bound_for(run, bind_destinations(pipeline, environment=options.environment))
            labels = [target.label for target in all_targets(bound)]
            with (
                workspace.lock_targets(labels, wait_seconds=options.wait_seconds),
                workspace.lock_batch(batch.batch, wait_seconds=options.wait_seconds),
            ):
                work = replace(earlier_work(workspace, engine, batch, run, pipeline), wait_seconds=options.wait_seconds)
                taken = _take_back(work, bound, force=options.force)
                _write_down(workspace, run, taken)
                found.targets.extend(taken)
                found.runs.append(run.run)
        workspace.ledger.set_batch_status(batch.batch, BatchStatus.ROLLED_BACK)
        _deliver_again(workspace, batch)
    return found


def _published_runs(workspace: Workspace, batch: BatchRecord) -> list[RunRecord]:
    """Runs of the batch that came to publishing and were not taken back, newest first."""
    return [
        workspace.ledger.run(run.run) or run
        for run in workspace.ledger.runs(batch=batch.batch)
        if run.status not in _NEVER
        and any(event.data.get("to") == RunStatus.PUBLISHING for event in workspace.ledger.events(run=run.run))
    ]


@dataclass(frozen=True, kw_only=True)
class _Step:
    """One table: how it is taken back, and the rows it was sent."""

    undoing: Undoing
    sent: Callable[[], Iterable[pa.Table]]


def _take_back(work: DeliveryWork, bound: list[BoundDestination], *, force: bool) -> list[TakenBack]:
    with ExitStack() as stack:
        deliveries = stack.enter_context(Deliveries(work, bound, lambda rows: None))
        children = stack.enter_context(ChildDeliveries(deliveries))
        groups = [list(_steps(stack, work, outcome, deliveries, children)) for outcome in deliveries.outcomes]
        taken = [[_look(work, step) for step in group] for group in groups]
        conflicts = [one.conflicts for group in taken for one in group if one.conflicts]
        if conflicts and not force:
            raise _conflict(work, conflicts)
        point("rollback.looked")
        # a file's children are files of their own: every group of steps that share no session is committed by itself
        for group, results in zip(groups, taken, strict=True):
            _commit(group, results)
            point("rollback.committed")
        return [one for group in taken for one in group]


def _steps(
    stack: ExitStack, work: DeliveryWork, outcome: Outcome, deliveries: Deliveries, children: ChildDeliveries
) -> Iterator[_Step]:
    """The destination's table, then its child tables; opened."""
    job = replace(job_of(work, outcome.bound), create=False)
    parent = stack.enter_context(Undoing(outcome.bound.destination, job, work.workspace.temp))
    parent.open()
    yield _Step(undoing=parent, sent=partial(deliveries.delivered, outcome))
    for child in outcome.children:
        child_job = replace(children.job(child), create=False)
        if outcome.bound.destination.inspect(child.bound.target) is None:
            continue
        made = parent.child(child_job) or Undoing(child.bound.destination, child_job, work.workspace.temp)
        stack.enter_context(made)
        made.open()
        yield _Step(undoing=made, sent=partial(children.delivered, child))


def _look(work: DeliveryWork, step: _Step) -> TakenBack:
    found = TakenBack(run=work.run, target=step.undoing.label)
    try:
        found.conflicts = step.undoing.look(step.sent) or None
    except UndoneError:
        found.already = True
    return found


def _commit(group: Sequence[_Step], results: Sequence[TakenBack]) -> None:
    """The parent's `undo` takes its joined children back too; children of files are taken back after it."""
    for step, result in zip(group, results, strict=True):
        if not result.already and not step.undoing.joined:
            result.undone = step.undoing.undo()


def _conflict(work: DeliveryWork, conflicts: Sequence[Conflicts]) -> ConflictError:
    return ConflictError(
        f"run {work.run} was not rolled back: " + "; ".join(found.told() for found in conflicts),
        hint="Settle these rows with who changed them; --force restores the old rows over them.",
        details={"run": work.run, "conflicts": [found.to_json() for found in conflicts]},
    )


def _write_down(workspace: Workspace, run: RunRecord, taken: Sequence[TakenBack]) -> None:
    ledger = workspace.ledger
    if run.status in _UNSETTLED:
        ledger.set_status(run.run, RunStatus.INTERRUPTED, cause="rolled back")
    ledger.event("rolled_back", run=run.run, batch=run.batch, data={"targets": [one.to_json() for one in taken]})
    ledger.set_status(run.run, RunStatus.ROLLED_BACK)
    point("rollback.recorded")


def _deliver_again(workspace: Workspace, batch: BatchRecord) -> None:
    """Batches whose rows this one had replaced are there again."""
    for other in workspace.ledger.batches():
        if other.status != BatchStatus.SUPERSEDED:
            continue
        changes = [event for event in workspace.ledger.events(batch=other.batch) if "by" in event.data]
        if changes and changes[-1].data["by"] == batch.batch:
            workspace.ledger.set_batch_status(other.batch, BatchStatus.DELIVERED)
