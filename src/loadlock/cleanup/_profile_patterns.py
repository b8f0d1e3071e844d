"""Counts the patterns of a column's values: their shapes, or, where these are many, the shapes with runs made one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 48
"""Different patterns that are remembered; a column with more has none."""
_RUN = re.compile(r"([9aA])\1+")
_LONGEST = 64


class Patterns:
    """The running counts; the same whatever the cut into tables."""

    def __init__(self) -> None:
        self.exact: Counter[str] | None = Counter()
        self.joined: Counter[str] | None = Counter()
        self.examples: dict[str, str] = {}
        """Pattern → one of its values."""

    def add(self, shapes: pa.DictionaryArray, values: pa.Array, weights: Any) -> None:
        """Count the values' shapes; `weights`: how often each value stands there."""
        if self.joined is None:
            return
        codes = shapes.indices.to_numpy()
        listed = shapes.dictionary.to_pylist()
        counts = np.bincount(codes, weights=weights, minlength=len(listed)).astype(np.int64).tolist()
        self.exact = _added(self.exact, listed, counts)
        joined = [join(shape) for shape in listed]
        self.joined = _added(self.joined, joined, counts)
        for pattern, code in {**_first(joined), **_first(listed)}.items() if self.joined is not None else ():
            if pattern not in self.examples and len(self.examples) < 4 * MOST:
                self.examples[pattern] = values[int(np.argmax(codes == code))].as_py()

    def found(self) -> tuple[Mapping[str, int] | None, bool]:
        """(pattern → values, whether the patterns are the exact shapes); None where there are too many."""
        if self.exact is not None:
            return dict(self.exact), True
        return (None if self.joined is None else dict(self.joined)), False


def join(shape: str) -> str:
    """The shape with every run of digits or letters made one: `AA-9999` → `A-9`."""
    return _RUN.sub(r"\1", shape)


def _added(known: Counter[str] | None, shapes: list[str], counts: list[int]) -> Counter[str] | None:
    if known is None or any(len(shape) > _LONGEST for shape in shapes):
        return None
    for shape, count in zip(shapes, counts, strict=True):
        known[shape] += count
        if len(known) > MOST:
            return None
    return known


def _first(shapes: list[str]) -> dict[str, int]:
    """Shape → its first place."""
    return {shape: place for place, shape in reversed(list(enumerate(shapes)))} if len(shapes) <= 8 * MOST else {}
