"""The values that travel through Loadlock: frozen, typed, without behaviour that needs a library."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any


class Stage(StrEnum):
    """The four stages of a run, in this order."""

    INTAKE = "intake"
    STAGING = "staging"
    CLEANUP = "cleanup"
    DELIVERY = "delivery"


class RunStatus(StrEnum):
    """Where a run is. `RUN_TRANSITIONS` says what may follow what."""

    RECEIVED = "received"
    STAGED = "staged"
    CLEANED = "cleaned"
    LOADED = "loaded"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    VERIFIED = "verified"
    WAITING = "waiting"
    STOPPED = "stopped"
    INTERRUPTED = "interrupted"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"

    def may_become(self, new: RunStatus) -> bool:
        """Whether the ledger accepts a change from this status to `new`."""
        return new == self or new in RUN_TRANSITIONS[self]


_PROGRESS = (
    RunStatus.RECEIVED,
    RunStatus.STAGED,
    RunStatus.CLEANED,
    RunStatus.LOADED,
    RunStatus.PUBLISHING,
    RunStatus.PUBLISHED,
    RunStatus.VERIFIED,
)
_ENDS_EARLY = (RunStatus.WAITING, RunStatus.STOPPED, RunStatus.INTERRUPTED, RunStatus.FAILED)

RUN_TRANSITIONS: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.RECEIVED: frozenset({RunStatus.STAGED, *_ENDS_EARLY}),
    RunStatus.STAGED: frozenset({RunStatus.CLEANED, *_ENDS_EARLY}),
    # a direct load (one transaction) skips `loaded`
    RunStatus.CLEANED: frozenset({RunStatus.LOADED, RunStatus.PUBLISHING, *_ENDS_EARLY}),
    RunStatus.LOADED: frozenset({RunStatus.PUBLISHING, *_ENDS_EARLY}),
    RunStatus.PUBLISHING: frozenset({RunStatus.PUBLISHED, *_ENDS_EARLY}),
    RunStatus.PUBLISHED: frozenset({RunStatus.VERIFIED, RunStatus.ROLLED_BACK, *_ENDS_EARLY}),
    RunStatus.VERIFIED: frozenset({RunStatus.ROLLED_BACK, RunStatus.FAILED}),
    # a run that ended early resumes at the stage where it stood
    RunStatus.WAITING: frozenset({*_PROGRESS, *_ENDS_EARLY}),
    RunStatus.STOPPED: frozenset({*_PROGRESS, *_ENDS_EARLY}),
    # it may have published before it ended
    RunStatus.INTERRUPTED: frozenset({*_PROGRESS, *_ENDS_EARLY, RunStatus.ROLLED_BACK}),
    RunStatus.FAILED: frozenset({*_PROGRESS, *_ENDS_EARLY, RunStatus.ROLLED_BACK}),
    RunStatus.ROLLED_BACK: frozenset(),
}


class BatchStatus(StrEnum):
    """Where a batch is, over all its runs."""

    OPEN = "open"
    DELIVERED = "delivered"
    SUPERSEDED = "superseded"
    ROLLED_BACK = "rolled_back"
    FORGOTTEN = "forgotten"


class RejectState(StrEnum):
    """What became of a reject."""

    OPEN = "open"
    CORRECTED = "corrected"
    RESOLVED = "resolved"
    ACCEPTED = "accepted"
    DISCARDED = "discarded"
    STALE = "stale"


class Severity(StrEnum):
    """What a check's finding does: keep the row out, only warn, or fail the run before publishing."""

    REJECT = "reject"
    WARN = "warn"
    FAIL = "fail"


class WriteMode(StrEnum):
    """How clean rows change the destination's table."""

    APPEND = "append"
    REPLACE = "replace"
    UPSERT = "upsert"
    INSERT_ONLY = "insert_only"
    DELETE_INSERT = "delete_insert"
    MIRROR = "mirror"
    SCD2 = "scd2"

    @property
    def by_key(self) -> bool:
        """Whether rows meet those in the table by their key columns."""
        return self not in (WriteMode.APPEND, WriteMode.REPLACE)

    @property
    def has_unique_key(self) -> bool:
        """Whether the key tells rows apart: a batch then holds each key once."""
        return self.by_key and self != WriteMode.DELETE_INSERT

    @property
    def takes_all(self) -> bool:
        """Whether the batch is the whole content of the table afterwards."""
        return self in (WriteMode.REPLACE, WriteMode.MIRROR)


