"""`loadlock preview PIPELINE [--batch BATCH]`."""

from __future__ import annotations

import click

from loadlock.cli.common import looks, print_json, print_table, problems_text, value_text


@click.command()
@click.argument("pipeline")
@click.option("--rows", type=int, default=10, show_default=True, help="Sample rows to show.")
@click.option("--batch", metavar="BATCH", help="Compare with what a run made of this staged batch.")
@click.option("--against", metavar="RUN", help="With --batch: the run to compare with (default: the newest delivered).")
@looks
def command(
    pipeline: str, *, rows: int, batch: str | None, against: str | None, as_json: bool, workspace: str | None
) -> int:
    """Sample rows before and after cleanup, and rejects; or what changed rules would make of a batch. Touches nothing."""
    from loadlock.errors import UsageError

    if batch is not None:
        return _change(pipeline, batch, against, rows=rows, as_json=as_json, workspace=workspace)
    if against is not None:
        raise UsageError("--against needs --batch", hint="Name the batch that the run took in.")
    return _sample(pipeline, rows=rows, as_json=as_json)


def _change(pipeline: str, batch: str, against: str | None, *, rows: int, as_json: bool, workspace: str | None) -> int:
    from pathlib import Path

    from loadlock.cli.rule_change import print_change
    from loadlock.pipeline.read import load_pipeline
    from loadlock.workflow.rule_change import rule_change

    found = rule_change(
        load_pipeline(Path(pipeline)), batch, against=against, workspace=workspace, examples=rows
    ).to_json()
    if as_json:
        print_json(found)
    else:
        print_change(found)
    return 0


def _sample(pipeline: str, *, rows: int, as_json: bool) -> int:
    from pathlib import Path

    from loadlock.pipeline.read import load_pipeline
    from loadlock.workflow.preview import preview

    found = preview(load_pipeline(Path(pipeline)), rows=rows)
    if as_json:
        print_json(
            {
                "rows": found.rows,
                "rejects": found.rejects,
                "decisions": found.decisions,
                "files": found.files,
                "looked_at": found.looked_at,
                "tallies": found.tallies.to_json(),
            }
        )
        return 0
    for entry in found.rows:
        click.secho(f"{entry['file']} row {entry['row']}", bold=True)
        for side in ("before", "after"):
            click.echo(
                f"  {side:6}  " + ", ".join(f"{name}={value_text(value)}" for name, value in entry[side].items())
            )
    click.secho(f"rejects in the first {found.looked_at:,} rows looked at:", bold=True)
    headers = ("file", "row", "line", "problems")
    print_table(headers, ([row["file"], row["row"], row["line"], problems_text(row)] for row in found.rejects))
    for decision in found.decisions:
        click.echo(f"{decision['column']}: {decision['reason']}")
    return 0
