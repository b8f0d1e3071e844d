"""What several commands share: options, the library's `Options` from them, printing."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from loadlock.workflow.start import Options

F = TypeVar("F", bound=Callable[..., Any])


def looks(function: F) -> F:
    """The options of every command: `--json`, `--workspace`, `-v`."""
    function = click.option(
        "-v", "--verbose", is_flag=True, expose_value=False, help="Show the traceback of an error."
    )(function)
    function = click.option("--workspace", metavar="DIR", help="The folder of ledger and staging.")(function)
    return click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")(function)


def runs(function: F) -> F:
    """The options of every command that runs: those of `looks`, the engine, waiting and force."""
    for option in (
        click.option("--engine", default="local", show_default=True, help="Where the work is done."),
        click.option(
            "--wait", "wait_seconds", type=float, default=0.0, metavar="SECONDS", help="Wait for a lock so long."
        ),
        click.option("--quiet", is_flag=True, help="No progress bars."),
        click.option(
            "--log",
            type=click.Choice(["text", "json"]),
            default="text",
            envvar="LOADLOCK_LOG",
            help="What standard error gets: text for people, or one JSON object a line (also by LOADLOCK_LOG).",
        ),
    ):
        function = option(function)
    return looks(function)


def reject_filters(function: F) -> F:
    """Which rejects are meant: `--code`, `--column`, `--file`, `--stage`, `--state`."""
    for option in (
        click.option(
            "--state", help="Only rejects in this state: open, corrected, accepted, discarded, stale, resolved."
        ),
        click.option(
            "--stage", type=click.Choice(["intake", "cleanup", "delivery"]), help="Only rejects of this stage."
        ),
        click.option("--file", "file_name", help="Only rows of this file."),
        click.option("--column", help="Only problems of this column."),
        click.option("--code", help="Only this problem code."),
    ):
        function = option(function)
    return function


def acts(function: F) -> F:
    """Who acts, and why: `--by`, `--why`."""
    function = click.option("--why", default="", metavar="TEXT", help="Why, for the audit.")(function)
    return click.option("--by", metavar="NAME", help="Who does it, for the audit (default: your user name).")(function)


def waits(function: F) -> F:
    """`--wait SECONDS` for a lock."""
    option = click.option(
        "--wait", "wait_seconds", type=float, default=0.0, metavar="SECONDS", help="Wait for a lock so long."
    )
    return option(function)


def option_pairs(function: F) -> F:
    """`--option NAME=VALUE`, any number of times: the names of the pipeline's `source:`."""
    option = click.option(
        "--option", "pairs", multiple=True, metavar="NAME=VALUE", help="A source option, as encoding=cp1252."
    )
    return option(function)


def run_options(*, as_json: bool, quiet: bool, log: str = "text", **known: Any) -> Options:
    """The library's options, with a progress display where somebody can see it."""
    from loadlock.cli.progress import make_progress
    from loadlock.engines.memory import collect_seldom, keep_small, spare_pandas
    from loadlock.workflow.start import Options

    keep_small()
    spare_pandas()
    collect_seldom()
    return Options(progress=make_progress(quiet=quiet, log=log), **known)


def print_json(document: Any) -> None:
    """One document on standard output."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=str))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A plain table on standard output, as wide as it needs (whole lines when piped)."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False, markup=False)
    console.print(table)


def finish(result: Any, *, as_json: bool) -> int:
    """Print the outcome of a run; its exit code."""
    from loadlock.cli.balance import print_balance

    if as_json:
        print_json(result.document)
    else:
        print_balance(result.document)
    return int(result.exit_code)


def value_text(value: Any) -> str:
    """Texts in quotes, null as such, other types plain: a text that looks like a number can be told from one."""
    return "null" if value is None else repr(value) if isinstance(value, str) else str(value)


def problems_text(row: Any) -> str:
    """The problems of a reject, one line each."""
    return "\n".join(f"{' '.join(filter(None, (p['code'], p['column'])))}: {p['message']}" for p in row["problems"])


def print_act(found: Any, word: str, *, as_json: bool) -> None:
    """What an act on rejects (`accepted`, `discarded`) came to."""
    if as_json:
        print_json(found.to_json())
    elif found.act is None:
        click.echo("no open reject is meant: nothing was done")
    else:
        click.echo(f"act {found.act.seq}: {found.act.rejects:,} rejects {word} by {found.act.by}: {found.act.why}")
    for note in () if as_json else found.notes:
        click.echo(f"  {note}")
