"""`loadlock rerun BATCH [PIPELINE]`."""

from __future__ import annotations

from typing import Any

import click

from loadlock.cli.common import finish, run_options, runs


@click.command()
@click.argument("batch")
@click.argument("pipeline", required=False)
@click.option("--force", is_flag=True, help="Overwrite what later batches or others wrote since.")
@runs
def command(batch: str, pipeline: str | None, *, as_json: bool, quiet: bool, **known: Any) -> int:
    """Take a batch through the current rules again, from staging alone (modes upsert and replace)."""
    from pathlib import Path

    from loadlock.pipeline.read import load_pipeline
    from loadlock.workflow.start import rerun

    read = None if pipeline is None else load_pipeline(Path(pipeline))
    path = None if pipeline is None else str(Path(pipeline).resolve())
    options = run_options(as_json=as_json, quiet=quiet, **known)
    return finish(rerun(batch, options, pipeline=read, path=path), as_json=as_json)
