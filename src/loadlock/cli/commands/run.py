"""`loadlock run PIPELINE`."""

from __future__ import annotations

from typing import Any

import click

from loadlock.cli.common import finish, run_options, runs


@click.command()
@click.argument("pipeline")
@click.option(
    "--files", type=click.Choice(["all", "new"]), help="Which matched files to take (default: by write mode)."
)
@click.option("--force", is_flag=True, help="Deliver again what was delivered before; lift the guard of a mirror.")
@click.option("--confirm", "ask", is_flag=True, help="Show what would change and ask before it is published.")
@runs
def command(pipeline: str, *, as_json: bool, quiet: bool, ask: bool, **known: Any) -> int:
    """Take a pipeline's files the whole way: intake, staging, cleanup, delivery, read-back."""
    from pathlib import Path

    from loadlock.pipeline.read import load_pipeline
    from loadlock.workflow.start import run_pipeline

    read = load_pipeline(Path(pipeline))
    if ask:
        from loadlock.cli.foreseen import confirm

        known["confirm"] = confirm
    options = run_options(as_json=as_json, quiet=quiet, **known)
    return finish(run_pipeline(read, options, path=str(Path(pipeline).resolve())), as_json=as_json)
