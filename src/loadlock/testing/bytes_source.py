"""Bytes in memory as a source file, for tests of formats."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from loadlock.model import SourceFile


class BytesSource:
    """A `ByteSource` over bytes. `block_bytes` is the size of the blocks that `open` gives."""

    def __init__(self, data: bytes, name: str = "in.dat", *, block_bytes: int = 4 << 20) -> None:
        self._data = data
        self._block_bytes = block_bytes
        digest = hashlib.sha256(data).hexdigest()
        self.file = SourceFile(index=0, path=f"/{name}", name=name, size_bytes=len(data), sha256=digest)

    def open(self) -> Iterator[bytes]:
        """The bytes in blocks."""
        for start in range(0, len(self._data), self._block_bytes):
            yield self._data[start : start + self._block_bytes]

    def head(self, size: int = 1 << 20) -> bytes:
        """The first bytes."""
        return self._data[:size]

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        """Head, middle and end; the whole where it is no longer than `size`."""
        if len(self._data) <= size:
            return [self._data]
        third = size // 3
        # characters of four bytes are not cut
        middle, last = (len(self._data) - third) // 2 & ~3, len(self._data) - third & ~3
        return [self._data[:third], self._data[middle : middle + third], self._data[last:]]
