"""`correct`: what operators change in rejects is compared, judged, and written down as corrections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.errors import UsageError
from loadlock.model import FileReport
from loadlock.pipeline.codec import from_json
from loadlock.pipeline.model import Pipeline
from loadlock.quarantine.changes import Changes
from loadlock.quarantine.edits import RAW_COLUMN, Act, Action, in_force
from loadlock.quarantine.read import ALL
from loadlock.quarantine.taking import Finding, Mend, Place, Taken, in_lines
from loadlock.rows import JSON_RECORD
from loadlock.workflow.acting import Deed, Who, write_down
from loadlock.workflow.comparing_edits import compared
from loadlock.workflow.edited_file import open_edited
from loadlock.workflow.known_rejects import KnownRejects
from loadlock.workflow.quarantine import Quarantine, quarantine_of
from loadlock.workflow.raw_text import can_read, read_texts, staged_again
from loadlock.workflow.sheet_rejects import fetched
from loadlock.workflow.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Correction:
    """What became of an edited file or of a bulk correction."""

    batch: str
    act: Act | None
    """None: there was nothing to correct."""
    rows: int
    """Rejects looked at."""
    altered: list[Finding] = field(default_factory=list)
    """Cells that a spreadsheet seems to have changed by itself: not taken."""
    malformed: list[Finding] = field(default_factory=list)
    """Rows whose corrected raw text is still no record: not taken."""
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        return 3 if self.altered or self.malformed else 0

    def said(self) -> list[str]:
        """What a person should know of it, line by line."""
        kinds = (("changed by the spreadsheet, not taken", self.altered), ("not taken", self.malformed))
        return [*self.notes, *(f"{kind}: {line}" for kind, findings in kinds for line in in_lines(findings))]

    def to_json(self) -> dict[str, Any]:
        return {
            "batch": self.batch,
            "act": None if self.act is None else self.act.to_json(),
            "rows": self.rows,
            "altered": [finding.to_json() for finding in self.altered],
            "malformed": [finding.to_json() for finding in self.malformed],
            "notes": self.notes,
        }


@contextmanager
def acting(workspace: str | Path | None, name: str, *, wait_seconds: float = 0.0) -> Iterator[Quarantine]:
    """The quarantine of a batch, locked for an act."""
    with Workspace.open(find_workspace(workspace, base_folder=None), create=False) as space:
        batch = quarantine_of(space, name).batch.batch
        with space.lock_batch(batch, wait_seconds=wait_seconds):
            yield quarantine_of(space, name)


def correct(
    name: str,
    path: str | Path,
    *,
    who: Who | None = None,
    workspace: str | Path | None = None,
    altered: bool = False,
    wait_seconds: float = 0.0,
) -> Correction:
    """Record the changes of an edited export of a batch's rejects: a file, or the address of a Google sheet.

    `altered`: take cells too that a spreadsheet seems to have changed by itself. Raises UsageError, and records nothing,
    where the file has rows that don't belong: unknown or changed keys, an export of an earlier state.
    """
    with fetched(path) as file, acting(workspace, name, wait_seconds=wait_seconds) as quarantine:
        edited = open_edited(file, quarantine.extent(ALL)[0], quarantine.sources)
        _check_fresh(quarantine, edited.token.run)
        with KnownRejects(quarantine, edited.token) as known:
            edits = Edits(changes=Changes(each_once=True))
            for taken in compared(edited.parts, known, altered=altered):
                edits.add(taken)
            _check_belongs(file, edits, edited.unreadable)
            notes = [f"the column {column!r} is none of the export's: left out" for column in edited.ignored]
            return record(quarantine, edits, who or Who(), source=file.name, notes=notes, known=known)


def _check_fresh(quarantine: Quarantine, run: str) -> None:
    if run != quarantine.run.run:
        raise UsageError(
            f"the export is stale: it shows the rejects of run {run}, and the batch stands at run {quarantine.run.run}",
            hint="Export the rejects again and take your changes over.",
        )


@dataclass(kw_only=True)
class Edits:
    """All that was changed."""

    rows: int = 0
    changes: Changes = field(default_factory=Changes)
    mends: dict[Place, Mend] = field(default_factory=dict)
    altered: list[Finding] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)

    def add(self, taken: Taken) -> None:
        """What a part of the file holds."""
        self.rows += taken.rows
        self.changes.extend(taken.changes)
        self.mends.update(taken.mends)
        self.altered += taken.altered
        self.refused += taken.refused


def _check_belongs(path: Path, taken: Edits, unreadable: Sequence[str]) -> None:
    found = [*in_lines(taken.refused), *unreadable[:20]]
    if found:
        count = len(taken.refused) + len(unreadable)
        raise UsageError(
            f"{path.name}: {count:,} row{'s' if count != 1 else ''} can't be taken, so nothing was recorded:\n  "
            + "\n  ".join(found),
            hint="Mend or remove these rows, and leave the columns that begin with _ as they were exported.",
        )


def record(
    quarantine: Quarantine,
    taken: Edits,
    who: Who,
    *,
    source: str,
    notes: Sequence[str] = (),
    known: KnownRejects | None = None,
) -> Correction:
    """Write the changes down, those of malformed rows (which need `known`) as rows of their own."""
    rows, malformed = _staged(quarantine, taken.mends, known) if known is not None else ([], [])
    wrong = {finding.place for finding in malformed}
    for place, mend in taken.mends.items():
        if place not in wrong:
            taken.changes.extend(mend.changes)
    act = None
    if taken.changes:
        deed = Deed(action=Action.CORRECT, who=who, lines=taken.changes, source=source, rows=rows)
        act = write_down(quarantine, deed)
    return Correction(
        batch=quarantine.batch.batch,
        act=act,
        rows=taken.rows,
        altered=taken.altered,
        malformed=malformed,
        notes=list(notes),
    )


def _staged(
    quarantine: Quarantine, mends: Mapping[Place, Mend], known: KnownRejects
) -> tuple[list[tuple[int, pa.Table]], list[Finding]]:
    """Raw rows for the malformed rows, by file; and those that can't be read."""
    of_file: dict[int, dict[Place, dict[str, str | None]]] = {}
    for place, mend in mends.items():
        of_file.setdefault(place[0], {})[place] = mend.cells
    made: list[tuple[int, pa.Table]] = []
    wrong: list[Finding] = []
    for index, rows in sorted(of_file.items()):
        mender = _Mender(quarantine, known, index)
        table, findings = mender.rows(rows)
        wrong += findings
        if table is not None:
            made.append((index, table))
    return made, wrong


