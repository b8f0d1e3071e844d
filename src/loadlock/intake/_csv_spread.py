"""A source that can only be read in order (compressed, or in an archive), with a sample from all over it.

The whole of it is read to find its encoding; pieces are put aside on the way, so that its dialect is told by all of it too.
"""

from __future__ import annotations

from collections.abc import Iterator

from loadlock.intake._csv_pieces import END_BYTES, PIECE_BYTES, SAMPLE_BYTES
from loadlock.intake.base import ByteSource

_MOST = 24
"""Pieces that are held: each second one goes when there are more."""


class Spread:
    """See `ByteSource`. `sample` gives the head, places all over and the end once `scan` was exhausted."""

    def __init__(self, source: ByteSource) -> None:
        self.file = source.file
        self._source = source
        self._pieces: list[bytes] = []
        self._end = b""
        self._step = self._next = SAMPLE_BYTES // 4
        self._seen = 0

    def open(self) -> Iterator[bytes]:
        """See `ByteSource.open`."""
        return self._source.open()

    def head(self, size: int = 1 << 20) -> bytes:
        """See `ByteSource.head`."""
        return self._source.head(size)

    def scan(self) -> Iterator[bytes]:
        """The blocks, for a look at the whole file."""
        for block in getattr(self._source, "scan", self._source.open)():
            self._look(block)
            yield block

    def sample(self, size: int = SAMPLE_BYTES) -> list[bytes]:
        """See `ByteSource.sample`."""
        return [self._source.head(size // 4), *self._pieces, self._end]

    def _look(self, block: bytes) -> None:
        while self._next < self._seen + len(block):
            at = max(0, self._next - self._seen)
            at += -(self._seen + at) % 4
            self._pieces.append(block[at : at + PIECE_BYTES])
            if len(self._pieces) > _MOST:
                self._pieces, self._step = self._pieces[1::2], self._step * 2
            self._next += self._step
        self._seen += len(block)
        end = (self._end + block[-END_BYTES:])[-END_BYTES:]
        # it begins at a multiple of four bytes, too
        self._end = end[-(self._seen - len(end)) % 4 :]
