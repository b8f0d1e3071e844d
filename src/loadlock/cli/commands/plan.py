"""`loadlock plan PIPELINE`."""

from __future__ import annotations

from typing import Any

import click

from loadlock.cli.common import print_json, run_options, runs


@click.command()
@click.argument("pipeline")
@click.option(
    "--files", type=click.Choice(["all", "new"]), help="Which matched files to take (default: by write mode)."
)
@click.option("--force", is_flag=True, help="Plan what `run --force` would do.")
@runs
def command(pipeline: str, *, as_json: bool, quiet: bool, **known: Any) -> int:
    """Show what a run would insert, update, leave and delete; touches no destination.

    Files are taken in and cleaned as in a run, so `loadlock resume RUN` then carries the plan out without doing it again.
    """
    from pathlib import Path

    from loadlock.pipeline.read import load_pipeline
    from loadlock.workflow.start import run_pipeline

    read = load_pipeline(Path(pipeline))
    options = run_options(as_json=as_json, quiet=quiet, plan=True, **known)
    result = run_pipeline(read, options, path=str(Path(pipeline).resolve()))
    if as_json:
        print_json(result.document)
    else:
        _print(result.document)
    return int(result.exit_code)


def _print(document: dict[str, Any]) -> None:
    from loadlock.cli.foreseen import print_plan

    if document["noop"]:
        click.echo(
            f"Already delivered by run {document['run']} (batch {document['batch'][:12]}): a run would do nothing."
        )
        return
    balance = document["balance"]
    rejected = sum(balance["rejected"].values())
    click.echo(f"run {document['run']}  batch {document['batch'][:12]}  planned only, nothing was delivered")
    click.echo(f"{balance['received']:,} rows received, {balance['clean']:,} clean, {rejected:,} rejected")
    print_plan(document["plan"])
    click.echo(f"`loadlock resume {document['run']}` carries this out.")
