"""What a publish into a sheet would change: counted and sampled by reads alone, before it or in its place."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Protocol

import orjson

from loadlock.delivery.base import DeliveryColumn, Job
from loadlock.delivery.destinations._sheets_aim import Aim
from loadlock.delivery.destinations._sheets_cells import Encoder, decode
from loadlock.delivery.destinations._sheets_drift import Guard
from loadlock.delivery.destinations._sheets_merge import Merge, merge
from loadlock.delivery.destinations._sheets_rows import read_rows, slices, trimmed
from loadlock.delivery.destinations._sheets_stage import Stage
from loadlock.delivery.destinations._sheets_survey import Keyed, Survey, joined, keyed
from loadlock.delivery.destinations._sheets_turn import too_much
from loadlock.delivery.destinations._texts import to_text
from loadlock.delivery.foreseen import SAMPLES, Foreseen, Sample
from loadlock.model import WriteMode
from loadlock.rows import FILE
from loadlock.sheets.wire import Wire

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SHOWN_CHARS = 200
Line = list[Any]


class Staged(Protocol):
    """Rows as cells, wherever they wait."""

    @property
    def rows(self) -> int: ...

    def keyed(self) -> Keyed: ...

    def files(self) -> np.ndarray[Any, Any]: ...

    def lines(self) -> Iterator[Line]:
        """The cells of all rows, in order."""
        ...


@dataclass(kw_only=True)
class Rehearsal:
    """Rows that wait in a temporary file of this machine, for a trial."""

    columns: tuple[DeliveryColumn, ...]
    encoder: Encoder
    key: tuple[str, ...]
    body_bytes: int
    rows: int = 0
    parts: list[Keyed] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    spool: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    def load(self, rows: pa.Table) -> None:
        """Keep a chunk."""
        for count, body in self.encoder.bodies(rows.drop_columns([FILE]), self.body_bytes):
            found = [trimmed(line) for line in orjson.loads(b"[" + body + b"]")]
            self.parts.append(keyed(found, count, self.columns, self.key, escaped=self.encoder.escapes))
            # JSON has no line breaks of its own: they are escaped in texts
            self.spool.write(body + b"\n")
        self.rows += rows.num_rows

    def keyed(self) -> Keyed:
        return joined(self.parts)

    def files(self) -> np.ndarray[Any, Any]:
        import numpy as np

        return np.zeros(self.rows, np.int64)

    def lines(self) -> Iterator[Line]:
        self.spool.seek(0)
        for body in self.spool:
            yield from orjson.loads(b"[" + body + b"]")

    def close(self) -> None:
        self.spool.close()


@dataclass(frozen=True, kw_only=True)
class InTab:
    """Rows that wait in the staging tab."""

    stage: Stage

    @property
    def rows(self) -> int:
        return self.stage.rows

    def keyed(self) -> Keyed:
        return self.stage.keyed()

    def files(self) -> np.ndarray[Any, Any]:
        return self.stage.files()

    def lines(self) -> Iterator[Line]:
        stage = self.stage
        yield from _lines(stage.wire, stage.tab, range(len(stage.columns)), 0, stage.rows)


def _lines(wire: Wire, tab: Any, places: Sequence[int], row: int, end: int) -> Iterator[Line]:
    for start, behind in slices(row, end, len(places)):
        rows = read_rows(wire, tab, places, start, behind)
        yield from rows
        yield from ([] for _ in range(behind - start - len(rows)))


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """The sheet as it is, and the rows that are to be published."""

    wire: Wire
    job: Job
    aim: Aim
    label: str
    staged: Staged
    escaped: bool
    stop: str | None
    """Why the publish would be stopped, found before."""
    guard: Guard | None
    """Asked whether rows of people would be overwritten."""

    def of(self, found: Survey | int) -> Foreseen:
        """`found`: what the live tab holds; a survey where rows meet by key."""
        last = found if isinstance(found, int) else found.last
        mode = self.job.mode
        if not mode.by_key or isinstance(found, int):
            samples = tuple(self._samples("insert", range(min(SAMPLES, self.staged.rows)), self.staged.lines()))
            deleted = last - 1 if mode == WriteMode.REPLACE else 0
            return Foreseen(
                inserted=self.staged.rows, deleted=deleted, rows_before=last - 1, samples=samples, stop=self.stop
            )
        merged = merge(
            self.staged.keyed(),
            self.staged.files(),
            found,
            found.last,
            self.label,
            mode,
        )
        return self._merged(merged, found)

    def _merged(self, merged: Merge, found: Survey) -> Foreseen:
        counts = merged.published
        is_exchange = self.job.mode == WriteMode.DELETE_INSERT
        columns, samples = ({}, self._exchanged(merged)) if is_exchange else self._changes(merged, found)
        stop = self.stop or (self.guard.reason(merged, found) if self.guard is not None else None)
        if self.job.mode == WriteMode.MIRROR:
            stop = stop or too_much(self.job.max_delete_percent, found, self.staged.rows, len(merged.gone))
        return Foreseen(
            inserted=counts.inserted,
            updated=counts.updated,
            unchanged=counts.unchanged,
            deleted=counts.deleted,
            rows_before=len(found.rows.keys) - found.rows.keys.null_count,
            columns=columns,
            samples=tuple(samples),
            stop=stop,
        )

    def _exchanged(self, merged: Merge) -> list[Sample]:
        """Some rows that come, and some that give way."""
        come = list(self._samples("insert", range(min(SAMPLES, self.staged.rows)), self.staged.lines()))
        return come + self._going([int(row) for row in merged.taken[:SAMPLES]])

    def _going(self, rows: Sequence[int]) -> list[Sample]:
        end = rows[-1] + 1 if rows else 0
        return list(self._samples("delete", rows, _lines(self.wire, self.aim.tab, self.aim.places, 0, end)))

    def _changes(self, merged: Merge, found: Survey) -> tuple[dict[str, int], list[Sample]]:
        """Column → rows in which it changes, and rows of each kind. Only cells of rows that change are kept, as numbers."""
        old = {
            int(goal): int(source) for source, goal in zip(merged.source, merged.goal, strict=True) if goal < found.last
        }
        new = sorted(set(map(int, merged.source)) - set(old.values()))[:SAMPLES]
        chosen = set(sorted(old)[:SAMPLES])
        places = self.aim.places
        after = self._cells(self.staged.lines(), set(old.values()), {old[goal] for goal in chosen})
        live = _lines(self.wire, self.aim.tab, places, 0, found.last if old else 0)
        before = self._cells(live, set(old), chosen)
        counts: Counter[str] = Counter()
        for goal, source in old.items():
            for place, column in enumerate(self.aim.columns):
                counts[column.name] += before[0][goal][place] != after[0][source][place]
        samples = list(self._samples("insert", new, self.staged.lines()))
        for goal in sorted(chosen):
            samples.append(self._update(before[1][goal], after[1][old[goal]]))
        samples += self._going([int(row) for row in merged.gone[:SAMPLES]])
        return {name: rows for name, rows in counts.items() if rows}, samples

    def _cells(
        self, lines: Iterator[Line], wanted: set[int], whole: set[int]
    ) -> tuple[dict[int, tuple[int, ...]], dict[int, Line]]:
        """Of the wanted rows a number for each cell, and some rows whole."""
        numbers, kept = {}, {}
        width = len(self.aim.columns)
        for index, line in enumerate(lines):
            if index in wanted:
                cells = [*line, *[""] * (width - len(line))]
                numbers[index] = tuple(hash((type(cell) is bool, cell)) for cell in cells)
                if index in whole:
                    kept[index] = cells
        return numbers, kept

    def _samples(self, kind: str, wanted: Sequence[int], lines: Iterator[Line]) -> Iterator[Sample]:
        left = set(wanted)
        for index, line in enumerate(lines):
            if index in left:
                values = self._texts([*line, *[""] * (len(self.aim.columns) - len(line))])
                after = values if kind == "insert" else None
                yield Sample(kind=kind, key=self._key(values), after=after, before=None if after else values)
                left.discard(index)
            if not left:
                return

    def _update(self, before: Line, after: Line) -> Sample:
        old, new = self._texts(before), self._texts(after)
        differ = [name for name in old if old[name] != new[name]]
        return Sample(
            kind="update",
            key=self._key(new),
            before={name: old[name] for name in differ},
            after={name: new[name] for name in differ},
        )

    def _key(self, values: dict[str, str | None]) -> dict[str, str | None]:
        return {name: values[name] for name in self.job.key if name in values}

    def _texts(self, line: Line) -> dict[str, str | None]:
        """Each cell as the column's value would be written."""
        found = {}
        for column, cell in zip(self.aim.columns, line, strict=True):
            value = to_text(decode([cell], column, escaped=self.escaped, empty_text=False), column.type)[0].as_py()
            found[column.name] = None if value is None else str(value)[:SHOWN_CHARS]
        return found
