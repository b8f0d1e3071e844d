"""Words of a list that are likely slips of the pen: one letter beside a word that stands there far more often."""

from __future__ import annotations

from collections.abc import Mapping

SHORTEST = 4
"""Letters of the words that are compared: shorter ones differ in a letter by right."""
RARER = 100
"""How many times as often the usual word stands there."""


def misspelt(words: Mapping[str, int]) -> dict[str, str]:
    """Word → the usual one that it is taken for. `words`: how often each stands there."""
    usual = sorted(words, key=lambda word: (-words[word], word))
    found = {}
    for word, count in words.items():
        near = (one for one in usual if words[one] >= RARER * count and is_slip(word, one))
        if (meant := next(near, None)) is not None:
            found[word] = meant
    return found


def is_slip(word: str, meant: str) -> bool:
    """Whether a letter was changed, left out, added or exchanged with its neighbour. Words with digits are codes: they never
    slip; nor is one that only begins with another letter more (moral, amoral)."""
    if min(len(word), len(meant)) < SHORTEST or any(letter.isdigit() for letter in word + meant):
        return False
    if word == meant or word[1:] == meant or meant[1:] == word:
        return False
    same = next((at for at, pair in enumerate(zip(word, meant, strict=False)) if pair[0] != pair[1]), None)
    if same is None:
        return abs(len(word) - len(meant)) == 1
    ours, theirs = word[same:], meant[same:]
    exchanged = ours[1:2] + ours[:1] + ours[2:]
    return theirs in (exchanged, theirs[:1] + ours[1:], theirs[:1] + ours) or ours[1:] == theirs
