"""`gc`: give back the room that nobody needs any more, in the workspace and at the destinations.

Kept whole are, for each pipeline and its destinations, the newest `keep` batches, batches with rejects (the quarantine needs
their rows) and batches with a run that can be resumed. The ledger keeps all batches, runs and events.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from loadlock.delivery.base import Job
from loadlock.errors import LoadlockError, LockedError
from loadlock.faults import point
from loadlock.ledger.base import BatchRecord, RunRecord
from loadlock.model import BatchStatus, RunStatus
from loadlock.workflow.destinations import BoundDestination, all_targets, bind_destinations
from loadlock.workflow.start import Options, pipeline_of
from loadlock.workflow.workspace import Workspace, find_workspace

KEEP = 10
_UNLISTED_SECONDS = 86_400
"""How long what the ledger doesn't know is left alone: it may be on its way there."""
_OVER = frozenset({BatchStatus.DELIVERED, BatchStatus.SUPERSEDED, BatchStatus.ROLLED_BACK, BatchStatus.FORGOTTEN})
_SETTLED = frozenset({RunStatus.VERIFIED, RunStatus.PUBLISHED, RunStatus.ROLLED_BACK})


@dataclass(frozen=True, kw_only=True)
class Retention:
    """What is kept."""

    keep: int = KEEP
    """Batches of each pipeline and its destinations."""
    older_than_days: float = 0.0
    """Younger batches are kept in any case."""
    with_rejects: bool = False
    """Batches with rejects may go too."""
    destinations: bool = False
    """Look at the destinations too."""
    undo: int | None = None
    """There: of how many batches what a rollback needs is kept; None: as the pipeline says."""
    dry_run: bool = False


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing removed (or to be removed). `bytes` is None where it is not known."""

    kind: str
    """batch, source, report, debris, destination"""
    what: str
    bytes: int | None


@dataclass(kw_only=True)
class Collected:
    """The outcome."""

    dry_run: bool
    items: list[Item] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(item.bytes or 0 for item in self.items)

    def to_json(self) -> dict[str, Any]:
        return {
            "dry_run": self.dry_run,
            "bytes": self.bytes,
            "items": [vars(i) for i in self.items],
            "notes": self.notes,
        }


def collect_garbage(retention: Retention, options: Options) -> Collected:
    """Remove what the retention doesn't keep; with `dry_run` only say what that is."""
    root = find_workspace(options.workspace, base_folder=None, environment=options.environment)
    found = Collected(dry_run=retention.dry_run)
    with Workspace.open(root, create=False) as workspace:
        going = list(_going(workspace, retention))
        kept = _kept_sources(workspace, {batch.batch for batch in going})
        for batch in going:
            _collect_batch(workspace, batch, kept, found, options)
        _collect_unlisted(workspace, found)
        if retention.destinations:
            _collect_at_destinations(workspace, retention, found, options)
    return found


def _going(workspace: Workspace, retention: Retention) -> Iterator[BatchRecord]:
    """Batches beyond the newest of their pipeline and destinations, oldest last."""
    limit = datetime.now(UTC) - timedelta(days=retention.older_than_days)
    seen: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for batch in workspace.ledger.batches():
        runs = workspace.ledger.runs(batch=batch.batch)
        place = (batch.pipeline, runs[0].destinations if runs else ())
        seen[place] += 1
        if seen[place] <= retention.keep or datetime.fromisoformat(batch.created) > limit:
            continue
        if batch.status not in _OVER or not _is_at_rest(workspace, batch, runs):
            continue
        if retention.with_rejects or not any(_rejects(workspace, run) for run in runs[:1]):
            yield batch


def _is_at_rest(workspace: Workspace, batch: BatchRecord, runs: list[RunRecord]) -> bool:
    """Whether there is something to remove, and no run that could be resumed."""
    return batch.staged and bool(runs) and runs[0].status in _SETTLED


def _rejects(workspace: Workspace, run: RunRecord) -> int:
    return sum(workspace.ledger.reject_counts(run.run).values())


def _kept_sources(workspace: Workspace, going: set[str]) -> set[str]:
    """Digests of files that belong to a batch that stays."""
    return {file.sha256 for batch in workspace.ledger.batches() if batch.batch not in going for file in batch.files}


