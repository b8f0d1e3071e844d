"""Where the columns of fixed-width text stand, and whether its first line is a header: said, or found with a reason."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadlock.errors import SourceError
from loadlock.intake._fixed_options import FixedOptions
from loadlock.intake.base import SourceOptions
from loadlock.intake.headers import Naming, name_columns, numbered_columns

LOOK_LINES = 10_000
_WIDEST = 10_000
"""Characters of a line that are looked at."""
_RULER = re.compile(r" *-{2,}(?: +-+)+ *")
_NUMBER = re.compile(r"[-+]?[\d.,:/ -]*\d[\d.,:/ -]*")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The columns of a file."""

    spans: list[tuple[int, int]]
    """Start (0-based) and end of each column."""
    found: bool
    """Whether the spans were found out: then a value that reaches over an end is a fault."""
    naming: Naming
    header_found: list[str]
    header: int
    stripped: bool
    """Whether lines come without the spaces at their ends: then a short line lacks only empty values."""
    reasons: list[str]
    again: frozenset[bytes] = frozenset()
    """Lines of the header above a ruler, and the ruler: where they come again, as at the top of a page, they are no rows."""


def find_layout(lines: Sequence[str], own: FixedOptions, options: SourceOptions, path: str) -> Layout:
    """The layout for these lines (from the table's first on). SourceError where no column can be told from another."""
    reasons: list[str] = []
    spans = own.spans()
    found = not spans
    ruler = ruler_in(lines) if found and options.header is None and not own.names else 0
    if ruler:
        spans = [match.span() for match in re.finditer(r"-+", lines[ruler])]
        counted = ", ".join(f"{start + 1}-{end}" for start, end in spans)
        reasons.append(f"positions: {counted}, by the ruler of dashes below the header")
    elif found:
        spans = _gaps(lines)
        if options.header != 0 and not own.names:
            spans = _named(spans, lines[0] if lines else "")
        if lines and len(spans) < 2:
            raise SourceError(
                f"{path}: no place holds a space in every line, so columns can't be told apart",
                hint="Give them: --option widths=5,20,10 or --option positions=1-5,8-20.",
            )
        counted = ", ".join(f"{start + 1}-{end}" for start, end in spans)
        reasons.append(f"positions: {counted}; between them {len(lines):,} lines hold spaces")
    cells = [[line[start:end].strip() for start, end in spans] for line in lines[:100]]
    header = ruler or _header(cells, own, options, reasons)
    names = list(own.names)
    if own.names and len(names) != len(spans):
        raise SourceError(
            f"{path}: {len(names)} names are given and {len(spans)} columns found",
            hint="Give `widths` or `positions` too.",
        )
    header_found: list[str] = []
    if header and not names:
        titles = sum(_crosses(line, spans) for line in lines[:header]) if ruler else 0
        header_found = [
            " ".join(filter(None, (row[place] for row in cells[titles:header]))) for place in range(len(spans))
        ]
        names = header_found
    naming = name_columns(names) if names else Naming(names=numbered_columns(len(spans)), notes=[])
    stripped = not any(line.endswith(" ") for line in lines)
    if stripped and len({len(line) for line in lines}) > 1:
        reasons.append("short lines: no line ends with spaces, so they are taken to have lost theirs")
    return Layout(
        spans=spans,
        found=found,
        naming=naming,
        header_found=header_found,
        header=header + bool(ruler),
        stripped=stripped,
        reasons=reasons,
        again=frozenset(line.encode() for line in lines[: ruler + 1]) if ruler else frozenset(),
    )


def _crosses(line: str, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether a line has text between two columns: a title, no names of columns."""
    gaps = zip((end for _, end in spans), [*(start for start, _ in spans[1:]), len(line)], strict=True)
    return bool(line[: spans[0][0]].strip()) or any(line[start:end].strip() for start, end in gaps)


def ruler_in(lines: Sequence[str]) -> int:
    """The number of header lines above a ruler (`-----  ------  ---`), as SQL clients print it; 0 where there is none."""
    return next((place for place, line in enumerate(lines[:3]) if place and _RULER.fullmatch(line)), 0)


def _gaps(lines: Sequence[str]) -> list[tuple[int, int]]:
    """The columns between places where every line has a space or has ended."""
    filled = np.zeros(_WIDEST, dtype=bool)
    for line in lines:
        codes = np.frombuffer(line[:_WIDEST].encode("utf-32-le"), dtype=np.uint32)
        filled[: len(codes)] |= codes != 32
    edges = np.flatnonzero(np.diff(np.concatenate(([False], filled, [False])).astype(np.int8)))
    starts, ends = edges[0::2].tolist(), edges[1::2].tolist()
    return list(zip([0, *starts[1:]], [*starts[1:], max(ends, default=0)], strict=False)) if starts else []


def _named(spans: list[tuple[int, int]], first: str) -> list[tuple[int, int]]:
    """The columns, those without a word of the first line joined to the one before, where it has words only.

    A space in the same place of all values, as in short names, is no gap between columns then.
    """
    words = [first[start:end].strip() for start, end in spans]
    if all(words) or not any(words) or any(_NUMBER.fullmatch(word) for word in words):
        return spans
    starts = [start for (start, _), word in zip(spans, words, strict=True) if word]
    starts[0] = 0
    return list(zip(starts, [*starts[1:], spans[-1][1]], strict=True))


def _header(cells: Sequence[Sequence[str]], own: FixedOptions, options: SourceOptions, reasons: list[str]) -> int:
    if options.header is not None:
        reasons.append("header: as told")
        return options.header
    if own.names:
        reasons.append("header: none, names are given")
        return 0
    if not cells:
        return 0
    first, below = cells[0], cells[1:]
    texts = [bool(cell) and not _NUMBER.fullmatch(cell) for cell in first]
    numbers = [
        bool(below) and all(_NUMBER.fullmatch(row[place]) or not row[place] for row in below)
        for place in range(len(first))
    ]
    if all(texts) and any(numbers):
        reasons.append("header: the first line holds words above numbers")
        return 1
    reasons.append("header: none, nothing tells the first line from the others; `header: 1` takes it as one")
    return 0
