"""Where the table of a CSV file begins: titles above it, and whether its first row is a header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

LOOK_ROWS = 200
PREAMBLE_ROWS = 50
MORE_HEADER_ROWS = 2
_ROWS_BELOW = 3
_NOTHING = frozenset({"", "-", "--", "?", "n/a", "na", "nan", "null", "none", "nil", "unknown", "#n/a", "missing", "x"})
"""Words in a column of numbers that make no header of a row."""
_NUMBER = re.compile(r"[-+(]?[$€£¥]?\s?\d[\d.,'  ]*%?\)?")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d.*)?|\d{1,2}:\d\d(:\d\d)?")
_YEAR = re.compile(r"(?:19|20)\d\d")
_INTEGER = re.compile(r"\d{1,6}")


@dataclass(frozen=True, kw_only=True)
class Top:
    """What the first rows say."""

    skipped: int
    """Rows above the table."""
    header: int
    reason: str


def find_top(rows: Sequence[Sequence[str]], fields: int, *, touching: bool = False, pinned: bool = False) -> Top:
    """Look at the first rows (blank ones left out) of a table that mostly has `fields` fields.

    `touching`: no blank line stands between the first two; `pinned`: none of them is a title.
    """
    skipped = 0 if pinned else _titles(rows, fields)
    if touching and skipped == 1 and _may_be_header(rows, fields):
        reason = "the only line above the table has one field and touches it: taken as a damaged header"
        return Top(skipped=0, header=1, reason=reason + "; pin `preamble: 1` if it is a title")
    below = rows[skipped : skipped + LOOK_ROWS]
    header, reason = _header(below)
    more = _further_header_rows(below) if header == 1 and fields > 1 else 0
    if more:
        header += more
        reason += f"; {more} more of the kind: names over {header} rows"
    return Top(skipped=skipped, header=header, reason=reason)


def is_word(cell: str) -> bool:
    """Whether a cell is a text, neither empty nor a number or date."""
    return _kind(cell) == "text"


def is_clear_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is text above numbers or dates, and nothing speaks against a header."""
    spoken_for, against = _votes(rows[0], rows[1:])
    return spoken_for > 0 and not against


def _titles(rows: Sequence[Sequence[str]], fields: int) -> int:
    if fields < 2:
        return 0
    for place, row in enumerate(rows[:PREAMBLE_ROWS]):
        if not _is_title(row, fields):
            return place
    # no row that is fit to be a header: nothing is skipped, so that nothing is lost
    return 0


