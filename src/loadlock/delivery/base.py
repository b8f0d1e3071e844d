"""The contract of a destination: `open` → `load`* → `publish` → `read_back` → `close`.

A `Destination` makes a `Session` for one job. All methods block. Errors are instructions (`loadlock.errors.DeliveryError`):
UnavailableError = wait and call again; RowsRefusedError = nothing of this chunk was kept, halve it; RefusedError = stop.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from loadlock.delivery.clashes import Clash
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.spared import NONE_SPARED, Spared
from loadlock.errors import Refusal, RefusedError
from loadlock.model import Chunk, Validity, VerifyLevel, WriteMode
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

CONTROL_TABLE = "loadlock_deliveries"
"""In the destination: one row a published delivery, written in the publishing transaction."""
CHUNK_TABLE = "loadlock_chunks"
"""In the destination: one row a chunk loaded into a staging table, in the chunk's transaction; pruned at publish."""

EVERY_ROW = ("*",)
"""`Job.update` of an upsert that writes every row whose key is known."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a destination can do, as data: the contract suite and the workflow read it, no if-chains."""

    modes: frozenset[WriteMode]
    transactions: bool = True
    """Rows and receipt commit together."""
    transactional_ddl: bool = False
    early: bool = False
    """A load may begin before the batch is judged: nothing of it remains when it is given up, and a staging table gives back rows
    (`Session.take_back`)."""
    empties_last: bool = False
    """A replace may load beside the old rows (`Job.empties_last`)."""
    nulls: bool = True
    """Null and empty text are told apart on reading back."""
    joint_children: bool = False
    """Child tables are published in one transaction with their parents, and can be upserted with them."""
    row_limit: bool = False
    """So many rows may be too many: `Job.rows` is wanted before anything is sent."""
    concurrent_readers: bool = True
    foresees: bool = False
    """Can play a delivery through and say what it would change (`Job.trial`, `Session.foresee`)."""
    hooks: bool = False
    """Runs the SQL statements `before` and `after` in the publishing transaction."""
    retires: bool = False
    """Deletes the rows of `Job.retired`."""
    chooses_updates: bool = False
    """An upsert can be told which rows and columns to write (`Job.update`)."""
    spares: bool = False
    """Knows which rows nobody has written since an earlier upsert (`Session.untouched`): those need not be sent again."""
    undoes: frozenset[WriteMode] = frozenset()
    """Modes whose deliveries can be taken back (`undo.py`)."""
    name_bytes: int | None = None
    """Longest identifier in bytes, None = no limit."""
    text_chars: int | None = None
    """Longest text in characters, None = no limit."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a destination delivers, from the pipeline. `url` may hold a secret: never print it, use `label`."""

    url: str
    table: str | None = None
    """`schema.table`, parts quoted as in SQL; None for files."""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class DeliveryColumn:
    """One column as delivered: the clean column's name and type under the destination's name."""

    name: str
    type: ColumnType
    key: bool = False
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class ColumnInfo:
    """What is known of a column of an existing target, in terms of what fits.

    None = no limit known. `sql_type` is the destination's own name of the type, for messages and casts.
    """

    name: str
    sql_type: str
    nullable: bool = True
    has_default: bool = False
    generated: bool = False
    """The database computes it: it can't be written."""
    max_chars: int | None = None
    max_bytes: int | None = None
    integer_range: tuple[int, int] | None = None
    precision: int | None = None
    scale: int | None = None
    date_range: tuple[str, str] | None = None
    """ISO dates, both inclusive."""
    forbids: str = ""
    """`nul`: no NUL character; `4byte`: no character beyond the BMP; space-separated."""
    accepts: tuple[str, ...] | None = None
    """Kinds of `ColumnType` that this column can hold without loss; None = any (text columns hold all)."""


