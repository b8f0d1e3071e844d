"""One delivery divided among several spreadsheets, by the hash of each row's key.

All parts are staged and read back first, then published one after the other. Each spreadsheet changes at once, the set does
not: every mark says which part of how many it is, and a run that was cut off between two parts goes on with the next.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import reduce
from itertools import chain
from operator import add
from typing import TYPE_CHECKING

from loadlock.delivery.base import (
    DeliveryColumn,
    Job,
    Opened,
    Published,
    Session,
    Undone,
    UndoneError,
    Written,
)
from loadlock.delivery.destinations._sheets_back import BatchKeys
from loadlock.delivery.destinations._sheets_session import PROOF, SheetsSession
from loadlock.delivery.destinations._sheets_survey import table_keys
from loadlock.delivery.foreseen import Foreseen
from loadlock.errors import BalanceError, RefusedError, UnavailableError, UsageError
from loadlock.model import Chunk, VerifyLevel, WriteMode

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


def check_partition(job: Job) -> None:
    """Raise UsageError for a job that can't be divided."""
    if not job.key:
        raise UsageError(
            "`partition` needs a key", hint="Name by `key:` the columns whose values decide where a row goes."
        )
    if job.mode == WriteMode.MIRROR:
        raise UsageError(
            "a mirror can't be divided among spreadsheets: they are published one after the other, and where the second is"
            " stopped because too much would go from it, the first would be a mirror already",
            hint="Use mode replace, which takes all rows away too, or upsert, which takes none.",
        )


