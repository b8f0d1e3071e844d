"""Lines of facts above a table, as banks and shops write them: `Account;DE12`, `Period;01.01. - 31.01.`, then header and rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from loadlock.intake import _csv_top as top

MOST_LINES = 20
_LEAST, _LEAST_ALONE = 2, 1
_FACT_FIELDS = 2
_ALIKE, _NEARLY_ALL = 0.8, 0.95
"""Share of the lines below that must be as wide as the header."""


def facts_above(widths: Sequence[int], rows: Sequence[Sequence[str]], *, blank_below: int) -> int:
    """Number of lines above the table that name one fact each; 0 where these may be rows.

    `widths`: fields of all records, blank ones left out; `rows`: the cells of the first ones; `blank_below`: the record that
    stands below the first blank line, 0 for none.
    """
    if head := _lines_of_another_width(widths, rows):
        return head
    count = next((place for place, width in enumerate(widths) if width > _FACT_FIELDS), 0)
    least = _LEAST_ALONE if blank_below == count else _LEAST
    if not least <= count <= MOST_LINES or count >= len(rows) or _FACT_FIELDS not in widths[:count]:
        return 0
    below, labels = widths[count:], [row[0].strip() for row in rows[:count] if len(row) > 1]
    if len(below) < 2 or list(below).count(below[0]) < _ALIKE * len(below):
        return 0
    is_table = count > 2 and len(set(widths[:count])) == 1 and top.is_clear_header(rows[:count])
    if is_table or len(set(labels)) < len(labels) or not all(map(top.is_word, labels)):
        return 0
    return count if _are_names(rows[count]) else 0


def _lines_of_another_width(widths: Sequence[int], rows: Sequence[Sequence[str]]) -> int:
    """Number of lines above a clear header that are wider than the table, as the first line of DATEV's and loggers' files is."""
    usual = Counter(widths).most_common(1)[0][0] if len(widths) > 2 else 0
    count = next((place for place, width in enumerate(widths) if width == usual), 0)
    below = widths[count:]
    if not 0 < count <= MOST_LINES or usual < 2 or max(widths[:count]) <= usual or count + 2 >= len(rows):
        return 0
    if list(below).count(usual) < _NEARLY_ALL * len(below) or not _are_names(rows[count]):
        return 0
    return count if top.is_clear_header(rows[count:]) else 0


def _are_names(cells: Sequence[str]) -> bool:
    names = [cell.strip() for cell in cells if cell.strip()]
    return len(names) * 2 > len(cells) and len(set(names)) == len(names) and all(map(top.is_word, names))
