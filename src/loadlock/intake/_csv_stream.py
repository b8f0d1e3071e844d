"""The bytes of a file as the splitter reads them, with the way back to the original offsets and bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from loadlock.intake._csv_lines import Positions
from loadlock.intake.base import ByteSource
from loadlock.intake.decode import is_ascii_compatible
from loadlock.intake.transcode import OriginMap, Transcoder

BLOCK_BYTES = 2 << 20
"""Bytes given to the splitter at a time: its arrays then stay in the caches of the processor."""


class Stream(Protocol):
    """Positions are offsets in what `blocks` gives, from 0; originals are offsets in the decompressed file."""

    encoding: str
    """Of the bytes that `blocks` gives."""
    transcoded: bool
    """Whether these differ from the file's own bytes."""

    def blocks(self) -> Iterator[bytes]:
        """The bytes without a byte order mark at the start, at most `BLOCK_BYTES` at a time."""
        ...

    def originals(self, positions: Positions) -> Positions:
        """Offsets in the original file."""
        ...

    def raw(self, start: int, end: int, data: bytes) -> bytes:
        """The original bytes between two positions; `data` is what the stream gave there."""
        ...

    def undecoded(self, start: int, end: int) -> Positions:
        """Positions between these two where something was no valid text and was replaced."""
        ...

    def forget_before(self, position: int) -> None:
        """Nothing before this position will be asked for again."""
        ...


def open_stream(source: ByteSource, encoding: str, bom_bytes: int) -> Stream:
    """The stream for a file of this encoding: its own bytes where these can be split, else UTF-8."""
    if is_ascii_compatible(encoding):
        return _PlainStream(source, encoding, bom_bytes)
    return _TranscodedStream(source, encoding, bom_bytes)


def _pieces(data: bytes) -> Iterator[bytes]:
    if len(data) <= BLOCK_BYTES:
        yield data
        return
    for at in range(0, len(data), BLOCK_BYTES):
        yield data[at : at + BLOCK_BYTES]


class _PlainStream:
    """The file's own bytes."""

    transcoded = False

    def __init__(self, source: ByteSource, encoding: str, bom_bytes: int) -> None:
        self.encoding = encoding
        self._source = source
        self._bom_bytes = bom_bytes

    def blocks(self) -> Iterator[bytes]:
        skip = self._bom_bytes
        for block in self._source.open():
            yield from _pieces(block[skip:] if skip else block)
            skip = max(0, skip - len(block))

    def originals(self, positions: Positions) -> Positions:
        return positions + self._bom_bytes

    def raw(self, start: int, end: int, data: bytes) -> bytes:
        return data

    def undecoded(self, start: int, end: int) -> Positions:
        return np.empty(0, dtype=np.int64)

    def forget_before(self, position: int) -> None:
        """Nothing is kept."""


class _TranscodedStream:
    """The text in UTF-8, with the original bytes of the blocks still in use."""

    encoding = "utf-8"
    transcoded = True

    def __init__(self, source: ByteSource, encoding: str, bom_bytes: int) -> None:
        self._source = source
        self._encoding = encoding
        self._bom_bytes = bom_bytes
        self._origin = OriginMap()

    def blocks(self) -> Iterator[bytes]:
        for block in Transcoder().transcode(self._source.open(), self._encoding, self._bom_bytes):
            self._origin.push(block)
            yield from _pieces(block.data)

    def originals(self, positions: Positions) -> Positions:
        if not len(positions):
            return positions
        return self._origin.offsets(positions)

    def raw(self, start: int, end: int, data: bytes) -> bytes:
        first, last = self._origin.offsets(np.array([start, end]))
        return self._origin.raw(int(first), int(last))

    def undecoded(self, start: int, end: int) -> Positions:
        return self._origin.bad_positions(start, end)

    def forget_before(self, position: int) -> None:
        self._origin.drop_before(position)