@dataclass(frozen=True, kw_only=True)
class TableInfo:
    """An existing target: its columns, the column sets with a unique index, whether it is known to hold no row."""

    columns: tuple[ColumnInfo, ...]
    unique: tuple[tuple[str, ...], ...] = ()
    is_empty: bool = False

    def column(self, name: str) -> ColumnInfo | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One delivery of one run to one destination."""

    run: str
    batch: str
    pipeline: str
    target: Target
    columns: tuple[DeliveryColumn, ...]
    mode: WriteMode
    rows: int | None = None
    """How many rows will be sent at most, where that is known before: to refuse beforehand what can't fit."""
    key: tuple[str, ...] = ()
    create: bool = True
    """Create the target from the columns if it is absent."""
    parent_key: tuple[str, ...] = ()
    """For a child table of an upsert: its columns that name the parent. The children of the batch's parents are replaced."""
    evolve: str = "none"
    """`columns`: add those that the target lacks; `types`: also widen types to the declared ones (`evolve.py`)."""
    trial: bool = False
    """Only play the delivery through, for a plan: `open`, `load`, `foresee`, `close`. Others see nothing of it."""
    max_delete_percent: float | None = None
    """A mirror that would delete more of the target's rows, or all of them for an empty batch, stops; None: nothing does."""
    update: tuple[str, ...] | None = None
    """An upsert: `("*",)` writes all rows whose key is known, names write these columns alone; None: all of rows that differ."""
    validity: Validity | None = None
    """Mode scd2: always set."""
    lineage: bool = False
    """Add `_batch` and `_row`; the tables given to `load` then hold them."""
    joins: bool = False
    """Earlier runs of the batch have rows in the target, which `_batch` doesn't tell from these."""
    wait_seconds: float = 0.0
    """How long to wait for the lock of the target."""
    undo: int = 0
    """Of how many batches what is needed to take them back is kept, this one included; 0 = none."""
    undo_asked: bool = False
    """The pipeline asks for `undo` in so many words: where it can't be had, the delivery is refused."""

    before: tuple[str, ...] = ()
    """SQL statements in the publishing transaction, before the rows change; `after`: behind them."""
    after: tuple[str, ...] = ()
    analyze: bool = True
    """Make fresh statistics after the publish."""
    retired: pa.Table | None = field(default=None, compare=False, repr=False)
    """Key columns of rows that a corrected file's predecessor brought: deleted in the publishing transaction, first of all."""

    empties_last: bool = False
    """A replace during which the old rows are not locked while rows are sent. Refused where both can't be there at once."""
    spared: Spared = NONE_SPARED
    """Rows of this upsert that are not sent, since they lie in the target as they are delivered."""

    @property
    def delivery_id(self) -> str:
        """Names this delivery in the control table: the same when a run is resumed."""
        return f"{self.run}:{self.target.table or 'file'}"

    @property
    def stamped(self) -> bool:
        """Whether `_batch` tells this delivery's rows from all others; versions that stay keep the batch that opened them."""
        return self.lineage and self.validity is None and not self.joins

    @property
    def unique_key(self) -> tuple[str, ...]:
        """The columns that no two rows of the target share after this delivery; none where that isn't known."""
        if self.mode == WriteMode.DELETE_INSERT:
            return ()
        return self.key if self.validity is None else (*self.key, self.validity.since)

    @property
    def compared(self) -> tuple[DeliveryColumn, ...]:
        """The columns that are in the target as they were sent, in every row."""
        if self.mode != WriteMode.UPSERT or self.update in (None, EVERY_ROW):
            return self.columns
        written = {*self.key, *(self.update or ())}
        return tuple(column for column in self.columns if column.name in written)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What `open` found. `loaded` chunks need not be sent again; `published` is set when the control row is there."""

    table: TableInfo
    """Of the target as it is now (created if it was absent)."""
    created: bool
    staged: bool
    """True: chunks go to a staging table and survive a crash. False: one direct transaction, all or nothing."""
    loaded: frozenset[str] = frozenset()
    """Ids of chunks whose receipts exist (staged loads only)."""
    published: Published | None = None
    notes: tuple[str, ...] = ()
    """For people: which way was chosen and why."""
    changes: tuple[str, ...] = ()
    """What was changed of an existing target; in a trial, what would be. A trial leaves those columns out."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """Counts of rows of the publish, as the destination counted them."""

    inserted: int
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    by_file: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    """`_file` → (inserted, updated, unchanged); the sums are the totals above."""
    notes: tuple[str, ...] = ()
    digest: str | None = field(default=None, compare=False)
    """Of the rows delivered, where this was read from a control row."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """The rows of an earlier delivery as they are now: those it inserted or updated."""

    expected: int
    """How many it wrote."""
    rows: Iterator[pa.Table]
    """The job's columns; to be read to the end."""
    all_sent: bool
    """Whether it wrote every row that it was sent: an upsert leaves out those that were equal."""
    untouched: bool | None = None
    """Where the target as a whole can be told: whether it is as the delivery left it. None: the rows decide."""


