"""Changed rows that lie scattered: brought into the sheet's order within the staging tab, so that few pastes publish them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from loadlock.delivery.destinations._sheets_aim import Aim
from loadlock.delivery.destinations._sheets_merge import Stretch
from loadlock.delivery.destinations._sheets_publish import paste
from loadlock.delivery.destinations._sheets_rows import runs
from loadlock.delivery.destinations._sheets_stage import Stage
from loadlock.delivery.destinations._sheets_state import add_rows
from loadlock.sheets.wire import Wire

MOST_PASTES = 4_000
"""In one request: about 1.2 MB of JSON."""


def arranged(wire: Wire, stage: Stage, aim: Aim, pastes: Sequence[Stretch], last: int) -> list[Stretch]:
    """Behind the staged rows a copy of the live ones is made, from the first that changes to the last, and the changes are
    pasted into it. Again after a doubt, the same comes out. Returns the pastes that are left."""
    width = len(aim.places)
    old = [stretch for stretch in pastes if stretch.row < last]
    new = [stretch for stretch in pastes if stretch.row >= last]
    first = min((stretch.row for stretch in old), default=last)
    behind = max((stretch.row + stretch.count for stretch in old), default=last)
    copy = stage.rows
    tail = copy + behind - first
    size = tail + sum(stretch.count for stretch in new)
    if size > stage.tab.rows:
        wire.batch([add_rows(stage.tab.sheet_id, size - stage.tab.rows)])
        stage.tab = replace(stage.tab, rows=size)
    if old:
        wire.batch(
            [
                paste(
                    aim.tab.range(first, behind, column, column + count),
                    stage.tab.range(copy, tail, index, index + count),
                    normal=True,
                )
                for index, column, count in runs(aim.places)
            ]
        )
    moves = [
        (stretch, copy + stretch.row - first if stretch.row < last else tail + stretch.row - last) for stretch in pastes
    ]
    for start in range(0, len(moves), 2 * MOST_PASTES):
        wire.batch(
            [
                paste(
                    stage.tab.range(stretch.source, stretch.source + stretch.count, 0, width),
                    stage.tab.range(row, row + stretch.count, 0, width),
                )
                for stretch, row in moves[start : start + 2 * MOST_PASTES]
            ]
        )
    found = [Stretch(source=copy, row=first, count=behind - first, normal=True)] if old else []
    if new:
        found.append(Stretch(source=tail, row=last, count=size - tail))
    return found
