"""Which rows of a batch repeat values that came before, told in little memory while the rows pass by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.plan import Plan
from loadlock.cleanup.prepared import query
from loadlock.digest import quote
from loadlock.model import Severity

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_BITS_A_ROW = 12
_PROBES = 3


def contests(plan: Plan) -> list[tuple[str, ...]]:
    """The sets of columns whose values may not repeat."""
    uniques = [tuple(check.columns) for check in plan.uniques if check.severity == Severity.REJECT]
    return list(dict.fromkeys([*uniques, *map(tuple, plan.keys)]))


class Seen:
    """Which values of some columns came before: a row said to be new is new; few are said to be old that are not."""

    def __init__(self, columns: Sequence[str], rows: int) -> None:
        import numpy as np

        names = ", ".join(quote(name) for name in columns)
        absent = " or ".join(f"{quote(name)} is null" for name in columns)
        # a row without a value repeats none
        self._sql = f"select case when {absent} then null else hash({names}) end as h from part"
        self._columns = list(columns)
        self._size = 1 << max(20, (rows * _BITS_A_ROW - 1).bit_length())
        self._bits = np.zeros(self._size >> 3, np.uint8)

    def repeated(self, table: pa.Table) -> np.ndarray[Any, Any]:
        """A boolean a row: its values came before. Remembers them."""
        import numpy as np

        column = query(self._sql, table.select(self._columns))["h"].combine_chunks()
        valid = column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else np.ones(len(column), bool)
        hashes = column.fill_null(0).to_numpy()
        repeated: np.ndarray[Any, Any] = valid & (self._remember(hashes, valid) | _again(column))
        return repeated

    def _remember(self, hashes: np.ndarray[Any, Any], valid: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Which hashes are known; the valid ones are from now on."""
        import numpy as np

        known = np.ones(len(hashes), bool)
        step = (hashes >> np.uint64(32)) | np.uint64(1)
        for number in range(_PROBES):
            at = (hashes + np.uint64(number) * step) & np.uint64(self._size - 1)
            place, bit = (at >> np.uint64(3)).view(np.int64), np.uint8(1) << (at & np.uint64(7)).astype(np.uint8)
            known &= (self._bits[place] & bit) != 0
            np.bitwise_or.at(self._bits, place[valid], bit[valid])
        return known


def _again(column: pa.Array) -> np.ndarray[Any, Any]:
    """A boolean a row: an earlier row of the column has the same value."""
    import numpy as np

    # numbered in the order of first appearance
    numbers = column.dictionary_encode().indices.fill_null(-1).to_numpy()
    before = np.maximum.accumulate(np.concatenate([[-1], numbers[:-1]]))
    found: np.ndarray[Any, Any] = numbers <= before
    return found
