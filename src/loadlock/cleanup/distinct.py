"""Columns whose rules look at one staged column only: worked out once for each different text of a part.

Most columns of real batches repeat their values (places, states, dates, flags): then the patterns run over a hundredth of
the rows. What a column gives (its value, what was found, what changed) is looked up for each row; the query over the
row reads it like any other column of the part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadlock.cleanup.building import Building
from loadlock.cleanup.prepared import query
from loadlock.cleanup.steps import whole

if TYPE_CHECKING:
    import pyarrow as pa

BITS = 60
"""Conditions packed into one ubigint column."""
SMALL = 1_000
"""Parts of fewer rows are not searched for repeated texts."""
SAMPLE = 2_048
REPEATS = 0.5
"""Share of different texts in the sample (and a third of the rows in all) up to which looking up is worth it."""


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

    def run(self, part: pa.Table) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        column = whole(part[self.root])
        indices = None
        if _repeats(column):
            coded = column.dictionary_encode()
            if len(coded.dictionary) * 3 <= len(column):
                # one more entry for null, which has its own results
                column = pa.concat_arrays([coded.dictionary, pa.nulls(1, coded.dictionary.type)])
                indices = pc.fill_null(coded.indices, len(coded.dictionary))
        found = query(self.sql, pa.table({self.root: column}))
        for name in found.column_names:
            values = whole(found[name])
            part = part.append_column(name, values if indices is None else values.take(indices))
        return part


def _repeats(column: pa.Array) -> bool:
    if len(column) < SMALL:
        return False
    sample = column.slice(len(column) // 2, SAMPLE)
    return len(sample.unique()) <= REPEATS * len(sample)


@dataclass(kw_only=True)
class _Group:
    """What comes from one root."""

    names: list[str] = field(default_factory=list)
    conditions: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Local:
    """The steps, the building in which their results are given, and what stands for each condition now."""

    steps: tuple[DistinctStep, ...]
    build: Building
    conditions: dict[str, str]


def localized(build: Building, names: Sequence[str], conditions: Sequence[str]) -> Local:
    """Take out of the row's query every wanted column and condition that comes from one column of the part alone."""
    groups: dict[str, _Group] = {}
    for name in dict.fromkeys(names):
        if not build.is_given(name) and (root := build.only_root(name)) is not None:
            groups.setdefault(root, _Group()).names.append(name)
    for condition in dict.fromkeys(conditions):
        if (root := build.only_root(condition)) is not None:
            groups.setdefault(root, _Group()).conditions.append(condition)
    steps, replaced, given = [], {}, []
    for number, (root, group) in enumerate(groups.items()):
        packed = words(group.conditions, f"d{number}_")
        listed = [*group.names, *(f"{sql} as {name}" for name, sql in packed)]
        relation = build.relation([*group.names, *group.conditions])
        steps.append(DistinctStep(root=root, sql=f"select {', '.join(listed)} from {relation}"))
        given += [*group.names, *(name for name, _ in packed)]
        for place, condition in enumerate(group.conditions):
            replaced[condition] = f"(d{number}_{place // BITS} & {1 << place % BITS}::ubigint) <> 0"
    return Local(steps=tuple(steps), build=build.with_given(given), conditions=replaced)
