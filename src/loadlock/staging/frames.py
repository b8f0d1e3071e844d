"""Bytes in independent zstd frames with a table of them at the end: any range can be read without the rest.

The file is a valid `.zst` (`zstd -d` unpacks it) in the seekable format of zstd's contrib folder: frames, then a skippable
frame with the sizes of each. Before that table stands another skippable frame with the CRC-32 of each frame's content.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from loadlock.errors import WorkspaceError

if TYPE_CHECKING:
    import pyarrow as pa

MIN_FRAME = 1 << 20
"""Content bytes of a frame (but the last), at least."""
MAX_FRAME = 4 << 20
LEVEL = -1
_AHEAD = 3
"""Frames that wait for the compressing thread: it may fall behind the reader by so much."""
_CHECKSUMS = 0x184D2A50
_TABLE = 0x184D2A5E
_SEEKABLE = 0x8F92EAB1
_HEADER = struct.Struct("<II")
_ENTRY = struct.Struct("<II")
_FOOTER = struct.Struct("<IBI")
_CRC = struct.Struct("<I")


@dataclass(frozen=True, kw_only=True)
class Frame:
    """Where a frame lies in the file, and its content in the whole. All in bytes; `crc` is the content's CRC-32."""

    at: int
    packed: int
    offset: int
    size: int
    crc: int


class FrameWriter:
    """Cuts blocks into frames, compresses them in a thread of its own and writes them to `file`, in order."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._codec = _codec()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="keep-source")
        self._waiting: deque[Future[tuple[pa.Buffer, int, int]]] = deque()
        self._small = bytearray()
        self._entries: list[tuple[int, int, int]] = []

    def put(self, block: bytes) -> None:
        """The next bytes. Raises OSError where the disk says no."""
        if not self._small and MIN_FRAME <= len(block) <= MAX_FRAME:
            self._submit(block)
            return
        self._small += block
        while len(self._small) >= MIN_FRAME:
            self._submit(bytes(self._small[:MAX_FRAME]))
            del self._small[:MAX_FRAME]

    def finish(self) -> None:
        """Write what waits, then the tables."""
        if self._small:
            self._submit(bytes(self._small))
        while self._waiting:
            self._write()
        sums = b"".join(_CRC.pack(crc) for _, _, crc in self._entries)
        self._file.write(_HEADER.pack(_CHECKSUMS, len(sums)) + sums)
        sizes = b"".join(_ENTRY.pack(packed, size) for packed, size, _ in self._entries)
        self._file.write(_HEADER.pack(_TABLE, len(sizes) + _FOOTER.size) + sizes)
        self._file.write(_FOOTER.pack(len(self._entries), 0, _SEEKABLE))

    def close(self) -> None:
        """End the thread; called again it does nothing."""
        self._pool.shutdown(cancel_futures=True)

    def _submit(self, content: bytes) -> None:
        self._waiting.append(self._pool.submit(self._pack, content))
        if len(self._waiting) > _AHEAD:
            self._write()

    def _pack(self, content: bytes) -> tuple[pa.Buffer, int, int]:
        return self._codec.compress(content), len(content), zlib.crc32(content)

    def _write(self) -> None:
        packed, size, crc = self._waiting.popleft().result()
        self._file.write(packed)
        self._entries.append((len(packed), size, crc))


class FrameReader:
    """Reads such a file. Safe to use from several threads, each with a reader of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("rb")
        self._codec = _codec()
        try:
            self.frames = self._table()
        except BaseException:
            self._file.close()
            raise
        self._starts = [frame.offset for frame in self.frames]

    def __enter__(self) -> FrameReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        """Of the content, in bytes."""
        return self.frames[-1].offset + self.frames[-1].size if self.frames else 0

    def content(self, frame: Frame) -> bytes:
        """The content of one frame; WorkspaceError if it is damaged."""
        import pyarrow as pa

        self._file.seek(frame.at)
        try:
            content: bytes = self._codec.decompress(self._file.read(frame.packed), frame.size, asbytes=True)
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self._damaged(str(error)) from error
        if zlib.crc32(content) != frame.crc:
            raise self._damaged("a checksum differs")
        return content

    def number_at(self, offset: int) -> int:
        """Index of the frame that holds this offset of the content."""
        return bisect_right(self._starts, offset) - 1

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """The content from `start` to `stop`, frame by frame."""
        for frame in self.frames[max(self.number_at(start), 0) :]:
            if frame.offset >= stop:
                return
            content = self.content(frame)
            yield content[max(start - frame.offset, 0) : stop - frame.offset]

    def _table(self) -> list[Frame]:
        try:
            self._file.seek(-_FOOTER.size, 2)
            count, descriptor, magic = _FOOTER.unpack(self._file.read(_FOOTER.size))
            if (descriptor, magic) != (0, _SEEKABLE):
                raise self._damaged("its end is missing")
            tables = 2 * _HEADER.size + count * (_CRC.size + _ENTRY.size) + _FOOTER.size
            end = self._file.seek(-tables, 2)
            sums = self._section(_CHECKSUMS, count * _CRC.size)
            sizes = self._section(_TABLE, count * _ENTRY.size + _FOOTER.size)
        except (OSError, struct.error) as error:
            raise self._damaged(str(error)) from error
        entries = list(_ENTRY.iter_unpack(sizes[: count * _ENTRY.size]))
        at = [0, *accumulate(packed for packed, _ in entries)]
        offsets = [0, *accumulate(size for _, size in entries)]
        if at[-1] != end:
            raise self._damaged("its frames don't add up")
        crcs = [crc for (crc,) in _CRC.iter_unpack(sums)]
        return [
            Frame(at=at[i], packed=packed, offset=offsets[i], size=size, crc=crcs[i])
            for i, (packed, size) in enumerate(entries)
        ]

    def _section(self, magic: int, size: int) -> bytes:
        if _HEADER.unpack(self._file.read(_HEADER.size)) != (magic, size):
            raise self._damaged("its table is broken")
        return self._file.read(size)

    def _damaged(self, reason: str) -> WorkspaceError:
        return WorkspaceError(
            f"the kept source bytes in {self.path} are damaged: {reason}",
            hint="Delete the file: the next run over the same source keeps its bytes again.",
        )


def _codec() -> Any:
    import pyarrow as pa

    return pa.Codec("zstd", compression_level=LEVEL)
