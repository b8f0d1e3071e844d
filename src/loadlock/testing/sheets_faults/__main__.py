"""`python -m loadlock.testing.sheets_faults`: do the trials, print what went wrong, write the section of a page."""

from __future__ import annotations

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from loadlock.testing.marked import written_between
from loadlock.testing.sheets_faults.desk import ACTS
from loadlock.testing.sheets_faults.trials import Trial, chosen, control, emulator, places, requests_of, trial

MARK = "sheets faults"


@click.command()
@click.option("--act", "acts", multiple=True, help="A part of an act's name (`upsert`); repeat.")
@click.option("--way", "ways", multiple=True, help="A part of the name of what goes wrong; repeat.")
@click.option(
    "--results", type=click.Path(path_type=Path), help="Keep the results here, and take those that are there."
)
@click.option("--page", type=click.Path(path_type=Path, exists=True), help="Write the section of this page.")
def main(acts: Sequence[str], ways: Sequence[str], results: Path | None, page: Path | None) -> None:
    """Let every request go wrong in every way. Ends with 1 where a trial went wrong."""
    with tempfile.TemporaryDirectory(prefix="loadlock-sheets-") as name, emulator() as service:
        folder = Path(name)
        requests = {act.name: requests_of(service, folder, act) for act in ACTS}
        trials = _kept(results)
        known = {(one.act, one.way) for one in trials}
        for act, way in chosen(acts, ways):
            if (act.name, way) in known:
                continue
            found = [trial(service, folder, act, way, place) for place in places(requests[act.name], way)]
            trials += found
            _keep(found, results)
            wrong = [one for one in found if one.faults]
            click.echo(f"{act.name}, {way}: {len(found)} trials, {len(wrong)} wrong")
            for one in wrong[:5]:
                click.echo(f"  request {one.place}: {'; '.join(one.faults)}")
        samples, torn = control(service, folder)
    counts = {name: len(found) for name, found in requests.items()}
    text = section(trials, counts, (samples, torn))
    click.echo(text)
    if page is not None:
        written_between(page, MARK, text)
    sys.exit(1 if torn == 0 or any(one.faults for one in trials) else 0)


def _kept(results: Path | None) -> list[Trial]:
    if results is None or not results.exists():
        return []
    lines = map(json.loads, results.read_text(encoding="utf-8").splitlines())
    return [Trial(**{**line, "faults": tuple(line["faults"])}) for line in lines]


def _keep(found: Sequence[Trial], results: Path | None) -> None:
    if results is not None:
        with results.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(one)) + "\n" for one in found)


def section(trials: Sequence[Trial], counts: dict[str, int], control: tuple[int, int]) -> str:
    """The counts as Markdown."""
    acts = list(dict.fromkeys(one.act for one in trials))
    ways = list(dict.fromkeys(one.way for one in trials))
    done = Counter((one.act, one.way) for one in trials)
    wrong = Counter((one.act, one.way) for one in trials if one.faults)
    lines = [
        f"| at every request of it | {' | '.join(f'{act} ({counts[act]})' for act in acts)} |",
        f"| --- |{' --- |' * len(acts)}",
    ]
    for way in ways:
        cells = (f"{wrong[act, way]} of {done[act, way]}" if done[act, way] else "" for act in acts)
        lines.append(f"| {way} | {' | '.join(cells)} |")
    faults, samples, torn = len(trials), sum(one.samples for one in trials), sum(one.torn for one in trials)
    told = (
        f"{faults:,} faults, {sum(wrong.values())} trials wrong (other rows, a hidden sheet or lock left, a further run"
        f" that wrote again); the sheet was looked at {samples:,} times meanwhile, {torn} torn states. The control, which"
        f" clears the sheet and writes chunks, was seen in {control[1]} torn states in {control[0]:,} looks."
    )
    return "\n".join([*lines, "", told])


if __name__ == "__main__":
    main()
