"""Any encoding → UTF-8 blocks that know where each character stood in the original bytes.

Needed where other characters' bytes can look like delimiters or quotes (UTF-16, Shift-JIS, Big5, GB18030, ISO-2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from loadlock.intake._enc_decode import UNITS, decode_mixed, decode_sized, mixed_to_utf8
from loadlock.intake.decode import Octets, Positions, codec_name, is_single_byte

_WAIT_BYTES = 64 << 20
"""A multi-byte text without a line end in so many bytes is cut anyway; memory stays bounded."""


@dataclass(frozen=True, kw_only=True)
class TranscodedBlock:
    """A piece of a file in UTF-8, cut between two characters."""

    data: bytes
    """UTF-8; what did not decode is U+FFFD."""
    raw: bytes
    """The original bytes of this piece."""
    start: int
    """Offset of the piece in the original file."""
    sizes: Octets
    """Bytes of each character in the original."""
    bad: Positions
    """Offsets in `data` of the U+FFFD that stand for undecodable bytes, sorted."""
    foreign: Positions = field(default_factory=lambda: np.empty((0, 2), dtype=np.int64))
    """Start and end in `data` of lines that were UTF-8 in a file of another encoding."""

    @cached_property
    def _ends(self) -> Positions:
        """Original offset behind each character, within the piece; an entry 0 in front."""
        ends: Positions = np.concatenate(([0], np.cumsum(self.sizes, dtype=np.int64)))
        return ends

    @cached_property
    def _characters(self) -> Positions:
        """For each byte of `data` and the end: number of characters that start before it."""
        octets = np.frombuffer(self.data, dtype=np.uint8)
        starts = np.cumsum((octets & 0xC0) != 0x80, dtype=np.int32)
        counts: Positions = np.concatenate((np.zeros(1, dtype=np.int32), starts))
        return counts

    def original_offsets(self, positions: Positions) -> Positions:
        """Offsets in the original file of characters at these offsets in `data` (its length is allowed: the end)."""
        found: Positions = self.start + self._ends[self._characters[positions]]
        return found


class OriginMap:
    """Maps offsets in the whole UTF-8 stream to the original bytes, over the blocks that are still of interest."""

    def __init__(self) -> None:
        self._blocks: list[TranscodedBlock] = []
        self._starts: list[int] = []
        self._end = 0

    def push(self, block: TranscodedBlock) -> None:
        """Add the next block of the stream."""
        self._blocks.append(block)
        self._starts.append(self._end)
        self._end += len(block.data)

    def drop_before(self, position: int) -> None:
        """Forget the blocks that end before this offset of the UTF-8 stream."""
        while len(self._blocks) > 1 and self._starts[1] <= position:
            del self._blocks[0], self._starts[0]

    def offsets(self, positions: Positions) -> Positions:
        """Original offsets of sorted or unsorted offsets in the UTF-8 stream."""
        found = np.empty(len(positions), dtype=np.int64)
        which = np.searchsorted(np.array(self._starts, dtype=np.int64), positions, side="right") - 1
        for number in np.unique(which):
            chosen = which == number
            found[chosen] = self._blocks[number].original_offsets(positions[chosen] - self._starts[number])
        return found

    def raw(self, start: int, end: int) -> bytes:
        """The original bytes between two original offsets."""
        pieces = (
            block.raw[max(0, start - block.start) : max(0, end - block.start)]
            for block in self._blocks
            if block.start < end and block.start + len(block.raw) > start
        )
        return b"".join(pieces)

    def bad_positions(self, start: int, end: int) -> Positions:
        """Offsets in the UTF-8 stream, from `start` and before `end`, of the U+FFFD that stand for undecodable bytes."""
        pieces = [begin + block.bad for block, begin in zip(self._blocks, self._starts, strict=True) if len(block.bad)]
        found = np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)
        chosen: Positions = found[(found >= start) & (found < end)]
        return chosen

    def foreign(self, start: int, end: int) -> Positions:
        """Start and end in the UTF-8 stream of the lines, overlapping this range, that were UTF-8 in the file."""
        pieces = [begin + block.foreign for block, begin in zip(self._blocks, self._starts, strict=True)]
        found = np.concatenate(pieces) if pieces else np.empty((0, 2), dtype=np.int64)
        chosen: Positions = found[(found[:, 1] > start) & (found[:, 0] < end)]
        return chosen


class Transcoder:
    """Turns the blocks of a file into UTF-8 blocks with an offset map. Streams; holds one block and its tail.

    `mixed`: lines with non-ASCII characters that are valid UTF-8 are read so, whatever the encoding of the file.
    """

    def __init__(self, *, mixed: bool = False) -> None:
        self._make = _mixed_block if mixed else _block

    def transcode(self, blocks: Iterator[bytes], encoding: str, bom_bytes: int = 0) -> Iterator[TranscodedBlock]:
        """The file's text in UTF-8. `bom_bytes` at the start are left out, and counted in the offsets."""
        codec = codec_name(encoding)
        start, tail, skip = bom_bytes, b"", bom_bytes
        for block in blocks:
            joined = tail + block[skip:]
            skip = max(0, skip - len(block))
            cut = _cut(joined, codec)
            tail = joined[cut:]
            if cut:
                yield self._make(joined[:cut], codec, start)
                start += cut
        if tail:
            yield self._make(tail, codec, start)


