"""Choosing rejects by SQL: a condition over a reject's values and problems, and expressions that give new values.

Runs in a DuckDB without files, network, extensions or settings that could be changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.sandbox import connect
from loadlock.engines.memory import give_back
from loadlock.errors import UsageError
from loadlock.pipeline._sql import faults
from loadlock.quarantine.read import RejectFilter, filter_rejects, raw_text
from loadlock.quarantine.sheet import texts
from loadlock.rows import FILE, LINE, ROW, SOURCE_FILE, SUB
from loadlock.workflow.quarantine import Quarantine

if TYPE_CHECKING:
    import pyarrow as pa

OWN = ("code", "column", "message", "value", "file", "row", "line", "stage", "state", "raw")
"""Names of a reject's own fields in SQL; a value of such a name is `v.name`."""
_HINT = f"Known are the values by their names, and {', '.join(OWN)}; v.NAME is always a value."
_NUMBER = "_n"
_ROWS = 10_000


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Chosen rejects of one part."""

    table: pa.Table
    """With all columns of the quarantine."""
    values: list[dict[str, str | None] | None]
    """Of each, as they are now; None for a malformed row."""
    results: list[list[str | None]]
    """For each expression, its result for each reject."""


def choose(
    quarantine: Quarantine, wanted: RejectFilter, where: str | None, expressions: Sequence[str] = ()
) -> Iterator[Chosen]:
    """The rejects that the filter and the condition name, part by part. Raises UsageError where the SQL is wrong."""
    connection = connect()
    try:
        for table in quarantine.tables():
            table = filter_rejects(table, wanted)
            for start in range(0, table.num_rows, _ROWS):
                part = table.slice(start, _ROWS).combine_chunks()
                yield _Part(quarantine, part).chosen(connection, where, expressions)
                give_back()
    finally:
        connection.close()


class _Part:
    """One part of rejects as SQL sees it: a row a problem."""

    def __init__(self, quarantine: Quarantine, table: pa.Table) -> None:
        self.sources = quarantine.sources
        self.known = [*quarantine.header, *(sources[0] for sources in self.sources.values())]
        self.table = table
        self.values = [
            current(values, corrected)
            for values, corrected in zip(table["values"].to_pylist(), table["corrected"].to_pylist(), strict=True)
        ]

    def chosen(self, connection: Any, where: str | None, expressions: Sequence[str]) -> Chosen:
        import duckdb
        import pyarrow as pa

        for text, message, remedy in faults(((text, text) for text in expressions), ()):
            raise UsageError(f"{text!r}: {message}", hint=f"{remedy} Each column has its own: --set A=... --set B=...")
        connection.register("rejects", self.rows())
        wanted = ", ".join(f"first(({text})::varchar) as r{index}" for index, text in enumerate(expressions))
        query = (
            f"select {_NUMBER}{', ' if wanted else ''}{wanted} from rejects where ({where or 'true'})"
            f" group by {_NUMBER} order by {_NUMBER}"
        )
        try:
            if len(connection.extract_statements(query)) != 1:
                raise UsageError("the SQL is more than one expression", hint=_HINT)
            found = connection.sql(query).to_arrow_table()
        except duckdb.Error as error:
            raise UsageError(f"the SQL failed: {str(error).splitlines()[0]}", hint=_HINT) from error
        finally:
            connection.unregister("rejects")
        places = found[_NUMBER].to_pylist()
        return Chosen(
            table=self.table.take(pa.array(places, pa.int64())),
            values=[self.values[place] for place in places],
            results=[found[f"r{index}"].to_pylist() for index in range(len(expressions))],
        )

    def rows(self) -> pa.Table:
        """A row a problem: the reject's own fields, its values under their names and those of the pipeline's columns."""
        import pyarrow as pa
        import pyarrow.compute as pc

        lists = self.table["problems"].combine_chunks()
        parents, problems = pc.list_parent_indices(lists), lists.flatten()
        raws = zip(self.table["raw"].to_pylist(), self.table["raw_truncated"].to_pylist(), strict=True)
        fields: dict[str, Any] = {
            _NUMBER: pa.array(range(self.table.num_rows), pa.int64()),
            "file": self.table[SOURCE_FILE],
            **{
                name: self.table[own]
                for name, own in (("row", ROW), ("line", LINE), ("stage", "stage"), ("state", "state"))
            },
            "raw": pa.array([raw_text(raw, truncated=bool(cut)) for raw, cut in raws], pa.string()),
        }
        fields |= self._values()
        table = pa.table({name: column.take(parents) for name, column in fields.items()})
        for name in ("code", "column", "message", "value"):
            table = table.append_column(name, pc.struct_field(problems, name))
        return table

    def _values(self) -> dict[str, Any]:
        import pyarrow as pa

        names = dict.fromkeys(self.known)
        names.update(dict.fromkeys(name for row in self.values if row is not None for name in row))
        columns = {
            name: pa.array([None if row is None else row.get(name) for row in self.values], pa.string())
            for name in names
        }
        found: dict[str, Any] = {}
        if columns:
            found["v"] = pa.StructArray.from_arrays(list(columns.values()), names=list(columns))
        taken = {name.casefold() for name in (*OWN, _NUMBER, "v")}
        for name, column in [*columns.items(), *self._renamed(columns)]:
            if name.casefold() not in taken:
                taken.add(name.casefold())
                found[name] = column
        return found

    def _renamed(self, columns: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, sources in self.sources.items():
            source = next((source for source in sources if source in columns), None)
            if source is not None:
                yield name, columns[source]


def current(values: str | None, corrected: str | None) -> dict[str, str | None] | None:
    """A reject's values as they are now; None for a malformed row."""
    if values is None:
        return None
    cells = json.loads(corrected) if corrected else {}
    return {**texts(json.loads(values)), **{name: new for name, new in cells.items() if name}}


def places_of(table: pa.Table) -> list[tuple[int, int, int]]:
    """File, row and sub of each reject."""
    return list(zip(*(table[name].to_pylist() for name in (FILE, ROW, SUB)), strict=True))