class PartitionedSession(Session):
    """See `loadlock.delivery.base.Session`."""

    proof = PROOF

    def __init__(self, job: Job, parts: Sequence[SheetsSession], label: str) -> None:
        self._job = job
        self._parts = parts
        self._label = label
        self._done: dict[int, Published] = {}
        """Parts that are published, by their place."""
        self._undone: dict[int, UndoneError] = {}
        """Parts that a rollback has taken back which was cut off before it came to the others."""

    def open(self) -> Opened:
        opened = dict(self._opened())
        self._done = {place: found.published for place, found in opened.items() if found.published is not None}
        if self._job.mode != WriteMode.REPLACE:
            self._check_rule()
        left = [found.loaded for place, found in opened.items() if place not in self._done]
        whole = self._sum() if not left and not self._undone else None
        return Opened(
            table=next(iter(opened.values())).table,
            created=any(found.created for found in opened.values()),
            staged=True,
            loaded=frozenset.intersection(*left) if left else frozenset(),
            published=whole,
            notes=tuple(note for found in opened.values() for note in found.notes),
        )

    def _opened(self) -> Iterator[tuple[int, Opened]]:
        """The parts that were not taken back before. Raises UndoneError where all were."""
        self._undone = {}
        for place, part in enumerate(self._parts):
            try:
                yield place, part.open()
            except UndoneError as error:
                self._undone[place] = error
        if len(self._undone) == len(self._parts):
            raise self._undone[0]

    def _check_rule(self) -> None:
        """Rows that are there must be where their keys say."""
        for place, part in enumerate(self._parts):
            before = None if place in self._undone else part.manifest_before()
            if before is not None and before["of"] != len(self._parts):
                raise RefusedError(
                    f"{self._label}: the rows there are divided among {before['of']} spreadsheets, not {len(self._parts)}",
                    hint="Name the same spreadsheets in the same order, or deliver everything anew by mode replace.",
                )

    def _sum(self) -> Published:
        found = list(self._done.values())
        by_file: dict[int, tuple[int, int, int]] = {}
        for published in found:
            for file, counts in published.by_file.items():
                before = by_file.get(file, (0, 0, 0))
                by_file[file] = (before[0] + counts[0], before[1] + counts[1], before[2] + counts[2])
        return Published(
            inserted=sum(one.inserted for one in found),
            updated=sum(one.updated for one in found),
            unchanged=sum(one.unchanged for one in found),
            deleted=sum(one.deleted for one in found),
            by_file=by_file,
            notes=(*found[0].notes, f"divided among {len(found)} spreadsheets"),
            digest=found[0].digest,
        )

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        import pyarrow as pa

        places = self._places(rows)
        for place, part in self._waiting():
            mine = rows.filter(pa.array(places == place))
            if mine.num_rows:
                part.load(chunk, mine)

    def _waiting(self) -> list[tuple[int, SheetsSession]]:
        for error in self._undone.values():
            raise error
        return [(place, part) for place, part in enumerate(self._parts) if place not in self._done]

    def _places(self, rows: pa.Table) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """The part of each row: the same for a key in every run."""
        import numpy as np

        keys = table_keys(rows, self._job.columns, self._job.key).to_pylist()
        count = len(self._parts)
        return np.fromiter((zlib.crc32((key or "").encode()) % count for key in keys), np.int64, len(keys))

    def foresee(self, rows: int) -> Foreseen:
        found = [part.foresee(rows) for part in self._parts]
        columns: dict[str, int] = {}
        for one in found:
            for name, count in one.columns.items():
                columns[name] = columns.get(name, 0) + count
        return Foreseen(
            inserted=sum(one.inserted for one in found),
            updated=sum(one.updated for one in found),
            unchanged=sum(one.unchanged for one in found),
            deleted=sum(one.deleted for one in found),
            rows_before=sum(one.rows_before or 0 for one in found),
            columns=columns,
            samples=found[0].samples,
            stop=next((one.stop for one in found if one.stop is not None), None),
        )

    def publish(self, *, rows: int, digest: str) -> Published:
        staged = [part.rows_staged for part in self._parts]
        if sum(staged) != rows:
            raise BalanceError(f"{self._label}: {rows:,} rows were sent, {sum(staged):,} arrived")
        for place, part in self._waiting():
            self._done[place] = part.publish(rows=staged[place], digest=digest)
        return self._sum()

    def left(self, columns: Sequence[DeliveryColumn]) -> Iterator[pa.Table] | None:
        found = [part.left(columns) for part in self._parts]
        return None if None in found else chain.from_iterable(tables for tables in found if tables is not None)

    def proved(self) -> int | None:
        counts = [part.proved() for part in self._parts]
        return None if None in counts else sum(count or 0 for count in counts)

    def recognise(self, rows: Iterable[pa.Table]) -> bool:
        if not self._job.mode.by_key:
            return False
        keys = BatchKeys.of(rows, self._job.columns, self._job.key)
        for part in self._parts:
            part.recognise_keys(keys)
        return True

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        import pyarrow as pa

        found = [part.read_back(columns) for part in self._parts]
        if all(level == VerifyLevel.CONTENT for level, _ in found):
            return VerifyLevel.CONTENT, chain.from_iterable(tables for _, tables in found)
        counts = [
            sum(table.num_rows if level == VerifyLevel.CONTENT else table["count"][0].as_py() for table in tables)
            for level, tables in found
        ]
        return VerifyLevel.COUNT, iter([pa.table({"count": pa.array([sum(counts)], pa.int64())})])

    def written(self, sent: Callable[[], Iterable[pa.Table]]) -> Written:
        found = list(self._written(sent))
        before = sum(rows.num_rows for rows in self._of_undone(sent))
        return Written(
            expected=sum(one.expected for one in found) + before,
            rows=chain(self._of_undone(sent), chain.from_iterable(_not_late(one.rows) for one in found)),
            all_sent=all(one.all_sent for one in found),
            untouched=True if all(one.untouched for one in found) else None,
        )

    def _written(self, sent: Callable[[], Iterable[pa.Table]]) -> Iterator[Written]:
        """Of the parts that are not taken back yet: the request that did it may have come late."""
        for place, part in enumerate(self._parts):
            if place not in self._undone:
                try:
                    yield part.written(sent)
                except UndoneError as error:
                    self._undone[place] = error
        if len(self._undone) == len(self._parts):
            raise self._undone[0]

    def _of_undone(self, sent: Callable[[], Iterable[pa.Table]]) -> Iterator[pa.Table]:
        """The rows of parts that were taken back before: nobody needs to look for them again."""
        import numpy as np
        import pyarrow as pa

        for rows in sent() if self._undone else ():
            yield rows.filter(pa.array(np.isin(self._places(rows), list(self._undone))))

    def undo(self) -> Undone:
        undone = []
        for place, part in enumerate(self._parts):
            if place in self._undone:
                continue
            try:
                undone.append(part.undo())
            except UndoneError:
                continue
        return reduce(add, undone, Undone())

    def sweep(self, *, keep: int, ended: Collection[str], dry_run: bool) -> list[str]:
        return [name for part in self._parts for name in part.sweep(keep=keep, ended=ended, dry_run=dry_run)]

    def abandon(self) -> None:
        for part in self._parts:
            part.abandon()

    def close(self) -> None:
        for part in self._parts:
            part.close()


def _not_late(rows: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The rows of one part; what a late request does to it meanwhile is no end of the whole."""
    try:
        yield from rows
    except UndoneError as error:
        raise UnavailableError("a request without an answer was carried out late", wait_seconds=0.0) from error
