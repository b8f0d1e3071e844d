"""Rules and checks that the user wrote in Python: loaded from their source text, called on Arrow arrays."""

from __future__ import annotations

import hashlib
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = ("value", "column", "table")


class PythonRuleError(Exception):
    """The source can't be loaded or holds no such function; `remedy` says what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class PythonFunction:
    """A user's function by its source: picklable, loaded once a process."""

    file: str
    function: str
    source: str
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.file}:{self.function}"

    def load(self) -> Callable[..., Any]:
        """The function; raises PythonRuleError."""
        module = _module(self.sha256, self.source, self.file)
        found = getattr(module, self.function, None)
        if not callable(found):
            raise PythonRuleError(
                f"{self.file} has no function {self.function!r}",
                "Name a function of the file, as `rules.py:clean_name`.",
            )
        return found  # type: ignore[no-any-return]

    def kind(self, undecorated: str = "value") -> str:
        """`value`, `column` or `table`, as the decorator says; `undecorated` without one."""
        marks = getattr(self.load(), "__loadlock__", None)
        kind = marks.get("kind", "value") if isinstance(marks, dict) else undecorated
        if kind not in KINDS:
            raise PythonRuleError(f"{self.name} has the unknown kind {kind!r}", f"Use one of {', '.join(KINDS)}.")
        return str(kind)


def python_function(options: dict[str, Any]) -> PythonFunction:
    """From the options of a `python` rule or check (`python`, `source`, `sha256`); raises PythonRuleError."""
    target = str(options.get("python", ""))
    file, separator, function = target.rpartition(":")
    if not separator or not file or not function:
        raise PythonRuleError(f"{target!r} names no function", "Write `file.py:function`.")
    source = options.get("source")
    if not isinstance(source, str):
        raise PythonRuleError(f"the source of {file} is missing", "Put the file beside the pipeline.")
    digest = str(options.get("sha256") or hashlib.sha256(source.encode()).hexdigest())
    return PythonFunction(file=file, function=function, source=source, sha256=digest)


@lru_cache(maxsize=64)
def _module(sha256: str, source: str, file: str) -> types.ModuleType:
    name = f"_loadlock_rules_{sha256[:16]}"
    module = types.ModuleType(name, f"Rules from {file}.")
    module.__file__ = file
    sys.modules[name] = module  # dataclasses and pickling inside the file look themselves up by name
    try:
        exec(compile(source, file, "exec"), module.__dict__)  # noqa: S102  the user's own code, said to be
    except Exception as error:
        del sys.modules[name]
        place = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise PythonRuleError(
            f"{file} can't be loaded{place}: {type(error).__name__}: {error}", "Correct the file; it must import alone."
        ) from error
    return module


def each_value(function: PythonFunction, values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """(results as text, errors as text or null) of a value function, called once per distinct value."""
    import pyarrow as pa

    encoded = values.dictionary_encode(null_encoding="encode")
    results: list[str | None] = []
    errors: list[str | None] = []
    call = function.load()
    for value in encoded.dictionary.to_pylist():
        result, error = _one(function, call, value)
        results.append(result)
        errors.append(error)
    taken = pa.array(results, pa.string()).take(encoded.indices)
    return taken, pa.array(errors, pa.string()).take(encoded.indices)


def _one(function: PythonFunction, call: Callable[..., Any], value: Any) -> tuple[str | None, str | None]:
    try:
        return as_text(call(value)), None
    except Exception as error:
        shown = repr(value) if len(repr(value)) <= 80 else repr(value)[:80] + "…"
        return None, f"{function.name}({shown}) raised {type(error).__name__}: {error}"


def as_text(value: Any) -> str | None:
    """A result as text that the strict types read back."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, bytes):
        raise TypeError("a rule must give text, a number, a date or None, not bytes")
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat()) if callable(isoformat) else str(value)


def whole_column(function: PythonFunction, values: pa.Array) -> tuple[pa.Array, pa.Array]:
    """(results as text, errors) of a column function: a failure is a problem of every row of the part."""
    import pyarrow as pa

    try:
        result = function.load()(values)
        if isinstance(result, pa.ChunkedArray):
            result = result.combine_chunks()
        if not isinstance(result, pa.Array) or len(result) != len(values):
            raise TypeError(f"gave {type(result).__name__}, not a pyarrow.Array of {len(values)} values")
        return result.cast(pa.string()), pa.nulls(len(values), pa.string())
    except Exception as error:
        return pa.nulls(len(values), pa.string()), _same(_failure(function, error), len(values))


def whole_table(function: PythonFunction, table: pa.Table) -> tuple[pa.Table, pa.Array]:
    """(result with the same columns, errors) of a table function."""
    import pyarrow as pa

    try:
        result = function.load()(table)
        if not isinstance(result, pa.Table) or result.num_rows != table.num_rows:
            raise TypeError(f"gave {type(result).__name__}, not a pyarrow.Table of {table.num_rows} rows")
        if sorted(result.column_names) != sorted(table.column_names):
            raise TypeError(f"gave the columns {result.column_names}, not {table.column_names}")
        return result.select(table.column_names), pa.nulls(table.num_rows, pa.string())
    except Exception as error:
        return table, _same(_failure(function, error), table.num_rows)


def _failure(function: PythonFunction, error: Exception) -> str:
    return f"{function.name} raised {type(error).__name__}: {error}"


def _same(text: str, length: int) -> pa.Array:
    import pyarrow as pa

    return pa.repeat(pa.scalar(text, pa.string()), length)
