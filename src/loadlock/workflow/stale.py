"""A rerun or resumed run of a batch that is not the latest of its target must not overwrite what came after it.

Rows whose keys later batches wrote, or a person changed since the batch was delivered, are rejects with the code `stale`;
a run that would empty the table is stopped. `--force` does it all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from loadlock.delivery.row_sets import RowSets
from loadlock.engines.base import Engine
from loadlock.errors import LoadlockError, StoppedError
from loadlock.ledger.base import Ledger, RunRecord
from loadlock.ledger.states import DELIVERED
from loadlock.model import Problem, RunStatus, VerifyLevel, WriteMode
from loadlock.pipeline.codec import from_json
from loadlock.pipeline.model import Pipeline
from loadlock.rows import IDENTITY
from loadlock.workflow import cleaning
from loadlock.workflow.delivering import Deliveries, DeliveryWork, Outcome, job_of
from loadlock.workflow.destinations import BoundDestination
from loadlock.workflow.earlier import earlier_work
from loadlock.workflow.keys import Keys
from loadlock.workflow.overtaken import Overtaken, overtaken
from loadlock.workflow.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

STALE = "stale"
RERUN_OF = "rerun_of"
"""Key of a rerun's state: the run that delivered the batch first."""


def mark_stale(work: DeliveryWork, record: RunRecord, outcomes: Sequence[Outcome]) -> None:
    """Say which rows of this run must not be delivered; raises StoppedError where nothing of it may be."""
    reference = reference_of(work.workspace.ledger, record)
    if reference is None:
        return
    for outcome in outcomes:
        if is_published(work, outcome, record):
            continue
        with closing(overtaken(work.workspace, reference, outcome.bound.label, by_others=True)) as later:
            if later.replaced_by or later.runs or later.appended:
                _check_whole(outcome, later)
                _mark(work, outcome, later, reference)


def reference_of(ledger: Ledger, record: RunRecord) -> RunRecord | None:
    """The run since which others count: the batch's first delivery for a rerun, itself for a run that goes on."""
    if earlier := record.state.get(RERUN_OF):
        return ledger.run(earlier)
    return record if record.status != RunStatus.RECEIVED else None


def first_delivery(ledger: Ledger, batch: str, destinations: Sequence[str]) -> str | None:
    """The run that delivered a batch to these destinations first, for `RERUN_OF`."""
    runs = ledger.runs(batch=batch)
    return next(
        (run.run for run in reversed(runs) if run.status in DELIVERED and set(run.destinations) == set(destinations)),
        None,
    )


def is_published(work: DeliveryWork, outcome: Outcome, record: RunRecord) -> bool:
    """Whether this run published before it was cut off: then it only has to be finished."""
    if not any(event.data.get("to") == RunStatus.PUBLISHING for event in work.workspace.ledger.events(run=record.run)):
        return False
    job = replace(job_of(work, outcome.bound), create=False, undo=outcome.bound.undo)
    with suppress(LoadlockError), closing(outcome.bound.destination.session(job)) as session:
        return session.open().published is not None
    return False


def _check_whole(outcome: Outcome, later: Overtaken) -> None:
    """A batch that would replace the table, or whose table was replaced, can't come after others."""
    others = [later.replaced_by] if later.replaced_by else [*later.runs, *later.appended]
    if outcome.bound.spec.ends_missing or (later.replaced_by and outcome.bound.mode.by_key):
        raise StoppedError(
            f"run {', '.join(others)} delivered to {outcome.bound.label} since this batch: its rows would be lost",
            hint="Deliver the newest batch again instead; --force overwrites what it wrote.",
        )


def _mark(work: DeliveryWork, outcome: Outcome, later: Overtaken, reference: RunRecord) -> None:
    mode, key = outcome.bound.mode, outcome.bound.spec.key
    if not mode.by_key or mode == WriteMode.INSERT_ONLY:
        return
    with Keys() as strangers:
        changed = _changed_since(work, outcome, reference) if mode.has_unique_key else None
        if changed is not None and changed.num_rows:
            strangers.add(key, changed)
        for record in work.cleaned.parts:
            table = cleaning.without(work.workspace.staging.read(record.ref), work.cleaned.losers)
            kept = later.keep(table)
            told = f"run {', '.join(later.runs)} has written the row with this key since"
            _refuse(outcome, _places(table) - _places(kept), told)
            left = strangers.without(kept)
            _refuse(outcome, _places(kept) - _places(left), "others have changed the row with this key since")


def _refuse(outcome: Outcome, places: set[tuple[int, ...]], message: str) -> None:
    for place in places:
        outcome.unwanted[place] = (Problem(code=STALE, message=message),)


def _places(table: pa.Table) -> set[tuple[int, ...]]:
    return set(zip(*(table[name].to_pylist() for name in IDENTITY), strict=True))


def _changed_since(work: DeliveryWork, outcome: Outcome, reference: RunRecord) -> pa.Table | None:
    newest = _newest_delivered(work.workspace, reference, work.run)
    return None if newest is None else changed_since(work.workspace, work.engine, outcome.bound, newest)


def changed_since(workspace: Workspace, engine: Engine, bound: BoundDestination, run: RunRecord) -> pa.Table | None:
    """Keys of the rows that `run` delivered and that are no longer as delivered; None where that can't be told."""
    batch = workspace.ledger.batch(run.batch)
    assert batch is not None
    try:
        earlier = earlier_work(workspace, engine, batch, run, from_json(Pipeline, run.state["pipeline"]))
    except LoadlockError:
        return None
    job = replace(job_of(earlier, bound), create=False, undo=bound.undo, before=(), after=())
    with (
        Deliveries(earlier, [bound], lambda rows: None) as deliveries,
        closing(bound.destination.session(job)) as session,
    ):
        session.open()
        every = [column.name for column in job.columns]
        if not session.recognise(table.select(every) for table in deliveries.delivered(deliveries.outcomes[0])):
            return None
        level, tables = session.read_back(job.compared)
        if level != VerifyLevel.CONTENT:
            return None
        columns = [(column.name, column.type) for column in job.compared]
        names = [name for name, _ in columns]
        with RowSets(columns, job.key, workspace.temp) as sets:
            sets.take("found", tables)
            sets.take("wanted", (t.select(names) for t in deliveries.delivered(deliveries.outcomes[0])))
            return sets.keys_of_surplus("wanted", "found")


def _newest_delivered(workspace: Workspace, reference: RunRecord, run: str) -> RunRecord | None:
    """The batch's newest delivery to the same destinations, before this run."""
    for other in workspace.ledger.runs(batch=reference.batch):
        if other.run != run and other.status in DELIVERED and other.destinations == reference.destinations:
            return workspace.ledger.run(other.run)
    return None
