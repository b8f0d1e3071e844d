"""Collects the SQL of a plan: internal columns in layers, each computed once, and Arrow steps between them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from loadlock.cleanup.plan import Change, Finding, Program
from loadlock.cleanup.steps import PART, SqlStep, Step

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

    def add(self, name: str, expression: str) -> str:
        """A new internal column by SQL over earlier ones; gives its name."""
        used = {word for word in _WORD.findall(expression) if word in self._level}
        self._level[name] = 1 + max((self._level[word] for word in used), default=0)
        self._columns[name] = expression
        return name

    def flush(self, wanted: Sequence[str] | None = None) -> None:
        """Compute columns now (all, or `wanted` and what they come from), so that an Arrow step can read them."""
        names = list(self._columns) if wanted is None else self._needed(wanted)
        if not names:
            return
        self.steps.append(SqlStep(sql=f"select {', '.join(names)} from {self.layers(names)}"))
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

    def layers(self, names: Sequence[str] | None = None) -> str:
        """A relation with all columns: one projection a level, so that nothing is computed twice."""
        chosen = self._columns if names is None else {name: self._columns[name] for name in names}
        found = PART
        for level in sorted({self._level[name] for name in chosen}):
            made = ", ".join(f"{chosen[name]} as {name}" for name in chosen if self._level[name] == level)
            found = f"(select *, {made} from {found})"
        return found

    def program(self) -> Program:
        return Program(steps=tuple(self.steps), layers=self.layers())

    def _needed(self, wanted: Sequence[str]) -> list[str]:
        needed: set[str] = set()
        open_names = [name for name in wanted if name in self._columns]
        while open_names:
            name = open_names.pop()
            if name not in needed:
                needed.add(name)
                open_names += [word for word in _WORD.findall(self._columns[name]) if word in self._columns]
        return [name for name in self._columns if name in needed]
