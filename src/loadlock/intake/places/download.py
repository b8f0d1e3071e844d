"""Files of other places, brought to this disk whole: interrupted, they go on where they stopped, or begin again."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from loadlock.durable import flush_to_disk, workspace_error, written_whole
from loadlock.errors import SourceError, SourceUnavailableError
from loadlock.intake._blobs import Spool
from loadlock.intake.places.base import Facts, InterruptedFetchError, Opened, RemoteFile

KEPT_SECONDS = 7 * 86_400
"""How long what a run fetched is kept for the next one."""
CACHE_BYTES = 4 << 30
"""How much of what was fetched and staged is kept for the next run, the newest first."""
_LONGEST_WAIT = 60.0
_RESTARTS = 3


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often an interrupted fetch is tried again without a byte gained, and how long is waited (it doubles)."""

    tries: int = 6
    first_wait_seconds: float = 1.0
    sleep: Callable[[float], None] = time.sleep
    say: Callable[[str], None] = lambda _: None
    """Where a person is told what is fetched, and why it takes so long."""


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A file that was fetched whole."""

    label: str
    path: Path
    sha256: str


@dataclass(frozen=True, kw_only=True)
class _Note:
    """Written beside a download: what it is, as its place described it; `sha256` once it is whole."""

    label: str
    size: int | None = None
    version: str | None = None
    sha256: str | None = None

    @property
    def facts(self) -> Facts:
        return Facts(size=self.size, version=self.version)


class Downloads:
    """Fetched files, below `folder` if given: there they outlive a failed run, so that the next one goes on with them.

    A file that another process is fetching there at this moment, and all of them without a folder, go to the spool.
    """

    def __init__(self, spool: Spool, folder: Path | None = None, *, patience: Patience | None = None) -> None:
        self._spool = spool
        self._folder = folder
        self._patience = patience or Patience()
        self._held: dict[str, tuple[Path, IO[str]]] = {}

    def fetch(self, remote: RemoteFile) -> Fetched:
        """The file, whole, as it is at its place now.

        SourceError where it can't be read or changes all the time; SourceUnavailableError where its place can't be
        reached; WorkspaceError where the disk says no.
        """
        path = self._place(hashlib.sha256(remote.key.encode("utf-8", "surrogateescape")).hexdigest())
        try:
            return _Fetch(remote, path, self._patience).go()
        except OSError as error:
            raise workspace_error(f"can't keep what was fetched from {remote.label}", error) from error

    def keep(self, blocks: Iterator[bytes], label: str, key: str) -> Fetched:
        """Bytes that come only once (standard input), written down whole."""
        path = self._place(hashlib.sha256(key.encode()).hexdigest())
        digest = hashlib.sha256()
        try:
            with path.open("wb") as file:
                for block in blocks:
                    file.write(block)
                    digest.update(block)
            _write_note(path, _Note(label=label, sha256=digest.hexdigest()))
        except OSError as error:
            raise workspace_error(f"can't keep the bytes of {label}", error) from error
        return Fetched(label=label, path=path, sha256=digest.hexdigest())

    def whole(self, label: str) -> list[Fetched]:
        """What an earlier run fetched whole from this address. It may be other at its place by now."""
        found = []
        for path in sorted(self._folder.glob("*.data")) if self._folder and self._folder.is_dir() else ():
            note = _read_note(path)
            if note and note.label == label and note.sha256 and self._hold(path.stem):
                found.append(Fetched(label=label, path=path, sha256=note.sha256))
        return found

    def discard(self, *, cached: bool = False) -> None:
        """Remove what was fetched: it is staged.

        With `cached` what its place can confirm is kept, so that a later run needs to fetch only what is new there.
        """
        for path, _ in self._held.values():
            note = _read_note(path) if cached else None
            with suppress(OSError):
                if note is None or note.version is None or note.sha256 is None:
                    _remove(path)
                else:
                    os.utime(path)
        self.close()

    def clear(self) -> None:
        """Remove what no process holds."""
        for path in self._resting():
            self._remove_unheld(path)

    def close(self) -> None:
        """Let others use what was fetched; called again it does nothing."""
        for _, lock in self._held.values():
            lock.close()
        self._held.clear()

    def sweep(self) -> None:
        """Remove what no process holds and nobody came back for, and the oldest of what is too much to keep."""
        kept = 0
        for path in self._resting():
            with suppress(OSError):
                kept += path.stat().st_size
                if time.time() - path.stat().st_mtime > KEPT_SECONDS or kept > CACHE_BYTES:
                    self._remove_unheld(path)

    def _resting(self) -> list[Path]:
        """What lies in the folder, the newest first."""
        if self._folder is None or not self._folder.is_dir():
            return []
        times = {}
        for path in self._folder.glob("*.data"):
            with suppress(OSError):
                times[path] = path.stat().st_mtime_ns
        return sorted(times, key=times.__getitem__, reverse=True)

    def _remove_unheld(self, path: Path) -> None:
        if path.stem not in self._held and self._hold(path.stem):
            with suppress(OSError):
                _remove(path)
            self._held.pop(path.stem)[1].close()

    def _place(self, stem: str) -> Path:
        return self._hold(stem) or self._spool.path()

    def _hold(self, stem: str) -> Path | None:
        """The file's place in the folder, for this process alone; None where another one has it."""
        if self._folder is None:
            return None
        if stem in self._held:
            return self._held[stem][0]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = _locked(self._folder / f"{stem}.lock")
        except OSError as error:
            raise workspace_error(f"can't write to {self._folder}", error) from error
        if lock is None:
            return None
        path = self._folder / f"{stem}.data"
        self._held[stem] = (path, lock)
        return path


