"""The part of the contract suite of destinations that is about modes by key, and about plans."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from loadlock.delivery.base import Job, Opened, Undone
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.undo import Undoing
from loadlock.errors import DoesNotFitError, RefusedError, StoppedError
from loadlock.model import VerifyLevel, WriteMode
from loadlock.testing.contracts.cases import PEOPLE, Case, columns, deliver, ignore, job, part, person


class WriteModeContract:
    """What each mode does to the rows that are there."""

    def _need(self, case: Case, mode: WriteMode) -> None:
        if mode not in case.destination.capabilities.modes:
            pytest.skip(f"{case.destination.name} has no mode {mode}")

    def test_upsert_counts_new_changed_and_unchanged_rows_by_file(self, case: Case) -> None:
        self._need(case, WriteMode.UPSERT)
        before = [person(1, "a"), person(2, "b"), person(3, "c"), person(9, "z")]
        deliver(case, job(case, PEOPLE, WriteMode.UPSERT), [part(PEOPLE, before)])
        parts = [
            part(PEOPLE, [person(1, "a"), person(2, "B")]),
            part(PEOPLE, [person(3, "c", "7"), person(4), person(5)], file=1),
        ]
        with Delivery(case.destination, job(case, PEOPLE, WriteMode.UPSERT, "run2")) as delivery:
            delivery.open()
            delivery.load(enumerate(parts, 1), ignore)
            published = delivery.publish()
            receipt = delivery.verify()
        assert (published.inserted, published.updated, published.unchanged) == (2, 2, 1)
        assert published.by_file == {0: (0, 1, 1), 1: (2, 1, 0)}
        assert (receipt.equal, receipt.read_back) == (True, 5)
        assert case.count() == 6

    def test_upsert_sees_case_and_trailing_spaces_as_changes(self, case: Case) -> None:
        self._need(case, WriteMode.UPSERT)
        deliver(case, job(case, PEOPLE, WriteMode.UPSERT), [part(PEOPLE, [person(1, "a"), person(2, "b")])])
        changed = [person(1, "A"), person(2, "b ")]
        receipt = deliver(case, job(case, PEOPLE, WriteMode.UPSERT, "run2"), [part(PEOPLE, changed)])
        assert (receipt.updated, receipt.equal) == (2, True)

    def test_upsert_by_several_columns_and_text(self, case: Case) -> None:
        self._need(case, WriteMode.UPSERT)
        given = columns("shop:text", "no:integer", "v:text", key=("shop", "no"))
        rows = [("a", 1, "x"), ("A", 1, "y"), ("a", 2, None)]
        deliver(case, job(case, given, WriteMode.UPSERT), [part(given, rows)])
        receipt = deliver(case, job(case, given, WriteMode.UPSERT, "r2"), [part(given, [("a", 2, "z"), ("b", 1, "")])])
        assert (receipt.inserted, receipt.updated, receipt.equal) == (1, 1, True)
        assert case.count() == 4

    def _known(self, case: Case) -> None:
        """A table with three rows."""
        if not case.destination.capabilities.chooses_updates:
            pytest.skip(f"{case.destination.name} has no choice of updates")
        deliver(
            case, job(case, PEOPLE, WriteMode.UPSERT), [part(PEOPLE, [person(1, "a"), person(2, "b"), person(3, "c")])]
        )

    @pytest.mark.parametrize(
        ("update", "counts", "names", "scores"),
        [
            (None, (1, 2, 1), ["a", "B", "c", "d"], ["1.50", "1.50", "7.00", "1.50"]),
            (("*",), (1, 3, 0), ["a", "B", "c", "d"], ["1.50", "1.50", "7.00", "1.50"]),
            (("name",), (1, 1, 2), ["a", "B", "c", "d"], ["1.50", "1.50", "1.50", "1.50"]),
        ],
    )
    def test_an_upsert_writes_what_differs_or_all_or_given_columns(
        self,
        case: Case,
        update: tuple[str, ...] | None,
        counts: tuple[int, int, int],
        names: list[str],
        scores: list[str],
    ) -> None:
        self._known(case)
        assert case.execute is not None
        rows = [person(1, "a"), person(2, "B"), person(3, "c", "7.00"), person(4, "d")]
        work = job(case, PEOPLE, WriteMode.UPSERT, "run2", update=update, undo=1)
        with Delivery(case.destination, replace(work, trial=True)) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, rows))], ignore)
            found = delivery.foresee()
        assert (found.inserted, found.updated, found.unchanged) == counts
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, rows))], ignore)
            published = delivery.publish()
            receipt = delivery.verify()
        assert (published.inserted, published.updated, published.unchanged) == counts
        assert (receipt.equal, receipt.level, receipt.read_back) == (True, VerifyLevel.CONTENT, 4)
        assert any("named by `update`" in note for note in receipt.notes) == (update == ("name",))
        found_rows = case.execute(f"select name, score from {case.target.table} order by id")
        assert [(name, f"{float(score):.2f}") for name, score in found_rows] == list(zip(names, scores, strict=True))
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            assert delivery.verify_again(lambda: [part(PEOPLE, rows)], lambda table: table).equal is True
        case.execute(f"update {case.target.table} set name = 'theirs' where id = 1")
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            assert delivery.verify_again(lambda: [part(PEOPLE, rows)], lambda table: table).equal is False

    def test_given_columns_that_were_written_are_taken_back_alone(self, case: Case, tmp_path: Path) -> None:
        self._known(case)
        assert case.execute is not None
        rows = part(PEOPLE, [person(1, "A", "9"), person(4, "d")])
        work = job(case, PEOPLE, WriteMode.UPSERT, "run2", update=("name",), undo=1)
        deliver(case, work, [rows])
        case.execute(f"update {case.target.table} set score = 3 where id = 1")
        with Undoing(case.destination, work, tmp_path) as undoing:
            undoing.open()
            conflicts = undoing.look(lambda: [rows])
            assert not conflicts, conflicts.told()
            assert undoing.undo() == Undone(deleted=1, restored=1)
        found = case.execute(f"select name, score from {case.target.table} where id = 1")
        assert [(name, float(score)) for name, score in found] == [("a", 3.0)]

    def test_given_columns_must_be_among_those_delivered(self, case: Case) -> None:
        work = job(case, PEOPLE, WriteMode.UPSERT, update=("nmae",))
        with pytest.raises(RefusedError, match="'nmae'"), Delivery(case.destination, work) as delivery:
            delivery.open()

    def test_insert_only_adds_new_keys_and_leaves_known_rows_as_they_are(self, case: Case) -> None:
        self._need(case, WriteMode.INSERT_ONLY)
        deliver(case, job(case, PEOPLE, WriteMode.INSERT_ONLY), [part(PEOPLE, [person(1, "a"), person(2, "b")])])
        work = job(case, PEOPLE, WriteMode.INSERT_ONLY, "run2")
        parts = [part(PEOPLE, [person(1, "A"), person(3, "c")]), part(PEOPLE, [person(2, "b"), person(4, "d")], file=1)]
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            delivery.load(enumerate(parts, 1), ignore)
            published = delivery.publish()
            left = [key for table in delivery.left() for key in table["id"].to_pylist()]
            receipt = delivery.verify()
        assert (published.inserted, published.updated, published.unchanged) == (2, 0, 2)
        assert published.by_file == {0: (1, 0, 1), 1: (1, 0, 1)}
        assert sorted(left) == [1, 2]
        assert (receipt.equal, receipt.level, receipt.read_back) == (True, VerifyLevel.CONTENT, 2)
        check = deliver(
            case, job(case, PEOPLE, WriteMode.UPSERT, "run3"), [part(PEOPLE, [person(1, "a"), person(4, "d")])]
        )
        assert (check.unchanged, case.count()) == (2, 4)

    def test_insert_only_of_known_rows_alone_changes_nothing(self, case: Case) -> None:
        self._need(case, WriteMode.INSERT_ONLY)
        deliver(case, job(case, PEOPLE, WriteMode.INSERT_ONLY), [part(PEOPLE, [person(1, "a")])])
        receipt = deliver(case, job(case, PEOPLE, WriteMode.INSERT_ONLY, "run2"), [part(PEOPLE, [person(1, "b")])])
        assert (receipt.inserted, receipt.unchanged, receipt.equal, case.count()) == (0, 1, True, 1)

    def test_delete_insert_replaces_all_rows_with_the_batchs_key_values(self, case: Case) -> None:
        self._need(case, WriteMode.DELETE_INSERT)
        given = columns("day:date", "shop:text", "v:integer", key=("day", "shop"))
        first, second = dt.date(2024, 3, 1), dt.date(2024, 3, 2)
        before = [(first, "a", 1), (first, "a", 2), (first, "b", 3), (second, "a", 4)]
        receipt = deliver(case, job(case, given, WriteMode.DELETE_INSERT), [part(given, before)])
        assert (receipt.inserted, receipt.deleted, receipt.equal) == (4, 0, True)
        parts = [part(given, [(first, "a", 1), (second, "b", 9)]), part(given, [(first, "a", 7)], file=1)]
        with Delivery(case.destination, job(case, given, WriteMode.DELETE_INSERT, "run2")) as delivery:
            delivery.open()
            delivery.load(enumerate(parts, 1), ignore)
            published = delivery.publish()
            receipt = delivery.verify()
        assert (published.inserted, published.deleted) == (3, 2)
        assert published.by_file == {0: (2, 0, 0), 1: (1, 0, 0)}
        assert (receipt.equal, receipt.level, receipt.read_back) == (True, VerifyLevel.CONTENT, 3)
        assert case.count() == 5

    def test_mirror_makes_the_table_equal_to_the_batch(self, case: Case) -> None:
        self._need(case, WriteMode.MIRROR)
        before = [person(1, "a"), person(2, "b"), person(3, "c"), person(9, "z")]
        deliver(case, job(case, PEOPLE, WriteMode.MIRROR), [part(PEOPLE, before)])
        rows = [person(1, "a"), person(2, "B"), person(4, "d")]
        work = job(case, PEOPLE, WriteMode.MIRROR, "run2", max_delete_percent=50)
        receipt = deliver(case, work, [part(PEOPLE, rows)])
        assert (receipt.inserted, receipt.updated, receipt.unchanged, receipt.deleted) == (1, 1, 1, 2)
        assert (receipt.equal, receipt.level, receipt.read_back, case.count()) == (True, VerifyLevel.CONTENT, 3, 3)

    @pytest.mark.parametrize(
        ("rows", "reason"), [(1, "2 of the table's 3 rows, more than 60 %"), (0, "batch is empty")]
    )
    def test_a_mirror_that_would_delete_too_much_stops(self, case: Case, rows: int, reason: str) -> None:
        self._need(case, WriteMode.MIRROR)
        deliver(case, job(case, PEOPLE, WriteMode.MIRROR), [part(PEOPLE, [person(1), person(2), person(3)])])
        limit = 60 if rows else 100
        work = job(case, PEOPLE, WriteMode.MIRROR, "run2", max_delete_percent=limit)
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, [person(1, "new")][:rows]))], ignore)
            with pytest.raises(StoppedError, match=reason):
                delivery.publish()
            delivery.abandon()
        assert case.count() == 3
        forced = replace(work, run="run3", max_delete_percent=None)
        assert deliver(case, forced, [part(PEOPLE, [person(1, "new")][:rows])]).deleted == 3 - rows
        assert case.count() == rows

    def test_a_mirror_takes_a_unique_value_from_a_row_that_goes(self, case: Case) -> None:
        if case.execute is None:
            pytest.skip("no SQL by others")
        self._need(case, WriteMode.MIRROR)
        case.execute(f"create table {case.target.table} (id bigint primary key, name varchar(20) unique)")
        given = columns("id:integer", "name:text", key=("id",))
        deliver(case, job(case, given, WriteMode.MIRROR), [part(given, [(1, "a"), (2, "b")])])
        receipt = deliver(case, job(case, given, WriteMode.MIRROR, "run2"), [part(given, [(1, "a"), (3, "b")])])
        assert (receipt.inserted, receipt.deleted, receipt.equal, case.count()) == (1, 1, True, 2)

    def test_a_value_that_stands_twice_in_a_unique_column_refuses_the_later_row(self, case: Case) -> None:
        if case.execute is None:
            pytest.skip("no SQL by others")
        case.execute(f"create table {case.target.table} (day date, id bigint primary key, name varchar(20) unique)")
        for number, mode in enumerate(case.modes):
            given = columns(
                "day:date", "id:integer", "name:text", key=("day",) if mode == WriteMode.DELETE_INSERT else ("id",)
            )
            day, first = dt.date(2024, 3, 1 + number), 10 * number
            rows = [(day, first, f"{first}"), (day, first + 1, f"{first}"), (day, first + 2, f"{first}!")]
            with Delivery(case.destination, job(case, given, mode, f"run{number}")) as delivery:
                delivery.open()
                delivery.load([(1, part(given, rows))], ignore)
                delivery.publish()
                receipt = delivery.verify()
            assert ([row.row for row in delivery.refused], receipt.inserted, receipt.equal) == ([2], 2, True), mode

    def test_a_trial_says_what_each_mode_would_do_and_changes_nothing(self, case: Case) -> None:
        if not case.destination.capabilities.foresees:
            pytest.skip(f"{case.destination.name} can't foresee")
        rows = [person(1, "a"), person(2, "B"), person(4, "d")]
        want = {
            WriteMode.APPEND: (3, 0, 0, 0),
            WriteMode.REPLACE: (3, 0, 0, 4),
            WriteMode.UPSERT: (1, 1, 1, 0),
            WriteMode.INSERT_ONLY: (1, 0, 2, 0),
            WriteMode.DELETE_INSERT: (3, 0, 0, 2),
            WriteMode.MIRROR: (1, 1, 1, 2),
        }
        modes = [mode for mode in want if mode in case.destination.capabilities.modes]
        for mode in modes:
            found, opened = self._foresee(case, job(case, PEOPLE, mode, f"new{mode}", trial=True), rows)
            assert (found.inserted, found.deleted, opened.created, case.count()) == (3, 0, True, None), mode
        before = [person(1, "a"), person(2, "b"), person(3, "c"), person(9, "z")]
        deliver(case, job(case, PEOPLE, WriteMode.UPSERT), [part(PEOPLE, before)])
        for mode in modes:
            work = job(case, PEOPLE, mode, f"trial{mode}", trial=True, max_delete_percent=20)
            # an append of known keys is refused: some destinations find that out here, others when they publish
            sent = [person(number) for number in (101, 102, 103)] if mode == WriteMode.APPEND else rows
            found, opened = self._foresee(case, work, sent)
            assert (found.inserted, found.updated, found.unchanged, found.deleted) == want[mode], mode
            assert (opened.created, case.count()) == (False, 4), mode
            assert (found.stop is not None) == (mode == WriteMode.MIRROR)
            if found.updated:
                (sample,) = (sample for sample in found.samples if sample.kind == "update")
                assert (sample.key, sample.before, sample.after) == ({"id": "2"}, {"name": "b"}, {"name": "B"})
                assert found.columns == {"name": 1}
            kinds = {sample.kind for sample in found.samples}
            assert ("delete" in kinds) == (mode in (WriteMode.DELETE_INSERT, WriteMode.MIRROR)), mode
        last = WriteMode.MIRROR if WriteMode.MIRROR in modes else WriteMode.UPSERT
        check = deliver(case, job(case, PEOPLE, last, "run2"), [part(PEOPLE, rows)])
        assert (check.inserted, check.updated, check.unchanged, check.deleted) == want[last]

    def _foresee(self, case: Case, work: Job, rows: Sequence[Sequence[Any]]) -> tuple[Foreseen, Opened]:
        with Delivery(case.destination, work) as delivery:
            opened = delivery.open()
            delivery.load([(1, part(PEOPLE, rows))], ignore)
            return delivery.foresee(), opened

    def test_a_publish_that_waits_for_a_yes_says_the_same(self, case: Case) -> None:
        if not case.destination.capabilities.foresees:
            pytest.skip(f"{case.destination.name} can't foresee")
        deliver(case, job(case, PEOPLE, WriteMode.REPLACE), [part(PEOPLE, [person(1, "a"), person(2, "b")])])
        for number, mode in enumerate(case.modes):
            rows = [person(1, f"{mode}"), person(10 + number)]
            with Delivery(case.destination, job(case, PEOPLE, mode, f"run {mode}", trial=False)) as delivery:
                delivery.open()
                kept = rows if mode != WriteMode.APPEND else rows[1:]
                delivery.load([(1, part(PEOPLE, kept))], ignore)
                found = delivery.foresee()
                published = delivery.publish()
            counted = (published.inserted, published.updated, published.unchanged, published.deleted)
            assert (found.inserted, found.updated, found.unchanged, found.deleted) == counted, mode

    def test_a_pipeline_may_add_columns_to_an_existing_table(self, case: Case) -> None:
        if case.execute is None:
            pytest.skip("no SQL by others")
        deliver(case, job(case, PEOPLE, WriteMode.UPSERT), [part(PEOPLE, [person(1, "a"), person(2, "b")])])
        given = columns("id:integer", "name:text", "score:decimal(10,2)", "note:text", "day:date", key=("id",))
        rows = [(1, "a", person(1)[2], "new", dt.date(2024, 3, 1)), (3, "c", person(3)[2], None, None)]
        for mode in ("none", "columns"):
            with Delivery(
                case.destination, job(case, given, WriteMode.UPSERT, "trial", trial=True, evolve=mode)
            ) as delivery:
                if mode == "none":
                    with pytest.raises(DoesNotFitError, match="'note' is not in the table"):
                        delivery.open()
                    continue
                opened = delivery.open()
                delivery.load([(1, part(given, rows))], ignore)
                found = delivery.foresee()
            assert [change.split()[:3] for change in opened.changes] == [
                ["add", "column", "note"],
                ["add", "column", "day"],
            ]
            assert (found.inserted, found.unchanged) == (1, 1)
        info = case.destination.inspect(case.target)
        assert info is not None
        assert info.column("note") is None
        work = job(case, given, WriteMode.UPSERT, "run2", evolve="columns")
        with Delivery(case.destination, work) as delivery:
            assert len(delivery.open().changes) == 2
            delivery.load([(1, part(given, rows))], ignore)
            published = delivery.publish()
            receipt = delivery.verify()
        assert (published.inserted, published.updated, receipt.equal, receipt.level) == (
            1,
            1,
            True,
            VerifyLevel.CONTENT,
        )
        assert case.count() == 3

    def test_a_pipeline_may_widen_types_where_the_database_can(self, case: Case) -> None:
        if case.execute is None:
            pytest.skip("no SQL by others")
        case.execute(f"create table {case.target.table} (id bigint primary key, n int, d decimal(6,2), t varchar(5))")
        given = columns("id:integer", "n:integer", "d:decimal(12,4)", "t:text", key=("id",))
        rows = [(1, 2**40, Decimal("12345678.1234"), "longer than five")]
        work = job(case, given, WriteMode.UPSERT, evolve="types")
        with Delivery(case.destination, work) as delivery:
            opened = delivery.open()
            delivery.load([(1, part(given, rows))], ignore)
            delivery.publish()
            receipt = delivery.verify()
        if opened.changes:
            assert (receipt.inserted, receipt.equal, delivery.refused) == (1, True, [])
        else:
            assert receipt.equal
            assert len(delivery.refused) + receipt.inserted == 1
