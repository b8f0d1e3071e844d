"""Which generation of a batch's raw rows a run works on: the staged one, or a new one where the source is read in another way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loadlock.ledger.base import BatchRecord, Ledger, RunRecord
from loadlock.pipeline.codec import to_json
from loadlock.pipeline.model import Pipeline

STATE = "generation"
"""Key of a run's state."""


def generation_for(ledger: Ledger, batch: BatchRecord, record: RunRecord, pipeline: Pipeline) -> BatchRecord:
    """The batch as this run sees it; written down, so that a resumed run sees the same.

    Where the staged rows were read by other source options (encoding, delimiter, records path ...) the batch is taken in
    again, as its next generation.
    """
    wanted = record.state.get(STATE)
    if wanted is None:
        wanted = _wanted(ledger, batch, record, pipeline)
        ledger.save_state(record.run, {STATE: wanted})
    return replace(batch, generation=wanted, staged=_is_staged(ledger, batch, wanted))


def _wanted(ledger: Ledger, batch: BatchRecord, record: RunRecord, pipeline: Pipeline) -> int:
    """The newest run's generation if it read the source as `pipeline` does, else one that no run has."""
    others = [ledger.run(run.run) or run for run in ledger.runs(batch=batch.batch) if run.run != record.run]
    if not others:
        return batch.generation
    if _options_of(others[0]) == to_json(pipeline)["source"]["options"]:
        return int(others[0].state.get(STATE, batch.generation))
    return max(batch.generation, *(int(run.state.get(STATE, 0)) for run in others)) + 1


def _options_of(run: RunRecord) -> Any:
    return run.state["pipeline"]["source"]["options"]


def _is_staged(ledger: Ledger, batch: BatchRecord, generation: int) -> bool:
    if generation == batch.generation:
        return batch.staged
    return len(ledger.file_reports(batch.batch, generation)) == len(batch.files)
