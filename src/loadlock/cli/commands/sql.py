"""`loadlock sql BATCH QUERY`."""

from __future__ import annotations

import click

from loadlock.cli.common import looks, print_json, print_table


@click.command()
@click.argument("batch")
@click.argument("query")
@click.option("--limit", type=int, default=1000, show_default=True, help="Rows shown (all with --json).")
@looks
def command(batch: str, query: str, *, limit: int, as_json: bool, workspace: str | None) -> int:
    """Ask a batch with SQL (DuckDB) over the views raw, clean and rejects."""
    from loadlock.workflow.lists import opened
    from loadlock.workflow.look import query as ask

    with opened(workspace) as space:
        table = ask(space, batch, query)
    if as_json:
        print_json(table.to_pylist())
        return 0
    print_table(table.column_names, (row.values() for row in table.slice(0, limit).to_pylist()))
    if table.num_rows > limit:
        click.echo(f"... {table.num_rows - limit:,} more rows", err=True)
    return 0
