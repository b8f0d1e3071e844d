"""The values of a pipeline as all stages see them: frozen, complete, checked. Reading YAML is `pipeline.read`'s job."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from loadlock.intake.base import ExpansionLimits, SourceOptions
from loadlock.model import Severity, Validity, WriteMode
from loadlock.types import TEXT, ColumnType


@dataclass(frozen=True, kw_only=True)
class RuleUse:
    """A rule in a column's chain (or a pipeline-wide rule on a column): the component's name and its options.

    `name` is a component of kind `rules`, or `sql` (options `{"sql": expression over the row}`) or `python`
    (options `{"python": "file.py:function", "source": text, "sha256": digest}`). `where` = place in the pipeline file.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class CheckUse:
    """A check on a column, on the row (`sql`, `python`), or on the batch (`batch`)."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    severity: Severity = Severity.REJECT
    message: str | None = None
    when: str | None = None
    """SQL condition over the row: only rows for which it is true are judged."""
    where: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One declared column."""

    name: str
    source: tuple[str, ...] = ()
    """Names to look for in the files, in order: `from:` then `aliases:`; empty = the column's own name."""
    type: ColumnType = TEXT
    formats: tuple[str, ...] = ()
    """strptime formats for date, time and timestamp; empty = ISO 8601."""
    timezone: str | None = None
    """IANA zone of naive values in a timestamptz column."""
    required: bool = False
    unique: bool = False
    rules: tuple[RuleUse, ...] = ()
    checks: tuple[CheckUse, ...] = ()
    mask: bool = False
    """Personal data: masked in previews, reports and logs."""


@dataclass(frozen=True, kw_only=True)
class Flatten:
    """How nested JSON becomes columns. Depth counts levels of objects that are opened (None = all)."""

    separator: str = "."
    depth: int | None = None
    arrays: str = "json"
    """`json` (text) | `explode`."""
    explode: tuple[str, ...] = ()
    """Dotted paths of arrays that give one row an element."""
    children: dict[str, str] = field(default_factory=dict)
    """Dotted path of an array → name of its child table."""
    null_text: str | None = None
    """What a JSON null becomes; None: null, as a missing key."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the rows come from and how they are read."""

    files: tuple[str, ...] = ()
    options: SourceOptions = field(default_factory=SourceOptions)
    flatten: Flatten = field(default_factory=Flatten)
    empty: str = "accept"
    """`accept` | `fail`: a batch without a usable record."""
    drift: str = "ignore"
    """Columns of a file that the pipeline doesn't name: `evolve` (taken in as text) | `freeze` (stop) | `ignore`; `reject`
    keeps out the rows of a file that has such columns or lacks declared ones."""
    keep: bool = True
    """keep_source: keep the bytes in the workspace."""
    limits: ExpansionLimits = field(default_factory=ExpansionLimits)
    """How far compressed files and archives may expand."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How many rejects a run may have: beyond `rows`, or beyond `percent` of received (from `floor` rows on), it stops."""

    rows: int | None = None
    percent: float | None = 5.0
    floor: int = 100

    def exceeded(self, rejected: int, received: int) -> str | None:
        """Why the run must stop, or None."""
        if self.rows is not None and rejected > self.rows:
            return f"{rejected:,} rejects are more than the budget of {self.rows:,} rows"
        if self.percent is not None and rejected > self.floor and rejected * 100 > self.percent * received:
            share = rejected * 100 / max(received, 1)
            return f"{rejected:,} rejects of {received:,} rows ({share:.1f} %) are more than the budget of {self.percent:g} %"
        return None

    def left(self, rejected: int, received: int) -> int | None:
        """How many more rejects there may be; None: any number."""
        limits = [self.rows] if self.rows is not None else []
        if self.percent is not None:
            limits.append(max(self.floor, int(self.percent * received / 100)))
        return max(0, min(limits) - rejected) if limits else None


@dataclass(frozen=True, kw_only=True)
class DestinationSpec:
    """One destination of a pipeline. `url` is as written (`${SHOP_DB}` not yet filled in)."""

    url: str
    table: str | None = None
    mode: WriteMode | None = None
    """None: append for tables, replace for files."""
    key: tuple[str, ...] = ()
    columns: tuple[str, ...] | None = None
    """Names of the pipeline's columns to deliver, in order; None = all."""
    filter: str | None = None
    """SQL condition over the clean row; rows without it are not for this destination."""
    create: bool = True
    lineage: bool = False
    verify: bool = True
    on_child_reject: str = "keep"
    """`keep` | `reject_parent`: what becomes of a row where the destination refuses a row of its child tables."""
    evolve: str = "none"
    """What may change of an existing table: `none`, `columns` (added), `types` (added and widened)."""
    max_delete_percent: float = 20.0
    """A mirror that would delete more of the table's rows is stopped."""
    update: tuple[str, ...] | None = None
    """An upsert: `("*",)` writes every row whose key is known, names write these columns alone; None: all of rows that differ."""
    validity: Validity | None = None
    """Set in mode scd2."""
    undo: int | None = None
    """Of how many batches what a rollback needs is kept; None: 1 for tables, 0 for files."""
    before: tuple[str, ...] = ()
    """SQL statements in the publishing transaction, before the rows change."""
    after: tuple[str, ...] = ()
    """SQL statements in the publishing transaction, behind the rows."""
    analyze: bool = True
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def ends_missing(self) -> bool:
        """Whether what a batch lacks is no longer valid, or there, after it."""
        by_mode = self.mode is not None and self.mode.takes_all
        return by_mode or (self.validity is not None and self.validity.close_missing)


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A pipeline, read and checked."""

    name: str
    source: Source = field(default_factory=Source)
    columns: tuple[Column, ...] | None = None
    """None: every column of the files, as text."""
    rules: tuple[tuple[str, RuleUse], ...] = ()
    """Pipeline-wide rules, after the columns' own: (column, rule)."""
    checks: tuple[CheckUse, ...] = ()
    """Row checks (`sql`, `python`, `unique` over several columns) and batch checks (`batch`)."""
    budget: Budget = field(default_factory=Budget)
    keep_duplicates: str = "last"
    """Winner among equal upsert keys of a batch: `first` | `last` | `none`."""
    keep_unique: str = "first"
    """Winner of `unique`."""
    destinations: tuple[DestinationSpec, ...] = ()
    supersedes: str | None = None
    """`name`: a file takes the place of the rows that a file of the same name brought before."""
    base_folder: str = "."
    """Folder that relative paths of files, lookups and Python rules start from."""
    text: str = ""
    """The pipeline as written, for the ledger."""
    lookups: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    """Lookup files by the path as written: rows of text, header first; read when the pipeline is loaded."""

    def compiled_digest(self) -> str:
        """sha256 over everything that decides the result: columns, rules (with their source), checks, lookups, reading.

        File globs, the destination's address and the folder are left out: they don't change clean rows.
        """
        document = asdict(self)
        for name in ("text", "base_folder", "destinations", "name", "supersedes"):
            document.pop(name)
        document["source"].pop("files")
        document["source"].pop("keep")
        document["source"].pop("limits")
        document["source"]["options"].pop("part_bytes")
        return hashlib.sha256(json.dumps(document, sort_keys=True, default=str).encode()).hexdigest()
