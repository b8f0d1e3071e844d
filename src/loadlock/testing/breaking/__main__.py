"""`python -m loadlock.testing.breaking`: do the trials, print what went wrong, write the page."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import click

from loadlock.testing.breaking.arena import KINDS
from loadlock.testing.breaking.matrix import Wanted, load, run_aloud
from loadlock.testing.breaking.page import page
from loadlock.testing.marked import below


@click.command()
@click.option("--only", "kinds", multiple=True, type=click.Choice(KINDS), help="A kind of destination; repeat.")
@click.option("--mode", "modes", multiple=True, help="A write mode; repeat.")
@click.option("--way", "ways", multiple=True, help="A part of the name of a way to break a run; repeat.")
@click.option("--point", "points", multiple=True, help="The beginning of a place's name; repeat.")
@click.option("--most", type=int, help="At most so many trials of each kind of destination.")
@click.option("--jobs", default=os.cpu_count() or 1, show_default=True, help="Destinations tried at the same time.")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    help="Add the results to this file; what came right there is not done again.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Write the page here.")
def main(
    kinds: Sequence[str],
    modes: Sequence[str],
    ways: Sequence[str],
    points: Sequence[str],
    most: int | None,
    jobs: int,
    results: Path | None,
    out: Path | None,
) -> None:
    """Break runs in every way at every place. Ends with 1 where a trial went wrong."""
    begun = time.monotonic()
    known = [] if results is None else load(results)
    done = frozenset((one.place, one.mode, one.way, one.point) for one in known if not one.fault and one.mode)
    wanted = Wanted(
        modes=tuple(modes),
        ways=tuple(ways),
        points=tuple(points),
        results=None if results is None else results.absolute(),
        done=done,
        most=most,
    )
    chosen = kinds or KINDS
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="loadlock-breaking-") as folder:
        work = partial(run_aloud, wanted, Path(folder))
        with ProcessPoolExecutor(max_workers=min(jobs, len(chosen)), mp_context=context) as pool:
            found = [one for some in pool.map(work, chosen) for one in some]
    if results is not None:
        found = load(results)
    if out is not None:
        out.write_text(page(found) + below(out), encoding="utf-8")
    wrong = [one for one in found if one.fault]
    struck = sum(not one.skipped for one in found)
    click.echo(f"{struck} faults, {len(wrong)} wrong, {time.monotonic() - begun:.0f} seconds")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
