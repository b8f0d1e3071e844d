"""A rerun sends only the rows that the rules of today make other than they were delivered before.

The rows that the batch delivered last were read back then. Where the destination shows that nobody has written to them since
(`Session.untouched`), those that are clean in the same way now need not be sent again. In every other case, and in doubt, all
rows go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Job
from loadlock.delivery.spared import Spared
from loadlock.digest import MODULUS
from loadlock.errors import LoadlockError
from loadlock.ledger.base import PartRecord, RunRecord
from loadlock.ledger.states import DELIVERED
from loadlock.model import PartKind, RunStatus, VerifyLevel, WriteMode
from loadlock.pipeline.codec import to_json
from loadlock.workflow import cleaning
from loadlock.workflow.delivering import DeliveryWork, Outcome, job_of
from loadlock.workflow.destinations import BoundDestination
from loadlock.workflow.generation import STATE
from loadlock.workflow.later import Later
from loadlock.workflow.overtaken import overtaken
from loadlock.workflow.quarantine import is_replay
from loadlock.workflow.run_task import RunTask
from loadlock.workflow.same_rows import changed_rows
from loadlock.workflow.stale import RERUN_OF, is_published, reference_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SPARED = "spared"
"""Key of a rerun's state: whether it sends changed rows only. Decided once: chunks that lie in a staging table tell no other."""


@dataclass(frozen=True, kw_only=True)
class Before:
    """What the batch delivered last, at rest."""

    run: str
    parts: dict[int, PartRecord]
    losers: pa.Table | None
    rows: int


class Standing:
    """Whether a destination shows what the batch delivered to it last; looks while others work, until it is asked."""

    def __init__(self, task: RunTask, work: DeliveryWork) -> None:
        """`work` = what is known before the cleanup."""
        self._before: Before | None = None
        self._looks: Later[bool] | None = None
        if task.record.state.get(SPARED) is not False and _may_spare(task):
            self._before = _before(task)
        if self._before is not None:
            job = replace(job_of(work, task.bound[0]), create=False)
            self._looks = Later(partial(_stands, task.bound[0], job, self._before))

    def before(self) -> Before | None:
        """What the destination shows; None where that is something else, or can't be told."""
        if self._looks is None:
            return None
        looks, self._looks = self._looks, None
        try:
            return self._before if looks.result() else None
        except LoadlockError:
            return None


def spare(task: RunTask, work: DeliveryWork, outcomes: Sequence[Outcome], before: Before | None) -> None:
    """Give an outcome of a rerun the rows that need not be sent. `before` = what the destination shows, if that is known."""
    decided = task.record.state.get(SPARED)
    if RERUN_OF not in task.record.state or decided is False or len(outcomes) != 1:
        return
    outcome = outcomes[0]
    if decided and is_published(work, outcome, task.record):
        outcome.sent_in_part = True
        return
    if before is not None and not outcome.unwanted:
        outcome.changed = _changed(work, before)
        outcome.spared = _spared(work, outcome.changed, before)
    if decided is None:
        work.workspace.ledger.save_state(task.record.run, {SPARED: outcome.spared is not None})
    elif outcome.spared is None:
        _begin_anew(work, outcome)
        work.workspace.ledger.save_state(task.record.run, {SPARED: False})


def is_latest(task: RunTask) -> bool:
    """Whether rows may be sent before anybody looked what others delivered: the first run of a batch, and the rerun of the last
    one that replaced the table."""
    record, ledger = task.record, task.workspace.ledger
    reference = reference_of(ledger, record)
    if reference is None:
        return True
    fresh = RERUN_OF in record.state and record.status == RunStatus.RECEIVED
    if not fresh or any(bound.mode != WriteMode.REPLACE for bound in task.bound):
        return False
    for bound in task.bound:
        with closing(overtaken(task.workspace, reference, bound.label, by_others=True)) as later:
            if later.replaced_by or later.runs or later.appended:
                return False
    return True


def _may_spare(task: RunTask) -> bool:
    """Whether the destination, and what it is to get, are of the plain kind."""
    if RERUN_OF not in task.record.state or is_replay(task.record) or len(task.bound) != 1:
        return False
    bound, spec = task.bound[0], task.bound[0].spec
    if bound.mode != WriteMode.UPSERT or not bound.destination.capabilities.spares or bound.children:
        return False
    others = (
        spec.filter or spec.lineage or spec.update or spec.before or spec.after or spec.columns or spec.evolve != "none"
    )
    return not (others or task.pipeline.supersedes or task.settings.confirm)


