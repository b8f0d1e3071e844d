"""Rows of a tab: read by columns, compared with what was sent, found the last of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson

from loadlock.delivery.destinations._sheets_state import Tab
from loadlock.sheets.wire import Wire

if TYPE_CHECKING:
    import numpy as np

READ_CELLS = 180_000
"""Read at once: 15,000 rows of 12 columns."""
SUM_MODULUS = 2**64
Rows = list[list[Any]]
_UNFORMATTED = {"valueRenderOption": "UNFORMATTED_VALUE", "dateTimeRenderOption": "SERIAL_NUMBER"}


def runs(places: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Neighbouring columns together: index of the first in `places`, its column, how many."""
    start = 0
    for index in range(1, len(places) + 1):
        if index == len(places) or places[index] != places[index - 1] + 1:
            yield start, places[start], index - start
            start = index


def read_rows(wire: Wire, tab: Tab, places: Sequence[int], row: int, end: int) -> Rows:
    """Rows from `row` up to `end` of these columns (ascending), each without the empty cells at its end."""
    end = min(end, tab.rows)
    if row >= end:
        return []
    ranges = [tab.a1(row, end, column, column + count) for _, column, count in runs(places)]
    if len(ranges) == 1:
        found = wire.get(f"/values/{quote(ranges[0], safe='')}", _UNFORMATTED)
        rows: Rows = found.get("values", [])
        return rows
    answer = wire.get("/values:batchGet", {"ranges": ranges, **_UNFORMATTED})
    parts = [part.get("values", []) for part in answer["valueRanges"]]
    return _beside(parts, [count for _, _, count in runs(places)])


def _beside(parts: Sequence[Rows], widths: Sequence[int]) -> Rows:
    """Rows of several ranges side by side."""
    joined: Rows = []
    for index in range(max(map(len, parts), default=0)):
        line: list[Any] = []
        for part, width in zip(parts, widths, strict=True):
            cells = part[index] if index < len(part) else []
            line += [*cells, *[""] * (width - len(cells))]
        joined.append(trimmed(line))
    while joined and not joined[-1]:
        joined.pop()
    return joined


def trimmed(line: list[Any]) -> list[Any]:
    """The line without empty cells at its end, as the service gives it."""
    end = len(line)
    while end and line[end - 1] == "" and isinstance(line[end - 1], str):
        end -= 1
    return line[:end]


def same(sent: bytes, found: Rows) -> bool:
    """Whether rows read are those sent (JSON of a list of rows). 1 and true are two things."""
    rows = [trimmed(line) for line in orjson.loads(sent)]
    while rows and not rows[-1]:
        rows.pop()
    return rows == found and _booleans(rows) == _booleans(found)


def _booleans(rows: Rows) -> int:
    """How many booleans there are: equal rows that differ in one have other counts."""
    return sum(value is True or value is False for line in rows for value in line)


def fingerprint(rows: Rows) -> str:
    """Of rows as they are read."""
    return hashlib.sha256(orjson.dumps(rows)).hexdigest()[:24]


def last_row(wire: Wire, tab: Tab, places: Sequence[int], hint: int) -> int:
    """The row below the last one with a value in these columns, at least 1 (the header is row 0).

    Looks below `hint` first, then from the bottom up.
    """
    if 1 < hint <= tab.rows:
        found = read_rows(wire, tab, places, hint - 1, tab.rows)
        if found:
            return hint - 1 + len(found)
    end = tab.rows
    while end > 1:
        start = max(1, end - portion(len(places)))
        found = read_rows(wire, tab, places, start, end)
        if found:
            return start + len(found)
        end = start
    return 1


def portion(columns: int) -> int:
    """Rows to read at once."""
    return max(100, READ_CELLS // max(columns, 1))


def slices(row: int, end: int, columns: int) -> Iterator[tuple[int, int]]:
    """The rows in reading portions."""
    step = portion(columns)
    for start in range(row, end, step):
        yield start, min(end, start + step)


def row_hashes(rows: Rows, count: int, order: Sequence[int]) -> np.ndarray[Any, Any]:
    """64 bits of each row, its cells taken in this order; 0 for an empty one. `count` rows, those at the end may be missing in
    `rows`."""
    import numpy as np

    found = np.zeros(count, np.uint64)
    blank = [""] * len(order)
    moved = None if list(order) == list(range(len(order))) else itemgetter(*order)
    for index, line in enumerate(rows):
        if line:
            if moved is not None:
                line = trimmed([*moved(line + blank[len(line) :])])
            digest = hashlib.blake2b(orjson.dumps(line), digest_size=8).digest()
            found[index] = int.from_bytes(digest, "little") or 1
    return found


def total(hashes: np.ndarray[Any, Any]) -> int:
    """The sum of row hashes, independent of their order."""
    import numpy as np

    with np.errstate(over="ignore"):
        return int(hashes.sum(dtype=np.uint64))
