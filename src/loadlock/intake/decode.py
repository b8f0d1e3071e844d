"""Bytes → text once the encoding is known: strict decoding of a record, fast UTF-8 of a block, places of faults."""

from __future__ import annotations

import codecs
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from loadlock.errors import SourceError

Positions = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

_STATEFUL = ("iso2022", "iso-2022", "hz", "utf-7", "utf_7", "utf-16", "utf-32")


@lru_cache(maxsize=256)
def codec_name(name: str) -> str:
    """The Python codec's own name of an encoding (`latin1` → `iso8859-1`); SourceError for unknown ones."""
    try:
        info = codecs.lookup(name.strip())
        known = info._is_text_encoding
    except (LookupError, ValueError):
        known = False
    if not known:
        raise SourceError(
            f"unknown encoding {name!r}", hint="Use a name such as utf-8, cp1252, iso8859-2, utf-16 or shift_jis."
        )
    # a byte order mark is counted as preamble, never left to the codec
    return {"utf-8-sig": "utf-8"}.get(info.name, info.name)


@lru_cache(maxsize=256)
def is_ascii_compatible(name: str) -> bool:
    """Whether bytes below 0x80 always are the ASCII characters, so that the undecoded bytes can be split.

    True for UTF-8, single-byte code pages and EUC; false where a trail byte can look like a delimiter or a quote
    (Shift-JIS, Big5, GB18030, cp949), for ISO-2022, UTF-16 and UTF-32.
    """
    codec = codec_name(name)
    if codec.startswith(_STATEFUL):
        return False
    if codec == "utf-8" or codec.startswith("euc"):
        return True
    ascii_text = bytes(range(128)).decode(codec, "replace")
    return ascii_text == bytes(range(128)).decode("ascii") and not _has_ascii_trail(codec)


def _has_ascii_trail(codec: str) -> bool:
    high = bytes(range(0x80, 0x100))
    if len(high.decode(codec, "replace")) == len(high) and len((high[:1] + b"A").decode(codec, "replace")) == 2:
        # one character each: a single-byte code page
        return False
    for lead in range(0x80, 0x100):
        pairs = (bytes((lead, trail)).decode(codec, "replace") for trail in range(0x20, 0x80))
        if any(not text.endswith(chr(trail)) for trail, text in enumerate(pairs, start=0x20)):
            return True
    return False


@lru_cache(maxsize=256)
def _undefined(codec: str) -> Octets | None:
    """For a single-byte codec a table of 256: 1 where the byte means nothing. None for multi-byte codecs."""
    try:
        one_each = all(len(bytes((value, 0x41)).decode(codec, "replace")) == 2 for value in range(256))
    except UnicodeDecodeError:
        return None
    if not one_each or codec.startswith(("euc", "gb", "big5", "cp9", "shift", "johab", *_STATEFUL)):
        return None
    return np.array([bytes((value,)).decode(codec, "replace") == "�" for value in range(256)], dtype=np.uint8)


def is_single_byte(name: str) -> bool:
    """Whether each byte is one character."""
    return _undefined(codec_name(name)) is not None


def decode_record(raw: bytes, encoding: str) -> str | None:
    """The record's text, or None where its bytes are not valid in `encoding`."""
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def to_utf8(data: bytes, encoding: str) -> bytes:
    """`data` in UTF-8; what does not decode becomes U+FFFD (`faults` tells where). UTF-8 is returned as it is."""
    codec = codec_name(encoding)
    if codec == "utf-8" or data.isascii():
        return data
    return data.decode(codec, "replace").encode("utf-8")


def faults(data: bytes, encoding: str) -> Positions:
    """Sorted offsets of the bytes in `data` that mean nothing in an ASCII-compatible `encoding`; empty = all is well."""
    codec = codec_name(encoding)
    if codec == "utf-8":
        return utf8_faults(np.frombuffer(data, dtype=np.uint8))
    table = _undefined(codec)
    if table is None:
        return _codec_faults(data, codec)
    octets = np.frombuffer(data, dtype=np.uint8)
    high = np.flatnonzero(octets >= 0x80) if table.any() else np.empty(0, dtype=np.int64)
    undefined: Positions = high[table[octets[high]] == 1]
    return undefined


def _codec_faults(data: bytes, codec: str) -> Positions:
    found: list[int] = []
    start = 0
    while start < len(data):
        try:
            data[start:].decode(codec)
            break
        except UnicodeDecodeError as error:
            found.extend(range(start + error.start, start + error.end))
            start += error.end
    return np.array(found, dtype=np.int64)


