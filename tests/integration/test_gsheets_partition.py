"""One table over several spreadsheets: each row where its key says, nothing published before all is staged, resumable between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadlock.delivery.base import Job, Target, UndoneError
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations.gsheets import GoogleSheets
from loadlock.delivery.retry import RetryPolicy
from loadlock.delivery.undo import Undoing
from loadlock.errors import DoesNotFitError, RefusedError, UnavailableError, UsageError
from loadlock.model import VerifyLevel, WriteMode
from loadlock.testing.contracts.destinations import PEOPLE, Case, deliver, job, part, person
from loadlock.testing.sheets import Fault, Quotas, Settings, SheetsEmulator

LOADER = "loader@tests.iam.gserviceaccount.com"
NO_QUOTAS = Quotas(reads_per_user=0, writes_per_user=0, reads_per_project=0, writes_per_project=0)
ROWS = [person(number, f"n{number}") for number in range(60)]


@pytest.fixture(scope="module")
def emulator() -> Iterator[SheetsEmulator]:
    with SheetsEmulator(settings=Settings(quotas=NO_QUOTAS)) as running:
        yield running


class Parts:
    """Three spreadsheets."""

    def __init__(self, emulator: SheetsEmulator, folder: Path) -> None:
        self.emulator = emulator
        self.ids = [emulator.add_spreadsheet(share={LOADER: "writer"}) for _ in range(3)]
        key = folder / "key.json"
        key.write_text(json.dumps(emulator.person(LOADER)))
        self.options: dict[str, Any] = {
            "credentials": str(key),
            "endpoint": emulator.url,
            "requests_per_minute": 0,
            "partition": [self.ids[1], f"https://docs.google.com/spreadsheets/d/{self.ids[2]}/edit#gid=0"],
        }

    @property
    def case(self) -> Case:
        target = Target(url=f"gsheets://{self.ids[0]}/People", table="People", options=self.options)
        return Case(destination=GoogleSheets(), target=target, count=lambda: None)

    def job(self, mode: WriteMode, run: str = "run1", **more: Any) -> Job:
        made: Job = job(self.case, PEOPLE, mode, run, undo=1, **more)
        return made

    def rows(self) -> list[list[list[Any]]]:
        return [
            self.emulator.rows(found, "People")[1:] if "People" in self.emulator.tabs(found) else []
            for found in self.ids
        ]


@pytest.fixture
def parts(emulator: SheetsEmulator, tmp_path: Path) -> Iterator[Parts]:
    yield Parts(emulator, tmp_path)
    emulator.clear_faults()


def test_every_row_goes_where_its_key_says_in_every_run(parts: Parts) -> None:
    first = deliver(parts.case, parts.job(WriteMode.REPLACE), [part(PEOPLE, ROWS)])
    before = parts.rows()
    assert (first.inserted, first.equal, first.level) == (60, True, VerifyLevel.CONTENT)
    assert sorted(row[0] for rows in before for row in rows) == list(range(60))
    assert min(map(len, before)) > 10
    again = deliver(parts.case, parts.job(WriteMode.UPSERT, "run2"), [part(PEOPLE, [person(7, "new"), person(99)])])
    assert (again.inserted, again.updated, again.equal) == (1, 1, True)
    assert [[row[0] for row in rows if row[0] != 99] for rows in parts.rows()] == [
        [row[0] for row in rows] for rows in before
    ]


def test_each_mark_names_its_part_of_the_whole(parts: Parts) -> None:
    deliver(parts.case, parts.job(WriteMode.REPLACE), [part(PEOPLE, ROWS)])
    for number, found in enumerate(parts.ids, 1):
        marks = parts.emulator.service.books[found].metadata.values()
        (record,) = [json.loads(mark.value or "") for mark in marks]
        assert record["manifest"] == {"part": number, "of": 3}


def test_a_run_cut_off_between_two_parts_goes_on_with_the_next(parts: Parts) -> None:
    work, once = parts.job(WriteMode.REPLACE), RetryPolicy(attempts=1)
    with Delivery(parts.case.destination, work, retry=once) as delivery:
        delivery.open()
        delivery.load([(1, part(PEOPLE, ROWS))], lambda _: None)
        parts.emulator.fault(Fault(do="reset", skip=1, times=None, match="spreadsheets.batchUpdate", when="before"))
        with pytest.raises(UnavailableError):
            delivery.publish()
    parts.emulator.clear_faults()
    assert [bool(rows) for rows in parts.rows()] == [True, False, False]
    receipt = deliver(parts.case, work, [part(PEOPLE, ROWS)])
    assert (receipt.inserted, receipt.equal, sum(map(len, parts.rows()))) == (60, True, 60)
    with Delivery(parts.case.destination, work) as delivery:
        published = delivery.open().published
        assert published is not None
        assert published.inserted == 60


def test_the_parts_are_taken_back_together(parts: Parts, tmp_path: Path) -> None:
    deliver(parts.case, parts.job(WriteMode.REPLACE), [part(PEOPLE, ROWS[:30])])
    before = parts.rows()
    work = parts.job(WriteMode.REPLACE, "run2")
    deliver(parts.case, work, [part(PEOPLE, ROWS[30:])])
    with Undoing(parts.case.destination, work, tmp_path) as undoing:
        undoing.open()
        assert not undoing.look(lambda: [part(PEOPLE, ROWS[30:])])
        undone = undoing.undo()
    assert (undone.deleted, undone.brought_back, parts.rows()) == (30, 30, before)


@pytest.mark.parametrize("mode", [WriteMode.REPLACE, WriteMode.UPSERT, WriteMode.APPEND, WriteMode.INSERT_ONLY])
def test_a_rollback_cut_off_between_two_parts_goes_on_with_the_next(
    parts: Parts, tmp_path: Path, mode: WriteMode
) -> None:
    deliver(parts.case, parts.job(WriteMode.REPLACE), [part(PEOPLE, ROWS[:30])])
    before, work = parts.rows(), parts.job(mode, "run2")
    deliver(parts.case, work, [part(PEOPLE, ROWS[30:])])
    with Undoing(parts.case.destination, work, tmp_path) as undoing:
        undoing.open()
        undoing.look(lambda: [part(PEOPLE, ROWS[30:])])
        parts.emulator.fault(Fault(do="reset", skip=1, times=None, match="spreadsheets.batchUpdate", when="before"))
        with pytest.raises(UnavailableError):
            undoing.undo()
    parts.emulator.clear_faults()
    assert [now == then for now, then in zip(parts.rows(), before, strict=True)] == [True, False, False]
    with pytest.raises(UndoneError):
        deliver(parts.case, work, [part(PEOPLE, ROWS[30:])])
    with Undoing(parts.case.destination, work, tmp_path) as undoing:
        undoing.open()
        assert not undoing.look(lambda: [part(PEOPLE, ROWS[30:])])
        undoing.undo()
    assert parts.rows() == before
    with Undoing(parts.case.destination, work, tmp_path) as undoing, pytest.raises(UndoneError):
        undoing.open()


def test_another_number_of_parts_is_refused(parts: Parts) -> None:
    deliver(parts.case, parts.job(WriteMode.UPSERT), [part(PEOPLE, ROWS)])
    parts.options["partition"] = parts.options["partition"][:1]
    with pytest.raises(RefusedError, match="divided among 3 spreadsheets, not 2"):
        deliver(parts.case, parts.job(WriteMode.UPSERT, "run2"), [part(PEOPLE, ROWS)])


def test_what_does_not_fit_into_one_spreadsheet_fits_into_three(parts: Parts) -> None:
    parts.options |= {"max_cells": 26_000 + 2 * 63 + 70, "max_copy_cells": 100_000}
    alone = replace(parts.case.target, options={**parts.options, "partition": None})
    with pytest.raises(DoesNotFitError, match=r"26,363 cells are needed") as caught:
        deliver(parts.case, parts.job(WriteMode.REPLACE, target=alone, rows=60), [part(PEOPLE, ROWS)])
    assert "`partition:`" in (caught.value.hint or "")
    deliver(parts.case, parts.job(WriteMode.REPLACE, rows=60), [part(PEOPLE, ROWS)])


def test_what_can_not_be_divided_is_said(parts: Parts) -> None:
    with pytest.raises(UsageError, match="needs a key"):
        parts.case.destination.session(replace(parts.job(WriteMode.REPLACE), key=()))
    with pytest.raises(UsageError, match="mirror"):
        parts.case.destination.session(parts.job(WriteMode.MIRROR))
    parts.options["partition"] = [parts.ids[0]]
    with pytest.raises(UsageError, match="twice"):
        parts.case.destination.session(parts.job(WriteMode.REPLACE))
