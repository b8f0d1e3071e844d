"""`loadlock schema`."""

from __future__ import annotations

import click

from loadlock.cli.common import print_json


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The schema is JSON in any case.")
def command(*, as_json: bool) -> int:
    """The JSON schema of a pipeline file, for editors."""
    from loadlock.pipeline.schema import json_schema

    print_json(json_schema())
    return 0