@dataclass(frozen=True, kw_only=True)
class Validity:
    """Mode scd2: the columns that say from when to when a row was valid. The version of a key that is valid now has no end."""

    since: str = "valid_from"
    until: str = "valid_to"
    close_missing: bool = False
    """Whether a key that the batch lacks ends; else it stays as it is."""


class VerifyLevel(StrEnum):
    """How deep a read-back compared: every value, the keys, the number of rows, or nothing."""

    CONTENT = "content"
    KEYS = "keys"
    COUNT = "count"
    NONE = "none"


class PartKind(StrEnum):
    """What a part holds. `DROPPED` lists the rows (by file and row) that lost to a later one or were skipped, `SENT` those
    that a replay sends, `EDITS` what an operator changed or decided."""

    RAW = "raw"
    CLEAN = "clean"
    REJECTS = "rejects"
    DROPPED = "dropped"
    SENT = "sent"
    EDITS = "edits"


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a row was kept out. `code` is one of `loadlock.problems.CATALOGUE`."""

    code: str
    message: str
    column: str | None = None
    value: str | None = None


@dataclass(frozen=True, kw_only=True)
class PartKey:
    """The name of a part at rest: unique in a workspace, the same when the work is done again."""

    batch: str
    scope: str
    """`g1`, `g2` ... (a generation of raw rows) or a run's id (clean rows, rejects)."""
    kind: PartKind
    seq: int
    """1-based. The same number links a raw part to the clean and reject parts made from it."""


@dataclass(frozen=True, kw_only=True)
class PartRef:
    """A part at rest, as the ledger lists it."""

    key: PartKey
    location: str
    """Relative to the workspace."""
    rows: int
    bytes: int
    file_index: int | None = None
    """The source file the rows came from, where the part is of one file."""


@dataclass(frozen=True, kw_only=True)
class ByteCount:
    """Every byte of a text file belongs to one class; the sum is the file's size (decompressed)."""

    rows: int = 0
    rejects: int = 0
    headers: int = 0
    preamble: int = 0
    blank: int = 0
    framing: int = 0

    @property
    def total(self) -> int:
        return self.rows + self.rejects + self.headers + self.preamble + self.blank + self.framing

    def __add__(self, other: ByteCount) -> ByteCount:
        return ByteCount(**{name: value + getattr(other, name) for name, value in asdict(self).items()})


