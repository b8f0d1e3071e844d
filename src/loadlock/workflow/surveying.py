"""The plan compiled, and what the whole batch has to decide counted, while files are still taken in.

Nothing depends on it: what is not ready in time is done after the intake.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from loadlock.cleanup.plan import Plan
from loadlock.cleanup.prepared import hand_over
from loadlock.cleanup.survey import columns_needed, survey
from loadlock.errors import LoadlockError
from loadlock.ledger.base import RunRecord
from loadlock.pipeline.model import Pipeline
from loadlock.workflow.later import Later
from loadlock.workflow.planning import make_plan

if TYPE_CHECKING:
    import pyarrow as pa


class Surveying:
    """Begins to compile at once; looks at the parts that `look` is given. `close` ends it."""

    def __init__(self, pipeline: Pipeline, record: RunRecord) -> None:
        self._pipeline = pipeline
        self._run_time = datetime.fromisoformat(record.started)
        self._plan: Later[Plan | None] | None = None
        if pipeline.columns is not None and "decisions" not in record.state:
            self._plan = Later(self._compiled)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="loadlock-survey")
        self._last: Future[None] | None = None
        self._counts: dict[int, dict[str, int]] = {}

    def _compiled(self) -> Plan | None:
        try:
            return make_plan(self._pipeline, None, run_time=self._run_time)
        except LoadlockError:
            return None  # it is told where the plan is needed

    def plan(self) -> Plan | None:
        """The plan without decisions; None where it can't be known from the pipeline alone."""
        return None if self._plan is None else self._plan.result()

    def look(self, seq: int, rows: pa.Table, file_index: int) -> None:
        """Count in one raw part, behind the caller's back; leaves it out while the one before is looked at."""
        if self._plan is None or not self._plan.wait(0) or (self._last is not None and not self._last.done()):
            return
        plan = self._plan.result()
        if plan is not None and plan.needs_survey:
            part = rows.select(columns_needed(plan, rows.column_names))
            self._last = self._thread.submit(self._count, plan, seq, part, file_index)

    def _count(self, plan: Plan, seq: int, part: pa.Table, file_index: int) -> None:
        with suppress(LoadlockError):
            self._counts[seq] = survey(part, plan, file_index=file_index)

    def counts(self, plan: Plan) -> Mapping[int, Mapping[str, int]]:
        """By seq of the raw part, what was counted for this plan."""
        self.close()
        return self._counts if self._plan is not None and plan is self._plan.result() else {}

    def close(self) -> None:
        """Wait for the part that is looked at; what was prepared is left to others."""
        if self._last is not None:
            self._thread.submit(hand_over)
        self._thread.shutdown()
