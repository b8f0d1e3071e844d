"""How well bytes read in an encoding: the cost of their text under the letter model of its languages.

`Reading.cost` is a negative logarithm of a probability (in nats): of two readings of the same bytes the cheaper is the
likelier, and the difference says how much. Each word is taken to be in one language, and all words of a file in few.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from loadlock.intake import _enc_letters
from loadlock.intake._enc_letters import EDGE, LATIN, NO_LETTERS, SCRIPTS, UNIT, WIDE

Floats = npt.NDArray[np.float64]

UNDEFINED, CONTROL, PRIVATE, STRANGE = 25.0, 16.0, 14.0, 12.0
"""Costs of a byte that means nothing, a C1 control, a character of private use, a letter that no language of the script has."""
_SIGNS = {
    4.0: "\u00a0’",
    5.0: "“”–…€°«»№",
    6.0: "—£®™©§ºª·•‘„、。，（）ー・،؛؟ـ",
    7.0: "½¼¾²³µ¿¡×±´₪¥¢¶†",
    9.0: "¨‚‰‹›÷΄΅‗",
    11.0: "\u00ad¹",
    14.0: "¤",
}
_SIGN_COST = {char: cost for cost, chars in _SIGNS.items() for char in chars}
_OTHER_SIGN, _DRAWING = 11.0, 11.0
_JOINS = frozenset("\u00a0’‘´·\u00ad‐")
"""Signs that may stand between two letters."""
_CLINGS = _JOINS | frozenset("“”„«»–—…®™©ªº²³،؛؟ـ")
"""Signs that may stand beside a letter."""
_BETWEEN, _BESIDE, _INNER_CAPITAL, _LATE_SMALL = 6.0, 2.0, 5.0, 3.0
_ASCII_BESIDE_WIDE, _ASCII_IN_WIDE, _HALF_WIDTH, _HALF_BESIDE_WIDE = 8.0, 3.0, 7.0, 5.0
_ROUNDS = 3
_HOPELESS = 30.0
"""Nats by which the single characters of an encoding may be less usual than another's, for it to be looked at closely."""
_BROKEN_SHARE = 8
_SMALL, _CAPITAL, _SIGN, _JOIN, _CLING = 1, 2, 3, 4, 5

_SCRIPT_OF = {
    "cp1251": "cyrillic", "iso8859-5": "cyrillic", "koi8-r": "cyrillic", "koi8-u": "cyrillic", "mac-cyrillic": "cyrillic",
    "cp866": "cyrillic", "cp1253": "greek", "iso8859-7": "greek", "cp737": "greek", "cp1255": "hebrew",
    "cp1256": "arabic", "cp932": WIDE, "euc_jp": WIDE, "gb18030": WIDE, "big5": WIDE, "cp950": WIDE, "euc_kr": WIDE,
    "cp949": WIDE,
}  # fmt: skip


_LETTER_BYTES = re.compile(rb"[A-Za-z\x80-\xff]")


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one encoding makes of the words."""

    encoding: str
    cost: float
    text: str
    """The words, one a line."""
    size: int
    """Bytes of the words' letters and signs."""
    language: str
    """The one that most words fit."""


@dataclass(frozen=True, kw_only=True)
class _Table:
    """A single-byte encoding in the terms of the model; each array has an entry for each byte."""

    script: str
    classes: npt.NDArray[np.int64]
    extra: Floats
    kinds: npt.NDArray[np.uint8]
    alone: Floats
    """About what each high byte costs by itself."""
    chars: str


def script_of(encoding: str) -> str:
    """The script that an encoding is for."""
    return _SCRIPT_OF.get(encoding, LATIN)


def single_bytes(words: Sequence[bytes], encodings: Sequence[str]) -> list[str]:
    """Those single-byte encodings that may be the words', by how usual their characters are, whatever their order.

    Only encodings of one script can be compared so: what is beside rare letters tells more than these.
    """
    counts = np.bincount(np.frombuffer(b"".join(words), dtype=np.uint8), minlength=256)
    scripts: dict[str, dict[str, float]] = {}
    for name in encodings:
        if (script := script_of(name)) != WIDE:
            scripts.setdefault(script, {})[name] = float(single_byte(name).alone @ counts)
    return [
        name for costs in scripts.values() for name, cost in costs.items() if cost < min(costs.values()) + _HOPELESS
    ]


