"""What the destinations on the local disk share: paths, the lock beside a path, the spool of chunks, the job's columns.

Hidden names beside a target start with `.<name>.loadlock-`: `…-<run>` (what a run writes) and `…lock` (who writes).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from loadlock.delivery.base import DeliveryColumn, Job
from loadlock.errors import LockedError, RefusedError
from loadlock.rows import FILE
from loadlock.types import TEXT, ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

POLL_SECONDS = 0.05
LINEAGE_NAMES = ("_batch", "_row")
_LINEAGE = (
    DeliveryColumn(name="_batch", type=TEXT, required=True),
    DeliveryColumn(name="_row", type=ColumnType(kind="integer"), required=True),
)


def delivered_columns(job: Job) -> tuple[DeliveryColumn, ...]:
    """The columns written for a job: its own, then the lineage columns where they are asked for."""
    return (*job.columns, *_LINEAGE) if job.lineage else job.columns


def database_path(url: str) -> Path:
    """The path of `duckdb:///relative.db` or `sqlite:////absolute.db`."""
    _, found, path = url.partition(":///")
    if not found or not path:
        raise RefusedError(f"{url!r} names no file", hint="Write scheme:///relative.db or scheme:////absolute/path.db.")
    return Path(path)


def file_path(url: str) -> Path:
    """The path of a file's URL: a plain path or `file:///absolute/path` (percent signs decoded)."""
    return Path(unquote(urlsplit(url).path)) if url.startswith("file://") else Path(url)


def check_folder(path: Path) -> None:
    """Raise RefusedError unless the folder of `path` exists and `path` itself is no folder."""
    if path.is_dir():
        raise RefusedError(f"{path} is a folder", hint="Name a file in it.")
    if not path.absolute().parent.is_dir():
        raise RefusedError(f"the folder of {path} does not exist", hint=f"Make it: mkdir -p {path.parent}")


def hidden_path(path: Path, *parts: str) -> Path:
    """The name of something of ours beside `path`."""
    word = "-".join(re.sub(r"[^A-Za-z0-9_.]", "_", part) for part in parts)
    return path.absolute().with_name(f".{path.name}.loadlock-{word}")


def short_hash(text: str) -> str:
    """8 hex digits that stand for a table in a file's name."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]


def remove(path: Path) -> None:
    """Delete a file or folder of ours; nothing there is no error."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sync_file(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def clear_debris(prefix: Path, *, keep: Path | None = None) -> None:
    """Delete what dead runs left: everything whose path starts with `prefix`. Only under the target's lock."""
    for path in prefix.parent.iterdir():
        if path.name.startswith(prefix.name) and path != keep:
            remove(path)


def debris(prefix: Path, *, dry_run: bool) -> list[str]:
    """What dead runs left under names that start with `prefix`, deleted unless `dry_run`. Only under the target's lock."""
    found = sorted(path for path in prefix.parent.iterdir() if path.name.startswith(prefix.name))
    for path in () if dry_run else found:
        remove(path)
    return [str(path) for path in found]


@contextmanager
def os_errors(what: str) -> Iterator[None]:
    """Map the operating system's errors to RefusedError."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise RefusedError(f"{what}: {reason}", hint="Look at the folder's rights and free space.") from error


class PathLock:
    """An exclusive lock held by a hidden file beside a path. It frees itself when its process ends.

    The file holds the run's id, for the message of who comes second.
    """

    def __init__(self, path: Path, label: str, run: str) -> None:
        self._path = path
        self._label = label
        self._run = run
        self._handle: int | None = None

    def acquire(self, wait_seconds: float) -> None:
        """Take the lock, waiting for at most `wait_seconds`; raises LockedError. Again, by its holder, is no error."""
        if self._handle is not None:
            return
        end = time.monotonic() + wait_seconds
        while not self._try():
            if time.monotonic() >= end:
                raise LockedError(
                    f"{self._label} is being written by run {self._holder()}",
                    hint="Wait for it, or give --wait with a number of seconds.",
                )
            time.sleep(POLL_SECONDS)

    def _try(self) -> bool:
        with os_errors(f"can't lock {self._label}"):
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # the holder before us may have deleted the name between our open and our lock
            if os.stat(self._path).st_ino == os.fstat(handle).st_ino:  # noqa: PTH116 - like os.fstat beside it
                self._handle = handle
                os.ftruncate(handle, 0)
                os.pwrite(handle, self._run.encode(), 0)
                return True
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(handle)
        return False

    def _holder(self) -> str:
        with suppress(OSError):
            return self._path.read_text(encoding="utf-8", errors="replace") or "?"
        return "?"

    def release(self) -> None:
        """Give the lock back; again is no error."""
        if self._handle is None:
            return
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        os.close(self._handle)
        self._handle = None


@dataclass
class Spool:
    """The chunks of one delivery on disk, one Parquet file each, until they are published.

    Columns are named `c0`, `c1` ... in the job's order (names of ours, so that names of any kind pass through), then
    `_file`.
    """

    folder: Path
    rows: int = 0
    chunks: set[str] = field(default_factory=set)
    used: bool = False
    """Whether its owner wrote or read it, or goes on without it: one who only looked leaves it for the run it is of."""

    @property
    def paths(self) -> list[Path]:
        """The chunks' files, in the order written."""
        return sorted(self.folder.glob("*.parquet"))

    def write(self, chunk_id: str, table: pa.Table) -> None:
        """Write one chunk (columns as `spooled` names them), whole or not at all."""
        import pyarrow.parquet as pq

        path = self.folder / f"{len(self.chunks):08}.parquet"
        with os_errors(f"can't write beside {self.folder.name}"):
            self.folder.mkdir(exist_ok=True)
            # renamed when whole: a chunk cut off by a crash must not be read back
            beside = path.with_suffix(".part")
            pq.write_table(table, beside, compression="lz4", write_statistics=False)
            beside.rename(path)
        self.chunks.add(chunk_id)
        self.rows += table.num_rows
        self.used = True

    def sql(self) -> str:
        """The chunks as a DuckDB table function, in order."""
        self.used = True
        names = ", ".join("'" + str(path).replace("'", "''") + "'" for path in self.paths)
        return f"read_parquet([{names}])"

    def remove(self) -> None:
        remove(self.folder)
        self.rows = 0
        self.chunks.clear()


def spooled(rows: pa.Table) -> pa.Table:
    """A chunk under the spool's names; its last column is `_file`."""
    return rows.rename_columns([*(f"c{index}" for index in range(rows.num_columns - 1)), FILE])


def remove_if_empty(path: Path) -> None:
    """Delete a file of no bytes: a database that was opened and never written to."""
    with suppress(OSError):
        if path.stat().st_size == 0:
            path.unlink()
