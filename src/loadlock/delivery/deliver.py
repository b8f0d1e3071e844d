"""The driver of one delivery: fit, send, sort out refused rows, publish, read back. The same for every destination.

    with Delivery(destination, job) as delivery:
        delivery.open()
        delivery.load(parts, done)
        delivery.publish()
        receipt = delivery.verify()

Nothing is published before `publish`; leaving the block closes the session, and what was not published is undone (a
staging table with receipts stays for a resumed run). Not thread-safe; fitting and hashing run in a thread of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from loadlock import rows as names
from loadlock.delivery.ahead import ahead
from loadlock.delivery.base import Destination, Job, Opened, Published, Session
from loadlock.delivery.chunks import CHUNK_ROWS, Piece, cut, name_chunk
from loadlock.delivery.digests import Digests
from loadlock.delivery.fit import check_settings, misfits
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.refusals import RefusedRow, publish_hint, text_of
from loadlock.delivery.retry import LostTransactionError, RetryPolicy
from loadlock.delivery.sifting import Sifter
from loadlock.digest import MODULUS, to_hex
from loadlock.errors import RefusedError, RowsRefusedError, StoppedError, UnavailableError
from loadlock.model import Chunk, Problem, Receipt, VerifyLevel, WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

BATCH = "_batch"
DEFAULT_RETRY = RetryPolicy()
LEVELS = (VerifyLevel.NONE, VerifyLevel.COUNT, VerifyLevel.KEYS, VerifyLevel.CONTENT)
PROVED = Session.proof
NARROW = "compared in the key and the columns named by `update`: the others of known rows are not this batch's"


@dataclass(frozen=True, kw_only=True)
class _Prepared:
    """A chunk ready to be sent; `unfit` = rows that the target can't hold, each with its problems."""

    chunk: Chunk
    rows: pa.Table
    unfit: tuple[tuple[pa.Table, tuple[Problem, ...]], ...]


