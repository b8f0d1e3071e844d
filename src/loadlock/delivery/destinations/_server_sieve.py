"""Which rows of a chunk a database server is likely to refuse, once it has refused one.

The constraint that was broken is looked up, the columns that it reads are sent to a temporary table with each row's number,
and the server itself searches it for the rows that break the constraint. That costs a fraction of sending the rows, and finds
all of them at once, however many they are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.delivery.sqltext import FILE_COLUMN
from loadlock.errors import DeliveryError, Refusal, UnavailableError

if TYPE_CHECKING:
    import pyarrow as pa

NUMBER = "_loadlock_number"
"""Column of the temporary tables: the row's index in the chunk."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """A constraint that rows have broken. Each of `searches` selects the numbers of rows in the sieve that break it."""

    columns: frozenset[str]
    """Those that it reads."""
    searches: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What a sieve asks of its session. `table` (as SQL) takes the rows, `columns` are those delivered into it."""

    table: str
    columns: tuple[str, ...]
    run: Callable[[str], list[tuple[Any, ...]]]
    quote: Callable[[str], str]
    text: Callable[[str], str]
    send: Callable[[pa.Table, str], None]
    """Send columns by their names to a table (as SQL)."""
    aside: Callable[[], AbstractContextManager[None]]
    """What is done inside leaves nothing behind."""


class Sieve(ABC):
    """What one session knows of why its target refuses rows."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reasons: dict[str, Reason] = {}

    # -- what servers do in their own words -----------------------------------------------------------------------------

    @abstractmethod
    def _reasons_for(self, refusal: Refusal) -> Iterable[tuple[str, Reason]]:
        """The constraints that this refusal may mean, by name."""

    @abstractmethod
    def _make(self, name: str, columns: Sequence[str]) -> str:
        """Make an empty temporary table of these columns (nullable, as the target has them) and NUMBER; its name as SQL."""

    @abstractmethod
    def _try(self, rows: pa.Table) -> list[Refusal | None]:
        """See `tried`, inside `aside`."""

    # -- what they share --------------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def sieve(self) -> str:
        """The temporary table's name as SQL."""

    def foretells(self) -> bool:
        """See `Session.foretells`."""
        return False

    def suspects(self, rows: pa.Table, refusal: Refusal | None) -> list[int]:
        """See `Session.suspects`. A reason that can't be looked up or asked is none."""
        try:
            with self._desk.aside():
                if refusal is not None and not self._learn(refusal):
                    return []
                return sorted(self._found(_numbered(rows))) if self._reasons else []
        except UnavailableError:
            raise
        except DeliveryError:
            self._reasons.clear()
            return []

    def tried(self, rows: pa.Table) -> list[Refusal | None] | None:
        """See `Session.tried`."""
        try:
            with self._desk.aside():
                return self._try(_numbered(rows))
        except UnavailableError:
            raise
        except DeliveryError:
            return None

    def _learn(self, refusal: Refusal) -> bool:
        """Whether the refusal has a reason that finds other rows."""
        delivered = set(self._desk.columns)
        found = {name: reason for name, reason in self._reasons_for(refusal) if reason.columns <= delivered}
        self._reasons.update(found)
        return bool(found)

    def _found(self, rows: pa.Table) -> set[int]:
        read = frozenset().union(*(reason.columns for reason in self._reasons.values()))
        columns = [name for name in rows.column_names if name in read]
        self._desk.send(rows.select([*columns, NUMBER]), self._make(self.sieve, columns))
        searches = dict.fromkeys(search for reason in self._reasons.values() for search in reason.searches)
        return {int(number) for search in searches for (number,) in self._desk.run(search)}

    def _names(self, columns: Iterable[str]) -> str:
        return ", ".join(map(self._desk.quote, columns))


def _numbered(rows: pa.Table) -> pa.Table:
    """With the names of the staging table, and each row's index."""
    import pyarrow as pa

    named = rows.rename_columns([FILE_COLUMN if name == "_file" else name for name in rows.column_names])
    return named.append_column(NUMBER, pa.array(range(rows.num_rows), pa.int64()))