@dataclass(frozen=True, kw_only=True)
class Balance:
    """The row equation of a file, a batch or a destination (contract: "The balance"). All are numbers of rows."""

    received: int = 0
    staged: int = 0
    exploded: int = 0
    clean: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    rejected_intake: int = 0
    rejected_cleanup: int = 0
    rejected_delivery: int = 0
    skipped: int = 0
    superseded: int = 0
    discarded: int = 0
    blank: int = 0

    def __add__(self, other: Balance) -> Balance:
        return Balance(**{name: value + getattr(other, name) for name, value in asdict(self).items()})

    def with_(self, **changes: int) -> Balance:
        """A copy with some counts replaced."""
        return replace(self, **changes)

    @property
    def rejected(self) -> int:
        return self.rejected_intake + self.rejected_cleanup + self.rejected_delivery

    def faults(self, *, upto: Stage = Stage.DELIVERY) -> list[str]:
        """The equations that don't hold, in words; empty when the balance closes up to stage `upto`."""
        found = []
        if self.received != self.staged + self.rejected_intake:
            found.append(
                f"received {self.received:,} is not staged {self.staged:,} + rejected at intake {self.rejected_intake:,}"
            )
        if upto in (Stage.INTAKE, Stage.STAGING):
            return found
        right = self.clean + self.rejected_cleanup + self.skipped + self.superseded + self.discarded
        if self.staged + self.exploded != right:
            found.append(
                f"staged {self.staged:,} + exploded {self.exploded:,} is not clean {self.clean:,} + rejected at cleanup"
                f" {self.rejected_cleanup:,} + skipped {self.skipped:,} + superseded {self.superseded:,}"
                f" + discarded {self.discarded:,}"
            )
        if upto == Stage.CLEANUP:
            return found
        right = self.inserted + self.updated + self.unchanged + self.rejected_delivery
        if self.clean != right:
            found.append(
                f"clean {self.clean:,} is not inserted {self.inserted:,} + updated {self.updated:,} + unchanged"
                f" {self.unchanged:,} + rejected at delivery {self.rejected_delivery:,}"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """The JSON of the contract: `rejected` is an object by stage."""
        document: dict[str, Any] = {k: v for k, v in asdict(self).items() if not k.startswith("rejected_")}
        document["rejected"] = {
            "intake": self.rejected_intake,
            "cleanup": self.rejected_cleanup,
            "delivery": self.rejected_delivery,
        }
        return document


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One source file of a batch (a member of an archive is a file of its own)."""

    index: int
    """0-based, in the batch's file order (sorted by name, then digest)."""
    path: str
    """Where it was read, absolute; archives as `path!member`."""
    name: str
    """Base name, as in `_source_file`."""
    size_bytes: int
    """Of the file as it lies there (compressed)."""
    sha256: str
    """Of the file's bytes as they lie there (for a member: of the decompressed member)."""


@dataclass(frozen=True, kw_only=True)
class FileReport:
    """What intake found out about one file; stored in the ledger, shown to the user."""

    format: str
    encoding: dict[str, Any] = field(default_factory=dict)
    """`name`, `how` (pinned, bom, nul_pattern, utf8, detected, fallback), `confidence` 0..1, `low_confidence`, `runner_up`,
    `language`, `high_bytes`, `bad_lines` (not UTF-8), `fallback` (of single rows), `mixed` (some rows are UTF-8 though the
    file is not), `fallback_rows` (rows decoded by another encoding), `mojibake`, `samples`, `notes` for the user."""
    dialect: dict[str, Any] = field(default_factory=dict)
    """`delimiter`, `quote`, `escape`, `record_end`, `header`, `preamble`, `reasons`."""
    header: list[str] = field(default_factory=list)
    """Column names as staged, in file order."""
    header_found: list[str] = field(default_factory=list)
    """The names as they stand in the file, where they differ (duplicates, empty names)."""
    counts: dict[str, int] = field(default_factory=dict)
    """Harmless things accepted and counted: `trailing_empty`, `padded_quotes`, `repeated_header`, `mojibake_lines` ..."""
    bytes: ByteCount = field(default_factory=ByteCount)
    """By class, of the decompressed bytes."""
    received: int = 0
    staged: int = 0
    rejected: int = 0
    blank: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The rows sent in one request or transaction. `id` comes from run and content, so a resend is known."""

    id: str
    seq: int
    rows: int
    digest: int
    """128-bit digest of the chunk's rows as sent."""
    receipts: tuple[tuple[str, int], ...] = ()
    """Ids and rows of the receipts to write, where they are others than one of `id`: a chunk without its refused rows."""

    @property
    def owed(self) -> tuple[tuple[str, int], ...]:
        """The receipts to write: ids and rows."""
        return self.receipts or ((self.id, self.rows),)


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was written to one destination and what the read-back found."""

    destination: str
    """Name of the destination component."""
    target: str
    """Table or file, for people; without secrets."""
    mode: WriteMode
    rows: int
    inserted: int
    updated: int
    unchanged: int
    deleted: int
    rejected: int
    digest: str
    """Of the rows delivered to this destination, 32 hex digits."""
    level: VerifyLevel
    equal: bool | None
    """None where nothing could be compared."""
    read_back: int | None = None
    """Rows read back."""
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "mode": str(self.mode), "level": str(self.level), "notes": list(self.notes)}
