"""The dirt fuzzer: well-formed files with one random fault each, read, and judged against what is known of them.

A case is good where nothing wrong is loaded and at most one row is kept out. "Wrong" is a staged row that is neither a
record as it was before the fault nor, where the fault left another well-formed file, what this file says by a strict
reading; and a record that is neither staged nor among the rejects. Rows kept out are counted in records and in rejects,
and the smaller number counts: two records without a record end between them are one row, one record cut in two is one.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from loadlock.errors import LoadlockError
from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.csv import CsvFormat
from loadlock.model import FileReport
from loadlock.rows import ENCODING
from loadlock.testing.bytes_source import BytesSource
from loadlock.testing.dirt_faults import Damaged, damage
from loadlock.testing.dirt_files import CleanFile, Style, random_file
from loadlock.testing.dirt_strict import strict_records

_Row = tuple[str | None, ...]
_AS_BEFORE = ("NUL byte", "bad byte", "byte order mark in the middle", "repeated header", "blank line")
"""Kinds of faults after which only the records as they were are right, whatever a strict reading says."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of one damaged file. `cause` says what went wrong in words; empty where the case is good."""

    kind: str
    seed: int
    given: bool
    wrong: int = 0
    kept_out: int = 0
    marked: int = 0
    """Damaged rows that are marked: as read in another encoding, or their file as read in one that is in doubt."""
    silent: bool = False
    """Whether the fault left another well-formed file, which no reader can tell from a file without fault."""
    cause: str = ""

    @property
    def good(self) -> bool:
        return not self.wrong and self.kept_out <= 1


def judge_case(seed: int, *, given: bool) -> Verdict:
    """Make a file, damage it, read it with the dialect given or to be found out, and judge."""
    rng = random.Random(seed)  # noqa: S311 (test data)
    file = random_file(rng)
    kind, damaged = damage(rng, file)
    options = pinned(file.style) if given else SourceOptions(format="csv")
    blank = Verdict(kind=kind, seed=seed, given=given)
    try:
        rows, rejects, report = read_rows(damaged.data, options)
    except LoadlockError as error:
        return replace(blank, kept_out=len(file.records) - 1, cause=f"refused: {error}")
    if report.encoding["how"] == "fallback" or report.encoding["low_confidence"]:
        rows = [(row, True) for row, _ in rows]
    found = _judge(blank, rows, (rejects, file, damaged), report)
    return found if found.good else replace(found, cause=_cause(file.style, report, damaged))


def pinned(style: Style) -> SourceOptions:
    """All of a style, said in the options of a source."""
    return SourceOptions(
        format="csv",
        delimiter=style.delimiter,
        quote=style.quote,
        escape="\\" if style.escape else "",
        record_end="\r" if style.record_end == "\r" else "\n",
        header=1,
        preamble=0,
        encoding=style.encoding,
    )


def read_rows(data: bytes, options: SourceOptions) -> tuple[list[tuple[_Row, bool]], int, FileReport]:
    """Values of each staged row and whether it is marked as read in another encoding; number of rejects; the report."""
    result = CsvFormat().read(BytesSource(data, "dirt.csv"), options)
    rows: list[tuple[_Row, bool]] = []
    rejects = 0
    for part in result.parts:
        rejects += part.rejects.num_rows
        names = [name for name in part.rows.column_names if not name.startswith("_")]
        columns: list[list[Any]] = [part.rows[name].to_pylist() for name in names]
        marks = [mark is not None for mark in part.rows[ENCODING].to_pylist()]
        rows += zip(zip(*columns, strict=True), marks, strict=True)
    return rows, rejects, result.report()


def _judge(
    blank: Verdict, rows: list[tuple[_Row, bool]], case: tuple[int, CleanFile, Damaged], report: FileReport
) -> Verdict:
    """The better of two readings: the records as they were, and what the file says now."""
    rejects, file, damaged = case
    present = [place for place in range(1, len(file.records)) if place not in damaged.gone]
    whole = [file.records[place] for place in present if place not in damaged.touched]
    hurt = [file.records[place] for place in present if place in damaged.touched]
    renamed = 0 not in damaged.touched and tuple(report.header) != file.records[0]
    before = _compare(blank, rows, (whole, hurt), rejects)
    literal = None if blank.kind in _AS_BEFORE else strict_records(damaged.data, file.style, file.fields)
    if literal is not None:
        after = _compare(replace(blank, silent=literal[1:] != list(file.records[1:])), rows, (literal[1:], []), rejects)
        before = min(before, after, key=lambda verdict: (verdict.wrong, verdict.kept_out, verdict.silent))
    return replace(before, wrong=max(before.wrong, len(rows))) if renamed else before


def _compare(
    blank: Verdict, rows: list[tuple[_Row, bool]], truth: tuple[Sequence[_Row], Sequence[_Row]], rejects: int
) -> Verdict:
    """Rows against the records that must be there and those that may be there as they were."""
    whole, hurt = Counter(truth[0]), Counter(truth[1])
    wrong = marked = 0
    for row, is_marked in rows:
        if whole[row]:
            whole[row] -= 1
        elif hurt[row]:
            hurt[row] -= 1
        elif is_marked and hurt.total():
            marked += 1
            hurt[next(iter(hurt.elements()))] -= 1
        else:
            wrong += 1
    lost = whole.total() + hurt.total()
    silently = lost if lost and not rejects else 0
    return replace(blank, wrong=wrong + silently, kept_out=min(rejects, lost), marked=marked)


def _cause(style: Style, report: FileReport, damaged: Damaged) -> str:
    """What the reader took for something else."""
    found = report.dialect
    wanted: dict[str, Any] = {"delimiter": style.delimiter, "header": 1, "preamble": 0}
    if style.quote:
        wanted |= {"quote": style.quote, "escape": "\\" if style.escape else None}
    if _codec(report.encoding["name"]) != _codec(style.encoding):
        return f"encoding {report.encoding['name']} instead of {style.encoding}"
    for name, value in wanted.items():
        if found[name] != value:
            return f"{name} {found[name]!r} instead of {value!r}"
    return "the fault is in the header" if 0 in damaged.touched else "the dialect is right"


def _codec(name: str) -> str:
    return {"ascii": "utf-8"}.get(name, name)
