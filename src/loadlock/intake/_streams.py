"""Streams of bytes: watched, looked into, decompressed. Damage, a cut and rubbish behind the end raise SourceError."""

from __future__ import annotations

import bz2
import hashlib
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from loadlock.errors import SourceError
from loadlock.intake.base import ExpansionLimits

BLOCK_BYTES = 4 << 20
"""Size of the blocks that sources yield."""
HEAD_BYTES = 512
"""Enough to tell any compression and archive."""
_INPUT_BYTES = 1 << 20
_XZ_MEMORY = 160 << 20
"""Bytes that an xz stream may demand for its dictionary (`xz -9` needs 65 MiB)."""
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")
DAMAGE = (EOFError, OSError, ValueError, zlib.error, lzma.LZMAError, MemoryError)


class Stream(Protocol):
    """Anything that gives bytes in order."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""
        ...


def damaged(name: str, error: object, place: int = 0) -> SourceError:
    """The error for a file that is not whole."""
    near = f" near byte {place:,} of the compressed file" if place else ""
    return SourceError(
        f"{name} is damaged or cut off{near}: {error}", hint="Fetch the file again, or ask the sender for it."
    )


class Meter:
    """Holds what comes out of one file as it was sent (and of all that is packed in it) against the limits."""

    def __init__(self, name: str, bytes_in: int, limits: ExpansionLimits) -> None:
        self.name = name
        self.bytes_in = bytes_in
        self.limits = limits

    def check(self, bytes_out: int, name: str | None = None) -> None:
        """SourceError where so many bytes must not come out of so few."""
        limits = self.limits
        bomb = bytes_out > limits.free_bytes and bytes_out > limits.ratio * max(self.bytes_in, 1)
        if bomb or bytes_out > limits.max_bytes:
            raise SourceError(
                f"{name or self.name} expands to more than {bytes_out:,} bytes from {self.bytes_in:,}:"
                " refused as a decompression bomb",
                hint="If it is meant to be so, raise source.expand_ratio or source.expand_bytes.",
            )

    def check_depth(self, depth: int) -> None:
        """SourceError where too many compressions and archives are one within another."""
        if depth > self.limits.depth:
            raise SourceError(
                f"{self.name} is packed more than {self.limits.depth} times over: refused as a decompression bomb",
                hint="If it is meant to be so, raise source.expand_depth.",
            )


class Readable(io.RawIOBase):
    """A stream for those who want a file object."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer)) or b""
        buffer[: len(data)] = data
        return len(data)


class Watched(Readable):
    """A stream's bytes, counted and digested as they are read in order."""

    def __init__(self, stream: Stream, *, digest: bool) -> None:
        self._stream = stream
        self._digest = hashlib.sha256() if digest else None
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(size)
        if self._digest:
            self._digest.update(data)
        self.count += len(data)
        return data

    def drain(self) -> None:
        """Read what a decompressor left behind its last stream, so that the digest is of the whole."""
        while self.read(1 << 20):
            pass

    def hexdigest(self) -> str | None:
        return self._digest.hexdigest() if self._digest else None


