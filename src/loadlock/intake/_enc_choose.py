"""Which encoding the words of a file are in, of those that data files use, and how sure that is."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from loadlock.intake._enc_score import Reading, read_words, reads_wide, single_bytes

DISTRUST = {
    "cp1252": 0.0, "iso8859-1": 0.5, "iso8859-15": 1.5, "mac-roman": 3.0, "cp437": 4.0, "cp850": 3.0, "cp1250": 1.5,
    "iso8859-2": 2.0, "cp852": 4.0, "cp1254": 2.0, "iso8859-9": 2.5, "cp857": 5.0, "cp1257": 2.5, "cp1258": 4.0,
    "cp1251": 1.5, "iso8859-5": 5.0, "koi8-r": 3.0, "koi8-u": 3.5, "mac-cyrillic": 5.0, "cp866": 3.0, "cp1253": 2.0,
    "iso8859-7": 2.5, "cp737": 5.0, "cp1255": 3.0, "cp1256": 3.0, "cp932": 3.0, "euc_jp": 4.0, "gb18030": 3.0,
    "big5": 3.5, "cp950": 4.0, "euc_kr": 3.5, "cp949": 4.0,
}  # fmt: skip
"""The encodings that are looked for, and how much rarer (in nats) than cp1252 each is among data files.

Rarer ones than these would only catch noise; they can be pinned. Of those that read a file in the same way the least
rare is named.
"""
TRUST = 6.0
"""Nats by which one reading must beat the next to be more likely than not; by less the answer is marked."""
EXOTIC, LITTLE = 3.0, 2.0
"""Nats by which a reading must beat the fallback's to be taken instead of it: EXOTIC, and of little evidence more."""
_FEW_WORDS, _MOST_WORDS = 32, 120
_WORD_BYTES = 200
_SUFFICES, _LOW = 0.5, 0.4
_NONSENSE = 4.5
"""Nats for each byte of letters and signs from which on a reading is none, however bad the fallback's is."""
_LITTLE_EVIDENCE = 6
"""Different words from which on the fallback encoding is found rather than fallen back to."""
_CLEAR = 30.0
"""Nats between two readings of some words by which no further words are needed."""
_LINES_AT_ONCE = 100
_BLANKS = bytes(32 if value < 0x2D or value == 0x3B else value for value in range(256))
"""Neither blanks nor what delimits fields belongs to a word; the bytes that can be the second of a character do."""
_WORD = re.compile(rb"(?<![^ ])[^ \x80-\xff]*+[\x80-\xff][^ ]*+")
"""A word with high bytes, where blanks are spaces."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The encoding of lines that are not UTF-8."""

    name: str
    how: str
    """`detected`, or `fallback` where the evidence is too little for another than the fallback encoding."""
    confidence: float
    """Below 0.5: look at it."""
    runner_up: str | None
    language: str | None = None


def words_of(lines: Sequence[bytes], most: int = _MOST_WORDS) -> list[bytes]:
    """Different words with high bytes: first those that bring a high byte not seen before, then others, `most` of these."""
    telling: list[bytes] = []
    others: list[bytes] = []
    seen = bytes(range(0x80))
    for start in range(0, len(lines), _LINES_AT_ONCE):
        joined = b"\n".join(lines[start : start + _LINES_AT_ONCE])
        if len(others) >= most and not joined.translate(None, seen):
            continue
        for run in dict.fromkeys(_WORD.findall(joined.translate(_BLANKS))):
            new = run.translate(None, seen)
            if new:
                telling.append(run[:_WORD_BYTES])
                seen += new
            elif len(others) < most:
                others.append(run[:_WORD_BYTES])
    return list(dict.fromkeys(telling + others))


def choose(words: Sequence[bytes], fallback: str) -> Choice:
    """The encoding of words with high bytes; `fallback` is what the user expects."""
    if not words:
        return Choice(name=fallback, how="fallback", confidence=0.1, runner_up=None)
    few = words[:_FEW_WORDS]
    names = [name for name in DISTRUST if name != fallback]
    ranked = _ranked(few, [fallback, *single_bytes(few, names), *(n for n in names if reads_wide(few, n))], fallback)
    limit = _cost(ranked[0], fallback) + _CLEAR
    close = [reading for reading in ranked if _cost(reading, fallback) < limit]
    if len(words) > _FEW_WORDS and any(reading.text != close[0].text for reading in close):
        ranked = _ranked(words, list(dict.fromkeys([*(reading.encoding for reading in close), fallback])), fallback)
    return _decide(ranked, fallback)


def _cost(reading: Reading, fallback: str) -> float:
    return reading.cost + (0.0 if reading.encoding == fallback else DISTRUST.get(reading.encoding, 0.0))


def _ranked(words: Sequence[bytes], names: Sequence[str], fallback: str) -> list[Reading]:
    """Readings, the likeliest first."""
    return sorted(read_words(words, names), key=lambda reading: _cost(reading, fallback))


def _decide(ranked: Sequence[Reading], fallback: str) -> Choice:
    best = ranked[0]
    expected = next(reading for reading in ranked if reading.encoding == fallback)
    others = [reading for reading in ranked if reading.text != best.text]
    runner_up = others[0].encoding if others else None
    confidence = _confidence(_cost(others[0], fallback) - _cost(best, fallback) if others else math.inf)
    if best.text == expected.text:
        enough = confidence >= _SUFFICES and best.text.count("\n") + 1 >= _LITTLE_EVIDENCE
        how = "detected" if enough else "fallback"
        confidence = confidence if enough else min(_LOW, confidence)
        return Choice(name=fallback, how=how, confidence=confidence, runner_up=runner_up, language=best.language)
    over = _cost(expected, fallback) - _cost(best, fallback)
    high = sum(not char.isascii() for char in best.text)
    if _is_nonsense(best, _cost(best, fallback), high) or over < EXOTIC * (1 + LITTLE / high):
        return Choice(name=fallback, how="fallback", confidence=min(_LOW, _confidence(over)), runner_up=best.encoding)
    return Choice(
        name=best.encoding, how="detected", confidence=confidence, runner_up=runner_up, language=best.language
    )


def _is_nonsense(reading: Reading, cost: float, high: int) -> bool:
    """Whether a reading is no text, however bad the fallback's is: unlikely characters, or a few signs without letters."""
    letters = sum(char.isalpha() and not char.isascii() for char in reading.text)
    few = reading.text.count("\n") + 1 < _LITTLE_EVIDENCE
    return cost > _NONSENSE * reading.size or (few and letters * 2 < high)


def _confidence(margin: float) -> float:
    """0.5 where the margin just suffices, towards 0.99 as it grows."""
    return min(0.99, float(margin / (margin + TRUST))) if margin < math.inf else 0.99


def reads_better_as_utf8(words: Sequence[bytes], name: str) -> bool:
    """Whether words that are valid UTF-8 are so by no chance, in a file that is else in the encoding `name`.

    Their text is put into an encoding that has its letters and read there, to compare it with what `name` makes of them.
    """
    if not words or name not in DISTRUST:
        return False
    (as_named,) = read_words(words, [name])
    for other in (name, *DISTRUST):
        try:
            spelled = [word.decode("utf-8").encode(other) for word in words]
        except UnicodeError:
            continue
        (as_utf8,) = read_words(spelled, [other])
        return bool(as_utf8.cost + TRUST < as_named.cost)  # else NumPy's, which JSON doesn't know
    return False
