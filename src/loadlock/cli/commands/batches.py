"""`loadlock batches`."""

from __future__ import annotations

import click

from loadlock.cli.common import looks, print_json, print_table


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
    print_table(headers, ([row[name] if name != "batch" else row[name][:12] for name in headers] for row in rows))
    return 0
