"""What people changed in the delivered columns since the last delivery, and whether it would be overwritten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from loadlock.delivery.base import Job
from loadlock.delivery.destinations._local import delivered_columns
from loadlock.delivery.destinations._sheets_known import Known
from loadlock.delivery.destinations._sheets_merge import Merge
from loadlock.delivery.destinations._sheets_state import number
from loadlock.delivery.destinations._sheets_survey import Survey
from loadlock.errors import StoppedError
from loadlock.model import WriteMode
from loadlock.sheets.wire import Json

_OVERWRITE = "To overwrite the changes, set `edits: overwrite`."
_SHOWN_ROWS = 5


@dataclass(frozen=True, kw_only=True)
class Guard:
    """Keeps a delivery by key from rows that people changed."""

    text: str
    """What they did."""
    known: Callable[[], Known]
    mode: WriteMode

    def reason(self, merged: Merge, found: Survey) -> str | None:
        """Why this delivery is stopped, or None where it leaves their rows alone."""
        touched = merged.overwritten(found.last)
        if not len(touched):
            return None
        known = self.known()
        theirs = touched[known.strange(found.rows.hashes[touched - 1])]
        if not len(theirs):
            return None
        shown = ", ".join(f"{row + 1:,}" for row in theirs[:_SHOWN_ROWS])
        which = f"{len(theirs):,} rows" if known.hashes is not None else f"{len(theirs):,} rows, theirs perhaps,"
        return f"{self.text}; this {self.mode} would overwrite {which} (rows {shown})"

    def check(self, merged: Merge, found: Survey) -> None:
        """Raise StoppedError where people's rows would be overwritten."""
        if reason := self.reason(merged, found):
            raise StoppedError(
                f"{reason}, nothing was published",
                hint=f"Bring their values into the source, or look at the sheet's version history. {_OVERWRITE}",
            )


@dataclass(frozen=True, kw_only=True)
class Drift:
    """`overwrite`: what people changed may be taken away."""

    job: Job
    label: str
    overwrite: bool

    def notes(self, marks: Sequence[tuple[int, Json]], found: Survey | int) -> Iterator[str]:
        """What is to be told, by the tab's marks and what it holds. Raises StoppedError where a mode would overwrite it."""
        text = self._text(marks, found)
        if text is None:
            return
        if self.job.mode.takes_all and not isinstance(found, int) and not self.overwrite:
            raise StoppedError(
                f"{text}; a {self.job.mode} would overwrite that, nothing was touched",
                hint=f"Look at the sheet's version history. {_OVERWRITE}",
            )
        yield text

    def guard(self, marks: Sequence[tuple[int, Json]], found: Survey | int, known: Callable[[], Known]) -> Guard | None:
        """What a delivery by key must ask before it writes over rows; None where nobody changed anything."""
        text = None if self.overwrite else self._text(marks, found)
        return None if text is None else Guard(text=text, known=known, mode=self.job.mode)

    def _text(self, marks: Sequence[tuple[int, Json]], found: Survey | int) -> str | None:
        if not marks or marks[-1][1].get("end") is None:
            return None
        last = marks[-1][1]
        rows = (found if isinstance(found, int) else found.last) - 1
        changed = not isinstance(found, int) and last.get("total") is not None and found.total != last["total"]
        if rows == last["end"] - 1 and not changed:
            return None
        if last.get("columns") != columns_mark(column.name for column in delivered_columns(self.job)):
            return (
                f"{self.label}: other columns are delivered than by run {last['run']}, so it can't be told whether people"
                " changed values"
            )
        count = f": {rows:,} rows stand there now, {last['end'] - 1:,} then" if rows != last["end"] - 1 else ""
        return f"{self.label}: the delivered columns were changed since run {last['run']}{count}"


def columns_mark(names: Iterable[str]) -> int:
    """A number that stands for these columns, in any order."""
    return number("columns", *sorted(names))
