"""A spreadsheet with old rows, deliveries into it, and a reader who looks at it all the time."""

from __future__ import annotations

import json
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadlock.delivery.base import Job, Target, UndoneError
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations.gsheets import GoogleSheets
from loadlock.delivery.retry import RetryPolicy
from loadlock.delivery.undo import Undoing
from loadlock.errors import RefusedError, UnavailableError
from loadlock.model import WriteMode
from loadlock.testing.contracts.destinations import PEOPLE, Case, job, part, person
from loadlock.testing.sheets import SheetsEmulator

LOADER = "loader@faults.iam.gserviceaccount.com"
TITLE = "People"
Rows = list[list[Any]]
HEADER: list[Any] = ["id", "name", "score"]
OLD: Rows = [HEADER, [1, "old", 1.5], [2, "old", 1.5], [3, "old", 1.5]]
SENT: Rows = [[number, "new", 1.5] for number in (2, 10, 11, 12, 20, 3, 21, 22)]
SENT[5][1] = "old"
PARTS = [
    part(PEOPLE, [person(row[0], row[1]) for row in SENT[start : start + 4]], first_row=10 * seq)
    for seq, start in ((1, 0), (2, 4))
]


OLD_PART = part(PEOPLE, [person(row[0], row[1]) for row in OLD[1:]])
_SEEN: dict[tuple[str, str], list[Rows | None]] = {}
"""What undisturbed deliveries left in several spreadsheets, by emulator and act."""


def _no_pause(_: float) -> None:
    pass


PATIENT = RetryPolicy(attempts=4, sleep=_no_pause)
ATTEMPTS = 8
SAMPLE_SECONDS = 0.002


@dataclass(frozen=True, kw_only=True)
class Act:
    """What is done to the sheet, and what it holds before and afterwards."""

    name: str
    mode: WriteMode
    before: Rows | None
    """None: the sheet is not there."""
    after: Rows
    back: bool = False
    """The delivery is there already, and is taken back."""
    books: int = 1
    """Spreadsheets that the rows are divided among. Each changes at once, the set does not."""


ADDING = (WriteMode.APPEND, WriteMode.INSERT_ONLY)
"""Modes that keep nothing for a rollback: what they added is taken away."""
_UPSERTED: Rows = [HEADER, OLD[1], SENT[0], OLD[3], *[row for row in SENT if row[0] > 3]]
_INSERTED: Rows = [*OLD, *_UPSERTED[4:]]
_EXCHANGED: Rows = [HEADER, OLD[1], *SENT]
ACTS = (
    Act(name="replace", mode=WriteMode.REPLACE, before=OLD, after=[HEADER, *SENT]),
    Act(name="replace, new sheet", mode=WriteMode.REPLACE, before=None, after=[HEADER, *SENT]),
    Act(name="append", mode=WriteMode.APPEND, before=OLD, after=[*OLD, *SENT]),
    Act(name="upsert", mode=WriteMode.UPSERT, before=OLD, after=_UPSERTED),
    Act(name="insert only", mode=WriteMode.INSERT_ONLY, before=OLD, after=_INSERTED),
    Act(name="delete and insert", mode=WriteMode.DELETE_INSERT, before=OLD, after=_EXCHANGED),
    Act(name="mirror", mode=WriteMode.MIRROR, before=OLD, after=[HEADER, *SENT]),
    Act(name="rollback of a replace", mode=WriteMode.REPLACE, before=[HEADER, *SENT], after=OLD, back=True),
    Act(name="rollback of an append", mode=WriteMode.APPEND, before=[*OLD, *SENT], after=OLD, back=True),
    Act(name="rollback of an upsert", mode=WriteMode.UPSERT, before=_UPSERTED, after=OLD, back=True),
    Act(name="rollback of an insert only", mode=WriteMode.INSERT_ONLY, before=_INSERTED, after=OLD, back=True),
    Act(name="rollback of a delete and insert", mode=WriteMode.DELETE_INSERT, before=_EXCHANGED, after=OLD, back=True),
    Act(name="rollback of a mirror", mode=WriteMode.MIRROR, before=[HEADER, *SENT], after=OLD, back=True),
    Act(name="replace in two parts", mode=WriteMode.REPLACE, before=OLD, after=[HEADER, *SENT], books=2),
    Act(name="upsert in two parts", mode=WriteMode.UPSERT, before=OLD, after=_UPSERTED, books=2),
    Act(name="rollback in two parts", mode=WriteMode.UPSERT, before=_UPSERTED, after=OLD, back=True, books=2),
)


