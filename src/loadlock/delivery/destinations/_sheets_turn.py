"""From staged rows and what the sheet holds to the plan of a publish: which cells change, and what the mark says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from loadlock.delivery.base import Job, Published
from loadlock.delivery.destinations._sheets_aim import Aim
from loadlock.delivery.destinations._sheets_arrange import MOST_PASTES, arranged
from loadlock.delivery.destinations._sheets_drift import Guard, columns_mark
from loadlock.delivery.destinations._sheets_known import exchanged, known_cells, known_tabs
from loadlock.delivery.destinations._sheets_merge import Merge, Stretch, merge, row_stretches, stretches
from loadlock.delivery.destinations._sheets_publish import Plan
from loadlock.delivery.destinations._sheets_rows import last_row, runs
from loadlock.delivery.destinations._sheets_stage import Stage, published_record
from loadlock.delivery.destinations._sheets_state import (
    KEPT_MARKERS,
    MARKER_CHARS,
    Names,
    State,
    packed,
    pushed_out,
)
from loadlock.delivery.destinations._sheets_survey import Survey, joined
from loadlock.delivery.sqltext import delivery_row, inserted_by_file
from loadlock.errors import RefusedError, StoppedError
from loadlock.model import WriteMode
from loadlock.sheets.wire import Json, Wire

ADDING = frozenset({WriteMode.APPEND, WriteMode.INSERT_ONLY})
"""Modes that put rows behind the last one and touch no other."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """Whose publish it is."""

    job: Job
    label: str
    wire: Wire
    names: Names
    serials: bool
    escaped: bool
    manifest: Json | None = None
    guard: Guard | None = None
    """Asked before rows are written over."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What a publish changes. Rows of the live tab count from 0, the header is row 0."""

    way: Way
    aim: Aim
    stage: Stage
    published: Published
    last: int
    """The row behind the last one with a value before."""
    end: int
    """The same afterwards."""
    base: int | None
    """Where the batch's rows begin, where they lie together in the order sent."""
    total: int | None
    """The sum of all rows' hashes afterwards, where it is known."""
    kept: int
    """Rows whose state before is kept."""
    cleared: tuple[tuple[int, int], ...] = ()
    pastes: tuple[Stretch, ...] = ()
    known: Sequence[str] | None = None
    """Texts that keep which rows are there afterwards, where the next delivery may ask."""
    left: tuple[tuple[int, int], ...] = ()
    """Staged rows that are not delivered, since their key is known: first, and behind the last."""

    def plan(self, state: State, digest: str) -> Plan:
        """The publish as requests need it."""
        aim, way = self.aim, self.way
        markers = state.markers(aim.tab.sheet_id)
        record = self._record(markers, digest)
        return Plan(
            live=aim.tab,
            made=aim.made,
            headless=aim.headless,
            columns=aim.columns,
            places=aim.places,
            stage=self.stage.tab,
            kept=self.kept,
            earlier=tuple(pushed_out(state, aim.tab.sheet_id, way.names, way.job.undo)),
            cleared=self.cleared,
            pastes=self.pastes,
            known=tuple(exchanged(known_tabs(state, way.names), way.names, self.known)),
            formatted=(self._formatted_from(markers), self.end),
            end=self.end,
            serials=way.serials,
            names=way.names,
            record=record,
            pruned=tuple(_pruned(markers, len(packed(record)))),
        )

    def _record(self, markers: Sequence[tuple[int, Json]], digest: str) -> Json:
        job = self.way.job
        row = delivery_row(job, self.way.label, self.published, rows=self.stage.rows, digest=digest)
        more: dict[str, Any] = {
            "base": self.base,
            "end": self.end,
            "total": self.total,
            "seq": 1 + (int(markers[-1][1].get("seq", 0)) if markers else 0),
            "before": {"sheet": self.way.names.before, "rows": self.kept} if job.undo else None,
            "undo": job.undo,
            "columns": columns_mark(column.name for column in self.aim.columns),
        }
        if self.way.manifest is not None:
            more["manifest"] = self.way.manifest
        return published_record(row, self.stage, more)

    def _formatted_from(self, markers: Sequence[tuple[int, Json]]) -> int:
        """Rows that held values of ours before have their formats, or those that people gave them."""
        if self.way.job.mode in ADDING:
            return self.last
        return int(markers[-1][1].get("end") or 1) if markers else 1


