"""Mode scd2: several versions of a row, told apart by their validity. The columns, and the moment of one publish.

A version is valid from `since` (inclusive) to `until` (exclusive); the one that is valid now has no `until`. A publish closes
what changed and opens what is new at one moment, the clock's of the machine that publishes, in UTC.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loadlock.delivery.base import DeliveryColumn, Job, TableInfo
from loadlock.types import ColumnType

MARK = "valid_from"
"""In a control row's marks: the moment of the publish."""
_MOMENT = ColumnType(kind="timestamptz")


def validity_columns(job: Job) -> tuple[DeliveryColumn, ...]:
    """The columns that mode scd2 adds to a table made by us."""
    if job.validity is None:
        return ()
    since = DeliveryColumn(name=job.validity.since, type=_MOMENT, required=True)
    return since, DeliveryColumn(name=job.validity.until, type=_MOMENT)


@dataclass(frozen=True, kw_only=True)
class Versions:
    """One publish of a delivery of versions, in SQL."""

    since: str
    """Name of a column, not quoted, as `until`."""
    until: str
    close_missing: bool
    moment: str
    """As a literal."""

    def marks(self) -> dict[str, Any]:
        """For the control row: what finds this publish's versions again."""
        return {MARK: self.moment}


def versions_of(
    job: Job, info: TableInfo, marks: Mapping[str, Any], literal: Callable[[str], str] | None = None
) -> Versions | None:
    """The versions of this publish, or of an earlier one by its control row's marks; None in other modes.

    `literal` writes a moment like `2024-03-01 12:00:00.000001` as SQL, if not as a text.
    """
    if job.validity is None:
        return None
    moment = marks.get(MARK)
    if moment is None:
        text = _now(info, job)
        moment = f"'{text}'" if literal is None else literal(text)
    return Versions(
        since=job.validity.since, until=job.validity.until, close_missing=job.validity.close_missing, moment=moment
    )


def _now(info: TableInfo, job: Job) -> str:
    """The clock's time, as exact as both columns of the validity keep it."""
    assert job.validity is not None
    digits = 6
    for name in (job.validity.since, job.validity.until):
        found = info.column(name)
        if found is not None and found.scale is not None:
            digits = min(digits, found.scale)
    now = dt.datetime.now(dt.UTC).replace(tzinfo=None)
    return now.strftime("%Y-%m-%d %H:%M:%S.%f")[: 19 + (digits + 1 if digits else 0)]
