"""Corrected raw text of malformed rows, read as the file itself was: each text must be one record."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from loadlock.intake.base import RawPart, SourceOptions
from loadlock.intake.read import read_file
from loadlock.model import FileReport, SourceFile
from loadlock.rows import ENCODING, JSON_RECORD, LENGTH, OFFSET, PROVENANCE, SOURCE_FILE, provenance_fields

if TYPE_CHECKING:
    import pyarrow as pa

_TEXT_FORMATS = frozenset({"csv", "json", "ndjson"})
_LINE = "\n"


@dataclass(frozen=True, kw_only=True)
class Mended:
    """Texts of one file that were read. `places` are the indexes of those that are one record, as the rows of `rows`."""

    rows: pa.Table
    """The file's columns as staged, without provenance."""
    places: list[int]
    problems: dict[int, str]
    """Index of each other text → why it is no record."""


def can_read(report: FileReport) -> bool:
    """Whether corrected raw text of this file's format can be read."""
    return report.format in _TEXT_FORMATS


def read_texts(texts: Sequence[str], report: FileReport, options: SourceOptions) -> Mended:
    """Read corrected texts as records of a file that was read as `report` says."""
    way = _Csv(report, options) if report.format == "csv" else _Json(options)
    found, doubtful = way.together(texts)
    problems: dict[int, str] = {}
    for index in doubtful:
        row, why = way.alone(texts[index])
        if row is None:
            problems[index] = why
        else:
            found[index] = row
    places = sorted(found)
    return Mended(rows=way.table([found[index] for index in places]), places=places, problems=problems)


Row = Mapping[str, str | None]


class _Way(ABC):
    """Reading texts of one format."""

    def together(self, texts: Sequence[str]) -> tuple[dict[int, Row], list[int]]:
        """The texts that are one record each when read one after another, and the indexes of the doubtful rest."""
        lines = [index for index, text in enumerate(texts) if self.is_line(text)]
        head = self.head()
        pieces = [texts[index].rstrip("\r\n").encode("utf-8", "surrogatepass") for index in lines]
        starts, at = [], len(head)
        for piece in pieces:
            starts.append(at)
            at += len(piece) + 1
        found: dict[int, Row] = {}
        spoiled: set[int] = set()
        for part in self.read(head + b"".join(piece + b"\n" for piece in pieces)):
            self._sort(part, starts, lines, found, spoiled)
        good = {index: row for index, row in found.items() if index not in spoiled}
        return good, [index for index in range(len(texts)) if index not in good]

    def _sort(
        self, part: RawPart, starts: list[int], lines: list[int], found: dict[int, Row], spoiled: set[int]
    ) -> None:
        import numpy as np

        edges = np.array(starts, np.int64)
        for table, good in ((part.rows, True), (part.rejects, False)):
            offsets = table[OFFSET].to_numpy()
            at = np.searchsorted(edges, offsets, side="right") - 1
            ends = offsets + table[LENGTH].to_numpy()
            rows = self.rows(table) if good else [{}] * table.num_rows
            for line, row, offset, end in zip(at.tolist(), rows, offsets.tolist(), ends.tolist(), strict=True):
                index = lines[line]
                over = line + 1 < len(starts) and end > starts[line + 1]
                if not good or index in found or offset != starts[line] or over:
                    spoiled.add(index)
                found[index] = row

    def alone(self, text: str) -> tuple[Row | None, str]:
        """One text read by itself: its record, or why it is none."""
        import pyarrow as pa

        parts = list(self.read(self.head() + text.rstrip("\r\n").encode("utf-8", "surrogatepass") + b"\n", alone=True))
        rows = [row for part in parts for row in self.rows(part.rows)]
        rejects = pa.concat_tables([part.rejects for part in parts]) if parts else None
        if rejects is not None and rejects.num_rows:
            problem = rejects["problems"][0].as_py()[0]
            return None, f"still malformed: {problem['message']} ({problem['code']})"
        if len(rows) != 1:
            return None, f"the text holds {len(rows)} records, not one"
        return rows[0], ""

    @abstractmethod
    def is_line(self, text: str) -> bool: ...

    @abstractmethod
    def head(self) -> bytes: ...

    @abstractmethod
    def read(self, content: bytes, *, alone: bool = False) -> Iterator[RawPart]: ...

    @abstractmethod
    def rows(self, table: pa.Table) -> list[Row]: ...

    @abstractmethod
    def table(self, rows: Sequence[Row]) -> pa.Table: ...


