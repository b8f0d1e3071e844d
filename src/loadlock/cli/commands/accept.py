"""`loadlock accept BATCH --why TEXT`."""

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
    """Let rejects pass the checks that they failed; the next replay delivers them as they are.

    Only what checks found can be accepted: no malformed row, no value of a wrong type, no missing key.
    """
    from loadlock.workflow.decide import accept
    from loadlock.workflow.lists import reject_filter

    found = accept(batch, why=why, by=by, where=where, wanted=reject_filter(**wanted), workspace=workspace)
    print_act(found, "accepted", as_json=as_json)
    return 0
