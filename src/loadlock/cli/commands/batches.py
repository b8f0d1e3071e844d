"""`loadlock batches`."""

from __future__ import annotations

import click

from loadlock.cli.common import looks, print_json, print_table

_SHOWN_NAMES = 3


@click.command()
@click.option("--limit", type=int, default=50, show_default=True, help="How many, newest first.")
@looks
def command(*, limit: int, as_json: bool, workspace: str | None) -> int:
    """List the batches, newest first."""
    from loadlock.workflow.lists import list_batches

    rows = list_batches(workspace, limit=limit)
    if as_json:
        print_json(rows)
        return 0
    headers = ("batch", "pipeline", "status", "files", "created", "run")
    shown = [{**row, "batch": row["batch"][:12], "files": _names(row["files"])} for row in rows]
    print_table(headers, ([row[name] for name in headers] for row in shown))
    return 0


def _names(files: list[str]) -> str:
    """The first names, and how many more there are."""
    more = len(files) - _SHOWN_NAMES
    return ", ".join(files[:_SHOWN_NAMES]) + (f" and {more:,} more" if more > 0 else "")
