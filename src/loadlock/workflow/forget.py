"""`forget`: remove what a batch holds of other people's data from the workspace for good; the counts stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadlock.errors import UsageError
from loadlock.faults import point
from loadlock.model import BatchStatus
from loadlock.workflow.workspace import Workspace, find_workspace


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was removed."""

    batch: str
    sources: int
    """Kept source files."""
    reports: int
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "status": str(BatchStatus.FORGOTTEN)}


def forget(
    name: str, *, confirm: bool = False, workspace: str | Path | None = None, wait_seconds: float = 0.0
) -> Forgotten:
    """Remove staging, kept source bytes, rejects, corrections and reports of a batch, and every text of its files from the
    ledger. Can't be undone; calling it again finishes what a killed process began.

    What was delivered stays where it is. Raises UsageError unless `confirm` is set.
    """
    with Workspace.open(find_workspace(workspace, base_folder=None), create=False) as space:
        batch = space.ledger.find_batch(name)
        if not confirm:
            raise UsageError(
                f"forgetting batch {batch.batch[:12]} of {batch.pipeline} can't be undone",
                hint="Say --confirm. Rows, rejects, corrections and reports go; the counts and what was delivered stay.",
            )
        with space.lock_batch(batch.batch, wait_seconds=wait_seconds):
            space.ledger.forget(batch.batch)
            point("forget.listed")
            space.staging.remove(batch.batch)
            others = {
                file.sha256
                for other in space.ledger.batches()
                if other.batch != batch.batch and other.status != BatchStatus.FORGOTTEN
                for file in other.files
            }
            shared = [file for file in batch.files if file.sha256 in others]
            own = [file for file in batch.files if file.sha256 not in others and space.sources.has(file)]
            for file in own:
                space.sources.remove(file)
            reports = _remove_reports(space, batch.batch)
            with space.keep() as fetched:
                fetched.downloads.clear()
        return Forgotten(batch=batch.batch, sources=len(own), reports=reports, notes=_notes(space, shared=len(shared)))


def _remove_reports(space: Workspace, batch: str) -> int:
    count = 0
    for run in space.ledger.runs(batch=batch):
        for path in space.reports.glob(f"{run.run}*"):
            path.unlink(missing_ok=True)
            count += 1
    return count


def _notes(space: Workspace, *, shared: int) -> list[str]:
    """What this command can't remove."""
    notes = []
    if shared:
        notes.append(f"{shared:,} of its files belong to other batches too: their bytes are kept for those")
    if copies := sorted(path.name for path in space.root.glob("ledger.db.bak-*")):
        notes.append(f"copies of the ledger from before an update hold what was known then: {', '.join(copies)}")
    notes.append("what the destinations hold stays there; `gc --destinations --undo 0` removes what rollbacks kept")
    return notes
