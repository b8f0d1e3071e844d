"""How many rows the records of a slice make, and which value stands in which of them.

A record is one row, or as many as its longest opened array: arrays beside each other stand beside each other in the
rows, and whatever lies around an array is repeated in each of its rows. Elements that go to a child table are rows
there, one behind the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loadlock.cleanup._flatten_scan import Positions
from loadlock.cleanup._flatten_walk import Arrays, Walked


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows of one table: the record of each, and its number within the record."""

    records: Positions
    subs: Positions


class Layout:
    """Where the nodes' rows lie in their tables; table 0 is the parents', n the n-th child's."""

    def __init__(self, found: Walked) -> None:
        self._found = found
        self.records = len(found.records) - sum(len(arrays.nodes) for arrays in found.arrays)
        """How many records there are."""
        self._sizes = np.ones(len(found.records), dtype=np.int64)
        """Rows of each node."""
        self._starts = np.zeros(len(found.records), dtype=np.int64)
        self.tables = np.zeros(len(found.records), dtype=np.int64)
        for arrays in reversed(found.arrays):
            self._grow(arrays)
        for arrays in found.arrays:
            own = arrays.tables[arrays.of_element]
            self.tables[arrays.nodes] = np.where(own, own, self.tables[arrays.owners[arrays.of_element]])

    def _grow(self, arrays: Arrays) -> None:
        """A node has as many rows as the longest of its arrays."""
        within = arrays.tables == 0
        sizes = np.maximum(_sums(arrays, self._sizes[arrays.nodes]), 1)
        np.maximum.at(self._sizes, arrays.owners[within], sizes[within])

    def rows(self, table: int) -> Rows:
        """Place the nodes of a table in its rows."""
        if not self._found.arrays:
            count = 0 if table else self.records
            return Rows(records=np.arange(count), subs=np.zeros(count, dtype=np.int64))
        roots = self._roots(table)
        sizes = self._sizes[roots]
        self._starts[roots] = np.cumsum(sizes) - sizes
        for arrays in self._found.arrays:
            self._place(arrays)
        records = np.repeat(self._found.records[roots], sizes)
        first = np.flatnonzero(np.diff(records, prepend=-1))
        lengths = np.diff(first, append=len(records))
        return Rows(records=records, subs=np.arange(len(records)) - np.repeat(first, lengths))

    def _roots(self, table: int) -> Positions:
        if table == 0:
            return np.arange(self.records)
        empty = np.empty(0, dtype=np.int64)
        nodes = [arrays.nodes[arrays.tables[arrays.of_element] == table] for arrays in self._found.arrays]
        roots = np.concatenate([empty, *nodes])
        return roots[np.argsort(self._found.places[roots], kind="stable")]

    def _place(self, arrays: Arrays) -> None:
        """The elements of an array that makes rows of its owner's table lie one behind the other from its first row on."""
        own = np.flatnonzero(arrays.tables[arrays.of_element] == 0)
        if not len(own):
            return
        sizes, of_element = self._sizes[arrays.nodes], arrays.of_element
        before = np.cumsum(sizes) - sizes
        first = np.flatnonzero(np.diff(of_element, prepend=-1))
        within = before - np.repeat(before[first], np.diff(first, append=len(of_element)))
        self._starts[arrays.nodes[own]] = (self._starts[arrays.owners[of_element]] + within)[own]

    def cells(self, nodes: Positions) -> tuple[Positions, Positions | None]:
        """The rows that values of these nodes fill, and for each row the number of its value. Call `rows` before.

        None instead of the numbers: each value fills one row.
        """
        if not self._found.arrays:
            return nodes, None
        sizes, starts = self._sizes[nodes], self._starts[nodes]
        if sizes.max(initial=1) == 1:
            return starts, None
        numbers = np.repeat(np.arange(len(nodes)), sizes)
        within = np.arange(len(numbers)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return starts[numbers] + within, numbers


def _sums(arrays: Arrays, sizes: Positions) -> Positions:
    """The rows of the elements of each array."""
    sums = np.zeros(len(arrays.owners), dtype=np.int64)
    np.add.at(sums, arrays.of_element, sizes)
    return sums
