"""Reads one file by the public intake and says what came out, in counts and against a truth about the file."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadlock.errors import LoadlockError
from loadlock.intake.base import ByteSource, SourceOptions
from loadlock.intake.files import open_sources
from loadlock.intake.read import read_file
from loadlock.model import FileReport
from loadlock.rows import ENCODING, JSON_RECORD, LENGTH, OFFSET, PROVENANCE, ROW

_NO_DELIMITERS = "\x1f\x1e\x1d\x1c\x01"
"""One of them stands nowhere in a record: the delimiter of files of one column."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One file as read. `rows` and `rejects` are those of the raw parts, with their provenance."""

    path: Path
    rows: Sequence[Mapping[str, Any]]
    rejects: Sequence[Mapping[str, Any]]
    report: FileReport

    def cells(self, row: Mapping[str, Any]) -> list[str]:
        """The values of a row in the order of the file's columns; what is missing is empty."""
        return ["" if row[name] is None else row[name] for name in row if name not in PROVENANCE]

    def texts(self) -> list[str]:
        """The records of a JSON file."""
        return [row[JSON_RECORD] for row in self.rows]


def read(path: str, options: dict[str, Any], truth: str | None) -> dict[str, Any]:
    """Read one file and judge it. Counts: `staged`, `rejected`, `codes`, `blank`, `comments`, `preamble`, `unlike`, `wrong` ...

    `truth` names one of `corpus_truths.TRUTHS`; None: nothing is known, and `wrong` is None.
    """
    from loadlock.testing.corpus_truths import TRUTHS

    chosen = SourceOptions(**{**options, "tolerate": tuple(options.get("tolerate", ()))})
    try:
        sources = open_sources([Path(path)])
        readings = [(source, _reading(Path(path), source, chosen)) for source in sources]
    except LoadlockError as error:
        return {"refused": str(error), "wrong": None if truth is None else 0}
    found = Counter[str]()
    codes = Counter[str]()
    wrong: list[str] = []
    for source, reading in readings:
        found.update(_counts(reading))
        found["unlike"] += unlike(reading, source)
        codes.update(problem["code"] for reject in reading.rejects for problem in reject["problems"])
        wrong += [] if truth is None else _judged(reading, TRUTHS[truth])
    return {**found, "codes": dict(codes), "wrong": None if truth is None else len(wrong), "why": wrong[:5]}


def _judged(reading: Reading, truth: Callable[[Reading], list[str]]) -> list[str]:
    """What is wrong by this truth. A truth that can't be read proves nothing, so it is a fault."""
    try:
        return truth(reading)
    except (OSError, ValueError, LookupError, TypeError) as error:
        return [f"{reading.path.name}: its truth can't be read: {type(error).__name__}: {error}"]


def _reading(path: Path, source: ByteSource, options: SourceOptions) -> Reading:
    result = read_file(source, options)
    rows: list[Mapping[str, Any]] = []
    rejects: list[Mapping[str, Any]] = []
    for part in result.parts:
        rows += part.rows.to_pylist()
        rejects += part.rejects.to_pylist()
    return Reading(path=path, rows=rows, rejects=rejects, report=result.report())


def _counts(reading: Reading) -> dict[str, int]:
    report = reading.report
    size = report.bytes.total
    return {
        "staged": len(reading.rows),
        "rejected": len(reading.rejects),
        "blank": report.blank,
        "comments": report.counts.get("comments", 0),
        "preamble": (report.dialect.get("preamble") or 0) + report.counts.get("footer_lines", 0),
        "bytes": size,
        "miscounted": int(report.received != len(reading.rows) + len(reading.rejects)),
    }


def unlike(reading: Reading, source: ByteSource) -> int:
    """Rows of a CSV file whose bytes Python's own reader reads as other values, with the dialect that was found."""
    if reading.report.format != "csv":
        return 0
    data = b"".join(source.open())
    return sum(not _alike(reading, row, data) for row in reading.rows)


def _alike(reading: Reading, row: Mapping[str, Any], data: bytes) -> bool:
    report = reading.report
    encoding = row[ENCODING] or report.encoding["name"]
    text = data[row[OFFSET] : row[OFFSET] + row[LENGTH]].decode(encoding, "replace").removeprefix("\ufeff")
    cells = reading.cells(row)
    if padded(_plain(text, report.dialect, spaces=False), len(cells)) == cells:
        return True
    beside = padded(_plain(text, report.dialect, spaces=True), len(cells))
    return "padded_quotes" in report.counts and [c.strip() for c in beside] == [c.strip() for c in cells]


def _plain(text: str, dialect: Mapping[str, Any], *, spaces: bool) -> list[str]:
    quote = dialect["quote"]
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=dialect["delimiter"] or next(mark for mark in _NO_DELIMITERS if mark not in text),
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        doublequote=not dialect["escape"],
        escapechar=dialect["escape"] or None,
        skipinitialspace=spaces,
    )
    return next(rows, [])


def padded(cells: Sequence[str], width: int) -> list[str]:
    """Cells with empty ones added, or empty ones left out at the end, to have this width."""
    kept = list(cells)
    while len(kept) > width and not kept[-1].strip():
        kept.pop()
    return kept + [""] * (width - len(kept))


def place(reading: Reading, row: Mapping[str, Any]) -> str:
    """Where a row stands, for people."""
    return f"{reading.path.name}, row {row[ROW]}"
