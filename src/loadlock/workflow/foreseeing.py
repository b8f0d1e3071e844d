"""What a publish would change, as a document for people and programs; asking for a yes before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from loadlock.delivery.foreseen import Foreseen, Sample
from loadlock.errors import StoppedError
from loadlock.model import WriteMode
from loadlock.pipeline.model import Pipeline
from loadlock.pipeline.secrets import HIDDEN
from loadlock.workflow.delivering import Deliveries, Outcome
from loadlock.workflow.destinations import BoundDestination

Entry = dict[str, Any]
"""What would happen to one destination."""
Confirm = Callable[[list[Entry]], bool]
"""Shows the entries and answers whether to publish."""
UNCOUNTED = "columns that would be added or widened were not compared: more rows may be updated"
NOT_COMPARED = "what lies there was not compared with the batch"


def foreseen(deliveries: Deliveries, outcome: Outcome, pipeline: Pipeline) -> Entry:
    """The entry of a destination whose rows are sent and not published."""
    opened, found = deliveries.foresee(outcome)
    entry = _entry(outcome.bound, found, pipeline)
    shapes = ", ".join(f"{column.name} {column.sql_type}" for column in opened.table.columns)
    return entry | {
        "compared": True,
        "rows": outcome.sent,
        "rejected": outcome.refused,
        "filtered": outcome.filtered,
        "schema": [f"create {outcome.bound.target.table or outcome.bound.label} ({shapes})"]
        if opened.created
        else list(opened.changes),
        "notes": [*outcome.notes, *_warnings(deliveries, outcome), *([UNCOUNTED] if opened.changes else [])],
    }


def _warnings(deliveries: Deliveries, outcome: Outcome) -> list[str]:
    rejected = deliveries.work.cleaned.rejected + outcome.refused
    if outcome.bound.mode == WriteMode.REPLACE or not outcome.bound.spec.ends_missing or not rejected:
        return []
    fate = "they are deleted from the table" if outcome.bound.mode == WriteMode.MIRROR else "their versions end"
    return [f"{rejected:,} rows of the batch are rejected: the batch lacks them, so {fate}"]


def uncompared(bound: BoundDestination, rows: int, pipeline: Pipeline) -> Entry:
    """The entry of a destination that can't be asked."""
    entry = _entry(bound, Foreseen(inserted=rows), pipeline)
    return entry | {
        "compared": False,
        "rows": rows,
        "rejected": 0,
        "filtered": 0,
        "schema": [],
        "notes": [NOT_COMPARED],
    }


def _entry(bound: BoundDestination, found: Foreseen, pipeline: Pipeline) -> Entry:
    masked = {column.name for column in pipeline.columns or () if column.mask}
    return {
        "destination": bound.label,
        "mode": str(bound.mode),
        **asdict(found),
        "samples": [_sample(sample, masked) for sample in found.samples],
    }


def _sample(sample: Sample, masked: set[str]) -> dict[str, Any]:
    sides = {"key": sample.key, "before": sample.before, "after": sample.after}
    return {"kind": sample.kind, **{side: _masked(values, masked) for side, values in sides.items()}}


def _masked(values: Mapping[str, str | None] | None, masked: set[str]) -> dict[str, str | None] | None:
    if values is None:
        return None
    return {name: HIDDEN if name in masked and value is not None else value for name, value in values.items()}


def ask(deliveries: Deliveries, confirm: Confirm, pipeline: Pipeline, run: str) -> None:
    """Show what the publish would do; raises StoppedError without a yes. Nothing stays in the destinations then."""
    entries = [
        foreseen(deliveries, outcome, pipeline)
        if outcome.bound.destination.capabilities.foresees
        else uncompared(outcome.bound, outcome.sent, pipeline)
        for outcome in deliveries.outcomes
    ]
    if not confirm(entries):
        deliveries.abandon()
        raise StoppedError("not confirmed: nothing was published", hint=f"`loadlock resume {run}` publishes it.")