def _is_title(row: Sequence[str], fields: int) -> bool:
    """A row of much fewer fields than the table, or of the table's width with hardly a cell filled."""
    if len(row) * 2 <= fields or (len(row) == 1 and fields > 1):
        return True
    filled = sum(bool(cell.strip()) for cell in row)
    return fields >= 4 and filled <= max(1, fields // 5)


def _may_be_header(rows: Sequence[Sequence[str]], fields: int) -> bool:
    """Whether a line of one field above a table of two may be a header that lost its delimiter.

    A title has more words than there are columns, or stands above a header of its own.
    """
    below = rows[1:]
    return fields == 2 and len(rows[0]) == 1 and len(rows[0][0].split()) <= fields and not is_clear_header(below)


def _kind(cell: str) -> str:
    cell = cell.strip()
    if len(cell) > 2 and cell[0] == cell[-1] == "'":
        # quoted by a mark that is not the file's quote: what stands between says what the cell is
        cell = cell[1:-1].strip()
    if not cell:
        return ""
    if _NUMBER.fullmatch(cell):
        return "number"
    return "date" if _DATE.fullmatch(cell) else "text"


def _header(rows: Sequence[Sequence[str]]) -> tuple[int, str]:
    """Number of header rows (0 or 1) and why."""
    if not rows:
        return 1, "no row to judge a header by"
    first, rest = rows[0], rows[1:]
    spoken_for, against = _votes(first, rest)
    if _is_group_row(rows):
        return 2, "the first row names groups of the columns named by the second: names over 2 rows"
    if against > spoken_for:
        return 0, f"the first row has the types of the rows below it in {against} columns: no header"
    if spoken_for:
        return 1, f"the first row is text above numbers or dates in {spoken_for} columns: a header"
    repeated = _repeated(first, rest)
    if repeated * 2 >= len(first) and repeated and len(rest) >= 2:
        return 0, f"{repeated} of the first row's values stand again below them: no header"
    return 1, "nothing tells the first row from the others: taken as a header; pin `header: 0` if it is data"


def _is_group_row(rows: Sequence[Sequence[str]]) -> bool:
    """Whether a clear header stands in the second row and the first has names for several of its columns each."""
    if len(rows) < 2 + _ROWS_BELOW or len(rows[0]) != len(rows[1]):
        return False
    first, names = ([cell.strip() for cell in row] for row in rows[:2])
    groups = [cell for cell in first if cell]
    spoken_for, against = _votes(names, rows[2:])
    gaps = first[0] == "" and len(first) - len(groups) >= 1
    several = len(groups) > len(set(groups)) or len(groups) * 2 <= len(first)
    return gaps and several and len(groups) > 1 and spoken_for >= 2 and not against and all(names)


def _further_header_rows(rows: Sequence[Sequence[str]]) -> int:
    """Rows behind the first that are text in each column of numbers or dates, words for nothing left out."""
    count = 0
    while count < MORE_HEADER_ROWS and len(rows) - count - 2 >= _ROWS_BELOW:
        row, rest = rows[count + 1], rows[count + 2 :]
        spoken_for, against = _votes(row, rest)
        words = sum(bool(cell.strip()) and cell.strip().lower() not in _NOTHING for cell in row)
        plain = not any(_kind(cell) in ("number", "date") for cell in row)
        if (
            against
            or spoken_for < 2
            or not plain
            or words * 2 < len(row)
            or len(row) != len(rows[0])
            or row in rows[: count + 1]
        ):
            break
        count += 1
    return count


def _votes(first: Sequence[str], rest: Sequence[Sequence[str]]) -> tuple[int, int]:
    """Columns of numbers or dates whose first cell is text, and those whose first cell is of the same kind."""
    series = _is_series(first) or _are_years(first, rest)
    spoken_for = against = 0
    for place, cell in enumerate(first):
        kind = _kind(cell)
        below = [_kind(row[place]) for row in rest if place < len(row)]
        below = [found for found in below if found]
        if not below:
            against += kind in ("number", "date") and not series and not rest
            continue
        common = max(set(below), key=below.count)
        if common == "text" or below.count(common) < 0.8 * len(below):
            continue
        if kind == common and not (kind == "number" and series):
            against += 1
        elif kind == "text":
            spoken_for += 1
    return spoken_for, against


def _is_series(cells: Sequence[str]) -> bool:
    """Whether the numbers of a row are years in order or go up in equal steps, as those above columns do."""
    numbers = [int(cell) for cell in (cell.strip() for cell in cells) if _INTEGER.fullmatch(cell)]
    steps = {after - before for before, after in pairwise(numbers)}
    years = all(1800 <= number <= 2100 for number in numbers) and all(step > 0 for step in steps)
    return len(numbers) >= 3 and (years or (len(steps) == 1 and min(steps) > 0))


def _are_years(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether numbers behind a word are years one after the other, above columns whose values are mostly none."""
    places = [place for place, cell in enumerate(first) if _YEAR.fullmatch(cell.strip())]
    numbers = [cell for cell in first if _kind(cell) == "number"]
    steps = {int(first[after]) - int(first[before]) for before, after in pairwise(places)}
    if len(places) < 2 or len(places) < len(numbers) or 0 in places or steps not in ({1}, {-1}):
        return False
    below = [row[place].strip() for row in rest for place in places if place < len(row)]
    return sum(bool(_YEAR.fullmatch(cell)) for cell in below) * 2 <= len(below) and is_word(first[0])


def _repeated(first: Sequence[str], rest: Sequence[Sequence[str]]) -> int:
    """Cells of the first row that stand again in their column, leaving out repeated header rows."""
    others = [row for row in rest if list(row) != list(first)] if len(first) > 1 else rest
    return sum(
        bool(cell.strip()) and any(place < len(row) and row[place] == cell for row in others)
        for place, cell in enumerate(first)
    )
