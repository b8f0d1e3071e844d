"""Delivery: clean parts to each destination of the pipeline, published together and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from loadlock.cleanup.plan import Plan
from loadlock.delivery.base import DeliveryColumn, Job, Opened, Published
from loadlock.delivery.deliver import DEFAULT_RETRY, Delivery
from loadlock.delivery.early import EarlyDelivery
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.spared import NONE_SPARED, Spared
from loadlock.delivery.staged import StagedDelivery
from loadlock.engines.base import Engine
from loadlock.errors import LoadlockError, Mistake, PipelineError, StoppedError, UsageError
from loadlock.faults import point
from loadlock.ledger.base import PartRecord
from loadlock.model import Balance, Chunk, PartKind, Problem, Receipt, WriteMode
from loadlock.rows import IDENTITY
from loadlock.workflow.cleaning import Cleaned, CleanWork, without
from loadlock.workflow.comparing import check_equal, compared, published_of
from loadlock.workflow.destinations import BoundDestination
from loadlock.workflow.early_rows import EarlyRows, send_rest
from loadlock.workflow.left import is_unknown, keep_left, left_scope, without_left
from loadlock.workflow.overtaken import Overtaken
from loadlock.workflow.patience import patiently
from loadlock.workflow.refused import refused_rows, write_refused
from loadlock.workflow.some_rows import leave_out, matching
from loadlock.workflow.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from loadlock.workflow.children import ChildOutcome

AS_WRITTEN = ("create", "lineage", "evolve", "update", "validity", "before", "after", "analyze")
"""Settings of a destination that its job has too."""


@dataclass(kw_only=True)
class Outcome:
    """How the delivery to one destination went, as far as it came."""

    bound: BoundDestination
    sent: int = 0
    filtered: int = 0
    refused: int = 0
    published: Published | None = None
    receipt: Receipt | None = None
    by_file: dict[int, dict[str, int]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    children: list[ChildOutcome] = field(default_factory=list)
    unwanted: dict[tuple[int, ...], tuple[Problem, ...]] = field(default_factory=dict)
    """Identity of rows that must not be delivered, or (file, row) of all that a record became, → why."""
    retired: pa.Table | None = None
    """Keys of rows that corrected files take the place of."""
    spared: Spared | None = None
    changed: Mapping[int, np.ndarray[Any, Any]] = field(default_factory=dict)
    """With `spared` rows, which are not sent: by seq of the clean part, the places of those that are."""
    sent_in_part: bool = False
    """This run has published before it was cut off, and had sent some of its rows only."""

    def balance(self, base: Balance) -> Balance:
        """The balance of this destination; rows its filter leaves out count as skipped."""
        published = self.published or Published(inserted=0)
        return base.with_(
            clean=base.clean - self.filtered,
            skipped=base.skipped + self.filtered,
            inserted=published.inserted,
            updated=published.updated,
            unchanged=published.unchanged,
            deleted=published.deleted,
            rejected_delivery=self.refused,
        )


@dataclass(frozen=True, kw_only=True)
class DeliveryWork:
    """What delivering needs: where the clean parts lie, and who wants which columns."""

    workspace: Workspace
    engine: Engine
    run: str
    batch: str
    pipeline: str
    plan: Plan
    cleaned: Cleaned
    raw: list[PartRecord]
    clean_work: CleanWork
    wait_seconds: float = 0.0
    trial: bool = False
    """Deliveries are only played through, for a plan."""
    force: bool = False
    """Guards of the destination (how much a mirror may delete) do not stop it."""
    joins: bool = False
    elsewhere: Mapping[int, pa.Table] = field(default_factory=dict)
    """By the destination's index: rows (identity) that it has already."""


class Companions(Protocol):
    """What is delivered in one transaction with a destination's rows: its child tables."""

    def open(self, parent: Outcome, delivery: Delivery) -> None:
        """Open those that can share the parent's transaction; the parent is open and nothing is loaded."""

    def load(self, parent: Outcome) -> None:
        """Send their rows; the parent's are sent. Raises ParentsRefusedError where parents must not be delivered."""

    def published(self, parent: Outcome) -> None:
        """The parent's publish has published them too."""

    def close(self, parent: Outcome) -> None:
        """End their sessions, before the parent's."""


class ParentsRefusedError(Exception):
    """Rows of child tables were refused whose parents are to be rejected with them: load again without those."""


