"""SQL that users write over a row: parsed by DuckDB itself, checked node by node, column names resolved to ours."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from loadlock.cleanup import sandbox

RUN_TIME = "run_time"
_NODES = frozenset(
    {
        *("COLUMN_REF", "CONSTANT", "FUNCTION", "CAST", "CASE", "COMPARISON"),
        *("CONJUNCTION", "OPERATOR", "BETWEEN", "COLLATE", "LAMBDA", "TYPE"),
    }
)
_CLOCKS = frozenset({"localtime", "localtimestamp", "today", "now"})


class ExpressionError(Exception):
    """An expression can't be used; `remedy` says what to write instead."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What an expression may name: the user's names → internal column names, and the run's time."""

    names: Mapping[str, str]
    run_time: datetime

    def resolve(self, parts: list[str]) -> tuple[str, list[str]] | None:
        """The internal name for a (dotted) reference and what is left of it (struct fields); None = unknown."""
        folded = {name.casefold(): internal for name, internal in reversed(list(self.names.items()))}
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            internal = self.names.get(name) or folded.get(name.casefold())
            if internal is not None:
                return internal, parts[length:]
        return None


def rewrite(text: str, scope: Scope) -> str:
    """The expression over internal names, as DuckDB writes it; raises ExpressionError."""
    expression = _parse(text)
    checked = _Walker(scope).walk(expression)
    document = parse_query("select 1")
    document["statements"][0]["node"]["select_list"] = [checked]
    sql = sandbox.connection().execute("select json_deserialize_sql(?::json)", [json.dumps(document)]).fetchall()[0][0]
    return "(" + str(sql).removeprefix("SELECT ") + ")"


def result_type(expression: str, columns: Iterable[tuple[str, str]]) -> str:
    """The DuckDB type of a rewritten expression over columns (name, DuckDB type); raises ExpressionError."""
    import duckdb

    listed = ", ".join(f"null::{kind} as {name}" for name, kind in columns) or "null as _nothing"
    try:
        rows = sandbox.connection().execute(f"describe select {expression} as x from (select {listed})").fetchall()
    except duckdb.Error as error:
        raise ExpressionError(_first_line(error), "Correct the expression; cast where types differ.") from error
    found = str(rows[0][1])
    if any(word in found for word in ("STRUCT", "[]", "MAP(", "UNION(", "[")):
        raise ExpressionError(f"the expression gives {found}, not one value", "Give a single value.")
    return found


def _parse(text: str) -> dict[str, Any]:
    if not text.strip():
        raise ExpressionError("the expression is empty", "Write a DuckDB expression over the row.")
    document = parse_query(f"select ({text}\n)")
    node = document["statements"][0]["node"]
    extra = [key for key in ("where_clause", "group_expressions", "having", "qualify", "sample") if node.get(key)]
    plain = node.get("type") == "SELECT_NODE" and node["from_table"]["type"] == "EMPTY" and not node["modifiers"]
    if len(document["statements"]) != 1 or not plain or extra or len(node["select_list"]) != 1:
        raise ExpressionError("the SQL is not a single expression", "Write an expression over the row, without select.")
    return dict(node["select_list"][0])


def parse_query(query: str) -> dict[str, Any]:
    """DuckDB's parse of a query; raises ExpressionError."""
    import duckdb

    try:
        row = sandbox.connection().execute("select json_serialize_sql(?)", [query]).fetchall()[0][0]
    except duckdb.Error as error:
        raise ExpressionError(_first_line(error), "Correct the expression.") from error
    document: dict[str, Any] = json.loads(row)
    if document["error"]:
        message = document.get("error_message", "it does not parse")
        raise ExpressionError(f"the SQL does not parse: {message}", "Write an expression as DuckDB understands it.")
    return document


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


