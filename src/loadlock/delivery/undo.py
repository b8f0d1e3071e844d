"""Taking a delivery back: are its rows still as it left them, and if so, the state before it again, in one transaction.

    with Undoing(destination, job) as undoing:
        undoing.open()
        conflicts = undoing.look(sent)      # rows that others changed since
        undone = undoing.undo()             # or leave: then nothing was changed

Rows are compared by the 128-bit hashes that make up the digest, here, not in the database: what is equal here was equal when
it was delivered. Memory is bounded, DuckDB spills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Destination, Job, Session, Undone
from loadlock.delivery.deliver import DEFAULT_RETRY
from loadlock.delivery.row_sets import Key, RowSets
from loadlock.delivery.undo_sql import SHOWN

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Conflicts:
    """What others did to a delivery's rows since: numbers of rows, and the keys of some of them."""

    target: str
    changed: int = 0
    """Rows with other values than were delivered, or rows of others among them."""
    gone: int = 0
    """Rows that are missing, or no longer have the values delivered."""
    keys: tuple[Key, ...] = field(default=())
    elsewhere: bool = False
    """Others changed the target, though not these rows, and what they did would be lost."""

    def __bool__(self) -> bool:
        return bool(self.changed or self.gone or self.elsewhere)

    def told(self) -> str:
        """For people."""
        if not self.changed and not self.gone:
            return f"{self.target}: others changed other rows of it since, which would be lost"
        rows = max(self.changed, self.gone)
        shown = "; ".join(", ".join(f"{name} = {value}" for name, value in key.items()) for key in self.keys)
        more = f": {shown}{' ...' if rows > len(self.keys) else ''}" if shown else ""
        return f"{self.target}: {rows:,} rows were changed or deleted by others since{more}"

    def to_json(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "changed": self.changed,
            "gone": self.gone,
            "elsewhere": self.elsewhere,
            "keys": list(self.keys),
        }


class Undoing:
    """One delivery to be taken back; a child table's shares its parent's session. Not thread-safe."""

    def __init__(self, destination: Destination, job: Job, temp: Path, *, session: Session | None = None) -> None:
        """`temp` = a folder to spill into."""
        self.job = job
        self.label = destination.label(job.target)
        self._destination = destination
        self._temp = temp
        self.joined = session is not None
        """Whether the parent's `undo` takes this back too."""
        self._session = session or destination.session(job)

    def __enter__(self) -> Undoing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def child(self, job: Job) -> Undoing | None:
        """A child table in the same transaction; None where the destination has none."""
        session = self._session.child(job, self._destination.label(job.target))
        return None if session is None else Undoing(self._destination, job, self._temp, session=session)

    def open(self) -> None:
        """Lock the target. Raises RefusedError where it is gone."""
        DEFAULT_RETRY.call(self._session.open)

    def look(self, sent: Callable[[], Iterable[pa.Table]]) -> Conflicts:
        """Compare the target with the rows `sent` (at least the job's columns), inside the transaction that `undo` ends.

        Raises RefusedError where this delivery can't be taken back, with the reason.
        """
        every = [column.name for column in self.job.columns]
        found = self._session.written(lambda: (table.select(every) for table in sent()))
        if found.untouched:
            return Conflicts(target=self.label)
        columns = [(column.name, column.type) for column in self.job.compared]
        names = [name for name, _ in columns]
        with RowSets(columns, self.job.key, self._temp) as rows:
            rows.take("wanted", (table.select(names) for table in sent()))
            rows.take("found", (table.select(names) for table in found.rows))
            changed, keys = rows.surplus("found", "wanted")
            missing = max(0, found.expected - rows.count("found"))
            if found.all_sent:
                missing, lost = rows.surplus("wanted", "found")
                keys += [key for key in lost if key not in keys]
            elif missing:
                keys += self._session.gone()
        return Conflicts(
            target=self.label,
            changed=changed,
            gone=missing,
            keys=tuple(keys[:SHOWN]),
            elsewhere=found.untouched is False,
        )

    def undo(self) -> Undone:
        """The state before the delivery, and that of its children, committed."""
        return self._session.undo()