class Deliveries:
    """All deliveries of a run: opened and loaded one after the other, then published, then verified.

    Use as a context manager: whatever happens, sessions are closed and locks released.
    """

    def __init__(
        self,
        work: DeliveryWork,
        bound: list[BoundDestination],
        advance: Callable[[int], None],
        early: EarlyRows | None = None,
    ) -> None:
        """`early` = the rows as they come, where the load begins before all are clean."""
        self.work = work
        self.early = early
        self.outcomes = [Outcome(bound=destination) for destination in bound]
        self.companions: Companions | None = None
        self._advance = advance
        self._open: dict[int, Delivery] = {}
        self._refused_limit: int | None = None

    def __enter__(self) -> Deliveries:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the sessions; what was not published is undone."""
        for delivery in self._open.values():
            delivery.close()

    @property
    def is_staged(self) -> bool:
        """Whether rows of an early load went to a staging table."""
        return self.early is not None and self.early.staged

    def load(self, *, refused_limit: int | None = None) -> bool:
        """Open every destination and send it its rows. True if some rows went to staging tables (status `loaded`).

        A direct load whose transaction was lost begins anew, a few times. More than `refused_limit` refused rows raise
        StoppedError.
        """
        self._refused_limit = refused_limit
        staged = [self._load_patiently(outcome, refused_limit) for outcome in self.outcomes]
        return any(staged)

    def compare(self, kept: Sequence[Mapping[str, Any] | None], later: Mapping[str, Overtaken]) -> list[Receipt]:
        """Read back what an earlier run published; sends and changes nothing.

        `kept`: the receipts in the ledger; `later`: what later batches did to each target, by its label.
        """
        receipts = []
        for outcome, receipt in zip(self.outcomes, kept, strict=True):
            delivery = self._begin(outcome, None, create=False)
            opened = delivery.open()
            if receipt is not None:
                delivery.recall(published_of(receipt))
            elif opened.published is None:
                raise UsageError(f"{outcome.bound.label} holds no delivery of run {self.work.run}")
            scope = left_scope(self.work.run, outcome.bound.index)
            if receipt and is_unknown(self.work.workspace, self.work.batch, scope, outcome.bound.mode, receipt):
                note = "which rows were left out, since they were in the table, is not known: nothing to compare"
                receipts.append(replace(delivery.unread(), notes=(note,)))
                continue
            rows = partial(self.delivered, outcome)
            receipts.append(compared(delivery, rows, later[outcome.bound.label]))
        return receipts

    def delivered(self, outcome: Outcome) -> Iterator[pa.Table]:
        """The rows that a destination took."""
        work, index = self.work, outcome.bound.index
        refused = refused_rows(work, f"{work.run}-d{index}")
        rows = (without(table, refused) for _, table in self._tables(outcome))
        yield from without_left(work.workspace, work.batch, left_scope(work.run, index), outcome.bound.spec.key, rows)

    def _begin(self, outcome: Outcome, refused_limit: int | None, *, create: bool = True) -> StagedDelivery:
        job, rows = job_of(self.work, outcome.bound), self._row_count(outcome) if create else None
        spared = outcome.spared or NONE_SPARED
        job = replace(job, rows=rows, retired=outcome.retired, spared=spared) if create else replace(job, create=False)
        if self.early is not None and job.mode == WriteMode.REPLACE:
            job = replace(job, empties_last=outcome.bound.destination.capabilities.empties_last)
        kind = EarlyDelivery if self.is_staged else StagedDelivery
        delivery = kind(outcome.bound.destination, job, on_rows=self._advance, refused_limit=refused_limit)
        self._open[outcome.bound.index] = delivery
        return delivery

    def _row_count(self, outcome: Outcome) -> int | None:
        """The clean rows that the destination gets. A filter's are counted for destinations that refuse by their number."""
        if outcome.bound.spec.filter is None:
            return self.work.cleaned.clean
        if not outcome.bound.destination.capabilities.row_limit:
            return None
        rows: int = sum(table.num_rows for _, table in self._tables(outcome))
        outcome.filtered = 0
        return rows

    def _load_patiently(self, outcome: Outcome, refused_limit: int | None) -> bool:
        def attempt() -> bool:
            outcome.filtered = 0
            return self._load(outcome, self._begin(outcome, refused_limit))

        while True:
            try:
                return patiently(attempt, outcome.notes, partial(self._close, outcome))
            except ParentsRefusedError:
                self._open[outcome.bound.index].abandon()
                self._close(outcome)
                rows = len(outcome.unwanted)
                outcome.notes.append(f"sent again from the start, without {rows:,} rows whose child rows were refused")

    def _close(self, outcome: Outcome) -> None:
        if self.companions is not None:
            self.companions.close(outcome)
        self._open[outcome.bound.index].close()

    def _load(self, outcome: Outcome, delivery: StagedDelivery) -> bool:
        work, index = self.work, outcome.bound.index
        opened = delivery.open()
        if self.companions is not None:
            self.companions.open(outcome, delivery)
        outcome.notes.extend(note for note in opened.notes if note not in outcome.notes)
        scope = f"{work.run}-d{index}"
        if opened.published is None:
            point("delivery.opened")
            spec = outcome.bound.spec
            whole = spec.columns is None and spec.filter is None and not outcome.unwanted
            whole = whole and outcome.spared is None
            digests = self.early.digests if self.early else work.cleaned.digests if whole else {}
            done = partial(self._acknowledged, index)
            delivery.load(self._wanted(outcome, delivery), done, digests=digests)
            if self.early is not None:
                send_rest(self.early, delivery, delivered_names(work, outcome.bound), done)
            filtered = outcome.filtered
            delivery.reject_clashes(partial(self._tables, outcome))
            outcome.filtered = filtered
            point("delivery.loaded")
            work.workspace.ledger.drop_parts(work.batch, scope)
            if delivery.refused:
                refused = write_refused(work, scope, delivery.refused)
                point("delivery.refused_written")
                work.workspace.ledger.add_parts([refused])
            outcome.refused = len(delivery.refused)
        else:
            # published before a crash: what was refused then lies in staging, what the filter left out is counted again
            outcome.notes.append("was published before the run was interrupted; not sent again")
            records = work.workspace.ledger.parts(work.batch, scope, PartKind.REJECTS)
            outcome.refused = sum(record.ref.rows for record in records)
            if outcome.bound.spec.filter is not None:
                for _ in self._tables(outcome):
                    pass
        outcome.sent = delivery.rows_sent
        if self.companions is not None:
            self.companions.load(outcome)
        return opened.staged

    def _acknowledged(self, index: int, chunk: Chunk) -> None:
        point("delivery.chunk_sent")
        if self.work.trial:
            return
        self.work.workspace.ledger.add_chunk(self.work.run, index, chunk)
        point("delivery.chunk_listed")

    def _tables(self, outcome: Outcome) -> Iterator[tuple[int, pa.Table]]:
        """The clean parts as this destination wants them, read ahead by the engine."""
        work, spec = self.work, outcome.bound.spec
        if self.early is not None:
            columns = [*delivered_names(work, outcome.bound), *IDENTITY]
            yield from ((seq, table.select(columns)) for seq, table in self.early.tables())
            return
        records = [record for record in work.cleaned.parts if record.ref.rows]
        read = partial(
            _destination_part,
            work.clean_work,
            (work.cleaned.losers, work.elsewhere.get(outcome.bound.index)),
            spec.filter,
            delivered_names(work, outcome.bound),
        )
        for record, (table, filtered) in zip(records, work.engine.map(read, records), strict=True):
            outcome.filtered += filtered
            if table.num_rows:
                yield record.ref.key.seq, table

    def _wanted(self, outcome: Outcome, delivery: Delivery) -> Iterator[tuple[int, pa.Table]]:
        """The clean parts without the unwanted rows, which become refused rows, and without those that are spared."""
        if outcome.spared is not None:
            yield from self._changed(outcome)
            return
        if not outcome.unwanted:
            yield from self._tables(outcome)
            return
        for seq, table in self._tables(outcome):
            found = []
            for index, place in enumerate(zip(*(table[name].to_pylist() for name in IDENTITY), strict=True)):
                if why := (*outcome.unwanted.get(place, ()), *outcome.unwanted.get(place[:2], ())):
                    delivery.refuse(table.slice(index, 1), why)
                    found.append(index)
            kept = leave_out(table, found)
            if kept.num_rows:
                yield seq, kept

    def _changed(self, outcome: Outcome) -> Iterator[tuple[int, pa.Table]]:
        for seq, table in self._tables(outcome):
            if len(places := outcome.changed[seq]):
                yield seq, table.take(places)

    def foresee(self, outcome: Outcome) -> tuple[Opened, Foreseen]:
        """What publishing the rows that were sent to one destination would do, and what was found there."""
        delivery = self._open[outcome.bound.index]
        assert delivery.opened is not None, "load() comes first"
        return delivery.opened, delivery.foresee()

    def abandon(self) -> None:
        """Leave nothing of what was sent in the destinations."""
        for delivery in self._open.values():
            with suppress(LoadlockError):
                delivery.abandon()

    def publish(self, outcome: Outcome) -> None:
        """Make one destination's new state visible, with the child tables that share its transaction."""
        outcome.published = self._publish_patiently(outcome)
        delivery = self._open[outcome.bound.index]
        keep_left(self.work.workspace, self.work.batch, left_scope(self.work.run, outcome.bound.index), delivery)
        if self.companions is not None:
            self.companions.published(outcome)
        point("delivery.published")
        outcome.notes.extend(outcome.published.notes)
        outcome.by_file = {
            index: dict(zip(("inserted", "updated", "unchanged"), counts, strict=True))
            for index, counts in outcome.published.by_file.items()
        }

    def _publish_patiently(self, outcome: Outcome) -> Published:
        """A transaction that is lost while it is published left nothing behind: its rows are sent again, a few times."""

        def attempt() -> Published:
            if outcome.bound.index not in self._open:
                self._load_patiently(outcome, self._refused_limit)
            delivery = self._open[outcome.bound.index]
            try:
                return delivery.publish()
            except StoppedError:  # a guard said no: whoever goes on sends the rows again
                with suppress(LoadlockError):
                    delivery.abandon()
                raise

        def close() -> None:
            self._close(outcome)
            del self._open[outcome.bound.index]
            self.early = None  # those rows came once; by now all parts are at rest

        return patiently(attempt, outcome.notes, close)

    def verify(self, outcome: Outcome) -> None:
        """Read one destination back; raises VerifyError where it differs."""
        delivery = self._open[outcome.bound.index]
        again = partial(delivery.verify_again, partial(self.delivered, outcome), lambda table: table)
        outcome.receipt = DEFAULT_RETRY.call(again if outcome.sent_in_part else delivery.verify)
        point("delivery.verified")
        check_equal(outcome.bound.label, outcome.receipt)


