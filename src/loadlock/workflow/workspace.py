"""The workspace: the folder that holds ledger, staging, kept sources, locks and reports."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from loadlock.durable import workspace_error
from loadlock.errors import LockedError, WorkspaceError
from loadlock.intake.files import Keep, Patience
from loadlock.ledger.base import Ledger
from loadlock.staging.base import Staging
from loadlock.staging.sources import SourceStore
from loadlock.workflow.own_folder import OwnFolder, sweep

FOLDER = ".loadlock"
VARIABLE = "LOADLOCK_WORKSPACE"
_LOCK_POLL_SECONDS = 0.1


def find_workspace(
    explicit: str | Path | None, *, base_folder: str | Path | None, environment: Mapping[str, str] | None = None
) -> Path:
    """`--workspace`, else `LOADLOCK_WORKSPACE`, else `.loadlock/` beside the pipeline, else in the current folder."""
    environment = os.environ if environment is None else environment
    if explicit:
        return Path(explicit)
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    return Path(base_folder or ".") / FOLDER


class Workspace:
    """An open workspace. `ledger`, `staging` and `sources` are ready to use; leaving the `with` block closes them."""

    def __init__(self, root: Path, ledger: Ledger, staging: Staging, sources: SourceStore) -> None:
        self.root = root
        self.ledger = ledger
        self.staging = staging
        self.sources = sources
        self._temp: OwnFolder | None = None

    @classmethod
    def open(cls, root: Path, *, create: bool = True) -> Workspace:
        """Open (and create, with its parents) a workspace. Raises WorkspaceError where that can't be."""
        from loadlock.ledger.sql_ledger import open_ledger
        from loadlock.staging.parquet import ParquetStaging

        if not create and not (root / "ledger.db").exists():
            raise WorkspaceError(
                f"there is no workspace at {root}",
                hint=f"Name it by --workspace or {VARIABLE}, or run a pipeline first.",
            )
        try:
            root.mkdir(parents=True, exist_ok=True)
            for name in ("staging", "sources", "locks", "reports", "tmp"):
                (root / name).mkdir(exist_ok=True)
        except OSError as exc:
            raise workspace_error(f"the workspace {root} can't be written", exc) from exc
        root = root.resolve()
        sweep(root / "tmp")
        return cls(root, open_ledger(root), ParquetStaging(root), SourceStore(root / "sources"))

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, *exc: object) -> None:
        self.ledger.close()
        if self._temp is not None:
            self._temp.remove()
            self._temp = None

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def temp(self) -> Path:
        """A folder for temporary files of this process, made when first asked for; what dead processes left is removed."""
        if self._temp is None:
            self._temp = OwnFolder(self.root / "tmp")
        return self._temp.path

    @contextmanager
    def keep(self, patience: Patience | None = None) -> Iterator[Keep]:
        """Where source files lie until they are staged: what is fetched outlives a failed run."""
        keep = Keep.in_folder(self.temp, downloads=self.root / "downloads", patience=patience)
        keep.downloads.sweep()
        try:
            yield keep
        finally:
            keep.close()

    @contextmanager
    def lock_batch(self, batch: str, *, wait_seconds: float = 0.0) -> Iterator[None]:
        """Exclude other processes from working on a batch. Raises LockedError."""
        with self._lock(batch, f"batch {batch[:12]}", wait_seconds):
            yield

    @contextmanager
    def lock_targets(self, labels: Iterable[str], *, wait_seconds: float = 0.0) -> Iterator[None]:
        """Exclude other runs of this workspace from these destinations, from the choice of files on. Raises LockedError.

        Without it two runs that overlap would both take a file as not yet delivered.
        """
        with ExitStack() as stack:
            for label in sorted(set(labels)):
                name = hashlib.sha256(label.encode()).hexdigest()
                stack.enter_context(self._lock(name, label, wait_seconds))
            yield

    @contextmanager
    def _lock(self, name: str, what: str, wait_seconds: float) -> Iterator[None]:
        """The lock of a dead process frees itself."""
        path = self.root / "locks" / f"{name[:32]}.lock"
        with path.open("a+") as file:
            _lock(file, what, wait_seconds)
            file.seek(0)
            file.truncate()
            file.write(str(os.getpid()))
            file.flush()
            try:
                yield
            finally:
                fcntl.flock(file, fcntl.LOCK_UN)


def _lock(file: IO[str], what: str, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as exc:
            if time.monotonic() >= deadline:
                file.seek(0)
                owner = file.read().strip() or "another process"
                raise LockedError(
                    f"{what} is being worked on by process {owner}",
                    hint="Wait for it, or use --wait SECONDS.",
                ) from exc
            time.sleep(_LOCK_POLL_SECONDS)
