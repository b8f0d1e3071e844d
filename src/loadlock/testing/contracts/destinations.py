"""The contract suite of destinations. It reads `capabilities`: what a destination doesn't claim is not asked of it.

class TestMine(DestinationContract):
    @pytest.fixture
    def case(self, tmp_path):
        return Case(destination=Mine(), target=Target(url=f"mine:///{tmp_path}/x"), count=...)
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from loadlock.delivery.deliver import Delivery
from loadlock.errors import BalanceError, LockedError, RefusedError
from loadlock.model import Chunk, VerifyLevel, WriteMode
from loadlock.testing.contracts.cases import ALL_TYPES as ALL_TYPES
from loadlock.testing.contracts.cases import ALL_VALUES as ALL_VALUES
from loadlock.testing.contracts.cases import HOSTILE_NAME as HOSTILE_NAME
from loadlock.testing.contracts.cases import HOSTILE_TEXTS as HOSTILE_TEXTS
from loadlock.testing.contracts.cases import NO_VALUES as NO_VALUES
from loadlock.testing.contracts.cases import ONE_VERSION as ONE_VERSION
from loadlock.testing.contracts.cases import PEOPLE as PEOPLE
from loadlock.testing.contracts.cases import Case as Case
from loadlock.testing.contracts.cases import columns as columns
from loadlock.testing.contracts.cases import deliver as deliver
from loadlock.testing.contracts.cases import ignore as ignore
from loadlock.testing.contracts.cases import job as job
from loadlock.testing.contracts.cases import part as part
from loadlock.testing.contracts.cases import person as person
from loadlock.testing.contracts.write_modes import WriteModeContract


class DestinationContract(WriteModeContract):
    """Subclass it and define the fixture `case`."""

    def _any_mode(self, case: Case) -> WriteMode:
        modes = case.destination.capabilities.modes
        return WriteMode.REPLACE if WriteMode.REPLACE in modes else sorted(modes)[0]

    def test_a_target_that_does_not_exist_is_none(self, case: Case) -> None:
        assert case.destination.inspect(case.target) is None
        assert case.count() is None

    def test_every_type_comes_back_as_it_was_sent(self, case: Case) -> None:
        rows = [*ALL_VALUES, NO_VALUES] if case.destination.capabilities.nulls else ALL_VALUES
        receipt = deliver(case, job(case, ALL_TYPES, self._any_mode(case)), [part(ALL_TYPES, rows)])
        assert (receipt.level, receipt.equal, receipt.read_back) == (VerifyLevel.CONTENT, True, len(rows))

    def test_a_created_target_has_the_columns_in_order(self, case: Case) -> None:
        deliver(case, job(case, ALL_TYPES, self._any_mode(case)), [part(ALL_TYPES, ALL_VALUES)])
        info = case.destination.inspect(case.target)
        assert info is not None
        assert [column.name for column in info.columns] == [column.name for column in ALL_TYPES]

    def test_a_created_target_takes_a_second_delivery(self, case: Case) -> None:
        mode = self._any_mode(case)
        deliver(case, job(case, ALL_TYPES, mode), [part(ALL_TYPES, ALL_VALUES)])
        assert deliver(case, job(case, ALL_TYPES, mode, "run2"), [part(ALL_TYPES, ALL_VALUES)]).equal

    def test_hostile_texts_and_names_arrive_as_they_are(self, case: Case) -> None:
        given = columns("id:integer", f"{HOSTILE_NAME}:text", "select:text", "Größe €:text", "a.b:text")
        limit = case.destination.capabilities.text_chars
        texts = [text if limit is None else text[:limit] for text in HOSTILE_TEXTS]
        rows = [(number, text, text, text, text) for number, text in enumerate(texts)]
        receipt = deliver(case, job(case, given, self._any_mode(case)), [part(given, rows)])
        assert (receipt.equal, receipt.level) == (True, VerifyLevel.CONTENT)
        assert case.count() == len(HOSTILE_TEXTS)

    @pytest.mark.parametrize("mode", [mode for mode in ONE_VERSION if mode.by_key])
    def test_hostile_texts_and_names_survive_a_merge_by_key(self, case: Case, mode: WriteMode) -> None:
        self._need(case, mode)
        given = columns(f"{HOSTILE_NAME} id:integer", f"{HOSTILE_NAME}:text", key=(f"{HOSTILE_NAME} id",))
        limit = case.destination.capabilities.text_chars
        rows = [(number, text if limit is None else text[:limit]) for number, text in enumerate(HOSTILE_TEXTS)]
        known = [] if mode == WriteMode.INSERT_ONLY else [(number, "old") for number, _ in rows]
        deliver(case, job(case, given, mode), [part(given, [*known, (-1, "stays or goes")])])
        receipt = deliver(case, job(case, given, mode, "run2"), [part(given, rows)])
        assert (receipt.inserted + receipt.updated, receipt.equal) == (len(rows), True)
        assert case.count() == len(rows) + (mode != WriteMode.MIRROR)

    def test_null_and_empty_text_stay_apart(self, case: Case) -> None:
        if not case.destination.capabilities.nulls:
            pytest.skip("the destination has no null")
        given = columns("only:text")
        receipt = deliver(case, job(case, given, self._any_mode(case)), [part(given, [("",), (None,), ("",)])])
        assert (receipt.equal, receipt.read_back) == (True, 3)

    def test_append_adds_to_what_is_there(self, case: Case) -> None:
        self._need(case, WriteMode.APPEND)
        deliver(case, job(case, PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(1), person(2)])])
        receipt = deliver(case, job(case, PEOPLE, WriteMode.APPEND, "run2"), [part(PEOPLE, [person(3)])])
        assert (receipt.rows, receipt.inserted, receipt.equal) == (1, 1, True)
        assert case.count() == 3

    def test_replace_leaves_the_new_rows_only(self, case: Case) -> None:
        self._need(case, WriteMode.REPLACE)
        deliver(case, job(case, PEOPLE, WriteMode.REPLACE), [part(PEOPLE, [person(1), person(2)])])
        receipt = deliver(case, job(case, PEOPLE, WriteMode.REPLACE, "run2"), [part(PEOPLE, [person(3)])])
        assert (receipt.inserted, receipt.deleted, receipt.equal, receipt.level) == (1, 2, True, VerifyLevel.CONTENT)
        assert case.count() == 1

    def test_nothing_sent_is_a_delivery_too(self, case: Case) -> None:
        mode = self._any_mode(case)
        receipt = deliver(case, job(case, PEOPLE, mode), [part(PEOPLE, [])])
        assert (receipt.rows, receipt.inserted, receipt.read_back) == (0, 0, 0)
        assert receipt.equal
        assert case.count() == 0

    def test_nothing_is_seen_before_publish_and_nothing_stays_without_it(self, case: Case) -> None:
        for number, mode in enumerate(case.modes):
            before = case.count()
            work = job(case, PEOPLE, mode, f"run{number}")
            with Delivery(case.destination, work) as delivery:
                delivery.open()
                delivery.load([(1, part(PEOPLE, [person(1), person(2)]))], ignore)
                if case.destination.capabilities.concurrent_readers:
                    assert (case.count() or 0) == (before or 0)
                delivery.abandon()
            assert (case.count() or 0) == (before or 0)
            deliver(case, replace(work, run=f"other{number}"), [part(PEOPLE, [person(100 + number)])])

    def test_a_wrong_number_of_rows_publishes_nothing(self, case: Case) -> None:
        for number, mode in enumerate(case.modes):
            session = case.destination.session(job(case, PEOPLE, mode, f"run{number}"))
            try:
                session.open()
                rows = part(PEOPLE, [person(1), person(2)]).drop_columns(["_row", "_sub"])
                session.load(Chunk(id="c1", seq=1, rows=2, digest=0), rows)
                with pytest.raises(BalanceError, match="3"):
                    session.publish(rows=3, digest="0" * 32)
                session.abandon()
            finally:
                session.close()
            assert (case.count() or 0) == 0

    def test_a_published_run_is_known_when_it_comes_again(self, case: Case) -> None:
        if not case.destination.capabilities.transactions:
            pytest.skip("no control row without transactions")
        for number, mode in enumerate(case.modes):
            work = job(case, PEOPLE, mode, f"run{number}")
            first = deliver(case, work, [part(PEOPLE, [person(10 * number), person(10 * number + 1)], file=3)])
            rows_before = case.count()
            with Delivery(case.destination, work) as delivery:
                opened = delivery.open()
                assert opened.published is not None
                assert opened.published.by_file == {3: (2, 0, 0)}
                assert delivery.publish() == opened.published
                assert (delivery.rows_sent, delivery.delivered_digest) == (2, first.digest)
            assert case.count() == rows_before

    def test_the_control_row_names_run_batch_and_digest(self, case: Case) -> None:
        if not case.destination.capabilities.transactions:
            pytest.skip("no control row without transactions")
        assert case.destination.last_delivery(case.target) is None
        mode = self._any_mode(case)
        for run in ("run1", "run2"):
            receipt = deliver(case, job(case, PEOPLE, mode, run), [part(PEOPLE, [person(len(run))])])
        row = case.destination.last_delivery(case.target)
        assert row is not None
        assert (row["run"], row["batch"], row["digest"]) == ("run2", "batch of run2", receipt.digest)

    def test_chunks_with_receipts_are_not_loaded_twice(self, case: Case) -> None:
        self._need(case, WriteMode.UPSERT)
        work = job(case, PEOPLE, WriteMode.UPSERT)
        parts = [(seq, part(PEOPLE, [person(10 * seq + n) for n in range(5)], first_row=10 * seq)) for seq in (1, 2, 3)]
        with Delivery(case.destination, work) as delivery:
            if not delivery.open().staged:
                pytest.skip("upserts are direct here")
            delivery.load(parts[:2], ignore)
        with Delivery(case.destination, work) as delivery:
            assert len(delivery.open().loaded) == 2
            delivery.load(parts, ignore)
            published = delivery.publish()
            assert (published.inserted, delivery.verify().equal) == (15, True)
        assert case.count() == 15

    def test_an_abandoned_delivery_leaves_no_receipts(self, case: Case) -> None:
        self._need(case, WriteMode.UPSERT)
        work = job(case, PEOPLE, WriteMode.UPSERT)
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, [person(1)]))], ignore)
            delivery.abandon()
        with Delivery(case.destination, work) as delivery:
            assert delivery.open().loaded == frozenset()

    def test_two_sessions_of_one_target_exclude_each_other(self, case: Case) -> None:
        first = case.destination.session(job(case, PEOPLE, self._any_mode(case), "run1"))
        second = case.destination.session(job(case, PEOPLE, self._any_mode(case), "run2"))
        try:
            first.open()
            with pytest.raises(LockedError, match="run1"):
                second.open()
            first.close()
            second.open()
        finally:
            first.close()
            second.close()

    def test_all_missing_columns_are_named_and_nothing_is_touched(self, case: Case) -> None:
        self._need(case, WriteMode.APPEND)
        deliver(case, job(case, PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(1)])])
        given = columns("id:integer", "colour:text", "size:text")
        session = case.destination.session(job(case, given, WriteMode.APPEND, "run2"))
        try:
            with pytest.raises(RefusedError) as caught:
                session.open()
        finally:
            session.close()
        assert "'colour'" in str(caught.value)
        assert "'size'" in str(caught.value)
        assert case.count() == 1

    @pytest.mark.parametrize("mode", ONE_VERSION)
    def test_refused_rows_are_found_and_the_rest_goes_on(self, case: Case, mode: WriteMode) -> None:
        if case.execute is None:
            pytest.skip("no SQL by others")
        self._need(case, mode)
        check = "name varchar(20) check (name <> 'bad')"
        case.execute(f"create table {case.target.table} (id bigint primary key, {check}, score decimal(10,2))")
        rows = [person(number, "bad" if number in (7, 507, 508) else "ok") for number in range(900)]
        with Delivery(case.destination, job(case, PEOPLE, mode), chunk_rows=300) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, rows))], ignore)
            delivery.publish()
            receipt = delivery.verify()
        assert [row.row - 1 for row in delivery.refused] == [7, 507, 508]
        assert {row.problem.code for row in delivery.refused} == {"refused"}
        assert (receipt.inserted, receipt.equal, receipt.rejected) == (897, True, 3)
        assert case.count() == 897

    @pytest.mark.parametrize("change", ["update {} set name = 'o' where id = 2", "delete from {} where id = 2"])
    def test_one_change_by_others_makes_the_read_back_unequal(self, case: Case, change: str) -> None:
        if case.execute is None:
            pytest.skip("no SQL by others")
        work = job(case, PEOPLE, WriteMode.REPLACE)
        deliver(case, work, [part(PEOPLE, [person(1), person(2), person(3)])])
        case.execute(change.format(case.target.table))
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            assert delivery.verify().equal is False

    def test_a_schema_that_does_not_exist_is_named_and_not_made(self, case: Case) -> None:
        if case.target.table is None:
            pytest.skip("a file has no schema")
        target = replace(case.target, table="no_such_place.people")
        work = job(case, PEOPLE, self._any_mode(case), target=target)
        with (
            pytest.raises(RefusedError, match=r"(?i)no (schema|database) .no_such_place") as caught,
            Delivery(case.destination, work) as delivery,
        ):
            delivery.open()
        assert caught.value.hint is not None
        assert case.count() is None

    def test_lineage_names_batch_and_row(self, case: Case) -> None:
        work = job(case, PEOPLE, self._any_mode(case), lineage=True)
        receipt = deliver(case, work, [part(PEOPLE, [person(1), person(2)], first_row=41)])
        info = case.destination.inspect(case.target)
        assert receipt.equal
        assert info is not None
        assert [column.name for column in info.columns][-2:] == ["_batch", "_row"]

    def test_a_label_holds_no_secret(self, case: Case) -> None:
        scheme, _, rest = case.target.url.partition("://")
        if "@" not in rest:
            pytest.skip("the URL holds no user")
        user, _, address = rest.partition("@")
        target = replace(case.target, url=f"{scheme}://{user.partition(':')[0]}:s3cret@{address}")
        label = case.destination.label(target)
        assert "s3cret" not in label
        assert label
