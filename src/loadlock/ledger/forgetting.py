"""What is left in the ledger of a batch that was forgotten: counts, digests, times and statuses; no text of its files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from sqlalchemy import Connection, delete, select, text, update

from loadlock.ledger import records
from loadlock.ledger import schema as tables
from loadlock.model import BatchStatus, FileReport, SourceFile

GONE = "(forgotten)"
_DOCUMENT = (
    "run",
    "batch",
    "pipeline",
    "status",
    "noop",
    "digest",
    "started",
    "seconds",
    "balance",
    "rejects",
    "replay",
)
_FILE = ("bytes", "sha256", "format", "balance")
_RECEIPT = ("destination", "target", "mode", "rows", "inserted", "updated", "unchanged", "deleted", "rejected", "level",
            "equal", "read_back", "digest")  # fmt: skip
_WORDS = frozenset({"status", "from", "to", "digest", "plan_digest", "by_run"})
"""Keys of events whose texts are none of a file's."""
_DECIDED = ("decisions", "decided", "notes")
"""Keys of a run's state that may hold values of rows."""


def document_left(document: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The document of a run of a forgotten batch."""
    if document is None:
        return None
    left = {name: document[name] for name in _DOCUMENT if name in document}
    left["files"] = [{"name": GONE, **_some(entry, _FILE)} for entry in document.get("files", ())]
    left["destinations"] = [
        {"destination": entry["destination"], "mode": entry["mode"], "balance": entry["balance"], "notes": [],
         "receipt": _receipt(entry["receipt"]), "children": []}
        for entry in document.get("destinations", ())
    ]  # fmt: skip
    empty: dict[str, Any] = {"notes": [], "warnings": [], "decisions": [], "cause": None, "report": None}
    return {**left, **empty, "receipt": _receipt(document.get("receipt"))}


def _receipt(receipt: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if receipt is None else {**_some(receipt, _RECEIPT), "notes": []}


def _some(entry: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: entry[name] for name in names if name in entry}


def event_left(data: Mapping[str, Any]) -> dict[str, Any]:
    """What an event of a forgotten batch still tells."""
    return {name: value for name, value in data.items() if isinstance(value, int | float) or name in _WORDS}


def state_left(state: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a run of a forgotten batch."""
    return {name: value for name, value in state.items() if name not in _DECIDED}


def report_left(report: FileReport) -> FileReport:
    """What intake counted in a file."""
    return FileReport(
        format=report.format, bytes=report.bytes, received=report.received, staged=report.staged,
        rejected=report.rejected, blank=report.blank,
    )  # fmt: skip


def file_left(file: SourceFile) -> SourceFile:
    """The file's digest and size: the same bytes are still known."""
    return replace(file, path=GONE, name=GONE)


def forget(connection: Connection, batch: str) -> None:
    """Put this into effect in one transaction; what is deleted is overwritten on the disk (SQLite)."""
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        connection.execute(text("pragma secure_delete = on"))
    connection.execute(delete(tables.parts).where(tables.parts.c.batch == batch))
    values = {"status": str(BatchStatus.FORGOTTEN), "staged": False}
    connection.execute(update(tables.batches).where(tables.batches.c.batch == batch).values(**values))
    connection.execute(update(tables.files).where(tables.files.c.batch == batch).values(path=GONE, name=GONE))
    _forget_reports(connection, batch)
    _forget_runs(connection, batch)
    _forget_events(connection, batch, sqlite=sqlite)


def _forget_reports(connection: Connection, batch: str) -> None:
    table = tables.file_reports
    for row in connection.execute(select(table).where(table.c.batch == batch)).all():
        left = asdict(report_left(records.file_report(row.report)))
        same = (table.c.batch == batch, table.c.generation == row.generation, table.c.file_index == row.file_index)
        connection.execute(update(table).where(*same).values(report=left))


def _forget_runs(connection: Connection, batch: str) -> None:
    table = tables.runs
    chosen = select(table.c.run, table.c.state, table.c.document, table.c.cause).where(table.c.batch == batch)
    for row in connection.execute(chosen).all():
        changes = {
            "state": state_left(row.state),
            "document": document_left(row.document),
            "cause": None if row.cause is None else GONE,
        }
        connection.execute(update(table).where(table.c.run == row.run).values(**changes))


def _forget_events(connection: Connection, batch: str, *, sqlite: bool) -> None:
    """Events are only ever added; here alone texts are taken out of them."""
    table = tables.events
    runs = select(tables.runs.c.run).where(tables.runs.c.batch == batch)
    if sqlite:
        connection.execute(text("drop trigger events_no_update"))
    found = connection.execute(
        select(table.c.number, table.c.data).where((table.c.batch == batch) | table.c.run.in_(runs))
    )
    for row in found.all():
        connection.execute(update(table).where(table.c.number == row.number).values(data=event_left(row.data)))
    if sqlite:
        connection.execute(text(tables.TRIGGERS[0]))
