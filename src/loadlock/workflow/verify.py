"""`verify`: read a delivered batch back again, any time."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from loadlock.engines.local import LocalEngine
from loadlock.errors import UsageError
from loadlock.model import RunStatus
from loadlock.workflow.children import ChildDeliveries
from loadlock.workflow.delivering import Deliveries
from loadlock.workflow.destinations import bind_destinations
from loadlock.workflow.earlier import earlier_work
from loadlock.workflow.look import find
from loadlock.workflow.overtaken import overtaken
from loadlock.workflow.start import Options, pipeline_of
from loadlock.workflow.workspace import Workspace, find_workspace

DELIVERED = frozenset({RunStatus.PUBLISHED, RunStatus.VERIFIED, RunStatus.FAILED})


@dataclass(frozen=True, kw_only=True)
class Verification:
    """The receipts of a read-back. `equal` is False if a destination differs, None if nothing could be compared."""

    run: str
    batch: str
    receipts: list[dict[str, Any]]

    @property
    def equal(self) -> bool | None:
        verdicts = [receipt["equal"] for receipt in self.receipts]
        if False in verdicts:
            return False
        return True if True in verdicts else None


def verify(name: str, options: Options, *, to: str | None = None) -> Verification:
    """Compare what lies in the destinations with the clean rows of the batch; changes nothing."""
    root = find_workspace(options.workspace, base_folder=None, environment=options.environment)
    with Workspace.open(root, create=False) as workspace, LocalEngine(temp_folder=workspace.temp) as engine:
        batch, run = find(workspace, name)
        run = workspace.ledger.run(run.run) or run
        if run.status not in DELIVERED or not (run.document or {}).get("destinations"):
            raise UsageError(f"run {run.run} is {run.status}: it has delivered nothing to verify")
        pipeline = pipeline_of(run, to=to)
        delivery = earlier_work(workspace, engine, batch, run, pipeline)
        bound = bind_destinations(pipeline, environment=options.environment)
        kept = (run.document or {})["destinations"]
        with ExitStack() as stack:
            later = {target.label: overtaken(workspace, run, target.label) for target in bound}
            for found in later.values():
                stack.callback(found.close)
            deliveries = stack.enter_context(Deliveries(delivery, bound, lambda rows: None))
            children = stack.enter_context(ChildDeliveries(deliveries))
            receipts = deliveries.compare([entry["receipt"] for entry in kept], later)
            receipts += children.compare(kept, later)
        workspace.ledger.event(
            "verified_again", run=run.run, batch=batch.batch, data={"equal": [r.equal for r in receipts]}
        )
        return Verification(run=run.run, batch=batch.batch, receipts=[receipt.to_json() for receipt in receipts])
