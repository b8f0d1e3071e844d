"""Workbooks of Office Open XML (.xlsx, .xlsm): rows of a sheet, streamed out of the archive."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any
from xml.parsers import expat

from loadlock.intake._excel_cells import SheetFacts, SheetRow, date_form
from loadlock.intake._excel_choice import SheetName, choose_sheet, damaged
from loadlock.intake._excel_options import ExcelOptions
from loadlock.intake._excel_xlsx_rows import Merged, SheetHandler, TextReader, sheet_parser

_BLOCK_BYTES = 1 << 18
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, KeyError, ValueError)


class XlsxSheet:
    """The chosen sheet of a workbook."""

    def __init__(self, file: IO[bytes], path: str, wanted: str | None, own: ExcelOptions) -> None:
        self._path = path
        self._own = own
        try:
            self._zip = zipfile.ZipFile(file)
            self._names = set(self._zip.namelist())
            self._root, self._links = self._relations()
            sheets, epoch_1904 = self._sheets()
        except (*DAMAGE, expat.ExpatError) as error:
            raise damaged(path, error) from error
        chosen = choose_sheet(path, [name for name, _ in sheets], wanted)
        self.facts = SheetFacts(
            name=chosen,
            others=[name.name for name, _ in sheets if name.name != chosen],
            hidden_sheets=[name.name for name, _ in sheets if name.hidden],
            epoch_1904=epoch_1904,
        )
        self._member = next(member for name, member in sheets if name.name == chosen)

    def rows(self) -> Iterator[SheetRow]:
        """The sheet's rows. Where its XML ends early, `facts.fault` says so behind the rows before."""
        try:
            texts = self._texts()
            forms = self._forms()
            merged = Merged(self._blocks()) if self._own.merged == "fill" else None
            handler = SheetHandler(texts, forms, self._own, self.facts)
            for row in self._streamed(handler):
                yield merged.filled(row) if merged else row
        except DAMAGE as error:
            raise damaged(self._path, error) from error

    def _streamed(self, handler: SheetHandler) -> Iterator[SheetRow]:
        parser = sheet_parser()
        handler.attach(parser)
        for block in self._blocks():
            try:
                parser.Parse(block, False)
            except expat.ExpatError as error:
                self.facts.fault = str(error)
            yield from handler.taken()
            if self.facts.fault:
                return
        try:
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            self.facts.fault = str(error)
        yield from handler.taken()

    def _open(self, member: str) -> IO[bytes]:
        return self._zip.open(member)

    def _events(self, member: str, start: Any, text: Any = None, end: Any = None) -> None:
        parser = sheet_parser()
        parser.StartElementHandler = lambda name, attributes: start(name.rpartition(":")[2], attributes)
        if text:
            parser.CharacterDataHandler = text
        if end:
            parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
        with self._open(member) as stream:
            while block := stream.read(_BLOCK_BYTES):
                parser.Parse(block, False)
        parser.Parse(b"", True)

    def _relations(self) -> tuple[str, dict[str, tuple[str, str]]]:
        """The workbook's part, and its relations: id → (kind, part)."""
        root: list[str] = []

        def of_package(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship" and attributes.get("Type", "").endswith("/officeDocument"):
                root.append(attributes["Target"].lstrip("/"))

        self._events("_rels/.rels", of_package)
        if not root:
            raise ValueError("it names no workbook")
        folder, base = posixpath.split(root[0])
        links: dict[str, tuple[str, str]] = {}

        def of_workbook(name: str, attributes: dict[str, str]) -> None:
            if name == "Relationship" and attributes.get("TargetMode") != "External":
                target = attributes["Target"]
                part = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}")
                links[attributes["Id"]] = (attributes.get("Type", "").rpartition("/")[2], part)

        self._events(f"{folder}/_rels/{base}.rels", of_workbook)
        return root[0], links

    def _sheets(self) -> tuple[list[tuple[SheetName, str]], bool]:
        found: list[tuple[SheetName, str]] = []
        epoch: list[bool] = []

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "workbookPr":
                epoch.append(attributes.get("date1904", "0") in ("1", "true"))
            elif name == "sheet":
                link = next(value for key, value in attributes.items() if key.rpartition(":")[2] == "id")
                kind, part = self._links.get(link, ("", ""))
                if kind == "worksheet" and part in self._names:
                    hidden = attributes.get("state", "visible") != "visible"
                    found.append((SheetName(name=attributes["name"], hidden=hidden), part))

        self._events(self._root, start)
        return found, any(epoch)

    def _part(self, kind: str) -> str | None:
        return next((part for found, part in self._links.values() if found == kind and part in self._names), None)

    def _texts(self) -> list[str]:
        """The texts that cells refer to by number."""
        member = self._part("sharedStrings")
        if member is None:
            return []
        reader = TextReader(self._path)
        self._damaged_xml(member, reader.start, reader.text, reader.end)
        return reader.texts

    def _damaged_xml(self, member: str, *handlers: Any) -> None:
        try:
            self._events(member, *handlers)
        except expat.ExpatError as error:
            raise ValueError(f"{member}: {error}") from error

    def _forms(self) -> list[str | None]:
        """Style number of a cell → what its number format shows."""
        member = self._part("styles")
        codes: dict[int, str] = {}
        forms: list[str | None] = []
        inside: list[bool] = [False]

        def start(name: str, attributes: dict[str, str]) -> None:
            if name == "numFmt":
                codes[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
            elif name == "cellXfs":
                inside[0] = True
            elif name == "xf" and inside[0]:
                number = int(attributes.get("numFmtId", "0"))
                forms.append(date_form(number, codes.get(number)))

        def end(name: str) -> None:
            if name == "cellXfs":
                inside[0] = False

        if member is not None:
            self._damaged_xml(member, start, None, end)
        return forms

    def _blocks(self) -> Iterator[bytes]:
        with self._open(self._member) as stream:
            while block := stream.read(_BLOCK_BYTES):
                yield block
