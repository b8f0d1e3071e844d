"""Whether SQL written in a pipeline parses: the syntax only, without tables and without running anything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

Written = tuple[str, str]
"""(path in the pipeline, SQL)."""


def faults(expressions: Iterable[Written], queries: Iterable[Written]) -> Iterator[tuple[str, str, str]]:
    """(path, message, remedy) of each expression over a row and each query over the batch that is not one."""
    todo = [(path, sql, f"select (\n{sql}\n) as v") for path, sql in expressions]
    todo += [(path, sql, sql) for path, sql in queries]
    if not todo:
        return
    import duckdb

    with duckdb.connect(config={"threads": 1}) as connection:
        for path, sql, statement in todo:
            answer = connection.execute("select json_serialize_sql(?)", [statement]).fetchall()[0][0]
            if fault := _fault(json.loads(answer), single=statement is not sql):
                yield path, *fault


def _fault(answer: dict[str, object], *, single: bool) -> tuple[str, str] | None:
    """Message and remedy for what DuckDB's parser answered."""
    if answer["error"]:
        message = " ".join(str(answer.get("error_message", "")).split())
        if "Only SELECT" in message:
            return "the query is no select", "Write one select statement."
        return f"the SQL does not parse: {message}", "Correct the SQL; names with spaces go in double quotes."
    statements = answer["statements"]
    if not isinstance(statements, list) or len(statements) != 1:
        return "there is more than one statement", "Write one."
    node = statements[0]["node"]
    if single and (len(node.get("select_list", ())) != 1 or node.get("from_table", {}).get("type") != "EMPTY"):
        return "this is not one expression", "Write one SQL expression over the row's columns."
    if single and node["select_list"][0].get("function_name") == "row":
        return "these are several expressions, which make no value", "Write one SQL expression over the row's columns."
    return None
