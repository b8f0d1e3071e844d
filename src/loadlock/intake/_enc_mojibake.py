"""Finds text that was decoded wrongly before it came: UTF-8 read as cp1252 and written again, once or twice.

`ü` in UTF-8 is C3 BC; read as cp1252 it is `Ã¼`, in UTF-8 C3 83 C2 BC. So a character that cp1252 has for a lead byte is
followed by those that it has for continuation bytes, and the bytes mean a character that texts have.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from loadlock.intake.decode import Octets, Positions, Scratch, places

_WINDOW = 8
"""Bytes that a wrong character and the beginning of the next one have at most."""
_QUOTES = frozenset("‘’“”‚„‹›«»–—…\u00a0")
"""These may well stand behind a capital with an accent."""
_LEADS = range(0xC2, 0xF5)
_SAMPLES, _TRIED_WORDS = 3, 3
_WORD_BYTES = 60
ONCE, TWICE = 1, 2


@dataclass
class Mojibake:
    """Lines that hold mojibake, in text that is UTF-8."""

    lines: int = 0
    """All of them ..."""
    twice_lines: int = 0
    """... and those in which it happened twice."""
    samples: list[str] = field(default_factory=list)
    """Some words."""
    _scratch: Scratch = field(default_factory=Scratch, repr=False, compare=False)
    _known: set[int] = field(default_factory=set, repr=False, compare=False)
    """Windows that stood in words that the rule repairs."""
    example: tuple[str, str] = ("", "")
    """Characters as they stand there, and the one that is meant."""

    def to_json(self) -> dict[str, Any]:
        """As stored in the report of the file."""
        return {"lines": self.lines, "twice_lines": self.twice_lines, "samples": list(self.samples)}

    def notes(self) -> list[str]:
        """A sentence for the person who loads the file; none where there is nothing to say."""
        if not self.lines:
            return []
        twice = f" ({self.twice_lines:,} of them twice)" if self.twice_lines else ""
        lines = f"{self.lines:,} lines hold" if self.lines != 1 else "1 line holds"
        wrong, meant = self.example
        return [f"{lines} text decoded wrongly before it came{twice}, {wrong!r} for {meant!r}: fix_encoding repairs it"]

    def look(self, block: bytes, octets: Octets, start: int) -> None:
        """Take whole lines: `octets` are the bytes of `block` from `start` on."""
        if len(octets) < 4:
            return
        lead, follower = (self._scratch.flags(number, len(octets) - 3) for number in (0, 1))
        np.equal(octets[:-3], 0xC3, out=lead)
        np.greater_equal(octets[2:-1], 0xC2, out=follower)
        found = places(np.logical_and(lead, follower, out=lead))
        if not len(found):
            return
        windows = octets[np.minimum(found[:, None] + np.arange(_WINDOW), len(octets) - 1)]
        kinds, which = np.unique(np.ascontiguousarray(windows).view(np.uint64)[:, 0], return_inverse=True)
        verdicts = np.array([_verdict(kind.tobytes()) for kind in kinds], dtype=np.uint8)
        known = np.array([kind in self._known for kind in kinds.tolist()], dtype=bool)
        for kind in np.flatnonzero((verdicts > 0) & ~known).tolist():
            tried = found[np.flatnonzero(which == kind)[:_TRIED_WORDS]] + start
            if not any(_is_repaired(_word(block, place)) for place in tried.tolist()):
                verdicts[kind] = 0
            else:
                self._known.add(int(kinds[kind]))
        verdicts = verdicts[which]
        broken = found[verdicts >= ONCE] + start
        if len(broken) and not self.lines:
            self.example = _example(block[broken[0] : broken[0] + _WINDOW])
        self.lines += _different_lines(block, broken)
        self.twice_lines += _different_lines(block, found[verdicts == TWICE] + start)
        for place in broken[: _SAMPLES - len(self.samples)].tolist():
            self.samples.append(_word(block, place))


def _different_lines(block: bytes, marks: Positions) -> int:
    end = count = 0
    for place in marks.tolist():
        if place >= end:
            count += 1
            end = block.find(b"\n", place) + 1 or len(block)
    return count


def _word(block: bytes, place: int) -> str:
    start = max(
        block.rfind(separator, max(0, place - _WORD_BYTES), place) for separator in (b" ", b",", b"\n", b";", b"\t")
    )
    raw = block[max(start + 1, place - _WORD_BYTES) : place + _WORD_BYTES]
    for separator in (b"\n", b",", b";", b"\t", b"\r"):
        raw = raw.split(separator)[0]
    return raw.decode("utf-8", "ignore").strip('"')


@lru_cache(maxsize=4096)
def _verdict(window: bytes) -> int:
    """Whether the characters at the start of these bytes are one that was decoded wrongly: 0, ONCE or TWICE."""
    text = window.decode("utf-8", "ignore")
    raw = bytes(map(_byte_of, text))
    if raw[:1] < b"\xc2":
        return 0
    size = 2 if raw[0] < 0xE0 else 3 if raw[0] < 0xF0 else 4
    if size == 4:
        # of four characters the window holds three at least; no text has these side by side
        return ONCE if len(raw) >= 3 and all(0x80 <= value < 0xC0 for value in raw[1:3]) else 0
    try:
        meant = raw[:size].decode("utf-8")
    except UnicodeDecodeError:
        return 0
    if len(raw) < size or not _sensible(meant, text[1:size]):
        return 0
    again = ord(meant) in _LEADS and len(raw) > size and raw[size] in _LEADS
    return TWICE if again else ONCE


@lru_cache(maxsize=4096)
def _is_repaired(word: str) -> bool:
    """Whether the rule `fix_encoding` would change the word: good text that looks odd is none of our business."""
    import ftfy

    return bool(ftfy.fix_encoding(word) != word)


def _example(window: bytes) -> tuple[str, str]:
    text = window.decode("utf-8", "ignore")
    raw = bytes(map(_byte_of, text))
    size = 2 if raw[0] < 0xE0 else 3
    meant = raw[:size].decode("utf-8", "ignore")
    return text[:size], meant


def _sensible(meant: str, tail: str) -> bool:
    """Whether texts have the character that is meant, rather than those that stand there."""
    if meant < "\u00a0" or unicodedata.category(meant) in ("Cc", "Cn", "Co", "Cs"):
        return False
    if meant <= "\u00ff":
        return True
    if "\u2000" <= meant < "\u2c00":
        return meant < "\u2070" or "\u20a0" <= meant < "\u20c0" or meant >= "\u2100"
    return unicodedata.category(meant)[0] == "L" and not set(tail) & _QUOTES


def _byte_of(char: str) -> int:
    """The byte that cp1252 has for a character (bytes that it does not define stand for themselves), 0 for none."""
    try:
        return char.encode("cp1252")[0]
    except UnicodeEncodeError:
        return ord(char) if "\x80" <= char <= "\x9f" else 0
