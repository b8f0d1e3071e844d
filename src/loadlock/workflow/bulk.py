"""Bulk corrections: an SQL expression or a map of values over the rejects that a condition names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadlock.errors import UsageError
from loadlock.intake.base import SourceOptions
from loadlock.intake.files import open_sources
from loadlock.intake.read import read_file
from loadlock.model import RejectState
from loadlock.quarantine.read import ALL, RejectFilter
from loadlock.quarantine.sheet import staged_name
from loadlock.quarantine.taking import Change
from loadlock.rows import PROVENANCE
from loadlock.workflow.acting import Who
from loadlock.workflow.chosen import Chosen, choose, places_of
from loadlock.workflow.correct import Correction, Edits, acting, record

_SET = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^=<>!"]+?))\s*=(?!=)\s*(.+)', re.DOTALL)
_CLOSED = (RejectState.RESOLVED, RejectState.DISCARDED)


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """A bulk correction. `sets`: `column=SQL expression`; `maps`: `column=file` (CSV: value, new value, below a header)."""

    sets: Sequence[str] = ()
    maps: Sequence[str] = ()
    where: str | None = None
    wanted: RejectFilter = ALL

    def __str__(self) -> str:
        pieces = [f"set {text}" for text in self.sets] + [f"map {text}" for text in self.maps]
        return " and ".join(pieces) + (f" where {self.where}" if self.where else "")


def correct_in_bulk(
    name: str,
    bulk: Bulk,
    *,
    who: Who | None = None,
    workspace: str | Path | None = None,
    wait_seconds: float = 0.0,
) -> Correction:
    """Record a bulk correction over the open rejects of a batch. Malformed rows have no values and are passed over."""
    sets = [_split(text) for text in bulk.sets]
    maps = [(column, _read_map(Path(file))) for column, file in map(_split, bulk.maps)]
    with acting(workspace, name, wait_seconds=wait_seconds) as quarantine:
        expressions = [expression for _, expression in sets]
        edits = Edits()
        for chosen in choose(quarantine, bulk.wanted, bulk.where, expressions):
            edits.rows += chosen.table.num_rows
            edits.changes.extend(_changes(chosen, [column for column, _ in sets], maps, quarantine.sources))
        return record(quarantine, edits, who or Who(), source=str(bulk))


def _changes(
    chosen: Chosen,
    columns: Sequence[str],
    maps: Sequence[tuple[str, Mapping[str, str | None]]],
    sources: Mapping[str, Sequence[str]],
) -> Iterator[Change]:
    places, states = places_of(chosen.table), chosen.table["state"].to_pylist()
    for index, (place, state, values) in enumerate(zip(places, states, chosen.values, strict=True)):
        if values is None or state in _CLOSED:
            continue
        news = [(column, result[index]) for column, result in zip(columns, chosen.results, strict=True)]
        for column, table in maps:
            name = _known(column, values, sources)
            if values[name] is not None and values[name] in table:
                news.append((column, table[str(values[name])]))
        for column, new in news:
            name = _known(column, values, sources)
            if values[name] != new:
                yield Change(place=place, column=name, old=values[name], new=new)


def _known(column: str, values: Mapping[str, str | None], sources: Mapping[str, Sequence[str]]) -> str:
    """The staged name of a column, which may be named as the file or the pipeline does."""
    name = column if column in values else staged_name(column, values, sources)
    if name is None:
        raise UsageError(f"the rejects have no value {column!r}", hint=f"They have {', '.join(values)}.")
    return name


def _split(text: str) -> tuple[str, str]:
    match = _SET.fullmatch(text)
    if match is None:
        raise UsageError(
            f"{text!r} is not COLUMN=...", hint="As --set \"country='DE'\" or --map country=countries.csv."
        )
    quoted, plain, rest = match.groups()
    return (quoted.replace('""', '"') if quoted else plain.strip()), rest


def _read_map(path: Path) -> dict[str, str | None]:
    """The first two columns of a CSV file."""
    if not path.is_file():
        raise UsageError(f"there is no file {path}", hint="A map is a CSV file: value, new value, below a header.")
    (source,) = open_sources([path])
    found: dict[str, str | None] = {}
    for part in read_file(source, SourceOptions(header=1, preamble=0)).parts:
        names = [name for name in part.rows.column_names if name not in PROVENANCE]
        if len(names) < 2 or part.rejects.num_rows:
            raise UsageError(f"{path.name} is no map of values", hint="It needs two columns: value, new value.")
        found.update(zip(*(part.rows[name].to_pylist() for name in names[:2]), strict=True))
    return found
