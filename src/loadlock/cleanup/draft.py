"""A plan in the making: what the compilers of columns, rows and checks share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Any, TypeVar

from loadlock.cleanup.base import ColumnSource, RuleContext, Winner
from loadlock.cleanup.building import Building
from loadlock.cleanup.components import make
from loadlock.cleanup.expressions import ExpressionError, Scope, rewrite
from loadlock.cleanup.filling import Fill
from loadlock.cleanup.plan import Input, PythonCheck, SurveyItem
from loadlock.cleanup.python_rules import PythonFunction, PythonRuleError, python_function
from loadlock.errors import LoadlockError, Mistake, UsageError
from loadlock.pipeline.model import CheckUse, Column, Pipeline, RuleUse
from loadlock.types import TEXT

T = TypeVar("T")


@dataclass(kw_only=True)
class Draft:
    """State while compiling. Lists by column are in the declared order."""

    pipeline: Pipeline
    columns: Sequence[Column]
    decisions: Mapping[str, Any]
    run_time: datetime
    inputs: list[Input]
    build: Building
    mistakes: list[Mistake] = field(default_factory=list)
    chains: list[list[tuple[str, RuleUse]]] = field(default_factory=list)
    """(path, rule) of each column, in order."""
    finals: list[str] = field(default_factory=list)
    """Internal name of each column's typed value so far."""
    texts: list[str] = field(default_factory=list)
    """Internal name of each column's text before its type."""
    digests: list[str] = field(default_factory=list)
    """Internal name of what the digest sees of each column."""
    skips: list[tuple[str, str]] = field(default_factory=list)
    surveys: list[SurveyItem] = field(default_factory=list)
    python_checks: list[PythonCheck] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    """Columns whose gaps are filled from above."""
    left_out: set[str] = field(default_factory=set)
    """Columns that rules leave out of what is delivered."""
    winners: list[tuple[str, Winner]] = field(default_factory=list)
    """(path, rule) of rules that keep one of several equal rows."""
    _numbers: dict[str, int] = field(default_factory=dict)

    def number(self, kind: str) -> int:
        """The next number for internal names of a kind."""
        self._numbers[kind] = self._numbers.get(kind, -1) + 1
        return self._numbers[kind]

    def staged(self, index: int) -> str:
        """Internal name of a declared column's staged text."""
        return f"s{index}"

    def context(self, index: int, decision: Any = None) -> RuleContext:
        column = self.columns[index]
        return RuleContext(
            column=column.name,
            type=column.type,
            base_folder=self.pipeline.base_folder,
            lookups=self.pipeline.lookups,
            decision=decision,
        )

    def row_context(self, column: str) -> RuleContext:
        """The context of a rule over the row."""
        return RuleContext(
            column=column, type=TEXT, base_folder=self.pipeline.base_folder, lookups=self.pipeline.lookups
        )

    def mistake(self, path: str, message: str, remedy: str) -> None:
        self.mistakes.append(Mistake(path=path, message=message, remedy=remedy))

    def attempt(self, path: str, work: Callable[[], T]) -> T | None:
        """What `work` gives, or None with a mistake written down."""
        try:
            return work()
        except (ExpressionError, PythonRuleError) as error:
            self.mistake(path, str(error), error.remedy)
        except LoadlockError as error:
            self.mistake(path, str(error), error.hint or "Correct it.")
        except ValueError as error:
            message, _, remedy = str(error).partition("; ")
            self.mistake(path, message, remedy[:1].upper() + remedy[1:] + "." if remedy else "Correct it.")
        return None

    def component(self, path: str, kind: str, use: RuleUse | CheckUse) -> Any | None:
        """The rule or check of a use, or None with a mistake."""
        return self.attempt(path, lambda: make(kind, use.name, dict(use.options)))

    def function(
        self, path: str, use: RuleUse | CheckUse, *, undecorated: str = "value"
    ) -> tuple[PythonFunction, str] | None:
        """The Python function of a use and its kind (`undecorated` without a decorator), or None with a mistake."""

        def load() -> tuple[PythonFunction, str]:
            function = python_function(use.options)
            return function, function.kind(undecorated)

        return self.attempt(path, load)

    def expression(self, path: str, text: Any, names: Mapping[str, str]) -> str | None:
        """The user's SQL over internal names, or None with a mistake."""
        scope = Scope(names=names, run_time=self.run_time)
        return self.attempt(path, lambda: rewrite(str(text), scope))

    def row_names(self) -> dict[str, str]:
        """What SQL over the row may name: the columns' values so far, then the files' columns where not hidden."""
        names = dict(zip((column.name for column in self.columns), self.finals, strict=True))
        return names | {name: staged for name, staged in self.source_names().items() if name not in names}

    def source_names(self) -> dict[str, str]:
        """The files' columns by every name they are looked for."""
        return {name: entry.name for entry in reversed(self.inputs) for name in entry.candidates}

    def text_of(self, name: str) -> str:
        """Internal name of a column's value as text: as it is by now once all columns are compiled, else as staged.

        Raises UsageError where there is no such column.
        """
        index = next((i for i, column in enumerate(self.columns) if column.name == name), None)
        known = self.source_names()
        if index is None and name not in known:
            close = get_close_matches(name, [*(column.name for column in self.columns), *known], n=1)
            remedy = f"Did you mean {close[0]!r}?" if close else "Name a declared column."
            raise UsageError(f"there is no column {name!r}", hint=remedy)
        if index is None:
            return known[name]
        if len(self.finals) < len(self.columns):
            return self.staged(index)
        final = self.finals[index]
        if self.columns[index].type.kind in ("text", "json", "uuid"):
            return final
        return self.build.add(f"y{self.number('row')}", f"{final}::varchar")

    def column_sources(self) -> dict[str, ColumnSource]:
        """The columns' values as checks see them, by name."""
        pairs = zip(self.columns, self.finals, strict=True)
        return {column.name: ColumnSource(sql=final, type=column.type) for column, final in pairs}

    def found_by_rules(self, column: str | None) -> tuple[int, ...]:
        """The places of what rules can find wrong with a column so far."""
        found = enumerate(self.build.findings)
        return tuple(place for place, one in found if one.source == "rule" and one.column == column)

    def types(self) -> list[tuple[str, str]]:
        """(internal name, DuckDB type) of everything that SQL over the row may name."""
        listed = [(entry.name, "varchar") for entry in self.inputs]
        return listed + [
            (name, column.type.duckdb)
            for name, column in zip(self.finals, self.columns, strict=False)
            if name not in dict(listed)
        ]
