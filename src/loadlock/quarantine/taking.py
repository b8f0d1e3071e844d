"""From an edited export to corrections: what a person changed, what a spreadsheet changed by itself, what doesn't belong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from loadlock.model import RejectState
from loadlock.quarantine.edits import EVERYWHERE, RAW_COLUMN
from loadlock.quarantine.habits import habit
from loadlock.quarantine.sheet import as_text, without_mark
from loadlock.quarantine.workbook import CUT, shown

Place = tuple[int, int, int]
"""File, row and sub of a reject."""
SHOWN_ROWS = 20
"""Findings that a message shows."""
_CLOSED = frozenset({RejectState.RESOLVED, RejectState.DISCARDED})


@dataclass(frozen=True, kw_only=True)
class EditedRow:
    """One row of an edited file."""

    line: int
    """Where it stands in the file, for messages."""
    place: Place | None
    """None: its key is no key of this export."""
    cells: Mapping[str, str | None]
    """Staged name → the text there."""
    was: Mapping[str, str | None] = field(default_factory=dict)
    """The same of the columns that show the values as they were, as far as the file has them."""
    raw: str | None = None
    exact: bool = False
    """JSON: null and empty text are told apart, and nothing was added for spreadsheets."""


@dataclass(frozen=True, kw_only=True)
class KnownReject:
    """What is known of the reject that a row is about."""

    state: RejectState
    staged: Mapping[str, str | None] | None
    """None: the row is malformed and was never staged."""
    then: Mapping[str, str | None]
    """The values that the export showed."""
    now: Mapping[str, str | None]
    """With the corrections made since."""
    raw: str
    """As the export showed it."""
    truncated: bool = False
    """Only the beginning of the raw text is kept."""
    child: bool = False
    """A row of a child table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """One line of an operator's act: a corrected cell, or a decision on a reject. `column` is a staged name, "" = the raw
    text, None = the reject as a whole; of an accepted reject it is the code of a problem."""

    place: Place
    column: str | None = None
    old: str | None = None
    new: str | None = None
    to: int = EVERYWHERE
    """Of a discarded reject: the destinations that it was to go to."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A cell or a row that was not taken, and why."""

    line: int
    place: Place | None
    column: str | None
    message: str
    was: str | None = None
    now: str | None = None

    def to_json(self) -> dict[str, Any]:
        place = None if self.place is None else dict(zip(("file", "row", "sub"), self.place, strict=True))
        return {"line": self.line, "place": place, "column": self.column, "message": self.message} | {
            "was": self.was,
            "now": self.now,
        }


@dataclass(frozen=True, kw_only=True)
class Mend:
    """What was changed of a row that was never staged."""

    changes: list[Change]
    cells: dict[str, str | None]
    """All that is known of it now, by column; "" = raw text."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What an edited file holds."""

    rows: int = 0
    changes: list[Change] = field(default_factory=list)
    """Of rows with values."""
    mends: dict[Place, Mend] = field(default_factory=dict)
    """Of rows that were never staged."""
    altered: list[Finding] = field(default_factory=list)
    """Cells that a spreadsheet seems to have changed by itself: not taken."""
    refused: list[Finding] = field(default_factory=list)
    """What doesn't belong: nothing of the file may be taken."""


def take(
    rows: Iterable[EditedRow],
    known: Callable[[Place], KnownReject | None],
    *,
    altered: bool = False,
    earlier: Mapping[int, int] = MappingProxyType({}),
) -> Taken:
    """Compare an edited file with what was exported. `altered`: take cells too that a spreadsheet may have changed; `earlier`:
    line of a row whose key stood in a line before → that line."""
    changes: list[Change] = []
    mends: dict[Place, Mend] = {}
    found: list[Finding] = []
    refused: list[Finding] = []
    seen: dict[Place, int] = {}
    count = 0
    for row in rows:
        count += 1
        reject = None if row.place is None else known(row.place)
        before = earlier.get(row.line) if row.place is None else seen.get(row.place, earlier.get(row.line))
        if row.place is None or reject is None or before is not None:
            reason = _misplaced(row, before)
            refused.append(Finding(line=row.line, place=row.place, column=None, message=reason))
            continue
        seen[row.place] = row.line
        for change in _changes(row, reject):
            if isinstance(change, Finding):
                refused.append(change)
            elif (words := _by_itself(row, reject, change)) is None or altered:
                if reject.staged is not None:
                    changes.append(change)
                else:
                    _mend(mends.setdefault(row.place, Mend(changes=[], cells={})), change, reject)
            else:
                found.append(Finding(
                    line=row.line, place=row.place, column=change.column, message=words, was=change.old, now=change.new
                ))  # fmt: skip
    return Taken(rows=count, changes=changes, mends=mends, altered=found, refused=refused)


