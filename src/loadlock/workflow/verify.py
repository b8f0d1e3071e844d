"""`verify`: read a delivered batch back again, any time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.engines.local import LocalEngine
from loadlock.errors import UsageError
from loadlock.ledger.base import RunRecord
from loadlock.model import RunStatus, WriteMode
from loadlock.workflow.child_layers import WholeChildren, summed
from loadlock.workflow.children import ChildDeliveries
from loadlock.workflow.delivering import Deliveries, DeliveryWork, Outcome
from loadlock.workflow.destinations import BoundDestination, bind_destinations
from loadlock.workflow.earlier import earlier_work
from loadlock.workflow.keys import Keys
from loadlock.workflow.look import find
from loadlock.workflow.overtaken import overtaken
from loadlock.workflow.quarantine import Quarantine
from loadlock.workflow.replaying import adding, bound_for
from loadlock.workflow.start import Options, pipeline_of
from loadlock.workflow.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    import pyarrow as pa

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


class _Whole(Deliveries):
    """The rows of a batch that its run and the replays since delivered; the mode is that of the run."""

    def __init__(self, works: Sequence[DeliveryWork], bound: list[BoundDestination]) -> None:
        super().__init__(works[0], bound, lambda rows: None)
        self._replays = [Deliveries(work, bound, lambda rows: None) for work in works[1:]]

    def delivered(self, outcome: Outcome) -> Iterator[pa.Table]:
        """What replays merged by key took the place of what was there."""
        merged = adding(outcome.bound).mode in (WriteMode.UPSERT, WriteMode.SCD2)
        with Keys() as newer:
            for replay in reversed(self._replays):
                for table in self._of(replay, outcome):
                    yield newer.without(table)
                if merged:
                    for table in self._of(replay, outcome):
                        newer.add(outcome.bound.spec.key, table)
            for table in super().delivered(outcome):
                yield newer.without(table)

    def children(self) -> WholeChildren:
        """Their child tables."""
        return WholeChildren(self, self._replays)

    @staticmethod
    def _of(replay: Deliveries, outcome: Outcome) -> Iterator[pa.Table]:
        return replay.delivered(next(one for one in replay.outcomes if one.bound.index == outcome.bound.index))


def _receipts(run: RunRecord) -> list[dict[str, Any] | None]:
    return [entry["receipt"] for entry in (run.document or {}).get("destinations", ())]


def verify(name: str, options: Options, *, to: str | None = None) -> Verification:
    """Compare what lies in the destinations with the clean rows of the batch; changes nothing."""
    root = find_workspace(options.workspace, base_folder=None, environment=options.environment)
    with Workspace.open(root, create=False) as workspace, LocalEngine(temp_folder=workspace.temp) as engine:
        batch, run = find(workspace, name)
        run = workspace.ledger.run(run.run) or run
        if run.status not in DELIVERED or not (run.document or {}).get("destinations"):
            raise UsageError(f"run {run.run} is {run.status}: it has delivered nothing to verify")
        layers = [layer.run for layer in Quarantine(workspace, batch, run).layers]
        pipelines = [pipeline_of(layer, to=to) for layer in layers]
        works = [
            earlier_work(workspace, engine, batch, layer, pipeline)
            for layer, pipeline in zip(layers, pipelines, strict=True)
        ]
        bound = bind_destinations(pipelines[-1], environment=options.environment)
        own = [layer.run for layer in layers]
        with ExitStack() as stack:
            later = {target.label: overtaken(workspace, layers[0], target.label, but=own) for target in bound}
            for found in later.values():
                stack.callback(found.close)
            newest = stack.enter_context(Deliveries(works[-1], bound_for(run, bound), lambda rows: None))
            children = ChildDeliveries(newest)
            kept = (run.document or {})["destinations"]
            told = [_receipts(layer) for layer in layers]
            if len(layers) == 1 or not all(receipt and receipt["digest"] for receipts in told for receipt in receipts):
                receipts = newest.compare(told[-1], later)
            else:
                first = bind_destinations(pipelines[0], environment=options.environment)
                whole = _Whole(works, first)
                stack.enter_context(whole)
                receipts = whole.compare([summed(of_one) for of_one in zip(*told, strict=True)], later)
                children = whole.children()
                kept = children.entries([(layer.document or {})["destinations"] for layer in layers])
            receipts += stack.enter_context(children).compare(kept, later)
        workspace.ledger.event(
            "verified_again", run=run.run, batch=batch.batch, data={"equal": [r.equal for r in receipts]}
        )
        return Verification(run=run.run, batch=batch.batch, receipts=[receipt.to_json() for receipt in receipts])
