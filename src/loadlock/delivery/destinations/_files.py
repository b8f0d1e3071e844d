"""The session of all file destinations: written beside, fsynced, renamed. Nothing is left beside the file afterwards.

While a run writes, three hidden names may lie beside the file: the new content, the lock, and from just before the rename
until the run's end is in the ledger a record of the publish (size and sha256 of the new content), so that a run that was cut
off meanwhile and is resumed does not append its rows a second time.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from loadlock.delivery.base import (
    DeliveryColumn,
    Job,
    Opened,
    Published,
    Session,
    TableInfo,
    Target,
    Undone,
    Written,
)
from loadlock.delivery.destinations import _file_merge as merging
from loadlock.delivery.destinations._file_undo import FileUndo, fingerprint, read_record
from loadlock.delivery.destinations._local import (
    LINEAGE_NAMES,
    PathLock,
    Spool,
    check_folder,
    clear_debris,
    debris,
    delivered_columns,
    file_path,
    hidden_path,
    os_errors,
    remove,
    spooled,
    sync_file,
)
from loadlock.delivery.fit import check_contract
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.names import check_names
from loadlock.delivery.sqltext import delivery_row, inserted_by_file, published_from
from loadlock.errors import BalanceError, RefusedError, RowsRefusedError
from loadlock.faults import point
from loadlock.model import Chunk, VerifyLevel, WriteMode
from loadlock.rows import FILE

if TYPE_CHECKING:
    import pyarrow as pa

Columns = Sequence[DeliveryColumn]


class Writer(Protocol):
    """Writes one file from its start; `close` completes it."""

    def write(self, rows: pa.Table) -> None:
        """Append rows: the file's columns, in their Arrow types."""
        ...

    def close(self) -> None: ...


class FileFormat(Protocol):
    """What differs between CSV, Parquet and NDJSON. All work streaming."""

    def planned(self, columns: Columns) -> TableInfo:
        """What a file of these columns can hold."""
        ...

    def inspect(self, path: Path) -> TableInfo:
        """The columns of an existing file. Raises RefusedError where it can't be read."""
        ...

    def count(self, path: Path) -> int:
        """Rows in an existing file."""
        ...

    def start(self, path: Path, columns: Columns) -> Writer:
        """A writer of a new file."""
        ...

    def go_on(self, old: Path, path: Path, columns: Columns) -> Writer:
        """A writer of a new file that starts with the rows of `old`."""
        ...

    def read(self, path: Path, columns: Columns) -> Iterator[pa.Table]:
        """These columns of a file, in their Arrow types."""
        ...


def target_path(target: Target) -> Path:
    """The file's path; a symbolic link stands for the file it points to."""
    path = file_path(target.url)
    return path.resolve() if path.is_symlink() else path


def forget_record(target: Target, run: str) -> None:
    """The run's end is in the ledger: nobody asks any more whether it published. Another run's record stays."""
    path = target_path(target)
    record = hidden_path(path, "done")
    found = read_record(record)
    if found is not None and found.get("run") == run:
        with suppress(OSError):
            remove(record)
            clear_debris(hidden_path(path, "run", run), keep=None)


def inspect_file(target: Target, form: FileFormat) -> TableInfo | None:
    """The existing file's columns, or None."""
    path = target_path(target)
    check_folder(path)
    return form.inspect(path) if path.exists() else None


def last_record(target: Target) -> dict[str, Any] | None:
    """The record of a publish that was not read back yet, or None."""
    return read_record(hidden_path(target_path(target), "done"))


