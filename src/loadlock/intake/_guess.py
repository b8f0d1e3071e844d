"""Guesses about bytes that are not UTF-8: wide characters by their NULs, ISO-2022 by its escapes, code pages by chardet."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise

import numpy as np

from loadlock.intake.decode import Octets, Positions

CANDIDATES = (
    *("cp1252", "iso8859-1", "iso8859-2", "iso8859-5", "iso8859-7", "iso8859-9", "iso8859-15", "cp1250", "cp1251"),
    *("cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "mac-roman", "mac-cyrillic", "cp437", "cp850"),
    *("cp852", "cp857", "cp866", "cp737", "koi8-r", "koi8-u", "cp932", "euc_jis_2004", "gb18030", "big5hkscs"),
    *("euc_kr", "cp949"),
)
"""Encodings that data files use, by chardet's names. Rarer ones would only catch noise; they can be pinned."""

SAMPLE_BYTES = 200_000
"""Bytes of lines that are kept for the detector."""
_LINE_BYTES = 4096
_LITTLE_EVIDENCE = 6
"""Different words with high bytes from which on the detector is asked at all."""
_FAVOUR = 1.2
_EAST_ASIAN = {"HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "IDEOGRAPHIC", "HALFWIDTH", "FULLWIDTH"}
_WORD = re.compile(r"[^\W\d_]*[^\x00-\x7f][^\s,;|\t\"]*")


@dataclass
class Sample:
    """Lines of a file, some from each block so that all of a big file has a say."""

    lines: list[bytes] = field(default_factory=list)
    room: int = SAMPLE_BYTES

    def add(self, block: bytes, ends: Positions, marks: Positions) -> int:
        """Keep lines of `block` that hold one of the marked offsets; `ends` are the line ends. Returns their number."""
        numbers = np.unique(np.searchsorted(ends, marks))
        budget = max(self.room // 4, min(self.room, _LINE_BYTES))
        for number in numbers.tolist():
            start = int(ends[number - 1]) + 1 if number else 0
            end = int(ends[number]) + 1 if number < len(ends) else len(block)
            piece = block[start : min(end, start + _LINE_BYTES)]
            budget -= len(piece)
            if budget < 0:
                break
            self.lines.append(piece)
            self.room -= len(piece)
        return len(numbers)


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A code page for lines that are not UTF-8."""

    name: str
    how: str
    confidence: float
    runner_up: str | None


def wide_by_nuls(head: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte order mark, told by where the NULs stand; None if they tell nothing."""
    octets = np.frombuffer(head[: len(head) // 4 * 4], dtype=np.uint8)
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
        if share > 0.98 and enough and "\ufffd" not in octets.tobytes().decode(name, "replace")[:-1]:
            return name
    return None


def iso_2022(lines: list[bytes]) -> str | None:
    """The ISO-2022 variant in which lines with escape sequences decode strictly; None if there are none."""
    for name in ("iso2022_jp", "iso2022_jp_ext", "iso2022_kr"):
        if lines and all(_decodes(line, name) for line in lines):
            return name
    return None


def _decodes(line: bytes, name: str) -> bool:
    try:
        line.decode(name)
    except UnicodeDecodeError:
        return False
    return True


def legacy(lines: list[bytes], fallback: str) -> Guess:
    """The code page of these lines (all with high bytes). Little evidence gives `fallback`, never an exotic answer."""
    import chardet

    data = b"".join(lines)
    ranked = chardet.detect_all(
        data, ignore_threshold=True, compat_names=False, include_encodings=CANDIDATES, max_bytes=SAMPLE_BYTES
    )
    found = [(str(entry["encoding"]), entry["confidence"]) for entry in ranked if entry["encoding"]]
    scored = [(confidence * _plausible(data, name) * _prior(name, fallback, data), name) for name, confidence in found]
    scored = [(score, _usual(name, data)) for score, name in sorted(scored, reverse=True) if score > 0.01]
    names = list(dict.fromkeys(name for _, name in scored)) or [fallback]
    if _evidence(data) < _LITTLE_EVIDENCE and _plausible(data, fallback) >= 0.8:
        other = next((name for name in names if name != fallback), None)
        return Guess(name=fallback, how="fallback", confidence=0.4, runner_up=other)
    if not scored:
        return Guess(name=fallback, how="fallback", confidence=0.1, runner_up=None)
    best, second = scored[0][0], next((score for score, name in scored if name != names[0]), 0.0)
    confidence = min(0.99, best / (best + second) * min(1.0, 0.5 + _evidence(data) / 100))
    return Guess(name=names[0], how="detected", confidence=confidence, runner_up=names[1] if len(names) > 1 else None)


def _usual(name: str, data: bytes) -> str:
    """The superset that reads the same and decodes more (Latin-1 is cp1252 wherever cp1252 is defined)."""
    if name == "iso8859-1" and not any(value in data for value in (b"\x81", b"\x8d", b"\x8f", b"\x90", b"\x9d")):
        return "cp1252"
    return {"euc_jis_2004": "euc_jp", "big5hkscs": "big5"}.get(name, name)


def _prior(name: str, fallback: str, data: bytes) -> float:
    """The encoding that the user expects wins when it reads as well as another."""
    return _FAVOUR if _usual(name, data) == fallback else 1.0


def _evidence(data: bytes) -> int:
    """Number of different words with high bytes."""
    return len(set(re.findall(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*", data)))


def _plausible(data: bytes, name: str) -> float:
    """Share of the words with non-ASCII characters that look like words when read in this encoding."""
    words = _WORD.findall(data.decode(name, "replace")[:20_000])
    if not words:
        return 0.0
    return sum(_is_word(word) for word in words) / len(words)


@lru_cache(maxsize=8192)
def _is_word(word: str) -> bool:
    """One script, letters within letters, no capital behind a small letter, no controls."""
    if any(unicodedata.category(char) in ("Cc", "Co", "Cn") or char == "\ufffd" for char in word):
        return False
    letters = [char for char in word if char.isalpha()]
    scripts = {_script(char) for char in letters}
    if len(scripts) > 1:
        return False
    return not (scripts == {"LATIN"} and _odd_latin(word, letters)) and not _symbol_inside(word)


def _odd_latin(word: str, letters: list[str]) -> bool:
    """A capital behind a small letter, or a long word without one plain letter: text of another script."""
    inner_capital = any(a.islower() and b.isupper() and b > "\x7f" for a, b in pairwise(word))
    return inner_capital or (len(letters) > 3 and all(char > "\x7f" for char in letters))


def _symbol_inside(word: str) -> bool:
    """A sign between two letters that no language writes there (`caf‚s`)."""
    return any(
        a.isalpha()
        and c.isalpha()
        and b > "\x7f"
        and unicodedata.category(b)[0] not in "LM"
        and b not in "’‘´·-–\u00ad\u00a0"
        for a, b, c in zip(word, word[1:], word[2:], strict=False)
    )


def _script(char: str) -> str:
    name = unicodedata.name(char, "?").split(" ")[0]
    return "CJK" if name in _EAST_ASIAN else name