def turn(way: Way, aim: Aim, found: Survey | int, stage: Stage, kept: Callable[[int], int]) -> Turn:
    """Work out the publish. Raises StoppedError where a mirror would delete too much."""
    last = found if isinstance(found, int) else found.last
    mode, rows = way.job.mode, stage.rows
    if mode == WriteMode.APPEND:
        published = Published(inserted=rows, by_file=inserted_by_file(stage.counts_by_file()))
        before = found.total if isinstance(found, Survey) else 0 if last == 1 else None
        total = None if before is None else (before + stage.sum) % 2**64
        pastes = _whole(rows, last)
        return Turn(
            way=way, aim=aim, stage=stage, published=published, last=last, end=last + rows, base=last, total=total,
            kept=0, pastes=pastes,
        )  # fmt: skip
    if mode == WriteMode.REPLACE:
        published = Published(inserted=rows, deleted=last - 1, by_file=inserted_by_file(stage.counts_by_file()))
        return _rewritten(way, aim, last, stage, published, kept(last))
    survey = found if isinstance(found, Survey) else Survey(last=1, rows=joined([]))
    return _keyed(way, aim, survey, stage, kept(last))


def _whole(rows: int, base: int) -> tuple[Stretch, ...]:
    return (Stretch(source=0, row=base, count=rows),) if rows else ()


def _rewritten(way: Way, aim: Aim, last: int, stage: Stage, published: Published, kept: int) -> Turn:
    """The delivered columns hold the staged rows afterwards, in their order, and nothing else."""
    end = 1 + stage.rows
    cleared = () if aim.made else ((1, max(aim.tab.rows, end)),)
    return Turn(
        way=way, aim=aim, stage=stage, published=published, last=last, end=end, base=1, total=stage.sum, kept=kept,
        cleared=cleared, pastes=_whole(stage.rows, 1),
    )  # fmt: skip


def _keyed(way: Way, aim: Aim, found: Survey, stage: Stage, kept: int) -> Turn:
    mode = way.job.mode
    merged = merge(stage.keyed(), stage.files(), found, found.last, way.label, mode)
    if way.guard is not None:
        way.guard.check(merged, found)
    if mode == WriteMode.MIRROR:
        _check_mirror(way, found, stage.rows, merged)
        if not _foreign_values(way, aim):
            return _rewritten(way, aim, found.last, stage, merged.published, kept)
    return Turn(
        way=way, aim=aim, stage=stage, published=merged.published, last=found.last, end=merged.end,
        base=found.last if mode == WriteMode.INSERT_ONLY else None, total=merged.total, kept=kept,
        cleared=tuple(row_stretches(merged.gone)), pastes=_pastes(way, aim, stage, merged, found),
        known=known_cells(merged.hashes), left=tuple(row_stretches(merged.left)),
    )  # fmt: skip


def _pastes(way: Way, aim: Aim, stage: Stage, merged: Merge, found: Survey) -> tuple[Stretch, ...]:
    pastes = stretches(merged.source, merged.goal)
    if len(pastes) * len(list(runs(aim.places))) <= MOST_PASTES:
        return tuple(pastes)
    return tuple(arranged(way.wire, stage, aim, pastes, found.last))


def _foreign_values(way: Way, aim: Aim) -> bool:
    return bool(aim.others) and not aim.made and last_row(way.wire, aim.tab, aim.others, 0) > 1


def _check_mirror(way: Way, found: Survey, rows: int, merged: Merge) -> None:
    import numpy as np

    lost = np.flatnonzero(found.rows.keys.is_null().to_numpy(zero_copy_only=False) & (found.rows.hashes != 0))
    if lost.size:
        shown = ", ".join(f"{row + 2:,}" for row in lost[:5])
        raise RefusedError(
            f"{way.label}: {lost.size:,} rows have values and no key (rows {shown}), and a mirror would delete them;"
            " nothing was touched",
            hint="Fill in their keys, or remove the rows.",
        )
    if reason := too_much(way.job.max_delete_percent, found, rows, len(merged.gone)):
        raise StoppedError(
            f"{way.label}: {reason}: nothing was published",
            hint="`loadlock plan` shows which; raise `max_delete_percent`, or run with --force.",
        )


def too_much(most: float | None, found: Survey, rows: int, gone: int) -> str | None:
    """Why a mirror of so many rows that deletes `gone` of those found is stopped, or None."""
    before = len(found.rows.keys) - found.rows.keys.null_count
    if most is None or not gone:
        return None
    if not rows:
        return f"the batch is empty, and the mirror would delete all {before:,} rows of the table"
    if gone * 100 > most * before:
        return f"the mirror would delete {gone:,} of the table's {before:,} rows, more than {most:g} %"
    return None


def _pruned(markers: Sequence[tuple[int, Json]], added: int) -> Iterator[int]:
    """Ids of the oldest marks that must go, by number and by the room that a tab has for them."""
    room = MARKER_CHARS - added
    for place, (mark, value) in enumerate(reversed(markers), 1):
        room -= len(value["_text"])
        if place >= KEPT_MARKERS or room < 0:
            yield mark
