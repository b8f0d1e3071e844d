"""Taking a delivery back: are its rows still as it left them, and if so, the state before it again, in one transaction.

    with Undoing(destination, job) as undoing:
        undoing.open()
        conflicts = undoing.look(sent)      # rows that others changed since
        undone = undoing.undo()             # or leave: then nothing was changed

Rows are compared by the 128-bit hashes that make up the digest, here, not in the database: what is equal here was equal when
it was delivered. Memory is bounded, DuckDB spills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Destination, Job, Session, Undone
from loadlock.delivery.deliver import DEFAULT_RETRY
from loadlock.delivery.undo_sql import SHOWN
from loadlock.digest import digest_input, row_hash_sql
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY_LIMIT = "200MB"
Key = dict[str, str | None]


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
        names = [column.name for column in self.job.columns]
        found = self._session.written(lambda: (table.select(names) for table in sent()))
        if found.untouched:
            return Conflicts(target=self.label)
        columns = [(column.name, column.type) for column in self.job.columns]
        with _Rows(columns, self.job.key, self._temp) as rows:
            rows.take("wanted", (table.select(names) for table in sent()))
            rows.take("found", found.rows)
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


class _Rows:
    """Hashes and keys of rows, in a DuckDB of its own."""

    def __init__(self, columns: Sequence[tuple[str, ColumnType]], key: Sequence[str], temp: Path) -> None:
        import duckdb

        self._columns = columns
        names = [name for name, _ in columns]
        self._key = [(name, f"c{names.index(name)}") for name in key if name in names]
        self._connection = duckdb.connect(config={"threads": "1", "memory_limit": MEMORY_LIMIT})
        self._connection.execute(f"set temp_directory = '{str(temp).replace(chr(39), chr(39) * 2)}'").fetchall()
        self._connection.execute("set timezone = 'UTC'").fetchall()
        shown = ", ".join(f"k{number} varchar" for number in range(len(self._key)))
        for name in ("wanted", "found"):
            self._connection.execute(f"create table {name} (h uhugeint{', ' + shown if shown else ''})").fetchall()

    def __enter__(self) -> _Rows:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    def take(self, name: str, tables: Iterable[pa.Table]) -> None:
        row_hash = row_hash_sql(self._columns, values=[f"c{number}" for number in range(len(self._columns))])
        keys = "".join(f", {column}::varchar" for _, column in self._key)
        for table in tables:
            if not table.num_rows:
                continue
            self._connection.register("part", digest_input(table, self._columns))
            self._connection.execute(f"insert into {name} select {row_hash}{keys} from part").fetchall()
            self._connection.unregister("part")

    def count(self, name: str) -> int:
        return int(self._connection.execute(f"select count(*) from {name}").fetchall()[0][0])

    def surplus(self, left: str, right: str) -> tuple[int, list[Key]]:
        """Rows that stand in `left` more often than in `right`: how many, and the keys of some."""
        keys = "".join(f", k{number}" for number in range(len(self._key)))
        rows = (
            f"from (select *, row_number() over (partition by h) as nth from {left}) l"
            f" left join (select h, count(*) as times from {right} group by h) r using (h)"
            " where l.nth > coalesce(r.times, 0)"
        )
        number = int(self._connection.execute(f"select count(*) {rows}").fetchall()[0][0])
        if not number or not self._key:
            return number, []
        some = self._connection.execute(f"select {keys[2:]} {rows} order by all limit {SHOWN}").fetchall()
        return number, [dict(zip((name for name, _ in self._key), row, strict=True)) for row in some]
