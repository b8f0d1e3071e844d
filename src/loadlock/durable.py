"""Files that are there whole or not at all: written beside, flushed to the disk, renamed; and disk errors in words."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loadlock.errors import WorkspaceError
from loadlock.faults import point

_numbers = itertools.count(1)
_HOST = "".join(character for character in os.uname().nodename if character.isalnum()) or "host"
_HINTS = {
    errno.ENOSPC: "The disk is full: free some space, then run `loadlock resume`.",
    errno.EDQUOT: "The disk quota is used up: free some space, then run `loadlock resume`.",
    errno.EACCES: "Check the rights of the folder, or choose another with --workspace.",
    errno.EPERM: "Check the rights of the folder, or choose another with --workspace.",
    errno.EROFS: "The file system is read-only: choose another folder with --workspace.",
    errno.EIO: "The disk reports a damage: look at the system's log, choose another with --workspace.",
}


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the name `path` when the block ends without an error.

    Before that the file is flushed to the disk, after it the folder. After an error nothing is left. Missing folders are
    made. Several writers may work at once, also on the same path (the last one wins). OSError is the caller's to map.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{_HOST}-{os.getpid()}-{next(_numbers)}.tmp")
    try:
        yield beside
        point("file.written")
        flush_to_disk(beside)
        point("file.flushed")
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise
    point("file.renamed")
    flush_to_disk(path.parent)


def clear_debris(path: Path) -> None:
    """Delete what killed processes of this machine left beside `path`. OSError is the caller's to map."""
    for debris in path.parent.glob(f"{path.name}.{_HOST}-*.tmp"):
        process = debris.name.removeprefix(f"{path.name}.{_HOST}-").split("-")[0]
        if process.isdecimal() and not _lives(int(process)):
            debris.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def flush_to_disk(path: Path) -> None:
    """fsync a file or a folder by name."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def workspace_error(what: str, error: OSError) -> WorkspaceError:
    """The error for a disk that said no, with what to do by its number; `what` as in "can't write part 3"."""
    reason = error.strerror or str(error)
    return WorkspaceError(f"{what}: {reason}", hint=_HINTS.get(error.errno or 0))
