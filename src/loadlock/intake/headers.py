"""Column names from a header as found: a stated mapping that never loses a column."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from loadlock import rows

RESERVED = frozenset({*rows.PROVENANCE, *rows.IDENTITY, rows.JSON_RECORD})
"""Names that staging uses itself."""
LONG_NAME = 63
"""Bytes that PostgreSQL's names may have; longer names are kept and noted."""
_VALUE = re.compile(
    r"[-+]?\d[\d.,'/:-]*%?|\d{4}-\d\d-\d\d[ T][\d:.]+|[^@\s]+@[^@\s]+\.\w+|true|false|null|n/a|nan", re.IGNORECASE
)
_YEAR = re.compile(r"(?:1[89]|20)\d\d|\d{1,2}")
_MARKED = re.compile(r"#+\s*((?!of\b)[^\W\d].*)")
_WRONG_MARK = "\u00ef\u00bb\u00bf"
"""A byte order mark that was read as cp1252 and written again."""
_INVISIBLE = " \t\r\n\x0b\x0c\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
_INVISIBLE += "\u200b\u200c\u200d\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"


@dataclass(frozen=True, kw_only=True)
class Naming:
    """The columns' names as staged, in file order, and what was changed."""

    names: list[str]
    notes: list[str]


def name_columns(found: Sequence[str]) -> Naming:
    """Unique, non-empty names for the cells of a header.

    White space at the ends goes; an empty name becomes `column_7`; the second `amount` becomes `amount_2`; a name
    that staging uses itself gets a number. Names that differ only in case stay as they are, with a note.
    """
    notes: list[str] = []
    trimmed = [_trim(name, place, notes) for place, name in enumerate(found, 1)]
    # a name that stands in the file is never taken by a made-up one
    taken = {name for name in trimmed if name and name not in RESERVED}
    used: set[str] = set()
    names = []
    for place, name in enumerate(trimmed, 1):
        chosen = _choose(name, place, used, taken)
        if name and chosen != name:
            reason = "the name is used by Loadlock itself" if name in RESERVED else "the name stands twice"
            notes.append(f"column {place} {name!r} is staged as {chosen!r}: {reason}")
        elif not name:
            notes.append(f"column {place} has no name and is staged as {chosen!r}")
        used.add(chosen)
        names.append(chosen)
    return Naming(names=names, notes=_shorten(notes) + _likeness(names) + _value_like(trimmed))


def without_comment_mark(found: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names without a `#` before the first one (`#CHROM`), by which a header is hidden as a comment; and a note of it."""
    match = _MARKED.fullmatch(found[0].strip()) if len(found) > 1 else None
    if match is None or any(name.strip().startswith("#") for name in found[1:]):
        return [*found], []
    said = f"column 1 {found[0]!r} is staged as {match[1]!r}: the mark before it makes the header a comment"
    return [match[1], *found[1:]], [said]


def numbered_columns(count: int) -> list[str]:
    """Names for a file without header: `column_1`, `column_2` ..."""
    return [f"column_{place}" for place in range(1, count + 1)]


def join_header_rows(header_rows: Sequence[Sequence[str]]) -> list[str]:
    """One name a column from several header rows: their cells joined with a space."""
    width = max(map(len, header_rows), default=0)
    cells = ([row[place].strip() if place < len(row) else "" for row in header_rows] for place in range(width))
    return [" ".join(filter(None, column)) for column in cells]


def _trim(name: str, place: int, notes: list[str]) -> str:
    trimmed = (name.removeprefix(_WRONG_MARK).strip('"') if name.startswith(_WRONG_MARK) else name).strip(_INVISIBLE)
    if trimmed != name and trimmed:
        notes.append(f"column {place} {name!r} is staged without the white space around it")
    return trimmed


def _choose(name: str, place: int, used: set[str], taken: set[str]) -> str:
    if name and name not in used and name not in RESERVED:
        return name
    base = name or f"column_{place}"
    candidates = [base] if not name else []
    number = 2
    while not candidates or candidates[-1] in used or candidates[-1] in taken:
        candidates.append(f"{base}_{number}")
        number += 1
    return candidates[-1]


def _shorten(notes: list[str], limit: int = 20) -> list[str]:
    return notes if len(notes) <= limit else [*notes[:limit], f"... and {len(notes) - limit} more columns like these"]


def _likeness(names: list[str]) -> list[str]:
    notes = []
    by_case: dict[str, str] = {}
    by_letters: dict[str, str] = {}
    for name in names:
        other = by_case.setdefault(name.casefold(), name)
        alike = by_letters.setdefault(_letters(name), name)
        if other != name:
            notes.append(f"columns {other!r} and {name!r} differ only in case; both are kept")
        elif alike != name:
            notes.append(
                f"columns {alike!r} and {name!r} differ only in case, white space and punctuation; both are kept"
            )
        if len(name.encode("utf-8", "surrogatepass")) > LONG_NAME:
            notes.append(f"the name of column {name[:40]!r}... is longer than {LONG_NAME} bytes; it is kept")
    return _shorten(notes)


def _letters(name: str) -> str:
    """What is left of a name without case, white space and punctuation; the name where nothing is."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold())) or name


def _value_like(names: Sequence[str]) -> list[str]:
    """A note where names look like values, as where the first row of data stands in the header's place."""
    values = [name for name in names if _VALUE.fullmatch(name.strip())]
    series = len(values) == len([name for name in values if _YEAR.fullmatch(name.strip())])
    if not values or (series and len(values) < len(names)):
        return []
    shown = ", ".join(map(repr, values[:3])) + (" ..." if len(values) > 3 else "")
    return [
        f"{len(values)} of {len(names)} names look like values ({shown}): if the first row is data, pin `header: 0`"
    ]
