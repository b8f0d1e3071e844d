"""Fast reading of JSON records of a known shape: one pattern a shape, literal keys, one group a wanted value.

A shape is the record's text without its values. A record that a shape's pattern matches as a whole has exactly these
keys in this order, so it needs no further check: no key can stand twice. Whatever no shape matches goes to the slow
reader, which teaches the next shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from loadlock.cleanup._flatten_tree import SCALAR, SPACE, Leaf

MAX_SHAPES = 40
"""Shapes that are tried on a record; more would cost more than the slow reader."""
SEEN_BEFORE = 2
"""Records of a shape until its pattern is made (that costs some milliseconds)."""
_MAX_CANDIDATES = 2_000
_MAX_LEAVES = 500
_NESTED = 2
"""Levels of arrays and objects inside a value that stays JSON text; deeper ones go to the slow reader."""


def _value_pattern(levels: int) -> str:
    if levels == 0:
        return SCALAR
    inner = f"(?:{_value_pattern(levels - 1)})"
    return f"{SCALAR}|{_array_pattern(inner)}|{_object_pattern(inner)}"


def _array_pattern(inner: str) -> str:
    return rf"\[{SPACE}(?:{inner}(?:{SPACE},{SPACE}{inner})*+)?+{SPACE}\]"


def _object_pattern(inner: str) -> str:
    string = SCALAR.split("|-?(?:0|", 1)[0]
    member = f"{string}{SPACE}:{SPACE}{inner}"
    return rf"\{{{SPACE}(?:{member}(?:{SPACE},{SPACE}{member})*+)?+{SPACE}\}}"


_INNER = f"(?:{_value_pattern(_NESTED - 1)})"
_LEAVES = {
    "": SCALAR,
    "[": f"{_array_pattern(_INNER)}|{SCALAR}",
    "{": f"{_object_pattern(_INNER)}|{SCALAR}",
    # an empty object is a value at any depth, where one with members would be opened
    "{}": rf"\{{{SPACE}\}}|{SCALAR}",
}
"""By the kind of value that taught the shape: what may stand there."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """A known shape: its pattern, and the columns in the order of its groups."""

    match: Callable[[bytes], re.Match[bytes] | None]
    names: tuple[str, ...]
    """Of all leaves, wanted or not."""
    captured: tuple[str, ...]


@dataclass
class Shapes:
    """The shapes learned so far for one way of flattening. Threads may share it: `known` is only ever replaced."""

    wanted: Collection[str] | None
    known: tuple[Shape, ...] = ()
    candidates: dict[tuple[str, ...], int] = field(default_factory=dict)

    def learn(self, text: str, row: Sequence[tuple[str, Leaf]]) -> None:
        """See a record that no shape matched; make a pattern of its shape once it was seen often enough."""
        if len(self.known) >= MAX_SHAPES or len(row) > _MAX_LEAVES:
            return
        key = _key(text, row)
        count = self.candidates.get(key, 0) + 1
        if count < SEEN_BEFORE:
            if len(self.candidates) < _MAX_CANDIDATES:
                self.candidates[key] = count
            return
        self.candidates.pop(key, None)
        self.known = (*self.known, self._shape(key, tuple(name for name, _ in row)))

    def _shape(self, key: tuple[str, ...], names: tuple[str, ...]) -> Shape:
        wanted = self.wanted
        pattern = [re.escape(key[0])]
        for name, kind, literal in zip(names, key[1::2], key[2::2], strict=True):
            group = "(" if wanted is None or name in wanted else "(?:"
            pattern.append(f"{group}{_LEAVES[kind]}){re.escape(literal)}")
        captured = tuple(name for name in names if wanted is None or name in wanted)
        return Shape(re.compile("".join(pattern).encode()).fullmatch, names, captured)


def _key(text: str, row: Sequence[tuple[str, Leaf]]) -> tuple[str, ...]:
    """The literal before the first value, then for each value its kind and the literal behind it."""
    parts, at = [], 0
    for _, leaf in row:
        parts.append(text[at : leaf.start])
        parts.append(_kind(text, leaf))
        at = leaf.end
    parts.append(text[at:])
    return tuple(parts)


def _kind(text: str, leaf: Leaf) -> str:
    first = text[leaf.start]
    if first == "{":
        return "{" if text[leaf.start + 1 : leaf.end - 1].strip() else "{}"
    return "[" if first == "[" else ""
