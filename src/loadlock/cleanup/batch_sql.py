"""Checks the SQL of questions over the batch: one select over `rows` alone, nothing that differs from call to call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from loadlock.cleanup import sandbox
from loadlock.cleanup.expressions import RUN_TIME, ExpressionError, parse_query
from loadlock.digest import quote

ROWS = "rows"
_OUTSIDE = ("TABLE_FUNCTION", "PIVOT", "SHOW_REF", "EXPRESSION_LIST_UNUSED", "COLUMN_DATA", "DELIM_GET")


def check_query(text: str, columns: Sequence[tuple[str, str]], run_time: datetime) -> str:
    """The query with `run_time()` filled in, tried on an empty `rows`; raises ExpressionError."""
    document = parse_query(text)
    if len(document["statements"]) != 1:
        raise ExpressionError("there is more than one statement", "Write one select.")
    names: set[str] = {ROWS}
    _collect_names(document, names)
    checked = _Checker(names, run_time).walk(document)
    rows = sandbox.connection().execute("select json_deserialize_sql(?::json)", [json.dumps(checked)]).fetchall()
    sql = str(rows[0][0])
    _dry_run(sql, columns)
    return sql


def _collect_names(node: Any, names: set[str]) -> None:
    """The names of common table expressions: they may be read beside `rows`."""
    if isinstance(node, list):
        for item in node:
            _collect_names(item, names)
    elif isinstance(node, dict):
        for entry in (node.get("cte_map") or {}).get("map", ()):
            names.add(str(entry["key"]).casefold())
        for value in node.values():
            _collect_names(value, names)


class _Checker:
    """Refuses other tables, table functions and functions that are not repeatable."""

    def __init__(self, names: set[str], run_time: datetime) -> None:
        self.names = names
        self.run_time = run_time

    def walk(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self.walk(item) for item in node]
        if not isinstance(node, dict):
            return node
        kind = node.get("type")
        if kind == "BASE_TABLE" and (node.get("schema_name") or str(node["table_name"]).casefold() not in self.names):
            raise ExpressionError(f"the table {node['table_name']!r} can't be read here", "Read from `rows` only.")
        if kind in _OUTSIDE:
            raise ExpressionError("the query reads something else than `rows`", "Read from `rows` only.")
        if kind == "FUNCTION":
            name = str(node["function_name"]).lower()
            if name == RUN_TIME and not node.get("arguments"):
                return _moment(self.run_time)
            if name not in sandbox.batch_functions():
                raise ExpressionError(f"the function {name}() can't be used here", "Results must be repeatable.")
        return {key: self.walk(value) for key, value in node.items()}


def _moment(run_time: datetime) -> Any:
    document = parse_query(f"select cast('{run_time.isoformat(sep=' ')}' as timestamptz)")
    return document["statements"][0]["node"]["select_list"][0]


def _dry_run(sql: str, columns: Sequence[tuple[str, str]]) -> None:
    import duckdb

    listed = [f"null::{kind} as {quote(name)}" for name, kind in columns]
    listed += ["null::integer as _file", "null::bigint as _row", "null::integer as _sub"]
    connection = sandbox.connection()
    view = f"create or replace temp view {ROWS} as select * from (select {', '.join(listed)}) limit 0"
    try:
        connection.execute(view).fetchall()
        described = connection.execute(f"describe {sql}").fetchall()
    except duckdb.Error as error:
        first = str(error).strip().splitlines()[0]
        raise ExpressionError(first, "The view `rows` has the declared columns.") from error
    finally:
        connection.execute(f"drop view if exists {ROWS}").fetchall()
    if len(described) != 1:
        raise ExpressionError(
            "the query gives more than one column", "Give one boolean, as `select count(*) > 0 from rows`."
        )
