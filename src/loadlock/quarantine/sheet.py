"""The table of rejects that people edit: which columns it has, what a cell shows, and how a row is known again.

One row a reject: its key, its place, its problems in words, the values to edit, its raw text, the values as they were.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadlock.errors import UsageError

KEY = "_key of "
"""How the first column's name begins; the export's token follows."""
INFO = ("_file", "_row", "_line", "_stage", "_problems")
IN_SHEETS = {"_file": "_of file", "_row": "_of row"}
"""Other names of columns in Google sheets, where a delivery's own columns are named so."""
RAW = "_raw"
WAS = " (was)"
_KEY = re.compile(r"k(\d+)\.(\d+)\.(\d+)\.([0-9a-f]{10})")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
_OURS = re.compile(r"_(key of .*|file|row|line|stage|problems|raw)'*")


@dataclass(frozen=True, kw_only=True)
class Token:
    """Names an export: the run whose rejects it shows, and the newest act of an operator that it knows."""

    run: str
    edits: int

    def __str__(self) -> str:
        return f"{self.run}.{self.edits}"

    @classmethod
    def parse(cls, text: str) -> Token:
        """From the name of the key column. Raises UsageError."""
        run, _, edits = text.removeprefix(KEY).rpartition(".")
        if not text.startswith(KEY) or not run or not edits.isdecimal():
            raise UsageError(
                f"the column {text!r} doesn't name the export that the file comes from",
                hint="Leave the first row as it was exported.",
            )
        return cls(run=run, edits=int(edits))

    def key(self, file: int, row: int, sub: int) -> str:
        """The key of a reject in this export."""
        return f"k{file}.{row}.{sub}.{self._check(file, row, sub)}"

    def place(self, key: str) -> tuple[int, int, int] | None:
        """File, row and sub of a key of this export; None where it is no such key."""
        match = _KEY.fullmatch(key.strip())
        if match is None:
            return None
        place = int(match[1]), int(match[2]), int(match[3])
        return place if match[4] == self._check(*place) else None

    def _check(self, file: int, row: int, sub: int) -> str:
        return hashlib.blake2b(f"{self}|{file}|{row}|{sub}".encode(), digest_size=5).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Reject:
    """One reject on its way into a table: the JSON of the contract beside what `Layout` needs."""

    place: tuple[int, int, int]
    document: Mapping[str, Any]
    values: Mapping[str, str | None]
    """As they are now: staged, with the corrections made so far. Empty for a row that was never staged."""
    was: Mapping[str, str | None]
    """As staged."""
    raw_corrected: str | None = None

    @property
    def raw(self) -> str | None:
        """The raw text as it is now; base64 where it doesn't decode."""
        if self.raw_corrected is not None:
            return self.raw_corrected
        raw: str | None = self.document.get("raw") or self.document.get("raw_base64")
        return raw


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The columns of the table. `names` are those of the values, as staged."""

    token: Token
    names: tuple[str, ...]
    sources: Mapping[str, Sequence[str]]
    """Column of the pipeline → its names as staged: problems name the former."""

    @property
    def header(self) -> list[str]:
        """The names of all columns."""
        shown = [self.shown(name) for name in self.names]
        return [f"{KEY}{self.token}", *INFO, *shown, RAW, *(f"{name}{WAS}" for name in shown)]

    def shown(self, name: str) -> str:
        """The name of a value's column; one that is like ours gets an apostrophe behind it."""
        return f"{name}'" if _OURS.fullmatch(name) or name.endswith(WAS) else name

    def info(self, reject: Reject) -> list[str | None]:
        """The cells before the values."""
        document = reject.document
        words = "; ".join(in_words(problem) for problem in document["problems"])
        fields = [document.get(name) for name in ("file", "row", "line", "stage")]
        return [self.token.key(*reject.place), *(None if cell is None else str(cell) for cell in fields), words]

    def faults(self, reject: Reject) -> dict[str, str]:
        """Staged name of each faulty value → its problems in words; `_raw` for a row that was never staged."""
        found: dict[str, str] = {}
        for problem in reject.document["problems"]:
            name = staged_name(problem["column"], reject.values, self.sources) if reject.values else RAW
            if name:
                said = f"{problem['message']} ({problem['code']})"
                found[name] = f"{found[name]}; {said}" if name in found else said
        return found


def staged_name(column: str | None, values: Mapping[str, object], sources: Mapping[str, Sequence[str]]) -> str | None:
    """The staged value that a problem's column is about, or None."""
    if column is None:
        return None
    return next((name for name in sources.get(column, (column,)) if name in values), None)


def texts(values: Mapping[str, Any]) -> dict[str, str | None]:
    """Values as texts: what is neither text nor null (in records of binary files) is written as JSON."""
    return {
        name: cell if cell is None or isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
        for name, cell in values.items()
    }


def in_words(problem: Mapping[str, Any]) -> str:
    """A problem in one line: `amount: is no decimal number (not_decimal)`."""
    place = f"{problem['column']}: " if problem.get("column") else ""
    return f"{place}{problem['message']} ({problem['code']})"


def as_text(cell: str) -> str:
    """The cell so that no spreadsheet runs it."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def without_mark(cell: str) -> str:
    """The cell without the apostrophe that `as_text` gave it."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(FORMULA) else cell


def rejects_of(rows: Iterable[Mapping[str, Any]]) -> Iterator[Reject]:
    """Rejects from the rows that `reject_rows` gives with `places=True`."""
    for row in rows:
        document = dict(row)
        place, corrected = document.pop("_place"), document.pop("corrected", None) or {}
        was = texts(document["values"] or {})
        values = {**was, **corrected} if corrected else was
        yield Reject(
            place=place, document=document, values=values, was=was, raw_corrected=document.get("corrected_raw")
        )
