"""`replay`: send the rejects of a delivered batch again, as they were corrected, through the rules as they are now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from loadlock.errors import UsageError
from loadlock.faults import point
from loadlock.ledger.base import RunRecord
from loadlock.ledger.ids import new_run_id
from loadlock.model import BatchStatus, RejectState, RunStatus
from loadlock.pipeline.model import Pipeline
from loadlock.workflow.destinations import bind_destinations
from loadlock.workflow.document import noop_document
from loadlock.workflow.generation import STATE
from loadlock.workflow.quarantine import REPLAY, Quarantine, has_published, is_replay, quarantine_of
from loadlock.workflow.replay_rows import to_send
from loadlock.workflow.replaying import states_to_send
from loadlock.workflow.result import RunResult
from loadlock.workflow.run_record import new_record
from loadlock.workflow.stale import RERUN_OF
from loadlock.workflow.start import Options, current_pipeline, go, labels_of, resume, whole_run
from loadlock.workflow.workspace import Workspace, find_workspace


def replay(
    name: str,
    options: Options,
    *,
    everything: bool = False,
    pipeline: Pipeline | None = None,
    path: str | None = None,
    to: str | None = None,
) -> RunResult:
    """Send the corrected and accepted rejects of a batch (`everything`: the open ones too) to its destinations.

    Delivered exactly once, under the batch; resolved rejects are marked, the rest stay with their new problems. A replay
    that was cut short is finished first. `pipeline` = the rules to use, else those of the pipeline's file as it is now; `to`
    = the destination's address again, where it held a password. Nothing to send is a no-op.
    """
    base_folder = pipeline.base_folder if pipeline is not None else None
    root = find_workspace(options.workspace, base_folder=base_folder, environment=options.environment)
    if (cut_short := _cut_short(root, name)) is not None:
        options.progress.say(f"replay {cut_short} was cut short: finishing it")
        return resume(cut_short, options, to=to)
    with Workspace.open(root, create=False) as workspace:
        known = quarantine_of(workspace, name)
        _check_delivered(known)
        last = whole_run(workspace, known.run)
        if pipeline is None:
            pipeline, path = current_pipeline(last, to=to), last.pipeline_path
        bound = bind_destinations(pipeline, environment=options.environment)
        if tuple(destination.label for destination in bound) != known.run.destinations:
            raise UsageError(
                f"the pipeline's destinations are others than those of the batch ({', '.join(known.run.destinations)})",
                hint="Name the pipeline that the batch was delivered by.",
            )
        with (
            workspace.lock_targets(labels_of(bound), wait_seconds=options.wait_seconds),
            workspace.lock_batch(known.batch.batch, wait_seconds=options.wait_seconds),
            workspace.keep() as keep,
        ):
            quarantine = quarantine_of(workspace, name)
            states = states_to_send(everything=everything, force=options.force)
            if not to_send(quarantine, [RejectState(state) for state in states]).num_rows:
                options.progress.say("no reject is corrected or accepted: nothing to send")
                return RunResult(document=noop_document(last), workspace=workspace.root)
            record = _record(quarantine, new_record(
                pipeline, run=new_run_id(), batch=known.batch.batch, bound=bound, plan_digest=last.plan_digest, path=path
            ), states)  # fmt: skip
            workspace.ledger.begin_run(record)
            point("run.begun")
            return go(workspace, pipeline, record, bound, options, keep)


def _record(quarantine: Quarantine, record: RunRecord, states: list[str]) -> RunRecord:
    """The record of a replay on top of the run by which the batch stands."""
    way = {"base": quarantine.run.run, "edits": quarantine.token.edits, "states": states}
    first = quarantine.layers[0].run.run
    return replace(record, state={**record.state, REPLAY: way, STATE: quarantine.generation, RERUN_OF: first})


def _cut_short(root: Path, name: str) -> str | None:
    """The newest run of the batch, where it is a replay that did not come to its end."""
    with Workspace.open(root, create=False) as workspace:
        batch = quarantine_of(workspace, name).batch
        newest = whole_run(workspace, workspace.ledger.runs(batch=batch.batch, limit=1)[0])
        return newest.run if is_replay(newest) and not _is_over(workspace, newest) else None


def _is_over(workspace: Workspace, run: RunRecord) -> bool:
    """Whether a replay came to its end, or to one before anything was published."""
    if run.status in (RunStatus.STOPPED, RunStatus.ROLLED_BACK):
        return True
    if run.status == RunStatus.FAILED:
        return not any(event.data.get("to") == RunStatus.PUBLISHING for event in workspace.ledger.events(run=run.run))
    # a run is told as published before it is read back
    return run.document is not None and run.document["status"] == run.status


def _check_delivered(quarantine: Quarantine) -> None:
    batch, run = quarantine.batch, quarantine.run
    name = batch.batch[:12]
    if not has_published(quarantine.workspace.ledger, run):
        raise UsageError(
            f"run {run.run} of batch {name} is {run.status}: a replay adds rows to what was delivered",
            hint=f"Finish it first: `loadlock resume {run.run}`, or `loadlock rerun {name}`.",
        )
    if batch.status in (BatchStatus.SUPERSEDED, BatchStatus.ROLLED_BACK):
        raise UsageError(
            f"batch {name} is {batch.status}: its rows are no longer in the destination",
            hint=f"`loadlock rerun {name}` delivers it again.",
        )
