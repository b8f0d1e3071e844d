"""`loadlock doctor [PIPELINE]`."""

from __future__ import annotations

import click

from loadlock.cli.common import looks, print_json

_SIGNS = {"ok": "ok   ", "warn": "look ", "fail": "WRONG"}


@click.command()
@click.argument("pipeline", required=False)
@looks
def command(pipeline: str | None, *, as_json: bool, workspace: str | None) -> int:
    """Can everything be reached, is everything permitted? Changes nothing."""
    from loadlock.workflow.doctor import examine

    findings = examine(pipeline, workspace)
    if as_json:
        print_json([vars(finding) for finding in findings])
    else:
        for finding in findings:
            click.echo(f"{_SIGNS[finding.verdict]} {finding.what}: {finding.found}")
            if finding.remedy:
                click.echo(f"      {finding.remedy}")
    return 1 if any(finding.verdict == "fail" for finding in findings) else 0
