"""Old binary workbooks (.xls), by python-calamine in a process of its own, with bounds for memory and time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import IO, Any

from loadlock.errors import SourceError
from loadlock.intake._excel_cells import Cell, Kind, SheetFacts, SheetRow, number_text
from loadlock.intake._excel_choice import SheetName, choose_sheet, damaged, encrypted
from loadlock.intake._excel_options import ExcelOptions


class XlsSheet:
    """The chosen sheet of a workbook. Error values are not told apart in this format."""

    def __init__(self, file: IO[bytes], path: str, wanted: str | None, own: ExcelOptions) -> None:
        self._digits = own.digits
        self._path = path
        if find_spec("python_calamine") is None:
            raise SourceError(
                "reading .xls needs the package python-calamine", hint="Install it: pip install 'loadlock[excel]'."
            )
        file.seek(0)
        descriptor = file.fileno()
        self._child = subprocess.Popen(  # noqa: S603 (a module of ours, and a number)
            [sys.executable, "-m", "loadlock.intake._excel_xls_child", str(descriptor)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=(descriptor,),
        )
        try:
            names = [SheetName(name=name, hidden=hidden) for name, hidden in self._answer()["sheets"]]
            chosen = choose_sheet(path, names, wanted)
        except BaseException:
            self._end()
            raise
        self.facts = SheetFacts(
            name=chosen,
            others=[sheet.name for sheet in names if sheet.name != chosen],
            hidden_sheets=[sheet.name for sheet in names if sheet.hidden],
        )

    def rows(self) -> Iterator[SheetRow]:
        """The sheet's rows, the empty ones above the table too."""
        try:
            assert self._child.stdin is not None
            self._child.stdin.write(json.dumps(self.facts.name).encode() + b"\n")
            self._child.stdin.flush()
            told = self._answer()
            self.facts.merged, self.facts.hidden_columns = int(told["merged"]), int(told["hidden_columns"])
            hidden = frozenset(told["hidden_rows"])
            assert self._child.stdout is not None
            for number, line in enumerate(self._child.stdout, 1):
                found = json.loads(line)
                if isinstance(found, dict):
                    raise damaged(self._path, ValueError(found["error"]))
                yield SheetRow(number, {place: self._cell(kind, text) for place, kind, text in found}, number in hidden)
            if self._child.wait():
                raise self._too_much()
        except (BrokenPipeError, json.JSONDecodeError) as error:
            raise self._too_much() from error
        finally:
            self._end()

    def _answer(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise self._too_much()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise damaged(self._path, ValueError(answer["error"])) if answer["error"] else encrypted(self._path)
        return answer

    def _too_much(self) -> SourceError:
        return SourceError(
            f"{self._path} is damaged, or too large for an old workbook, whose sheets must be held in memory as a whole",
            hint="Save it as .xlsx, which is read as a stream, and load that.",
        )

    def _end(self) -> None:
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                pipe.close()

    def _cell(self, kind: str, text: str) -> Cell:
        return Cell(number_text(text, self._digits) if kind == Kind.NUMBER else text, Kind(kind))
