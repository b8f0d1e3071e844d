"""`loadlock correct BATCH FILE`."""

from __future__ import annotations

from typing import Any

import click

from loadlock.cli.common import acts, looks, print_json, reject_filters, waits


@click.command()
@click.argument("batch")
@click.argument("file", required=False)
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="COLUMN=SQL",
    help="Set a column to an SQL expression over the reject's values.",
)
@click.option(
    "--map", "maps", multiple=True, metavar="COLUMN=FILE", help="Replace values by a CSV file: value, new value."
)
@click.option(
    "--where", metavar="SQL", help="Only rejects for which this is true (also: code, column, message, file, row ...)."
)
@click.option("--take-altered", is_flag=True, help="Take cells too that a spreadsheet seems to have changed by itself.")
@reject_filters
@acts
@waits
@looks
def command(
    batch: str, file: str | None, *, sets: tuple[str, ...], maps: tuple[str, ...], where: str | None, **given: Any
) -> int:
    """Record corrections of rejects: from an edited export, or in bulk by --set and --map.

    Nothing is recorded where the file has rows that don't belong. `loadlock replay BATCH` sends the corrected rows.
    """
    from loadlock.errors import UsageError
    from loadlock.workflow.acting import Who
    from loadlock.workflow.bulk import Bulk, correct_in_bulk
    from loadlock.workflow.correct import correct
    from loadlock.workflow.lists import reject_filter

    who, as_json, altered = (
        Who(by=given.pop("by"), why=given.pop("why")),
        given.pop("as_json"),
        given.pop("take_altered"),
    )
    place = {name: given.pop(name) for name in ("workspace", "wait_seconds")}
    if (file is None) == (not sets and not maps):
        raise UsageError("give an edited export, or --set or --map", hint="`loadlock rejects BATCH --export fix.xlsx`")
    if file is not None:
        if where or any(given.values()):
            raise UsageError("--where and filters go with --set and --map, not with a file")
        found = correct(batch, file, who=who, altered=altered, **place)
    else:
        bulk = Bulk(sets=sets, maps=maps, where=where, wanted=reject_filter(**given))
        found = correct_in_bulk(batch, bulk, who=who, **place)
    if as_json:
        print_json(found.to_json())
        return found.exit_code
    for line in found.said():
        click.echo(line, err=True)
    if found.act is None:
        click.echo(f"{found.rows:,} rejects looked at: nothing to correct")
    else:
        act = found.act
        click.echo(f"act {act.seq}: {act.cells:,} values of {act.rejects:,} rejects corrected by {act.by}")
        click.echo(
            f"`loadlock replay {found.batch[:12]}` sends them, `loadlock corrections undo {found.batch[:12]}` takes them back"
        )
    return found.exit_code
