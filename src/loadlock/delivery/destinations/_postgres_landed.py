"""Questions to PostgreSQL whether the rows of a staging table, proved to be those sent, lie in the target as they are."""

from __future__ import annotations

from collections.abc import Sequence

from loadlock.delivery.destinations._postgres_types import CatalogColumn, compared
from loadlock.delivery.names import quote_ansi as quote


def merged_sql(columns: Sequence[CatalogColumn], staging: str, target: str, match: str) -> str:
    """Pairs of a staged row `s` and a row `t` of the target for which `match` holds, and those of them with equal values in all
    columns: both as many as there are staged rows where each has one row in the target, which is equal."""
    same = " and ".join(
        f"{ours} is not distinct from {theirs}"
        for ours, theirs in ([compared(column, f"{side}.{quote(column.name)}") for side in "st"] for column in columns)
    )
    return f"select count(*), count(*) filter (where {same}) from {staging} s join {target} t on {match}"


def same_rows_sql(columns: Sequence[CatalogColumn], staging: str, target: str, match: str) -> tuple[str, str]:
    """How many rows are staged, with the sum of the first 64 bits of the SHA-256 of each row as text; and the same of those rows
    of the target that match a staged one. Equal answers say that both hold the same rows, repeated ones as often."""
    row = f"row({', '.join(f't.{quote(column.name)}' for column in columns)})::text"
    hashed = f"('x' || encode(substr(sha256(convert_to({row}, 'UTF8')), 1, 8), 'hex'))::bit(64)::int8"
    answer = f"select count(*), coalesce(sum({hashed}), 0)"
    return (
        f"{answer} from {staging} t",
        f"{answer} from {target} t where exists (select 1 from {staging} s where {match})",
    )
