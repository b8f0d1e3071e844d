"""`loadlock load FILES --to URL`."""

from __future__ import annotations

from typing import Any

import click

from loadlock.cli.common import finish, option_pairs, run_options, runs


@click.command()
@click.argument("files", nargs=-1, required=True)
@click.option(
    "--to", required=True, metavar="URL", help="postgresql:// mysql:// duckdb:/// sqlite:/// or a file's path."
)
@click.option("--table", help="schema.table, parts quoted as in SQL.")
@click.option(
    "--mode",
    help="append, replace, upsert, insert_only, delete_insert, mirror or scd2 (default: append; replace for files).",
)
@click.option("--key", multiple=True, metavar="COLUMNS", help="Key columns of the modes by key: a,b or repeated.")
@click.option("--force", is_flag=True, help="Deliver again what was delivered before.")
@option_pairs
@runs
def command(
    files: tuple[str, ...],
    *,
    to: str,
    table: str | None,
    mode: str | None,
    key: tuple[str, ...],
    pairs: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **known: Any,
) -> int:
    """Load files into a table without a pipeline: every column as the text received."""
    from loadlock.errors import UsageError
    from loadlock.model import WriteMode
    from loadlock.pipeline.options import source_with_options
    from loadlock.workflow.start import load

    if mode is not None and mode not in set(WriteMode):
        raise UsageError(f"unknown mode {mode!r}", hint=f"One of {', '.join(WriteMode)}.")
    result = load(
        source_with_options(files, pairs),
        to=to,
        table=table,
        mode=None if mode is None else WriteMode(mode),
        key=[name.strip() for part in key for name in part.split(",") if name.strip()],
        options=run_options(as_json=as_json, quiet=quiet, **known),
    )
    return finish(result, as_json=as_json)