class _Mender:
    """Makes staged rows of the malformed rows of one file."""

    def __init__(self, quarantine: Quarantine, known: KnownRejects, index: int) -> None:
        self.report: FileReport = quarantine.reports[index]
        self.options = from_json(Pipeline, quarantine.run.state["pipeline"]).source.options
        self.known = known

    def rows(self, wanted: dict[Place, dict[str, str | None]]) -> tuple[pa.Table | None, list[Finding]]:
        """The rows that could be made, and why others could not."""
        import pyarrow as pa

        texts = {place: cells[RAW_COLUMN] or "" for place, cells in wanted.items() if RAW_COLUMN in cells}
        filled = {place: cells for place, cells in wanted.items() if RAW_COLUMN not in cells}
        tables, wrong = [], []
        for places, rows, findings in (self._read(texts), self._filled(filled)):
            wrong += findings
            if places:
                tables.append(staged_again(rows, self._rejects(places)))
        return (pa.concat_tables(tables, promote_options="default") if tables else None), wrong

    def _read(self, texts: dict[Place, str]) -> tuple[list[Place], Any, list[Finding]]:
        places = list(texts)
        if not can_read(self.report):
            message = f"raw text of the format {self.report.format} can't be corrected: fill in the columns"
            return [], None, [_finding(place, message) for place in places]
        mended = read_texts([texts[place] for place in places], self.report, self.options)
        wrong = [_finding(places[index], why) for index, why in sorted(mended.problems.items())]
        return [places[index] for index in mended.places], mended.rows, wrong

    def _filled(self, filled: dict[Place, dict[str, str | None]]) -> tuple[list[Place], Any, list[Finding]]:
        import pyarrow as pa

        names = list(dict.fromkeys([*self.report.header, *(name for cells in filled.values() for name in cells)]))
        if not self.report.header or JSON_RECORD in names:
            return [], None, [_finding(place, "correct its raw text: the format has no columns") for place in filled]
        columns = {name: [cells.get(name) for cells in filled.values()] for name in names}
        return list(filled), pa.table({name: pa.array(cells, pa.string()) for name, cells in columns.items()}), []

    def _rejects(self, places: Iterable[Place]) -> pa.Table:
        return self.known.rows(self.known.find(list(places)))


def _finding(place: Place, message: str) -> Finding:
    return Finding(line=place[1], place=place, column="_raw", message=message)


def undo(name: str, *, act: int | None = None, who: Who | None = None, workspace: str | Path | None = None) -> Act:
    """Undo an act (by its number; None = the newest that stands). What was replayed since stays delivered."""
    with acting(workspace, name) as quarantine:
        standing = in_force(quarantine.acts)
        chosen = standing[-1:] if act is None else [entry for entry in standing if entry.seq == act]
        if not chosen:
            wanted = "nothing" if act is None else f"no act {act}"
            raise UsageError(
                f"there is {wanted} to undo", hint="`loadlock corrections list BATCH` shows what was done."
            )
        return write_down(quarantine, Deed(action=Action.UNDO, who=who or Who(), undoes=chosen[0].seq))
