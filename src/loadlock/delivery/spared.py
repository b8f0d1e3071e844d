"""Rows of a delivery that lie in the target already as they are to be delivered: they count, and are not sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadlock.delivery.base import Published


@dataclass(frozen=True, kw_only=True)
class Spared:
    """Rows of a batch that an earlier run delivered and had read back, and that nobody has written since."""

    run: str
    """The earlier run."""
    of: int
    """How many rows that run delivered."""
    by_file: Mapping[int, int]
    """`_file` → rows."""
    digest: int

    @property
    def rows(self) -> int:
        return sum(self.by_file.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """What the receipt says."""
        if not self.rows:
            return ()
        return (
            f"{self.rows:,} rows not sent again: run {self.run} had them read back, and nobody has written to them since",
        )


NONE_SPARED = Spared(run="", of=0, by_file={}, digest=0)


def with_spared(published: Published, spared: Spared) -> Published:
    """The counts of a publish with these rows among the unchanged ones."""
    by_file = dict(published.by_file)
    for file, rows in spared.by_file.items():
        inserted, updated, unchanged = by_file.get(file, (0, 0, 0))
        by_file[file] = (inserted, updated, unchanged + rows)
    return replace(published, unchanged=published.unchanged + spared.rows, by_file=dict(sorted(by_file.items())))
