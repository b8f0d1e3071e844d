"""What letters follow one another in which language: the model by which readings of the same bytes are compared.

A cost is the negative natural logarithm of a probability, times `UNIT`. Costs of readings in different encodings can be
compared since each is the cost of the same bytes. The numbers come from `tools/letters.py`.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

UNIT = 8
"""Costs are stored in eighths of a nat."""
MODEL = Path(__file__).with_name("letters.npz")

Costs = npt.NDArray[np.uint8]
Codes = npt.NDArray[np.uint8]

LATIN, CYRILLIC, GREEK, HEBREW, ARABIC, WIDE = "latin", "cyrillic", "greek", "hebrew", "arabic", "wide"
SCRIPTS = {
    LATIN: (
        *("en", "de", "fr", "es", "pt", "it", "nl", "sv", "da", "nb", "fi", "is", "ca", "pl", "cs", "sk", "hu", "ro"),
        *("sh", "sl", "lt", "lv", "et", "tr", "vi"),
    ),
    CYRILLIC: ("ru", "uk", "bg", "sr", "mk", "be"),
    GREEK: ("el",),
    HEBREW: ("he",),
    ARABIC: ("ar", "fa"),
    WIDE: ("ja", "zh-hans", "zh-hant", "ko"),
}
"""Script → its languages, in the order of the model's columns."""

_BESIDE_ASCII, _IN_ASCII = 8, 4
NO_LETTERS = "ªºµ"
"""Letters by Unicode, but signs in texts."""
EDGE, PLAIN = 0, 1
"""Classes of a model of letters: what is no letter, and (in other scripts than Latin) an ASCII letter."""


def fold(char: str) -> str:
    """The small letter, where it is a single one."""
    small = char.lower()
    return small if len(small) == 1 else small[0] if char == "İ" else char


@dataclass(frozen=True, kw_only=True)
class Letters:
    """The letters of one script. `cost[a * size + b, language]`: of `b` behind `a`, both classes."""

    alphabet: str
    """Folded letters; the first has class 2 (Latin: `a`), EDGE and PLAIN come before."""
    cost: Costs

    @property
    def size(self) -> int:
        return len(self.alphabet) + 2

    @cached_property
    def alone(self) -> npt.NDArray[np.float64]:
        """Cost (in nats) of each class whatever stands before it, in the language that has it most."""
        shares = np.exp(self.cost / -float(UNIT)).reshape(self.size, self.size, -1).mean(axis=0)
        found: npt.NDArray[np.float64] = -np.log(shares.max(axis=1))
        return found

    def class_of(self, char: str) -> int | None:
        """The class of a character; None for a letter that the script's languages don't have."""
        if not (char.isalpha() or unicodedata.combining(char)) or char in NO_LETTERS:
            return EDGE
        place = self.alphabet.find(fold(char))
        if place >= 0:
            return place + 2
        return PLAIN if char.isascii() else None


@dataclass(frozen=True, kw_only=True)
class Signs:
    """East Asian characters. `cost[code point, language]`, of the basic plane."""

    cost: Costs


@lru_cache(maxsize=1)
def letters() -> dict[str, Letters]:
    """The models of the scripts with few letters, by script."""
    with np.load(MODEL, allow_pickle=False) as stored:
        return {
            script: Letters(
                alphabet=str(stored[f"{script}_alphabet"]), cost=_with_ascii(script, stored[f"{script}_cost"])
            )
            for script in SCRIPTS
            if script != WIDE
        }


def _with_ascii(script: str, cost: Costs) -> Costs:
    """Costs with ASCII letters beside those of another script: words of theirs are usual, but not within a word."""
    if script != LATIN:
        size = math.isqrt(len(cost))
        square = cost.reshape(size, size, -1)
        square[PLAIN, :] = square[:, PLAIN] = UNIT * _BESIDE_ASCII
        square[EDGE, PLAIN] = square[PLAIN, PLAIN] = UNIT * _IN_ASCII
        square[PLAIN, EDGE] = 0
    return cost


@lru_cache(maxsize=1)
def signs() -> Signs:
    """The model of Chinese, Japanese and Korean characters."""
    with np.load(MODEL, allow_pickle=False) as stored:
        points, found = stored["wide_points"], stored["wide_cost"]
        cost = np.full((0x10000, len(SCRIPTS[WIDE])), int(stored["wide_rest"]), dtype=np.uint8)
        cost[points] = found
    return Signs(cost=cost)
