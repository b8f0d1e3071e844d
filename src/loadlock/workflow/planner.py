"""`plan`: a run that is played through up to the publish, and says what that would change."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loadlock.cleanup.plan import Plan
from loadlock.model import RunStatus, Stage
from loadlock.workflow.delivering import Deliveries
from loadlock.workflow.foreseeing import Entry, foreseen, uncompared
from loadlock.workflow.progress import Progress
from loadlock.workflow.run import Runner
from loadlock.workflow.run_task import RunTask, check_none
from loadlock.workflow.target_checks import look_up

PLANNED = "planned only: nothing was delivered"


class Planner(Runner):
    """Ends `stopped`, and `resume` carries the run out: intake and cleanup are done, the destinations untouched."""

    def __init__(self, task: RunTask, progress: Progress) -> None:
        super().__init__(task, progress)
        self._entries: list[Entry] = []

    def _loads_early(self, plan: Plan) -> bool:
        return False

    def _deliver(self, plan: Plan) -> None:
        """Play each delivery through where the destination can; the others are only counted."""
        assert self.cleaned is not None
        work = replace(self._delivery_work(plan, self.cleaned), trial=True)
        bound = self.task.bound
        if not plan.columns:
            check_none(self.cleaned.clean)
            bound = []
        able = [one for one in bound if one.destination.capabilities.foresees]
        self.progress.begin(Stage.DELIVERY, total=self.cleaned.clean * len(able), unit="rows")
        found: dict[int, Entry] = {}
        with Deliveries(work, able, lambda rows: self._advance(Stage.DELIVERY, rows, rows)) as deliveries:
            self.cleaned = look_up(work, self.task.record, deliveries.outcomes)
            deliveries.load(refused_limit=self._refusable())
            for outcome in deliveries.outcomes:
                found[outcome.bound.index] = foreseen(deliveries, outcome, self.task.pipeline)
        self._entries = [
            found.get(one.index) or uncompared(one, self.cleaned.clean, self.task.pipeline) for one in bound
        ]
        self._list_losers()
        self.progress.end(Stage.DELIVERY)

    def _end(self, status: RunStatus, cause: str | None) -> dict[str, Any]:
        return super()._end(RunStatus.STOPPED, PLANNED) if cause is None else super()._end(status, cause)

    def _told(self, document: dict[str, Any]) -> dict[str, Any]:
        return super()._told(document) | {"plan": self._entries}