def _collect_batch(
    workspace: Workspace, batch: BatchRecord, kept: set[str], found: Collected, options: Options
) -> None:
    folder = workspace.root / "staging" / batch.batch[:16]
    size = _size(folder)
    sources = [file for file in batch.files if file.sha256 not in kept and workspace.sources.has(file)]
    reports = [workspace.reports / f"{run.run}.html" for run in workspace.ledger.runs(batch=batch.batch)]
    items = [Item(kind="batch", what=f"{batch.batch[:12]} of {batch.pipeline}", bytes=size)]
    for file in sources:
        path = workspace.sources.root / file.sha256[:2] / f"{file.sha256}.zst"
        items.append(Item(kind="source", what=file.name, bytes=_size(path)))
    items += [Item(kind="report", what=path.name, bytes=_size(path)) for path in reports if path.exists()]
    if found.dry_run:
        found.items += items
        return
    try:
        with workspace.lock_batch(batch.batch):
            # off the list first: a part that is listed must be there
            workspace.ledger.collect(batch.batch, bytes_freed=sum(item.bytes or 0 for item in items))
            point("gc.collected")
            workspace.staging.remove(batch.batch)
            for file in sources:
                workspace.sources.remove(file)
            for path in reports:
                path.unlink(missing_ok=True)
    except LockedError as error:
        found.notes.append(f"batch {batch.batch[:12]} was left alone: {error}")
        return
    found.items += items


def _collect_unlisted(workspace: Workspace, found: Collected) -> None:
    """What killed processes left: folders of batches and kept sources that the ledger doesn't know."""
    batches = workspace.ledger.batches()
    staged = {batch.batch[:16] for batch in batches if batch.staged or batch.status == BatchStatus.OPEN}
    digests = {file.sha256 for batch in batches for file in batch.files}
    unknown = [path for path in _inside(workspace.root / "staging") if path.name not in staged]
    unknown += [
        path
        for folder in _inside(workspace.sources.root)
        for path in _inside(folder)
        if path.name.partition(".")[0] not in digests
    ]
    for path in unknown:
        with suppress(OSError):
            if time.time() - path.stat().st_mtime < _UNLISTED_SECONDS:
                continue
            item = Item(kind="debris", what=str(path.relative_to(workspace.root)), bytes=_size(path))
            if not found.dry_run:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            found.items.append(item)


def _inside(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files: Iterable[Path] = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _collect_at_destinations(workspace: Workspace, retention: Retention, found: Collected, options: Options) -> None:
    """Each destination that a newest run of a pipeline delivered to."""
    newest: dict[tuple[str, tuple[str, ...]], RunRecord] = {}
    for run in workspace.ledger.runs():
        newest.setdefault((run.pipeline, run.destinations), run)
    for record in newest.values():
        whole = workspace.ledger.run(record.run) or record
        try:
            bound = bind_destinations(pipeline_of(whole), environment=options.environment)
        except LoadlockError as error:
            found.notes.append(f"{', '.join(record.destinations)}: not looked at: {error}")
            continue
        for target in all_targets(bound):
            _sweep(workspace, target, retention, found)


def _sweep(workspace: Workspace, bound: BoundDestination, retention: Retention, found: Collected) -> None:
    ended = [f"{run.run}:{bound.target.table or 'file'}" for run in workspace.ledger.runs() if run.status in _SETTLED]
    keep = bound.undo if retention.undo is None else retention.undo
    job = Job(
        run="gc", batch="", pipeline="", target=bound.target, columns=(), mode=bound.mode, key=bound.spec.key, create=False,
        undo=keep,
    )  # fmt: skip
    try:
        if bound.destination.inspect(bound.target) is None:
            return
        session = bound.destination.session(job)
        try:
            names = session.sweep(keep=keep, ended=ended, dry_run=retention.dry_run)
        finally:
            session.close()
    except LoadlockError as error:
        found.notes.append(f"{bound.label}: not looked at: {error}")
        return
    found.items += [Item(kind="destination", what=f"{bound.label}: {name}", bytes=None) for name in names]
