"""The JSON document of a run (contract.md, product.md): what every command that runs prints and the ledger keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loadlock.ledger.base import BatchRecord, RunRecord
from loadlock.model import Balance, FileReport, RunStatus
from loadlock.workflow.cleaning import Cleaned
from loadlock.workflow.delivering import Outcome


def run_document(record: RunRecord, *, status: RunStatus, seconds: float, cause: str | None = None) -> dict[str, Any]:
    """What is known of any run, however far it came."""
    return {
        "run": record.run,
        "batch": record.batch,
        "pipeline": record.pipeline,
        "status": str(status),
        "noop": False,
        "cause": cause,
        "digest": record.digest,
        "started": record.started,
        "seconds": round(seconds, 3),
        "balance": Balance().to_json(),
        "files": [],
        "notes": list(record.state.get("notes", [])),
        "rejects": {},
        "warnings": [],
        "decisions": [],
        "receipt": None,
        "destinations": [],
        "report": None,
    }


def noop_document(record: RunRecord) -> dict[str, Any]:
    """The answer to the same batch again: the old run's document, marked."""
    document = dict(record.document or run_document(record, status=record.status, seconds=0.0))
    return {**document, "status": str(record.status), "noop": True}


def intake_balance(reports: Mapping[int, FileReport], staged: int, rejected: int) -> Balance:
    """The balance after intake: `received` and `blank` from the readers, the rest from the parts at rest."""
    return Balance(
        received=sum(report.received for report in reports.values()),
        blank=sum(report.blank for report in reports.values()),
        staged=staged,
        rejected_intake=rejected,
    )


def cleanup_balance(balance: Balance, cleaned: Cleaned) -> Balance:
    """The balance after cleanup."""
    return balance.with_(
        exploded=cleaned.exploded,
        clean=cleaned.clean,
        rejected_cleanup=cleaned.rejected,
        skipped=cleaned.skipped,
        superseded=cleaned.superseded,
    )


def file_documents(
    batch: BatchRecord,
    reports: Mapping[int, FileReport],
    cleaned: Cleaned | None,
    outcomes: Sequence[Outcome],
) -> list[dict[str, Any]]:
    """One entry a file, with its own balance (of the first destination)."""
    documents = []
    for source in batch.files:
        report = reports.get(source.index)
        if report is None:
            continue
        balance = Balance(
            received=report.received, blank=report.blank, staged=report.staged, rejected_intake=report.rejected
        )
        if cleaned is not None and (counts := cleaned.by_file.get(source.index)):
            balance = balance.with_(
                exploded=counts["exploded"],
                clean=counts["clean"],
                rejected_cleanup=counts["rejected"],
                skipped=counts["skipped"],
                superseded=counts["superseded"],
            )
        if outcomes and (delivered := outcomes[0].by_file.get(source.index)):
            balance = balance.with_(**delivered)
            balance = balance.with_(rejected_delivery=balance.clean - sum(delivered.values()))
        documents.append(
            {
                "name": source.name,
                "path": source.path,
                "bytes": source.size_bytes,
                "sha256": source.sha256,
                "format": report.format,
                "encoding": report.encoding,
                "dialect": report.dialect,
                "header": report.header,
                "notes": report.notes,
                "counts": report.counts,
                "balance": balance.to_json(),
            }
        )
    return documents


def reject_summary(counts: Mapping[tuple[str, str, str], int]) -> dict[str, int]:
    """Rejects by code (a row with two problems counts under both)."""
    summary: dict[str, int] = {}
    for (_, code, _), rows in sorted(counts.items()):
        summary[code] = summary.get(code, 0) + rows
    return summary


def destination_documents(outcomes: Sequence[Outcome], balance: Balance) -> list[dict[str, Any]]:
    """One entry a destination: where, how, its balance and its receipt."""
    return [
        {
            "destination": outcome.bound.label,
            "mode": str(outcome.bound.mode),
            "balance": outcome.balance(balance).to_json(),
            "receipt": None if outcome.receipt is None else outcome.receipt.to_json(),
            "notes": outcome.notes,
            "children": [child.to_json() for child in outcome.children],
        }
        for outcome in outcomes
    ]
