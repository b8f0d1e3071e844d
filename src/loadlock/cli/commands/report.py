"""`loadlock report RUN`."""

from __future__ import annotations

import click

from loadlock.cli.common import looks, print_json


@click.command()
@click.argument("run")
@click.option("-o", "--output", metavar="FILE", help="Where to write the page (default: in the workspace).")
@looks
def command(run: str, *, output: str | None, as_json: bool, workspace: str | None) -> int:
    """Write the report of a run: one self-contained HTML page with pictures, and the rejects beside it as CSV."""
    from loadlock.workflow.lists import make_report

    path, rejects = make_report(workspace, run, output)
    if as_json:
        print_json({"run": run, "report": str(path), "rejects": None if rejects is None else str(rejects)})
    else:
        click.echo(str(path))
        if rejects is not None:
            click.echo(str(rejects))
    return 0
