"""What in a delimited file is the table: lines above it, header rows, comment lines, lines below it, further tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from loadlock.errors import UsageError
from loadlock.intake import _csv_top as top
from loadlock.intake._csv_doubt import Sample
from loadlock.intake._csv_exact import Shape
from loadlock.intake._csv_facts import MOST_LINES, facts_above
from loadlock.intake._csv_score import Score
from loadlock.intake._csv_torn import Edge, edge_of
from loadlock.intake.base import SourceOptions
from loadlock.intake.splitter import Records, Rules, Splitter, Status

_COMMENTS = (b"#", b"//", b"--", b"%")
_FOOTER_LINES = 20
_LIKE_SHARE = 0.8
"""Share of the records that a block of lines needs in one width to be a table of its own."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """One of several tables in a file. Lines are 0-based physical lines; `stop` is the line behind the last one."""

    line: int
    stop: int
    fields: int
    records: int


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the table is and what is around it."""

    preamble: int = 0
    """Physical lines above the header."""
    header: int = 1
    fields: int = 1
    comment: str = ""
    footer: int = 0
    """Lines that are not blank below the table."""
    edges: tuple[Edge, Edge] = (Edge(), Edge())
    sample: Sample = field(default_factory=Sample)
    tables: tuple[Table, ...] = ()
    """All of them, where there are several."""
    reasons: list[str] = field(default_factory=list)

    def below(self, lines: int, reason: str) -> Place:
        """The place in a file that has so many lines more above it."""
        tables = tuple(replace(table, line=table.line + lines, stop=table.stop + lines) for table in self.tables)
        return replace(self, preamble=self.preamble + lines, tables=tables, reasons=[reason, *self.reasons])


@dataclass(frozen=True, kw_only=True)
class _Lines:
    """The records of some bytes, blank ones left out."""

    data: bytes
    records: Records
    kept: list[int]
    """Which records these are."""
    splitter: Splitter

    def cells(self, index: int) -> list[str]:
        start, end = self.records.start[self.kept[index]], self.records.end[self.kept[index]]
        values = self.splitter.parser.parse(self.data[start:end]).values
        return [value.decode("utf-8", "replace") for value in values]

    def line(self, index: int) -> int:
        """The physical line of the record; behind the last one the number of lines."""
        return int(self.records.line[self.kept[index]]) if index < len(self.kept) else self.records.lines


def find_place(head: bytes, chosen: Score, options: SourceOptions, *, whole: bytes | None, end: bytes) -> Place:
    """`head`: whole lines from the start; `whole`: all of a short file; `end`: whole lines up to the file's end."""
    cutter, reasons = _Cutter(chosen.shape), []
    comment, why = _comment(head, chosen, options, cutter)
    reasons += why
    if facts := _facts(cutter.lines(head, comment), options):
        line, fields = facts
        chosen, options = replace(chosen, fields=fields), replace(options, preamble=line)
        reasons.append(
            f"{line} line{'s' * (line > 1)} above the table with facts, no rows: skipped; pin `preamble: 0` if they are rows"
        )
    tables = _tables(cutter.lines(whole, comment)) if whole is not None and options.preamble is None else ()
    if len(tables) > 1:
        return _of_table(cutter.lines(whole or b"", comment), tables, comment, options)
    if options.table not in (None, 1) and whole is not None:
        raise UsageError(
            f"table {options.table} is asked for, but the file seems to hold one table", hint="Leave `table:` out."
        )
    place = _single(head, chosen, options, comment, cutter)
    footer, told = _footer(cutter.lines(end, comment), place.fields, options)
    return replace(place, footer=footer, reasons=[*reasons, *place.reasons, *told])


