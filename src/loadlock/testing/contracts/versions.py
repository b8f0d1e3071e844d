"""The contract suite of mode scd2, for destinations that are SQL databases: several versions of a row, and taking them back.

class TestMine(VersionsContract):
    @pytest.fixture
    def case(self, tmp_path): ...       # as for DestinationContract, with `execute`
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadlock.delivery.base import Job, Published, Undone
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.undo import Conflicts, Undoing
from loadlock.errors import DoesNotFitError, LoadlockError, RefusedError, StoppedError
from loadlock.model import Receipt, Validity, VerifyLevel, WriteMode
from loadlock.testing.contracts.cases import (
    ALL_TYPES,
    ALL_VALUES,
    NO_VALUES,
    PEOPLE,
    Case,
    columns,
    deliver,
    ignore,
    job,
    part,
    person,
)

CLOSES = Validity(close_missing=True)
BEFORE = [person(1, "a"), person(2, "b"), person(3, "c")]
AFTER = [person(1, "a"), person(2, "B"), person(4, "d")]


class VersionsContract:
    """Subclass it and define the fixture `case`."""

    @pytest.fixture
    def versioned(self, case: Case, tmp_path: Path) -> Case:
        self._temp = tmp_path
        return case

    def _run(self, case: Case, sql: str) -> list[tuple[Any, ...]]:
        assert case.execute is not None
        return list(case.execute(sql.format(case.target.table)) or ())

    def _versions(self, case: Case) -> list[tuple[int, str, bool]]:
        """Key, name and whether it is valid now, in the order of their beginning."""
        found = self._run(case, "select id, name, valid_to from {} order by id, valid_from")
        return [(int(key), str(name), until is None) for key, name, until in found]

    def _publish(self, case: Case, work: Job, parts: Sequence[Any]) -> tuple[Published, Receipt]:
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            delivery.load(enumerate(parts, 1), ignore)
            published = delivery.publish()
            return published, delivery.verify()

    def _both(self, case: Case, **changes: Any) -> tuple[Job, Job]:
        """Two deliveries, BEFORE and AFTER."""
        first, second = (job(case, PEOPLE, WriteMode.SCD2, f"run{n}", undo=3, **changes) for n in (1, 2))
        self._publish(case, first, [part(PEOPLE, BEFORE)])
        self._publish(case, second, [part(PEOPLE, AFTER)])
        return first, second

    def test_changed_rows_are_closed_and_opened_anew_and_equal_ones_left(self, versioned: Case) -> None:
        first = job(versioned, PEOPLE, WriteMode.SCD2)
        published, receipt = self._publish(versioned, first, [part(PEOPLE, BEFORE)])
        assert (published.inserted, receipt.level, receipt.equal) == (3, VerifyLevel.CONTENT, True)
        parts = [part(PEOPLE, AFTER[:2]), part(PEOPLE, AFTER[2:], file=1)]
        published, receipt = self._publish(versioned, replace(first, run="run2", batch="b2"), parts)
        counted = (published.inserted, published.updated, published.unchanged, published.deleted)
        assert counted == (1, 1, 1, 0)
        assert published.by_file == {0: (0, 1, 1), 1: (1, 0, 0)}
        assert (receipt.level, receipt.equal, receipt.read_back) == (VerifyLevel.CONTENT, True, 3)
        assert self._versions(versioned) == [
            (1, "a", True), (2, "b", False), (2, "B", True), (3, "c", True), (4, "d", True),
        ]  # fmt: skip
        gaps = "select 1 from {0} a join {0} b on a.id = b.id and a.valid_to = b.valid_from where a.id = 2"
        assert len(self._run(versioned, gaps)) == 1

    def test_keys_that_the_batch_lacks_end_where_that_is_wanted_and_may_come_again(self, versioned: Case) -> None:
        self._both(versioned, validity=CLOSES)
        assert (3, "c", False) in self._versions(versioned)
        work = job(versioned, PEOPLE, WriteMode.SCD2, "run3", validity=CLOSES)
        published, receipt = self._publish(versioned, work, [part(PEOPLE, [*AFTER, person(3, "c")])])
        assert (published.inserted, published.unchanged, published.deleted, receipt.equal) == (1, 3, 0, True)
        assert self._versions(versioned)[3:5] == [(3, "c", False), (3, "c", True)]

    def test_ending_too_many_keys_stops(self, versioned: Case) -> None:
        self._publish(versioned, job(versioned, PEOPLE, WriteMode.SCD2), [part(PEOPLE, BEFORE)])
        for rows, limit in ((BEFORE[:1], 60), ([], 100)):
            work = job(versioned, PEOPLE, WriteMode.SCD2, "run2", validity=CLOSES, max_delete_percent=limit)
            with Delivery(versioned.destination, work) as delivery:
                delivery.open()
                delivery.load([(1, part(PEOPLE, rows))], ignore)
                assert delivery.foresee().stop is not None
                with pytest.raises(StoppedError, match="would end"):
                    delivery.publish()
                delivery.abandon()
        assert versioned.count() == 3

    def test_a_trial_says_what_a_publish_then_does(self, versioned: Case) -> None:
        for trial in (True, False):
            work = job(versioned, PEOPLE, WriteMode.SCD2, f"new{trial}", trial=trial)
            with Delivery(versioned.destination, work) as delivery:
                assert delivery.open().created is True
                delivery.load([(1, part(PEOPLE, BEFORE))], ignore)
                assert delivery.foresee().inserted == 3
                if not trial:
                    delivery.publish()
        work = job(versioned, PEOPLE, WriteMode.SCD2, "run2", trial=True, validity=CLOSES)
        with Delivery(versioned.destination, work) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, AFTER))], ignore)
            found = delivery.foresee()
        assert (found.inserted, found.updated, found.unchanged, found.deleted, found.columns) == (
            1,
            1,
            1,
            1,
            {"name": 1},
        )
        assert {sample.kind for sample in found.samples} == {"insert", "update", "delete"}
        assert versioned.count() == 3
        published, _ = self._publish(versioned, replace(work, trial=False), [part(PEOPLE, AFTER)])
        assert (published.inserted, published.updated, published.unchanged, published.deleted) == (1, 1, 1, 1)

    def test_versions_of_every_type_are_told_apart(self, versioned: Case) -> None:
        given = tuple(replace(column, key=column.name == "id", required=column.name == "id") for column in ALL_TYPES)
        rows = [*ALL_VALUES, NO_VALUES]
        mixed = [(row[0], *rows[(n + 1) % len(rows)][1:]) for n, row in enumerate(rows)]
        for number, (sent, changed) in enumerate([(rows, 0), (rows, 0), (mixed, len(rows))]):
            work = job(versioned, given, WriteMode.SCD2, f"run{number}")
            published, receipt = self._publish(versioned, work, [part(given, sent)])
            assert (published.updated, receipt.equal) == (changed, True)
        assert versioned.count() == 2 * len(rows)

    def test_a_published_run_is_known_and_can_be_compared_again(self, versioned: Case) -> None:
        first, second = self._both(versioned, lineage=True)
        with Delivery(versioned.destination, second) as delivery:
            opened = delivery.open()
            assert opened.published is not None
            assert delivery.publish() == opened.published
            sent = part(PEOPLE, AFTER)
            assert delivery.verify_again(lambda: [sent], lambda rows: rows).equal is True
        self._run(versioned, "update {} set name = 'theirs' where id = 4")
        with Delivery(versioned.destination, second) as delivery:
            delivery.open()
            assert delivery.verify_again(lambda: [sent], lambda rows: rows).equal is False
        stamped = self._run(versioned, "select _batch from {} where id in (1, 4) order by id")
        assert [name for (name,) in stamped] == [first.batch, second.batch]

    def _look(self, case: Case, work: Job, rows: Sequence[Any], *, force: bool = False) -> tuple[Conflicts, Undone]:
        with Undoing(case.destination, work, self._temp) as undoing:
            undoing.open()
            conflicts = undoing.look(lambda: [part(PEOPLE, rows)])
            return conflicts, undoing.undo() if force or not conflicts else Undone()

    @pytest.mark.parametrize("validity", [Validity(), CLOSES])
    def test_taken_back_the_versions_before_are_valid_again(self, versioned: Case, validity: Validity) -> None:
        first, second = self._both(versioned, validity=validity)
        conflicts, undone = self._look(versioned, second, AFTER)
        assert not conflicts, conflicts.told()
        assert undone == Undone(deleted=2, restored=2 if validity.close_missing else 1)
        assert self._versions(versioned) == [(1, "a", True), (2, "b", True), (3, "c", True)]
        assert self._look(versioned, first, BEFORE)[1].deleted == 3
        assert versioned.count() == 0

    def test_what_others_did_to_the_versions_stands_in_the_way_of_taking_back(self, versioned: Case) -> None:
        first, second = self._both(versioned)
        assert self._look(versioned, first, BEFORE)[0].keys == ({"id": "2"},)
        self._run(versioned, "update {} set valid_to = null where id = 2 and name = 'b'")
        conflicts, _ = self._look(versioned, second, AFTER)
        assert conflicts.elsewhere
        self._run(versioned, "delete from {} where id = 2 and name = 'b'")
        self._run(versioned, "delete from {} where id = 4")
        assert {"id": "4"} in self._look(versioned, second, AFTER)[0].keys
        self._look(versioned, second, AFTER, force=True)
        assert self._versions(versioned) == [(1, "a", True), (3, "c", True)]

    def test_a_version_from_the_future_is_not_closed(self, versioned: Case) -> None:
        self._publish(versioned, job(versioned, PEOPLE, WriteMode.SCD2), [part(PEOPLE, BEFORE)])
        self._run(versioned, "update {} set valid_from = '2999-01-01 00:00:00' where id in (1, 2)")
        work = job(versioned, PEOPLE, WriteMode.SCD2, "run2")
        with Delivery(versioned.destination, work) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, AFTER))], ignore)
            with pytest.raises(LoadlockError, match="id = 2 begins at"):
                delivery.publish()
            delivery.abandon()
        assert versioned.count() == 3

    def test_a_key_that_is_valid_twice_is_refused(self, versioned: Case) -> None:
        self._publish(versioned, job(versioned, PEOPLE, WriteMode.SCD2), [part(PEOPLE, BEFORE)])
        self._run(versioned, "insert into {} (id, name, valid_from) values (2, 'x', '2001-01-01 00:00:00')")
        with Delivery(versioned.destination, job(versioned, PEOPLE, WriteMode.SCD2, "run2")) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, AFTER))], ignore)
            with pytest.raises(LoadlockError, match="id = 2 stands in the table more than once"):
                delivery.publish()
            delivery.abandon()

    def test_an_existing_table_that_admits_no_versions_is_refused_with_all_reasons(self, versioned: Case) -> None:
        self._run(versioned, "create table {} (id bigint primary key, name varchar(20), valid_to varchar(9) not null)")
        given = columns("id:integer", "name:text", key=("id",))
        with (
            pytest.raises(DoesNotFitError, match="unique index over id") as caught,
            Delivery(versioned.destination, job(versioned, given, WriteMode.SCD2)) as delivery,
        ):
            delivery.open()
        assert "'valid_from' of mode scd2 is not in the table" in str(caught.value)
        assert "'valid_to'" in str(caught.value)

    def test_a_batch_that_delivers_a_column_of_the_validity_is_refused(self, versioned: Case) -> None:
        given = columns("id:integer", "Valid_From:date", key=("id",))
        with (
            pytest.raises(RefusedError, match="fills column 'valid_from' itself"),
            Delivery(versioned.destination, job(versioned, given, WriteMode.SCD2)) as delivery,
        ):
            delivery.open()
        assert versioned.count() is None

    def test_columns_of_other_names_in_an_existing_table_with_refused_rows(self, versioned: Case) -> None:
        moment = "datetime" if "mysql" in versioned.target.url else "timestamp"
        self._run(
            versioned,
            "create table {} (id bigint, name varchar(20) check (name <> 'bad'), score decimal(10,2),"
            f" begins {moment} not null, ends {moment}, note varchar(9) default 'x')",
        )
        validity = Validity(since="begins", until="ends")
        self._run(versioned, "insert into {} values (2, 'b', 1.5, '2001-01-01 00:00:00', null, 'old')")
        with Delivery(versioned.destination, job(versioned, PEOPLE, WriteMode.SCD2, validity=validity)) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, [*AFTER, person(5, "bad")]))], ignore)
            published = delivery.publish()
            receipt = delivery.verify()
        assert [row.row for row in delivery.refused] == [4]
        assert (published.inserted, published.updated, receipt.equal) == (2, 1, True)
        found = self._run(versioned, "select id, name, note from {} where ends is null order by id")
        assert [tuple(row) for row in found] == [(1, "a", "x"), (2, "B", "x"), (4, "d", "x")]

    def test_a_batch_of_nothing_opens_nothing(self, versioned: Case) -> None:
        self._both(versioned)
        receipt = deliver(versioned, job(versioned, PEOPLE, WriteMode.SCD2, "run3"), [part(PEOPLE, [])])
        assert (receipt.inserted, receipt.deleted, receipt.equal, versioned.count()) == (0, 0, True, 5)
