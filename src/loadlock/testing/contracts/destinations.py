"""The contract suite of destinations. It reads `capabilities`: what a destination doesn't claim is not asked of it.

class TestMine(DestinationContract):
    @pytest.fixture
    def case(self, tmp_path):
        return Case(destination=Mine(), target=Target(url=f"mine:///{tmp_path}/x"), count=...)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from loadlock.delivery.base import DeliveryColumn, Destination, Foreseen, Job, Opened, Target
from loadlock.delivery.deliver import Delivery
from loadlock.errors import BalanceError, LockedError, RefusedError, StoppedError
from loadlock.model import Chunk, Receipt, VerifyLevel, WriteMode
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

HOSTILE_NAME = '"; drop table `x`; --'
HOSTILE_TEXTS = (
    "plain", "", "NULL", "\\N", "\\.", "null", "a\tb", "a\nb\r\nc", "\\", "\\\\n", 'q"u\'o`te', "; drop table x; --", "😀 é ß",
    " leading and trailing ", "%s {} $1 ?", "\x1f unit \x01\x08\x1a", "0", "-0", "x" * 70_000, "e\u0301 is not é", "A", "a",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Case:
    """A destination and a target that does not exist yet, for one test."""

    destination: Destination
    target: Target
    count: Callable[[], int | None]
    """Rows in the target, counted without Loadlock; None where it does not exist."""
    execute: Callable[[str], None] | None = None
    """One SQL statement by others, on a connection of its own; None for what is no SQL database."""


def columns(*specs: str, key: Sequence[str] = ()) -> tuple[DeliveryColumn, ...]:
    """Columns from `name:type` (the name may hold colons)."""
    found = []
    for spec in specs:
        name, _, kind = spec.rpartition(":")
        found.append(DeliveryColumn(name=name, type=ColumnType.parse(kind), key=name in key, required=name in key))
    return tuple(found)


def job(case: Case, given: Sequence[DeliveryColumn], mode: WriteMode, run: str = "run1", **changes: Any) -> Job:
    """A job of the case; `key` is taken from the columns."""
    key = tuple(column.name for column in given if column.key)
    values = {"batch": f"batch of {run}", "pipeline": "contract", "target": case.target, **changes}
    return Job(run=run, columns=tuple(given), mode=mode, key=key, **values)


def part(
    given: Sequence[DeliveryColumn], rows: Sequence[Sequence[Any]], *, file: int = 0, first_row: int = 1
) -> pa.Table:
    """A clean part: rows as tuples in the columns' order, with identity columns."""
    import pyarrow as pa

    arrays = {
        column.name: pa.array([row[index] for row in rows], column.type.arrow()) for index, column in enumerate(given)
    }
    arrays["_file"] = pa.array([file] * len(rows), pa.int32())
    arrays["_row"] = pa.array(range(first_row, first_row + len(rows)), pa.int64())
    arrays["_sub"] = pa.array([0] * len(rows), pa.int32())
    return pa.table(arrays)


def deliver(case: Case, work: Job, parts: Sequence[pa.Table]) -> Receipt:
    """The whole way of a delivery that refuses nothing."""
    with Delivery(case.destination, work) as delivery:
        delivery.open()
        delivery.load(enumerate(parts, 1), _ignore)
        delivery.publish()
        assert delivery.refused == []
        return delivery.verify()


def _ignore(chunk: Chunk) -> None:
    pass


ALL_TYPES = columns(
    "id:integer", "t:text", "i:integer", "d:decimal(12,2)", "w:decimal(38,10)", "f:float", "b:boolean", "dt:date", "tm:time",
    "ts:timestamp", "tz:timestamptz", "js:json", "u:uuid",
)  # fmt: skip
"""One column of each type."""