def _before(task: RunTask) -> Before | None:
    """The batch's newest delivery, where all of it was read back and is at rest, in the columns of today."""
    ledger, record = task.workspace.ledger, task.record
    runs = (run for run in ledger.runs(batch=record.batch) if run.run != record.run and run.status in DELIVERED)
    newest = next(runs, None)
    run = None if newest is None else ledger.run(newest.run)
    if run is None or is_replay(run) or not _is_alike(task, run):
        return None
    receipt = _receipt(run)
    if receipt is None or not receipt["equal"] or receipt["level"] != VerifyLevel.CONTENT or receipt["rejected"]:
        return None
    parts = {part.ref.key.seq: part for part in ledger.parts(record.batch, run.run, PartKind.CLEAN)}
    dropped = ledger.parts(record.batch, cleaning.batch_scope(run.run), PartKind.DROPPED)
    losers = task.workspace.staging.read(dropped[0].ref) if dropped else None
    return Before(run=run.run, parts=parts, losers=losers, rows=receipt["rows"])


def _receipt(run: RunRecord) -> dict[str, Any] | None:
    entries = (run.document or {}).get("destinations") or []
    return entries[0]["receipt"] if len(entries) == 1 else None


def _is_alike(task: RunTask, run: RunRecord) -> bool:
    """Whether an earlier run delivered columns of the same names and types in the same way."""
    if run.destinations != task.record.destinations:
        return False
    if int(run.state.get(STATE, task.batch.generation)) != task.batch.generation:
        return False
    then, now = run.state["pipeline"], to_json(task.pipeline)
    shown = [
        (
            [(column["name"], column["type"]) for column in each["columns"] or []],
            [{**spec, "url": None, "mode": None} for spec in each["destinations"]],
        )
        for each in (then, now)
    ]
    return shown[0] == shown[1]


def _stands(bound: BoundDestination, job: Job, before: Before) -> bool:
    """Whether nobody has written to the rows delivered then."""
    with closing(bound.destination.session(job)) as session:
        session.open()
        return session.untouched(before.run) == before.rows


def _changed(work: DeliveryWork, before: Before) -> dict[int, np.ndarray[Any, Any]]:
    """By seq of the clean part, the places of rows (without the losers) that are new or other than before."""
    look = partial(_changed_in, work, before)
    records = [record for record in work.cleaned.parts if record.ref.rows]
    return {record.ref.key.seq: found for record, found in zip(records, work.engine.map(look, records), strict=True)}


def _changed_in(work: DeliveryWork, before: Before, record: PartRecord) -> np.ndarray[Any, Any]:
    import numpy as np

    staging = work.clean_work.staging
    now = cleaning.without(staging.read(record.ref), work.cleaned.losers)
    earlier = before.parts.get(record.ref.key.seq)
    if earlier is None or not earlier.ref.rows:
        return np.arange(now.num_rows)
    names = [name for name, _ in work.plan.columns]
    return changed_rows(cleaning.without(staging.read(earlier.ref), before.losers), now, names)


def _spared(work: DeliveryWork, changed: dict[int, np.ndarray[Any, Any]], before: Before) -> Spared:
    """What is left when the changed rows are taken away."""
    from loadlock.cleanup.batch import digests_of_parts

    by_file: Counter[int] = Counter()
    for name, counts in work.cleaned.by_file.items():
        by_file[name] += counts["clean"]
    digest = work.cleaned.digest
    files = {record.ref.key.seq: record.ref.file_index or 0 for record in work.cleaned.parts}
    for table, seq in _changed_tables(work, changed):
        by_file[files[seq]] -= table.num_rows
        digest -= digests_of_parts({seq: table}, work.plan)[seq]
    return Spared(
        run=before.run,
        of=before.rows,
        by_file={file: rows for file, rows in sorted(by_file.items()) if rows},
        digest=digest % MODULUS,
    )


def _changed_tables(work: DeliveryWork, changed: dict[int, np.ndarray[Any, Any]]) -> Iterator[tuple[pa.Table, int]]:
    for record in work.cleaned.parts:
        places = changed.get(record.ref.key.seq)
        if places is not None and len(places):
            table = cleaning.without(work.clean_work.staging.read(record.ref), work.cleaned.losers)
            yield table.take(places), record.ref.key.seq


def _begin_anew(work: DeliveryWork, outcome: Outcome) -> None:
    """Take away what an attempt that sent changed rows only left in a staging table."""
    with closing(outcome.bound.destination.session(job_of(work, outcome.bound))) as session:
        session.open()
        session.abandon()