class Delivery:
    """One job's way to one destination. Create it, use it as a context manager, call its methods in the order above."""

    def __init__(
        self,
        destination: Destination,
        job: Job,
        *,
        retry: RetryPolicy = DEFAULT_RETRY,
        on_rows: Callable[[int], None] | None = None,
        refused_limit: int | None = None,
        chunk_rows: int = CHUNK_ROWS,
        session: Session | None = None,
    ) -> None:
        """`on_rows` hears of each number of rows sent; more than `refused_limit` refused rows raise StoppedError.

        `session` = the one that a parent's session made for a child table.
        """
        self.destination = destination
        self.job = job
        self.refused: list[RefusedRow] = []
        self.rows_sent = 0
        self.opened: Opened | None = None
        self.published: Published | None = None
        self._retry = retry
        self._on_rows = on_rows
        self._refused_limit = refused_limit
        self._chunk_rows = chunk_rows
        self._session: Session = session or destination.session(job)
        self._digest = 0
        self._by_file: Counter[int] = Counter()
        self._left: tuple[int, int] | None = None
        """Rows that an insert only left out, and their digest, once `left` was taken."""
        self._sifter = Sifter(way=self, session=self._session)
        self._digests = Digests(job.columns)
        self._compared = self._digests if job.compared == job.columns else Digests(job.compared)
        """Of the columns that are read back; `_digest_compared` sums them up where they are not all."""
        self._digest_compared: int | None = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def delivered_digest(self) -> str:
        """Digest of the rows sent and kept, 32 hex digits."""
        return to_hex(self._digest)

    @property
    def counts_by_file(self) -> dict[int, int]:
        """`_file` → rows sent and kept."""
        return dict(sorted(self._by_file.items()))

    def open(self) -> Opened:
        """Lock and check the target. `Opened.published` is set when this delivery was published before: then `load` and
        `publish` need not be called, and `verify` compares with the digest of the control row."""
        check_settings(self.job)
        self.opened = self._retry.call(self._session.open)
        if self.opened.published is not None:
            self.recall(self.opened.published)
        return self.opened

    def load(
        self,
        parts: Iterable[tuple[int, pa.Table]],
        done: Callable[[Chunk], None],
        *,
        digests: Mapping[int, int] | None = None,
    ) -> None:
        """Send all parts: (seq, table) with the job's columns by name, `_file`, `_row` and `_sub`.

        `digests` are those of parts (by seq) that the caller knows already, over the job's columns, or will when the part
        comes; the others are computed.
        `done` is called when a chunk is wholly with the destination or known to be there; in a direct load that means
        inside the open transaction. Rows that can't be delivered are added to `refused`. Raises LostTransactionError
        when a direct load must begin anew with a new Delivery.
        """
        opened = self._opened()
        self._retry.call(self._session.begin)
        known = {} if digests is None else digests
        slices = (
            (seq, index, rows, known.get(seq) if rows.num_rows == part.num_rows else None)
            for seq, part in parts
            for index, rows in enumerate(cut(part, self._chunk_rows))
        )
        prepared = ahead(slices, lambda piece: self._prepare(opened, *piece))
        with closing(prepared):
            for chunk in prepared:
                self._load_chunk(opened, chunk, done)
                # one less in memory while the next part is read
                del chunk
        self.rows_sent += self.job.spared.rows
        self._digest = (self._digest + self.job.spared.digest) % MODULUS
        self._by_file.update(self.job.spared.by_file)

    def child(self, job: Job, *, refused_limit: int | None = None) -> Delivery | None:
        """The delivery of a child table, in one transaction with this one; None where the destination has none.

        Open it before this one's `load`, load it after that, then `pledge`, then publish this one, then the child.
        """
        session = self._session.child(job, self.destination.label(job.target))
        if session is None:
            return None
        return Delivery(
            self.destination,
            job,
            retry=self._retry,
            refused_limit=refused_limit,
            chunk_rows=self._chunk_rows,
            session=session,
        )

    def pledge(self) -> None:
        """For a child's delivery: all is sent; the parent's publish may publish it."""
        self._session.pledge(rows=self.rows_sent, digest=self.delivered_digest)

    def foresee(self) -> Foreseen:
        """What `publish` would do with the rows sent; changes nothing."""
        return self._retry.call(lambda: self._session.foresee(self.rows_sent))

    def publish(self) -> Published:
        """Make the rows visible in one step. Again after a lost answer: the control row decides."""
        self._opened()
        try:
            self.published = self._retry.call(
                lambda: self._session.publish(rows=self.rows_sent, digest=self.delivered_digest)
            )
        except RowsRefusedError as error:
            raise RefusedError(
                f"the publish was refused, nothing was published: {error}",
                hint=publish_hint(error.refusal),
            ) from error
        return self.published

    def left(self) -> Iterator[pa.Table]:
        """The keys of the rows that an insert only left out, since they were in the target. Take it to its end."""
        published = self.published
        if self.job.mode != WriteMode.INSERT_ONLY or published is None or not published.unchanged:
            return
        tables = self._session.left(self.job.columns)
        if tables is None:
            return
        count = digest = 0
        for table in tables:
            count, digest = count + table.num_rows, digest + self._digests.of(table)
            yield table.select(list(self.job.key))
        self._left = (count, digest)

    def _landed(self, published: Published) -> tuple[int, int] | None:
        """Rows that lie in the target as they were sent, and their digest; None where it isn't known which they are."""
        if self._compared is not self._digests:
            return None if self._digest_compared is None else (self.rows_sent, self._digest_compared)
        if self.job.mode != WriteMode.INSERT_ONLY or not published.unchanged:
            return self.rows_sent, self._digest
        if self._left is None:
            for _ in self.left():
                pass
        if self._left is None:
            return None
        return self.rows_sent - self._left[0], (self._digest - self._left[1]) % MODULUS

    def verify(self) -> Receipt:
        """Read the delivery's rows back and compare them with what was sent. The Receipt says at which level."""
        published = self.published
        if published is None:
            raise StoppedError("nothing is published, so there is nothing to verify")
        spared = self.job.spared
        if self._session.proved() == self.rows_sent - spared.rows:
            landed = published.inserted if self.job.mode == WriteMode.INSERT_ONLY else self.rows_sent
            return self._receipt(published, VerifyLevel.CONTENT, True, landed, (*published.notes, self._session.proof))
        level, tables = self._session.read_back(self.job.compared)
        if level == VerifyLevel.COUNT:
            found = self._count_back(tables)
        else:
            rows, digest = self._digest_back(tables)
            found = (rows + spared.rows, (digest + spared.digest) % MODULUS)
        wanted = self._landed(published)
        if wanted is None:
            rows = published.inserted if self.job.mode == WriteMode.INSERT_ONLY else self.rows_sent
            return self._judged(published, min(level, VerifyLevel.KEYS, key=LEVELS.index), found, (rows, 0))
        return self._judged(published, level, found, wanted)

    def verify_again(self, sent: Callable[[], Iterable[pa.Table]], keep: Callable[[pa.Table], pa.Table]) -> Receipt:
        """Read back what an earlier session published, after `recall`. `sent` gives the delivered rows once more (at least
        the job's columns); rows that `keep` leaves out are not compared, on neither side."""
        published = self.published
        if published is None:
            raise StoppedError("nothing is published, so there is nothing to verify")
        columns = [column.name for column in self.job.compared]
        if self.job.key and not self.job.stamped:
            every = [column.name for column in self.job.columns]
            self._session.recognise(table.select(every) for table in sent())
        level, tables = self._session.read_back(self.job.compared)
        if level == VerifyLevel.COUNT:
            return self._judged(published, level, self._count_back(tables), (self.rows_sent, self._digest))
        found = self._digest_back(map(keep, tables))
        rows, digest = self._digest_back(keep(table.select(columns)) for table in sent())
        everything = rows == self.rows_sent and self._compared is self._digests
        return self._judged(published, level, found, (rows, self._digest if everything else digest))

    def unread(self) -> Receipt:
        """The receipt of a publish whose rows can't be looked for any more."""
        assert self.published is not None, "nothing is published"
        return self._receipt(self.published, VerifyLevel.NONE, None, 0, ())

    def _judged(
        self, published: Published, level: VerifyLevel, found: tuple[int, int], wanted: tuple[int, int]
    ) -> Receipt:
        """The receipt for rows and digest found against those wanted."""
        notes = published.notes
        if level == VerifyLevel.CONTENT:
            equal = found == wanted
        else:
            equal = found[0] >= wanted[0] if level == VerifyLevel.COUNT else found[0] == wanted[0]
            notes = (
                *notes,
                f"compared at the level {level}: the rows of this batch can't be told apart by their content",
            )
        return self._receipt(published, level, equal, found[0], notes)

    def abandon(self) -> None:
        """Drop what an unpublished delivery left in the destination, for good."""
        self._session.abandon()

    def close(self) -> None:
        """Release lock and connection."""
        self._session.close()
        self._digests.close()
        self._compared.close()

    def _opened(self) -> Opened:
        if self.opened is None:
            raise StoppedError("the delivery is not open")
        return self.opened

    def recall(self, published: Published) -> None:
        """Take an earlier publish as this delivery's, so that `verify` can be called without `load` and `publish`."""
        self.published = published
        self._by_file = Counter({file: sum(counts) for file, counts in published.by_file.items()})
        self.rows_sent = published.inserted + published.updated + published.unchanged
        digest = published.digest
        if digest is None:
            row = self.destination.last_delivery(self.job.target)
            digest = row["digest"] if row is not None and row["delivery_id"] == self.job.delivery_id else "0"
        self._digest, self._digest_compared = int(digest, 16), None

    def _prepare(self, opened: Opened, seq: int, index: int, rows: pa.Table, digest: int | None) -> _Prepared:
        """Part the rows that fit from those that don't, and name the chunk. Runs in the thread that works ahead."""
        import numpy as np
        import pyarrow as pa

        key = self.job.key if self.job.mode.by_key else ()
        found: dict[int, list[Problem]] = {}
        for misfit in misfits(rows, self.job.columns, opened.table, key):
            found.setdefault(misfit.index, []).append(misfit.problem)
        unfit = tuple((rows.slice(row, 1), tuple(problems)) for row, problems in found.items())
        if found:
            mask = np.ones(rows.num_rows, bool)
            mask[list(found)] = False
            rows, digest = rows.filter(pa.array(mask)), None
        if digest is None:
            digest = self._digests.of(rows) if rows.num_rows else 0
        chunk = self._named(name_chunk(self.job.delivery_id, seq, index, rows.num_rows, digest))
        return _Prepared(chunk=chunk, rows=rows, unfit=unfit)

    def _named(self, chunk: Chunk) -> Chunk:
        return chunk

    def _load_chunk(self, opened: Opened, prepared: _Prepared, done: Callable[[Chunk], None]) -> None:
        for row, problems in prepared.unfit:
            self.refuse(row, problems)
        chunk, rows = prepared.chunk, prepared.rows
        if not chunk.rows:
            return
        if chunk.id in opened.loaded:
            self._count(rows, chunk.digest)
        else:
            self._send_chunk(opened, chunk, rows)
        done(chunk)

    def _send_chunk(self, opened: Opened, chunk: Chunk, rows: pa.Table) -> None:
        """Send a chunk until each refused row is alone; the digest counts only what was kept."""
        import pyarrow as pa

        loaded = Piece.loaded(chunk, opened.loaded)
        for known in loaded:
            self._count(rows.slice(known.first, known.rows), 0)
        refused = self._sifter.send(chunk, rows, loaded)
        self._digest += chunk.digest
        if refused:
            self._digest -= self._digests.of(pa.concat_tables(refused))
        self._digest %= MODULUS

    def send(self, chunk: Chunk, rows: pa.Table) -> None:
        """See `sifting.Way`."""
        self.ask(lambda payload: self._session.load(chunk, payload), rows)

    def took(self, rows: pa.Table) -> None:
        """See `sifting.Way`."""
        self._count(rows, 0)

    def ask(self, question: Callable[[pa.Table], T], rows: pa.Table) -> T:
        """See `sifting.Way`. A direct load can't be tried again: LostTransactionError."""
        payload = self._payload(rows)
        if self._opened().staged:
            return self._retry.call(lambda: question(payload))
        try:
            return question(payload)
        except LostTransactionError:
            raise
        except UnavailableError as error:
            raise LostTransactionError(str(error), wait_seconds=error.wait_seconds, hint=error.hint) from error

    def _payload(self, rows: pa.Table) -> pa.Table:
        """The table a session takes: the job's columns, lineage, `_file`."""
        import pyarrow as pa

        arrays = {column.name: rows[column.name] for column in self.job.columns}
        if self.job.lineage:
            arrays[BATCH] = pa.repeat(pa.scalar(self.job.batch, pa.string()), rows.num_rows)
            arrays[names.ROW] = rows[names.ROW].cast(pa.int64())
        arrays[names.FILE] = rows[names.FILE].cast(pa.int32())
        return pa.table(arrays)

    def refuse(self, row: pa.Table, problems: tuple[Problem, ...]) -> None:
        """Count a row (a table of one, with the identity columns) as refused; it must not be sent."""
        place = {name: row[name][0].as_py() for name in names.IDENTITY if name in row.column_names}
        self.refused.append(
            RefusedRow(
                file=place[names.FILE],
                row=place[names.ROW],
                sub=place.get(names.SUB, 0),
                problems=problems,
                values={column.name: text_of(row[column.name]) for column in self.job.columns},
            )
        )
        if self._refused_limit is not None and len(self.refused) > self._refused_limit:
            raise StoppedError(
                f"the destination refused more than {self._refused_limit:,} rows; the last: {problems[0].message}",
                hint="Look at the rejects of the stage delivery, or raise the budget.",
            )

    def _count(self, rows: pa.Table, digest: int) -> None:
        import pyarrow.compute as pc

        self.rows_sent += rows.num_rows
        self._digest = (self._digest + digest) % MODULUS
        if self._compared is not self._digests and self._digest_compared is not None:
            self._digest_compared = (self._digest_compared + self._compared.of(rows)) % MODULUS
        for entry in pc.value_counts(rows[names.FILE]).to_pylist():
            self._by_file[entry["values"]] += entry["counts"]
        if self._on_rows is not None:
            self._on_rows(rows.num_rows)

    def _digest_back(self, tables: Iterator[pa.Table]) -> tuple[int, int]:
        count = digest = 0
        with closing(ahead(tables, self._counted)) as found:
            for rows, part in found:
                count, digest = count + rows, digest + part
        return count, digest % MODULUS

    def _counted(self, table: pa.Table) -> tuple[int, int]:
        """Rows and digest of a table read back; 0 for one with JSON that others have made invalid."""
        try:
            return table.num_rows, self._compared.of(table)
        except ValueError:
            return table.num_rows, 0

    def _count_back(self, tables: Iterator[pa.Table]) -> tuple[int, int]:
        return sum(value for table in tables for value in table["count"].to_pylist()), 0

    def _receipt(
        self, published: Published, level: VerifyLevel, equal: bool | None, count: int, notes: tuple[str, ...]
    ) -> Receipt:
        return Receipt(
            destination=self.destination.name,
            target=self.destination.label(self.job.target),
            mode=self.job.mode,
            rows=self.rows_sent,
            inserted=published.inserted,
            updated=published.updated,
            unchanged=published.unchanged,
            deleted=published.deleted,
            rejected=len(self.refused),
            digest=self.delivered_digest,
            level=level,
            equal=equal,
            read_back=count,
            notes=(*notes, *self.job.spared.notes, *(() if self._compared is self._digests else (NARROW,))),
        )
