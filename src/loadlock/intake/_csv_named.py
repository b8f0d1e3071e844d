"""Logs that name their columns in a comment: `#Fields: date time c-ip`, as IIS, Exchange, CloudFront and others write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_FIELDS = re.compile(rb"(?m)^#Fields: *([^\r\n]+)")
_SEPARATORS = re.compile(r"[ ,\t]+")
_DELIMITERS = (b"\t", b",", b" ")
_MOST_LINES = 20


@dataclass(frozen=True, kw_only=True)
class NamedFields:
    """The columns as the comment names them."""

    names: tuple[str, ...]
    lines: int
    """Physical lines up to the one with the names."""
    delimiter: bytes
    """Of the rows, which is another one than that of the names in some of these logs."""


def named_fields(pieces: Sequence[bytes]) -> NamedFields | None:
    """The names in the comments above the first row; None where there are none, or others further below."""
    found = {match.strip() for piece in pieces for match in _FIELDS.findall(piece)}
    if len(found) != 1 or not pieces[0].startswith(b"#"):
        return None
    lines = pieces[0].splitlines()
    comments = next((place for place, line in enumerate(lines) if line and not line.startswith(b"#")), len(lines))
    at = next((place for place, line in enumerate(lines[:_MOST_LINES]) if _FIELDS.match(line)), comments)
    if at >= comments or comments == len(lines):
        return None
    names = tuple(filter(None, _SEPARATORS.split(found.pop().decode("utf-8", "replace"))))
    for delimiter in _DELIMITERS:
        if lines[comments].count(delimiter) + 1 == len(names) > 1:
            return NamedFields(names=names, lines=at + 1, delimiter=delimiter)
    return None
