"""`loadlock replay BATCH [PIPELINE]`."""

from __future__ import annotations

from typing import Any

import click

from loadlock.cli.common import finish, run_options, runs


@click.command()
@click.argument("batch")
@click.argument("pipeline", required=False)
@click.option(
    "--all", "everything", is_flag=True, help="Send the open rejects too, not only corrected and accepted ones."
)
@click.option("--force", is_flag=True, help="Deliver rows too whose keys others have written since.")
@click.option("--to", metavar="URL", help="The destination's address again, where it held a password.")
@runs
def command(
    batch: str, pipeline: str | None, *, everything: bool, to: str | None, as_json: bool, quiet: bool, **known: Any
) -> int:
    """Send corrected rejects through the rules as they are now, and add what passes to what the batch delivered.

    Each row is delivered exactly once. Resolved rejects are marked, the rest stay with their new problems. A replay that was
    cut short is finished by calling it again.
    """
    from pathlib import Path

    from loadlock.pipeline.read import load_pipeline
    from loadlock.workflow.replay import replay

    read = None if pipeline is None else load_pipeline(Path(pipeline))
    path = None if pipeline is None else str(Path(pipeline).resolve())
    options = run_options(as_json=as_json, quiet=quiet, **known)
    return finish(replay(batch, options, everything=everything, pipeline=read, path=path, to=to), as_json=as_json)
