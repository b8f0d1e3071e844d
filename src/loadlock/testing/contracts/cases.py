"""What the contract suites of destinations share: cases, jobs, parts, values."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from loadlock.delivery.base import DeliveryColumn, Destination, Job, Target
from loadlock.delivery.deliver import Delivery
from loadlock.model import Chunk, Receipt, Validity, WriteMode
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

TestT = TypeVar("TestT")
HOSTILE_NAME = '"; drop table `x`; --'
HOSTILE_TEXTS = (
    "plain", "", "NULL", "\\N", "\\.", "null", "a\tb", "a\nb\r\nc", "\\", "\\\\n", 'q"u\'o`te', "; drop table x; --", "😀 é ß",
    " leading and trailing ", "%s {} $1 ?", "\x1f unit \x01\x08\x1a", "0", "-0", "x" * 70_000, "e\u0301 is not é", "A", "a",
)  # fmt: skip


ONE_VERSION = tuple(mode for mode in WriteMode if mode != WriteMode.SCD2)
"""The modes in which a table holds a row once; several of them can write to one table."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A destination and a target that does not exist yet, for one test."""

    destination: Destination
    target: Target
    count: Callable[[], int | None]
    """Rows in the target, counted without Loadlock; None where it does not exist."""
    execute: Callable[[str], Any] | None = None
    """One SQL statement by others, on a connection of its own, and its rows; None for what is no SQL database."""

    @property
    def modes(self) -> list[WriteMode]:
        """The destination's modes that can write to one table, by name."""
        return sorted(mode for mode in ONE_VERSION if mode in self.destination.capabilities.modes)


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
    if mode == WriteMode.SCD2:
        values.setdefault("validity", Validity())
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
        delivery.load(enumerate(parts, 1), ignore)
        delivery.publish()
        assert delivery.refused == []
        return delivery.verify()


def ignore(chunk: Chunk) -> None:
    """Nothing to do with a chunk that arrived."""


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


def only(*names: str) -> Callable[[type[TestT]], type[TestT]]:
    """Of the tests that a class inherits these alone: for a server that is nearly another one, which runs all of them."""

    def chosen(kind: type[TestT]) -> type[TestT]:
        known = [name for name in dir(kind) if name.startswith("test_")]
        assert set(names) <= set(known), sorted(set(names) - set(known))
        for name in known:
            if name not in names:
                setattr(kind, name, None)
        return kind

    return chosen
