"""Streams of decompressed bytes that notice damage, change and over-expansion."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from loadlock.errors import SourceError

_MAGIC = (
    (b"\x1f\x8b", "gz"),
    (b"\x28\xb5\x2f\xfd", "zst"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\x00", "xz"),
)
_DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError, RuntimeError)


@dataclass(frozen=True, kw_only=True)
class ExpansionLimits:
    """How far a compressed file may expand before it is taken for a bomb."""

    ratio: int = 1000
    """Decompressed bytes for each compressed byte ..."""
    free_bytes: int = 100 << 20
    """... once more than this came out."""
    max_bytes: int = 1 << 40
    """Decompressed bytes of one file, whatever the ratio."""

    def check(self, name: str, bytes_in: int, bytes_out: int) -> None:
        """SourceError where so many bytes must not come out of so few."""
        bomb = bytes_out > self.free_bytes and bytes_out > self.ratio * max(bytes_in, 1)
        if bomb or bytes_out > self.max_bytes:
            raise SourceError(
                f"{name} expands to more than {bytes_out:,} bytes from {bytes_in:,}: refused as a decompression bomb",
                hint="If the file is meant to be so, decompress it yourself and load the plain file.",
            )


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


def changed(path: Path) -> SourceError:
    """The error for a file that is not what it was."""
    return SourceError(
        f"{path} changed while it was read", hint="Wait until the sender has finished writing, then start again."
    )


class _Watched(io.RawIOBase):
    """A file's raw bytes, counted and digested as they are read in order."""

    def __init__(self, stream: IO[bytes], *, digest: bool) -> None:
        self._stream = stream
        self._digest = hashlib.sha256() if digest else None
        self.count = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        if self._digest:
            self._digest.update(data)
        self.count += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def drain(self) -> None:
        """Read what a decompressor left behind its last stream, so that the digest is of the whole file."""
        while self.read(1 << 20):
            pass

    def hexdigest(self) -> str | None:
        return self._digest.hexdigest() if self._digest else None


def compression(path: Path) -> str | None:
    """`gz`, `zst`, `zip`, `bz2`, `xz` by the file's first bytes; None for any other."""
    with _readable(path) as stream:
        head = stream.read(8)
    return next((name for magic, name in _MAGIC if head.startswith(magic)), None)


@contextmanager
def _readable(path: Path) -> Iterator[IO[bytes]]:
    try:
        stream = path.open("rb", buffering=0)
    except OSError as error:
        raise SourceError(f"can't read {path}: {error.strerror}", hint="Check path and rights.") from error
    with stream:
        yield stream


def raw_blocks(path: Path, stamp: Stamp, block_bytes: int) -> Iterator[bytes]:
    """The file's bytes as they lie there; SourceError where its size or time is not that of `stamp` at the end."""
    with _readable(path) as stream:
        while block := stream.read(block_bytes):
            yield block
    if Stamp.of(path) != stamp:
        raise changed(path)


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; SourceError where its directory is damaged."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise SourceError(f"the archive {path} is damaged or cut off: {error}", hint="Fetch it again.") from error
    with archive:
        yield archive


def expanded(
    path: Path,
    *,
    stamp: Stamp,
    digest: str | None,
    member: str | None,
    limits: ExpansionLimits,
    block_bytes: int = 4 << 20,
) -> Iterator[bytes]:
    """The decompressed bytes in blocks. `digest` (sha256 of the raw bytes), if given, is compared at the end."""
    if Stamp.of(path) != stamp:
        raise changed(path)
    kind = compression(path)
    name = f"{path}!{member}" if member else str(path)
    with ExitStack() as stack:
        raw = _Watched(stack.enter_context(_readable(path)), digest=digest is not None)
        stream = stack.enter_context(_decompressor(kind, raw, path, member))
        total = 0
        while block := _read(stream, block_bytes, name, raw):
            total += len(block)
            if kind:
                limits.check(name, stamp.size if member else raw.count, total)
            yield block
        raw.drain()
    if Stamp.of(path) != stamp or (digest is not None and raw.hexdigest() != digest):
        raise changed(path)


@contextmanager
def _decompressor(kind: str | None, raw: _Watched, path: Path, member: str | None) -> Iterator[Any]:
    if kind == "zip" and member:
        with open_zip(path) as archive, archive.open(member) as stream:
            yield stream
    elif kind == "zst":
        import pyarrow as pa

        yield pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")
    else:
        opened: dict[str | None, Callable[[], Any]] = {
            "gz": lambda: gzip.GzipFile(fileobj=io.BufferedReader(raw, 1 << 20)),
            "bz2": lambda: bz2.BZ2File(io.BufferedReader(raw, 1 << 20)),
            "xz": lambda: lzma.LZMAFile(io.BufferedReader(raw, 1 << 20)),  # noqa: SIM115 (the raw file is closed)
        }
        yield opened.get(kind, lambda: raw)()


def _read(stream: Any, size: int, name: str, raw: _Watched) -> bytes:
    """The next block, filled as far as the stream allows."""
    try:
        data: bytes = stream.read(size)
        return data
    except _DAMAGE as error:
        place = f" near byte {raw.count:,} of the compressed file" if raw.count else ""
        raise SourceError(
            f"{name} is damaged or cut off{place}: {error}", hint="Fetch the file again, or ask the sender for it."
        ) from error