ALL_VALUES: list[tuple[Any, ...]] = [
    (
        1, "text", 2**63 - 1, Decimal("9999999999.99"), Decimal("1234567890123456789012345678.0123456789"), 0.1, True,
        dt.date(1000, 1, 1), dt.time(23, 59, 59, 999999), dt.datetime(2024, 2, 29, 1, 2, 3, 4),
        dt.datetime(2024, 3, 31, 1, 30, tzinfo=dt.UTC), '{"b":[1,2.5,null],"a":"é\\n\\""}',
        "0b9ae7d2-0a3c-4e6a-9f4e-1f6c2d3e4f50",
    ),
    (
        2, " ", -(2**63), Decimal("-0.01"), Decimal("-0.0000000001"), -1.7976931348623157e308, False, dt.date(9999, 12, 31),
        dt.time(0, 0), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), dt.datetime(1970, 1, 1, tzinfo=dt.UTC), "[]",
        "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF",
    ),
    (
        3, "0", 0, Decimal("0.00"), Decimal("0E-10"), 5e-324, True, dt.date(2024, 2, 29), dt.time(12, 0, 0, 500000),
        dt.datetime(1970, 1, 1), dt.datetime(2038, 1, 19, 3, 14, 8, 999999, tzinfo=dt.UTC), '"text"',
        "00000000-0000-0000-0000-000000000000",
    ),
]  # fmt: skip
NO_VALUES: tuple[Any, ...] = (4, *[None] * (len(ALL_TYPES) - 1))

PEOPLE = columns("id:integer", "name:text", "score:decimal(10,2)", key=("id",))


def person(number: int, name: str = "n", score: str = "1.50") -> tuple[Any, ...]:
    """A row of PEOPLE."""
    return (number, name, Decimal(score))


