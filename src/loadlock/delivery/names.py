"""Names of tables and columns: reading `schema.table`, quoting, and refusing names a destination can't hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from loadlock.errors import RefusedError, UsageError

_QUOTES = '"`'


@dataclass(frozen=True, kw_only=True)
class TableName:
    """A table's name and, where one was given, its schema (MySQL: its database). As written: no case folding."""

    table: str
    schema: str | None = None

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}" if self.schema else self.table

    def sql(self, quote: Callable[[str], str]) -> str:
        """Quoted for SQL."""
        return f"{quote(self.schema)}.{quote(self.table)}" if self.schema else quote(self.table)

    def written(self) -> str:
        """As `parse_table` reads it: a part is quoted where it has to be."""
        parts = filter(None, (self.schema, self.table))
        return ".".join(quote_ansi(part) if set(part) & {".", *_QUOTES} else part for part in parts)

    def beside(self, table: str) -> TableName:
        """Another table in the same schema."""
        return TableName(schema=self.schema, table=table)


def parse_table(text: str | None) -> TableName:
    """`table` or `schema.table`; parts may be quoted by `"` or backticks, doubled inside. Raises UsageError."""
    if not text:
        raise UsageError("no table is named", hint="Name it: --table schema.table, or `table:` in the pipeline.")
    parts, rest = [], text
    while True:
        part, rest = _part(rest, text)
        parts.append(part)
        if not rest:
            break
        rest = rest[1:]
    if len(parts) > 2:
        raise UsageError(
            f"{text!r} has {len(parts)} parts; a table is named `table` or `schema.table`",
            hint='Quote a part that holds a dot: schema."my.table".',
        )
    return TableName(table=parts[-1], schema=parts[0] if len(parts) == 2 else None)


def _part(rest: str, whole: str) -> tuple[str, str]:
    """The first part of a dotted name and what follows it (empty or starting with a dot)."""
    if rest[:1] and rest[0] in _QUOTES:
        part, rest = _quoted(rest, whole)
    else:
        cut = rest.find(".")
        part, rest = (rest, "") if cut < 0 else (rest[:cut], rest[cut:])
    if not part or (rest and rest[0] != ".") or rest == ".":
        raise UsageError(f"{whole!r} is no table's name", hint='Write table, schema.table or "schema"."table".')
    return part, rest


def _quoted(rest: str, whole: str) -> tuple[str, str]:
    quote, found, at = rest[0], [], 1
    while at < len(rest):
        if rest[at] != quote:
            found.append(rest[at])
        elif rest[at + 1 : at + 2] == quote:
            found.append(quote)
            at += 1
        else:
            return "".join(found), rest[at + 1 :]
        at += 1
    raise UsageError(f"{whole!r}: a quote is never closed", hint="Double a quote that belongs to the name.")


def quote_ansi(name: str) -> str:
    """`"name"`, for PostgreSQL, DuckDB and SQLite."""
    return '"' + name.replace('"', '""') + '"'


def quote_backtick(name: str) -> str:
    """The name in backticks, for MySQL and MariaDB."""
    return "`" + name.replace("`", "``") + "`"


def check_names(
    names: Iterable[str],
    *,
    max_bytes: int | None = None,
    max_chars: int | None = None,
    fold_case: bool = False,
    bmp_only: bool = False,
    what: str = "column",
) -> None:
    """Raise RefusedError, with all findings, for names that are empty, too long, hold NUL, or collide.

    `fold_case`: names that differ only in case are the same to the destination. A name that is too long would be cut
    silently by some databases, and two cut names may become one. `bmp_only`: no character beyond U+FFFF.
    """
    findings: list[str] = []
    seen: dict[str, str] = {}
    for name in names:
        fault = _fault(name, max_bytes, max_chars)
        if fault is None and bmp_only and name and max(name) > "\uffff":
            fault = "the destination's names hold no 4-byte characters"
        if fault:
            findings.append(f"{what} {name!r}: {fault}")
        folded = name.casefold() if fold_case else name
        if folded in seen:
            findings.append(f"{what}s {seen[folded]!r} and {name!r} are one name to the destination")
        seen[folded] = name
    if findings:
        raise RefusedError(
            f"{len(findings)} name{'s' if len(findings) > 1 else ''} can't be used: " + "; ".join(findings),
            hint="Rename the columns in the pipeline.",
        )


def _fault(name: str, max_bytes: int | None, max_chars: int | None) -> str | None:
    if not name:
        return "the name is empty"
    if "\0" in name:
        return "the name holds a NUL character"
    if max_bytes is not None and len(name.encode("utf-8", "surrogatepass")) > max_bytes:
        return f"longer than {max_bytes} bytes"
    if max_chars is not None and len(name) > max_chars:
        return f"longer than {max_chars} characters"
    return None