def is_utf8(data: bytes) -> bool:
    """Whether all of `data` is well-formed UTF-8; several GB a second."""
    return Utf8Ranges(data, np.array([0, len(data)], dtype=np.int64)).valid(0, 1)


class Utf8Ranges:
    """Consecutive ranges of some bytes, to be told which of them are well-formed UTF-8."""

    def __init__(self, data: bytes, bounds: Positions) -> None:
        """`bounds`: where the ranges start, and the end of the last one. Each must begin and end between two characters."""
        import pyarrow as pa

        self._count = len(bounds) - 1
        self._refused = pa.ArrowInvalid
        self._array = pa.LargeStringArray.from_buffers(self._count, pa.py_buffer(bounds), pa.py_buffer(data))

    def valid(self, first: int, last: int) -> bool:
        """Whether the ranges from `first` and before `last` are valid as a whole."""
        try:
            self._array.slice(first, last - first).validate(full=True)
        except self._refused:
            return False
        return True

    def invalid(self) -> list[int]:
        """Numbers of the ranges that are not valid."""
        if self.valid(0, self._count):
            return []
        return [number for number in range(self._count) if not self.valid(number, number + 1)]


class Scratch:
    """Arrays of flags that are used again: a fresh one of a megabyte costs more to get than to fill."""

    def __init__(self) -> None:
        self._arrays = [np.empty(0, dtype=bool), np.empty(0, dtype=bool)]

    def flags(self, number: int, size: int) -> Flags:
        """One of the two arrays, `size` long, with anything in it."""
        if len(self._arrays[number]) < size:
            self._arrays[number] = np.empty(size, dtype=bool)
        return self._arrays[number][:size]


def places(mask: Flags) -> Positions:
    """Offsets of the true entries, sorted; several times as fast as `flatnonzero` where these are few."""
    whole = len(mask) // 8 * 8
    words = np.flatnonzero(mask[:whole].view(np.uint64) != 0)
    if len(words) * 4 > whole // 8:
        return np.flatnonzero(mask)
    inner = np.flatnonzero(mask[:whole].reshape(-1, 8)[words])
    found: Positions = (words[inner >> 3] << 3) + (inner & 7)
    return found if whole == len(mask) else np.concatenate([found, np.flatnonzero(mask[whole:]) + whole])


def utf8_faults(octets: Octets) -> Positions:
    """Sorted offsets of the bytes that are no part of a well-formed UTF-8 sequence (RFC 3629; no surrogates).

    A sequence cut off by the end of the data is a fault.
    """
    high = places(octets.view(np.int8) < 0)
    if not len(high):
        return high
    value = octets[high]
    need = _continuations(value)
    covered = np.zeros(len(high), dtype=bool)
    bad_lead = (value >= 0xC0) & (need == 0)
    for step in (1, 2, 3):
        leads = np.flatnonzero(need >= step)
        bad_lead[leads] |= ~_continues(high, value, leads, step)
    leads = np.flatnonzero(need >= 1)
    bad_lead[leads] |= ~_second_in_range(value, leads)
    good = (need > 0) & ~bad_lead
    for step in (1, 2, 3):
        covered[np.flatnonzero(good & (need >= step)) + step] = True
    bad: Positions = high[~(good | covered)]
    return bad


def _continuations(value: Octets) -> Octets:
    need = np.zeros(len(value), dtype=np.uint8)
    need[(value >= 0xC2) & (value <= 0xDF)] = 1
    need[(value >= 0xE0) & (value <= 0xEF)] = 2
    need[(value >= 0xF0) & (value <= 0xF4)] = 3
    return need


def _continues(high: Positions, value: Octets, leads: Positions, step: int) -> Flags:
    """Whether the byte `step` after each lead is a continuation byte and stands right there."""
    there = np.minimum(leads + step, len(high) - 1)
    following: Flags = (high[there] == high[leads] + step) & (value[there] >= 0x80) & (value[there] < 0xC0)
    return following


def _second_in_range(value: Octets, leads: Positions) -> Flags:
    """E0, ED, F0 and F4 narrow the range of the byte behind them (over-long forms, surrogates, beyond U+10FFFF)."""
    lead, second = value[leads], value[np.minimum(leads + 1, len(value) - 1)]
    wrong: Flags = ((lead == 0xE0) & (second < 0xA0)) | ((lead == 0xED) & (second > 0x9F))
    wrong |= ((lead == 0xF0) & (second < 0x90)) | ((lead == 0xF4) & (second > 0x8F))
    return ~wrong
