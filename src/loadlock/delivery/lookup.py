"""Reading some columns of a table that stands in a destination's database: the target itself, or the parent of a reference."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

from loadlock.delivery.base import DeliveryColumn, TableInfo, Target
from loadlock.errors import RefusedError

if TYPE_CHECKING:
    import pyarrow as pa


@runtime_checkable
class ReadsColumns(Protocol):
    """A kind of destination whose tables can be looked into."""

    def values(self, target: Target, columns: Sequence[DeliveryColumn]) -> Generator[pa.Table]:
        """All rows of an existing table, these columns in their Arrow types, streaming; reads only, and takes no lock.

        To be read to the end, or closed. Raises UnavailableError, or RefusedError where the table or a column is not there.
        """
        ...


class Table(Protocol):
    """A table as a server's catalogue has it."""

    def info(self) -> TableInfo: ...


T = TypeVar("T", bound=Table)


def known(table: T | None, label: str, columns: Sequence[DeliveryColumn]) -> T:
    """The table; RefusedError where it is not there or lacks one of the columns."""
    if table is None:
        raise no_table(label)
    check_columns(label, [column.name for column in table.info().columns], columns)
    return table


def typed(arrays: Sequence[pa.Array], columns: Sequence[DeliveryColumn]) -> pa.Table:
    """Arrays as a server gave them, as a table of these columns in their types."""
    import pyarrow as pa

    found = [array.cast(column.type.arrow()) for array, column in zip(arrays, columns, strict=True)]
    return pa.table(found, names=[column.name for column in columns])


def check_columns(label: str, known: Collection[str], columns: Sequence[DeliveryColumn]) -> None:
    """Raise RefusedError for columns that the table lacks."""
    if missing := [column.name for column in columns if column.name not in known]:
        raise RefusedError(f"{label} has no column {', '.join(missing)}", hint=f"It has {', '.join(known)}.")


def no_table(label: str) -> RefusedError:
    """The error for a table that is not there."""
    return RefusedError(f"{label}: there is no such table", hint="Look at its name, its schema and your rights.")
