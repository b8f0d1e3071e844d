"""Reading an edited export: CSV in whatever dialect a spreadsheet saved it, a workbook, or JSON lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.errors import UsageError
from loadlock.intake.base import SourceOptions
from loadlock.intake.files import open_sources
from loadlock.intake.read import read_file
from loadlock.quarantine.cells import plain
from loadlock.quarantine.sheet import IN_SHEETS, INFO, KEY, RAW, WAS, Layout, Token
from loadlock.quarantine.taking import EditedRow, Place
from loadlock.rows import LINE, PROVENANCE

if TYPE_CHECKING:
    import pyarrow as pa

JSON_LINES = (".jsonl", ".ndjson")
PART_ROWS = 10_000
_HINT = "Give the file that `loadlock rejects BATCH --export` wrote, edited."


@dataclass(frozen=True, kw_only=True)
class EditedPart:
    """Some rows of an edited export."""

    places: list[Place | None]
    lines: list[int]
    rows: Callable[[Sequence[int], Collection[str] | None], list[EditedRow]]
    """The rows at some indexes, with the cells of some columns (None: all)."""
    cells: dict[str, pa.Array] | None = None
    """Staged name → the texts there, where the rows stand in a table; None: they must be looked at one by one."""
    raw: pa.Array | None = None

    @property
    def count(self) -> int:
        return len(self.places)


@dataclass(kw_only=True)
class EditedFile:
    """An edited export. `parts` may be read once; `unreadable` and `ignored` are complete after that."""

    token: Token
    parts: Iterator[EditedPart]
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
    found = EditedFile(token=layout.token, parts=iter(()), ignored=columns.ignored)

    def read() -> Iterator[EditedPart]:
        part = first
        while part is not None:
            for reject in part.rejects.select([LINE, "problems"]).to_pylist():
                found.unreadable.append(f"line {reject[LINE]}: {reject['problems'][0]['message']}")
            for start in range(0, part.rows.num_rows, PART_ROWS):
                table = _filled(part.rows.slice(start, PART_ROWS), header)
                if table.num_rows:
                    yield columns.part(table, keys[0])
            part = next(parts, None)

    found.parts = read()
    return found


def _filled(table: pa.Table, header: Sequence[str]) -> pa.Table:
    """The rows that hold anything: a spreadsheet may save empty ones."""
    import pyarrow.compute as pc

    filled = pc.fill_null(pc.greater(pc.binary_length(table[header[0]]), 0), False)
    for name in header[1:]:
        if pc.all(filled).as_py():
            return table.combine_chunks()
        filled = pc.or_(filled, pc.greater(pc.fill_null(pc.binary_length(table[name]), 0), 0))
    return table.filter(filled).combine_chunks()


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

    def part(self, table: pa.Table, key: str) -> EditedPart:
        """Rows of the table."""
        import pyarrow as pa

        places = [self.token.place(text or "") for text in table[key].to_pylist()]
        lines = [line or 0 for line in table[LINE].to_pylist()]
        arrays = {name: plain(table[name]) for name in {*self.cells.values(), *self.was.values(), self.raw} - {None}}

        def rows(chosen: Sequence[int], names: Collection[str] | None) -> list[EditedRow]:
            cells, was = (
                {name: column for name, column in columns.items() if names is None or name in names}
                for columns in (self.cells, self.was)
            )
            asked = {*cells.values(), *was.values(), self.raw} - {None}
            taken = {name: arrays[name].take(pa.array(chosen, pa.int64())).to_pylist() for name in asked}
            return [
                EditedRow(
                    line=lines[at],
                    place=places[at],
                    cells={name: taken[column][number] for name, column in cells.items()},
                    was={name: taken[column][number] for name, column in was.items()},
                    raw=None if self.raw is None else taken[self.raw][number] or "",
                )
                for number, at in enumerate(chosen)
            ]

        return EditedPart(
            places=places,
            lines=lines,
            rows=rows,
            cells={name: arrays[column] for name, column in self.cells.items()},
            raw=None if self.raw is None else arrays[self.raw],
        )


def _json_lines(path: Path) -> EditedFile:
    lines = _documents(path)
    first = next(lines, None)
    if first is None:
        raise UsageError(f"{path.name} holds no reject", hint=_HINT)
    token = Token.parse(f"{KEY}{first[1].get('export')}")

    def read() -> Iterator[EditedPart]:
        rest = chain([first], lines)
        while rows := [_json_row(token, *line) for line in islice(rest, PART_ROWS)]:
            yield _looked_at_singly(rows)

    return EditedFile(token=token, parts=read())


def _looked_at_singly(rows: list[EditedRow]) -> EditedPart:
    return EditedPart(
        places=[row.place for row in rows],
        lines=[row.line for row in rows],
        rows=lambda chosen, names: [rows[at] for at in chosen],
    )


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