@dataclass(frozen=True, kw_only=True)
class Undone:
    """What a rollback changed, in rows."""

    deleted: int = 0
    """Inserted by the delivery, now gone."""
    restored: int = 0
    """Updated by the delivery, now as before."""
    brought_back: int = 0
    """Deleted by the delivery, now there again."""

    def __add__(self, other: Undone) -> Undone:
        return Undone(
            deleted=self.deleted + other.deleted,
            restored=self.restored + other.restored,
            brought_back=self.brought_back + other.brought_back,
        )


class UndoneError(RefusedError):
    """This delivery was taken back before."""


class Session(Protocol):
    """One open delivery. Not thread-safe. Always closed, also after errors; `close` undoes what is not published
    (a staging table with receipts stays for `resume` unless `abandon` was called).

    A class that inherits from this one needs only the methods without a body here. Child tables share their parent's
    transaction where there is one:

        parent.open() → child.open() → parent.begin() → parent.load()* → child.load()* → child.pledge() →
        parent.publish() → child.publish(), which answers what the parent's publish did with it.
    """

    proof: ClassVar[str] = "every value proved by hashes that the server made of each column"
    """How `proved` proves, for people."""

    def open(self) -> Opened:
        """Lock the target, create control tables and target where absent, check the contract, find receipts.

        Raises LockedError (another run holds the target), RefusedError (rights, missing column, wrong type, with all
        findings in one message).
        """
        ...

    def child(self, job: Job, label: str) -> Session | None:
        """A session for a child table (`label` for people), published in one transaction with this one. None: this
        destination has no such transaction, and a child table is a delivery of its own."""
        return None

    def begin(self) -> None:
        """Empty what is replaced, child tables before their parents. After `open` of this session and of its children,
        before the first `load`; called again it does nothing."""
        return

    def load(self, chunk: Chunk, rows: pa.Table) -> None:
        """Send one chunk; `rows` has the job's columns in the job's order, in their Arrow types, then `_batch` (string)
        and `_row` (int64) with lineage, then always `_file` (int32): never delivered, for the counts by file.

        Sending a chunk again whose receipt exists changes nothing. After RowsRefusedError nothing of this chunk is
        kept and the session can go on (savepoints inside a direct transaction).
        """
        ...

    def take_back(self, chunk: Chunk, rows: pa.Table, by: Sequence[str]) -> None:
        """Of a staged load (`Capabilities.early`), after the last `load`: take these rows, sent before, out of the staging table,
        by columns that tell them apart, with a receipt of a negative number of rows. Again it changes nothing."""
        raise RefusedError("rows that were sent can't be taken back here")

    def clashes(self) -> Sequence[Clash]:
        """Of a staged load, when all is sent: the rows that the publish would be refused for."""
        return ()

    def settle(self, chunks: Sequence[Chunk]) -> None:
        """The receipts of a staged load are those of these chunks from now on: in them the rows lie that were sent."""
        return

    def untouched(self, run: str) -> int | None:
        """How many rows of the target nobody has written since that run's upsert and those it built on (`Job.spared`), by the
        destination's own marks; None where that can't be told."""
        return None

    def foretells(self) -> bool:
        """Whether `suspects` knows of rows that the publish will refuse though `load` takes them: then it is asked first."""
        return False

    def suspects(self, rows: pa.Table, refusal: Refusal | None) -> Sequence[int]:
        """Which rows of a chunk (as `load` takes it) the target is likely to refuse, by their indexes in order: those that
        break what rows before them broke. `refusal` = why `load` has refused it just now. Changes nothing, and may guess
        wrong in both directions; none: nothing is known."""
        return ()

    def tried(self, rows: pa.Table) -> list[Refusal | None] | None:
        """Why each of these rows would be refused if it were sent alone now (None: it would be taken); nothing is kept.
        None: that is not known without sending them."""
        return None

    def pledge(self, *, rows: int, digest: str) -> None:
        """For a child's session: what its publish is to be, carried out by the parent's publish."""
        return

    def foresee(self, rows: int) -> Foreseen:
        """What the publish of so many rows would do, after all are sent; changes nothing. Only where `Capabilities.foresees`."""
        raise RefusedError("this destination can't say what it would change")

    def publish(self, *, rows: int, digest: str) -> Published:
        """Make the new state visible in one transaction or atomic rename, with the control row. `rows` is the number
        the caller sent: a difference raises BalanceError and nothing is published. Called again after a lost answer,
        the control row is asked first."""
        ...

    def proved(self) -> int | None:
        """Rows of this session's publish that are proved to lie in the target exactly as sent, by means that are cheaper
        than reading them back (hashes made by the server). None = nothing is proved: `read_back` decides."""
        return None

    def recognise(self, rows: Iterable[pa.Table]) -> bool:
        """Take the rows of a delivery that another session published (the job's columns), so that `read_back` finds them by
        the job's key. False: they can't be found by it. Nothing of `rows` may be taken then."""
        return False

    def read_back(self, columns: Sequence[DeliveryColumn]) -> tuple[VerifyLevel, Iterator[pa.Table]]:
        """The batch's rows as they are now in the target, as tables of the columns' Arrow types, streaming.

        The level says what the rows can prove: CONTENT (these are exactly the batch's rows), KEYS, or COUNT (one table
        with a column `count`) where the batch's rows can't be told apart.
        """
        ...

    def written(self, sent: Callable[[], Iterable[pa.Table]]) -> Written:
        """For a rollback, after `open` found the earlier publish: begin the transaction that `undo` commits, keep other
        writers out, and find the rows that the delivery wrote. `sent` gives the rows it was sent (the job's columns).

        Raises UndoneError where this was done before, RefusedError, with the reason, where the delivery can't be taken
        back. Children come after their parents.
        """
        raise RefusedError(
            "deliveries to this kind of destination can't be rolled back",
            hint="Mend the rows and deliver them again, or restore a backup.",
        )

    def gone(self) -> list[dict[str, str | None]]:
        """After `written`: the keys of rows that the delivery wrote and that are missing now, some of them."""
        return []

    def undo(self) -> Undone:
        """After `written`: take the delivery back with its children, write down that this was done, commit."""
        raise RefusedError("there is nothing to take back")

    def left(self, columns: Sequence[DeliveryColumn]) -> Iterator[pa.Table] | None:
        """After an insert only: the rows sent that were left out, since their key was in the target. None: not known any
        more."""
        return None

    def sweep(self, *, keep: int, ended: Collection[str], dry_run: bool) -> list[str]:
        """Instead of `open`, for a target that exists: drop what of ours nobody needs there any more, under the target's
        lock; their names. That is what was kept for rollbacks of all but the newest `keep` batches, and the staging tables
        of deliveries that are `ended` (their ids). `dry_run` only names them.
        """
        return []

    def abandon(self) -> None:
        """Drop staging table and receipts of an unpublished delivery for good."""
        ...

    def close(self) -> None:
        """Release lock and connection; roll back what is open. Never raises over an earlier error."""
        ...


class Destination(Protocol):
    """One kind of destination; a class in a file of its own below `delivery/destinations/`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    schemes: ClassVar[tuple[str, ...]]
    """URL schemes (`postgresql`), or file endings with a dot (`.parquet`)."""
    capabilities: ClassVar[Capabilities]

    # A kind whose addresses name the table itself also has `table_of(url) -> str | None`, a static method: the table as it
    # would be written in the pipeline. A kind without transactions may have `settled(target, run)`, called when the run's end is
    # in the ledger: what told a resumed run that it had published can go.

    def label(self, target: Target) -> str:
        """The target for people: host, database, table or path; no secret."""
        ...

    def inspect(self, target: Target) -> TableInfo | None:
        """The existing target or None; reads only. Raises UnavailableError or RefusedError (wrong password, no rights)."""
        ...

    def session(self, job: Job) -> Session:
        """A session for one job; nothing is touched before `open`."""
        ...

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        """The newest control row of this target, or None."""
        ...
