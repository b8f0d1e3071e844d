"""Workbooks: one sheet of an Excel or OpenDocument file as a table."""

from __future__ import annotations

from typing import ClassVar

from loadlock.intake._excel_options import ExcelOptions
from loadlock.intake.base import ByteSource, ReadResult, SourceOptions

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"
_OLD = ("Workbook".encode("utf-16-le"), "EncryptedPackage".encode("utf-16-le"))


class ExcelFormat:
    """One sheet of a workbook. Numbers, dates and truth values come as exact text, formulas as their stored values.

    `_row` counts rows and rejects, `_line` is the row's number in the sheet; there is no offset. A row with cells beyond
    the table's columns, or a formula without a stored value, is a reject with its cells.
    """

    name: ClassVar[str] = "excel"
    summary: ClassVar[str] = "Excel and OpenDocument workbooks (.xlsx, .xlsm, .xls, .ods), one sheet"
    extensions: ClassVar[tuple[str, ...]] = (".xlsx", ".xlsm", ".xls", ".ods")
    reads_binary: ClassVar[bool] = True
    Options = ExcelOptions

    def sniff(self, head: bytes, name: str) -> float:
        """By what an archive's first members are called, or an old container holds."""
        if head.startswith(_ZIP):
            known = b"xl/" in head or b"opendocument.spreadsheet" in head[:200]
            return 1.0 if known or (self._named(name) and b"[Content_Types].xml" in head) else 0.0
        if head.startswith(_OLE):
            return 1.0 if self._named(name) or any(word in head for word in _OLD) else 0.0
        return 0.0

    def _named(self, name: str) -> bool:
        return name.lower().endswith(self.extensions)

    def read(self, source: ByteSource, options: SourceOptions) -> ReadResult:
        """Read one sheet, from a copy beside: a workbook's table of contents stands at its end."""
        from loadlock.intake._excel_reader import ExcelReader

        reader = ExcelReader(source, options)
        return ReadResult(parts=reader.parts(), report=reader.report)
