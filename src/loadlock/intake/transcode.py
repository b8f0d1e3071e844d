"""Any encoding → UTF-8 blocks that know where each character stood in the original bytes.

Needed where other characters' bytes can look like delimiters or quotes (UTF-16, Shift-JIS, Big5, GB18030, ISO-2022).
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from loadlock.intake.decode import Octets, Positions, codec_name, is_single_byte

_WAIT_BYTES = 64 << 20
"""A multi-byte text without a line end in so many bytes is cut anyway; memory stays bounded."""
_UNITS = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}


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


class Transcoder:
    """Turns the blocks of a file into UTF-8 blocks with an offset map. Streams; holds one block and its tail."""

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
                yield _block(joined[:cut], codec, start)
                start += cut
        if tail:
            yield _block(tail, codec, start)


def _cut(data: bytes, codec: str) -> int:
    """Where whole characters end for certain."""
    unit = _UNITS.get(codec)
    if unit is None:
        # the line feed is no trail byte in any of these encodings, and resets ISO-2022
        return data.rfind(b"\n") + 1 or (len(data) if len(data) > _WAIT_BYTES or is_single_byte(codec) else 0)
    cut = len(data) // unit * unit
    if unit == 2 and cut:
        last = data[cut - 1] if codec == "utf-16-le" else data[cut - 2]
        cut -= 2 if 0xD8 <= last <= 0xDB else 0
    return cut


def _block(raw: bytes, codec: str, start: int) -> TranscodedBlock:
    text, sizes, bad = _decode(raw, codec)
    return TranscodedBlock(data=text.encode(), raw=raw, start=start, sizes=sizes, bad=_byte_places(text, bad))


def _byte_places(text: str, characters: Positions) -> Positions:
    """Offsets in UTF-8 of the characters with these numbers."""
    if not len(characters):
        return characters
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    widths = 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)
    places: Positions = np.concatenate(([0], np.cumsum(widths)))[characters]
    return places


def _decode(raw: bytes, codec: str) -> tuple[str, Octets, Positions]:
    """Text, original size of each character, and the numbers of the characters that stand for faults."""
    unit = _UNITS.get(codec)
    if unit is not None:
        return _decode_wide(raw, codec, unit)
    if b"\x1b" in raw:
        # escape sequences take bytes of their own
        return _decode_lines(raw, codec)
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        return _decode_lines(raw, codec)
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    sizes = _sizes(codec)[np.minimum(codes, 0x10000)]
    if int(sizes.sum(dtype=np.int64)) != len(raw):
        return _decode_lines(raw, codec)
    return text, sizes, np.empty(0, dtype=np.int64)


def _decode_wide(raw: bytes, codec: str, unit: int) -> tuple[str, Octets, Positions]:
    whole = len(raw) // unit * unit
    codes = _code_points(raw[:whole], codec, unit)
    wrong = ((codes >= 0xD800) & (codes < 0xE000)) | (codes > 0x10FFFF)
    sizes = np.full(len(codes), unit, dtype=np.uint8)
    if unit == 2:
        sizes[codes >= 0x10000] = 4
    if wrong.any():
        codes = np.where(wrong, np.uint32(0xFFFD), codes)
    bad = np.flatnonzero(wrong)
    text = codes.astype("<u4").tobytes().decode("utf-32-le")
    if whole == len(raw):
        return text, sizes, bad
    return text + "\ufffd", np.append(sizes, np.uint8(len(raw) - whole)), np.append(bad, len(codes))


def _code_points(raw: bytes, codec: str, unit: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    if unit == 4:
        return np.frombuffer(raw, dtype="<u4" if codec.endswith("le") else ">u4").astype(np.uint32)
    text = raw.decode(codec, "surrogatepass")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


@lru_cache(maxsize=8)
def _sizes(codec: str) -> Octets:
    """Bytes of each character of the basic plane in this encoding; the last entry is for all beyond it."""
    table = np.zeros(0x10001, dtype=np.uint8)
    for code in range(0x10000):
        table[code] = len(chr(code).encode(codec, "ignore"))
    table[0x10000] = 4
    return table


def _decode_lines(raw: bytes, codec: str) -> tuple[str, Octets, Positions]:
    """The exact way for faults and for escapes: line by line, and within a line that needs it byte by byte."""
    texts: list[str] = []
    sizes: list[int] = []
    bad: list[int] = []
    for line in raw.splitlines(keepends=True):
        _decode_line(line, codec, (texts, sizes, bad))
    return "".join(texts), np.array(sizes, dtype=np.uint8), np.array(bad, dtype=np.int64)


def _decode_line(line: bytes, codec: str, out: tuple[list[str], list[int], list[int]]) -> None:
    """Feed byte by byte; each character gets the bytes that were fed since the one before it (escapes included)."""
    texts, sizes, bad = out
    decoder = codecs.getincrementaldecoder(codec)("strict")
    first, pending = len(sizes), 0
    for value in line:
        pending += 1
        try:
            text = decoder.decode(bytes((value,)))
        except UnicodeError:
            decoder.reset()
            # a plain character behind a broken one is itself again: a delimiter must not vanish
            plain = value < 0x80 and pending > 1
            bad.append(len(sizes))
            texts.append("\ufffd" + (chr(value) if plain else ""))
            sizes.extend([pending - 1, 1] if plain else [pending])
            pending = 0
            continue
        if text:
            texts.append(text)
            sizes.extend([pending, *([0] * (len(text) - 1))])
            pending = 0
    if pending and decoder.getstate()[0]:
        bad.append(len(sizes))
        texts.append("\ufffd")
        sizes.append(pending)
    elif pending and len(sizes) > first:
        # an escape sequence at the end of a text belongs to its last character
        sizes[-1] += pending