class Peeked(Readable):
    """A stream whose next bytes can be looked at before they are read."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._ahead = b""

    def peek(self, size: int) -> bytes:
        """The next bytes, `size` at most, fewer only at the end."""
        while len(self._ahead) < size and (data := self._stream.read(size - len(self._ahead))):
            self._ahead += data
        return self._ahead[:size]

    def read(self, size: int = -1) -> bytes:
        if not self._ahead:
            return self._stream.read(size)
        size = len(self._ahead) if size < 0 else size
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data


class Section(Readable):
    """A range of a file. SourceError where the file ends before it."""

    def __init__(self, stream: IO[bytes], offset: int, size: int, name: str) -> None:
        self._stream = stream
        self._left = size
        self._name = name
        stream.seek(offset)

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._stream.read(wanted)
        if wanted and not data:
            raise damaged(self._name, "it ends too early")
        self._left -= len(data)
        return data


def compression_of(head: bytes) -> str | None:
    """`gz`, `zst`, `bz2`, `xz` by the first bytes; None for anything else."""
    if head.startswith(b"\x1f\x8b\x08"):
        return "gz"
    if head.startswith(b"\x28\xb5\x2f\xfd") or (head[1:4] == b"\x2a\x4d\x18" and head[0] & 0xF0 == 0x50):
        return "zst"
    if head.startswith(b"BZh") and head[4:10] in _BZIP2_BLOCKS:
        return "bz2"
    return "xz" if head.startswith(b"\xfd7zXZ\x00") else None


def unpacked(stream: Stream, watched: Watched, meter: Meter, name: str, depth: int = 0) -> tuple[Peeked, int]:
    """The stream below all its compressions, and how many they are. `watched` counts the bytes as they lie there."""
    found, layers = Peeked(stream), 0
    while kind := compression_of(found.peek(HEAD_BYTES)):
        layers += 1
        meter.check_depth(depth + layers)
        found = Peeked(Decompressed(found, kind, name, watched, meter))
    return found, layers


class Decompressed(Readable):
    """The content of a gz, bz2, xz or zst stream, or of several one behind another."""

    def __init__(self, stream: Stream, kind: str, name: str, watched: Watched, meter: Meter) -> None:
        self._read = _zstd(stream) if kind == "zst" else _Joined(stream, kind).read
        self._name = name
        self._watched = watched
        self._meter = meter
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._read(size)
        except DAMAGE as error:
            raise damaged(self._name, error or "it asks for too much memory", self._watched.count) from error
        self.count += len(data)
        self._meter.check(self.count, self._name)
        return data


def _zstd(stream: Stream) -> Callable[[int], bytes]:
    import pyarrow as pa

    read: Callable[[int], bytes] = pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd").read
    return read


class _Gunzip:
    """zlib's gzip reader with the interface of the other two."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    def decompress(self, data: bytes, size: int) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, size)

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data


_ENGINES: dict[str, Callable[[], Any]] = {
    "gz": _Gunzip,
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}
_PADDED = frozenset({"gz", "xz"})


class _Joined:
    """Compressed streams one behind another, each checked to its end.

    The standard library's readers take rubbish behind a whole bz2 or xz stream for the end of the file: with damage
    between two streams the first would pass for the whole.
    """

    def __init__(self, stream: Stream, kind: str) -> None:
        self._stream = stream
        self._kind = kind
        self._engine: Any = None
        self._input = b""

    def read(self, size: int) -> bytes:
        """The next bytes, none behind the last stream. EOFError where a stream is cut off; the engine's for damage."""
        while True:
            if self._engine is None and not self._begin():
                return b""
            data: bytes = self._engine.decompress(self._feed(), size)
            if self._engine.eof:
                self._input, self._engine = self._engine.unused_data, None
            if data:
                return data

    def _begin(self) -> bool:
        while True:
            if self._kind in _PADDED:
                self._input = self._input.lstrip(b"\0")
            if self._input:
                self._engine = _ENGINES[self._kind]()
                return True
            self._input = self._stream.read(_INPUT_BYTES)
            if not self._input:
                return False

    def _feed(self) -> bytes:
        if not self._engine.needs_input:
            return b""
        data, self._input = self._input or self._stream.read(_INPUT_BYTES), b""
        if not data:
            raise EOFError("it ends too early")
        return data


def blocks_of(stream: Stream, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The stream to its end in blocks of `size`, only the last one shorter."""
    pieces: list[bytes] = []
    room = size
    while data := stream.read(room):
        pieces.append(data)
        room -= len(data)
        if not room:
            yield data if len(pieces) == 1 else b"".join(pieces)
            pieces, room = [], size
    if pieces:
        yield b"".join(pieces)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The file, to be read; SourceError where that can't be."""
    try:
        stream = path.open("rb", buffering=0)
    except OSError as error:
        raise SourceError(f"can't read {path}: {error.strerror}", hint="Check path and rights.") from error
    with stream:
        yield stream
