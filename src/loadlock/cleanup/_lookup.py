"""Lookup files as rules and checks see them: rows of text, the header first."""

from __future__ import annotations

from difflib import get_close_matches

from loadlock.cleanup import sandbox
from loadlock.cleanup._sql import one_of
from loadlock.cleanup.base import RuleContext
from loadlock.cleanup.typing_sql import TypeSpec, strict
from loadlock.errors import UsageError


def file_rows(context: RuleContext, path: str) -> tuple[tuple[str, ...], ...]:
    """The rows of a lookup file; raises UsageError where it was not read or is empty."""
    rows = context.lookups.get(path)
    if not rows:
        raise UsageError(
            f"column {context.column}: the lookup file {path} " + ("is empty" if rows is not None else "was not read"),
            hint="Give the path of a CSV file with a header, from the pipeline's folder.",
        )
    return rows


def place(rows: tuple[tuple[str, ...], ...], name: str | None, otherwise: int, path: str) -> int:
    """The index of the column `name`, or `otherwise`; raises UsageError where the file has no such column."""
    header = list(rows[0])
    if name is None:
        if otherwise >= len(header):
            raise UsageError(
                f"the lookup file {path} has {len(header)} column(s), {otherwise + 1} are needed",
                hint="Look at its delimiter: it must be a comma.",
            )
        return otherwise
    if name not in header:
        close = get_close_matches(name, header, n=1)
        raise UsageError(
            f"the lookup file {path} has no column {name!r}",
            hint=f"Did you mean {close[0]!r}?" if close else f"Its columns are {', '.join(header)}.",
        )
    return header.index(name)


def column_values(context: RuleContext, path: str, column: str | None) -> tuple[str, ...]:
    """The different values of a lookup's column: the one named, else the one named like the context's column, else the
    first. Empty ones are left out."""
    rows = file_rows(context, path)
    name = column or (context.column if context.column in rows[0] else None)
    index = place(rows, name, 0, path)
    return tuple(dict.fromkeys(row[index] for row in rows[1:] if row[index] != ""))


def holds_value(value: str, known: tuple[str, ...], context: RuleContext) -> str:
    """Condition: a typed value is one of those written as text. Raises UsageError for a text that is no value of the type."""
    if context.type.kind in ("text", "json", "uuid"):
        return one_of(value, known)
    # as DuckDB writes the values of the column: 007 is 7
    read = strict(TypeSpec(type=context.type), "x")
    rows = sandbox.connection().execute(
        f"select x, ({read})::varchar from (select unnest(?::varchar[]) as x)", [list(known)]
    )
    found = dict(rows.fetchall())
    for text, same in found.items():
        if same is None:
            raise UsageError(
                f"column {context.column}: {text!r} in the list is no value of the type {context.type}",
                hint="Correct the list, or make the column text.",
            )
    return one_of(f"{value}::varchar", tuple(found.values()))


def label(path: str) -> str:
    """The name of a lookup for messages: of an address, only the table."""
    return path.rpartition("#")[2] if "://" in path or path.startswith("${") else path
