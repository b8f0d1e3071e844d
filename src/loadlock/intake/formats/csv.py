"""CSV and its kin: any delimiter, any of the usual quotings and record ends, every row with its place in the file."""

from __future__ import annotations

import re
from typing import ClassVar

from loadlock.intake.base import ByteSource, ReadResult, SourceOptions

_BINARY = (
    b"PK\x03\x04",
    b"PAR1",
    b"\x7fELF",
    b"\xd0\xcf\x11\xe0",
    b"%PDF",
    b"ARROW1",
    b"\x89PNG",
    b"SQLite format 3\0",
)
_JSON_OBJECT = re.compile(rb'\s*\{\s*"[^"]*"\s*:.*\}\s*')
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")


class CsvFormat:
    """Comma-, semicolon-, tab- or otherwise separated text."""

    name: ClassVar[str] = "csv"
    summary: ClassVar[str] = "Delimited text: CSV, TSV and the like"
    extensions: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".tab", ".txt", ".psv")

    def sniff(self, head: bytes, name: str) -> float:
        """By the extension, else by delimiters that stand in line after line. Never for binary files and JSON."""
        if head.startswith(_BINARY):
            return 0.0
        if _is_json_lines(head):
            return 0.1
        extension = name[name.rfind(".") :].lower() if "." in name else ""
        if extension in self.extensions:
            return 0.7 if extension == ".txt" else 0.9
        text = head[:65536].replace(b"\0", b"") if head.startswith(_WIDE_MARKS) else head[:65536]
        if b"\0" in text or text.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
            return 0.05
        return _table_likeness(text)

    def read(self, source: ByteSource, options: SourceOptions) -> ReadResult:
        """Read one file; encoding and dialect are found (or checked) before the first part is asked for."""
        # NumPy and PyArrow are imported when a file is read, not when formats are listed
        from loadlock.intake._csv_file import CsvFile

        file = CsvFile(source, options)
        return ReadResult(parts=file.parts(), report=file.report)


def _is_json_lines(head: bytes) -> bool:
    """Whether most of the first lines are JSON objects, some of which may be broken."""
    lines = [line for line in head[:65536].removeprefix(b"\xef\xbb\xbf").splitlines()[:20] if line.strip()]
    objects = sum(_JSON_OBJECT.fullmatch(line) is not None for line in lines)
    return objects > 0 and objects * 2 >= len(lines)


def _table_likeness(text: bytes) -> float:
    """0.2 for any text, up to 0.6 where the first lines hold the same number of some delimiter."""
    lines = [line for line in re.split(rb"\r\n|\n|\r", text)[:20] if line.strip()]
    best = 0.0
    for mark in (b",", b";", b"\t", b"|"):
        counts = [line.count(mark) for line in lines]
        if counts and counts[0]:
            best = max(best, counts.count(counts[0]) / len(counts))
    return 0.2 + 0.4 * best
