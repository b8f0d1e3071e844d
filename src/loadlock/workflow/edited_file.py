"""Reading an edited export: CSV in whatever dialect a spreadsheet saved it, a workbook, or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadlock.errors import UsageError
from loadlock.intake.base import SourceOptions
from loadlock.intake.files import open_sources
from loadlock.intake.read import read_file
from loadlock.quarantine.sheet import IN_SHEETS, INFO, KEY, RAW, WAS, Layout, Token
from loadlock.quarantine.taking import EditedRow
from loadlock.rows import LINE, PROVENANCE

JSON_LINES = (".jsonl", ".ndjson")
_HINT = "Give the file that `loadlock rejects BATCH --export` wrote, edited."


@dataclass(kw_only=True)
class EditedFile:
    """An edited export. `rows` may be read once; `unreadable` and `ignored` are complete after that."""

    token: Token
    rows: Iterator[EditedRow]
    unreadable: list[str] = field(default_factory=list)
    """Lines that are no rows of the table, and why."""
    ignored: list[str] = field(default_factory=list)
    """Columns that are none of ours."""


def open_edited(path: Path, names: Sequence[str], sources: Mapping[str, Sequence[str]]) -> EditedFile:
    """Open an edited export by the ending of its name. `names`: all values that the batch's rejects may have."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}", hint=_HINT)
    if path.suffix.lower() in JSON_LINES:
        return _json_lines(path)
    return _table(path, names, sources)


def _table(path: Path, names: Sequence[str], sources: Mapping[str, Sequence[str]]) -> EditedFile:
    (source,) = open_sources([path])
    result = read_file(source, SourceOptions(header=1, preamble=0, footer=0))
    parts = iter(result.parts)
    first = next(parts, None)
    header = [] if first is None else [name for name in first.rows.column_names if name not in PROVENANCE]
    keys = [name for name in header if name.lstrip("'").startswith(KEY)]
    if len(keys) != 1:
        raise UsageError(f"{path.name} has no column of keys, as an export of rejects has", hint=_HINT)
    layout = Layout(token=Token.parse(keys[0].strip().lstrip("'")), names=tuple(names), sources=sources)
    columns = _Columns(header, layout)
    found = EditedFile(token=layout.token, rows=iter(()), ignored=columns.ignored)

    def rows() -> Iterator[EditedRow]:
        part = first
        while part is not None:
            for reject in part.rejects.select([LINE, "problems"]).to_pylist():
                found.unreadable.append(f"line {reject[LINE]}: {reject['problems'][0]['message']}")
            for row in part.rows.to_pylist():
                if any(row[name] for name in header):
                    yield columns.row(row, keys[0])
            part = next(parts, None)

    found.rows = rows()
    return found


class _Columns:
    """Which of a file's columns holds what."""

    def __init__(self, header: Sequence[str], layout: Layout) -> None:
        self.token = layout.token
        shown = {layout.shown(name): name for name in layout.names}
        plain = {name.strip().lstrip("'"): name for name in header}
        self.cells = {name: plain[label] for label, name in shown.items() if label in plain}
        self.was = {name: plain[label + WAS] for label, name in shown.items() if label + WAS in plain}
        self.raw = plain.get(RAW)
        # the reader gives another name to columns named as its own
        info = {plain.get(name) for known in INFO for name in (known, f"{known}_2", IN_SHEETS.get(known, known))}
        known = {*self.cells.values(), *self.was.values(), self.raw, *info}
        self.ignored = [name for name in header if name not in known and not name.lstrip("'").startswith(KEY)]

    def row(self, row: Mapping[str, Any], key: str) -> EditedRow:
        return EditedRow(
            line=row[LINE] or 0,
            place=self.token.place(row[key] or ""),
            cells={name: row[column] for name, column in self.cells.items()},
            was={name: row[column] for name, column in self.was.items()},
            raw=None if self.raw is None else row[self.raw] or "",
        )


def _json_lines(path: Path) -> EditedFile:
    lines = _documents(path)
    first = next(lines, None)
    if first is None:
        raise UsageError(f"{path.name} holds no reject", hint=_HINT)
    token = Token.parse(f"{KEY}{first[1].get('export')}")

    def rows() -> Iterator[EditedRow]:
        line: tuple[int, dict[str, Any]] | None = first
        while line is not None:
            yield _json_row(token, *line)
            line = next(lines, None)

    return EditedFile(token=token, rows=rows())


def _documents(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                document = json.loads(line)
            except ValueError as error:
                raise UsageError(f"{path.name}, line {number} is no JSON: {error}", hint=_HINT) from error
            if not isinstance(document, dict):
                raise UsageError(f"{path.name}, line {number} is no JSON object", hint=_HINT)
            yield number, document


def _json_row(token: Token, line: int, document: Mapping[str, Any]) -> EditedRow:
    own = document.get("export") == str(token) and isinstance(document.get("key"), str)
    values = document.get("values")
    raw = document.get("raw") or document.get("raw_base64")
    return EditedRow(
        line=line,
        place=token.place(str(document["key"])) if own else None,
        cells={str(name): _text(cell) for name, cell in values.items()} if isinstance(values, dict) else {},
        raw=None if raw is None else str(raw),
        exact=True,
    )


def _text(cell: Any) -> str | None:
    """A number written as such is its text."""
    return cell if cell is None or isinstance(cell, str) else json.dumps(cell, ensure_ascii=False)
