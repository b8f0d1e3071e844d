"""Folders for temporary files that belong to one process: removed when it ends, or by the next one when it was killed."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from loadlock.durable import workspace_error

_LOCK = "lock"
_UNLOCKED_SECONDS = 86_400
"""How long what has no lock is left alone: a folder is a moment older than its lock."""


class OwnFolder:
    """A new folder below `parent`, locked as long as this process lives. WorkspaceError where it can't be made."""

    def __init__(self, parent: Path) -> None:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix="p", dir=parent))
            self._lock = (self.path / _LOCK).open("a")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise workspace_error(f"can't write to {parent}", error) from error

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def sweep(parent: Path) -> None:
    """Remove what killed processes left below `parent`. What can't be removed stays."""
    with suppress(OSError):
        for left in list(parent.iterdir()):
            with suppress(OSError):
                if _is_dead(left):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()


def _is_dead(path: Path) -> bool:
    lock = path / _LOCK
    if not lock.is_file():
        return time.time() - path.stat().st_mtime > _UNLOCKED_SECONDS
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
