"""`loadlock corrections list | undo | suggest BATCH`."""

from __future__ import annotations

import click

from loadlock.cli.common import acts, looks, print_json, print_table, value_text


@click.group()
def command() -> None:
    """What operators did to the rejects of a batch: who changed what, when and why."""


@command.command("list")
@click.argument("batch")
@click.option("--cells", is_flag=True, help="Every changed value, with the old and the new one.")
@looks
def list_acts(batch: str, *, cells: bool, as_json: bool, workspace: str | None) -> int:
    """The acts on a batch's rejects, oldest first; with --cells each changed value."""
    from loadlock.workflow.audit import audit_acts, audit_cells

    if cells:
        rows = list(audit_cells(batch, workspace=workspace))
        if as_json:
            print_json(rows)
        else:
            heads = ("act", "at", "by", "file", "row", "column", "old", "new", "why", "undone")
            print_table(heads, ([_shown(row[head]) for head in heads] for row in rows))
        return 0
    found = audit_acts(batch, workspace=workspace)
    if as_json:
        print_json(found)
        return 0
    titles = ("act", "at", "action", "rejects", "values", "by", "why", "source", "undone")
    print_table(titles, ([_shown(act[title]) for title in titles] for act in found))
    return 0


@command.command("undo")
@click.argument("batch")
@click.option("--act", type=int, help="The act's number (default: the newest that stands).")
@acts
@looks
def undo_act(batch: str, *, act: int | None, by: str | None, why: str, as_json: bool, workspace: str | None) -> int:
    """Take an act back. What a replay has delivered since stays delivered."""
    from loadlock.workflow.acting import Who
    from loadlock.workflow.correct import undo

    found = undo(batch, act=act, who=Who(by=by, why=why), workspace=workspace)
    if as_json:
        print_json(found.to_json())
    else:
        click.echo(f"act {found.seq}: act {found.undoes} is undone")
    return 0


@command.command("suggest")
@click.argument("batch")
@click.option("--every", is_flag=True, help="Look at the newest 50 batches of its pipeline.")
@click.option(
    "--least", type=click.IntRange(min=1), default=2, show_default=True, help="Times that it was corrected so."
)
@looks
def suggest_rules(batch: str, *, every: bool, least: int, as_json: bool, workspace: str | None) -> int:
    """Rules that would do what operators did by hand again and again."""
    from loadlock.workflow.suggesting import as_rules, suggest

    found = suggest(batch, every=every, least=least, workspace=workspace)
    if as_json:
        print_json([one.to_json() for one in found])
        return 0
    if not found:
        click.echo(f"nothing was corrected to the same value {least} times or more")
        return 0
    heads = ("column", "old", "new", "times", "batches", "otherwise")
    print_table(
        heads,
        (
            [
                value_text(getattr(one, name)) if name in ("old", "new") else getattr(one, name)
                for name in ("column", "old", "new", "times", "batches", "contradicted")
            ]
            for one in found
        ),
    )
    rules = as_rules(found)
    if rules:
        click.echo("to make rules of them, write these before the other rules of the column:")
    for column, written in rules.items():
        click.echo(f"  {column}: {{rules: [{', '.join(written)}]}}")
    return 0


def _shown(cell: object) -> str:
    return {True: "yes", False: "", None: ""}.get(cell, str(cell)) if isinstance(cell, bool | None) else str(cell)
