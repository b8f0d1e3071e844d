"""Rejects as files that people edit: CSV and Excel, one row a reject; JSON lines for programs. There whole or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from loadlock.durable import written_whole
from loadlock.errors import UsageError
from loadlock.quarantine.cells import as_texts, cells_of
from loadlock.quarantine.csv_text import END, csv_blocks
from loadlock.quarantine.read import json_rows
from loadlock.quarantine.sheet import Layout, Reject, Token, as_text, rejects_of

if TYPE_CHECKING:
    import pyarrow as pa

PART_ROWS = 50_000


@dataclass(frozen=True, kw_only=True)
class Export:
    """Rejects to be written to a file."""

    tables: Iterable[pa.Table]
    """The rejects as the quarantine gives them, filtered; read once."""
    batch: str
    run: str
    count: int
    """How many there are: asked before a file is begun that can't hold them."""
    names: Sequence[str]
    """Of all their values, and the columns of the files, which malformed rows may be filled in by."""
    token: Token
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Column of the pipeline → its names as staged."""

    def rejects(self) -> Iterator[Reject]:
        """The rejects, one at a time."""
        return rejects_of(json_rows(self.tables, batch=self.batch, run=self.run, places=True))

    def parts(self) -> Iterator[pa.Table]:
        """The rejects in pieces of a size that is worked on at once."""
        for table in self.tables:
            for start in range(0, table.num_rows, PART_ROWS):
                yield table.slice(start, PART_ROWS)

    @property
    def layout(self) -> Layout:
        """The columns of the table."""
        return Layout(token=self.token, names=tuple(self.names), sources=self.sources)


def export_rejects(export: Export, path: Path) -> int:
    """Write rejects by the ending of `path`; how many. Raises UsageError where the file can't be written or hold them."""
    writer = EXPORTS.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            f"rejects can't be exported as {path.suffix or path.name!r}",
            hint=f"Use a file name that ends in {', '.join(EXPORTS)}.",
        )
    try:
        return writer(export, path)
    except OSError as error:
        raise UsageError(f"can't write {path}: {error.strerror or error}", hint="Choose another file.") from error


def export_csv(export: Export, path: Path) -> int:
    """Write rejects as CSV (UTF-8 with a byte order mark, which spreadsheets need).

    Cells that a spreadsheet would take for a formula get an apostrophe before them.
    """
    layout = export.layout
    with written_whole(path) as beside, beside.open("wb") as file:
        file.write(_head(layout))
        for part in export.parts():
            columns = [as_texts(column) for column in cells_of(part, layout).columns()]
            for block in csv_blocks(columns):
                file.write(block)
    return export.count


def _head(layout: Layout) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=END).writerow(map(as_text, layout.header))
    return b"\xef\xbb\xbf" + text.getvalue().encode("utf-8", "backslashreplace")


def export_jsonl(export: Export, path: Path) -> int:
    """Write rejects as JSON lines: the fields of the contract, and `key` and `export`, by which `correct` knows them again.

    `values` are as they are now, `was` as staged where that differs.
    """
    count = 0
    with _output(path) as file:
        for reject in export.rejects():
            document = {"key": export.token.key(*reject.place), "export": str(export.token), **reject.document}
            document.pop("corrected_raw", None)
            if reject.values:
                document["values"] = dict(reject.values)
                if reject.values != reject.was:
                    document["was"] = dict(reject.was)
            if reject.raw_corrected is not None:
                document["raw"] = reject.raw_corrected
            file.write(json.dumps(document, ensure_ascii=False) + "\n")
            count += 1
    return count


def _xlsx(export: Export, path: Path) -> int:
    from loadlock.quarantine.workbook import export_xlsx

    return export_xlsx(export, path)


EXPORTS: dict[str, Callable[[Export, Path], int]] = {
    ".csv": export_csv,
    ".xlsx": _xlsx,
    ".jsonl": export_jsonl,
    ".ndjson": export_jsonl,
}
"""File ending → its writer."""


@contextmanager
def _output(path: Path) -> Iterator[IO[str]]:
    # a lone surrogate goes out as \\udc80: valid in JSON, readable in CSV
    with (
        written_whole(path) as beside,
        beside.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
    ):
        yield file
