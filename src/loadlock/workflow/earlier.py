"""An earlier run's rows and jobs again, from ledger and staging: for what looks at a delivery later, or takes it back."""

from __future__ import annotations

from loadlock.engines.base import Engine
from loadlock.errors import UsageError
from loadlock.ledger.base import BatchRecord, RunRecord
from loadlock.model import PartKind
from loadlock.pipeline.model import Pipeline
from loadlock.workflow import cleaning
from loadlock.workflow.amended import mended_parts
from loadlock.workflow.delivering import DeliveryWork
from loadlock.workflow.generation import STATE
from loadlock.workflow.planning import Staged, plan_of
from loadlock.workflow.quarantine import is_replay, sent_rows
from loadlock.workflow.replay_rows import elsewhere
from loadlock.workflow.workspace import Workspace


def earlier_work(
    workspace: Workspace, engine: Engine, batch: BatchRecord, run: RunRecord, pipeline: Pipeline
) -> DeliveryWork:
    """What the run had to deliver; nothing is cleaned again. Raises UsageError where its rows are no longer at rest."""
    if not batch.staged and run.digest is not None:
        raise UsageError(
            f"the rows of run {run.run} are gone from the workspace: `gc` removed them",
            hint="`gc --keep N` keeps those of more batches; the ledger and the reports still tell what was delivered.",
        )
    generation = int(run.state.get(STATE, batch.generation))
    raw = workspace.ledger.parts(batch.batch, f"g{generation}", PartKind.RAW)
    reports = workspace.ledger.file_reports(batch.batch, generation)
    plan = plan_of(Staged(workspace=workspace, engine=engine, raw=raw, reports=reports), pipeline, run)
    work = cleaning.CleanWork(
        staging=workspace.staging,
        store=workspace.sources,
        files={source.index: source for source in batch.files},
        plan=plan,
        batch=batch.batch,
        scope=run.run,
    )
    clean = workspace.ledger.parts(batch.batch, run.run, PartKind.CLEAN)
    raw = [*raw, *mended_parts(workspace.ledger, batch.batch, clean)]
    return DeliveryWork(
        workspace=workspace,
        engine=engine,
        run=run.run,
        batch=batch.batch,
        pipeline=pipeline.name,
        plan=plan,
        cleaned=cleaning.reload(workspace, engine, work, raw),
        raw=raw,
        clean_work=work,
        joins=is_replay(run),
        elsewhere=elsewhere(sent_rows(workspace, run), range(len(run.destinations))),
    )