class _Walker:
    """Checks a parsed expression and puts internal names in place of the user's."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.special: dict[str, Callable[[dict[str, Any], frozenset[str]], Any]] = {
            "COLUMN_REF": self._column,
            "FUNCTION": self._function,
            "LAMBDA": self._lambda,
        }

    def walk(self, node: Any, bound: frozenset[str] = frozenset()) -> Any:
        if isinstance(node, list):
            return [self.walk(item, bound) for item in node]
        if not isinstance(node, dict):
            return node
        kind = node.get("class")
        if kind is not None and kind not in _NODES:
            raise _unusable(str(kind))
        if kind in self.special:
            return self.special[kind](node, bound)
        return {key: self.walk(value, bound) for key, value in node.items()}

    def _column(self, node: dict[str, Any], bound: frozenset[str]) -> dict[str, Any]:
        parts = list(node["column_names"])
        if parts[0] in bound:
            return node
        found = self.scope.resolve(parts)
        if found is None:
            raise self._unknown(parts)
        return {**node, "column_names": [found[0], *found[1]]}

    def _unknown(self, parts: list[str]) -> ExpressionError:
        name = ".".join(parts)
        if name.casefold() in _CLOCKS or name.casefold().startswith("current_"):
            return _not_repeatable(name)
        close = difflib.get_close_matches(name, list(self.scope.names), n=1)
        known = ", ".join(list(self.scope.names)[:12])
        remedy = f"Did you mean {close[0]!r}?" if close else f"Known columns: {known}."
        return ExpressionError(f"unknown column {name!r}", remedy)

    def _function(self, node: dict[str, Any], bound: frozenset[str]) -> dict[str, Any]:
        name = str(node["function_name"]).lower()
        if name == RUN_TIME and not node.get("arguments"):
            return self._run_time()
        one_argument_age = name == "age" and len(node.get("arguments", ())) < 2
        if name not in sandbox.allowed_functions() or one_argument_age:
            raise _forbidden(name)
        return {key: self.walk(value, bound) for key, value in node.items()}

    def _run_time(self) -> dict[str, Any]:
        return _parse(f"cast('{self.scope.run_time.isoformat(sep=' ')}' as timestamptz)")

    def _lambda(self, node: dict[str, Any], bound: frozenset[str]) -> dict[str, Any]:
        """`x -> ...` binds x; `json -> 'key'` parses alike, so a name that is a column is taken as the column."""
        names = _column_names(node["lhs"])
        free = frozenset(name for name in names if self.scope.resolve([name]) is None)
        return {key: self.walk(value, bound | free) for key, value in node.items()}


def _column_names(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*(_column_names(item) for item in node)) if node else set()
    if not isinstance(node, dict):
        return set()
    if node.get("class") == "COLUMN_REF":
        return {node["column_names"][0]}
    return set().union(*(_column_names(value) for value in node.values()))


def _unusable(kind: str) -> ExpressionError:
    words = {"SUBQUERY": "a subquery", "WINDOW": "a window function", "STAR": "`*`", "PARAMETER": "a parameter"}
    return ExpressionError(
        f"{words.get(kind, kind.lower())} can't stand in an expression over one row",
        "Use only the row's columns; questions over all rows belong in a `batch:` check.",
    )


def _not_repeatable(name: str) -> ExpressionError:
    return ExpressionError(f"{name} differs from call to call", "Use run_time(), which is fixed for a batch.")


def _forbidden(name: str) -> ExpressionError:
    if name in ("random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid"):
        return ExpressionError(
            f"{name}() differs from call to call", "Results must be repeatable; derive it from a column."
        )
    if name in ("now", "today", "get_current_time", "get_current_timestamp", "transaction_timestamp", "age", "ago"):
        return _not_repeatable(f"{name}()")
    close = difflib.get_close_matches(name, sandbox.allowed_functions(), n=1)
    hint = f"Did you mean {close[0]}()?" if close and close[0] != name else "Use a scalar function of the row's values."
    return ExpressionError(f"the function {name}() can't be used here", hint)
