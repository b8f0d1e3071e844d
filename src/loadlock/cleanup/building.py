"""Collects the SQL of a plan: internal columns in layers, each computed once, and Arrow steps between them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from loadlock.cleanup.plan import Change, Finding
from loadlock.cleanup.steps import SqlStep, Step
from loadlock.prepared import PART

_WORD = re.compile(r"\b[a-z]\w*\b")


class Building:
    """Internal columns in the order of their making. Those in `base` lie in the part already."""

    def __init__(self, base: Sequence[str]) -> None:
        self.base = list(base)
        self.steps: list[Step] = []
        self.findings: list[Finding] = []
        self.changes: list[Change] = []
        self._level = dict.fromkeys(base, 0)
        self._columns: dict[str, str] = {}
        self.by_shape: dict[str, str] = {}
        """Columns that depend on the shape of one text column only: name → that column."""
        self.flags: set[str] = set()
        """Those of them that are conditions."""

    def add(self, name: str, expression: str) -> str:
        """A new internal column by SQL over earlier ones; gives its name."""
        self._level[name] = 1 + max((self._level[word] for word in self._words(expression)), default=0)
        self._columns[name] = expression
        return name

    def add_by_shape(self, name: str, expression: str, value: str, *, flag: bool = False) -> str:
        """The same, of an expression over the text column `value` that tells digits apart only by a 0 in front."""
        self.by_shape[name] = value
        if flag:
            self.flags.add(name)
        return self.add(name, expression)

    def flush(self, wanted: Sequence[str] | None = None) -> None:
        """Compute columns now (all, or `wanted` and what they come from), so that an Arrow step can read them."""
        names = [name for name in self._columns if name not in self.flags] if wanted is None else self.needed(wanted)
        if not names:
            return
        self.steps.append(SqlStep(sql=f"select {', '.join(names)} from {self.relation(names)}"))
        for name in names:
            del self._columns[name]
            self.given(name)

    def given(self, name: str) -> str:
        """A column that a step has put into the part."""
        self.base.append(name)
        self._level[name] = 0
        return name

    def step(self, step: Step, *made: str) -> None:
        """A step that makes the named columns."""
        self.steps.append(step)
        for name in made:
            self.given(name)

    def is_given(self, name: str) -> bool:
        """Whether the column lies in the part, so that SQL need not hand it out."""
        return name not in self._columns

    def only_root(self, expression: str) -> str | None:
        """The one column of the part that an expression comes from; None where it is more than one, or none."""
        found: set[str] = set()
        todo, seen = self._words(expression), set[str]()
        while todo:
            name = todo.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in self._columns:
                todo += self._words(self._columns[name])
            else:
                found.add(name)
        return found.pop() if len(found) == 1 else None

    def with_given(self, names: Sequence[str]) -> Building:
        """A copy in which these columns lie in the part already."""
        other = Building(self.base)
        other._level = dict(self._level)
        other.by_shape, other.flags = self.by_shape, self.flags
        other._columns = {name: text for name, text in self._columns.items() if name not in names}
        for name in names:
            other.given(name)
        return other

    def relation(self, uses: Sequence[str]) -> str:
        """A relation with the columns that the expressions `uses` name.

        One projection a level, so that nothing is computed twice; each hands on only what is still needed: DuckDB's
        binder takes its time for every column of every layer.
        """
        needed = self.needed(uses)
        levels = sorted({self._level[name] for name in needed})
        later = {level: self._later(level, needed, uses) for level in levels}
        found = PART
        for level in levels:
            kept = [name for name in later[level] if self._level[name] < level]
            made = [f"{self._columns[name]} as {name}" for name in needed if self._level[name] == level]
            found = f"(select {', '.join([*kept, *made])} from {found})"
        return found

    def _later(self, level: int, needed: Sequence[str], uses: Sequence[str]) -> list[str]:
        """The columns up to a level that expressions behind it name."""
        behind = [self._columns[name] for name in needed if self._level[name] > level]
        words = dict.fromkeys(word for text in (*behind, *uses) for word in self._words(text))
        return [word for word in words if self._level[word] <= level]

    def _words(self, text: str) -> list[str]:
        return [word for word in _WORD.findall(text) if word in self._level]

    def needed(self, uses: Sequence[str]) -> list[str]:
        """The columns not yet computed that the expressions come from, in the order of their making."""
        needed: set[str] = set()
        todo = [word for text in uses for word in self._words(text)]
        while todo:
            name = todo.pop()
            if name in self._columns and name not in needed:
                needed.add(name)
                todo += self._words(self._columns[name])
        return [name for name in self._columns if name in needed]
