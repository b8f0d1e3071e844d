"""The text of a file as UTF-8 windows, whatever its encoding, with the way back to the original bytes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from loadlock.intake.base import ByteSource
from loadlock.intake.decode import Positions
from loadlock.intake.encoding import EncodingFound
from loadlock.intake.transcode import OriginMap, Transcoder

BLOCK_BYTES = 4 << 20
"""Size of a block. How a damaged record is mended may depend on it, so it is no setting."""


class TextStream:
    """UTF-8 blocks of a file. Positions count from the first byte behind the byte order mark, in UTF-8."""

    def __init__(self, source: ByteSource, found: EncodingFound) -> None:
        self._source = source
        self._found = found
        self._origin = None if found.name == "utf-8" else OriginMap()
        self.size_bytes = 0
        """Original bytes handed out so far, the byte order mark left out."""

    def blocks(self) -> Iterator[bytes]:
        """The text, block by block. What did not decode is U+FFFD."""
        if self._origin is None:
            yield from self._plain()
            return
        for block in Transcoder(mixed=self._found.mixed).transcode(
            self._small(), self._found.name, self._found.bom_bytes
        ):
            self._origin.push(block)
            self.size_bytes += len(block.raw)
            yield block.data

    def _plain(self) -> Iterator[bytes]:
        skip = self._found.bom_bytes
        for block in self._small():
            data, skip = block[skip:], max(0, skip - len(block))
            self.size_bytes += len(data)
            if data:
                yield data

    def _small(self) -> Iterator[bytes]:
        for block in self._source.open():
            if len(block) <= BLOCK_BYTES:
                yield block
                continue
            for start in range(0, len(block), BLOCK_BYTES):
                yield block[start : start + BLOCK_BYTES]

    def offsets(self, positions: Positions) -> Positions:
        """Offsets in the original file of positions in the text."""
        if self._origin is None:
            return positions + self._found.bom_bytes
        return self._origin.offsets(positions) if len(positions) else positions

    def offset(self, position: int) -> int:
        """Offset in the original file of one position in the text."""
        return int(self.offsets(np.array([position], dtype=np.int64))[0])

    def raw(self, text: bytes, start: int) -> bytes:
        """The original bytes of `text`, which stands at position `start`."""
        if self._origin is None:
            return text
        begin, end = self.offsets(np.array([start, start + len(text)], dtype=np.int64)).tolist()
        return self._origin.raw(begin, end)

    def undecoded(self, start: int, end: int) -> Positions:
        """Positions between `start` and `end` that stand for bytes that did not decode."""
        return np.empty(0, dtype=np.int64) if self._origin is None else self._origin.bad_positions(start, end)

    def foreign(self, start: int, end: int) -> Positions:
        """Start and end of lines, overlapping this range, that were UTF-8 in a file of another encoding."""
        if self._origin is None or not self._found.mixed:
            return np.empty((0, 2), dtype=np.int64)
        return self._origin.foreign(start, end)

    def forget(self, position: int) -> None:
        """The text before this position is done with."""
        if self._origin is not None:
            self._origin.drop_before(position)
