"""Options of fixed-width text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from loadlock.intake._options import option

_RANGE = re.compile(r"\s*(\d{1,6})\s*-\s*(\d{1,6})\s*")


@dataclass(frozen=True, kw_only=True)
class FixedOptions:
    """Where the columns stand. Without `widths` and `positions` it is found out from columns of spaces."""

    widths: tuple[int, ...] = option("Width of each column, one behind the other, as `[5, 20, 10]`.", default=())
    positions: tuple[str, ...] = option(
        'First and last place of each column, from 1 on, as `["1-5", "8-20"]`; what stands between is left out.',
        default=(),
    )
    names: tuple[str, ...] = option("Names of the columns, where no header line names them.", default=())
    unit: Literal["characters", "bytes"] = option(
        "What widths and positions count (bytes of UTF-8).", default="characters"
    )
    trim: bool = option("Take the spaces around each value away.", default=True)

    def __post_init__(self) -> None:
        if self.widths and self.positions:
            raise ValueError("fixed: widths and positions are both given; write one of them")
        if any(width < 1 for width in self.widths):
            raise ValueError("fixed: widths must be 1 or more")
        spans = self.spans()
        if any(end <= start for start, end in spans):
            raise ValueError("fixed: positions must be ranges from 1 on, such as 1-5")
        if any(after[0] < before[1] for before, after in pairwise(spans)):
            raise ValueError("fixed: positions must rise and not overlap")
        if spans and self.names and len(self.names) != len(spans):
            raise ValueError(f"fixed: names has {len(self.names)} names for {len(spans)} columns")

    def spans(self) -> list[tuple[int, int]]:
        """Start (0-based) and end of each column; empty where they are to be found out."""
        if self.positions:
            found = (_RANGE.fullmatch(text) for text in self.positions)
            return [(int(match[1]) - 1, int(match[2])) if match and int(match[1]) else (0, 0) for match in found]
        spans, at = [], 0
        for width in self.widths:
            spans.append((at, at + width))
            at += width
        return spans
