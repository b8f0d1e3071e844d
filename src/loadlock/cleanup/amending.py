"""What operators decided on single rows, put into effect while a part is cleaned: corrected values, checks let pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.cleanup.flatten import Flattened
from loadlock.cleanup.plan import Finding
from loadlock.cleanup.rejecting import Hits
from loadlock.cleanup.steps import whole
from loadlock.model import Severity
from loadlock.rows import ROW, SUB

if TYPE_CHECKING:
    import pyarrow as pa

DISCARDED = "discarded"
"""Code of the problem of a row that an operator discarded and that has no other."""
_GIVEN_UP = Finding(
    path="", source="operator", name=DISCARDED, column=None, code=DISCARDED, message="an operator discarded the row",
    condition="",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Amendment:
    """The decisions on the rows of one part; picklable."""

    cells: pa.Table | None = None
    """`_row`, `_sub`, `column` (as staged), `new`: at most one line a cell."""
    waived: pa.Table | None = None
    """`_row`, `_sub`, `code`: what the row may have wrong."""
    wanted: pa.Table | None = None
    """`_row`, `_sub`, `record`: the rows to clean; with `record` all rows of the record. None = all."""
    discarded: pa.Table | None = None
    """`_row`, `_sub`: the rows that must stay out."""

    def records(self, raw: pa.Table) -> pa.Table:
        """The records of a raw part that hold wanted rows."""
        if self.wanted is None:
            return raw
        import pyarrow.compute as pc

        return raw.filter(pc.is_in(raw[ROW], whole(self.wanted[ROW])))

    def rows(self, flat: Flattened, raw: pa.Table) -> Flattened:
        """The wanted rows, with their corrections; `raw` = what `records` gave."""
        if self.wanted is not None:
            flat = self._chosen(flat)
        if self.cells is None or not self.cells.num_rows:
            return flat
        return replace(flat, table=corrected(flat.table, self.cells), original=flat.table)

    def _chosen(self, flat: Flattened) -> Flattened:
        import pyarrow as pa

        assert self.wanted is not None
        wanted, table = self.wanted, flat.table
        whole_records = whole(wanted[ROW]).to_numpy()[whole(wanted["record"]).to_numpy(zero_copy_only=False)]
        kept = np.isin(whole(table[ROW]).to_numpy(), whole_records)
        kept[places(table, wanted)[1]] = True
        bad = len({index for index, _ in flat.problems})
        chosen = table.filter(pa.array(kept))
        exploded = chosen.num_rows + bad - wanted.num_rows
        return replace(flat, table=chosen, exploded=exploded, staged=wanted.num_rows)

    def spared(self, rows: pa.Table, hits: Sequence[Hits]) -> tuple[np.ndarray[Any, Any], list[Hits]]:
        """The rows (indexes) that have nothing else wrong than what is waived, and the findings without what is waived."""
        if self.waived is None or not self.waived.num_rows:
            return np.zeros(0, np.int64), list(hits)
        lines, at = places(rows, self.waived)
        codes = np.asarray(whole(self.waived["code"]).to_pylist(), dtype=object)[lines]
        left, guilty = [], np.zeros(rows.num_rows, bool)
        for hit in hits:
            if hit.finding.severity == Severity.REJECT:
                hit = replace(hit, rows=np.setdiff1d(hit.rows, at[codes == hit.finding.code]))
                guilty[hit.rows] = True
            left.append(hit)
        spared = np.unique(at)
        return spared[~guilty[spared]], left

    def given_up(self, rows: pa.Table, out: np.ndarray[Any, Any]) -> Hits:
        """The discarded rows that are not `out` (a flag a row) in any case."""
        found = np.zeros(0, np.int64)
        if self.discarded is not None and self.discarded.num_rows:
            found = np.unique(places(rows, self.discarded)[1])
        return Hits(finding=_GIVEN_UP, rows=found[~out[found]])


def places(rows: pa.Table, asked: pa.Table) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Which lines of `asked` (with `_row`, `_sub`) are among the rows, and the index of each there."""
    empty = np.zeros(0, np.int64)
    if not rows.num_rows or not asked.num_rows:
        return empty, empty
    (own_rows, own_subs), (rows_asked, subs_asked) = (
        (whole(table[ROW]).to_numpy(), whole(table[SUB]).to_numpy().astype(np.int64)) for table in (rows, asked)
    )
    step = int(max(own_subs.max(), subs_asked.max())) + 1
    own, wanted = own_rows * step + own_subs, rows_asked * step + subs_asked
    order = np.argsort(own, kind="stable")
    at = np.searchsorted(own[order], wanted)
    found = np.flatnonzero(at < len(own))
    found = found[own[order][at[found]] == wanted[found]]
    return found, order[at[found]]


def corrected(table: pa.Table, cells: pa.Table) -> pa.Table:
    """The rows with the new texts put in; a column that the rows lack is added."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for name in pc.unique(cells["column"]).to_pylist():
        own = cells.filter(pc.equal(cells["column"], name))
        lines, at = places(table, own)
        if not len(lines):
            continue
        mask = np.zeros(table.num_rows, bool)
        mask[at] = True
        news = whole(own["new"]).take(pa.array(lines[np.argsort(at)]))
        index = table.schema.get_field_index(name)
        if index < 0:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
            index = table.num_columns - 1
        column = whole(table.column(index)).cast(pa.string())
        table = table.set_column(index, name, pc.replace_with_mask(column, pa.array(mask), news))
    return table
