"""The delivery driver with a destination in memory that refuses, falters and forgets on demand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.delivery.ahead import ahead
from loadlock.delivery.base import (
    Capabilities,
    ColumnInfo,
    DeliveryColumn,
    Job,
    Opened,
    Published,
    Session,
    TableInfo,
    Target,
)
from loadlock.delivery.chunks import cut
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.retry import LostTransactionError, RetryPolicy
from loadlock.digest import digest_table, to_hex
from loadlock.errors import Refusal, RefusedError, RowsRefusedError, StoppedError, UnavailableError
from loadlock.model import Chunk, VerifyLevel, WriteMode
from loadlock.testing.contracts.destinations import columns

COLUMNS = columns("v:integer", "t:text")


class Memory(Session):
    """A destination and session in one. `bad` = refused values of v; `hint` = whether it says which row."""

    name: ClassVar[str] = "memory"
    summary: ClassVar[str] = "rows in a list"
    schemes: ClassVar[tuple[str, ...]] = ("memory",)
    capabilities: ClassVar[Capabilities] = Capabilities(modes=frozenset(WriteMode))

    def __init__(self, *, bad: set[int] | None = None, hint: bool = True, staged: bool = False) -> None:
        self.bad = bad or set()
        self.hint = hint
        self.staged = staged
        self.tables: list[pa.Table] = []
        self.receipts: dict[str, int] = {}
        self.sent_rows = 0
        self.calls = 0
        self.faults: list[Exception] = []
        self.published: Published | None = None
        self.control: dict[str, Any] | None = None
        self.max_chars: int | None = None
        self.alter: Callable[[pa.Table], pa.Table] = lambda table: table

    def label(self, target: Target) -> str:
        return "memory"

    def inspect(self, target: Target) -> TableInfo | None:
        return None

    def session(self, job: Job) -> Memory:
        return self

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        return self.control

    def _falter(self) -> None:
        if self.faults:
            raise self.faults.pop(0)

    def open(self) -> Opened:
        self._falter()
        info = TableInfo(
            columns=(
                ColumnInfo(name="v", sql_type="bigint"),
                ColumnInfo(name="t", sql_type="text", max_chars=self.max_chars),
            )
        )
        return Opened(
            table=info, created=False, staged=self.staged, loaded=frozenset(self.receipts), published=self.published
        )

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        self.calls += 1
        self._falter()
        assert rows.column_names == ["v", "t", "_file"]
        assert rows.num_rows == chunk.rows
        for index, value in enumerate(rows["v"].to_pylist()):
            if value in self.bad:
                self.sent_rows += index + 1
                raise RowsRefusedError(
                    Refusal(message="bad", code="23514", constraint="chk", column="v", row=index if self.hint else None)
                )
        self.sent_rows += rows.num_rows
        self.tables.append(rows)
        self.receipts[chunk.id] = rows.num_rows

    def publish(self, *, rows: int, digest: str) -> Published:
        self._falter()
        assert rows == sum(table.num_rows for table in self.tables)
        self.published = Published(inserted=rows, by_file={0: (rows, 0, 0)})
        self.control = {"delivery_id": "r:t", "digest": digest}
        return self.published

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        return VerifyLevel.CONTENT, (self.alter(table.drop_columns(["_file"])) for table in self.tables)

    def abandon(self) -> None:
        self.tables, self.receipts = [], {}

    def close(self) -> None:
        pass


def job(mode: WriteMode = WriteMode.APPEND) -> Job:
    return Job(
        run="r", batch="b", pipeline="p", target=Target(url="memory:", table="t"), columns=COLUMNS, mode=mode, key=()
    )


def part(values: Sequence[int], texts: Sequence[str | None] | None = None, file: int = 0) -> pa.Table:
    count = len(values)
    return pa.table(
        {
            "_row": pa.array(range(1, count + 1), pa.int64()),
            "t": pa.array(texts or [f"t{value}" for value in values], pa.string()),
            "v": pa.array(values, pa.int64()),
            "_file": pa.array([file] * count, pa.int32()),
            "_sub": pa.array([0] * count, pa.int32()),
            "other": pa.array([None] * count, pa.string()),
        }
    )


def run(memory: Memory, parts: Sequence[pa.Table], **options: Any) -> Delivery:
    pauses: list[float] = []
    options.setdefault("retry", RetryPolicy(sleep=pauses.append, draw=lambda: 0.0))
    delivery = Delivery(memory, job(), **options)
    with delivery:
        delivery.open()
        delivery.load(enumerate(parts, 1), lambda chunk: None)
    return delivery


def test_all_rows_are_sent_counted_by_file_and_hashed() -> None:
    memory = Memory()
    heard: list[int] = []
    parts = [part([1, 2, 3]), part([4, 5], file=1), part([])]
    delivery = run(memory, parts, on_rows=heard.append)
    expected = digest_table(pa.concat_tables(parts), [(c.name, c.type) for c in COLUMNS])
    assert delivery.rows_sent == sum(heard) == 5
    assert delivery.counts_by_file == {0: 3, 1: 2}
    assert delivery.delivered_digest == to_hex(expected)


@pytest.mark.parametrize("hint", [True, False])
@settings(deadline=None, max_examples=15)
@given(
    total=st.integers(1, 200),
    bad=st.sets(st.integers(0, 199), max_size=20),
    chunk_rows=st.integers(40, 200),
)
def test_exactly_the_bad_rows_are_refused(hint: bool, total: int, bad: set[int], chunk_rows: int) -> None:
    memory = Memory(bad=bad, hint=hint)
    delivery = run(memory, [part(list(range(total)))], chunk_rows=chunk_rows)
    good = [value for value in range(total) if value not in bad]
    assert [value for table in memory.tables for value in table["v"].to_pylist()] == good
    assert [row.row - 1 for row in delivery.refused] == sorted(value for value in bad if value < total)
    assert delivery.rows_sent == len(good)
    assert delivery.delivered_digest == to_hex(digest_table(part(good), [(c.name, c.type) for c in COLUMNS]))


def test_a_hint_that_lies_refuses_no_good_row() -> None:
    memory = Memory(bad={7})
    honest = memory.load

    def lying(chunk: Chunk, rows: pa.Table) -> None:
        try:
            honest(chunk, rows)
        except RowsRefusedError as error:
            raise RowsRefusedError(Refusal(message="bad", row=(error.refusal.row or 0) + 3)) from None

    memory.load = lying  # type: ignore[method-assign]
    delivery = run(memory, [part(list(range(40)))])
    assert [row.row for row in delivery.refused] == [8]
    assert delivery.rows_sent == 39


def test_a_thousand_refused_rows_of_a_hundred_thousand_are_each_sent_about_three_times() -> None:
    memory = Memory(bad=set(range(50, 100_000, 100)))
    delivery = run(memory, [part(list(range(100_000)), ["x"] * 100_000)])
    assert len(delivery.refused) == 1000
    assert memory.sent_rows < 350_000
    assert memory.calls < 6_000


def test_a_refused_row_says_where_it_came_from_and_why() -> None:
    delivery = run(Memory(bad={2}), [part([1, 2, 3], file=4)])
    row = delivery.refused[0]
    assert (row.file, row.row, row.sub, row.values) == (4, 2, 0, {"v": "2", "t": "t2"})
    assert (row.problem.code, row.problem.column) == ("refused", "v")
    assert row.problem.message == "bad (constraint chk) [23514]"


def test_values_that_do_not_fit_are_never_sent() -> None:
    memory = Memory()
    memory.max_chars = 2
    delivery = run(memory, [part([1, 2, 3], ["ab", "abc", None])])
    assert [(row.row, row.problem.code) for row in delivery.refused] == [(2, "too_long_for_column")]
    assert (memory.sent_rows, delivery.rows_sent) == (2, 2)


def test_more_refused_rows_than_the_limit_stop_the_load() -> None:
    with pytest.raises(StoppedError, match="more than 2 rows"):
        run(Memory(bad={1, 2, 3}), [part([1, 2, 3])], refused_limit=2)


def test_what_is_transient_is_tried_again_in_a_staged_load() -> None:
    memory = Memory(staged=True)
    pauses: list[float] = []
    memory.faults = [UnavailableError("down", wait_seconds=0), UnavailableError("down", wait_seconds=9)]
    policy = RetryPolicy(first_seconds=1, jitter=0.5, sleep=pauses.append, draw=lambda: 1.0)
    delivery = run(memory, [part([1])], retry=policy)
    assert delivery.rows_sent == 1
    assert pauses == [1.5, 13.5]


def test_attempts_end() -> None:
    memory = Memory(staged=True)
    memory.faults = [UnavailableError("down")] * 3
    with pytest.raises(UnavailableError):
        run(memory, [part([1])], retry=RetryPolicy(attempts=3, sleep=lambda seconds: None))
    assert memory.faults == []


def test_a_direct_load_whose_transaction_is_lost_begins_anew() -> None:
    memory = Memory()
    delivery = Delivery(memory, job())
    delivery.open()
    memory.faults = [UnavailableError("gone")]
    with pytest.raises(LostTransactionError):
        delivery.load([(1, part([1]))], lambda chunk: None)


def test_what_is_refused_for_good_is_not_tried_again() -> None:
    memory = Memory(staged=True)
    memory.faults = [RefusedError("disk full")]
    with pytest.raises(RefusedError, match="disk full"):
        run(memory, [part([1])])


def test_a_resumed_load_sends_what_has_no_receipt() -> None:
    memory = Memory(staged=True, bad={5})
    parts = [part([1, 2, 3]), part([4, 5, 6]), part([7])]
    first = run(memory, parts[:2])
    calls = memory.calls
    second = run(memory, parts)
    assert memory.calls == calls + 2  # the bad row again, and the new part
    assert (second.rows_sent, len(second.refused)) == (first.rows_sent + 1, 1)
    assert second.delivered_digest == run(Memory(bad={5}), parts).delivered_digest


@settings(deadline=None, max_examples=15)
@given(
    total=st.integers(2, 200), bad=st.sets(st.integers(0, 199), min_size=1, max_size=9), stop_after=st.integers(1, 12)
)
def test_a_load_stopped_between_pieces_and_resumed_doubles_and_loses_nothing(
    total: int, bad: set[int], stop_after: int
) -> None:
    memory = Memory(bad=bad, staged=True)
    honest, calls = memory.load, 0

    def mortal(chunk: Chunk, rows: pa.Table) -> None:
        nonlocal calls
        calls += 1
        if calls > stop_after:
            raise KeyboardInterrupt
        honest(chunk, rows)

    memory.load = mortal  # type: ignore[method-assign]
    with contextlib.suppress(KeyboardInterrupt):
        run(memory, [part(list(range(total)))], chunk_rows=60)
    memory.load, memory.hint = honest, False  # type: ignore[method-assign]
    delivery = run(memory, [part(list(range(total)))], chunk_rows=60)
    good = [value for value in range(total) if value not in bad]
    assert sorted(value for table in memory.tables for value in table["v"].to_pylist()) == good
    assert delivery.rows_sent == len(good)
    assert delivery.delivered_digest == to_hex(digest_table(part(good), [(c.name, c.type) for c in COLUMNS]))


def test_done_hears_of_each_chunk_in_order() -> None:
    heard: list[tuple[int, int]] = []
    with Delivery(Memory(), job(), chunk_rows=2) as delivery:
        delivery.open()
        delivery.load([(1, part([1, 2, 3, 4])), (2, part([5]))], lambda chunk: heard.append((chunk.seq, chunk.rows)))
    assert heard == [(1, 2), (1, 2), (2, 1)]


def test_the_read_back_is_equal_or_says_so() -> None:
    memory = Memory()
    delivery = run(memory, [part([1, 2])])
    delivery.publish()
    assert delivery.verify().equal is True
    memory.alter = lambda table: table.set_column(0, "v", pa.array([1, 9], pa.int64()))
    receipt = delivery.verify()
    assert (receipt.equal, receipt.read_back, receipt.level) == (False, 2, VerifyLevel.CONTENT)


def test_rows_that_are_gone_make_the_read_back_unequal() -> None:
    memory = Memory()
    delivery = run(memory, [part([1, 2])])
    delivery.publish()
    memory.alter = lambda table: table.slice(1)
    assert delivery.verify().equal is False


def test_an_earlier_publish_is_recalled_with_its_digest() -> None:
    memory = Memory()
    first = run(memory, [part([1, 2])])
    first.publish()
    with Delivery(memory, job()) as again:
        assert again.open().published is not None
        assert (again.rows_sent, again.delivered_digest) == (2, first.delivered_digest)
        assert again.verify().equal is True


def test_rows_refused_at_the_publish_refuse_it_as_a_whole() -> None:
    memory = Memory()
    delivery = run(memory, [part([1])])
    memory.faults = [RowsRefusedError(Refusal(message="duplicate key"))]
    with pytest.raises(RefusedError, match="nothing was published: duplicate key"):
        delivery.publish()


def test_cutting_keeps_every_row_in_order() -> None:
    table = part(list(range(10)))
    for size in (1, 3, 6, 7, 10, 11):
        slices = list(cut(table, size))
        assert [value for piece in slices for value in piece["v"].to_pylist()] == list(range(10))
    assert [piece.num_rows for piece in cut(table, 4)] == [5, 5]
    assert list(cut(part([]), 4)) == []


def test_work_ahead_keeps_order_and_passes_errors_on() -> None:
    assert list(ahead(range(5), lambda number: number * 2)) == [0, 2, 4, 6, 8]

    def fail(number: int) -> int:
        if number == 2:
            raise ValueError("two")
        return number

    found = ahead(range(5), fail)
    assert [next(found), next(found)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(found)