class Desk:
    """The spreadsheet of a trial, or the several that its rows are divided among."""

    def __init__(self, emulator: SheetsEmulator, folder: Path, act: Act, *, twin: bool = False) -> None:
        self.emulator = emulator
        self.act = act
        self.sheets = [
            emulator.add_spreadsheet(tabs=tabs, share={LOADER: "writer"}) for tabs in [_tabs(act)] * act.books
        ]
        target = Target(url=f"gsheets://{self.sheets[0]}/{TITLE}", table=TITLE, options=self._options(folder))
        self.case = Case(destination=GoogleSheets(), target=target, count=lambda: None)
        self.seen: list[set[str]] = [set() for _ in self.sheets]
        self.samples = 0
        if act.books > 1:
            deliver(self.case, job_of(self.case, WriteMode.REPLACE, "earlier"), [OLD_PART])
        old = self.states()
        if act.back:
            deliver(self.case, self.job())
        self.before = self.states()
        """What each spreadsheet holds at first."""
        self.after: list[Rows | None] = []
        """What each spreadsheet is to hold in the end."""
        if not twin:
            self.after = old if act.back else self._sent(folder)
            self._check()

    def _options(self, folder: Path) -> dict[str, Any]:
        # a person's file: reading the private key of a service account takes longer than a trial
        key = folder / "key.json"
        key.write_text(json.dumps(self.emulator.person(LOADER)))
        more = {"partition": self.sheets[1:]} if self.act.books > 1 else {}
        return {"credentials": str(key), "endpoint": self.emulator.url, "requests_per_minute": 0, **more}

    def _check(self) -> None:
        """The states that the trial is judged by are those of the act: all together, where its rows are divided."""
        for states, rows in ((self.before, self.act.before), (self.after, self.act.after)):
            if (_together(states) != _together([rows])) if self.act.books > 1 else states != [rows]:
                raise AssertionError(f"{self.act.name}: {states} instead of {rows}")

    def _sent(self, folder: Path) -> list[Rows | None]:
        """What an undisturbed delivery leaves: where each row of a divided one lies is seen from a twin."""
        if self.act.books == 1:
            return [self.act.after]
        known = self.emulator.url, self.act.name
        if known not in _SEEN:
            twin = Desk(self.emulator, folder, self.act, twin=True)
            deliver(twin.case, twin.job())
            _SEEN[known] = twin.states()
        return _SEEN[known]

    def job(self) -> Job:
        """The delivery of this trial."""
        return job_of(self.case, self.act.mode)

    def rows(self) -> Rows | None:
        """What people see, in the first spreadsheet."""
        return self.states()[0]

    def states(self) -> list[Rows | None]:
        """What people see in each spreadsheet; None: the sheet is not there."""
        return [
            self.emulator.rows(sheet, TITLE) if TITLE in self.emulator.tabs(sheet) else None for sheet in self.sheets
        ]

    def act_once(self) -> None:
        """The delivery, or its rollback, as a fresh process would begin it."""
        (take_back if self.act.back else deliver)(self.case, self.job())

    def until_done(self) -> None:
        """Begun again until it ends well, as an operator does."""
        for _ in range(ATTEMPTS):
            try:
                return self.act_once()
            except UnavailableError:
                continue
        raise AssertionError("it never ended")

    def watched(self, work: Callable[[], Any]) -> None:
        """Do the work while a reader samples the sheet."""
        done = threading.Event()

        def look() -> None:
            while not done.wait(SAMPLE_SECONDS):
                for seen, state in zip(self.seen, self.states(), strict=True):
                    seen.add(repr(state))
                    self.samples += 1

        reader = threading.Thread(target=look)
        reader.start()
        try:
            work()
        finally:
            done.set()
            reader.join()

    def torn(self) -> int:
        """States that people saw and that were neither the old one nor the new one."""
        found = zip(self.seen, self.before, self.after, strict=True)
        return sum(len(seen - {repr(before), repr(after)}) for seen, before, after in found)

    def faults(self) -> list[str]:
        """What is wrong after the trial: other rows, torn states, leftovers, writes of a further run."""
        found = []
        if self.states() != self.after:
            found.append(f"the sheet holds {self.states()}")
        if self.torn():
            found.append(f"{self.torn()} torn states were seen")
        found += [f"the sheet {title!r} was left" for title in self._left()]
        found += [f"the mark {value} was left" for value in self._locks()]
        writes = self._writes()
        self.act_once()
        if self._writes() != writes or self.states() != self.after:
            found.append("a further run wrote again")
        return found

    def _left(self) -> list[str]:
        """Tabs that should not be there; what a rollback needs belongs to a delivery."""
        kept = 0 if self.act.back or self.act.before is None or self.act.mode in ADDING else 1
        known = 0 if self.act.back or not self.act.mode.by_key or self.act.mode == WriteMode.MIRROR else 1
        left = []
        for sheet in self.sheets:
            hidden = [title for title in self.emulator.tabs(sheet) if title not in (TITLE, "Other")]
            befores = [title for title in hidden if "_before_" in title]
            rows = [title for title in hidden if "_rows_" in title]
            left += [*set(hidden).difference(befores, rows), *befores[kept:], *rows[known:]]
        return left

    def _locks(self) -> list[str]:
        books = self.emulator.service.books
        marks = [item.value or "" for sheet in self.sheets for item in books[sheet].metadata.values()]
        return [value for value in marks if '"delivery_id"' not in value and '"undone"' not in value]

    def _writes(self) -> int:
        return sum(entry.method.endswith(("pdate", "append")) for entry in self.emulator.log)


