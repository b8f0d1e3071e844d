"""`loadlock forget BATCH --confirm`."""

from __future__ import annotations

import click

from loadlock.cli.common import looks, print_json, waits


@click.command()
@click.argument("batch")
@click.option("--confirm", is_flag=True, help="Do it: it can't be undone.")
@waits
@looks
def command(batch: str, *, confirm: bool, wait_seconds: float, as_json: bool, workspace: str | None) -> int:
    """Remove a batch's data from the workspace for good: rows, kept sources, rejects, corrections, reports.

    The counts stay in the ledger, and what was delivered stays where it is.
    """
    from loadlock.workflow.forget import forget

    found = forget(batch, confirm=confirm, workspace=workspace, wait_seconds=wait_seconds)
    if as_json:
        print_json(found.to_json())
        return 0
    click.echo(
        f"batch {found.batch[:12]} is forgotten: {found.sources:,} kept sources and {found.reports:,} reports removed"
    )
    for note in found.notes:
        click.echo(note, err=True)
    return 0
