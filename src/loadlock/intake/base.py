"""The contract of a format: bytes of one file in, raw parts and rejects out.

Call order: `sniff` (any number of times, on the file's head), then `read` once for each file. `read` streams: it
holds a few blocks of the file, never the whole. Every byte ends in a staged row, a reject or a counted class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from loadlock.model import FileReport, SourceFile

if TYPE_CHECKING:
    import pyarrow as pa

PART_BYTES = 4 << 20
"""Source bytes a raw part holds, about. A setting of the run; results don't depend on it."""


@dataclass(frozen=True, kw_only=True)
class ExpansionLimits:
    """How far compressed files and archives may expand before they are taken for a bomb."""

    ratio: int = 1000
    """Decompressed bytes for each byte of the file as it was sent ..."""
    free_bytes: int = 100 << 20
    """... once more than this came out."""
    max_bytes: int = 1 << 40
    """Decompressed bytes of one file, or of all members of an archive, whatever the ratio."""
    members: int = 10_000
    """Members of an archive, those of archives within it included."""
    depth: int = 8
    """Compressions and archives one within another (`.csv.gz` in a tar in a zip: 3)."""


class ByteSource(Protocol):
    """The decompressed bytes of one file, in order; openable again from the start."""

    @property
    def file(self) -> SourceFile:
        """The file's record."""
        ...

    def open(self) -> Iterator[bytes]:
        """Blocks of the decompressed bytes, 1 to 8 MiB each. Raises SourceError for damaged archives."""
        ...

    def head(self, size: int = 1 << 20) -> bytes:
        """The first bytes, fewer where the file is shorter."""
        ...

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        """Pieces from head, middle and end, the head first (whole lines not promised; only the head where seeking is costly).

        Each begins at a multiple of four bytes, so that wide characters are not cut.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """The options of a pipeline's `source:` that concern reading; None = find out, with evidence."""

    format: str | None = None
    encoding: str | None = None
    fallback_encoding: str = "cp1252"
    delimiter: str | None = None
    quote: str | None = None
    """`""` = no quoting."""
    escape: str | None = None
    """None: quotes are doubled; `\\`: backslash."""
    header: int | None = None
    """Number of header rows, 0 = none; None = find out."""
    preamble: int | None = None
    """Physical lines to skip before the header."""
    footer: int | None = None
    """Lines to leave out at the end; None = find out."""
    table: int | None = None
    """Which of several tables in a file is read, from 1; None = the first."""
    comment: str | None = None
    record_end: str | None = None
    records_path: str | None = None
    """Dotted path to the array of records in a JSON document."""
    sheet: str | None = None
    tolerate: tuple[str, ...] = ()
    """`pad_short`, `drop_extra`, `merge_tail`, `stray_quotes`, `torn_rows`, `nan`."""
    record_limit: int = 16 << 20
    """Bytes one record may have; longer ones are rejects."""
    depth_limit: int = 100
    null_words: tuple[str, ...] = ()
    part_bytes: int = PART_BYTES
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RawPart:
    """Staged rows and rejects of a consecutive range of one file; either table may be empty.

    `rows`: the source's columns as strings (null = missing), then `rows.provenance_fields()`; for JSON formats the one
    column `_json`. `rejects`: `rows.reject_schema()`. `_row` numbers both together, 1-based, in file order.
    """

    rows: pa.Table
    rejects: pa.Table


@dataclass
class ReadResult:
    """What `read` gives: the parts as an iterator, and `report()`, complete once the iterator is exhausted."""

    parts: Iterator[RawPart]
    report: Callable[[], FileReport]


class Format(Protocol):
    """One format of source files; a class in a file of its own below `intake/formats/`."""

    name: ClassVar[str]
    summary: ClassVar[str]
    extensions: ClassVar[tuple[str, ...]]

    def sniff(self, head: bytes, name: str) -> float:
        """How sure (0 to 1) that a file with this head (decompressed, up to 1 MiB) and base name is of this format."""
        ...

    def read(self, source: ByteSource, options: SourceOptions) -> ReadResult:
        """Read one file. Data faults become rejects; only a file that can't be read at all raises SourceError."""
        ...