def _tabs(act: Act) -> dict[str, Any]:
    """The sheets of a spreadsheet at first; those of a divided table come by a delivery before."""
    old = {TITLE: OLD} if act.before is not None and act.books == 1 else {}
    return {**old, "Other": [["x"]]}


def _together(states: Sequence[Rows | None]) -> Counter[str]:
    """All rows, wherever they lie."""
    return Counter(repr(row) for rows in states for row in (rows or [HEADER])[1:])


def job_of(case: Case, mode: WriteMode, run: str = "run1") -> Job:
    """The delivery of a trial; a rollback is kept ready."""
    return job(case, PEOPLE, mode, run, undo=1)


def deliver(case: Case, work: Job, parts: Sequence[Any] = PARTS) -> None:
    """One delivery in one process, read back."""
    with Delivery(case.destination, work, retry=PATIENT, chunk_rows=4) as delivery:
        if delivery.open().published is None:
            delivery.load(enumerate(parts, 1), lambda _: None)
        delivery.publish()
        if not delivery.verify().equal:
            raise AssertionError("the read-back differs")


def take_back(case: Case, work: Job) -> None:
    """One rollback in one process. Done before is done."""
    with tempfile.TemporaryDirectory() as folder, Undoing(case.destination, work, Path(folder)) as undoing:
        try:
            undoing.open()
            if undoing.look(lambda: PARTS):
                raise RefusedError("conflicts where nobody changed anything")
            undoing.undo()
        except UndoneError:
            return
