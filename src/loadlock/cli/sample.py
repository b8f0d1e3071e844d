"""A preview for people: rows before and after side by side, then each rule's and each problem's counts."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from loadlock.cli.common import print_table, problems_text, value_text

_WIDE = 120


def print_sample(document: Mapping[str, Any]) -> None:
    """Print the document of `preview`."""
    click.echo(_looked(document))
    for entry in document["rows"]:
        _print_row(entry)
    print_rules(document["tallies"]["rules"])
    _print_problems(document)
    for decision in document["decisions"]:
        click.echo(f"{decision['column']}: {decision['reason']}")
    for reason in document["stops"]:
        click.echo(f"a run would stop before publishing: {reason}")


def _looked(document: Mapping[str, Any]) -> str:
    files = document["files"]
    named = files[0] if len(files) == 1 else f"{len(files):,} files"
    if document["whole"]:
        return f"all {document['received']:,} records of {named}"
    return (
        f"the first {document['received']:,} records of {named}; --whole looks at all, and checks the batch as a whole"
    )


def _print_row(entry: Mapping[str, Any]) -> None:
    """One row: its name and what it shows, then its cells."""
    from rich.console import Console
    from rich.table import Table

    title = f"{entry['file']} row {entry['row']}" + (f".{entry['sub']}" if entry.get("sub") else "")
    fate = "" if entry["fate"] == "clean" else f"  {entry['fate']}"
    click.secho(f"{title}{fate}", bold=True)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold", min_width=8)
    table.add_column(overflow="fold", ratio=1)
    table.add_column()
    table.add_column(overflow="fold", ratio=1)
    table.add_column(overflow="fold", style="dim")
    cells = list(_cells(entry))
    shown = [cell for cell in cells if cell[3] or cell[4]] or cells
    for column, before, after, changed, why in shown:
        style = "red" if "!" in changed else "green" if changed else ""
        table.add_row(f"  {column}", before, "→", f"[{style}]{after}[/]" if style else after, why)
    if len(shown) < len(cells):
        table.add_row(f"  and {len(cells) - len(shown)} more as they were", "", "", "", "")
    console = Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)
    console.print(table)


def _cells(entry: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str, str]]:
    """(column, before, after, how it changed, by what) of each column, then problems of the row as a whole."""
    from rich.markup import escape

    shows = entry["shows"]
    for column, after in entry["after"].items():
        own = [mark for mark in shows if mark["column"] == column]
        source = entry["reads"].get(column)
        before = None if source is None else entry["before"].get(source)
        problems = [mark for mark in own if mark["kind"] == "problem"]
        changed = "!" if problems else "~" if _differs(before, after) else ""
        why = "; ".join(dict.fromkeys(_why(mark) for mark in own))
        name = column if source in (None, column) else f"{column} ({source})"
        yield (
            escape(name),
            escape(value_text(before)) if source else "",
            escape(value_text(after)),
            changed,
            escape(why),
        )
    for mark in shows:
        if mark["column"] not in entry["after"]:
            yield escape(mark["column"] or "the row"), "", "", "!", escape(_why(mark))


def _differs(before: Any, after: Any) -> bool:
    return (before is None) != (after is None) or (before is not None and str(before) != str(after))


def _why(mark: Mapping[str, Any]) -> str:
    return str(mark["name"]) if mark["kind"] == "rule" else f"{mark['code']}: {mark['message']}"


def print_rules(rules: Sequence[Mapping[str, Any]]) -> None:
    """What each rule looked at, changed and rejected, with an example."""
    if not rules:
        return
    click.secho("rules", bold=True)
    rows = []
    for tally in rules:
        before, after = tally["examples"][0] if tally["examples"] else ("", "")
        example = f"{value_text(before)} → {value_text(after)}" if tally["examples"] else ""
        counts = (f"{tally[name]:,}" for name in ("looked", "changed", "rejected"))
        rows.append((tally["column"], tally["rule"], *counts, example))
    print_table(("column", "rule", "looked at", "changed", "rejected", "example"), rows)


def _print_problems(document: Mapping[str, Any]) -> None:
    if not document["problems"]:
        click.echo("no row is rejected")
        return
    click.secho("problems", bold=True)
    rows = [(one["stage"], one["code"], one["column"], f"{one['rows']:,}") for one in document["problems"]]
    print_table(("stage", "code", "column", "rows"), rows)
    click.secho("rejects, some of each sort", bold=True)
    rejects = [(row["file"], row["row"], row["line"], problems_text(row)) for row in document["rejects"]]
    print_table(("file", "row", "line", "problems"), rejects)
