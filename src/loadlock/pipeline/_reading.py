"""What the parts of the reader share while one pipeline is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadlock.pipeline import _read_files, _read_lookups
from loadlock.pipeline.written import Notes, WrongValueError


@dataclass(kw_only=True)
class Reading:
    """One pipeline being read: where it lies, what was noted, which files it named, which SQL is still to be parsed."""

    notes: Notes
    base_folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    lookups: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    expressions: list[tuple[str, str]] = field(default_factory=list)
    """(path, SQL expression over the row)."""
    queries: list[tuple[str, str]] = field(default_factory=list)
    """(path, SQL query over the batch)."""

    def add_lookup(self, written: str, path: str) -> bool:
        """Read a lookup file once; a file that can't be read is noted."""
        if written in self.lookups:
            return True
        try:
            self.lookups[written] = _read_lookups.lookup(written, self.base_folder, self.environment)
        except WrongValueError as wrong:
            self.notes.wrong(path, wrong.message, wrong.remedy)
            return False
        return True

    def python(self, written: Any, path: str) -> dict[str, Any] | None:
        """Options of a Python rule or check, from `file.py:function` or a function; None if it is noted as wrong."""
        return self._tried(path, lambda: self._python(written))

    def _python(self, written: Any) -> dict[str, Any]:
        if callable(written):
            from loadlock.pipeline._function_source import function_options

            return function_options(written)
        if not isinstance(written, str):
            raise WrongValueError("this names no Python function", "Write file.py:function, as in rules.py:split_name.")
        return _read_files.python_rule(written, self.base_folder)

    def _tried(self, path: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        try:
            return read()
        except WrongValueError as wrong:
            self.notes.wrong(path, wrong.message, wrong.remedy)
            return None
