"""`loadlock rejects BATCH`."""

from __future__ import annotations

import itertools
from typing import Any

import click

from loadlock.cli.common import looks, print_json, print_table, reject_filters

_KINDS = 8


@click.command()
@click.argument("batch")
@reject_filters
@click.option("--limit", type=int, help="At most so many rows (default: 20 on screen, all with --json and --export).")
@click.option("--count", is_flag=True, help="Only how many there are, by stage, code, column and state.")
@click.option(
    "--export",
    metavar="FILE",
    help="Write them to a .csv, .xlsx or .jsonl file or a gsheets:// address, which `correct` reads back.",
)
@looks
def command(
    batch: str,
    *,
    limit: int | None,
    count: bool,
    export: str | None,
    as_json: bool,
    workspace: str | None,
    **wanted: Any,
) -> int:
    """The quarantine of a batch: each row kept out, where it stood, and why; faulty values stand between » and «.

    Resolved rejects are shown with --state resolved.
    """
    from loadlock.workflow.lists import count_rejects, export_rejects, opened, reject_filter, shown_rejects
    from loadlock.workflow.look import rejects

    with opened(workspace) as space:
        if export is not None:
            number = export_rejects(space, batch, reject_filter(**wanted, limit=limit), export)
            click.echo(f"{number:,} rejects written to {export}", err=True)
            return 0
        if count:
            return _print_counts(count_rejects(space, batch, reject_filter(**wanted)), as_json=as_json)
        if as_json:
            print_json(list(rejects(space, batch, reject_filter(**wanted, limit=limit))))
            return 0
        shown = 20 if limit is None else limit
        rows = list(itertools.islice(shown_rejects(space, batch, reject_filter(**wanted, limit=shown + 1)), shown + 1))
        kinds = [] if rows else count_rejects(space, batch, reject_filter())
    if not rows:
        click.echo(_nothing(kinds), err=True)
        return 0
    headers = ("file", "row", "line", "stage", "state", "problems", "raw")
    print_table(
        headers,
        ([*(row[name] for name in headers[:5]), _why(row), _raw(row)] for row in rows[:shown]),
    )
    if len(rows) > shown:
        said = f"... the first {shown:,}; --limit shows more, --json or --export all, --count how many there are"
        click.echo(said, err=True)
    return 0


def _nothing(kinds: list[dict[str, Any]]) -> str:
    """What is said where no reject is shown; `kinds`: those that the batch has."""
    if not kinds:
        return "no rejects (--state resolved shows those that were delivered since)"
    listed = ", ".join(
        f"{' '.join(filter(None, (kind['code'], kind['column'])))} {kind['state']} {kind['rejects']:,}"
        for kind in kinds[:_KINDS]
    )
    return f"no reject is like that; there are: {listed}{' ...' if len(kinds) > _KINDS else ''}"


def _print_counts(counts: list[dict[str, Any]], *, as_json: bool) -> int:
    if as_json:
        print_json(counts)
    else:
        headers = ("stage", "code", "column", "state", "rejects")
        print_table(headers, ([row[name] for name in headers] for row in counts))
    return 0


def _why(row: dict[str, object]) -> str:
    problems = row["problems"]
    assert isinstance(problems, list)
    return "\n".join(f"{p['code']}{' ' + p['column'] if p['column'] else ''}: {p['message']}" for p in problems)


def _raw(row: dict[str, object]) -> str:
    text = str(row["marked"])
    return text if len(text) <= 160 else text[:157] + "..."
