"""Columns whose rules look at one staged column only: worked out once for each different text of a part.

Most columns of real batches repeat their values (places, states, dates, flags): then the patterns run over a hundredth of
the rows. What a column gives (its value, what was found, what changed) is looked up for each row; the query over the
row reads it like any other column of the part.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from loadlock.cleanup.building import Building
from loadlock.cleanup.known import results_of
from loadlock.cleanup.prepared import query
from loadlock.cleanup.shapes import ShapeStep
from loadlock.cleanup.steps import SqlStep, Step, repeats, whole
from loadlock.digest import DOUBTED, doubt

if TYPE_CHECKING:
    import pyarrow as pa

BITS = 60
"""Conditions packed into one ubigint column."""
RARE = 3
"""Looking up needs this many times more rows than different texts."""


def words(conditions: Sequence[str], prefix: str) -> list[tuple[str, str]]:
    """Conditions as bits of ubigint columns: (`<prefix>0`, SQL), (`<prefix>1`, SQL) ...; null counts as false."""
    made = []
    for start in range(0, len(conditions), BITS):
        bits = [
            f"case when {condition} then {1 << bit}::ubigint else 0::ubigint end"
            for bit, condition in enumerate(conditions[start : start + BITS])
        ]
        made.append((f"{prefix}{start // BITS}", f"({' | '.join(bits)})"))
    return made


@dataclass(frozen=True, kw_only=True)
class DistinctStep:
    """SQL over one column of the part, `root`; its results are added to the part."""

    root: str
    sql: str
    rare: tuple[str, ...] = ()
    """All that is worked out, where that is flags which are 0 in a column without the bytes `DOUBTED`."""

    def run(self, part: pa.Table) -> pa.Table:
        column = whole(part[self.root])
        if self.rare and not _holds(column, DOUBTED):
            return self._without_flags(part)
        found, places = self._found(column)
        for name in found.column_names:
            values = whole(found[name])
            part = part.append_column(name, values if places is None else values.take(places))
        return part

    def _without_flags(self, part: pa.Table) -> pa.Table:
        import pyarrow as pa

        for name in self.rare:
            part = part.append_column(name, pa.array(np.zeros(part.num_rows, dtype=np.uint64)))
        return part

    def _found(self, column: pa.Array) -> tuple[pa.Table, pa.Array | None]:
        """The results, and where each row's lies among them (None: row by row)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if repeats(column):
            coded = column.dictionary_encode()
            if len(coded.dictionary) * RARE <= len(column):
                found, places = results_of(self.sql, self.root, coded.dictionary)
                return found, pc.fill_null(places.take(coded.indices), 0)
        return query(self.sql, pa.table({self.root: column})), None


def _holds(column: pa.Array, texts: Sequence[bytes]) -> bool:
    """Whether the bytes of a text column hold one of these texts; also, sometimes, where two values only touch."""
    _, ends, data = column.buffers()
    if data is None or not len(column):
        return False
    bounds = np.frombuffer(ends, dtype=np.int32)[[column.offset, column.offset + len(column)]].tolist()
    octets = memoryview(data)[bounds[0] : bounds[1]]
    return any(re.search(re.escape(text), octets) for text in texts)


@dataclass(kw_only=True)
class _Group:
    """What comes from one root."""

    names: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Local:
    """The steps, and the building in which their results are given."""

    steps: tuple[Step, ...]
    build: Building
    places: dict[str, tuple[str, int]]
    """Where conditions are marked now: the packed column and the bit."""

    def condition(self, sql: str) -> str:
        """What stands for a condition in the query over the row."""
        return is_set(*self.places[sql]) if sql in self.places else sql


def is_set(word: str, bit: int) -> str:
    """Condition: a bit of a packed column is set."""
    return f"({word} & {1 << bit}::ubigint) <> 0"


def localized(build: Building, names: Sequence[str], conditions: Sequence[str]) -> Local:
    """Take out of the row's query every wanted column and condition that comes from one column of the part alone."""
    shaped = _by_shape(build, [*names, *conditions])
    build, steps, places, given = shaped.build, list(shaped.steps), {}, []
    for number, (root, group) in enumerate(_groups(build, names, conditions).items()):
        packed = words(group.conditions, f"d{number}_")
        listed = [*group.names, *(f"{sql} as {name}" for name, sql in packed)]
        relation = build.relation([*group.names, *group.conditions])
        flags = tuple(name for name, _ in packed)
        are_rare = not group.names and group.conditions == [doubt(root)]
        sql = f"select {', '.join(listed)} from {relation}"
        steps.append(DistinctStep(root=root, sql=sql, rare=flags if are_rare else ()))
        given += [*group.names, *flags]
        for place, condition in enumerate(group.conditions):
            places[condition] = (f"d{number}_{place // BITS}", place % BITS)
    return Local(steps=tuple(steps), build=build.with_given(given), places=places)


def _groups(build: Building, names: Sequence[str], conditions: Sequence[str]) -> dict[str, _Group]:
    """What comes from one column of the part alone, by that column."""
    groups: dict[str, _Group] = {}
    for name in dict.fromkeys(names):
        if not build.is_given(name) and (root := build.only_root(name)) is not None:
            groups.setdefault(root, _Group()).names.append(name)
    for condition in dict.fromkeys(conditions):
        root = build.only_root(condition)
        if root is not None and root not in build.flags:
            groups.setdefault(root, _Group()).conditions.append(condition)
    return groups


def _by_shape(build: Building, uses: Sequence[str]) -> Local:
    """Take out what depends on the shape of a text only, and what comes before it."""
    steps: list[Step] = []
    groups: dict[str, list[str]] = {}
    for name in build.needed(uses):
        if name in build.by_shape:
            groups.setdefault(build.by_shape[name], []).append(name)
    for value, made in groups.items():
        if not build.is_given(value):
            before = localized(build, [value], [])
            steps += before.steps
            build = before.build
        if not build.is_given(value):
            steps.append(SqlStep(sql=f"select {value} from {build.relation([value])}"))
            build = build.with_given([value])
        sql = f"select {', '.join(made)} from {build.relation(made)}"
        steps.append(ShapeStep(root=value, sql=sql, texts=tuple(name for name in made if name not in build.flags)))
        build = build.with_given(made)
    return Local(steps=tuple(steps), build=build, places={})