def reads_wide(words: Sequence[bytes], encoding: str) -> bool:
    """Whether this is an East Asian encoding in which nearly all of the words decode."""
    if script_of(encoding) != WIDE:
        return False
    left = len(words) // _BROKEN_SHARE
    for word in words:
        try:
            word.decode(encoding)
        except UnicodeDecodeError:
            left -= 1
            if left < 0:
                return False
    return True


def read_words(words: Sequence[bytes], encodings: Sequence[str]) -> list[Reading]:
    """Read words (each with a high byte, each once) in several encodings; equal texts of one script are read once."""
    data = b"\n" + b"\n".join(words) + b"\n"
    groups: dict[str, dict[str, list[str]]] = {}
    for encoding in encodings:
        groups.setdefault(script_of(encoding), {}).setdefault(_text(data, encoding), []).append(encoding)
    found: list[Reading] = []
    size = len(_LETTER_BYTES.findall(data))
    for script, texts in groups.items():
        firsts = [names[0] for names in texts.values()]
        costs = _read_wide(list(texts)) if script == WIDE else _read_single(data, firsts)
        for (text, names), (cost, best) in zip(texts.items(), costs, strict=True):
            language = SCRIPTS[script][best]
            found += [Reading(encoding=n, cost=cost, text=text[1:-1], language=language, size=size) for n in names]
    return found


def _text(data: bytes, encoding: str) -> str:
    if script_of(encoding) == WIDE:
        return data.decode(encoding, "replace")
    # a table is quicker than codecs written in Python
    return data.decode("latin-1").translate(single_byte(encoding).chars)


def _read_single(data: bytes, encodings: Sequence[str]) -> Iterator[tuple[float, int]]:
    """Cost and main language in each of several encodings of one script."""
    tables = _together(tuple(encodings))
    octets = np.frombuffer(data, dtype=np.uint8)
    starts = np.flatnonzero(octets[:-1] == 10)
    model = _enc_letters.letters()[script_of(encodings[0])]
    classes = tables.classes.take(octets, axis=1)
    costs = model.cost.take(classes[:, :-1] * model.size + classes[:, 1:], axis=0)
    by_language = np.add.reduceat(costs, starts, axis=1, dtype=np.uint16).astype(np.float32) / np.float32(UNIT)
    extra = tables.extra.take(octets, axis=1).sum(axis=1)
    extra += _around(tables.kinds.take(octets, axis=1)).sum(axis=1)
    mixed, best = _mixed(by_language)
    return zip((mixed + extra).tolist(), best.tolist(), strict=True)


def _around(kinds: npt.NDArray[np.uint8]) -> Floats:
    """What is odd about a character beside its neighbours: capitals within words, signs within words."""
    before, here, after = kinds[:, :-2], kinds[:, 1:-1], kinds[:, 2:]
    letter_before, letter_after = _is_letter(before), _is_letter(after)
    odd: Floats = _INNER_CAPITAL * ((here == _CAPITAL) & (before == _SMALL))
    odd += _LATE_SMALL * ((before == _CAPITAL) & (here == _CAPITAL) & (after == _SMALL))
    between = letter_before & letter_after
    odd += _BETWEEN * (between & ((here == _SIGN) | (here == _CLING)))
    odd += _BESIDE * ((letter_before ^ letter_after) & (here == _SIGN))
    return odd


