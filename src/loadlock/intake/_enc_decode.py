"""Text of some bytes with the original size of each character, so that offsets in the text lead back to the bytes.

Whole pieces are decoded at once. Where one has a fault it is halved (between two lines) until the faulty line stands alone;
only that is decoded byte by byte.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from loadlock.intake.decode import Octets, Positions, decode_record, places

UNITS = {"utf-16-le": 2, "utf-16-be": 2, "utf-32-le": 4, "utf-32-be": 4}
"""Bytes of a unit in the wide encodings."""
_SHIFTS = re.compile(rb"\x1b(?:\$[@B]|\([BJ])")
"""The escape sequences of plain ISO-2022-JP."""


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """A piece of text."""

    text: str
    """What did not decode is U+FFFD."""
    sizes: Octets
    """Original bytes of each character."""
    bad: Positions
    """Numbers of the characters that stand for undecodable bytes."""


_NONE: Positions = np.empty(0, dtype=np.int64)


def decode_sized(raw: bytes, codec: str) -> Decoded:
    """Decode bytes that begin and end between two characters, and in plain mode where the encoding has modes."""
    unit = UNITS.get(codec)
    if unit is not None:
        return _wide(raw, codec, unit)
    if b"\x1b" in raw:
        # escape sequences take bytes of their own
        return _joined(list(_escaped(raw, codec)))
    return _whole(raw, codec) or _halved(raw, codec)


def decode_mixed(raw: bytes, codec: str) -> Iterator[tuple[Decoded, bool]]:
    """Like `decode_sized`, but lines with non-ASCII characters that are valid UTF-8 are read so, and told by True."""
    done = 0
    for start, end in _utf8_lines(raw):
        if start > done:
            yield decode_sized(raw[done:start], codec), False
        yield decode_sized(raw[start:end], "utf-8"), True
        done = end
    if done < len(raw):
        yield decode_sized(raw[done:], codec), False


def mixed_to_utf8(raw: bytes, codec: str) -> tuple[bytes, Octets, Positions] | None:
    """Like `decode_mixed` for an encoding of single bytes, much faster; None where a byte means nothing in it.

    The text in UTF-8, the original size of each character, and start and end in the text of the lines that were UTF-8.
    """
    lines = list(_utf8_lines(raw))
    pieces: list[bytes] = []
    bounds: list[tuple[int, int]] = []
    done = at = 0
    for start, end in [*lines, (len(raw), len(raw))]:
        text = decode_record(raw[done:start], codec)
        if text is None:
            return None
        pieces += (text.encode(), raw[start:end])
        at += len(pieces[-2])
        bounds.append((at, at + end - start))
        at, done = at + end - start, end
    return b"".join(pieces), _mixed_sizes(raw, lines), np.array(bounds[:-1], dtype=np.int64).reshape(-1, 2)


def _mixed_sizes(raw: bytes, lines: list[tuple[int, int]]) -> Octets:
    """Bytes of each character where these lines are UTF-8 and each other byte is one."""
    steps = np.zeros(len(raw) + 1, dtype=np.int8)
    edges = np.array(lines, dtype=np.int64).reshape(-1, 2)
    steps[edges[:, 0]] += 1
    np.subtract.at(steps, edges[:, 1], 1)
    goes_on = np.frombuffer(raw, dtype=np.uint8).view(np.int8) < -64
    goes_on &= np.cumsum(steps[:-1], dtype=np.int8).view(np.bool_)
    starts = np.flatnonzero(~goes_on)
    return np.diff(starts, append=len(raw)).astype(np.uint8)


def _utf8_lines(raw: bytes) -> Iterator[tuple[int, int]]:
    octets = np.frombuffer(raw, dtype=np.uint8)
    end = 0
    # a byte as it leads a sequence of UTF-8, and one as it goes on
    for place in places((octets[:-1] >= 0xC2) & (octets[1:].view(np.int8) < -64)).tolist():
        if place < end:
            continue
        start = raw.rfind(b"\n", 0, place) + 1
        end = raw.find(b"\n", place) + 1 or len(raw)
        if decode_record(raw[start:end], "utf-8") is not None:
            yield start, end


def _joined(parts: list[Decoded]) -> Decoded:
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.sizes) for part in parts)])
    return Decoded(
        text="".join(part.text for part in parts),
        sizes=np.concatenate([np.empty(0, dtype=np.uint8), *(part.sizes for part in parts)]),
        bad=np.concatenate([_NONE, *(part.bad + start for part, start in zip(parts, starts.tolist(), strict=False))]),
    )


def _whole(raw: bytes, codec: str) -> Decoded | None:
    """All at once; None where there is a fault, or a character that could be written in another length."""
    try:
        text = raw.decode(codec)
    except UnicodeDecodeError:
        return None
    if len(text) == len(raw) and "\ufffd" not in text:
        return Decoded(text=text, sizes=np.ones(len(raw), dtype=np.uint8), bad=_NONE)
    if codec == "utf-8":
        octets = np.frombuffer(raw, dtype=np.uint8)
        starts = np.flatnonzero((octets & 0xC0) != 0x80)
        return Decoded(text=text, sizes=np.diff(starts, append=len(raw)).astype(np.uint8), bad=_NONE)
    codes = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    sizes = _sizes(codec)[np.minimum(codes, 0x10000)]
    if int(sizes.sum(dtype=np.int64)) != len(raw):
        return None
    return Decoded(text=text, sizes=sizes, bad=_NONE)


def _halved(raw: bytes, codec: str) -> Decoded:
    middle = len(raw) // 2
    cut = raw.find(b"\n", middle) + 1
    if cut in (0, len(raw)):
        cut = raw.rfind(b"\n", 0, middle) + 1
    if not cut:
        return _byte_by_byte(raw, codec)
    return _joined([_whole(half, codec) or _halved(half, codec) for half in (raw[:cut], raw[cut:])])


@lru_cache(maxsize=8)
def _sizes(codec: str) -> Octets:
    """Bytes of each character of the basic plane in this encoding; the last entry is for all beyond it."""
    table = np.zeros(0x10001, dtype=np.uint8)
    for code in range(0x10000):
        table[code] = len(chr(code).encode(codec, "ignore"))
    table[0x10000] = 4
    return table


def _wide(raw: bytes, codec: str, unit: int) -> Decoded:
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
        return Decoded(text=text, sizes=sizes, bad=bad)
    rest = np.uint8(len(raw) - whole)
    return Decoded(text=text + "\ufffd", sizes=np.append(sizes, rest), bad=np.append(bad, len(codes)))


def _code_points(raw: bytes, codec: str, unit: int) -> npt.NDArray[np.uint32]:
    if unit == 4:
        return np.frombuffer(raw, dtype="<u4" if codec.endswith("le") else ">u4").astype(np.uint32)
    text = raw.decode(codec, "surrogatepass")
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _escaped(raw: bytes, codec: str) -> Iterator[Decoded]:
    """Lines with escape sequences one by one, what lies between them at once. Each line begins in plain mode."""
    done = 0
    while done < len(raw):
        escape = raw.find(b"\x1b", done)
        start = raw.rfind(b"\n", done, escape) + 1 or done if escape >= 0 else len(raw)
        if start > done:
            plain = raw[done:start]
            yield _whole(plain, codec) or _halved(plain, codec)
        if escape < 0:
            return
        done = raw.find(b"\n", escape) + 1 or len(raw)
        yield _shifted(raw[start:done], codec) or _byte_by_byte(raw[start:done], codec)


def _shifted(line: bytes, codec: str) -> Decoded | None:
    """A line of plain ISO-2022-JP; None for anything else."""
    text = decode_record(line, codec)
    shifts = list(_SHIFTS.finditer(line))
    if text is None or not codec.startswith("iso2022_jp") or len(shifts) != line.count(b"\x1b"):
        return None
    sizes: list[int] = []
    at = waiting = 0
    width = 1
    for start, end, after in [*((shift.start(), shift.end(), 2 if shift[0][1:2] == b"$" else 1) for shift in shifts),
                              (len(line), len(line), 1)]:  # fmt: skip
        count = (start - at) // width
        if count:
            # an escape sequence belongs to the character behind it
            sizes += [width + waiting, *([width] * (count - 1))]
            waiting = 0
        waiting += end - start
        at, width = end, after
    if len(sizes) != len(text) or not sizes:
        return None
    sizes[-1] += waiting
    if sum(sizes) != len(line):
        return None
    return Decoded(text=text, sizes=np.array(sizes, dtype=np.uint8), bad=_NONE)


def _byte_by_byte(raw: bytes, codec: str) -> Decoded:
    """Feed byte by byte; each character gets the bytes that were fed since the one before it (escapes included)."""
    texts: list[str] = []
    sizes: list[int] = []
    bad: list[int] = []
    decoder = codecs.getincrementaldecoder(codec)("strict")
    pending = 0
    for value in raw:
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
    elif pending and sizes:
        # an escape sequence at the end of a text belongs to its last character
        sizes[-1] += pending
    return Decoded(text="".join(texts), sizes=np.array(sizes, dtype=np.uint8), bad=np.array(bad, dtype=np.int64))
