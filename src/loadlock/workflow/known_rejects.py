"""The rejects of a batch by their places: what corrections are compared with.

They lie in pieces in a folder of their own while they are asked for; in memory are their places and the pieces last used.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.engines.memory import give_back
from loadlock.model import RejectState
from loadlock.quarantine.read import raw_text
from loadlock.quarantine.sheet import Token, texts
from loadlock.quarantine.taking import KnownReject, Place
from loadlock.rows import FILE, IDENTITY, LENGTH, LINE, OFFSET, ROW, SOURCE_FILE, SUB
from loadlock.workflow.quarantine import Quarantine, corrected_column

if TYPE_CHECKING:
    import pyarrow as pa

Index = np.ndarray[tuple[int], np.dtype[np.int64]]
_KEPT = (
    *IDENTITY,
    SOURCE_FILE,
    LINE,
    OFFSET,
    LENGTH,
    "stage",
    "to",
    "state",
    "values",
    "corrected",
    "raw",
    "raw_truncated",
)
_CLOSED = (str(RejectState.RESOLVED), str(RejectState.DISCARDED))
_PIECE_ROWS = 20_000
_PIECES_IN_MEMORY = 3


class KnownRejects:
    """The rejects by their places. Close it: its folder goes."""

    def __init__(self, quarantine: Quarantine, token: Token | None = None) -> None:
        """`token` names the export that was edited; None: as it stands now."""
        self.quarantine = quarantine
        self._upto = None if token is None or token == quarantine.token else token.edits
        self._folder = Path(tempfile.mkdtemp(prefix="known-", dir=quarantine.workspace.temp))
        self._loaded: dict[int, pa.Table] = {}
        try:
            self._places = _Places(self._put_away())
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> KnownRejects:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was put away."""
        self._loaded.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def count(self) -> int:
        """Of all rejects, closed ones too."""
        return int(self._places.count)

    def find(self, places: Sequence[Place | None]) -> Index:
        """The number of the reject at each place, an open one before one that is closed; -1 where there is none."""
        return self._places.find(places)

    def rows(self, numbers: Index) -> pa.Table:
        """The rejects of these numbers, in their order; `then` = the corrections (JSON) that the export knew."""
        import pyarrow as pa

        order = np.argsort(numbers, kind="stable")
        pieces = []
        for piece in np.unique(numbers // _PIECE_ROWS).tolist():
            own = numbers[order][numbers[order] // _PIECE_ROWS == piece]
            pieces.append(self._piece(piece).take(pa.array(own % _PIECE_ROWS)))
        if not pieces:
            return self._piece(0).slice(0, 0)
        back = np.empty(len(numbers), np.int64)
        back[order] = np.arange(len(numbers))
        return pa.concat_tables(pieces).combine_chunks().take(pa.array(back))

    def known(self, rows: pa.Table) -> list[KnownReject]:
        """What is known of each of the rejects that `rows` gave."""
        names = ("state", "to", "values", "corrected", "then", "raw", "raw_truncated")
        return [_known(*row) for row in zip(*(rows[name].to_pylist() for name in names), strict=True)]

    @cached_property
    def _earlier(self) -> pa.Table:
        """The corrections that the export knew."""
        return self.quarantine.cells(upto=self._upto)

    def _put_away(self) -> list[pa.Table]:
        """Write the pieces; the places and states of all. Every piece but the last has as many rows as it may."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        index, waiting, number = [], [], 0
        for table in self.quarantine.tables():
            table = table.select(list(_KEPT))
            index.append(table.select([*IDENTITY, "state"]).combine_chunks())
            waiting.append(table)
            while sum(part.num_rows for part in waiting) >= _PIECE_ROWS:
                whole = pa.concat_tables(waiting)
                pq.write_table(whole.slice(0, _PIECE_ROWS), self._path(number), compression="lz4")
                waiting, number = [whole.slice(_PIECE_ROWS)], number + 1
                give_back()
        if waiting:
            pq.write_table(pa.concat_tables(waiting), self._path(number), compression="lz4")
        return index

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.parquet"

    def _piece(self, number: int) -> pa.Table:
        import pyarrow.parquet as pq

        if number not in self._loaded:
            while len(self._loaded) >= _PIECES_IN_MEMORY:
                del self._loaded[next(iter(self._loaded))]
            table = pq.read_table(self._path(number))
            then = table["corrected"] if self._upto is None else corrected_column(table, self._earlier)
            self._loaded[number] = table.append_column("then", then).combine_chunks()
        return self._loaded[number]


class _Places:
    """File, row and sub of all rejects, sorted."""

    def __init__(self, index: Sequence[pa.Table]) -> None:
        self.count = sum(table.num_rows for table in index)
        columns = [_joined(index, name) for name in (FILE, ROW, SUB)]
        self._spans = [int(column.max(initial=0)) + 1 for column in columns]
        keys = self._keys(columns)
        closed = np.concatenate([np.zeros(0, bool), *(_is_closed(table) for table in index)])
        order = np.lexsort((closed, keys))
        keys = keys[order]
        first = np.flatnonzero(np.concatenate([np.ones(min(1, len(keys)), bool), keys[1:] != keys[:-1]]))
        self._sorted, self._numbers = keys[first], order[first]

    def _keys(self, columns: Sequence[Index]) -> Index:
        """One number a place: rows are far fewer than what is left of 63 bits."""
        files, rows, subs = columns
        found: Index = (rows * self._spans[2] + subs) * self._spans[0] + files
        return found

    def find(self, places: Sequence[Place | None]) -> Index:
        found = np.full(len(places), -1, np.int64)
        inside = [
            at for at, place in enumerate(places)
            if place is not None and all(one < span for one, span in zip(place, self._spans, strict=True))
        ]  # fmt: skip
        if not inside or not self.count:
            return found
        asked = np.array([places[at] for at in inside], np.int64)
        keys = self._keys([asked[:, 0], asked[:, 1], asked[:, 2]])
        at = np.minimum(np.searchsorted(self._sorted, keys), len(self._sorted) - 1)
        found[inside] = np.where(self._sorted[at] == keys, self._numbers[at], -1)
        return found


def _joined(index: Sequence[pa.Table], name: str) -> Index:
    return np.concatenate([np.zeros(0, np.int64), *(table[name].to_numpy() for table in index)]).astype(np.int64)


def _is_closed(table: pa.Table) -> np.ndarray[Any, Any]:
    import pyarrow as pa
    import pyarrow.compute as pc

    found: np.ndarray[Any, Any] = pc.is_in(table["state"], value_set=pa.array(_CLOSED)).to_numpy()
    return found


def _known(
    state: str, to: int, values: str | None, corrected: str | None, then: str | None, raw: bytes | None, cut: bool
) -> KnownReject:
    staged = None if values is None else texts(json.loads(values))
    cells, earlier = (json.loads(text) if text else {} for text in (corrected, then))
    return KnownReject(
        state=RejectState(state),
        staged=staged,
        then=_values(staged, earlier),
        now=_values(staged, cells),
        raw=earlier.get("") or raw_text(raw, truncated=cut),
        truncated=cut and staged is None,
        child=to == 0,
    )


def _values(staged: dict[str, str | None] | None, cells: dict[str, str | None]) -> dict[str, str | None]:
    return {**(staged or {}), **{name: new for name, new in cells.items() if name}}
