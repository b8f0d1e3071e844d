"""The contract of the ledger: append what happened, ask what is known. Each call is one committed transaction.

Times are UTC, ISO 8601 with microseconds and `Z`. Thread-safe. A second process may read and write at the same time
(busy waits are bounded; then WorkspaceError). Nothing secret is ever handed to the ledger: URLs come as labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from loadlock.model import BatchStatus, Chunk, FileReport, PartKind, PartRef, RunStatus, SourceFile


@dataclass(frozen=True, kw_only=True)
class BatchRecord:
    """One batch as the ledger knows it."""

    batch: str
    pipeline: str
    status: BatchStatus
    created: str
    generation: int
    """Of the raw rows that count now: 1, 2 ... (taken in again from the kept bytes)."""
    staged: bool
    """Whether all raw parts of this generation are listed."""
    files: tuple[SourceFile, ...] = ()
    run: str | None = None
    """The newest run."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One run as the ledger knows it."""

    run: str
    batch: str
    pipeline: str
    status: RunStatus
    started: str
    finished: str | None = None
    plan_digest: str = ""
    """`Pipeline.compiled_digest()` of the pipeline as used."""
    pipeline_text: str = ""
    pipeline_path: str | None = None
    destinations: tuple[str, ...] = ()
    """Labels, in the pipeline's order."""
    digest: str | None = None
    """Of the clean rows, 32 hex digits, once cleaned."""
    cause: str | None = None
    """Why it failed, stopped or was interrupted."""
    state: dict[str, Any] = field(default_factory=dict)
    """What `resume` needs beside parts and chunks (decisions, deliveries, options), as the workflow saved it."""
    document: dict[str, Any] | None = None
    """The JSON document of the finished run."""


@dataclass(frozen=True, kw_only=True)
class PartRecord:
    """A part with what was learned when it was made (counts, tallies, digest), as JSON."""

    ref: PartRef
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the append-only log."""

    at: str
    run: str | None
    batch: str | None
    kind: str
    data: dict[str, Any]


class Ledger(Protocol):
    """See the module. Names given as `batch` or `run` are whole ids; `find_*` takes a unique prefix."""

    def begin_batch(self, batch: str, pipeline: str, files: Sequence[SourceFile]) -> BatchRecord:
        """Record a batch with its files; the existing record if it is known."""
        ...

    def begin_run(self, record: RunRecord) -> None:
        """Record a new run (status received) and its first event."""
        ...

    def set_status(self, run: str, status: RunStatus, *, cause: str | None = None) -> None:
        """Change the status; raises WorkspaceError where `RunStatus.may_become` forbids. Sets `finished` at an end."""
        ...

    def set_batch_status(self, batch: str, status: BatchStatus) -> None: ...

    def save_state(self, run: str, state: dict[str, Any]) -> None:
        """Merge `state` into the run's state (top-level keys are replaced)."""
        ...

    def finish_run(self, run: str, *, digest: str | None, document: dict[str, Any]) -> None:
        """Store the run's JSON document (status is set by `set_status`)."""
        ...

    def add_parts(self, parts: Sequence[PartRecord]) -> None:
        """List parts, all in one transaction; a part that is listed already is replaced."""
        ...

    def parts(self, batch: str, scope: str, kind: PartKind) -> list[PartRecord]:
        """Listed parts in the order of `seq`."""
        ...

    def drop_parts(
        self, batch: str, scope: str, *, file_index: int | None = None, kind: PartKind | None = None
    ) -> None:
        """Take parts off the list (before they are made again)."""
        ...

    def save_file_report(self, batch: str, generation: int, file_index: int, report: FileReport) -> None:
        """Record a file as wholly taken in; its parts must be listed before."""
        ...

    def file_reports(self, batch: str, generation: int) -> dict[int, FileReport]: ...

    def mark_staged(self, batch: str, generation: int) -> None:
        """All files of this generation are taken in; it becomes the one that counts."""
        ...

    def collect(self, batch: str, *, bytes_freed: int) -> None:
        """The batch's rows are no longer at rest: take its parts, file reports and chunks off the list. It is not staged any
        more; batch, runs and events stay."""
        ...

    def forget(self, batch: str) -> None:
        """Take every text of the batch's files out of the ledger for good; it is `forgotten`. Counts, digests and statuses
        stay. Again is no error."""
        ...

    def add_chunk(self, run: str, destination: int, chunk: Chunk) -> None:
        """Record a chunk the destination has acknowledged; again is no error."""
        ...

    def chunks(self, run: str, destination: int) -> list[Chunk]: ...

    def save_reject_counts(self, run: str, counts: dict[tuple[str, str, str], int]) -> None:
        """(stage, code, column or "") → rows, replacing the run's earlier counts."""
        ...

    def reject_counts(self, run: str) -> dict[tuple[str, str, str], int]: ...

    def event(
        self, kind: str, *, run: str | None = None, batch: str | None = None, data: dict[str, Any] | None = None
    ) -> None: ...

    def events(self, *, run: str | None = None, batch: str | None = None) -> list[Event]: ...

    def run(self, run: str) -> RunRecord | None: ...

    def batch(self, batch: str) -> BatchRecord | None: ...

    def find_run(self, prefix: str) -> RunRecord:
        """By unique prefix; UsageError says none or lists the candidates."""
        ...

    def find_batch(self, prefix: str) -> BatchRecord: ...

    def runs(self, *, batch: str | None = None, limit: int | None = None) -> list[RunRecord]:
        """Newest first, without `document` and `pipeline_text`."""
        ...

    def batches(self, *, limit: int | None = None) -> list[BatchRecord]:
        """Newest first."""
        ...

    def delivered_run(self, batch: str, destinations: Sequence[str]) -> RunRecord | None:
        """The newest run of this batch to these destinations that ended published or verified."""
        ...

    def delivered_files(self, pipeline: str, destinations: Sequence[str]) -> set[str]:
        """sha256 of all files whose batch this pipeline has delivered to these destinations."""
        ...

    def newest_delivery(self, destinations: Sequence[str], *, pipeline: str | None = None) -> RunRecord | None:
        """The newest run to exactly these destinations (of this pipeline) that ended published or verified."""
        ...

    def delivered_names(
        self, pipeline: str, destinations: Sequence[str], names: Sequence[str]
    ) -> dict[str, dict[str, str]]:
        """Of these base names those that this pipeline has delivered there: name → sha256 → batch, newest first."""
        ...

    def supersede(self, batch: str, destinations: Sequence[str]) -> list[str]:
        """Mark delivered batches as superseded by `batch`, which replaced all of these destinations; their names.

        A batch that was delivered elsewhere too stays delivered. Called again it finds none.
        """
        ...

    def close(self) -> None: ...
