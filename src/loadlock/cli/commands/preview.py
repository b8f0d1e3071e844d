"""`loadlock preview PIPELINE [--batch BATCH]`."""

from __future__ import annotations

import click

from loadlock.cli.common import looks, print_json


@click.command()
@click.argument("pipeline")
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    help="Rows to show at most (default: so many that everything is seen at work).",
)
@click.option("--whole", is_flag=True, help="Look at all of the files, not the first 64 MiB.")
@click.option("--batch", metavar="BATCH", help="Compare with what a run made of this staged batch.")
@click.option("--against", metavar="RUN", help="With --batch: the run to compare with (default: the newest delivered).")
@click.option("--html", metavar="FILE", help="Write a page there too.")
@looks
def command(
    pipeline: str,
    *,
    rows: int | None,
    whole: bool,
    batch: str | None,
    against: str | None,
    html: str | None,
    as_json: bool,
    workspace: str | None,
) -> int:
    """Rows before and after cleanup that show each rule and problem at work; touches nothing.

    With --batch: what the pipeline, as it is now, would make of a batch that is staged, compared with what a run made of it.
    """
    from pathlib import Path

    from loadlock.cli.rule_change import print_change
    from loadlock.cli.sample import print_sample
    from loadlock.errors import UsageError
    from loadlock.pipeline.read import load_pipeline
    from loadlock.workflow.preview import preview, write_page
    from loadlock.workflow.rule_change import rule_change

    if against is not None and batch is None:
        raise UsageError("--against needs --batch", hint="Name the batch that the run took in.")
    read = load_pipeline(Path(pipeline))
    if batch is None:
        document, show = preview(read, rows=rows, whole=whole).to_json(), print_sample
    else:
        found = rule_change(read, batch, against=against, workspace=workspace, examples=5 if rows is None else rows)
        document, show = found.to_json(), print_change
    if html is not None:
        write_page(document, Path(html), pipeline=read.name)
    if as_json:
        print_json(document)
    else:
        show(document)
        if html is not None:
            click.echo(f"wrote {html}")
    return 0
