"""`loadlock resume RUN`."""

from __future__ import annotations

from typing import Any

import click

from loadlock.cli.common import finish, run_options, runs


@click.command()
@click.argument("run")
@click.option("--to", metavar="URL", help="The destination's address again, where it held a password.")
@click.option("--force", is_flag=True, help="Overwrite what later batches or others wrote since.")
@runs
def command(run: str, *, to: str | None, as_json: bool, quiet: bool, **known: Any) -> int:
    """Finish a run that was killed, interrupted or failed, from where it stood."""
    from loadlock.workflow.start import resume

    return finish(resume(run, run_options(as_json=as_json, quiet=quiet, **known), to=to), as_json=as_json)
