"""`loadlock runs`."""

from __future__ import annotations

import click

from loadlock.cli.common import looks, print_json, print_table


@click.command()
@click.option("--limit", type=int, default=50, show_default=True, help="How many, newest first.")
@looks
def command(*, limit: int, as_json: bool, workspace: str | None) -> int:
    """List the runs, newest first."""
    from loadlock.workflow.lists import list_runs

    rows = list_runs(workspace, limit=limit)
    if as_json:
        print_json(rows)
        return 0
    headers = ("run", "batch", "pipeline", "status", "started", "finished", "problems")
    print_table(headers, ([row[name] if name != "batch" else row[name][:12] for name in headers] for row in rows))
    return 0
