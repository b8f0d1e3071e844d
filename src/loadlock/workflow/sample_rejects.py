"""Few rejects of each sort, and how many there are: what a preview keeps of 900,000 bad rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from loadlock.quarantine.read import RejectFilter, count_rejects, filter_rejects

if TYPE_CHECKING:
    import pyarrow as pa

EACH = 3
"""Rejects kept of each sort of problem."""


class Few:
    """Counts by (stage, code, column or ""), and some rejects of each."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, str, str], int] = {}
        self.tables: list[pa.Table] = []
        self._kept: dict[tuple[str, str, str], int] = {}

    def keep(self, rejects: pa.Table) -> None:
        """Rejects of sorts of which there are not enough yet."""
        wanted = [sort for sort in count_rejects(rejects) if self._kept.get(sort, 0) < EACH]
        if not wanted:
            return
        kept = few(rejects, {sort: EACH - self._kept.get(sort, 0) for sort in wanted})
        for sort, rows in count_rejects(kept).items():
            self._kept[sort] = self._kept.get(sort, 0) + rows
        self.tables.append(kept)

    def count(self, counts: Mapping[tuple[str, str, str], int]) -> None:
        """More of these."""
        for sort, rows in counts.items():
            self.counts[sort] = self.counts.get(sort, 0) + rows

    def summary(self) -> list[dict[str, Any]]:
        """`{stage, code, column, rows}`, most rows first."""
        ordered = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return [
            {"stage": stage, "code": code, "column": column or None, "rows": rows}
            for (stage, code, column), rows in ordered
        ]


def few(rejects: pa.Table, each: Mapping[tuple[str, str, str], int] | None = None) -> pa.Table:
    """Some rejects of each sort (all sorts of the table unless `each` says which and how many), in their order."""
    import numpy as np
    import pyarrow as pa

    wanted = each if each is not None else dict.fromkeys(count_rejects(rejects), EACH)
    numbered = rejects.append_column("at", pa.array(np.arange(rejects.num_rows)))
    places: set[int] = set()
    for (stage, code, column), rows in wanted.items():
        asked = RejectFilter(stage=stage, code=code, column=column or None)
        places.update(filter_rejects(numbered, asked)["at"].slice(0, rows).to_pylist())
    return rejects.take(pa.array(sorted(places), pa.int64()))
