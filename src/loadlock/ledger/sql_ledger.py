"""The ledger in SQL: SQLite by default. Each method is one committed transaction, each change of state also an event."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, select, update

from loadlock.durable import workspace_error
from loadlock.errors import WorkspaceError
from loadlock.ledger import forgetting, lookups, records
from loadlock.ledger import schema as tables
from loadlock.ledger.base import BatchRecord, Event, PartRecord, RunRecord
from loadlock.ledger.ids import Clock, utc_clock
from loadlock.ledger.sqlite_errors import in_words
from loadlock.ledger.sqlite_file import FILE, prepare, sqlite_engine, writing
from loadlock.ledger.states import DELIVERED, ENDS
from loadlock.model import BatchStatus, Chunk, FileReport, PartKind, RunStatus, SourceFile


def open_ledger(workspace: Path, *, clock: Clock = utc_clock) -> SqlLedger:
    """The ledger `ledger.db` of a workspace folder; both are made when absent.

    An older ledger is upgraded after a copy was made (`ledger.db.bak-<version>`). Raises WorkspaceError: a newer
    ledger, a damaged file, a folder that can't be written, a lock held too long.
    """
    try:
        workspace.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise workspace_error(f"can't make the workspace {workspace}", error) from error
    path = workspace / FILE
    engine = sqlite_engine(path)
    try:
        prepare(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return SqlLedger(engine, place=str(path), clock=clock)


class SqlLedger:
    """See `loadlock.ledger.base.Ledger`. `place` names the ledger in messages."""

    def __init__(self, engine: Engine, *, place: str, clock: Clock = utc_clock) -> None:
        self._engine = engine
        self._place = place
        self._clock = clock
        # SQLite's writers wait by polling; threads of one process take turns without it
        self._turn = threading.Lock()

    def begin_batch(self, batch: str, pipeline: str, files: Sequence[SourceFile]) -> BatchRecord:
        with self._writing() as connection:
            if known := lookups.batch(connection, batch):
                return known
            connection.execute(insert(tables.batches).values(
                batch=batch, pipeline=pipeline, status=str(BatchStatus.OPEN), created=self._now(), generation=1, staged=False
            ))  # fmt: skip
            lookups.add(connection, tables.files, [records.file_row(batch, file) for file in files])
            self._event(connection, "batch", batch=batch, data={"status": str(BatchStatus.OPEN), "files": len(files)})
            found = lookups.batch(connection, batch)
            assert found is not None
            return found

    def begin_run(self, record: RunRecord) -> None:
        with self._writing() as connection:
            if lookups.run(connection, record.run):
                raise WorkspaceError(f"the run {record.run} is in the ledger already")
            if not lookups.batch(connection, record.batch):
                raise WorkspaceError(f"the batch {record.batch} of run {record.run} is not in the ledger")
            connection.execute(insert(tables.runs).values(**records.run_row(record)))
            data = {"status": str(RunStatus.RECEIVED), "plan_digest": record.plan_digest}
            self._event(connection, "run", run=record.run, batch=record.batch, data=data)

    def set_status(self, run: str, status: RunStatus, *, cause: str | None = None) -> None:
        with self._writing() as connection:
            row = lookups.known(
                connection,
                select(tables.runs.c.batch, tables.runs.c.status).where(tables.runs.c.run == run),
                "run",
                run,
            )
            old = RunStatus(row.status)
            if not old.may_become(status):
                raise WorkspaceError(f"run {run} is {old} and can't become {status}")
            changes: dict[str, Any] = {"status": str(status), "cause": cause}
            if status is not RunStatus.ROLLED_BACK:
                changes["finished"] = self._now() if status in ENDS else None
            connection.execute(update(tables.runs).where(tables.runs.c.run == run).values(**changes))
            data = {"from": str(old), "to": str(status), **({} if cause is None else {"cause": cause})}
            self._event(connection, "run_status", run=run, batch=row.batch, data=data)

    def set_batch_status(self, batch: str, status: BatchStatus) -> None:
        with self._writing() as connection:
            row = lookups.known(
                connection, select(tables.batches.c.status).where(tables.batches.c.batch == batch), "batch", batch
            )
            connection.execute(update(tables.batches).where(tables.batches.c.batch == batch).values(status=str(status)))
            self._event(connection, "batch_status", batch=batch, data={"from": row.status, "to": str(status)})

    def save_state(self, run: str, state: dict[str, Any]) -> None:
        with self._writing() as connection:
            row = lookups.known(
                connection, select(tables.runs.c.state).where(tables.runs.c.run == run).with_for_update(), "run", run
            )
            connection.execute(update(tables.runs).where(tables.runs.c.run == run).values(state={**row.state, **state}))

    def finish_run(self, run: str, *, digest: str | None, document: dict[str, Any]) -> None:
        with self._writing() as connection:
            row = lookups.known(
                connection,
                select(tables.runs.c.batch, tables.runs.c.digest).where(tables.runs.c.run == run),
                "run",
                run,
            )
            values = {"digest": digest or row.digest, "document": document}
            connection.execute(update(tables.runs).where(tables.runs.c.run == run).values(**values))
            self._event(connection, "run_finished", run=run, batch=row.batch, data={"digest": values["digest"]})

    def add_parts(self, parts: Sequence[PartRecord]) -> None:
        with self._writing() as connection:
            for part in parts:
                key = part.ref.key
                connection.execute(delete(tables.parts).where(
                    tables.parts.c.batch == key.batch, tables.parts.c.scope == key.scope,
                    tables.parts.c.kind == str(key.kind), tables.parts.c.seq == key.seq,
                ))  # fmt: skip
            lookups.add(connection, tables.parts, [records.part_row(part) for part in parts])

    def parts(self, batch: str, scope: str, kind: PartKind) -> list[PartRecord]:
        wanted = (tables.parts.c.batch == batch, tables.parts.c.scope == scope, tables.parts.c.kind == str(kind))
        with self._reading() as connection:
            rows = connection.execute(select(tables.parts).where(*wanted).order_by(tables.parts.c.seq)).all()
        return [records.part_record(row) for row in rows]

    def drop_parts(
        self, batch: str, scope: str, *, file_index: int | None = None, kind: PartKind | None = None
    ) -> None:
        wanted: list[ColumnElement[bool]] = [tables.parts.c.batch == batch, tables.parts.c.scope == scope]
        if file_index is not None:
            wanted.append(tables.parts.c.file_index == file_index)
        if kind is not None:
            wanted.append(tables.parts.c.kind == str(kind))
        with self._writing() as connection:
            connection.execute(delete(tables.parts).where(*wanted))

    def save_file_report(self, batch: str, generation: int, file_index: int, report: FileReport) -> None:
        key = {"batch": batch, "generation": generation, "file_index": file_index}
        with self._writing() as connection:
            connection.execute(delete(tables.file_reports).filter_by(**key))
            connection.execute(insert(tables.file_reports).values(**key, report=asdict(report)))
            counts = {"received": report.received, "staged": report.staged, "rejected": report.rejected}
            self._event(connection, "file_staged", batch=batch, data={**key, **counts})

    def file_reports(self, batch: str, generation: int) -> dict[int, FileReport]:
        query = (
            select(tables.file_reports)
            .filter_by(batch=batch, generation=generation)
            .order_by(tables.file_reports.c.file_index)
        )
        with self._reading() as connection:
            return {row.file_index: records.file_report(row.report) for row in connection.execute(query)}

    def mark_staged(self, batch: str, generation: int) -> None:
        with self._writing() as connection:
            lookups.known(
                connection, select(tables.batches.c.batch).where(tables.batches.c.batch == batch), "batch", batch
            )
            values = {"generation": generation, "staged": True}
            connection.execute(update(tables.batches).where(tables.batches.c.batch == batch).values(**values))
            self._event(connection, "batch_staged", batch=batch, data={"generation": generation})

    def collect(self, batch: str, *, bytes_freed: int) -> None:
        with self._writing() as connection:
            runs = select(tables.runs.c.run).where(tables.runs.c.batch == batch)
            connection.execute(delete(tables.chunks).where(tables.chunks.c.run.in_(runs)))
            for table in (tables.parts, tables.file_reports):
                connection.execute(delete(table).where(table.c.batch == batch))
            connection.execute(update(tables.batches).where(tables.batches.c.batch == batch).values(staged=False))
            self._event(connection, "batch_collected", batch=batch, data={"bytes": bytes_freed})

    def forget(self, batch: str) -> None:
        with self._writing() as connection:
            forgetting.forget(connection, batch)
            self._event(connection, "batch_forgotten", batch=batch, data={"status": str(BatchStatus.FORGOTTEN)})
        with in_words(self._place), self._engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                # what was overwritten still stands in the log of writes
                connection.exec_driver_sql("pragma wal_checkpoint(truncate)").fetchall()

    def add_chunk(self, run: str, destination: int, chunk: Chunk) -> None:
        key = {"run": run, "destination": destination, "chunk": chunk.id}
        with self._writing() as connection:
            connection.execute(delete(tables.chunks).filter_by(**key))
            connection.execute(
                insert(tables.chunks).values(**key, seq=chunk.seq, row_count=chunk.rows, digest=f"{chunk.digest:032x}")
            )

    def chunks(self, run: str, destination: int) -> list[Chunk]:
        query = (
            select(tables.chunks)
            .filter_by(run=run, destination=destination)
            .order_by(tables.chunks.c.seq, tables.chunks.c.chunk)
        )
        with self._reading() as connection:
            return [records.chunk(row) for row in connection.execute(query)]

    def save_reject_counts(self, run: str, counts: dict[tuple[str, str, str], int]) -> None:
        rows = [
            {"run": run, "stage": stage, "code": code, "column_name": column, "row_count": number}
            for (stage, code, column), number in counts.items()
        ]
        with self._writing() as connection:
            connection.execute(delete(tables.reject_counts).where(tables.reject_counts.c.run == run))
            lookups.add(connection, tables.reject_counts, rows)

    def reject_counts(self, run: str) -> dict[tuple[str, str, str], int]:
        query = (
            select(tables.reject_counts)
            .where(tables.reject_counts.c.run == run)
            .order_by(tables.reject_counts.c.number)
        )
        with self._reading() as connection:
            return {(row.stage, row.code, row.column_name): row.row_count for row in connection.execute(query)}

    def event(
        self, kind: str, *, run: str | None = None, batch: str | None = None, data: dict[str, Any] | None = None
    ) -> None:
        with self._writing() as connection:
            self._event(connection, kind, run=run, batch=batch, data=data or {})

    def events(self, *, run: str | None = None, batch: str | None = None) -> list[Event]:
        query = select(tables.events).order_by(tables.events.c.number)
        if run is not None:
            query = query.where(tables.events.c.run == run)
        if batch is not None:
            query = query.where(tables.events.c.batch == batch)
        with self._reading() as connection:
            return [records.event(row) for row in connection.execute(query)]

    def run(self, run: str) -> RunRecord | None:
        with self._reading() as connection:
            return lookups.run(connection, run)

    def batch(self, batch: str) -> BatchRecord | None:
        with self._reading() as connection:
            return lookups.batch(connection, batch)

    def find_run(self, prefix: str) -> RunRecord:
        with self._reading() as connection:
            found = lookups.run(connection, lookups.unique(connection, tables.runs.c.run, prefix))
        assert found is not None
        return found

    def find_batch(self, prefix: str) -> BatchRecord:
        with self._reading() as connection:
            found = lookups.batch(connection, lookups.unique(connection, tables.batches.c.batch, prefix))
        assert found is not None
        return found

    def runs(self, *, batch: str | None = None, limit: int | None = None) -> list[RunRecord]:
        query = select(*lookups.LISTED).order_by(tables.runs.c.number.desc()).limit(limit)
        if batch is not None:
            query = query.where(tables.runs.c.batch == batch)
        with self._reading() as connection:
            return [records.run_record(row) for row in connection.execute(query)]

    def batches(self, *, limit: int | None = None) -> list[BatchRecord]:
        query = select(tables.batches, lookups.NEWEST_RUN).order_by(tables.batches.c.number.desc()).limit(limit)
        with self._reading() as connection:
            return lookups.batches(connection, query)

    def delivered_run(self, batch: str, destinations: Sequence[str]) -> RunRecord | None:
        # by batch first: a batch has few runs, whatever the number of batches
        query = select(tables.runs.c.run, tables.runs.c.destinations).where(
            tables.runs.c.batch == batch, tables.runs.c.status.in_(list(map(str, DELIVERED)))
        )
        with self._reading() as connection:
            for row in connection.execute(query.order_by(tables.runs.c.number.desc())):
                if set(row.destinations) == set(destinations):
                    return lookups.run(connection, row.run)
        return None

    def delivered_files(self, pipeline: str, destinations: Sequence[str]) -> set[str]:
        target = records.target_of(pipeline, destinations)
        query = lookups.delivered_files(target)
        with self._reading() as connection:
            return {row.sha256 for row in connection.execute(query)}

    def newest_delivery(self, destinations: Sequence[str], *, pipeline: str | None = None) -> RunRecord | None:
        query = select(tables.runs.c.run, tables.runs.c.destinations).where(
            tables.runs.c.status.in_(list(map(str, DELIVERED)))
        )
        if pipeline is not None:
            query = query.where(tables.runs.c.target == records.target_of(pipeline, destinations))
        with self._reading() as connection, connection.execute(query.order_by(tables.runs.c.number.desc())) as found:
            for row in found:
                if set(row.destinations) == set(destinations):
                    return lookups.run(connection, row.run)
        return None

    def delivered_names(
        self, pipeline: str, destinations: Sequence[str], names: Sequence[str]
    ) -> dict[str, dict[str, str]]:
        target = records.target_of(pipeline, destinations)
        known: dict[str, dict[str, str]] = {}
        with self._reading() as connection:
            for some in lookups.portions(names):
                for row in connection.execute(lookups.delivered_names(target, some)):
                    known.setdefault(row.name, {}).setdefault(row.sha256, row.batch)
        return known

    def supersede(self, batch: str, destinations: Sequence[str]) -> list[str]:
        open_to = lookups.delivered_targets(batch)
        with self._writing() as connection:
            targets: dict[str, set[str]] = {}
            for row in connection.execute(open_to):
                targets.setdefault(row.batch, set()).update(row.destinations)
            found = [name for name, labels in targets.items() if labels <= set(destinations)]
            for name in found:
                values = {"status": str(BatchStatus.SUPERSEDED)}
                connection.execute(update(tables.batches).where(tables.batches.c.batch == name).values(**values))
                data = {"from": str(BatchStatus.DELIVERED), "to": str(BatchStatus.SUPERSEDED), "by": batch}
                self._event(connection, "batch_status", batch=name, data=data)
        return found

    def close(self) -> None:
        self._engine.dispose()

    def _now(self) -> str:
        return records.stamp(self._clock())

    def _event(
        self,
        connection: Connection,
        kind: str,
        *,
        data: dict[str, Any],
        run: str | None = None,
        batch: str | None = None,
    ) -> None:
        connection.execute(insert(tables.events).values(at=self._now(), run=run, batch=batch, kind=kind, data=data))

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self._turn, in_words(self._place), writing(self._engine) as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with in_words(self._place), self._engine.connect() as connection:
            yield connection
