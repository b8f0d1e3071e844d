"""Sending clean rows while later parts are still cleaned. Nothing is published; whatever goes wrong, it is given up.

In one transaction a row may be sent before the batch is judged only if it can't lose to another row: it is the first with its
unique values, and the first is kept. Into a staging table it is sent in any case, and taken out again if it lost. The others
wait until the judgement. When the load is given up (an error of the destination, too many rows that wait), the delivery begins
anew after the judgement, and tells of the error there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from loadlock.cleanup.plan import Plan
from loadlock.errors import LoadlockError
from loadlock.ledger.base import PartRecord
from loadlock.model import Severity, WriteMode
from loadlock.workflow.delivering import Deliveries, DeliveryWork
from loadlock.workflow.destinations import BoundDestination
from loadlock.workflow.early_rows import EarlyRows, GivenUpError
from loadlock.workflow.early_seen import contests
from loadlock.workflow.later import Later

LEAST_PARTS = 3
"""With fewer parts there is nothing to overlap."""
MOST_ROWS = 10_000_000
"""More rows would need too much memory to tell the first of equal values."""
STOP_SECONDS = 10.0
"""How long a load that is given up may take to end."""


def can_begin(plan: Plan, bound: Sequence[BoundDestination], raw: Sequence[PartRecord]) -> bool:
    """Whether clean rows can be sent before the batch is judged: to one destination, whole rows, in a way that leaves nothing
    behind when it is given up, and so that a row that loses is not sent or can be taken out again."""
    if len(bound) != 1 or len(raw) < LEAST_PARTS or not plan.columns or plan.flatten.children:
        return False
    destination = bound[0]
    spec = destination.spec
    if not destination.destination.capabilities.early or spec.columns is not None or spec.filter is not None:
        return False
    if plan.winners or not (_keeps_first(plan) or _gives_back(plan, destination)):
        return False
    few = not contests(plan) or sum(record.ref.rows for record in raw) <= MOST_ROWS
    return few and _is_unnoticed(destination)


def _keeps_first(plan: Plan) -> bool:
    uniques = [check for check in plan.uniques if check.severity == Severity.REJECT]
    return (not uniques or plan.keep_unique == "first") and (not plan.keys or plan.keep_duplicates == "first")


def _gives_back(plan: Plan, bound: BoundDestination) -> bool:
    """Whether a staging table holds each key once, so that a row is found in it by its key."""
    return bound.mode.has_unique_key and tuple(bound.spec.key) in contests(plan)


def _is_unnoticed(bound: BoundDestination) -> bool:
    """Whether others notice nothing of an open load: no lock on rows that are to be replaced, no
    table that may vanish again."""
    transactional = bound.destination.capabilities.transactional_ddl
    if bound.mode == WriteMode.APPEND and transactional:
        return True
    try:
        found = bound.destination.inspect(bound.target)
    except LoadlockError:
        return False
    if bound.mode.by_key:
        return found is not None
    if found is None:
        return transactional
    beside = bound.destination.capabilities.empties_last and not found.unique
    return bound.mode == WriteMode.APPEND or found.is_empty or beside


class EarlyLoad:
    """A load in a thread of its own, fed by the cleanup."""

    def __init__(self, work: DeliveryWork, bound: list[BoundDestination], rows: int, refused_limit: int | None) -> None:
        """`work` = what is known before the cleanup; `rows` = how many rows come at most."""
        self.rows = EarlyRows(work, rows, staged=bound[0].mode.by_key)
        self._deliveries = Deliveries(work, bound, lambda rows: None, self.rows)
        self._limit = refused_limit
        self._load: Later[bool] = Later(self._loaded)

    def _loaded(self) -> bool:
        try:
            return self._deliveries.load(refused_limit=self._limit)
        finally:
            # nobody must wait for a load that has ended
            self.rows.give_up()

    def finish(self, work: DeliveryWork) -> Deliveries | None:
        """Send the rest; `work` = what the judgement left. None where the load has to begin anew: nothing is left of this one."""
        self.rows.judged(work.cleaned.losers)
        try:
            self._load.result()
        except (LoadlockError, GivenUpError):
            self._leave()
            return None
        self._deliveries.work = work
        return self._deliveries

    def give_up(self) -> None:
        """End it; nothing of it remains. A server that doesn't answer is left alone: its connection ends with the process."""
        self.rows.give_up()
        if not self._load.wait(STOP_SECONDS):
            return
        with suppress(LoadlockError, GivenUpError):
            self._load.result()
        self._leave()

    def _leave(self) -> None:
        if self.rows.staged:
            self._deliveries.abandon()
        self._deliveries.close()
