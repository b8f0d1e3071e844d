"""Between the ledger's rows and the values of the contract."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row

from loadlock.ledger.base import BatchRecord, Event, PartRecord, RunRecord
from loadlock.model import BatchStatus, ByteCount, Chunk, FileReport, PartKey, PartKind, PartRef, RunStatus, SourceFile


def stamp(moment: datetime) -> str:
    """UTC, ISO 8601 with microseconds and `Z`; sorts as text."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def target_of(pipeline: str, destinations: Sequence[str]) -> str:
    """What deliveries are looked up by: a hash of the pipeline's name and the set of destinations."""
    return hashlib.sha256(json.dumps([pipeline, sorted(set(destinations))]).encode()).hexdigest()


def run_row(record: RunRecord) -> dict[str, Any]:
    return {
        "run": record.run,
        "batch": record.batch,
        "pipeline": record.pipeline,
        "target": target_of(record.pipeline, record.destinations),
        "status": str(RunStatus.RECEIVED),
        "started": record.started,
        "plan_digest": record.plan_digest,
        "pipeline_text": record.pipeline_text,
        "pipeline_path": record.pipeline_path,
        "destinations": list(record.destinations),
        "digest": record.digest,
        "state": record.state,
    }


def run_record(row: Row[Any]) -> RunRecord:
    """From a row with all columns of `runs`, or without `pipeline_text` and `document`."""
    values = dict(row._mapping)
    for name in ("number", "target"):
        values.pop(name, None)
    values["status"] = RunStatus(values["status"])
    values["destinations"] = tuple(values["destinations"])
    return RunRecord(**values)


def batch_record(row: Row[Any], files: Sequence[SourceFile]) -> BatchRecord:
    """From a row with the columns of `batches` and `newest_run`."""
    return BatchRecord(
        batch=row.batch,
        pipeline=row.pipeline,
        status=BatchStatus(row.status),
        created=row.created,
        generation=row.generation,
        staged=row.staged,
        files=tuple(files),
        run=row.newest_run,
    )


def file_row(batch: str, file: SourceFile) -> dict[str, Any]:
    return {
        "batch": batch,
        "file_index": file.index,
        "path": file.path,
        "name": file.name,
        "size_bytes": file.size_bytes,
        "sha256": file.sha256,
    }


def source_file(row: Row[Any]) -> SourceFile:
    return SourceFile(index=row.file_index, path=row.path, name=row.name, size_bytes=row.size_bytes, sha256=row.sha256)


def part_row(part: PartRecord) -> dict[str, Any]:
    ref = part.ref
    return {
        "batch": ref.key.batch,
        "scope": ref.key.scope,
        "kind": str(ref.key.kind),
        "seq": ref.key.seq,
        "location": ref.location,
        "row_count": ref.rows,
        "byte_count": ref.bytes,
        "file_index": ref.file_index,
        "info": part.info,
    }


def part_record(row: Row[Any]) -> PartRecord:
    ref = PartRef(
        key=PartKey(batch=row.batch, scope=row.scope, kind=PartKind(row.kind), seq=row.seq),
        location=row.location,
        rows=row.row_count,
        bytes=row.byte_count,
        file_index=row.file_index,
    )
    return PartRecord(ref=ref, info=row.info)


def file_report(document: Mapping[str, Any]) -> FileReport:
    """From `dataclasses.asdict` of a FileReport, after its way through JSON."""
    return FileReport(**{**document, "bytes": ByteCount(**document["bytes"])})


def chunk(row: Row[Any]) -> Chunk:
    return Chunk(id=row.chunk, seq=row.seq, rows=row.row_count, digest=int(row.digest, 16))


def event(row: Row[Any]) -> Event:
    return Event(at=row.at, run=row.run, batch=row.batch, kind=row.kind, data=row.data)