def _facts(lines: _Lines, options: SourceOptions) -> tuple[int, int] | None:
    """The line below facts above the table, and the fields of the row there."""
    if options.preamble is not None or options.header is not None or options.table is not None:
        return None
    widths = lines.records.fields[lines.kept].tolist()
    rows = [lines.cells(index) for index in range(min(len(lines.kept), MOST_LINES + top.LOOK_ROWS))]
    blank = next((place for place, index in enumerate(lines.kept) if index != place), 0)
    count = facts_above(widths, rows, blank_below=blank)
    return (lines.line(count), widths[count]) if count else None


def _single(head: bytes, chosen: Score, options: SourceOptions, comment: bytes, cutter: _Cutter) -> Place:
    """The place of the only table."""
    skipped, reasons = options.preamble or 0, []
    if options.preamble is not None:
        head = _skip_lines(head, options.preamble, chosen.shape)
        reasons.append(f"preamble of {options.preamble} lines left out")
    lines = cutter.lines(head, comment)
    rows = [lines.cells(index) for index in range(min(len(lines.kept), top.LOOK_ROWS + top.PREAMBLE_ROWS))]
    touching = len(lines.kept) > 1 and lines.line(1) == lines.line(0) + 1
    found = top.find_top(rows, chosen.fields, touching=touching, pinned=options.preamble is not None)
    if found.skipped and options.preamble is None:
        skipped = lines.line(found.skipped)
        reasons.append(f"{skipped} lines above the table skipped: other field counts or hardly a cell filled")
    header = found.header if options.header is None else options.header
    told = found.reason if options.header is None else f"header of {header} rows pinned"
    return Place(
        preamble=skipped,
        header=header,
        fields=chosen.fields,
        comment=comment.decode("utf-8", "replace"),
        edges=_edges(rows[found.skipped + header :], chosen.fields),
        sample=Sample.of(rows[found.skipped + header :]),
        reasons=[*reasons, told],
    )


def _edges(rows: Sequence[Sequence[str]], fields: int) -> tuple[Edge, Edge]:
    usual = [row for row in rows if len(row) == fields]
    return edge_of([row[0] for row in usual]), edge_of([row[-1] for row in usual])


class _Cutter:
    """Cuts pieces of one file into records, each piece once: of a short file head, whole and end are the same."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._done: dict[tuple[int, bytes], _Lines] = {}

    def lines(self, data: bytes, comment: bytes) -> _Lines:
        """The records of a piece. The piece is kept, so its identity stays its own."""
        key = (id(data), comment)
        if key not in self._done:
            splitter = Splitter(self.shape, Rules(comment=comment))
            records = splitter.split(data, final=True)
            kept = np.flatnonzero(~np.isin(records.status, (Status.BLANK, Status.COMMENT)))
            self._done[key] = _Lines(data=data, records=records, kept=kept.tolist(), splitter=splitter)
        return self._done[key]


def _skip_lines(data: bytes, count: int, shape: Shape) -> bytes:
    records = Splitter(replace(shape, quote=b""), Rules()).split(data, final=True)
    return data[int(records.next[min(count, len(records)) - 1]) :] if count and len(records) else data


def _comment(head: bytes, chosen: Score, options: SourceOptions, cutter: _Cutter) -> tuple[bytes, list[str]]:
    """The pinned mark of comment lines, or one that several lines begin with of which none has a row's fields."""
    if options.comment is not None:
        return options.comment.encode(), []
    if chosen.fields < 2:
        return b"", []
    lines = cutter.lines(head, b"")
    for mark in _COMMENTS:
        at = [i for i in lines.kept if head.startswith(mark, int(lines.records.start[i]))]
        if len(at) >= 2 and not any(lines.records.fields[i] == chosen.fields for i in at):
            return mark, [f"{len(at):,} lines of the sample begin with {mark.decode()} and are no rows: comments"]
    return b"", []


def _footer(lines: _Lines, fields: int, options: SourceOptions) -> tuple[int, list[str]]:
    """Lines at the end, behind a blank line, that have at most half of a row's fields."""
    if options.footer is not None:
        return options.footer, [f"footer of {options.footer} lines pinned"] if options.footer else []
    if fields < 2:
        return 0, []
    for count, place in enumerate(reversed(range(len(lines.kept))), 1):
        index = lines.kept[place]
        if count > _FOOTER_LINES or len(lines.cells(place)) * 2 > fields:
            break
        above = lines.records.status[index - 1] if index else Status.PLAIN
        if above == Status.BLANK and place:
            return count, [f"{count} lines below the table left out: behind a blank line, with few fields"]
    return 0, []


