"""The ledger's record of a run: made when it begins; where its rejects lie."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from loadlock.errors import UsageError
from loadlock.ledger.base import Ledger, RunRecord
from loadlock.model import PartKind, RunStatus
from loadlock.pipeline.codec import to_json
from loadlock.pipeline.model import Pipeline
from loadlock.workflow.children import reject_scope
from loadlock.workflow.destinations import BoundDestination
from loadlock.workflow.inputs import told_files


def reject_scopes(run: RunRecord, generation: int) -> list[str]:
    """Where the rejects of a run lie: intake's with the raw rows, then cleanup's, the batch's, each destination's."""
    found = [f"g{generation}", run.run, f"{run.run}-batch"]
    children = len(run.state["pipeline"]["source"]["flatten"]["children"])
    for index in range(len(run.destinations)):
        found += [f"{run.run}-d{index}", *(reject_scope(run.run, index, child) for child in range(children))]
    return found


def counts_of(ledger: Ledger, run: RunRecord, generation: int) -> dict[tuple[str, str, str], int]:
    """The rejects of a run by stage, code and column."""
    counts: dict[tuple[str, str, str], int] = {}
    for scope in reject_scopes(run, generation):
        for record in ledger.parts(run.batch, scope, PartKind.REJECTS):
            for stage, code, column, rows in record.info.get("counts", []):
                counts[(stage, code, column)] = counts.get((stage, code, column), 0) + rows
    return counts


def new_record(
    task_pipeline: Pipeline, *, run: str, batch: str, bound: list[BoundDestination], plan_digest: str, path: str | None
) -> RunRecord:
    """The ledger's record of a run that begins now. URLs are kept as written, without secrets."""
    from loadlock.pipeline.secrets import redact

    kept = replace(
        task_pipeline,
        source=replace(task_pipeline.source, files=told_files(task_pipeline.source.files)),
        destinations=tuple(replace(spec, url=redact(spec.url)) for spec in task_pipeline.destinations),
        text=redact(task_pipeline.text),
    )
    if not bound:
        raise UsageError("the pipeline has no destination", hint="Add `destination:` with a `url`, or use `preview`.")
    return RunRecord(
        run=run,
        batch=batch,
        pipeline=task_pipeline.name,
        status=RunStatus.RECEIVED,
        started=datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        plan_digest=plan_digest,
        pipeline_text=kept.text,
        pipeline_path=path,
        destinations=tuple(destination.label for destination in bound),
        state={"pipeline": to_json(kept)},
    )
