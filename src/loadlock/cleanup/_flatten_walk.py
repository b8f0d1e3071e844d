"""From the tokens of a slice of JSON records to its values: which column, which row, which place in the text.

The walk goes from the outside in, one level of brackets at a time, over all records at once. A *node* is what rows are
made of: a record, or an element of an array that is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from loadlock.cleanup._flatten_keys import number_keys
from loadlock.cleanup._flatten_names import VALUE, escaped, unescaped
from loadlock.cleanup._flatten_scan import OPEN_ARRAY, OPEN_OBJECT, Flags, Positions, Tokens, members
from loadlock.cleanup._flatten_tree import MAX_LEVELS
from loadlock.pipeline.model import Flatten

_ROOT = 0
"""The path of a record itself."""
_DENSE = 1 << 22
"""Pairs of path and key that are told apart by a table; more are sorted."""
_CLOSE_ARRAY, _CLOSE_OBJECT = 0x5D, 0x7D


class Paths:
    """The names that lead to values, numbered."""

    def __init__(self, keys: list[bytes], separator: str) -> None:
        self.names = [""]
        self._numbers: dict[str, int] = {}
        self._keys = [escaped(_text(key), separator) for key in keys]
        self._separator = separator
        self._known: dict[int, int] = {}

    def number(self, name: str) -> int:
        """The path of this name."""
        found = self._numbers.setdefault(name, len(self.names))
        if found == len(self.names):
            self.names.append(name)
        return found

    def below(self, parents: Positions, keys: Positions) -> Positions:
        """The paths of keys of objects that lie at the paths `parents`."""
        count = len(self._keys)
        codes = parents * count + keys
        highest = int(codes.max(initial=0)) + 1
        if highest > _DENSE:
            distinct, inverse = np.unique(codes, return_inverse=True)
            below = np.array([self._below(code) for code in distinct.tolist()], dtype=np.int64)
            spread: Positions = below[inverse]
            return spread
        seen = np.zeros(highest, dtype=bool)
        seen[codes] = True
        table: Positions = np.zeros(highest, dtype=np.int64)
        for code in np.flatnonzero(seen).tolist():
            table[code] = self._below(code)
        found: Positions = table.take(codes)
        return found

    def _below(self, code: int) -> int:
        if code not in self._known:
            parent, key = divmod(code, len(self._keys))
            prefix = self.names[parent] + self._separator if parent != _ROOT else ""
            self._known[code] = self.number(prefix + self._keys[key])
        return self._known[code]


def _text(key: bytes) -> str:
    text = key.decode()
    return unescaped(f'"{text}"') if "\\" in text else text


@dataclass(frozen=True, kw_only=True)
class Arrays:
    """The arrays opened on one level, in the order written, and their elements."""

    owners: Positions
    """The nodes to which they belong."""
    tables: Positions
    """The child table that their elements are rows of; 0: they make rows of their owner's table."""
    of_element: Positions
    """For each element the number of its array."""
    nodes: Positions
    """For each element its node."""


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Values that become cells."""

    paths: Positions
    nodes: Positions
    starts: Positions
    strings: Positions
    """Which string each is, if it is one."""


@dataclass(frozen=True, kw_only=True)
class Walked:
    """All that was found in a slice."""

    paths: Paths
    cells: Cells
    in_order: bool
    """Whether the cells stand in the order written."""
    arrays: list[Arrays]
    records: Positions
    """For each node the number of its record; the first nodes are the records themselves."""
    places: Positions
    """For each node where it starts."""
    odd: Positions
    """Records that are too deep, or in which a key stands twice in an object."""


class Walk:
    """One walk through one slice."""

    def __init__(self, found: Tokens, records: Positions, spec: Flatten) -> None:
        """`records`: where the records start."""
        self._tokens = found
        self._spec = spec
        self._deepest = MAX_LEVELS if spec.depth is None else spec.depth
        self._members = members(found)
        self._keys, texts = number_keys(found, self._members)
        self._paths = Paths(texts, spec.separator)
        containers = found.containers
        count = len(containers.opens)
        self._path = np.full(count, -1, dtype=np.int64)
        """Of each opened object and array; -1: not opened."""
        self._node = np.zeros(count, dtype=np.int64)
        self._member = np.full(count, -1, dtype=np.int64)
        """The member whose value it is; -1 for elements of arrays."""
        nested = np.flatnonzero((found.octets.take(self._members.values) | 0x20) == OPEN_OBJECT)
        self._member[found.containers_at(self._members.values[nested])] = nested
        self._records = [np.arange(len(records))]
        self._places = [records]
        self._arrays: list[Arrays] = []
        self._cells: list[Cells] = []
        self._commas: tuple[Positions, Positions] | None = None

    def run(self) -> Walked:
        containers = self._tokens.containers
        others = self._open_records()
        for level in range(2, int(containers.levels.max(initial=0)) + 1):
            here = np.flatnonzero(containers.levels == level)
            if level > 2:
                self._open_members(here, level)
            opened = here[(self._path[here] >= 0) & containers.is_array[here]]
            if len(opened):
                self._open_elements(opened, level)
        odd = self._add_members()
        self._cells.append(others)
        join = np.concatenate
        return Walked(
            paths=self._paths,
            cells=Cells(
                paths=join([cells.paths for cells in self._cells]),
                nodes=join([cells.nodes for cells in self._cells]),
                starts=join([cells.starts for cells in self._cells]),
                strings=join([cells.strings for cells in self._cells]),
            ),
            in_order=not self._arrays and not len(others.starts),
            arrays=self._arrays,
            records=join(self._records),
            places=join(self._places),
            odd=odd,
        )

    def _open_records(self) -> Cells:
        """Records that are objects are opened, arrays where that is asked for; the others are cells."""
        starts, nodes = self._places[0], self._records[0]
        first = self._tokens.octets[starts]
        is_object = first == OPEN_OBJECT
        self._open(self._tokens.containers_at(starts[is_object]), _ROOT, nodes[is_object])
        if is_object.all():
            return self._without_key(nodes[:0], nodes[:0], nodes[:0])
        path = self._paths.number(VALUE)
        is_open = (first == OPEN_ARRAY) & self._opens_array(np.array([path]))
        self._open(self._tokens.containers_at(starts[is_open]), path, nodes[is_open])
        others = np.flatnonzero(~is_object & ~is_open)
        return self._without_key(np.full(len(others), path), others, starts[others])

    def _without_key(self, paths: Positions, nodes: Positions, starts: Positions) -> Cells:
        return Cells(paths=paths, nodes=nodes, starts=starts, strings=self._tokens.strings_at(starts))

    def _open(self, numbers: Positions, paths: Positions | int, nodes: Positions) -> None:
        self._path[numbers] = paths
        self._node[numbers] = nodes

    def _open_members(self, here: Positions, level: int) -> None:
        """Open what is to be opened among the containers of one level that stand under keys."""
        containers = self._tokens.containers
        parents, number = containers.parents[here], self._member[here]
        known = (number >= 0) & (self._path[parents] >= 0)
        here, parents, number = here[known], parents[known], number[known]
        paths = self._paths.below(self._path[parents], self._keys[number])
        is_array = containers.is_array[here]
        opens = np.where(is_array, self._opens_array(paths), self._opens_object(here, level))
        self._open(here[opens], paths[opens], self._node[parents[opens]])

    def _opens_object(self, numbers: Positions, level: int) -> Flags:
        """An object that is empty is a value of its own."""
        if level - 2 > self._deepest:
            return np.zeros(len(numbers), dtype=bool)
        behind = self._tokens.after_space(self._tokens.containers.opens[numbers] + 1)
        filled: Flags = self._tokens.octets[behind] != _CLOSE_OBJECT
        return filled

    def _opens_array(self, paths: Positions) -> Flags:
        spec = self._spec
        if spec.arrays == "explode":
            return np.ones(len(paths), dtype=bool)
        chosen = {*spec.explode, *spec.children}
        if not chosen:
            return np.zeros(len(paths), dtype=bool)
        return np.array([name in chosen for name in self._paths.names])[paths]

    def _open_elements(self, opened: Positions, level: int) -> None:
        """The elements of the opened arrays of one level become nodes; objects are opened, the others are cells."""
        found = self._tokens
        starts, of_element = self._element_starts(opened)
        owners = self._node[opened]
        first = sum(map(len, self._records))
        nodes = np.arange(first, first + len(starts))
        paths = self._path[opened][of_element]
        tables = self._tables(self._path[opened])
        self._arrays.append(Arrays(owners=owners, tables=tables, of_element=of_element, nodes=nodes))
        self._records.append(np.concatenate(self._records)[owners][of_element])
        self._places.append(starts)
        opens = np.zeros(len(starts), dtype=bool)
        # an array inside the array stays text: its elements have no name of their own
        objects = np.flatnonzero(found.octets[starts] == OPEN_OBJECT)
        opens[objects] = self._opens_object(found.containers_at(starts[objects]), level + 1)
        self._open(found.containers_at(starts[opens]), paths[opens], nodes[opens])
        cells = ~opens
        self._cells.append(self._without_key(paths[cells], nodes[cells], starts[cells]))

    def _element_starts(self, opened: Positions) -> tuple[Positions, Positions]:
        """Where the elements of these arrays start, and for each the number of its array in `opened`."""
        found = self._tokens
        if self._commas is None:
            commas = found.commas()
            self._commas = commas, found.containers.around(commas)
        first = found.after_space(found.containers.opens[opened] + 1)
        filled = np.flatnonzero(found.octets[first] != _CLOSE_ARRAY)
        number = np.full(len(self._path), -1, dtype=np.int64)
        number[opened] = np.arange(len(opened))
        commas, around = self._commas
        own = np.flatnonzero(number[around] >= 0)
        starts = np.concatenate([first[filled], found.after_space(commas[own] + 1)])
        arrays = np.concatenate([filled, number[around[own]]])
        order = np.argsort(starts, kind="stable")
        return starts[order], arrays[order]

    def _tables(self, paths: Positions) -> Positions:
        children: Mapping[str, int] = {path: number for number, path in enumerate(self._spec.children, 1)}
        return np.array([children.get(name, 0) for name in self._paths.names])[paths]

    def _add_members(self) -> Positions:
        """The members of all opened objects whose values were not opened are cells. Returns the odd records."""
        own = self._members
        parents = self._path.take(own.containers)
        chosen = np.flatnonzero(parents >= 0)
        holders, parents = own.containers.take(chosen), parents.take(chosen)
        paths = self._paths.below(parents, self._keys.take(chosen))
        nodes = self._node.take(holders)
        is_cell = np.ones(len(own.values), dtype=bool)
        is_cell[self._member[(self._path >= 0) & (self._member >= 0)]] = False
        cells = np.flatnonzero(is_cell.take(chosen))
        starts, strings = (places.take(chosen.take(cells)) for places in (own.values, own.strings))
        self._cells.insert(0, Cells(paths=paths.take(cells), nodes=nodes.take(cells), starts=starts, strings=strings))
        too_deep = self._node[(self._path >= 0) & (self._tokens.containers.levels - 2 >= MAX_LEVELS)]
        odd = np.concatenate([too_deep, nodes[_repeated(holders, paths)]])
        return np.unique(np.concatenate(self._records)[odd]) if len(odd) else odd


def _repeated(holders: Positions, paths: Positions) -> Positions:
    """The members of an object that already has one of the same name."""
    width = int(paths.max(initial=0)) + 1
    codes = holders * width + paths
    size = int(codes.max(initial=-1)) + 1
    if size < _DENSE:
        seen = np.zeros(size, dtype=bool)
        seen[codes] = True
        if np.count_nonzero(seen) == len(codes):
            return np.empty(0, dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    again: Positions = order[1:][np.diff(codes[order]) == 0]
    return again
