"""`loadlock columns`."""

from __future__ import annotations

from pathlib import Path

import click

from loadlock.cli.common import print_json


@click.command()
@click.argument("schema", metavar="SCHEMA", type=click.Path(path_type=Path))
@click.option("--table", metavar="NAME", help="The table, where SCHEMA describes several.")
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write the pipeline to this file."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def command(*, schema: Path, table: str | None, output: Path | None, as_json: bool) -> int:
    """A pipeline with the columns and checks of another tool's schema.

    SCHEMA is a Frictionless Table Schema or data package, an Open Data Contract (ODCS v3), or a Pandera schema written as
    YAML. What can't be taken over is said in comments.
    """
    from loadlock.errors import UsageError
    from loadlock.pipeline.table_schemas import pipeline_text

    text = pipeline_text(schema, table)
    if output is not None:
        try:
            with output.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"can't write {output}: {error.strerror}", hint="Name a new file.") from error
    if as_json:
        print_json({"pipeline": text, "output": None if output is None else str(output)})
    elif output is None:
        click.echo(text, nl=False)
    return 0
