"""Where the bytes of a source lie: a file, a range of a file, a member of a zip archive, a file of the spool."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from loadlock.durable import workspace_error
from loadlock.errors import SourceError
from loadlock.intake._streams import Section, Stream, compression_of, opened
from loadlock.intake._zip import ZipMember, is_zip, member_stream


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What tells that a file is still the one that was looked at."""

    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """The stamp of a file as it lies there now."""
        try:
            status = path.stat()
        except OSError as error:
            raise SourceError(f"{path} vanished while it was read", hint="Start again when it is there.") from error
        return cls(size=status.st_size, modified_ns=status.st_mtime_ns, inode=status.st_ino)


def changed(name: object) -> SourceError:
    """The error for a file that is not what it was."""
    return SourceError(
        f"{name} changed while it was read", hint="Wait until the sender has finished writing, then start again."
    )


class Blob(Protocol):
    """Bytes at rest, as they were sent or packed; readable from the start any number of times."""

    @property
    def size(self) -> int:
        """Bytes that it takes where it lies."""
        ...

    def opened(self) -> AbstractContextManager[Stream]:
        """Its bytes. SourceError where the file changed since it was first looked at."""
        ...


@dataclass(frozen=True, kw_only=True)
class FileBlob:
    """A file, or a range of it."""

    path: Path
    stamp: Stamp
    offset: int = 0
    length: int | None = None

    @property
    def size(self) -> int:
        return self.stamp.size if self.length is None else self.length

    @property
    def whole(self) -> bool:
        """Whether this is all of the file."""
        return self.length is None

    @contextmanager
    def opened(self) -> Iterator[Stream]:
        with unchanged(self.path, self.stamp), opened(self.path) as stream:
            yield stream if self.length is None else Section(stream, self.offset, self.length, str(self.path))

    def slices(self, places: Iterable[tuple[int, int]]) -> list[bytes] | None:
        """The bytes at each (offset, length) as they lie there now; None where the file is not the one that was looked at."""
        try:
            with unchanged(self.path, self.stamp), self.path.open("rb") as file:
                return [os.pread(file.fileno(), length, self.offset + offset) for offset, length in places]
        except (OSError, SourceError):
            return None


@dataclass(frozen=True, kw_only=True)
class ZipBlob:
    """A member of the zip archive at `path`; `name` for messages."""

    path: Path
    stamp: Stamp
    member: ZipMember
    name: str

    @property
    def size(self) -> int:
        return self.member.packed

    @contextmanager
    def opened(self) -> Iterator[Stream]:
        with unchanged(self.path, self.stamp), opened(self.path) as stream:
            yield member_stream(stream, self.member, self.name)


@dataclass(frozen=True, kw_only=True)
class SpoolBlob:
    """Bytes that were packed once more, by zstd, to lie in the spool; `size` is theirs, not the file's."""

    path: Path
    size: int

    @contextmanager
    def opened(self) -> Iterator[Stream]:
        import pyarrow as pa

        with opened(self.path) as stream:
            yield pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd")


@contextmanager
def unchanged(path: Path, stamp: Stamp) -> Iterator[None]:
    """SourceError where the file is not that of `stamp`, at the start or (if the block went well) at the end."""
    if Stamp.of(path) != stamp:
        raise changed(path)
    yield
    if Stamp.of(path) != stamp:
        raise changed(path)


class Spool:
    """A folder for what must lie on the disk to be read again: members of archives that can only be read in order.

    Made when first used, below `parent` (default: the system's folder for temporary files), removed by `close` or when
    nothing refers to it any more.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._folder: Path | None = None
        self._count = 0
        self._remover: weakref.finalize[..., Spool] | None = None

    def path(self) -> Path:
        """A new file's place."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="loadlock-", dir=self._parent))
            self._remover = weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._count += 1
        return self._folder / f"{self._count:06d}"

    def close(self) -> None:
        """Remove the folder; called again it does nothing."""
        if self._remover is not None:
            self._remover()

    def keep(self, blocks: Iterator[bytes], *, plain: bool = False) -> FileBlob | SpoolBlob:
        """The bytes, written down: as they are where they are compressed already, or where `plain` asks for it.

        WorkspaceError where the disk says no.
        """
        try:
            path = self.path()
            first = next(blocks, b"")
            if plain or is_zip(first) or compression_of(first):
                _write(path, first, blocks)
                return FileBlob(path=path, stamp=Stamp.of(path))
            return SpoolBlob(path=path, size=_pack(path, first, blocks))
        except OSError as error:
            raise workspace_error(f"can't unpack an archive to {self._folder or self._parent}", error) from error


def _write(path: Path, first: bytes, rest: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        file.write(first)
        for block in rest:
            file.write(block)


def _pack(path: Path, first: bytes, rest: Iterator[bytes]) -> int:
    import pyarrow as pa

    size = len(first)
    with pa.CompressedOutputStream(os.fspath(path), "zstd") as file:
        file.write(first)
        for block in rest:
            file.write(block)
            size += len(block)
    return size
