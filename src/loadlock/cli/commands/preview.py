"""`loadlock preview PIPELINE`."""

from __future__ import annotations

from typing import Any

import click

from loadlock.cli.common import looks, print_json, print_table


@click.command()
@click.argument("pipeline")
@click.option("--rows", type=int, default=10, show_default=True, help="Sample rows to show.")
@looks
def command(pipeline: str, *, rows: int, as_json: bool, workspace: str | None) -> int:
    """Sample rows before and after cleanup, and rejects; touches nothing."""
    from pathlib import Path

    from loadlock.pipeline.read import load_pipeline
    from loadlock.workflow.preview import preview

    found = preview(load_pipeline(Path(pipeline)), rows=rows)
    if as_json:
        print_json(
            {
                "rows": found.rows,
                "rejects": found.rejects,
                "decisions": found.decisions,
                "files": found.files,
                "looked_at": found.looked_at,
                "tallies": found.tallies.to_json(),
            }
        )
        return 0
    for entry in found.rows:
        click.secho(f"{entry['file']} row {entry['row']}", bold=True)
        for side in ("before", "after"):
            click.echo(f"  {side:6}  " + ", ".join(f"{name}={_shown(value)}" for name, value in entry[side].items()))
    click.secho(f"rejects in the first {found.looked_at:,} rows looked at:", bold=True)
    headers = ("file", "row", "line", "problems")
    print_table(headers, ([row["file"], row["row"], row["line"], _why(row)] for row in found.rejects))
    for decision in found.decisions:
        click.echo(f"{decision['column']}: {decision['reason']}")
    return 0


def _shown(value: Any) -> str:
    """Texts in quotes, null as such, other types plain: a text that looks like a number can be told from one."""
    return "null" if value is None else repr(value) if isinstance(value, str) else str(value)


def _why(row: dict[str, Any]) -> str:
    return "\n".join(f"{' '.join(filter(None, (p['code'], p['column'])))}: {p['message']}" for p in row["problems"])
