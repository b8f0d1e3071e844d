"""What people changed in the delivered columns since the last delivery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadlock.delivery.base import Job
from loadlock.delivery.destinations._sheets_survey import Survey
from loadlock.errors import StoppedError
from loadlock.sheets.wire import Json


@dataclass(frozen=True, kw_only=True)
class Drift:
    """`overwrite`: a mode that takes all may take away what people changed."""

    job: Job
    label: str
    overwrite: bool

    def notes(self, marks: Sequence[tuple[int, Json]], found: Survey | int) -> Iterator[str]:
        """What is to be told, by the tab's marks and what it holds. Raises StoppedError where a mode would overwrite it."""
        if not marks or marks[-1][1].get("end") is None:
            return
        last = marks[-1][1]
        rows = (found if isinstance(found, int) else found.last) - 1
        changed = not isinstance(found, int) and last.get("total") is not None and found.total != last["total"]
        if rows == last["end"] - 1 and not changed:
            return
        count = f": {rows:,} rows stand there now, {last['end'] - 1:,} then" if rows != last["end"] - 1 else ""
        text = f"{self.label}: the delivered columns were changed since run {last['run']}{count}"
        if self.job.mode.takes_all and not isinstance(found, int) and not self.overwrite:
            raise StoppedError(
                f"{text}; a {self.job.mode} would overwrite that, nothing was touched",
                hint="Look at the sheet's version history. To overwrite the changes, set `edits: overwrite`.",
            )
        yield text
