"""The small parts that child tables are delivered with."""

from __future__ import annotations

import pyarrow as pa
import pytest

from loadlock.delivery.names import TableName, parse_table
from loadlock.delivery.retry import LostTransactionError, RetryPolicy
from loadlock.digest import digest_table
from loadlock.types import ColumnType
from loadlock.workflow import patience


@pytest.mark.parametrize("name", [TableName(table="t"), TableName(schema="s", table="a.b"),
                                  TableName(schema='q"q', table="my table"), TableName(table="`")])  # fmt: skip
def test_a_table_name_as_written_is_read_as_the_same_name(name: TableName) -> None:
    assert parse_table(name.written()) == name


def test_a_table_name_is_quoted_only_where_it_has_to_be() -> None:
    assert TableName(schema="my shop", table="orders").written() == "my shop.orders"
    assert TableName(schema="s", table="a.b").written() == 's."a.b"'


def test_rows_of_lineage_columns_alone_have_a_digest_that_counts_them() -> None:
    columns = [("_index", ColumnType(kind="integer"))]
    digests = [digest_table(pa.table({"_index": pa.array(range(rows), pa.int64())}), columns) for rows in (0, 1, 2)]
    assert digests[0] == 0
    assert digests[2] == 2 * digests[1] % (1 << 128) != digests[1]


def test_a_lost_transaction_is_begun_anew_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "DEFAULT_RETRY", RetryPolicy(attempts=3, sleep=lambda seconds: None))
    calls: list[str] = []
    notes: list[str] = []

    def attempt(good: int) -> str:
        calls.append("attempt")
        if calls.count("attempt") < good:
            raise LostTransactionError("gone")
        return "loaded"

    assert patience.patiently(lambda: attempt(3), notes, lambda: calls.append("close")) == "loaded"
    assert calls == ["attempt", "close", "attempt", "close", "attempt"]
    assert notes == ["the transaction was lost (gone); sent again from the start"] * 2
    calls.clear()
    with pytest.raises(LostTransactionError):
        patience.patiently(lambda: attempt(4), notes, lambda: calls.append("close"))
    assert calls == ["attempt", "close"] * 3
