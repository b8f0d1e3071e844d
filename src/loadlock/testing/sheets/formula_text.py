"""Formulas as text: their tokens, and their references rewritten when cells or tabs move."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from loadlock.testing.sheets.a1 import letters, number, quoted
from loadlock.testing.sheets.moves import Shift

REFERENCE = re.compile(
    r"(?P<title>(?:'(?:[^']|'')*'|[A-Za-z_][A-Za-z0-9_]*)!)?"
    r"(?:(?P<cell>\$?[A-Za-z]{1,3}\$?[1-9][0-9]*(?::\$?[A-Za-z]{1,3}(?:\$?[1-9][0-9]*)?)?)"
    r"|(?P<columns>\$?[A-Za-z]{1,3}:\$?[A-Za-z]{1,3}(?:\$?[1-9][0-9]*)?)"
    r"|(?P<rows>\$?[1-9][0-9]*:\$?[1-9][0-9]*))"
    r"(?![A-Za-z0-9_.(!])"
)
_TEXT = re.compile(r'"(?:[^"]|"")*"')
_NUMBER = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
_ERROR = re.compile(r"#(?:REF!|N/A|VALUE!|DIV/0!|NAME\?|NUM!|NULL!|ERROR!)")
_OPERATOR = re.compile(r"<=|>=|<>|[-+*/^&=<>%(),;{}]")
_KINDS = (
    ("text", _TEXT),
    ("error", _ERROR),
    ("reference", REFERENCE),
    ("number", _NUMBER),
    ("name", _NAME),
    ("operator", _OPERATOR),
)
_PART = re.compile(r"(\$?)([A-Za-z]{0,3})(\$?)([0-9]*)$")
LOST = "#REF!"


@dataclass(frozen=True, kw_only=True)
class Corner:
    """One corner of a reference: None = open (`A2:A` has no last row); fixed parts carry a `$`."""

    row: int | None
    column: int | None
    row_fixed: bool
    column_fixed: bool

    def __str__(self) -> str:
        column = "" if self.column is None else ("$" if self.column_fixed else "") + letters(self.column)
        return column + ("" if self.row is None else ("$" if self.row_fixed else "") + str(self.row + 1))


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A reference within a formula: the tab's title (None = the formula's own tab) and its corners."""

    title: str | None
    first: Corner
    last: Corner | None

    def __str__(self) -> str:
        title = "" if self.title is None else quoted(self.title) + "!"
        return f"{title}{self.first}" + ("" if self.last is None else f":{self.last}")


def tokens(formula: str) -> list[tuple[str, str]]:
    """Kind and text of each token of a formula, the leading `=` left out, white space dropped."""
    found, at = [], 1
    while at < len(formula):
        if formula[at].isspace():
            at += 1
            continue
        for kind, pattern in _KINDS:
            match = pattern.match(formula, at)
            if match:
                found.append((kind, match[0]))
                at = match.end()
                break
        else:
            found.append(("unknown", formula[at]))
            at += 1
    return found


def reference(text: str) -> Reference:
    title, cells = None, text
    if "!" in text:
        title, _, cells = text.rpartition("!")
        title = title[1:-1].replace("''", "'") if title.startswith("'") else title
    first, colon, last = cells.partition(":")
    return Reference(title=title, first=_corner(first), last=_corner(last) if colon else None)


def _corner(text: str) -> Corner:
    match = _PART.match(text)
    assert match is not None
    fixed_column, column, fixed_row, row = match.groups()
    if not column and fixed_column:
        fixed_column, fixed_row = "", "$"
    return Corner(
        row=int(row) - 1 if row else None,
        column=number(column) if column else None,
        row_fixed=bool(fixed_row),
        column_fixed=bool(fixed_column),
    )


def rewritten(formula: str, change: Callable[[Reference], Reference | None]) -> str:
    """The formula with each reference replaced; None makes it `#REF!`. Texts are left alone."""
    parts, at = [], 0
    for match in re.finditer(f"{_TEXT.pattern}|(?<![A-Za-z0-9_.$]){REFERENCE.pattern}", formula):
        parts.append(formula[at : match.start()])
        if match[0].startswith('"'):
            parts.append(match[0])
        else:
            changed = change(reference(match[0]))
            parts.append(LOST if changed is None else str(changed))
        at = match.end()
    return "".join(parts) + formula[at:]


def shifted(ref: Reference, shift: Shift, *, rows: bool) -> Reference | None:
    """The reference after rows or columns moved, None when all that it named is gone."""
    last = ref.last or ref.first
    start, end = (ref.first.row, last.row) if rows else (ref.first.column, last.column)
    if start is None and end is None:
        return ref
    if end is None:
        return replace(ref, first=_at(ref.first, shift.start(start or 0), rows=rows))
    span = shift.span(start or 0, end + 1)
    if span is None:
        return None
    first = ref.first if start is None else _at(ref.first, span[0], rows=rows)
    return replace(ref, first=first, last=ref.last and _at(last, span[1] - 1, rows=rows))


def _at(corner: Corner, place: int, *, rows: bool) -> Corner:
    return replace(corner, row=place) if rows else replace(corner, column=place)


def carried(ref: Reference, rows: int, columns: int) -> Reference | None:
    """The reference in a formula that was copied so many rows down and columns right; `$` holds."""
    first, last = _carried(ref.first, rows, columns), ref.last and _carried(ref.last, rows, columns)
    if first is None or (ref.last is not None and last is None):
        return None
    return replace(ref, first=first, last=last)


def _carried(corner: Corner, rows: int, columns: int) -> Corner | None:
    row = corner.row if corner.row is None or corner.row_fixed else corner.row + rows
    column = corner.column if corner.column is None or corner.column_fixed else corner.column + columns
    if (row is not None and row < 0) or (column is not None and column < 0):
        return None
    return replace(corner, row=row, column=column)
