"""The verbs that list and show what the ledger holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loadlock.errors import UsageError
from loadlock.ledger.base import BatchRecord, Event, RunRecord
from loadlock.quarantine.export import export_csv, export_jsonl
from loadlock.quarantine.read import RejectFilter
from loadlock.workflow.document import run_document
from loadlock.workflow.look import rejects
from loadlock.workflow.workspace import Workspace, find_workspace

_EXPORTS = {".csv": export_csv, ".jsonl": export_jsonl, ".ndjson": export_jsonl}


@contextmanager
def opened(workspace: str | Path | None) -> Iterator[Workspace]:
    """An existing workspace, for reading."""
    with Workspace.open(find_workspace(workspace, base_folder=None), create=False) as space:
        yield space


def list_runs(workspace: str | Path | None, *, limit: int | None = None) -> list[dict[str, Any]]:
    """The runs, newest first, as JSON."""
    with opened(workspace) as space:
        return [_run_line(space, record) for record in space.ledger.runs(limit=limit)]


def list_batches(workspace: str | Path | None, *, limit: int | None = None) -> list[dict[str, Any]]:
    """The batches, newest first, as JSON."""
    with opened(workspace) as space:
        return [_batch_line(record) for record in space.ledger.batches(limit=limit)]


def show(workspace: str | Path | None, name: str) -> dict[str, Any]:
    """One run's document with its events, or one batch with its files and runs."""
    with opened(workspace) as space:
        if name.startswith("r"):
            run = space.ledger.find_run(name)
            whole = space.ledger.run(run.run) or run
            document = whole.document or run_document(whole, status=whole.status, seconds=0.0, cause=whole.cause)
            events = [_event_line(event) for event in space.ledger.events(run=run.run)]
            return {**document, "status": str(whole.status), "cause": whole.cause, "events": events}
        batch = space.ledger.find_batch(name)
        return {
            **_batch_line(batch),
            "files": [
                {"name": file.name, "path": file.path, "bytes": file.size_bytes, "sha256": file.sha256}
                for file in batch.files
            ],
            "runs": [_run_line(space, record) for record in space.ledger.runs(batch=batch.batch)],
        }


def reject_filter(
    *, code: str | None, column: str | None, file_name: str | None, stage: str | None, limit: int | None
) -> RejectFilter:
    """The filter of the command's options."""
    return RejectFilter(code=code, column=column, file=file_name, stage=stage, limit=limit)


def export_rejects(workspace: Workspace, name: str, wanted: RejectFilter, path: str) -> int:
    """Write the rejects to a file by its ending; how many."""
    writer = _EXPORTS.get(Path(path).suffix.lower())
    if writer is None:
        raise UsageError(f"rejects can't be exported as {Path(path).suffix or path}", hint="Use .csv or .jsonl.")
    return int(writer(rejects(workspace, name, wanted), Path(path)))


def make_report(workspace: str | Path | None, run: str, output: str | None) -> Path:
    """Write a run's report again; its path."""
    from loadlock.report.page import write_report

    with opened(workspace) as space:
        record = space.ledger.find_run(run)
        whole = space.ledger.run(record.run) or record
        if whole.document is None:
            raise UsageError(
                f"run {record.run} has not ended yet ({record.status})", hint=f"loadlock resume {record.run}"
            )
        path = Path(output) if output else space.reports / f"{record.run}.html"
        write_report(whole.document, path)
        return path


def _run_line(space: Workspace, record: RunRecord) -> dict[str, Any]:
    counts = space.ledger.reject_counts(record.run)
    return {
        "run": record.run,
        "batch": record.batch,
        "pipeline": record.pipeline,
        "status": str(record.status),
        "started": record.started,
        "finished": record.finished,
        "digest": record.digest,
        "cause": record.cause,
        "destinations": list(record.destinations),
        "problems": sum(counts.values()),
    }


def _batch_line(record: BatchRecord) -> dict[str, Any]:
    return {
        "batch": record.batch,
        "pipeline": record.pipeline,
        "status": str(record.status),
        "created": record.created,
        "generation": record.generation,
        "staged": record.staged,
        "files": [file.name for file in record.files],
        "run": record.run,
    }


def _event_line(event: Event) -> dict[str, Any]:
    said = ", ".join(f"{name} {value}" for name, value in event.data.items() if value not in (None, "", {}))
    return {"at": event.at, "kind": event.kind, "data": event.data, "text": f"{event.kind} {said}".strip()}
