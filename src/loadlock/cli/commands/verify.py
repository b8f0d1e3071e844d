"""`loadlock verify BATCH`."""

from __future__ import annotations

from typing import Any

import click

from loadlock.cli.common import print_json, run_options, runs


@click.command()
@click.argument("batch")
@click.option("--to", metavar="URL", help="The destination's address again, where it held a password.")
@runs
def command(batch: str, *, to: str | None, as_json: bool, quiet: bool, **known: Any) -> int:
    """Read a delivered batch back again and compare it with the clean rows."""
    from loadlock.errors import VerifyError
    from loadlock.workflow.verify import verify

    found = verify(batch, run_options(as_json=as_json, quiet=quiet, **known), to=to)
    if as_json:
        print_json({"run": found.run, "batch": found.batch, "equal": found.equal, "receipts": found.receipts})
    else:
        for receipt in found.receipts:
            verdict = {True: "equal", False: "DIFFERS", None: "not compared"}[receipt["equal"]]
            click.echo(f"{receipt['target']}: {receipt['rows']:,} rows, level {receipt['level']}: {verdict}")
    return VerifyError.exit_code if found.equal is False else 0