class _Fetch:
    """One file on its way to one path."""

    def __init__(self, remote: RemoteFile, path: Path, patience: Patience) -> None:
        self._remote = remote
        self._path = path
        self._patience = patience
        self._known: Facts | None = None
        self._digest = hashlib.sha256()
        self._count = 0
        self._furthest = 0
        self._gained = False
        self._failures = 0

    def go(self) -> Fetched:
        earlier = _read_note(self._path)
        if earlier and earlier.version and self._path.exists():
            self._known = earlier.facts
            self._take_up(whole=earlier.sha256 is not None)
        for _ in range(_RESTARTS):
            self._read_on()
            if earlier and earlier.sha256 and earlier.facts == self._known and self._sha256 != earlier.sha256:
                # what lay here is not what was fetched then
                earlier = None
                self._begin()
                continue
            if self._tried(lambda: self._remote.unchanged(self._facts)):
                return self._whole()
            self._begin()
        raise SourceError(
            f"{self._remote.label} changes while it is read",
            hint="Wait until the sender has finished writing, then start again.",
        )

    @property
    def _sha256(self) -> str:
        return self._digest.hexdigest()

    @property
    def _facts(self) -> Facts:
        assert self._known is not None
        return self._known

    def _take_up(self, *, whole: bool) -> None:
        """Go on behind what an earlier process fetched; of a whole file the last byte is asked for anew.

        So its place must say that it is still the same file: not all of them tell that otherwise.
        """
        left = self._path.stat().st_size - whole
        with self._path.open("rb") as file:
            while left > 0 and (data := file.read(min(1 << 20, left))):
                left -= len(data)
                self._digest.update(data)
                self._count += len(data)
        if self._known and self._known.size is not None and self._count > self._known.size:
            self._begin()

    def _begin(self) -> None:
        self._known, self._digest, self._count = None, hashlib.sha256(), 0

    def _read_on(self) -> None:
        """To the end of the file, however often the connection breaks, as long as some bytes are gained each few times."""
        while not (self._known and self._known.size == self._count):
            opened = self._tried(self._open)
            try:
                self._copy(opened)
                self._check_size()
                return
            except InterruptedFetchError as error:
                self._give_up_or_wait(error)

    def _open(self) -> Opened:
        # without a version nobody can tell whether the rest belongs to the same content
        going_on = self._known is not None and self._known.version is not None
        opened = self._remote.open(self._count if going_on else 0, self._known if going_on else None)
        size = f" ({opened.facts.size / 1e6:,.1f} MB)" if opened.facts.size is not None else ""
        self._patience.say(
            f"fetching {self._remote.label}{size}{f', from byte {opened.start:,} on' if opened.start else ''}"
        )
        if opened.start != self._count:
            self._begin()
        self._known = opened.facts
        return opened

    def _copy(self, opened: Opened) -> None:
        _write_note(self._path, _Note(label=self._remote.label, **asdict(opened.facts)))
        with self._path.open("r+b" if self._count else "wb") as file:
            file.seek(self._count)
            file.truncate()
            for block in opened.blocks:
                file.write(block)
                self._digest.update(block)
                self._count += len(block)
                self._gained = self._gained or self._count > self._furthest
                self._furthest = max(self._furthest, self._count)

    def _check_size(self) -> None:
        size = self._facts.size
        if size is not None and self._count < size:
            raise InterruptedFetchError(f"{self._count:,} of {size:,} bytes came")
        if size is not None and self._count > size:
            raise SourceError(
                f"{self._remote.label}: {self._count:,} bytes came, but its place says it has {size:,}",
                hint="Its place says something wrong, or the file is being written: ask who runs it.",
            )

    def _tried(self, call: Callable[[], Any]) -> Any:
        while True:
            try:
                return call()
            except InterruptedFetchError as error:
                self._give_up_or_wait(error)

    def _give_up_or_wait(self, error: InterruptedFetchError) -> None:
        self._failures = 1 if self._gained else self._failures + 1
        self._gained = False
        if self._failures >= self._patience.tries:
            raise SourceUnavailableError(
                f"can't fetch {self._remote.label}: {error} (tried {self._failures} times)",
                hint="Start again when its place can be reached: what came so far is kept.",
            ) from error
        usual = self._patience.first_wait_seconds * 2 ** (self._failures - 1) * random.uniform(0.75, 1.25)  # noqa: S311
        wait = min(_LONGEST_WAIT, usual if error.wait_seconds is None else error.wait_seconds)
        self._patience.say(f"{self._remote.label}: {error}; trying again in {wait:.0f} s")
        self._patience.sleep(wait)

    def _whole(self) -> Fetched:
        flush_to_disk(self._path)
        label, digest = self._remote.label, self._sha256
        _write_note(self._path, _Note(label=label, sha256=digest, **asdict(self._facts)))
        return Fetched(label=label, path=self._path, sha256=digest)


def _locked(path: Path) -> IO[str] | None:
    """The lock file, locked; None where another process has it, or just removed it."""
    lock = path.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
            return lock
    except (BlockingIOError, FileNotFoundError):
        pass
    lock.close()
    return None


def _note_of(path: Path) -> Path:
    return path.with_suffix(".json")


def _read_note(path: Path) -> _Note | None:
    try:
        return _Note(**json.loads(_note_of(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _write_note(path: Path, note: _Note) -> None:
    with written_whole(_note_of(path)) as beside:
        beside.write_text(json.dumps(asdict(note)), encoding="utf-8")


def _remove(path: Path) -> None:
    for leftover in (path, _note_of(path), path.with_suffix(".lock")):
        leftover.unlink(missing_ok=True)
