"""The contract suite of taking deliveries back, for the modes that a destination's capabilities say it can undo.

class TestMine(UndoContract):
    @pytest.fixture
    def case(self, tmp_path): ...       # as for DestinationContract
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from loadlock.delivery.base import DeliveryColumn, Job, Undone, UndoneError
from loadlock.delivery.undo import Conflicts, Undoing
from loadlock.errors import RefusedError
from loadlock.model import WriteMode
from loadlock.testing.contracts.destinations import (
    ALL_TYPES,
    ALL_VALUES,
    HOSTILE_NAME,
    HOSTILE_TEXTS,
    NO_VALUES,
    PEOPLE,
    Case,
    columns,
    deliver,
    job,
    part,
    person,
)

if TYPE_CHECKING:
    import pyarrow as pa

KEYLESS = columns("id:integer", "name:text")


class UndoContract:
    """Subclass it and define the fixture `case`."""

    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path) -> None:
        self.temp = tmp_path

    def _need(self, case: Case, *modes: WriteMode) -> None:
        for mode in modes:
            if mode not in case.destination.capabilities.undoes:
                pytest.skip(f"{case.destination.name} can't undo {mode}")

    @contextmanager
    def _taking_back(self, case: Case, work: Job, sent: Sequence[pa.Table]) -> Iterator[tuple[Undoing, Conflicts]]:
        with Undoing(case.destination, work, self.temp) as undoing:
            undoing.open()
            yield undoing, undoing.look(lambda: sent)

    def _undo(self, case: Case, work: Job, sent: Sequence[pa.Table]) -> Undone:
        with self._taking_back(case, work, sent) as (undoing, conflicts):
            assert not conflicts, conflicts.told()
            return undoing.undo()

    def _is_as_after(self, case: Case, work: Job, sent: pa.Table) -> bool:
        """Whether the rows of an earlier delivery are still as it left them."""
        with self._taking_back(case, work, [sent]) as (_, conflicts):
            return not conflicts

    def _jobs(
        self, case: Case, mode: WriteMode, *, keep: int = 3, given: Sequence[DeliveryColumn] = PEOPLE, **changes: Any
    ) -> list[Job]:
        return [job(case, given, mode, f"run{number}", undo=keep, **changes) for number in (1, 2, 3)]

    def test_appends_are_taken_back_newest_first(self, case: Case) -> None:
        self._need(case, WriteMode.APPEND)
        jobs = self._jobs(case, WriteMode.APPEND, keep=3)
        parts = [part(PEOPLE, [person(10 * n), person(10 * n + 1)]) for n in (1, 2)]
        for work, rows in zip(jobs, parts, strict=False):
            deliver(case, work, [rows])
        for left in (1, 0):
            assert self._undo(case, jobs[left], [parts[left]]).deleted == 2
            assert case.count() == 2 * left

    def test_an_append_without_a_key_is_taken_back_by_its_lineage(self, case: Case) -> None:
        self._need(case, WriteMode.APPEND)
        jobs = self._jobs(case, WriteMode.APPEND, lineage=True, given=KEYLESS)
        rows = part(KEYLESS, [(1, "a"), (1, "a"), (2, "b")])
        for work in jobs[:2]:
            deliver(case, work, [rows])
        assert self._undo(case, jobs[1], [rows]).deleted == 3
        assert case.count() == 3

    def test_a_replace_brings_the_old_rows_back(self, case: Case) -> None:
        self._need(case, WriteMode.REPLACE)
        jobs = self._jobs(case, WriteMode.REPLACE, keep=3)
        parts = [part(PEOPLE, [person(n, "x" * n) for n in range(first, first + 5)]) for first in (1, 3)]
        for work, rows in zip(jobs, parts, strict=False):
            deliver(case, work, [rows])
        undone = self._undo(case, jobs[1], [parts[1]])
        assert undone == Undone(deleted=5, brought_back=5)
        assert self._is_as_after(case, jobs[0], parts[0])

    def test_an_upsert_restores_what_it_updated_and_removes_what_it_inserted(self, case: Case) -> None:
        self._need(case, WriteMode.UPSERT)
        jobs = self._jobs(case, WriteMode.UPSERT)
        before = part(PEOPLE, [person(1, "a"), person(2, "b", "0"), person(3, "c")])
        after = part(PEOPLE, [person(1, "a"), (2, None, None), person(3, "C"), person(4), person(5)])
        deliver(case, jobs[0], [before])
        deliver(case, jobs[1], [after])
        undone = self._undo(case, jobs[1], [after])
        assert (undone.deleted, undone.restored) == (2, 2)
        assert case.count() == 3
        assert self._undo(case, jobs[0], [before]).deleted == 3
        assert case.count() == 0

    def test_a_mirror_brings_back_what_it_deleted(self, case: Case) -> None:
        self._need(case, WriteMode.MIRROR)
        jobs = self._jobs(case, WriteMode.MIRROR)
        before = part(PEOPLE, [person(1, "a"), person(2, "b"), person(3, "c")])
        after = part(PEOPLE, [person(1, "a"), person(2, "B"), person(4)])
        deliver(case, jobs[0], [before])
        deliver(case, jobs[1], [after])
        assert self._undo(case, jobs[1], [after]) == Undone(deleted=1, restored=1, brought_back=1)
        assert self._is_as_after(case, jobs[0], before)

    def test_an_insert_only_removes_what_it_inserted_and_leaves_what_it_left(self, case: Case) -> None:
        self._need(case, WriteMode.INSERT_ONLY)
        jobs = self._jobs(case, WriteMode.INSERT_ONLY)
        before = part(PEOPLE, [person(1, "a"), person(2, "b")])
        after = part(PEOPLE, [person(2, "other"), person(3, "c")])
        deliver(case, jobs[0], [before])
        deliver(case, jobs[1], [after])
        assert self._undo(case, jobs[1], [after]).deleted == 1
        assert self._undo(case, jobs[0], [before]).deleted == 2

    def test_a_delete_insert_brings_its_partitions_back(self, case: Case) -> None:
        self._need(case, WriteMode.DELETE_INSERT)
        given = columns("day:integer", "no:integer", "v:text", key=("day",))
        jobs = self._jobs(case, WriteMode.DELETE_INSERT, given=given)
        before = part(given, [(1, 1, "a"), (1, 2, "b"), (2, 1, "c")])
        after = part(given, [(1, 1, "A"), (3, 9, "z")])
        deliver(case, jobs[0], [before])
        deliver(case, jobs[1], [after])
        assert self._undo(case, jobs[1], [after]) == Undone(deleted=2, brought_back=2)
        assert self._undo(case, jobs[0], [before]).deleted == 3

    def _changed_by_others(self, case: Case, work: Job, sent: pa.Table, sql: str) -> Conflicts:
        """What stands in the way after a change by others; without a decision nothing is changed."""
        assert case.execute is not None
        case.execute(sql.format(case.target.table))
        before = case.count()
        with self._taking_back(case, work, [sent]) as (_, conflicts):
            pass
        assert case.count() == before
        return conflicts

    @pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT])
    def test_a_row_that_others_changed_is_listed_by_its_key(self, case: Case, mode: WriteMode) -> None:
        self._need(case, mode)
        if case.execute is None:
            pytest.skip("no SQL by others")
        jobs = self._jobs(case, mode)
        deliver(case, jobs[0], [part(PEOPLE, [person(1), person(2)])])
        sent = part(PEOPLE, [person(11), person(12), person(13)])
        deliver(case, jobs[1], [sent])
        case.execute(f"delete from {case.target.table} where id = 13")
        conflicts = self._changed_by_others(case, jobs[1], sent, "update {} set name = 'theirs' where id = 12")
        assert sorted(str(key["id"]) for key in conflicts.keys) == ["12", "13"]
        assert (conflicts.changed, conflicts.gone >= 1) == (1, True)

    def test_undone_in_spite_of_a_conflict_the_old_rows_are_there_again(self, case: Case) -> None:
        self._need(case, WriteMode.UPSERT)
        if case.execute is None:
            pytest.skip("no SQL by others")
        jobs = self._jobs(case, WriteMode.UPSERT)
        before = part(PEOPLE, [person(1, "a"), person(2, "b")])
        after = part(PEOPLE, [person(1, "A"), person(2, "B"), person(3)])
        deliver(case, jobs[0], [before])
        deliver(case, jobs[1], [after])
        case.execute(f"update {case.target.table} set name = 'theirs' where id = 1")
        with self._taking_back(case, jobs[1], [after]) as (undoing, conflicts):
            assert conflicts.keys == ({"id": "1"},)
            assert undoing.undo() == Undone(deleted=1, restored=2)
        assert self._undo(case, jobs[0], [before]).deleted == 2

    def test_what_others_did_to_rows_that_the_batch_left_alone_is_no_conflict(self, case: Case) -> None:
        self._need(case, WriteMode.UPSERT)
        if case.execute is None:
            pytest.skip("no SQL by others")
        jobs = self._jobs(case, WriteMode.UPSERT)
        deliver(case, jobs[0], [part(PEOPLE, [person(1), person(2), person(3)])])
        sent = part(PEOPLE, [person(1), person(2, "B")])
        deliver(case, jobs[1], [sent])
        case.execute(f"update {case.target.table} set name = 'theirs' where id in (1, 3)")
        assert self._undo(case, jobs[1], [sent]) == Undone(restored=1)

    @pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.UPSERT])
    def test_retired_rows_go_with_the_publish_and_come_back(self, case: Case, mode: WriteMode) -> None:
        if not case.destination.capabilities.retires:
            pytest.skip(f"{case.destination.name} retires no rows")
        jobs = self._jobs(case, mode)
        before = part(PEOPLE, [person(1), person(2), person(3)])
        deliver(case, jobs[0], [before])
        after = part(PEOPLE, [person(4), person(5)])
        receipt = deliver(case, replace(jobs[1], retired=before.select(["id"]).slice(1)), [after])
        assert (receipt.inserted, receipt.deleted, receipt.equal, case.count()) == (2, 2, True, 3)
        assert self._undo(case, jobs[1], [after]) == Undone(deleted=2, brought_back=2)
        assert self._undo(case, jobs[0], [before]).deleted == 3

    def test_what_was_taken_back_or_pushed_out_or_never_kept_is_refused_and_said(self, case: Case) -> None:
        mode = self._some_mode(case)
        jobs = self._jobs(case, mode, keep=1)
        parts = [part(PEOPLE, [person(number)]) for number in (1, 2)]
        for work, rows in zip(jobs, parts, strict=False):
            deliver(case, work, [rows])
        with pytest.raises(RefusedError, match=r"run1.*not kept") as caught:
            self._undo(case, jobs[0], [parts[0]])
        assert "undo: N" in str(caught.value.hint)
        assert self._undo(case, jobs[1], [parts[1]]).deleted == 1
        with pytest.raises(UndoneError, match="run2"):
            self._undo(case, jobs[1], [parts[1]])
        unkept = job(case, PEOPLE, mode, "run3")
        deliver(case, unkept, [parts[0]])
        with pytest.raises(RefusedError, match="not kept"):
            self._undo(case, unkept, [parts[0]])

    def test_every_type_comes_back_as_it_was(self, case: Case) -> None:
        self._need(case, WriteMode.UPSERT)
        given = tuple(replace(column, key=column.name == "id", required=column.name == "id") for column in ALL_TYPES)
        jobs = self._jobs(case, WriteMode.UPSERT, given=given)
        nulls = case.destination.capabilities.nulls
        rows = [*ALL_VALUES, NO_VALUES] if nulls else ALL_VALUES
        before = part(given, rows)
        after = part(given, [(row[0], *rows[(n + 1) % len(rows)][1:]) for n, row in enumerate(rows)])
        deliver(case, jobs[0], [before])
        deliver(case, jobs[1], [after])
        assert self._undo(case, jobs[1], [after]).restored == len(rows)
        assert self._undo(case, jobs[0], [before]).deleted == len(rows)

    def test_hostile_texts_and_names_come_back_too(self, case: Case) -> None:
        self._need(case, WriteMode.REPLACE)
        given = columns("id:integer", f"{HOSTILE_NAME}:text", key=("id",))
        jobs = self._jobs(case, WriteMode.REPLACE, given=given)
        limit = case.destination.capabilities.text_chars
        before = part(given, [(n, text if limit is None else text[:limit]) for n, text in enumerate(HOSTILE_TEXTS)])
        after = part(given, [(1, HOSTILE_NAME)])
        deliver(case, jobs[0], [before])
        deliver(case, jobs[1], [after])
        assert self._undo(case, jobs[1], [after]).brought_back == before.num_rows
        assert self._is_as_after(case, jobs[0], before)

    def _some_mode(self, case: Case) -> WriteMode:
        undoes = case.destination.capabilities.undoes
        if not undoes:
            pytest.skip(f"{case.destination.name} can't undo anything")
        return WriteMode.REPLACE if WriteMode.REPLACE in undoes else min(undoes)
