"""`loadlock rejects BATCH`."""

from __future__ import annotations

import itertools

import click

from loadlock.cli.common import looks, print_json, print_table


@click.command()
@click.argument("batch")
@click.option("--code", help="Only this problem code.")
@click.option("--column", help="Only problems of this column.")
@click.option("--file", "file_name", help="Only rows of this file.")
@click.option("--stage", type=click.Choice(["intake", "cleanup", "delivery"]), help="Only rejects of this stage.")
@click.option("--limit", type=int, help="At most so many rows (default: 20 on screen, all with --json and --export).")
@click.option("--export", metavar="FILE", help="Write them to a .csv or .jsonl file.")
@looks
def command(
    batch: str, *, limit: int | None, export: str | None, as_json: bool, workspace: str | None, **wanted: str
) -> int:
    """The quarantine of a batch: each row kept out, where it stood, and why."""
    from loadlock.workflow.lists import export_rejects, opened, reject_filter
    from loadlock.workflow.look import rejects

    with opened(workspace) as space:
        if export is not None:
            count = export_rejects(space, batch, reject_filter(**wanted, limit=limit), export)
            click.echo(f"{count:,} rejects written to {export}", err=True)
            return 0
        if as_json:
            print_json(list(rejects(space, batch, reject_filter(**wanted, limit=limit))))
            return 0
        shown = 20 if limit is None else limit
        rows = list(itertools.islice(rejects(space, batch, reject_filter(**wanted, limit=shown + 1)), shown + 1))
    headers = ("file", "row", "line", "stage", "problems", "raw")
    print_table(
        headers, ([row["file"], row["row"], row["line"], row["stage"], _why(row), _raw(row)] for row in rows[:shown])
    )
    if len(rows) > shown:
        click.echo(f"... more; --limit, --json or --export show them (first {shown} here)", err=True)
    return 0


def _why(row: dict[str, object]) -> str:
    problems = row["problems"]
    assert isinstance(problems, list)
    return "\n".join(f"{p['code']}{' ' + p['column'] if p['column'] else ''}: {p['message']}" for p in problems)


def _raw(row: dict[str, object]) -> str:
    text = str(row.get("raw") or row.get("raw_base64") or "")
    return text if len(text) <= 160 else text[:157] + "..."