# ---- several tables


def holds_tables(whole: bytes, tried: Score) -> bool:
    """Whether a short file holds several tables, each with a clear header, where it is cut so."""
    return tried.fields > 1 and len(_tables(_Cutter(tried.shape).lines(whole, b""))) > 1


def _tables(lines: _Lines) -> tuple[Table, ...]:
    """Blocks of records between blank lines that begin with a clear header of their own; others of a width go on."""
    found: list[Table] = []
    names: list[str] = []
    for first, last in _blocks(lines):
        table, header = _block_table(lines, first, last)
        if table is None:
            continue
        goes_on = bool(found) and found[-1].fields == table.fields
        if header and not (goes_on and header == names):
            found.append(table)
            names = header
        elif goes_on:
            found[-1] = replace(found[-1], stop=table.stop, records=found[-1].records + table.records)
    return tuple(found)


def _blocks(lines: _Lines) -> list[tuple[int, int]]:
    """Ranges of records without a blank line between them."""
    kept = np.array(lines.kept, dtype=np.int64)
    cuts = [0, *(np.flatnonzero(np.diff(kept) != 1) + 1).tolist(), len(kept)] if len(kept) else []
    return list(pairwise(cuts))


def _block_table(lines: _Lines, first: int, last: int) -> tuple[Table | None, list[str]]:
    """The table that a block may be, and its header where that is clear; None for titles and remarks."""
    widths = lines.records.fields[lines.kept[first:last]].tolist()
    fields, _ = Counter(widths).most_common(1)[0]
    rows = [lines.cells(index) for index in range(first, min(last, first + top.LOOK_ROWS))]
    titles = top.find_top(rows, fields).skipped
    first, rows, widths = first + titles, rows[titles:], widths[titles:]
    if fields < 2 or len(rows) < 2 or widths.count(fields) < _LIKE_SHARE * len(widths):
        return None, []
    table = Table(line=lines.line(first), stop=lines.line(last), fields=fields, records=len(widths))
    return table, rows[0] if top.is_clear_header(rows) else []


def _of_table(lines: _Lines, tables: tuple[Table, ...], comment: bytes, options: SourceOptions) -> Place:
    """The place of the table that is asked for, or of the first one."""
    number = options.table or 1
    if number > len(tables):
        raise UsageError(
            f"table {number} is asked for, but the file holds {len(tables)}", hint="Choose one of them by `table:`."
        )
    table = tables[number - 1]
    inside = [i for i in range(len(lines.kept)) if table.line <= lines.line(i) < table.stop]
    rows = [lines.cells(index) for index in inside[: top.LOOK_ROWS]]
    found = top.find_top(rows, 1)
    header = found.header if options.header is None else options.header
    chosen = "pinned" if options.table else "the first is read; choose another by `table:`"
    return Place(
        preamble=table.line,
        header=header,
        fields=table.fields,
        comment=comment.decode("utf-8", "replace"),
        footer=_filled_lines(lines, table),
        edges=_edges(rows[header:], table.fields),
        sample=Sample.of(rows[header:]),
        tables=tables,
        reasons=[f"the file holds {len(tables)} tables: {chosen}", found.reason],
    )


def _filled_lines(lines: _Lines, table: Table) -> int:
    """Physical lines with anything in them below a table."""
    data = lines.data
    start = next((int(lines.records.start[i]) for i in lines.kept if lines.records.line[i] >= table.stop), len(data))
    text = data[start:]
    if lines.splitter.shape.record_end == b"\r":
        text = text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return sum(bool(line.rstrip(b"\r")) for line in text.split(b"\n"))