class DestinationContract:
    """Subclass it and define the fixture `case`."""

    def _need(self, case: Case, mode: WriteMode) -> None:
        if mode not in case.destination.capabilities.modes:
            pytest.skip(f"{case.destination.name} has no mode {mode}")

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

    @pytest.mark.parametrize("mode", [mode for mode in WriteMode if mode.by_key])
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
            delivery.load(enumerate(parts, 1), _ignore)
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

    def test_insert_only_adds_new_keys_and_leaves_known_rows_as_they_are(self, case: Case) -> None:
        self._need(case, WriteMode.INSERT_ONLY)
        deliver(case, job(case, PEOPLE, WriteMode.INSERT_ONLY), [part(PEOPLE, [person(1, "a"), person(2, "b")])])
        work = job(case, PEOPLE, WriteMode.INSERT_ONLY, "run2")
        parts = [part(PEOPLE, [person(1, "A"), person(3, "c")]), part(PEOPLE, [person(2, "b"), person(4, "d")], file=1)]
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            delivery.load(enumerate(parts, 1), _ignore)
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
            delivery.load(enumerate(parts, 1), _ignore)
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
            delivery.load([(1, part(PEOPLE, [person(1, "new")][:rows]))], _ignore)
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
        for number, mode in enumerate(sorted(case.destination.capabilities.modes)):
            given = columns(
                "day:date", "id:integer", "name:text", key=("day",) if mode == WriteMode.DELETE_INSERT else ("id",)
            )
            day, first = dt.date(2024, 3, 1 + number), 10 * number
            rows = [(day, first, f"{first}"), (day, first + 1, f"{first}"), (day, first + 2, f"{first}!")]
            with Delivery(case.destination, job(case, given, mode, f"run{number}")) as delivery:
                delivery.open()
                delivery.load([(1, part(given, rows))], _ignore)
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
        check = deliver(case, job(case, PEOPLE, WriteMode.MIRROR, "run2"), [part(PEOPLE, rows)])
        assert (check.inserted, check.updated, check.unchanged, check.deleted) == want[WriteMode.MIRROR]

    def _foresee(self, case: Case, work: Job, rows: Sequence[Sequence[Any]]) -> tuple[Foreseen, Opened]:
        with Delivery(case.destination, work) as delivery:
            opened = delivery.open()
            delivery.load([(1, part(PEOPLE, rows))], _ignore)
            return delivery.foresee(), opened

    def test_a_publish_that_waits_for_a_yes_says_the_same(self, case: Case) -> None:
        if not case.destination.capabilities.foresees:
            pytest.skip(f"{case.destination.name} can't foresee")
        deliver(case, job(case, PEOPLE, WriteMode.REPLACE), [part(PEOPLE, [person(1, "a"), person(2, "b")])])
        for number, mode in enumerate(sorted(case.destination.capabilities.modes)):
            rows = [person(1, f"{mode}"), person(10 + number)]
            with Delivery(case.destination, job(case, PEOPLE, mode, f"run {mode}", trial=False)) as delivery:
                delivery.open()
                kept = rows if mode != WriteMode.APPEND else rows[1:]
                delivery.load([(1, part(PEOPLE, kept))], _ignore)
                found = delivery.foresee()
                published = delivery.publish()
            counted = (published.inserted, published.updated, published.unchanged, published.deleted)
            assert (found.inserted, found.updated, found.unchanged, found.deleted) == counted, mode

    def test_nothing_sent_is_a_delivery_too(self, case: Case) -> None:
        mode = self._any_mode(case)
        receipt = deliver(case, job(case, PEOPLE, mode), [part(PEOPLE, [])])
        assert (receipt.rows, receipt.inserted, receipt.read_back) == (0, 0, 0)
        assert receipt.equal
        assert case.count() == 0

    def test_nothing_is_seen_before_publish_and_nothing_stays_without_it(self, case: Case) -> None:
        for number, mode in enumerate(sorted(case.destination.capabilities.modes)):
            before = case.count()
            work = job(case, PEOPLE, mode, f"run{number}")
            with Delivery(case.destination, work) as delivery:
                delivery.open()
                delivery.load([(1, part(PEOPLE, [person(1), person(2)]))], _ignore)
                if case.destination.capabilities.concurrent_readers:
                    assert (case.count() or 0) == (before or 0)
                delivery.abandon()
            assert (case.count() or 0) == (before or 0)
            deliver(case, replace(work, run=f"other{number}"), [part(PEOPLE, [person(100 + number)])])

    def test_a_wrong_number_of_rows_publishes_nothing(self, case: Case) -> None:
        for number, mode in enumerate(sorted(case.destination.capabilities.modes)):
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
        for number, mode in enumerate(sorted(case.destination.capabilities.modes)):
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
            delivery.load(parts[:2], _ignore)
        with Delivery(case.destination, work) as delivery:
            assert len(delivery.open().loaded) == 2
            delivery.load(parts, _ignore)
            published = delivery.publish()
            assert (published.inserted, delivery.verify().equal) == (15, True)
        assert case.count() == 15

    def test_an_abandoned_delivery_leaves_no_receipts(self, case: Case) -> None:
        self._need(case, WriteMode.UPSERT)
        work = job(case, PEOPLE, WriteMode.UPSERT)
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, [person(1)]))], _ignore)
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

    @pytest.mark.parametrize("mode", list(WriteMode))
    def test_refused_rows_are_found_and_the_rest_goes_on(self, case: Case, mode: WriteMode) -> None:
        if case.execute is None:
            pytest.skip("no SQL by others")
        self._need(case, mode)
        check = "name varchar(20) check (name <> 'bad')"
        case.execute(f"create table {case.target.table} (id bigint primary key, {check}, score decimal(10,2))")
        rows = [person(number, "bad" if number % 500 == 7 else "ok") for number in range(3000)]
        with Delivery(case.destination, job(case, PEOPLE, mode), chunk_rows=1000) as delivery:
            delivery.open()
            delivery.load([(1, part(PEOPLE, rows))], _ignore)
            delivery.publish()
            receipt = delivery.verify()
        assert [row.row - 1 for row in delivery.refused] == [7, 507, 1007, 1507, 2007, 2507]
        assert {row.problem.code for row in delivery.refused} == {"refused"}
        assert (receipt.inserted, receipt.equal, receipt.rejected) == (2994, True, 6)
        assert case.count() == 2994

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
