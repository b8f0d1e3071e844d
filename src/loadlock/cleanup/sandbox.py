"""DuckDB for cleanup: one connection a thread, without files, network, extensions or settings that can be changed."""

from __future__ import annotations

import threading
import warnings
from functools import cache
from typing import Any

# the copy costs less than the second binding of a large query that the way without it takes
warnings.filterwarnings("ignore", message="Arrow output on a DB-API result", category=UserWarning)
_LOCAL = threading.local()
_CONFIG = {
    "threads": "1",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    # Python variables of the caller must never be taken for tables
    "python_enable_replacements": "false",
}

_FORBIDDEN_PREFIXES = ("pg_", "duckdb_", "current_", "has_", "inet_", "txid_", "icu_", "read_", "json_execute")
_FORBIDDEN = frozenset(
    {
        *("ago", "assert_true", "col_description", "currval", "error", "generate_subscripts", "get_block_size"),
        *("getenv", "getvariable", "json_deserialize_sql", "json_serialize_plan", "json_serialize_sql", "nextval"),
        *("obj_description", "query", "query_table", "regexp_split_to_table", "session_user", "setval"),
        *("shobj_description", "unnest", "user"),
    }
)


def connect() -> Any:
    """A new locked-down in-memory connection; times are UTC."""
    import duckdb

    connection = duckdb.connect(config=dict(_CONFIG))
    connection.execute("set TimeZone = 'UTC'").fetchall()
    # DuckDB 2.0 lifts what two expressions share out of TRY, and the row that TRY is for fails the query
    connection.execute("set disabled_optimizers = 'common_subexpressions'").fetchall()
    connection.execute("set lock_configuration = true").fetchall()
    return connection


def connection() -> Any:
    """This thread's connection, made on first use and kept for the next parts."""
    found = getattr(_LOCAL, "connection", None)
    if found is None:
        found = _LOCAL.connection = connect()
    return found


@cache
def allowed_functions() -> frozenset[str]:
    """Scalar functions that an expression over a row may call: the same result at every call, nothing outside the row."""
    return _functions("scalar", "macro")


@cache
def batch_functions() -> frozenset[str]:
    """Functions that a question over the batch may call: also aggregates and windows."""
    return _functions("scalar", "macro", "aggregate", "window") | {"count_star", "unnest"}


def _functions(*kinds: str) -> frozenset[str]:
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    rows = connection().execute(
        f"select distinct function_name from duckdb_functions() where function_type in ({listed})"
        " and coalesce(stability, 'CONSISTENT') = 'CONSISTENT'"
    )
    return frozenset(
        name for (name,) in rows.fetchall() if name not in _FORBIDDEN and not name.startswith(_FORBIDDEN_PREFIXES)
    )
