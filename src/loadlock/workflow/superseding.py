"""`supersedes: name`: a corrected file takes the place of the rows that a file of the same name brought before.

Only those go that are still as that file left them; what later batches or people wrote since stays, and is counted. They go
in the transaction that publishes the new rows, so a reader sees the old file's rows or the new one's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlock.errors import LoadlockError, UsageError
from loadlock.ledger.base import BatchRecord, Ledger, RunRecord
from loadlock.ledger.states import DELIVERED
from loadlock.model import BatchStatus, WriteMode
from loadlock.pipeline.codec import from_json
from loadlock.pipeline.model import Pipeline
from loadlock.rows import FILE
from loadlock.workflow import cleaning
from loadlock.workflow.delivering import Deliveries, DeliveryWork, Outcome
from loadlock.workflow.destinations import BoundDestination
from loadlock.workflow.earlier import earlier_work
from loadlock.workflow.keys import Keys
from loadlock.workflow.overtaken import overtaken
from loadlock.workflow.stale import changed_since
from loadlock.workflow.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

EVENT = "superseded"


@dataclass(frozen=True, kw_only=True)
class Predecessor:
    """A delivered batch with files under names that this batch has with other bytes."""

    batch: BatchRecord
    names: frozenset[str]

    @property
    def whole(self) -> bool:
        """Whether all its files have a corrected one."""
        return {file.name for file in self.batch.files} <= self.names


def check_superseding(pipeline: Pipeline, bound: Sequence[BoundDestination]) -> None:
    """Raise UsageError for a destination where the rows of a file can't be replaced."""
    for destination in bound if pipeline.supersedes else ():
        if destination.mode.takes_all:
            continue
        if destination.mode == WriteMode.SCD2:
            raise UsageError(
                f"{destination.label}: `supersedes: name` takes rows back, mode scd2 keeps what was",
                hint="Leave it out: a corrected file opens new versions of the rows that it changes.",
            )
        if not destination.spec.key:
            raise UsageError(
                f"{destination.label}: `supersedes: name` needs a key to find the old file's rows by",
                hint="Name the columns that tell rows apart by `key:`, or use mode replace.",
            )
        if destination.children or not destination.destination.capabilities.retires:
            what = "child tables" if destination.children else f"a destination of kind {destination.destination.name}"
            raise UsageError(
                f"{destination.label}: `supersedes: name` can't be done with {what}",
                hint="Leave it out, or use mode replace.",
            )


def predecessors(ledger: Ledger, record: RunRecord) -> list[Predecessor]:
    """Batches of the same pipeline and destinations that this batch's files correct."""
    own = ledger.batch(record.batch)
    files = {} if own is None else {file.name: file.sha256 for file in own.files}
    found: dict[str, set[str]] = {}
    for name, known in ledger.delivered_names(record.pipeline, record.destinations, list(files)).items():
        for digest, batch in known.items():
            if digest != files[name] and batch != record.batch:
                found.setdefault(batch, set()).add(name)
    records = [(ledger.batch(batch), names) for batch, names in found.items()]
    return [
        Predecessor(batch=batch, names=frozenset(names))
        for batch, names in records
        if batch is not None and batch.status == BatchStatus.DELIVERED
    ]


def retire(work: DeliveryWork, record: RunRecord, outcomes: Sequence[Outcome]) -> None:
    """Find the rows that this batch takes the place of, for each destination."""
    import pyarrow as pa

    older = predecessors(work.workspace.ledger, record)
    for outcome in outcomes:
        if not older or outcome.bound.mode.takes_all:
            continue
        keys = list(outcome.bound.spec.key)
        with Keys() as new:
            if outcome.bound.mode in (WriteMode.UPSERT, WriteMode.DELETE_INSERT):
                for table in _own_rows(work):
                    new.add(tuple(keys), table)
            found = [new.without(table) for one in older for table in _old_rows(work, outcome, one)]
        if found:
            outcome.retired = pa.concat_tables(found).group_by(keys).aggregate([]).select(keys)
        rows = 0 if outcome.retired is None else outcome.retired.num_rows
        names = ", ".join(sorted({name for one in older for name in one.names}))
        outcome.notes.append(f"{names}: {rows:,} rows of the files delivered before under this name give way")


def _own_rows(work: DeliveryWork) -> Iterator[pa.Table]:
    for record in work.cleaned.parts:
        if record.ref.rows:
            yield cleaning.without(work.workspace.staging.read(record.ref), work.cleaned.losers)


def _old_rows(work: DeliveryWork, outcome: Outcome, old: Predecessor) -> Iterator[pa.Table]:
    """Keys of the predecessor's rows that are still as it left them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    workspace, bound = work.workspace, outcome.bound
    keys = list(bound.spec.key)
    indexes = pa.array([file.index for file in old.batch.files if file.name in old.names], pa.int32())
    for run in _delivered_runs(workspace, old.batch, work):
        earlier = _earlier(work, old.batch, run)
        with closing(overtaken(workspace, run, bound.label, by_others=True)) as later, Keys() as changed:
            others = changed_since(workspace, work.engine, bound, run)
            if others is not None and others.num_rows:
                changed.add(tuple(keys), others)
            with Deliveries(earlier, [bound], lambda rows: None) as deliveries:
                for table in deliveries.delivered(deliveries.outcomes[0]):
                    ours = table.filter(pc.is_in(table[FILE], indexes))
                    kept = changed.without(later.keep(ours))
                    if left := ours.num_rows - kept.num_rows:
                        told = f"{left:,} rows of batch {old.batch.batch[:12]} were written by others since: they stay"
                        outcome.notes.append(told)
                    yield kept.select(keys)


def _delivered_runs(workspace: Workspace, batch: BatchRecord, work: DeliveryWork) -> list[RunRecord]:
    runs = workspace.ledger.runs(batch=batch.batch)
    return [workspace.ledger.run(run.run) or run for run in runs if run.status in DELIVERED and run.run != work.run]


def _earlier(work: DeliveryWork, batch: BatchRecord, run: RunRecord) -> DeliveryWork:
    try:
        return earlier_work(work.workspace, work.engine, batch, run, from_json(Pipeline, run.state["pipeline"]))
    except LoadlockError as error:
        raise UsageError(
            f"the rows of batch {batch.batch[:12]}, which this one supersedes, can't be found any more: {error}",
            hint="Remove them by hand, and leave `supersedes:` out for this run.",
        ) from error


def write_down(ledger: Ledger, record: RunRecord) -> None:
    """After the publish: batches all of whose files have a corrected one are not delivered any more."""
    for old in predecessors(ledger, record):
        ledger.event(EVENT, batch=old.batch.batch, data={"by": record.batch, "files": sorted(old.names)})
        if old.whole:
            ledger.set_batch_status(old.batch.batch, BatchStatus.SUPERSEDED)
