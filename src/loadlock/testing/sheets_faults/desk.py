"""A spreadsheet with old rows, deliveries into it, and a reader who looks at it all the time."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable
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


ADDING = (WriteMode.APPEND, WriteMode.INSERT_ONLY)
"""Modes that keep nothing for a rollback: what they added is taken away."""
_UPSERTED: Rows = [HEADER, OLD[1], SENT[0], OLD[3], *[row for row in SENT if row[0] > 3]]
ACTS = (
    Act(name="replace", mode=WriteMode.REPLACE, before=OLD, after=[HEADER, *SENT]),
    Act(name="replace, new sheet", mode=WriteMode.REPLACE, before=None, after=[HEADER, *SENT]),
    Act(name="append", mode=WriteMode.APPEND, before=OLD, after=[*OLD, *SENT]),
    Act(name="upsert", mode=WriteMode.UPSERT, before=OLD, after=_UPSERTED),
    Act(name="insert only", mode=WriteMode.INSERT_ONLY, before=OLD, after=[*OLD, *_UPSERTED[4:]]),
    Act(name="delete and insert", mode=WriteMode.DELETE_INSERT, before=OLD, after=[HEADER, OLD[1], *SENT]),
    Act(name="mirror", mode=WriteMode.MIRROR, before=OLD, after=[HEADER, *SENT]),
    Act(name="rollback of a replace", mode=WriteMode.REPLACE, before=[HEADER, *SENT], after=OLD, back=True),
    Act(name="rollback of an append", mode=WriteMode.APPEND, before=[*OLD, *SENT], after=OLD, back=True),
    Act(name="rollback of an upsert", mode=WriteMode.UPSERT, before=_UPSERTED, after=OLD, back=True),
)


class Desk:
    """One spreadsheet of a trial."""

    def __init__(self, emulator: SheetsEmulator, folder: Path, act: Act) -> None:
        self.emulator = emulator
        self.act = act
        tabs: dict[str, Any] = {"Other": [["x"]]}
        if act.before is not None:
            tabs = {TITLE: OLD, **tabs}
        self.sheet = emulator.add_spreadsheet(tabs=tabs, share={LOADER: "writer"})
        # a person's file: reading the private key of a service account takes longer than a trial
        key = folder / "key.json"
        key.write_text(json.dumps(emulator.person(LOADER)))
        options = {"credentials": str(key), "endpoint": emulator.url, "requests_per_minute": 0}
        target = Target(url=f"gsheets://{self.sheet}/{TITLE}", table=TITLE, options=options)
        self.case = Case(destination=GoogleSheets(), target=target, count=lambda: None)
        self.seen: set[str] = set()
        self.samples = 0
        if act.back:
            deliver(self.case, self.job())

    def job(self) -> Job:
        """The delivery of this trial."""
        return job_of(self.case, self.act.mode)

    def rows(self) -> list[list[Any]] | None:
        """What people see."""
        there = TITLE in self.emulator.tabs(self.sheet)
        return self.emulator.rows(self.sheet, TITLE) if there else None

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
                self.seen.add(repr(self.rows()))
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
        return len(self.seen - {repr(self.act.before), repr(self.act.after)})

    def faults(self) -> list[str]:
        """What is wrong after the trial: other rows, torn states, leftovers, writes of a further run."""
        found = []
        if self.rows() != self.act.after:
            found.append(f"the sheet holds {self.rows()}")
        if self.torn():
            found.append(f"{self.torn()} torn states were seen")
        found += [f"the sheet {title!r} was left" for title in self._left()]
        found += [f"the mark {value} was left" for value in self._locks()]
        writes = self._writes()
        self.act_once()
        if self._writes() != writes or self.rows() != self.act.after:
            found.append("a further run wrote again")
        return found

    def _left(self) -> list[str]:
        """Tabs that should not be there; what a rollback needs belongs to a delivery."""
        kept = 0 if self.act.back or self.act.before is None or self.act.mode in ADDING else 1
        hidden = [title for title in self.emulator.tabs(self.sheet) if title not in (TITLE, "Other")]
        return [title for title in hidden if "_before_" not in title] + hidden[kept:]

    def _locks(self) -> list[str]:
        marks = [item.value or "" for item in self.emulator.service.books[self.sheet].metadata.values()]
        return [value for value in marks if '"delivery_id"' not in value and '"undone"' not in value]

    def _writes(self) -> int:
        return sum(entry.method.endswith(("pdate", "append")) for entry in self.emulator.log)


def job_of(case: Case, mode: WriteMode) -> Job:
    """The delivery of a trial; a rollback is kept ready."""
    return job(case, PEOPLE, mode, undo=1)


def deliver(case: Case, work: Job) -> None:
    """One delivery in one process, read back."""
    with Delivery(case.destination, work, retry=PATIENT, chunk_rows=4) as delivery:
        if delivery.open().published is None:
            delivery.load(enumerate(PARTS, 1), lambda _: None)
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
