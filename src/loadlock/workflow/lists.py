"""The verbs that list and show what the ledger holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.errors import UsageError
from loadlock.ledger.base import BatchRecord, Event, RunRecord
from loadlock.model import FileReport
from loadlock.quarantine.export import Export
from loadlock.quarantine.export import export_rejects as write_rejects
from loadlock.quarantine.marks import Writing, faulty, marked
from loadlock.quarantine.read import RejectFilter, filter_rejects, filtered
from loadlock.quarantine.read import count_rejects as count_problems
from loadlock.quarantine.sheet import staged_name
from loadlock.rows import SOURCE_FILE, reject_schema
from loadlock.workflow.document import run_document
from loadlock.workflow.quarantine import quarantine_of
from loadlock.workflow.sheet_rejects import export_to_sheet, is_sheet
from loadlock.workflow.standing import standing_document
from loadlock.workflow.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    import pyarrow as pa


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
            document = standing_document(space.ledger, whole) or run_document(
                whole, status=whole.status, seconds=0.0, cause=whole.cause
            )
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
    *,
    code: str | None = None,
    column: str | None = None,
    file_name: str | None = None,
    stage: str | None = None,
    state: str | None = None,
    limit: int | None = None,
) -> RejectFilter:
    """The filter of the command's options."""
    return RejectFilter(code=code, column=column, file=file_name, stage=stage, state=state, limit=limit)


def shown_rejects(workspace: Workspace, name: str, wanted: RejectFilter) -> Iterator[dict[str, Any]]:
    """The rejects of a batch or run as JSON, each with `marked`: its raw text with the faulty values marked."""
    found = quarantine_of(workspace, name)
    ways = {file.name: _writing(found.reports[file.index]) for file in found.batch.files if file.index in found.reports}
    for reject in found.rows(wanted):
        raw = reject["raw"] or reject.get("raw_base64") or ""
        values = reject["values"] or {}
        names = {staged_name(problem["column"], values, found.sources) for problem in reject["problems"]} - {None}
        way = ways.get(reject["file"])
        spans = faulty(raw, [name for name in names if name], values, way) if way is not None and names else []
        yield {**reject, "marked": marked(raw, spans)}


def reject_tables(workspace: Workspace, name: str, wanted: RejectFilter) -> list[pa.Table]:
    """The rejects of a batch or run as Arrow tables (at least one), with the columns `to`, `state` and `corrected`."""
    import pyarrow as pa

    extra = [pa.field("to", pa.int64()), pa.field("state", pa.string()), pa.field("corrected", pa.string())]
    empty = pa.schema([*reject_schema(), *extra]).empty_table()
    return [empty, *(filter_rejects(table, wanted) for table in quarantine_of(workspace, name).tables())]


def count_rejects(workspace: Workspace, name: str, wanted: RejectFilter) -> list[dict[str, Any]]:
    """How many rejects have each kind of problem, in each state; most first. A reject counts once for each of its kinds."""
    import pyarrow.compute as pc

    found: Counter[tuple[str, str, str, str]] = Counter()
    for table in quarantine_of(workspace, name).tables(["stage", SOURCE_FILE]):
        table = filter_rejects(table, wanted)
        for state in table["state"].unique().to_pylist():
            counts = count_problems(table.filter(pc.equal(table["state"], state)))
            found.update({(*key, state): rows for key, rows in counts.items()})
    names = ("stage", "code", "column", "state")
    return [dict(zip(names, key, strict=True)) | {"rejects": rows} for key, rows in found.most_common()]


def _writing(report: FileReport) -> Writing | None:
    """How a file's records are written, where a value can be found in them."""
    if report.format not in ("csv", "json", "ndjson"):
        return None
    dialect = report.dialect if report.format == "csv" else {}
    return Writing(
        header=report.header,
        delimiter=dialect.get("delimiter"),
        quote=dialect.get("quote") or "",
        escape=dialect.get("escape"),
    )


def export_rejects(workspace: Workspace, name: str, wanted: RejectFilter, path: str) -> int:
    """Write the rejects of a batch or run to a file by its ending, or to a Google sheet; how many. `correct` reads it back."""
    found = quarantine_of(workspace, name)
    names, count = found.extent(wanted)
    export = Export(
        tables=filtered(found.tables(), wanted),
        batch=found.batch.batch,
        run=found.run.run,
        count=count,
        names=names,
        token=found.token,
        sources=found.sources,
    )
    return export_to_sheet(export, path) if is_sheet(path) else write_rejects(export, Path(path))


def make_report(workspace: str | Path | None, run: str, output: str | None) -> tuple[Path, Path | None]:
    """Write a run's report again, and its rejects beside it as CSV; both paths (None: it has no rejects)."""
    from loadlock.report.page import write_report

    with opened(workspace) as space:
        record = space.ledger.find_run(run)
        document = standing_document(space.ledger, record)
        if not document:
            raise UsageError(
                f"run {record.run} has not ended yet ({record.status})", hint=f"loadlock resume {record.run}"
            )
        path = Path(output) if output else space.reports / f"{record.run}.html"
        write_report(document, path)
        beside = path.with_name(f"{path.stem}.rejects.csv")
        if not export_rejects(space, record.run, RejectFilter(), str(beside)):
            beside.unlink()
            return path, None
        return path, beside


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
