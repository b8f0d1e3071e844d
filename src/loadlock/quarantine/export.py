"""Rejects as files: CSV for people and spreadsheets, JSON lines for programs. Both are there whole or not at all."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from loadlock.durable import written_whole
from loadlock.errors import UsageError

FIXED = ("batch", "run", "file", "row", "sub", "line", "offset", "length", "stage", "state")
"""Columns of the CSV that come first, each with `_` before its name; then `_problems`, the row's values, `_raw`."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def export_rejects(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write rejects (as `reject_rows` gives them) by the ending of `path`; how many. Raises UsageError for others."""
    writer = EXPORTS.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            f"rejects can't be exported as {path.suffix or path.name!r}",
            hint=f"Use a file name that ends in {' or '.join(EXPORTS)}.",
        )
    return writer(rows, path)


def export_csv(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write rejects as CSV (UTF-8 with a byte order mark, which spreadsheets need): values as columns, problems in words.

    Cells that a spreadsheet would take for a formula get an apostrophe before them. Returns the number of rejects.
    """
    with _output(path) as file, tempfile.TemporaryFile("w+", encoding="ascii") as spool:
        file.write("\ufeff")
        # the header needs the names of all rejects' values: the rows are put by and read again
        count, names = _spooled(rows, spool)
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(map(as_text, _header(names)))
        for line in spool:
            writer.writerow(map(as_text, _cells(json.loads(line), names)))
    return count


def export_jsonl(rows: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write rejects as JSON lines, unchanged; how many."""
    count = 0
    with _output(path) as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


EXPORTS: dict[str, Callable[[Iterable[Mapping[str, Any]], Path], int]] = {
    ".csv": export_csv,
    ".jsonl": export_jsonl,
    ".ndjson": export_jsonl,
}
"""File ending → its writer."""


def as_text(cell: str) -> str:
    """The cell so that no spreadsheet runs it."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


@contextmanager
def _output(path: Path) -> Iterator[IO[str]]:
    try:
        # a lone surrogate goes out as \\udc80: valid in JSON, readable in CSV
        with (
            written_whole(path) as beside,
            beside.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
        ):
            yield file
    except OSError as error:
        raise UsageError(f"can't write {path}: {error.strerror or error}", hint="Choose another file.") from error


def _spooled(rows: Iterable[Mapping[str, Any]], spool: IO[str]) -> tuple[int, list[str]]:
    count = 0
    names: dict[str, None] = {}
    for row in rows:
        spool.write(json.dumps(row) + "\n")
        names.update(dict.fromkeys(row["values"] or ()))
        count += 1
    spool.seek(0)
    return count, list(names)


def _header(names: list[str]) -> list[str]:
    """A value whose name is one of ours gets an apostrophe behind it."""
    ours = [f"_{name}" for name in FIXED] + ["_problems", "_raw"]
    return [*ours[:-1], *(f"{name}'" if name in ours else name for name in names), ours[-1]]


def _cells(row: Mapping[str, Any], names: list[str]) -> Iterator[str]:
    yield from (_cell(row.get(name)) for name in FIXED)
    yield "; ".join(in_words(problem) for problem in row["problems"])
    values = row["values"] or {}
    yield from (_cell(values.get(name)) for name in names)
    yield _cell(row["raw"] if row["raw"] is not None else row.get("raw_base64"))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def in_words(problem: Mapping[str, Any]) -> str:
    """A problem in one line: `amount: is no decimal number (not_decimal)`."""
    place = f"{problem['column']}: " if problem.get("column") else ""
    return f"{place}{problem['message']} ({problem['code']})"
