"""Logs that name their columns in a comment: `#Fields: date time c-ip`, as IIS, Exchange, CloudFront and others write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loadlock.intake._csv_records import Piece, Status

_FIELDS = re.compile(rb"#Fields: *([^\r\n]+)")
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


class NamedMarks:
    """Keeps rows below other names out of the rows of one file's pieces. Call `mark` for each piece, in order."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._within = 0
        """The line of the other names that count; 0: those of the file count."""

    def mark(self, piece: Piece, first_line: int) -> None:
        """Mark the rows below a comment with other names as rejects, until the first names come again."""
        records = piece.records
        starts = {0: self._within}
        for index in np.flatnonzero(records.status == Status.COMMENT).tolist():
            if (match := _FIELDS.match(piece.raw(index))) is not None:
                is_same = _names(match[1]) == self._names
                starts[index] = 0 if is_same else int(records.line[index]) + first_line
        for index, stop in zip(starts, [*list(starts)[1:], len(records)], strict=True):
            self._within = starts[index]
            if self._within:
                rows = index + np.flatnonzero(records.status[index:stop] <= Status.EXACT)
                records.status[rows] = Status.OTHER_NAMES
                records.trim[rows] = 0
                records.where.update(dict.fromkeys(rows.tolist(), self._within))


def named_fields(pieces: Sequence[bytes]) -> NamedFields | None:
    """The names in the comments above the first row; None where there are none."""
    if not pieces or not pieces[0].startswith(b"#"):
        return None
    lines = pieces[0].splitlines()
    comments = next((place for place, line in enumerate(lines) if line and not line.startswith(b"#")), len(lines))
    named = [place for place, line in enumerate(lines[: min(comments, _MOST_LINES)]) if _FIELDS.match(line)]
    if not named or comments == len(lines):
        return None
    # the last ones above the first row are its names
    names = _names(lines[named[-1]].partition(b":")[2])
    for delimiter in _DELIMITERS:
        if lines[comments].count(delimiter) + 1 == len(names) > 1:
            return NamedFields(names=names, lines=named[-1] + 1, delimiter=delimiter)
    return None


def _names(text: bytes) -> tuple[str, ...]:
    return tuple(filter(None, _SEPARATORS.split(text.decode("utf-8", "replace").strip())))
