"""How the values of a batch's columns are spread: written down with a run, so that the next batch can be compared with it.

Text and booleans: the share of each of the most frequent values. Numbers, dates and times: the shares between edges that part the
values into twentieths. Two spreads differ by the share of values that would have to change to make one of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.plan import Plan
from loadlock.digest import quote
from loadlock.rows import IDENTITY
from loadlock.staging.base import Staging
from loadlock.workflow.cleaning import QUERY_MEMORY, Cleaned

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STATE = "spread"
"""Key of a run's state: column → its spread."""
_FREQUENT = 200
_LONGEST = 64
"""Characters of a value that is written down as it is, of longer ones a hash."""
_PARTS = 20
_ORDERED = frozenset({"integer", "decimal", "float", "date", "timestamp", "timestamptz", "time"})
Spread = dict[str, Any]


class Spreads:
    """The spreads of a batch's clean columns, worked out in a DuckDB that spills."""

    def __init__(self, connection: DuckDBPyConnection, plan: Plan) -> None:
        self._connection = connection
        self._types = dict(plan.columns)
        self._masked = {column.name for column in plan.pipeline.columns or () if column.mask}

    def of(self, column: str) -> Spread:
        """The spread as it is written down; of masked columns only hashes of values."""
        if self._types[column].kind in _ORDERED:
            edges = self._edges(column)
            return {"edges": edges, "shares": self._between(column, edges)}
        return {"values": self._frequent(column)}

    def distance(self, column: str, before: Spread) -> float | None:
        """Percent of the values that lie elsewhere than in the earlier spread; None where the two can't be compared."""
        ordered = self._types[column].kind in _ORDERED
        if ordered != ("edges" in before):
            return None
        if ordered:
            now: Sequence[float] = self._between(column, before["edges"])
            pairs = list(zip(now, before["shares"], strict=True))
        else:
            pairs = list(self._pairs(self._frequent(column), before["values"]))
        if not any(one for one, _ in pairs) or not any(other for _, other in pairs):
            return None
        return float(50 * sum(abs(one - other) for one, other in pairs))

    @staticmethod
    def _pairs(now: Mapping[str, float], before: Mapping[str, float]) -> Iterator[tuple[float, float]]:
        """Shares of each value; what neither names among its frequent ones counts as one value."""
        for value in {**now, **before}:
            yield now.get(value, 0.0), before.get(value, 0.0)
        yield max(0.0, 1 - sum(now.values())) if now else 0.0, max(0.0, 1 - sum(before.values())) if before else 0.0

    def _frequent(self, column: str) -> dict[str, float]:
        name = f"{quote(column)}::varchar"
        is_hashed = "true" if column in self._masked else f"length({name}) > {_LONGEST}"
        shown = f"case when {is_hashed} then md5({name}) else {name} end"
        found = self._connection.execute(
            f"select value, n / sum(n) over () from (select {shown} as value, count(*) as n from rows"
            f" where {quote(column)} is not null group by 1) order by n desc, 1 limit {_FREQUENT}"
        ).fetchall()
        return {str(value): float(share) for value, share in found}

    def _edges(self, column: str) -> list[float]:
        points = ", ".join(str(number / _PARTS) for number in range(1, _PARTS))
        found = self._connection.execute(
            f"select approx_quantile({self._number(column)}, [{points}]) from rows where {quote(column)} is not null"
        ).fetchall()[0][0]
        return sorted({float(edge) for edge in found or ()})

    def _between(self, column: str, edges: Sequence[float]) -> list[float]:
        """The shares of the values up to each edge, and behind the last."""
        counts = ", ".join(f"count(*) filter ({self._number(column)} <= {edge!r})" for edge in edges)
        found = self._connection.execute(
            f"select {counts + ', ' if counts else ''}count(*) from rows where {quote(column)} is not null"
        ).fetchall()[0]
        rows = found[-1]
        return [(high - low) / rows if rows else 0.0 for low, high in zip((0, *found[:-1]), found, strict=True)]

    def _number(self, column: str) -> str:
        name = quote(column)
        kind = self._types[column].kind
        return f"epoch({name})" if kind in ("date", "timestamp", "timestamptz", "time") else f"{name}::double"


@contextmanager
def spreads(place: tuple[Staging, Path], cleaned: Cleaned, plan: Plan) -> Iterator[Spreads]:
    """The spreads of the batch's clean rows, without those that lost. `place`: where they lie, and a folder to spill into."""
    import duckdb

    refs = [record.ref for record in cleaned.parts if record.ref.rows]
    # one thread: the edges are the same however often they are worked out
    config: dict[str, Any] = {"memory_limit": QUERY_MEMORY, "temp_directory": str(place[1]), "threads": "1"}
    with duckdb.connect(config=config) as connection:
        connection.execute("set timezone = 'UTC'").fetchall()
        place[0].bind(connection, "clean", refs, columns=[*(name for name, _ in plan.columns), *IDENTITY])
        query = "select * from clean a"
        if cleaned.losers is not None:
            connection.register("lost", cleaned.losers.select(list(IDENTITY)))
            query += " anti join lost b on " + " and ".join(f"a.{name} = b.{name}" for name in IDENTITY)
        connection.execute(f"create temp view rows as {query}").fetchall()
        yield Spreads(connection, plan)
