"""Which column of a file is meant by a declared one: exactly, by alias, else ignoring case, spaces and punctuation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadlock.cleanup.plan import Input
from loadlock.rows import PROVENANCE, SUB

if TYPE_CHECKING:
    from loadlock.cleanup.plan import Plan


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What was found for the plan's inputs."""

    indexes: dict[str, int] = field(default_factory=dict)
    """Internal name → index of the file's column."""
    loosely: dict[str, str] = field(default_factory=dict)
    """Declared column → name in the file, where the names are not exactly equal."""


def bind(inputs: Sequence[Input], names: Sequence[str]) -> Bound:
    """Find each input among the names; what is not found is left out. Exact names win over similar ones."""
    exact = {name: index for index, name in reversed(list(enumerate(names)))}
    indexes = {}
    for entry in inputs:
        index = next((exact[name] for name in entry.candidates if name in exact), None)
        if index is not None:
            indexes[entry.name] = index
    return Bound(indexes=indexes, loosely={}) if len(indexes) == len(inputs) else _loosely(inputs, names, indexes)


def _loosely(inputs: Sequence[Input], names: Sequence[str], indexes: dict[str, int]) -> Bound:
    taken = set(indexes.values())
    folded: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if index not in taken and name not in PROVENANCE:
            folded.setdefault(fold(name), []).append(index)
    loosely = {}
    for entry in inputs:
        if entry.name in indexes or not entry.tolerant:
            continue
        fitting = next((folded[fold(name)] for name in entry.candidates if fold(name) in folded), [])
        if len(fitting) == 1:
            indexes[entry.name] = fitting[0]
            loosely[entry.column] = names[fitting[0]]
    return Bound(indexes=indexes, loosely=loosely)


def fold(name: str) -> str:
    """The name's letters and digits, case ignored; the name itself where it has none."""
    return "".join(character for character in name.casefold() if character.isalnum()) or name


def drift(names: Sequence[str], plan: Plan) -> list[str]:
    """The names of a file's columns that the plan doesn't read."""
    used = set(bind(plan.inputs, names).indexes.values())
    return [name for index, name in enumerate(names) if index not in used and name not in (*PROVENANCE, SUB)]
