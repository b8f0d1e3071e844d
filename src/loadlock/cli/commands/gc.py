"""`loadlock gc`."""

from __future__ import annotations

import click

from loadlock.cli.common import looks, print_json


@click.command()
@click.option(
    "--keep", type=click.IntRange(0), default=10, show_default=True, help="Batches kept whole, of each pipeline."
)
@click.option("--older-than", type=click.FloatRange(0), default=0.0, metavar="DAYS", help="Only batches so old.")
@click.option("--with-rejects", is_flag=True, help="Also batches whose rejects nobody will look at any more.")
@click.option("--destinations", is_flag=True, help="Also what Loadlock left at the destinations.")
@click.option(
    "--undo",
    type=click.IntRange(0),
    metavar="N",
    help="There: keep what rollbacks need of N batches (default: by pipeline).",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@looks
def command(
    *,
    keep: int,
    older_than: float,
    with_rejects: bool,
    destinations: bool,
    undo: int | None,
    dry_run: bool,
    as_json: bool,
    workspace: str | None,
) -> int:
    """Give back room: rows and kept sources of old batches, leftovers. Batches, runs and events stay in the ledger."""
    from loadlock.workflow.gc import Retention, collect_garbage
    from loadlock.workflow.start import Options

    retention = Retention(
        keep=keep,
        older_than_days=older_than,
        with_rejects=with_rejects,
        destinations=destinations or undo is not None,
        undo=undo,
        dry_run=dry_run,
    )
    found = collect_garbage(retention, Options(workspace=workspace))
    if as_json:
        print_json(found.to_json())
        return 0
    verb = "would remove" if dry_run else "removed"
    for item in found.items:
        size = "" if item.bytes is None else f" ({item.bytes / 1e6:,.1f} MB)"
        click.echo(f"{verb} {item.kind} {item.what}{size}")
    for note in found.notes:
        click.echo(note, err=True)
    click.echo(f"{verb} {len(found.items):,} things, {found.bytes / 1e6:,.1f} MB in the workspace")
    return 0