def _is_letter(kinds: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (kinds == _SMALL) | (kinds == _CAPITAL)
    return found


def _mixed(by_language: npt.NDArray[np.float32]) -> tuple[Floats, npt.NDArray[np.int64]]:
    """For each reading, from the costs [reading, word, language]: the cost of all words, and the main language.

    Each word is in the language that fits, and of the languages few occur: their shares are found by iteration.
    """
    least = by_language.min(axis=2, keepdims=True)
    likely = np.exp(least - by_language)
    readings, words, count = by_language.shape
    shares = np.full((readings, count, 1), 1.0 / count, dtype=np.float32)
    for _ in range(_ROUNDS if count > 1 else 0):
        weights = 1.0 / (likely @ shares)
        shares *= likely.transpose(0, 2, 1) @ weights
        shares = (shares + 0.1) / (words + 0.1 * count)
    cost: Floats = least.sum(axis=(1, 2), dtype=np.float64) - np.log(likely @ shares).sum(axis=(1, 2), dtype=np.float64)
    return cost, shares[:, :, 0].argmax(axis=1)


@dataclass(frozen=True, kw_only=True)
class _Tables:
    """Several tables of one script, an entry each in the first dimension."""

    classes: npt.NDArray[np.int64]
    extra: Floats
    kinds: npt.NDArray[np.uint8]


@lru_cache(maxsize=512)
def _together(encodings: tuple[str, ...]) -> _Tables:
    tables = [single_byte(encoding) for encoding in encodings]
    return _Tables(
        classes=np.stack([table.classes for table in tables]),
        extra=np.stack([table.extra for table in tables]),
        kinds=np.stack([table.kinds for table in tables]),
    )


@lru_cache(maxsize=64)
def single_byte(encoding: str) -> _Table:
    """The table of a single-byte encoding."""
    chars = bytes(range(256)).decode(encoding, "replace")
    script = script_of(encoding)
    model = _enc_letters.letters()[script]
    found = [model.class_of(char) for char in chars]
    extra = np.array([0.0 if char.isascii() else _extra(char, known) for char, known in zip(chars, found, strict=True)])
    classes = np.array([EDGE if known is None else known for known in found], dtype=np.int64)
    kinds = np.array([_kind(char) for char in chars], dtype=np.uint8)
    alone = extra + np.where(classes > 1, model.alone[classes], 0.0)
    alone[:0x80] = 0.0
    return _Table(script=script, classes=classes, extra=extra, kinds=kinds, alone=alone, chars=chars)


def _extra(char: str, known: int | None) -> float:
    """Cost of a character beyond that of letters in a row."""
    if known is None:
        return STRANGE
    return 0.0 if known != EDGE else sign_cost(char)


@lru_cache(maxsize=1024)
def sign_cost(char: str) -> float:
    """Cost of a character that is no letter."""
    if char in _SIGN_COST:
        return _SIGN_COST[char]
    if char == "\ufffd":
        return UNDEFINED
    category = unicodedata.category(char)
    if category == "Cc":
        return CONTROL
    if category in ("Co", "Cn", "Cs"):
        return PRIVATE
    return _DRAWING if 0x2200 <= ord(char) < 0x2600 else _OTHER_SIGN


def _kind(char: str) -> int:
    if char.isalpha() and char not in NO_LETTERS:
        return _CAPITAL if char.isupper() else _SMALL
    if char.isascii():
        return 0
    return _JOIN if char in _JOINS else _CLING if char in _CLINGS else _SIGN


def _read_wide(texts: Sequence[str]) -> Iterator[tuple[float, int]]:
    """Cost and main language of each text, read by an East Asian encoding."""
    table = _wide_costs()
    for text in texts:
        points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
        starts = np.flatnonzero(points[:-1] == 10)
        letter, wide = _ascii_letters(points), points >= 0x80
        by_language = np.add.reduceat(table[np.minimum(points, 0xFFFF)], starts, axis=0)
        beside = np.count_nonzero(letter[1:] & wide[:-1]) + np.count_nonzero(wide[1:] & letter[:-1])
        half = (points >= 0xFF61) & (points < 0xFFA0)
        full = wide & ~half
        glued = np.count_nonzero(half[1:] & full[:-1]) + np.count_nonzero(full[1:] & half[:-1])
        (cost,), (best,) = _mixed(by_language[None].astype(np.float32))
        own = _ASCII_IN_WIDE * np.count_nonzero(letter) + _ASCII_BESIDE_WIDE * beside + _HALF_BESIDE_WIDE * glued
        yield float(cost) + own, int(best)


def _ascii_letters(points: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    small = points | 0x20
    return (small >= 0x61) & (small <= 0x7A)


@lru_cache(maxsize=1)
def _wide_costs() -> Floats:
    """Cost of each character of the basic plane in each East Asian language."""
    costs = _enc_letters.signs().cost / UNIT
    costs[:0x80] = 0.0
    costs[0xFF61:0xFFA0] = _HALF_WIDTH
    costs[0xFFFD] = UNDEFINED
    for char, cost in _SIGN_COST.items():
        costs[ord(char)] = np.minimum(costs[ord(char)], cost + 1)
    return costs
