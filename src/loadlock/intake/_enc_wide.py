"""Encodings that are told by the shape of the bytes: wide characters by their NULs, ISO-2022 by its escape sequences."""

from __future__ import annotations

import codecs

import numpy as np

from loadlock.intake.decode import Octets, Positions

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_MOST_BROKEN = 200
"""Bytes for each that may be no character of UTF-16."""
_HEAD_BYTES = 128 << 10
_ISO_2022 = ("iso2022_jp", "iso2022_jp_ext", "iso2022_kr")


def bom_of(head: bytes) -> tuple[str | None, int]:
    """The encoding that a byte order mark says, and the length of the mark."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name, len(mark)
    return None, 0


def wide_by_nuls(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, told by where the NULs stand; None if they tell nothing."""
    head = head[: min(len(head), _HEAD_BYTES) // 4 * 4]
    if b"\0" not in head:
        return None
    octets = np.frombuffer(head, dtype=np.uint8)
    nuls = np.flatnonzero(octets == 0)
    if len(nuls) < max(1, len(octets) // 200):
        return None
    by_place = np.bincount(nuls % 4, minlength=4) / max(len(octets) // 4, 1)
    if min(by_place[2:]) > 0.9 and by_place[0] < 0.1:
        return "utf-32-le"
    if min(by_place[:2]) > 0.9 and by_place[3] < 0.1:
        return "utf-32-be"
    return _utf16_by_nuls(octets, nuls)


def _utf16_by_nuls(octets: Octets, nuls: Positions) -> str | None:
    """NULs nearly all in the same half of the pairs, line ends and commas paired with them, and text that decodes."""
    odd = float(np.count_nonzero(nuls % 2)) / len(nuls)
    ends = np.flatnonzero((octets == 10) | (octets == 13) | (octets == 0x2C))
    for name, share, step in (("utf-16-le", odd, 1), ("utf-16-be", 1 - odd, -1)):
        paired = [place for place in ends[:1000].tolist() if octets[(place + step) % len(octets)] == 0]
        enough = len(paired) * 10 >= len(ends[:1000]) * 6 if len(ends) else len(nuls) * 10 >= len(octets) * 3
        broken = octets.tobytes().decode(name, "replace")[:-1].count("\ufffd")
        if share > 0.98 and enough and broken * _MOST_BROKEN <= len(octets):
            return name
    return None


def iso_2022(lines: list[bytes]) -> str | None:
    """The ISO-2022 variant in which lines with escape sequences decode strictly; None if there are none."""
    for name in _ISO_2022:
        if lines and all(_decodes(line, name) for line in lines):
            return name
    return None


def _decodes(line: bytes, name: str) -> bool:
    try:
        line.decode(name)
    except UnicodeDecodeError:
        return False
    return True
