"""Reading some columns of a table that stands in a destination's database: the target itself, or the parent of a reference."""

from __future__ import annotations

from collections.abc import Collection, Generator, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from loadlock.delivery.base import DeliveryColumn, Target
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


def check_columns(label: str, known: Collection[str], columns: Sequence[DeliveryColumn]) -> None:
    """Raise RefusedError for columns that the table lacks."""
    if missing := [column.name for column in columns if column.name not in known]:
        raise RefusedError(f"{label} has no column {', '.join(missing)}", hint=f"It has {', '.join(known)}.")


def no_table(label: str) -> RefusedError:
    """The error for a table that is not there."""
    return RefusedError(f"{label}: there is no such table", hint="Look at its name, its schema and your rights.")