def _mend(mend: Mend, change: Change, reject: KnownReject) -> None:
    """Corrected raw text stands for the whole row."""
    if not mend.changes and change.column != RAW_COLUMN:
        mend.cells.update(reject.now)
    mend.changes.append(change)
    mend.cells[change.column or RAW_COLUMN] = change.new


def _misplaced(row: EditedRow, before: int | None) -> str:
    """Why a row doesn't belong. `before`: the line in which its key stood already."""
    if row.place is None:
        return "its key is empty, was changed, or belongs to another export"
    if before is not None:
        return f"its key stands in line {before} too"
    return "there is no such reject in the batch"


def _changes(row: EditedRow, reject: KnownReject) -> Iterator[Change | Finding]:
    assert row.place is not None
    edited = [
        (name, reject.then.get(name), cell)
        for name, cell in row.cells.items()
        if not _same(row, cell, reject.then.get(name))
    ]
    if row.raw is not None and not _same(row, row.raw, reject.raw):
        if reject.staged is not None:
            yield _no(row, "_raw", "the raw text of a row with values can't be corrected: correct its values")
            return
        if reject.truncated:
            yield _no(row, "_raw", "only the beginning of the raw text is kept: fill in the columns instead")
            return
        edited.append((RAW_COLUMN, reject.raw, row.raw))
        if len(edited) > 1:
            yield _no(row, "_raw", "both the raw text and values were changed: change one of them")
            return
    if edited and (reason := _closed(reject)) is not None:
        yield _no(row, edited[0][0], reason)
        return
    for name, old, cell in edited:
        yield _change(row, reject, name, old, cell)


def _change(row: EditedRow, reject: KnownReject, name: str, old: str | None, cell: str | None) -> Change | Finding:
    assert row.place is not None
    new = cell if row.exact or cell is None else (without_mark(cell) or None)
    now = reject.now.get(name)
    if name != RAW_COLUMN and now not in (old, new):
        return _no(row, name, f"the export is stale: the value was corrected to {now!r} since")
    if new is not None and (CUT in new or ("\ufffd" in new and "\ufffd" not in (old or ""))) and not row.exact:
        return _no(row, name, "a cell of a sheet can't hold the text whole: correct it in a .jsonl export")
    return Change(place=row.place, column=name, old=old, new=new)


def _closed(reject: KnownReject) -> str | None:
    if reject.child:
        return "it is a row of a child table: mend the parent's record, or run the batch again"
    if reject.state in _CLOSED:
        return f"the reject is {reject.state}: there is nothing to correct"
    return None


def _no(row: EditedRow, column: str, message: str) -> Finding:
    return Finding(line=row.line, place=row.place, column=column or "_raw", message=message)


def _same(row: EditedRow, cell: str | None, known: str | None) -> bool:
    """Whether a cell shows what was exported."""
    if row.exact:
        return cell == known
    if (cell or "") == (known or ""):
        return True
    if not cell or not known:
        return False
    plain = _lines(cell)
    return plain in (_lines(known), _lines(as_text(known)), shown(known), shown(as_text(known)))


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _by_itself(row: EditedRow, reject: KnownReject, change: Change) -> str | None:
    """How a spreadsheet may have made this change without anybody's doing, or None.

    Where the column beside shows the original as it was, the program left such values alone: a person changed this one.
    """
    words = None if row.exact else habit(change.old, change.new)
    if words is None or change.column == RAW_COLUMN:
        return words
    name = change.column or ""
    original, beside = (reject.staged or {}).get(name), row.was.get(name)
    return None if beside and _same(row, beside, original) else words


def in_lines(findings: Sequence[Finding]) -> list[str]:
    """The first findings in words, and how many more there are."""
    lines = []
    for finding in findings[:SHOWN_ROWS]:
        where = f"line {finding.line}" + (f", {finding.column}" if finding.column else "")
        change = "" if finding.was is None and finding.now is None else f": {finding.was!r} became {finding.now!r}"
        lines.append(f"{where}: {finding.message}{change}")
    more = len(findings) - len(lines)
    return [*lines, f"and {more:,} more"] if more > 0 else lines
