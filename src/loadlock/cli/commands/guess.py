"""`loadlock guess FILES`."""

from __future__ import annotations

import click

from loadlock.cli.common import looks, option_pairs, print_json


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option("-o", "--output", metavar="FILE", help="Write the pipeline there (default: standard output).")
@click.option("--name", help="The pipeline's name (default: from the first file).")
@click.option("--force", is_flag=True, help="Overwrite the output file.")
@option_pairs
@looks
def command(
    files: tuple[str, ...],
    *,
    output: str | None,
    name: str | None,
    force: bool,
    pairs: tuple[str, ...],
    as_json: bool,
    workspace: str | None,
) -> int:
    """Profile files and write a commented pipeline that runs as it is."""
    from dataclasses import asdict
    from pathlib import Path

    from loadlock.errors import UsageError
    from loadlock.pipeline.options import options_written, source_with_options
    from loadlock.workflow.guessing import guess

    if output is not None and Path(output).exists() and not force:
        raise UsageError(f"{output} exists", hint="Name another file, or --force.")
    # relative file names in the pipeline start from the pipeline's folder
    folder = Path(output).resolve().parent if output is not None else Path.cwd()
    source = source_with_options(files, pairs)
    found = guess(source, base_folder=Path.cwd(), pipeline_folder=folder, name=name, pinned=options_written(pairs))
    if output is not None:
        Path(output).write_text(found.yaml, encoding="utf-8")
        click.echo(f"wrote {output}; look at its comments, then: loadlock preview {output}", err=True)
    if as_json:
        print_json({"pipeline": found.yaml, "output": output, "files": [asdict(report) for report in found.reports]})
    elif output is None:
        click.echo(found.yaml, nl=False)
    return 0
