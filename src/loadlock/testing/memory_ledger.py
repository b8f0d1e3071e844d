"""A twin of the ledger in memory: the same contract, nothing kept."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from loadlock.errors import UsageError, WorkspaceError
from loadlock.ledger import forgetting
from loadlock.ledger.base import BatchRecord, Event, PartRecord, RunRecord
from loadlock.ledger.ids import Clock, utc_clock
from loadlock.ledger.states import DELIVERED, ENDS
from loadlock.model import BatchStatus, ByteCount, Chunk, FileReport, PartKey, PartKind, RunStatus, SourceFile

_CANDIDATES = 5


class MemoryLedger:
    """See `loadlock.ledger.base.Ledger`. Thread-safe; for tests and previews, gone with the process."""

    def __init__(self, *, clock: Clock = utc_clock) -> None:
        self._clock = clock
        self._turn = threading.RLock()
        self._batches: dict[str, BatchRecord] = {}
        self._runs: dict[str, RunRecord] = {}
        self._parts: dict[PartKey, PartRecord] = {}
        self._reports: dict[tuple[str, int, int], str] = {}
        self._chunks: dict[tuple[str, int, str], Chunk] = {}
        self._rejects: dict[str, dict[tuple[str, str, str], int]] = {}
        self._events: list[Event] = []

    def begin_batch(self, batch: str, pipeline: str, files: Sequence[SourceFile]) -> BatchRecord:
        with self._turn:
            if batch not in self._batches:
                self._batches[batch] = BatchRecord(
                    batch=batch, pipeline=pipeline, status=BatchStatus.OPEN, created=self._now(), generation=1,
                    staged=False, files=tuple(sorted(files, key=lambda file: file.index)),
                )  # fmt: skip
                self.event("batch", batch=batch, data={"status": str(BatchStatus.OPEN), "files": len(files)})
            return self._batches[batch]

    def begin_run(self, record: RunRecord) -> None:
        with self._turn:
            if record.run in self._runs:
                raise WorkspaceError(f"the run {record.run} is in the ledger already")
            self._known_batch(record.batch)
            self._runs[record.run] = replace(record, status=RunStatus.RECEIVED, state=copy.deepcopy(record.state))
            self._batches[record.batch] = replace(self._batches[record.batch], run=record.run)
            data = {"status": str(RunStatus.RECEIVED), "plan_digest": record.plan_digest}
            self.event("run", run=record.run, batch=record.batch, data=data)

    def set_status(self, run: str, status: RunStatus, *, cause: str | None = None) -> None:
        with self._turn:
            old = self._known_run(run)
            if not old.status.may_become(status):
                raise WorkspaceError(f"run {run} is {old.status} and can't become {status}")
            finished = old.finished if status is RunStatus.ROLLED_BACK else self._now() if status in ENDS else None
            self._runs[run] = replace(old, status=status, cause=cause, finished=finished)
            data = {"from": str(old.status), "to": str(status), **({} if cause is None else {"cause": cause})}
            self.event("run_status", run=run, batch=old.batch, data=data)

    def set_batch_status(self, batch: str, status: BatchStatus) -> None:
        with self._turn:
            old = self._known_batch(batch)
            self._batches[batch] = replace(old, status=status)
            self.event("batch_status", batch=batch, data={"from": str(old.status), "to": str(status)})

    def save_state(self, run: str, state: dict[str, Any]) -> None:
        with self._turn:
            old = self._known_run(run)
            self._runs[run] = replace(old, state={**old.state, **_through_json(state)})

    def finish_run(self, run: str, *, digest: str | None, document: dict[str, Any]) -> None:
        with self._turn:
            old = self._known_run(run)
            self._runs[run] = replace(old, digest=digest or old.digest, document=_through_json(document))
            self.event("run_finished", run=run, batch=old.batch, data={"digest": self._runs[run].digest})

    def add_parts(self, parts: Sequence[PartRecord]) -> None:
        with self._turn:
            for part in parts:
                self._known_batch(part.ref.key.batch)
            for part in parts:
                self._parts[part.ref.key] = replace(part, info=_through_json(part.info))

    def parts(self, batch: str, scope: str, kind: PartKind) -> list[PartRecord]:
        with self._turn:
            found = [
                part for key, part in self._parts.items() if (key.batch, key.scope, key.kind) == (batch, scope, kind)
            ]
            return sorted(found, key=lambda part: part.ref.key.seq)

    def drop_parts(
        self, batch: str, scope: str, *, file_index: int | None = None, kind: PartKind | None = None
    ) -> None:
        with self._turn:
            for key, part in list(self._parts.items()):
                of_file = file_index is None or part.ref.file_index == file_index
                if (key.batch, key.scope) == (batch, scope) and of_file and kind in (None, key.kind):
                    del self._parts[key]

    def save_file_report(self, batch: str, generation: int, file_index: int, report: FileReport) -> None:
        with self._turn:
            self._known_batch(batch)
            self._reports[batch, generation, file_index] = json.dumps(asdict(report))
            counts = {"received": report.received, "staged": report.staged, "rejected": report.rejected}
            data = {"batch": batch, "generation": generation, "file_index": file_index, **counts}
            self.event("file_staged", batch=batch, data=data)

    def file_reports(self, batch: str, generation: int) -> dict[int, FileReport]:
        with self._turn:
            return {
                key[2]: _report(text) for key, text in sorted(self._reports.items()) if key[:2] == (batch, generation)
            }

    def mark_staged(self, batch: str, generation: int) -> None:
        with self._turn:
            self._batches[batch] = replace(self._known_batch(batch), generation=generation, staged=True)
            self.event("batch_staged", batch=batch, data={"generation": generation})

    def collect(self, batch: str, *, bytes_freed: int) -> None:
        with self._turn:
            self._batches[batch] = replace(self._known_batch(batch), staged=False)
            runs = {run for run, record in self._runs.items() if record.batch == batch}
            self._parts = {key: part for key, part in self._parts.items() if key.batch != batch}
            self._reports = {key: report for key, report in self._reports.items() if key[0] != batch}
            self._chunks = {key: chunk for key, chunk in self._chunks.items() if key[0] not in runs}
            self.event("batch_collected", batch=batch, data={"bytes": bytes_freed})

    def forget(self, batch: str) -> None:
        with self._turn:
            known = self._known_batch(batch)
            files = tuple(map(forgetting.file_left, known.files))
            self._batches[batch] = replace(known, status=BatchStatus.FORGOTTEN, staged=False, files=files)
            self._parts = {key: part for key, part in self._parts.items() if key.batch != batch}
            for key, text in self._reports.items():
                if key[0] == batch:
                    self._reports[key] = json.dumps(asdict(forgetting.report_left(_report(text))))
            for run, record in self._runs.items():
                if record.batch == batch:
                    cause = None if record.cause is None else forgetting.GONE
                    document = forgetting.document_left(record.document)
                    state = forgetting.state_left(record.state)
                    self._runs[run] = replace(record, cause=cause, document=document, state=state)
            runs = {run for run, record in self._runs.items() if record.batch == batch}
            self._events = [
                replace(event, data=forgetting.event_left(event.data))
                if event.batch == batch or event.run in runs
                else event
                for event in self._events
            ]
            self.event("batch_forgotten", batch=batch, data={"status": str(BatchStatus.FORGOTTEN)})

    def add_chunk(self, run: str, destination: int, chunk: Chunk) -> None:
        with self._turn:
            self._known_run(run)
            self._chunks[run, destination, chunk.id] = chunk

    def chunks(self, run: str, destination: int) -> list[Chunk]:
        with self._turn:
            found = [chunk for key, chunk in self._chunks.items() if key[:2] == (run, destination)]
            return sorted(found, key=lambda chunk: (chunk.seq, chunk.id))

    def save_reject_counts(self, run: str, counts: dict[tuple[str, str, str], int]) -> None:
        with self._turn:
            self._known_run(run)
            self._rejects[run] = dict(counts)

    def reject_counts(self, run: str) -> dict[tuple[str, str, str], int]:
        with self._turn:
            return dict(self._rejects.get(run, {}))

    def event(
        self, kind: str, *, run: str | None = None, batch: str | None = None, data: dict[str, Any] | None = None
    ) -> None:
        with self._turn:
            self._events.append(Event(at=self._now(), run=run, batch=batch, kind=kind, data=_through_json(data or {})))

    def events(self, *, run: str | None = None, batch: str | None = None) -> list[Event]:
        with self._turn:
            return [event for event in self._events if run in (None, event.run) and batch in (None, event.batch)]

    def run(self, run: str) -> RunRecord | None:
        with self._turn:
            return copy.deepcopy(self._runs.get(run))

    def batch(self, batch: str) -> BatchRecord | None:
        with self._turn:
            return self._batches.get(batch)

    def find_run(self, prefix: str) -> RunRecord:
        with self._turn:
            return copy.deepcopy(self._runs[_unique(self._runs, prefix, "run", "runs")])

    def find_batch(self, prefix: str) -> BatchRecord:
        with self._turn:
            return self._batches[_unique(self._batches, prefix, "batch", "batches")]

    def runs(self, *, batch: str | None = None, limit: int | None = None) -> list[RunRecord]:
        with self._turn:
            found = [run for run in reversed(self._runs.values()) if batch in (None, run.batch)]
            return [copy.deepcopy(replace(run, document=None, pipeline_text="")) for run in found[:limit]]

    def batches(self, *, limit: int | None = None) -> list[BatchRecord]:
        with self._turn:
            return list(reversed(self._batches.values()))[:limit]

    def delivered_run(self, batch: str, destinations: Sequence[str]) -> RunRecord | None:
        with self._turn:
            found = [run for run in self._delivered(destinations) if run.batch == batch]
            return copy.deepcopy(found[-1]) if found else None

    def delivered_files(self, pipeline: str, destinations: Sequence[str]) -> set[str]:
        with self._turn:
            found = [self._batches[run.batch] for run in self._delivered(destinations) if run.pipeline == pipeline]
            return {file.sha256 for batch in found for file in batch.files}

    def newest_delivery(self, destinations: Sequence[str], *, pipeline: str | None = None) -> RunRecord | None:
        with self._turn:
            found = [run for run in self._delivered(destinations) if pipeline in (None, run.pipeline)]
            return copy.deepcopy(found[-1]) if found else None

    def delivered_names(
        self, pipeline: str, destinations: Sequence[str], names: Sequence[str]
    ) -> dict[str, dict[str, str]]:
        with self._turn:
            known: dict[str, dict[str, str]] = {}
            for run in reversed(self._delivered(destinations)):
                for file in self._batches[run.batch].files if run.pipeline == pipeline else ():
                    if file.name in names:
                        known.setdefault(file.name, {}).setdefault(file.sha256, run.batch)
            return known

    def supersede(self, batch: str, destinations: Sequence[str]) -> list[str]:
        with self._turn:
            targets: dict[str, set[str]] = {}
            for run in self._runs.values():
                if run.status in DELIVERED and run.batch != batch:
                    targets.setdefault(run.batch, set()).update(run.destinations)
            delivered = [name for name in targets if self._batches[name].status is BatchStatus.DELIVERED]
            found = [name for name in delivered if targets[name] <= set(destinations)]
            for name in found:
                self._batches[name] = replace(self._batches[name], status=BatchStatus.SUPERSEDED)
                data = {"from": str(BatchStatus.DELIVERED), "to": str(BatchStatus.SUPERSEDED), "by": batch}
                self.event("batch_status", batch=name, data=data)
            return found

    def close(self) -> None:
        """Nothing to release."""

    def _delivered(self, destinations: Sequence[str]) -> list[RunRecord]:
        wanted = set(destinations)
        return [run for run in self._runs.values() if run.status in DELIVERED and set(run.destinations) == wanted]

    def _known_run(self, run: str) -> RunRecord:
        if run not in self._runs:
            raise WorkspaceError(f"the run {run} is not in the ledger")
        return self._runs[run]

    def _known_batch(self, batch: str) -> BatchRecord:
        if batch not in self._batches:
            raise WorkspaceError(f"the batch {batch} is not in the ledger")
        return self._batches[batch]

    def _now(self) -> str:
        return self._clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _unique(names: dict[str, Any], prefix: str, word: str, plural: str) -> str:
    found = [prefix] if prefix in names else sorted(name for name in names if prefix and name.startswith(prefix))
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"there is no {word} {prefix!r}", hint=f"`loadlock {plural}` lists them.")
    listed = ", ".join(found[:_CANDIDATES]) + (" ..." if len(found) > _CANDIDATES else "")
    raise UsageError(f"{prefix!r} begins the names of several {plural}: {listed}", hint="Give more of its name.")


def _report(text: str) -> FileReport:
    document = json.loads(text)
    return FileReport(**{**document, "bytes": ByteCount(**document["bytes"])})


def _through_json(document: dict[str, Any]) -> dict[str, Any]:
    """As it comes back from a database: what JSON can't hold fails here too."""
    copied: dict[str, Any] = json.loads(json.dumps(document))
    return copied
