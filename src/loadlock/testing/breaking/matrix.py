"""Which trials there are, and doing them: each kind of destination in a process of its own."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from loadlock.testing.breaking.arena import arena
from loadlock.testing.breaking.trial import Cell, Result, Undisturbed, try_out
from loadlock.testing.breaking.watcher import Watcher
from loadlock.testing.breaking.ways import ALL, Way
from loadlock.testing.servers import MissingServerError

MANY = ("file.", "ledger.")
"""Places that a run passes dozens of times: some of the times are taken."""
OF_TARGET = ("delivery.", "chunk.", "target.", "publishing.", "published.", "batch.delivered")
"""Places whose code differs from destination to destination: tried for each. The others are shared out over the cells."""
SHARED_OUT = 6
"""Of the places that are the same everywhere a cell tries one in so many, each cell others."""

Choose = Callable[[Cell, Way, str], bool]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which trials; an empty tuple means all."""

    modes: tuple[str, ...] = ()
    ways: tuple[str, ...] = ()
    """Parts of the names of ways."""
    points: tuple[str, ...] = ()
    """Beginnings of the names of places."""
    results: Path | None = None
    """A file to which each result is added at once; trials that are in it and came right are not done again."""
    done: frozenset[tuple[str, str, str, str]] = frozenset()
    most: int | None = None
    """Trials of each kind of destination; None = all."""

    def __call__(self, cell: Cell, way: Way, point: str) -> bool:
        return (
            (not self.ways or any(word in way.name for word in self.ways))
            and (not self.points or point.startswith(self.points))
            and (cell.kind, str(cell.mode), way.name, point) not in self.done
        )


def run_aloud(wanted: Wanted, folder: Path, kind: str) -> list[Result]:
    """The wanted trials of one kind, each told on standard output."""
    return run_kind(kind, folder / kind, wanted, partial(_tell, wanted.results), modes=wanted.modes, most=wanted.most)


def _tell(results: Path | None, result: Result) -> None:
    if results is not None:
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(result.to_json()) + "\n")
    said = f"WRONG {result.fault}" if result.fault else f"skipped: {result.skipped}" if result.skipped else "right"
    line = f"{result.place} {result.mode} | {result.way} | {result.point} | {result.seconds} s | {said}\n"
    sys.stdout.write(line)
    sys.stdout.flush()


def points_of(passed: Sequence[str]) -> list[str]:
    """`name` or `name:number` for each place to strike at: the first and the last time that it is passed, of the places that
    are passed dozens of times also some between."""
    found = []
    for name, times in Counter(passed).items():
        numbers = {1, times}
        if name.startswith(MANY):
            numbers |= {times // 4, times // 2, 3 * times // 4} - {0}
        found += [name if number == 1 else f"{name}:{number}" for number in sorted(numbers)]
    return found


def trials(cell: Cell, expected: Undisturbed) -> Iterator[tuple[Way, str]]:
    """Every trial of a cell."""
    points = points_of(expected.passed)
    for turn, way in enumerate(ALL, cell.number):
        if not way.suits(cell.place):
            continue
        for index, point in enumerate(points, turn):
            if way.places is None:
                if point.startswith(OF_TARGET) or index % SHARED_OUT == 0:
                    yield way, point
            elif point in way.places and (not way.shared or index % SHARED_OUT == 0):
                yield way, point


def run_kind(
    kind: str,
    folder: Path,
    choose: Choose,
    report: Callable[[Result], None],
    *,
    modes: Collection[str] = (),
    most: int | None = None,
) -> list[Result]:
    """The chosen trials of one kind of destination in these modes (none named = all), at most `most`; one skipped result
    where its server can't be had."""
    results = []

    def note(result: Result) -> None:
        results.append(result)
        report(result)

    try:
        with arena(kind, folder) as cells, Watcher() as watcher:
            wanted = [cell for cell in cells if not modes or cell.mode in modes]
            for result in run_cells(wanted, choose, watcher, most):
                note(result)
    except MissingServerError as error:
        note(Result(place=kind, mode="", way="", group="", point="", skipped=str(error)))
    return results


def run_cells(cells: Sequence[Cell], choose: Choose, watcher: Watcher, most: int | None) -> Iterator[Result]:
    """The chosen trials, at most so many, after a run of each cell that nothing happens to.

    Their order has nothing to do with mode, way or place: some of everything is tried, wherever it ends.
    """
    chosen = []
    for cell in cells:
        try:
            expected = cell.undisturbed()
        except AssertionError as error:
            yield Result(place=cell.kind, mode=str(cell.mode), way="nothing", group="", point="", fault=str(error))
            continue
        chosen += [(cell, way, point, expected) for way, point in trials(cell, expected) if choose(cell, way, point)]
    chosen.sort(key=lambda one: hashlib.sha256(f"{one[0].mode} {one[1].name} {one[2]}".encode()).digest())
    for cell, way, point, expected in chosen[:most]:
        yield try_out(cell, way, point, expected, watcher)


def load(path: Path) -> list[Result]:
    """The results in a file; of a trial that was done again the last, and none that was wrong before."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = [Result(**json.loads(line)) for line in lines]
    return list({(one.place, one.mode, one.way, one.point): one for one in found}.values())
