"""`loadlock discard BATCH --why TEXT`."""

from __future__ import annotations

from typing import Any

import click

from loadlock.cli.common import acts, looks, print_act, reject_filters


@click.command()
@click.argument("batch")
@click.option(
    "--where", metavar="SQL", help="Only rejects for which this is true (values by name; code, column, row ...)."
)
@reject_filters
@acts
@looks
def command(
    batch: str, *, where: str | None, by: str | None, why: str, as_json: bool, workspace: str | None, **wanted: Any
) -> int:
    """Give rejects up: they are counted as discarded in the balance, and no replay sends them.

    What was corrected or accepted and waits for `replay` is left alone, and said; --state corrected discards it, too.
    `loadlock corrections undo` takes it back.
    """
    from loadlock.workflow.decide import discard
    from loadlock.workflow.lists import reject_filter

    found = discard(batch, why=why, by=by, where=where, wanted=reject_filter(**wanted), workspace=workspace)
    print_act(found, "discarded", as_json=as_json)
    return 0
