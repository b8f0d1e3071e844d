"""What the splitter is told and what it gives: rules, statuses, and the records of a buffer as columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from loadlock.intake._csv_exact import BOM as BOM
from loadlock.intake._csv_lines import Positions


class Status(IntEnum):
    """What a record is. From `FIELD_COUNT` on: rejects."""

    PLAIN = 0
    EXACT = 1
    """A row whose values were parsed one by one (`Records.exact`)."""
    BLANK = 2
    HEADER = 3
    COMMENT = 4
    FOOTER = 5
    """Behind the table that is read."""
    FIELD_COUNT = 10
    STRAY_QUOTE = 11
    OPEN_QUOTE = 12
    NUL_BYTE = 13
    INVALID_ENCODING = 14
    TOO_LONG = 15
    TORN = 16
    SHIFTED = 17
    """A delimiter too many, perhaps not at the end."""
    MISFIT = 18
    """As many fields as the header, which fits no other row."""
    OTHER_TABLE = 19
    """It stands below the header of another table."""
    OUTSIDE = 20
    """A value stands outside of the bars around a table."""
    GOES_ON = 21
    """A value of a printed table goes on in the next line, or comes from the one before."""
    OTHER_NAMES = 22
    """It stands below a comment that names other columns."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the splitter takes for a row."""

    fields: int | None = None
    """Wanted number of fields; None = any (for finding the dialect)."""
    least: int | None = None
    """A row may lack fields down to this number (unnamed columns at the end); None = none."""
    header: bytes = b""
    """The header's own bytes: equal records are repeated headers."""
    comment: bytes = b""
    record_limit: int = 16 << 20
    tolerate: frozenset[str] = frozenset()


@dataclass
class Records:
    """The records of a buffer, as columns. Positions are relative to the buffer; `end` excludes the record end."""

    start: Positions
    end: Positions
    next: Positions
    line: Positions
    """0-based physical line within the buffer."""
    status: npt.NDArray[np.uint8]
    fields: Positions
    """Number of fields found (0 where it was not counted)."""
    trim: Positions
    """Bytes of empty trailing fields to leave out of the row."""
    exact: dict[int, list[bytes | None]]
    """Values of the `EXACT` records, by index."""
    where: dict[int, int]
    """1-based field of a quote fault, by index."""
    consumed: int
    lines: int
    """Physical lines consumed."""
    more: bool = False
    """Whether complete lines were left over only to bound memory."""
    counts: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True)
class Piece:
    """The records of a buffer, with the buffer."""

    data: bytes
    records: Records

    def raw(self, index: int) -> bytes:
        """The bytes of one record, without its record end."""
        return self.data[self.records.start[index] : self.records.end[index]]
