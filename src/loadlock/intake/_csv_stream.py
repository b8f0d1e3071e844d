"""The bytes of a file as the splitter reads them, with the way back to the original offsets and bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from loadlock.intake._ahead import ahead
from loadlock.intake._csv_lines import Positions
from loadlock.intake.base import ByteSource
from loadlock.intake.decode import is_ascii_compatible
from loadlock.intake.encoding import EncodingFound
from loadlock.intake.transcode import OriginMap, Transcoder

BLOCK_BYTES = 2 << 20
"""Bytes given to the splitter at a time: its arrays then stay in the caches of the processor."""
_NOTHING: Positions = np.empty(0, dtype=np.int64)


class Stream(Protocol):
    """Positions are offsets in what `blocks` gives, from 0; originals are offsets in the decompressed file."""

    encoding: str
    """Of the bytes that `blocks` gives."""
    transcoded: bool
    """Whether these differ from the file's own bytes."""
    knows_faults: bool
    """Whether `undecoded` tells all; else who reads has to look."""

    def blocks(self) -> Iterator[bytes | memoryview]:
        """The bytes without a byte order mark at the start, at most `BLOCK_BYTES` at a time."""
        ...

    def originals(self, positions: Positions) -> Positions:
        """Offsets in the original file."""
        ...

    def raw(self, start: int, end: int, data: bytes) -> bytes:
        """The original bytes between two positions; `data` is what the stream gave there."""
        ...

    def undecoded(self, start: int, end: int) -> Positions:
        """Positions between these two where something is no valid text (and was replaced, where transcoded)."""
        ...

    def foreign(self, start: int, end: int) -> Positions:
        """Start and end of lines, overlapping this range, that were UTF-8 in a file of another encoding."""
        ...

    def forget_before(self, position: int) -> None:
        """Nothing before this position will be asked for again."""
        ...


def open_stream(source: ByteSource, found: EncodingFound) -> Stream:
    """The stream for a file of this encoding: its own bytes where these can be split, else UTF-8."""
    if is_ascii_compatible(found.name) and not found.mixed:
        return _PlainStream(source, found)
    return _TranscodedStream(source, found)


def _pieces(data: bytes) -> Iterator[bytes | memoryview]:
    """In pieces that are not copied: who reads them puts them behind what is left of the one before."""
    if len(data) <= BLOCK_BYTES:
        yield data
        return
    whole = memoryview(data)
    for at in range(0, len(data), BLOCK_BYTES):
        yield whole[at : at + BLOCK_BYTES]


class _PlainStream:
    """The file's own bytes."""

    transcoded = False

    def __init__(self, source: ByteSource, found: EncodingFound) -> None:
        self.encoding = found.name
        self.knows_faults = found.name == "utf-8" and found.faults is not None
        self._source = source
        self._bom_bytes = found.bom_bytes
        self._faults = _NOTHING if found.faults is None else found.faults

    def blocks(self) -> Iterator[bytes | memoryview]:
        skip = self._bom_bytes
        for block in ahead(iter(self._source.open())):
            yield from _pieces(block[skip:] if skip else block)
            skip = max(0, skip - len(block))

    def originals(self, positions: Positions) -> Positions:
        return positions + self._bom_bytes

    def raw(self, start: int, end: int, data: bytes) -> bytes:
        return data

    def undecoded(self, start: int, end: int) -> Positions:
        first, last = np.searchsorted(self._faults, (start + self._bom_bytes, end + self._bom_bytes))
        return self._faults[first:last] - self._bom_bytes

    def foreign(self, start: int, end: int) -> Positions:
        return _NOTHING.reshape(0, 2)

    def forget_before(self, position: int) -> None:
        """Nothing is kept."""


class _TranscodedStream:
    """The text in UTF-8, with the original bytes of the blocks still in use."""

    encoding = "utf-8"
    transcoded = True
    knows_faults = True

    def __init__(self, source: ByteSource, found: EncodingFound) -> None:
        self._source = source
        self._found = found
        self._origin = OriginMap()

    def blocks(self) -> Iterator[bytes | memoryview]:
        transcoder = Transcoder(mixed=self._found.mixed)
        for block in ahead(transcoder.transcode(self._source.open(), self._found.name, self._found.bom_bytes)):
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

    def foreign(self, start: int, end: int) -> Positions:
        return self._origin.foreign(start, end)

    def forget_before(self, position: int) -> None:
        self._origin.drop_before(position)
