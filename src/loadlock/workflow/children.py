"""Child tables: the elements of arrays, delivered beside their parents' table.

Each child table has its own control row, balance and receipt. Where the destination has transactions, it is sent behind its
parent in the same one, and published with it. Files are replaced one by one: there, children are sent after all parents are
published, and a run that is cut off in between is finished by `resume`. What can be checked before anything is touched is
checked by `check`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Job, Published
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.fit import check_contract
from loadlock.delivery.names import check_names
from loadlock.delivery.refusals import RefusedRow
from loadlock.errors import BalanceError, RefusedError, StoppedError
from loadlock.faults import point
from loadlock.ledger.base import PartRecord
from loadlock.model import Chunk, PartKind, Problem, Receipt, WriteMode
from loadlock.workflow.child_rows import ChildReader, ChildShape, child_parts, shape_of
from loadlock.workflow.cleaning import without
from loadlock.workflow.comparing import check_equal, compared, published_of
from loadlock.workflow.delivering import Deliveries, Outcome, ParentsRefusedError, make_job
from loadlock.workflow.destinations import BoundDestination
from loadlock.workflow.overtaken import Overtaken
from loadlock.workflow.patience import patiently
from loadlock.workflow.refused import refused_rows, write_refused

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(kw_only=True)
class ChildOutcome:
    """How the delivery of one child table to one destination went, as far as it came."""

    name: str
    path: str
    """Of the array in the records."""
    scope: str
    """Where its rejects lie."""
    parent: Outcome
    bound: BoundDestination
    parts: list[PartRecord]
    shape: ChildShape
    wanted: bool = True
    """False: there is nothing to deliver, and no table to empty."""
    joined: bool = False
    """Whether it shares its parent's transaction."""
    rows: int = 0
    """Of parents that this destination got."""
    left_out: int = 0
    """Of records that this destination did not get."""
    refused: int = 0
    published: Published | None = None
    receipt: Receipt | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def inserted(self) -> int:
        return 0 if self.published is None else self.published.inserted

    def to_json(self) -> dict[str, Any]:
        """The entry in the run's document."""
        return {
            "name": self.name,
            "target": self.bound.label,
            "rows": self.rows,
            "inserted": self.inserted,
            "rejected": self.refused,
            "left_out": self.left_out,
            "receipt": None if self.receipt is None else self.receipt.to_json(),
            "notes": self.notes,
        }


def reject_scope(run: str, destination: int, child: int) -> str:
    """Where the rejects of a child table at a destination lie."""
    return f"{run}-d{destination}-c{child}"