def _cut(data: bytes, codec: str) -> int:
    """Where whole characters end for certain."""
    unit = UNITS.get(codec)
    if unit is None:
        # the line feed is no trail byte in any of these encodings, and resets ISO-2022
        return data.rfind(b"\n") + 1 or (len(data) if len(data) > _WAIT_BYTES or is_single_byte(codec) else 0)
    cut = len(data) // unit * unit
    if unit == 2 and cut:
        last = data[cut - 1] if codec == "utf-16-le" else data[cut - 2]
        cut -= 2 if 0xD8 <= last <= 0xDB else 0
    return cut


def _block(raw: bytes, codec: str, start: int) -> TranscodedBlock:
    found = decode_sized(raw, codec)
    data = found.text.encode()
    return TranscodedBlock(data=data, raw=raw, start=start, sizes=found.sizes, bad=_byte_places(found.text, found.bad))


def _mixed_block(raw: bytes, codec: str, start: int) -> TranscodedBlock:
    """A block in which lines that are UTF-8 are left so."""
    quick = mixed_to_utf8(raw, codec) if is_single_byte(codec) else None
    if quick is not None:
        nowhere = np.empty(0, dtype=np.int64)
        return TranscodedBlock(data=quick[0], raw=raw, start=start, sizes=quick[1], bad=nowhere, foreign=quick[2])
    pieces: list[bytes] = []
    sizes, bad = [np.empty(0, dtype=np.uint8)], [np.empty(0, dtype=np.int64)]
    foreign: list[tuple[int, int]] = []
    at = 0
    for part, is_utf8 in decode_mixed(raw, codec):
        pieces.append(part.text.encode())
        sizes.append(part.sizes)
        bad.append(_byte_places(part.text, part.bad) + at)
        if is_utf8:
            foreign.append((at, at + len(pieces[-1])))
        at += len(pieces[-1])
    return TranscodedBlock(
        data=b"".join(pieces),
        raw=raw,
        start=start,
        sizes=np.concatenate(sizes),
        bad=np.concatenate(bad),
        foreign=np.array(foreign, dtype=np.int64).reshape(-1, 2),
    )


def _byte_places(text: str, characters: Positions) -> Positions:
    """Offsets in UTF-8 of the characters with these numbers."""
    if not len(characters):
        return characters
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    widths = 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)
    found: Positions = np.concatenate(([0], np.cumsum(widths)))[characters]
    return found