def job_of(work: DeliveryWork, bound: BoundDestination) -> Job:
    """The job of one destination from the plan's columns."""
    types = dict(work.plan.columns)
    required = work.plan.required
    columns = tuple(
        DeliveryColumn(name=name, type=types[name], key=name in bound.spec.key, required=name in required)
        for name in delivered_names(work, bound)
    )
    return make_job(work, bound, columns)


def make_job(work: DeliveryWork, bound: BoundDestination, columns: tuple[DeliveryColumn, ...]) -> Job:
    """The job of delivering these columns of this run."""
    return Job(
        run=work.run,
        batch=work.batch,
        pipeline=work.pipeline,
        target=bound.target,
        columns=columns,
        mode=bound.mode,
        key=bound.spec.key,
        trial=work.trial,
        joins=work.joins,
        max_delete_percent=None if work.force else bound.spec.max_delete_percent,
        wait_seconds=work.wait_seconds,
        undo=bound.undo,
        undo_asked=bool(bound.spec.undo),
        **{name: getattr(bound.spec, name) for name in AS_WRITTEN},
    )


def delivered_names(work: DeliveryWork, bound: BoundDestination) -> list[str]:
    """The clean columns that a destination gets. Raises PipelineError for those that the batch hasn't."""
    names = [name for name, _ in work.plan.columns]
    if bound.spec.columns is None:
        return names
    # a pipeline's columns are checked when it is read; `load` learns them from the files
    if unknown := [name for name in bound.spec.columns if name not in names]:
        raise PipelineError(
            [
                Mistake(message=f"the batch has no column {name!r}", remedy=f"It has {', '.join(names)}.")
                for name in unknown
            ]
        )
    return list(bound.spec.columns)


def _destination_part(
    work: CleanWork,
    gone: tuple[pa.Table | None, pa.Table | None],
    condition: str | None,
    columns: list[str],
    record: PartRecord,
) -> tuple[pa.Table, int]:
    """`gone`: the rows that lost, and those that the destination has already."""
    table = without(work.staging.read(record.ref), gone[0])
    before = table.num_rows
    table = without(table, gone[1])
    if condition is not None:
        table = matching(table, condition)
    return table.select([*columns, *IDENTITY]), before - table.num_rows
