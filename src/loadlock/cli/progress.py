"""Progress bars on standard error: rows, bytes, rate and time left by stage; plain lines without a terminal."""

from __future__ import annotations

import sys
import time

from rich import filesize
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as RichTask
from rich.text import Text

from loadlock.cli.json_lines import JsonLines
from loadlock.model import Stage
from loadlock.workflow.progress import Progress as ProgressProtocol
from loadlock.workflow.progress import Silent

_PLAIN_SECONDS = 10.0


def make_progress(*, quiet: bool, log: str = "text") -> ProgressProtocol:
    """Bars on a terminal, a line every ten seconds elsewhere, JSON lines where asked for, nothing if quiet."""
    if log == "json":
        return JsonLines()
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else PlainLines()


class _Amount(TextColumn):
    """`12.3 MB` or `120,000 rows`, with the rate."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: RichTask) -> Text:
        shown = [_amount(task.completed, task.fields["unit"])]
        if task.fields["unit"] == "bytes":
            shown.append(f"{task.fields['rows']:,} rows")
        if task.speed:
            shown.append(f"{_amount(task.speed, task.fields['unit'])}/s")
        return Text(" · ".join(shown), style="dim")


def _amount(number: float, unit: str) -> str:
    return filesize.decimal(int(number)) if unit == "bytes" else f"{int(number):,} {unit}"


class Bars:
    """One bar a stage."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<9}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            _Amount(),
            TimeRemainingColumn(compact=True),
            console=Console(stderr=True),
        )
        self._tasks: dict[Stage, TaskID] = {}

    def begin(self, stage: Stage, *, total: int | None, unit: str) -> None:
        self._progress.start()
        self._tasks[stage] = self._progress.add_task(str(stage), total=total, unit=unit, rows=0)

    def advance(self, stage: Stage, *, done: int, rows: int = 0) -> None:
        task = self._tasks[stage]
        before = self._progress.tasks[task].fields["rows"]
        self._progress.update(task, advance=done, rows=before + rows)

    def end(self, stage: Stage) -> None:
        task = self._progress.tasks[self._tasks[stage]]
        self._progress.update(task.id, total=max(task.completed, 1), completed=max(task.completed, 1))
        if stage == Stage.DELIVERY:
            self._progress.stop()

    def say(self, text: str) -> None:
        self._progress.console.print(text, style="dim", highlight=False, markup=False)

    def close(self) -> None:
        """Give the terminal back, also after an error."""
        self._progress.stop()


class PlainLines:
    """A line at the end of each stage and every ten seconds, for logs."""

    def __init__(self) -> None:
        self._begun: dict[Stage, float] = {}
        self._done: dict[Stage, tuple[int, int, int | None, str]] = {}
        self._last = 0.0

    def begin(self, stage: Stage, *, total: int | None, unit: str) -> None:
        self._begun[stage] = self._last = time.monotonic()
        self._done[stage] = (0, 0, total, unit)

    def advance(self, stage: Stage, *, done: int, rows: int = 0) -> None:
        before, before_rows, total, unit = self._done[stage]
        self._done[stage] = (before + done, before_rows + rows, total, unit)
        if time.monotonic() - self._last >= _PLAIN_SECONDS:
            self._last = time.monotonic()
            self._print(stage, "...")

    def end(self, stage: Stage) -> None:
        self._print(stage, "done")

    def say(self, text: str) -> None:
        print(text, file=sys.stderr)  # noqa: T201

    def _print(self, stage: Stage, word: str) -> None:
        done, rows, total, unit = self._done[stage]
        seconds = max(time.monotonic() - self._begun[stage], 1e-9)
        share = f" of {_amount(total, unit)}" if total and word != "done" else ""
        print(  # noqa: T201
            f"{stage}: {_amount(done, unit)}{share}, {rows:,} rows, {seconds:.1f} s, {int(rows / seconds):,} rows/s {word}",
            file=sys.stderr,
        )
