"""What a publish would do, counted by the destination: for a plan."""

from __future__ import annotations

from dataclasses import dataclass, field

SAMPLES = 5
"""Rows that a plan shows of each kind."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One row that a publish would touch, its values as text. `kind`: insert, update or delete."""

    kind: str
    key: dict[str, str | None]
    before: dict[str, str | None] | None = None
    """For an update: the columns that change, as they are."""
    after: dict[str, str | None] | None = None


@dataclass(frozen=True, kw_only=True)
class Foreseen:
    """What a publish would do, counted by the destination."""

    inserted: int
    updated: int = 0
    unchanged: int = 0
    deleted: int = 0
    rows_before: int | None = None
    """Rows in the target, where they had to be counted."""
    columns: dict[str, int] = field(default_factory=dict)
    """Column → rows in which an update changes it."""
    samples: tuple[Sample, ...] = ()
    stop: str | None = None
    """Why the publish would be stopped."""