class ChildDeliveries:
    """The child tables of all destinations of a run. A context manager, which closes what is open."""

    def __init__(
        self, deliveries: Deliveries, over_budget: Callable[[int], str | None] | None = None, limit: int | None = None
    ) -> None:
        """Makes the child rows where the pipeline declares children; touches no destination.

        `over_budget` says why so many refused child rows are too many; more than `limit` refused rows stop a load.
        """
        self.deliveries = deliveries
        self.work = deliveries.work
        self._open: dict[str, Delivery] = {}
        self._over_budget = over_budget
        self._limit = limit
        parts = child_parts(self.work)
        for parent in deliveries.outcomes:
            parent.children = [self._outcome(parent, child, own) for child, own in enumerate(parts)]
        self.outcomes = [child for parent in deliveries.outcomes for child in parent.children]
        if self.outcomes:
            deliveries.companions = self

    def _outcome(self, parent: Outcome, child: int, parts: list[PartRecord]) -> ChildOutcome:
        path, name = list(self.work.plan.flatten.children.items())[child]
        return ChildOutcome(
            name=name,
            path=path,
            scope=reject_scope(self.work.run, parent.bound.index, child),
            parent=parent,
            bound=parent.bound.children[child],
            parts=parts,
            shape=shape_of(self.work, parent.bound, parts),
        )

    def __enter__(self) -> ChildDeliveries:
        return self

    def __exit__(self, *exc: object) -> None:
        for delivery in self._open.values():
            delivery.close()

    def check(self) -> None:
        """Before anything is touched: can each child table take its columns, and is there anything to deliver?"""
        for child in self.outcomes:
            bound, job = child.bound, self.job(child)
            found = any(part.ref.rows for part in child.parts)
            if bound.target.table is None and bound.mode == WriteMode.REPLACE:
                # what lies in a file that is replaced does not matter
                exists = Path(bound.target.url).exists()
            else:
                info = bound.destination.inspect(bound.target)
                exists = info is not None
                if info is not None and job.evolve == "none":
                    check_contract(info, job, bound.label)
            if not exists:
                _check_new(job, bound)
            child.wanted = found or (bound.mode == WriteMode.REPLACE and exists)
            if not found:
                state = "its table is emptied" if child.wanted else "nothing is delivered to it"
                child.notes.append(f"no record has an element at {child.path!r}: {state}")

    def open(self, parent: Outcome, delivery: Delivery) -> None:
        """Open the child tables that share the parent's transaction."""
        for child in self._wanted(parent):
            made = delivery.child(self.job(child), refused_limit=self._limit)
            child.joined = made is not None
            if made is not None:
                self._open[child.bound.label] = made
                made.open()

    def load(self, parent: Outcome) -> None:
        """Send the children of a parent whose rows are sent, in its transaction."""
        joined = [child for child in self._wanted(parent) if child.joined]
        for child in joined:
            self._send(child)
        unwanted = self._unwanted(joined)
        if unwanted:
            parent.unwanted |= unwanted
            raise ParentsRefusedError
        self._check_budget(parent)

    def published(self, parent: Outcome) -> None:
        """The parent's publish has published its child tables too."""
        for child in self._wanted(parent):
            if child.joined:
                self._publish(child)

    def close(self, parent: Outcome) -> None:
        """End the sessions of one destination's child tables."""
        for child in self._wanted(parent):
            if child.bound.label in self._open:
                self._close(child)

    def deliver(self) -> None:
        """Send and publish the child tables that have a transaction of their own; the parents are published.

        Raises StoppedError where too many rows are refused, BalanceError where rows are lost.
        """
        for child in self._wanted():
            if not child.joined:
                patiently(partial(self._deliver, child), child.notes, partial(self._close, child))

    def verify(self, parent: Outcome) -> None:
        """Read the child tables of one destination back; raises VerifyError where one differs."""
        for child in self._wanted(parent):
            child.receipt = self._open[child.bound.label].verify()
            check_equal(child.bound.label, child.receipt)

    def compare(self, kept: Sequence[Mapping[str, Any]], later: Mapping[str, Overtaken]) -> list[Receipt]:
        """Read back what an earlier run published; changes nothing. `kept`: the destinations' entries in its document;
        `later`: what later batches did to the parents' tables."""
        receipts = []
        for child in self.outcomes:
            entries = kept[child.parent.bound.index].get("children", [])
            entry = next((entry for entry in entries if entry["name"] == child.name), None)
            if entry is None or not (entry["receipt"] or entry["inserted"]):
                continue
            delivery = self._begin(child, None, create=False)
            delivery.open()
            if entry["receipt"]:
                delivery.recall(published_of(entry["receipt"]))
            rows = partial(self.delivered, child)
            receipts.append(compared(delivery, rows, later[child.parent.bound.label]))
        return receipts

    def delivered(self, child: ChildOutcome) -> Iterator[pa.Table]:
        """The child rows that the destination took."""
        refused = refused_rows(self.work, child.scope)
        for _, table in self._tables(child):
            yield without(table, refused)

    def _wanted(self, parent: Outcome | None = None) -> list[ChildOutcome]:
        return [child for child in self.outcomes if child.wanted and (parent is None or parent is child.parent)]

    def job(self, child: ChildOutcome) -> Job:
        """The job of one child table."""
        job = make_job(self.work, child.bound, child.shape.columns)
        if job.mode != WriteMode.UPSERT:
            return job
        return replace(job, parent_key=tuple(column.name for column in child.shape.key))

    def _begin(self, child: ChildOutcome, refused_limit: int | None, *, create: bool = True) -> Delivery:
        job = self.job(child)
        job = job if create else replace(job, create=False)
        delivery = Delivery(child.bound.destination, job, refused_limit=refused_limit)
        self._open[child.bound.label] = delivery
        return delivery

    def _close(self, child: ChildOutcome) -> None:
        self._open[child.bound.label].close()

    def _deliver(self, child: ChildOutcome) -> None:
        self._begin(child, self._limit).open()
        self._send(child)
        self._check_budget(child.parent)
        self._publish(child)

    def _send(self, child: ChildOutcome) -> None:
        """Send a child table's rows, and keep those that were refused."""
        child.rows = child.left_out = 0
        delivery = self._open[child.bound.label]
        assert delivery.opened is not None
        if delivery.opened.published is None:
            child.notes.extend(note for note in delivery.opened.notes if note not in child.notes)
            delivery.load(self._tables(child), done=partial(self._acknowledged, child))
            self._keep_refused(child, delivery.refused)
            point("children.loaded")
        else:
            child.notes.append("was published before the run was interrupted; not sent again")
            for _ in self._tables(child):
                pass
            child.refused = sum(record.ref.rows for record in self._rejects(child.scope))
        _check_balance(child, delivery.rows_sent)
        delivery.pledge()

    def _publish(self, child: ChildOutcome) -> None:
        child.published = self._open[child.bound.label].publish()
        point("children.published")
        _check_balance(child, child.inserted)

    def _check_budget(self, parent: Outcome) -> None:
        reason = self._over_budget and self._over_budget(sum(child.refused for child in parent.children))
        if reason:
            raise StoppedError(
                f"{reason}: the child tables of {parent.bound.label} were not published",
                hint="Mend what refuses the rows, or raise the budget; then resume the run.",
            )

    def _unwanted(self, joined: Sequence[ChildOutcome]) -> dict[tuple[int, ...], tuple[Problem, ...]]:
        """The parents that are rejected with their children, and why."""
        if not joined or joined[0].parent.bound.spec.on_child_reject != "reject_parent":
            return {}
        found: dict[tuple[int, ...], tuple[Problem, ...]] = {}
        for child in joined:
            for row in self._open[child.bound.label].refused:
                place = (row.file, row.row)
                found[place] = (*found.get(place, ()), *_named(child.name, row).problems)
        return found

    def _keep_refused(self, child: ChildOutcome, refused: list[RefusedRow]) -> None:
        work = self.work
        work.workspace.ledger.drop_parts(work.batch, child.scope)
        child.refused = len(refused)
        if refused:
            named = [_named(child.name, row) for row in refused]
            work.workspace.ledger.add_parts([write_refused(work, child.scope, named, of_child=True)])

    def _acknowledged(self, child: ChildOutcome, chunk: Chunk) -> None:
        self.work.workspace.ledger.add_chunk(self.work.run, child.bound.index, chunk)

    def _rejects(self, scope: str) -> list[PartRecord]:
        return self.work.workspace.ledger.parts(self.work.batch, scope, PartKind.REJECTS)

    def _tables(self, child: ChildOutcome) -> Iterator[tuple[int, pa.Table]]:
        """The child rows whose parents this destination got; counts those that stay out."""
        work = self.work
        reader = ChildReader(
            work=work.clean_work,
            shape=child.shape,
            losers=work.cleaned.losers,
            refused=refused_rows(work, f"{work.run}-d{child.parent.bound.index}"),
            condition=child.parent.bound.spec.filter,
        )
        clean = {record.ref.key.seq: record for record in work.cleaned.parts}
        pairs = [(part, clean[part.ref.key.seq]) for part in child.parts if part.ref.rows]
        for (part, _), (table, left_out) in zip(pairs, work.engine.map(reader.read, pairs), strict=True):
            child.left_out += left_out
            child.rows += table.num_rows
            if table.num_rows:
                yield part.ref.key.seq, table


def _check_new(job: Job, bound: BoundDestination) -> None:
    """Can the table be made?"""
    if not job.create:
        raise RefusedError(f"{bound.label} does not exist", hint="Create it, or allow it by `create: true`.")
    check_names((column.name for column in job.columns), max_bytes=bound.destination.capabilities.name_bytes)


def _check_balance(child: ChildOutcome, arrived: int) -> None:
    """Elements at rest = rows + left out; rows = arrived + refused, where `arrived` is what the other side counted."""
    elements = sum(part.ref.rows for part in child.parts)
    if elements != child.rows + child.left_out or child.rows != arrived + child.refused:
        raise BalanceError(
            f"{child.bound.label}: the balance does not close: {elements:,} elements, {child.rows:,} rows,"
            f" {child.left_out:,} left out, {arrived:,} delivered, {child.refused:,} rejected"
        )


def _named(name: str, row: RefusedRow) -> RefusedRow:
    """The row with problems that name the child table."""
    problems = tuple(
        Problem(
            code=problem.code,
            message=f"child table {name}: {problem.message}",
            column=None if problem.column is None else f"{name}.{problem.column}",
            value=problem.value,
        )
        for problem in row.problems
    )
    return replace(row, problems=problems)
