"""Addresses of sheets: `gsheets://ID/Sheet name`, with a range behind `!`, or as the browser shows them.

gsheets://1aBcD/Orders            the sheet `Orders`
gsheets://1aBcD/Orders!A1:F       a range of it
gsheets://1aBcD?gid=123           the sheet with this number
https://docs.google.com/spreadsheets/d/1aBcD/edit#gid=123
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit

from loadlock.errors import UsageError

SCHEME = "gsheets"
EXAMPLE = "gsheets://SPREADSHEET_ID/Sheet name"
GID = re.compile(r"gid=(\d+)\Z")
"""A sheet's number, where a sheet's name is written."""
_BROWSER = re.compile(r"https?://docs\.google\.com/(?:a/[^/]+/)?spreadsheets/(?:u/\d+/)?d/([\w-]+)", re.IGNORECASE)
_RANGE = re.compile(r"[A-Za-z]*\d*(?::[A-Za-z]*\d*)?\Z")


@dataclass(frozen=True, kw_only=True)
class Address:
    """A spreadsheet, and what of it."""

    spreadsheet: str
    sheet: str | None = None
    """A title, or `gid=123`; None: not named."""
    cells: str | None = None
    """A range in A1 notation, without the sheet; None = the whole sheet."""


def canonical(url: str) -> str | None:
    """An address out of the browser's bar as `gsheets://ID?gid=123`; None for any other."""
    found = _BROWSER.match(url)
    if found is None:
        return None
    parts = urlsplit(url)
    gid = parse_qs(parts.fragment).get("gid") or parse_qs(parts.query).get("gid")
    return f"{SCHEME}://{found[1]}" + (f"?gid={gid[0]}" if gid and gid[0].isdigit() else "")


def parse(url: str) -> Address:
    """The parts of an address. Raises UsageError for one that names no spreadsheet, or no proper range."""
    url = canonical(url) or url
    scheme, mark, rest = url.partition("://")
    spreadsheet, _, sheet = rest.partition("/")
    spreadsheet, _, query = spreadsheet.partition("?")
    if scheme.lower() != SCHEME or not mark or not spreadsheet:
        raise UsageError(f"{url!r} names no spreadsheet", hint=f"Write {EXAMPLE}")
    if not sheet:
        gid = parse_qs(query).get("gid")
        return Address(spreadsheet=spreadsheet, sheet=f"gid={gid[0]}" if gid else None)
    title, bang, cells = unquote(sheet).rpartition("!")
    if not bang or not title or not _RANGE.match(cells):
        return Address(spreadsheet=spreadsheet, sheet=unquote(sheet))
    title = title[1:-1].replace("''", "'") if title[:1] == title[-1:] == "'" and len(title) > 2 else title
    return Address(spreadsheet=spreadsheet, sheet=title, cells=cells or None)


def written(address: Address) -> str:
    """The address as one URL."""
    sheet = "" if address.sheet is None else "/" + quote(address.sheet, safe=" ")
    return f"{SCHEME}://{address.spreadsheet}{sheet}" + (f"!{address.cells}" if address.cells else "")


def quoted(title: str) -> str:
    """A tab's title in A1 notation."""
    return "'" + title.replace("'", "''") + "'"


def letters(column: int) -> str:
    """0 → A, 26 → AA."""
    text = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        text = chr(65 + rest) + text
    return text