class FileSession(Session):
    """See `loadlock.delivery.base.Session`. The target is a file; `form` knows its format."""

    def __init__(self, job: Job, form: FileFormat, label: str) -> None:
        self._job = job
        self._form = form
        self._label = label
        self._path = target_path(job.target)
        self._lock = PathLock(hidden_path(self._path, "lock"), label, job.run)
        self._new = hidden_path(self._path, "run", job.run)
        self._record = hidden_path(self._path, "done")
        self._spool = Spool(hidden_path(self._path, "run", job.run, "rows"))
        self._columns: tuple[DeliveryColumn, ...] = ()
        """The file's columns, in its order."""
        self._writer: Writer | None = None
        self._chunks: set[str] = set()
        self._by_file: Counter[int] = Counter()
        self._published: Published | None = None
        self._marks: dict[str, Any] = {}
        self._undo = FileUndo(path=self._path, job=job, label=label)
        self._is_open = False
        self._is_read_back = False

    def open(self) -> Opened:
        check_folder(self._path)
        if not self._job.trial:
            self._begin()
        self._is_open = True
        exists = self._path.exists()
        if not exists and not self._job.create:
            raise RefusedError(f"{self._label} does not exist", hint="Create it, or allow it by `create: true`.")
        self._columns = self._match() if exists else delivered_columns(self._job)
        check_names(column.name for column in self._columns)
        table = self._form.planned(self._columns)
        return Opened(table=table, created=not exists, staged=False, published=self._published)

    def _begin(self) -> None:
        """Lock the file, look for an earlier publish, tidy up."""
        self._lock.acquire(self._job.wait_seconds)
        self._find_record()
        keep = self._spool.folder if self._published else None
        clear_debris(hidden_path(self._path, "run", ""), keep=keep)

    def _find_record(self) -> None:
        """Was this delivery published by a run that was cut off? Other records are of runs that are over."""
        record = read_record(self._record)
        if record is None or not self._path.exists():
            return
        with os_errors(f"can't read {self._label}"):
            same = record.get("delivery_id") == self._job.delivery_id and record["file"] == fingerprint(self._path)
        if same:
            self._published = published_from(record)
            self._marks = record["file_marks"]
        else:
            remove(self._record)

    def _match(self) -> tuple[DeliveryColumn, ...]:
        """The job's columns in the existing file's order; for replace the old file does not matter."""
        columns = delivered_columns(self._job)
        if self._job.mode == WriteMode.REPLACE:
            return columns
        info = self._form.inspect(self._path)
        check_contract(info, self._job, self._label)
        by_name = {column.name: column for column in columns}
        if foreign := [column.name for column in info.columns if column.name not in by_name]:
            raise RefusedError(
                f"{self._label} has columns that are not delivered: {', '.join(foreign)}",
                hint="Deliver them too, or write to another file.",
            )
        return tuple(by_name[column.name] for column in info.columns)

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        import pyarrow.compute as pc

        self._ready()
        if self._published is not None or chunk.id in self._chunks:
            return
        if self._job.mode == WriteMode.UPSERT:
            if (refusal := merging.key_refusal(spooled(rows), self._key_indexes(), self._spool)) is not None:
                raise RowsRefusedError(refusal)
            self._spool.write(chunk.id, spooled(rows))
        elif not self._job.trial:
            with os_errors(f"can't write {self._label}"):
                self._write(rows.select([column.name for column in self._columns]))
        self._chunks.add(chunk.id)
        for entry in pc.value_counts(rows[FILE]).to_pylist():
            self._by_file[entry["values"]] += entry["counts"]

    def _write(self, rows: pa.Table | None) -> None:
        if self._writer is None:
            if self._job.mode == WriteMode.APPEND and self._path.exists():
                self._marks = {"old_rows": self._form.count(self._path)}
                self._writer = self._form.go_on(self._path, self._new, self._columns)
            else:
                self._writer = self._form.start(self._new, self._columns)
        if rows is not None:
            self._writer.write(rows)

    def foresee(self, rows: int) -> Foreseen:
        """From the file as it is; an upsert is compared with it."""
        self._ready()
        if not self._path.exists():
            return Foreseen(inserted=rows)
        with os_errors(f"can't read {self._label}"):
            if self._job.mode == WriteMode.UPSERT:
                return self._merger.foresee(self._form.read(self._path, delivered_columns(self._job)))
            before = self._count_before()
        return Foreseen(inserted=rows, deleted=before if self._job.mode == WriteMode.REPLACE else 0, rows_before=before)

    def _count_before(self) -> int:
        """Rows of the file; what is replaced need not be a file of this format."""
        try:
            return self._form.count(self._path)
        except RefusedError:
            if self._job.mode == WriteMode.REPLACE:
                return 0
            raise

    def publish(self, *, rows: int, digest: str) -> Published:
        self._ready()
        if self._published is not None:
            return self._published
        arrived = sum(self._by_file.values())
        if arrived != rows:
            raise BalanceError(f"{self._label}: {rows:,} rows were sent, {arrived:,} arrived")
        with os_errors(f"can't write {self._label}"):
            published = self._complete()
            self._rename(published, rows, digest)
            self._undo.prune()
        self._published = published
        return published

    def _complete(self) -> Published:
        """Finish the new content and say what it changes."""
        if self._job.mode == WriteMode.UPSERT:
            return self._merge()
        self._write(None)
        assert self._writer is not None
        self._writer.close()
        self._writer = None
        is_replaced = self._job.mode == WriteMode.REPLACE and self._path.exists()
        deleted = self._count_before() if is_replaced else 0
        inserted = inserted_by_file(self._by_file)
        return Published(inserted=sum(self._by_file.values()), deleted=deleted, by_file=inserted)

    def _merge(self) -> Published:
        columns = delivered_columns(self._job)
        old = self._form.read(self._path, columns) if self._path.exists() else iter(())
        writer = self._form.start(self._new, self._columns)
        published = self._merger.run(old, writer, [column.name for column in self._columns], self._label)
        writer.close()
        return published

    @property
    def _merger(self) -> merging.Merge:
        columns = delivered_columns(self._job)
        return merging.Merge(
            columns=columns,
            key=self._key_indexes(),
            lineage=tuple(index for index, column in enumerate(columns) if column.name in LINEAGE_NAMES),
            new=self._spool,
        )

    def _key_indexes(self) -> tuple[int, ...]:
        names = [column.name for column in delivered_columns(self._job)]
        return tuple(names.index(name) for name in self._job.key)

    def _key_of_spool(self) -> dict[str, int]:
        return dict(zip(self._job.key, self._key_indexes(), strict=True))

    def _rename(self, published: Published, rows: int, digest: str) -> None:
        if self._path.exists():
            os.chmod(self._new, self._path.stat().st_mode & 0o7777)  # noqa: PTH101 - as the calls around it
        sync_file(self._new)
        point("target.merged")
        record = {
            **delivery_row(self._job, str(self._path), published, rows=rows, digest=digest),
            "published_at": datetime.now(UTC).isoformat(),
            "file": fingerprint(self._new),
            "file_marks": self._marks,
        }
        self._undo.keep(record)
        with self._record.open("w", encoding="utf-8") as file:
            json.dump(record, file)
            file.flush()
            os.fsync(file.fileno())
        point("target.before_commit")
        self._new.replace(self._path)
        point("target.committed")
        sync_file(self._path.absolute().parent)

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        self._ready()
        find = self._finder(columns)
        if find is None:
            return VerifyLevel.COUNT, self._counted()
        return VerifyLevel.CONTENT, self._found(find)

    def _finder(self, columns: Columns) -> Callable[[], Iterator[pa.Table]] | None:
        """How the batch's rows are told apart from others, or None."""
        job, path = self._job, self._path
        if job.mode == WriteMode.REPLACE:
            return lambda: self._form.read(path, columns)
        if job.stamped:
            wanted = [*columns, *(column for column in self._columns if column.name == "_batch")]
            return lambda: merging.of_batch(self._form.read(path, wanted), job.batch)
        if self._published is None:
            return None
        if job.mode == WriteMode.UPSERT and self._spool.paths:
            keys = [column for column in self._columns if column.name in job.key]
            wanted = [*columns, *(column for column in keys if column.name not in {c.name for c in columns})]
            return lambda: merging.with_keys(
                self._form.read(path, wanted), wanted, columns, self._key_of_spool(), self._spool
            )
        if job.mode == WriteMode.APPEND:
            return lambda: merging.behind(self._form.read(path, columns), self._marks.get("old_rows", 0))
        return None

    def _found(self, find: Callable[[], Iterator[pa.Table]]) -> Iterator[pa.Table]:
        with os_errors(f"can't read {self._label}"):
            yield from find()
        self._is_read_back = True

    def _counted(self) -> Iterator[pa.Table]:
        import pyarrow as pa

        rows = self._form.count(self._path) if self._path.exists() else 0
        yield pa.table({"count": pa.array([rows], pa.int64())})
        self._is_read_back = True

    def written(self, sent: Callable[[], Iterable[pa.Table]]) -> Written:
        """The delivery's rows as they are in the file now; looked for only where its bytes have changed."""
        import pyarrow as pa

        self._ready()
        with os_errors(f"can't read {self._label}"):
            record = self._undo.record()
            untouched = self._undo.untouched(record)
        published = published_from(record)
        rows = published.inserted + published.updated + published.unchanged
        if untouched:
            return Written(expected=rows, rows=iter(()), all_sent=True, untouched=True)
        self._published, self._marks = published, record["file_marks"]
        if self._job.mode == WriteMode.UPSERT:
            for number, table in enumerate(sent()):
                files = pa.nulls(table.num_rows, pa.int32())
                self._spool.write(str(number), spooled(table.append_column(FILE, files)))
        find = self._finder(self._job.columns)
        return Written(expected=rows, rows=find() if find else iter(()), all_sent=True, untouched=False)

    def undo(self) -> Undone:
        record = self._undo.record()
        with os_errors(f"can't write {self._label}"):
            self._undo.bring_back()
            remove(self._record)
        self._published = None
        counts = published_from(record)
        return Undone(deleted=counts.inserted, restored=counts.updated, brought_back=counts.deleted)

    def sweep(self, *, keep: int, ended: Collection[str], dry_run: bool) -> list[str]:
        """Old contents kept for rollbacks, and what dead runs left beside the file."""
        self._lock.acquire(self._job.wait_seconds)
        with os_errors(f"can't tidy up beside {self._label}"):
            old = self._undo.outdated(keep)
            for path in () if dry_run else old:
                remove(path)
            return [*map(str, old), *debris(hidden_path(self._path, "run", ""), dry_run=dry_run)]

    def abandon(self) -> None:
        if self._is_open and self._published is None:
            self._discard()

    def _discard(self) -> None:
        if self._writer is not None:
            with suppress(Exception):
                self._writer.close()
            self._writer = None
        remove(self._new)
        self._spool.remove()

    def close(self) -> None:
        if self._is_open:
            with suppress(OSError):
                # the rows of a publish that was not read back still tell which rows of the file are the batch's
                if self._published is None or self._is_read_back:
                    self._discard()
            self._is_open = False
        self._lock.release()

    def _ready(self) -> None:
        if not self._is_open:
            raise RefusedError(f"{self._label} is not open", hint="Call open first.")