class _Csv(_Way):
    """Texts of a CSV file: read below a header of as many fields as the file's has."""

    def __init__(self, report: FileReport, options: SourceOptions) -> None:
        self.names = report.header
        dialect = report.dialect
        self.delimiter = dialect.get("delimiter") or ","
        self.options = replace(
            options, format="csv", encoding="utf-8", delimiter=self.delimiter, quote=dialect.get("quote") or "",
            escape=dialect.get("escape"), header=1, preamble=0, footer=0, table=None, comment=None, record_end=None,
            extra={},
        )  # fmt: skip
        self.printed: str | None = dialect.get("printed")
        if self.printed:
            self.options = replace(self.options, header=None, preamble=None, footer=None)

    def is_line(self, text: str) -> bool:
        return bool(text.strip())

    def head(self) -> bytes:
        names = [f"c{number}" for number in range(len(self.names))]
        if self.printed:
            # a ruler below the header is what tells a printed table
            edge = self.delimiter if self.printed == "closed" else ""
            lines = (self.delimiter.join(cells) for cells in (names, ["---"] * len(names)))
            return "".join(edge + line + edge + _LINE for line in lines).encode()
        return (self.delimiter.join(names) + _LINE).encode()

    def read(self, content: bytes, *, alone: bool = False) -> Iterator[RawPart]:
        yield from read_file(_Bytes(content), self.options).parts

    def rows(self, table: pa.Table) -> list[Row]:
        own = [name for name in table.column_names if name not in PROVENANCE]
        return [dict(zip(self.names, row.values(), strict=True)) for row in table.select(own).to_pylist()]

    def table(self, rows: Sequence[Row]) -> pa.Table:
        import pyarrow as pa

        return pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in self.names})


class _Json(_Way):
    """Texts of a JSON or NDJSON file: a record each, staged as its own text."""

    def __init__(self, options: SourceOptions) -> None:
        self.options = replace(options, encoding="utf-8", records_path=None, extra={})

    def is_line(self, text: str) -> bool:
        return bool(text.strip()) and _LINE not in text.strip() and "\r" not in text.strip()

    def head(self) -> bytes:
        return b""

    def read(self, content: bytes, *, alone: bool = False) -> Iterator[RawPart]:
        if content.strip():
            yield from read_file(_Bytes(content), replace(self.options, format="json" if alone else "ndjson")).parts

    def rows(self, table: pa.Table) -> list[Row]:
        return [{JSON_RECORD: text} for text in table[JSON_RECORD].to_pylist()]

    def table(self, rows: Sequence[Row]) -> pa.Table:
        import pyarrow as pa

        return pa.table({JSON_RECORD: pa.array([row[JSON_RECORD] for row in rows], pa.string())})


class _Bytes:
    """Bytes in memory as a source."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.file = SourceFile(index=0, path="", name="corrected", size_bytes=len(content), sha256="0" * 64)

    def open(self) -> Iterator[bytes]:
        for begin in range(0, len(self.content), 1 << 20):
            yield self.content[begin : begin + (1 << 20)]

    def head(self, size: int = 1 << 20) -> bytes:
        return self.content[:size]

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        return [self.content[:size]]


def staged_again(rows: pa.Table, rejects: pa.Table) -> pa.Table:
    """Rows in the shape of a raw part, each in the place of its reject (same order)."""
    import pyarrow as pa

    table = rows
    for entry in provenance_fields():
        if entry.name == ENCODING:
            column = pa.nulls(rows.num_rows, pa.string())
        else:
            column = rejects[entry.name].combine_chunks()
            column = column.dictionary_encode() if entry.name == SOURCE_FILE else column
        table = table.append_column(entry, column.cast(entry.type))
    return table
