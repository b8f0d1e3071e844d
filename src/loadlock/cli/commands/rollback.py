"""`loadlock rollback BATCH`."""

from __future__ import annotations

from typing import Any

import click

from loadlock.cli.common import print_json, run_options, runs


@click.command()
@click.argument("batch")
@click.option("--to", metavar="URL", help="The destination's address again, where it held a password.")
@click.option("--force", is_flag=True, help="Restore the old rows over what others changed since.")
@runs
def command(batch: str, *, to: str | None, as_json: bool, quiet: bool, **known: Any) -> int:
    """Take a delivered batch back: its rows go, what it updated, replaced or deleted is as before."""
    from loadlock.workflow.rollback import rollback

    found = rollback(batch, run_options(as_json=as_json, quiet=quiet, **known), to=to)
    if as_json:
        print_json(found.to_json())
        return 0
    if found.noop:
        click.echo(f"batch {found.batch[:12]} was rolled back before: nothing was done")
    for target in found.targets:
        undone = target.undone
        click.echo(
            f"{target.target}: run {target.run} was taken back before"
            if target.already
            else f"{target.target}: run {target.run} taken back: {undone.deleted:,} rows deleted,"
            f" {undone.restored:,} restored, {undone.brought_back:,} brought back"
        )
        if target.conflicts:
            click.echo(f"  in spite of: {target.conflicts.told()}")
    return 0
