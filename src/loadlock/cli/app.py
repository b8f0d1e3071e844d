"""The command group: one file a command below `cli/commands/`, loaded when needed."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from loadlock._version import __version__
from loadlock.cli import commands
from loadlock.cli.json_lines import wanted, write_error
from loadlock.engines.memory import choose_allocator, spare_threads
from loadlock.errors import InterruptedRunError, LoadlockError, UsageError, one_interrupt

FAILED = LoadlockError.exit_code
STOPPED_HINT = "Run the same command again; `loadlock runs` shows a run that had begun, `loadlock resume` finishes it."


class Commands(click.Group):
    """Finds `loadlock NAME` in `cli/commands/NAME.py`, which defines `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(module.name.rstrip("_") for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{commands.__name__}.{cmd_name}")
        command: click.Command = module.command
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="loadlock")
def app() -> None:
    """Dirty CSV and JSON batches in, a verified table out.

    Every row is kept in staging, cleaned and checked by written rules; what is unfit goes to the quarantine, the rest
    to PostgreSQL, MySQL, DuckDB, SQLite or files, is read back and compared.

    \b
    Exit codes: 0 done or no-op, 1 failed, 2 wrong usage, pipeline or source, 3 done with rejects,
    4 stopped by a guard, 5 locked, 6 read-back differs, 7 interrupted or transient (resumable).
    """


def run(arguments: Sequence[str]) -> int:
    """Run a command; the exit code. With `--json` an error is one JSON document on standard output too."""
    choose_allocator()
    spare_threads()
    with suppress(ValueError):  # in another thread than the main one signals are the caller's
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    verbose = "-v" in arguments or "--verbose" in arguments
    try:
        with one_interrupt():
            code = app.main(args=list(arguments), prog_name="loadlock", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _tell(InterruptedRunError("stopped by a signal", hint=STOPPED_HINT), arguments, verbose=False)
    except click.ClickException as exc:
        exc.show()
        if "--json" in arguments:
            _print_error(UsageError(exc.format_message()), kind="UsageError")
        return exc.exit_code
    except LoadlockError as exc:
        return _tell(exc, arguments, verbose=verbose)
    except BrokenPipeError:
        # the reader went away (`| head`): nothing more can be said
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as exc:
        return _defect(exc, arguments, verbose=verbose)
    return code if isinstance(code, int) else 0


def _tell(error: LoadlockError, arguments: Sequence[str], *, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    if wanted(arguments):
        write_error(error)
    else:
        click.echo(f"loadlock: {error}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
    if "--json" in arguments:
        _print_error(error, kind=type(error).__name__)
    return error.exit_code


def _print_error(error: LoadlockError, *, kind: str) -> None:
    """The one JSON document of a command that failed."""
    document: dict[str, Any] = {
        "error": str(error),
        "kind": kind,
        "hint": error.hint,
        "run": error.run,
        "exit_code": error.exit_code,
    }
    document |= getattr(error, "details", {})
    if mistakes := getattr(error, "mistakes", None):
        document["mistakes"] = [vars(mistake) for mistake in mistakes]
    click.echo(json.dumps(document, ensure_ascii=False))


def _defect(error: Exception, arguments: Sequence[str], *, verbose: bool) -> int:
    if verbose:
        traceback.print_exc()
    click.echo(f"loadlock: a defect of Loadlock: {type(error).__name__}: {error}", err=True)
    click.echo(
        "  Run again with -v for the traceback, and report it; nothing was published by the failed step.", err=True
    )
    if "--json" in arguments:
        _print_error(LoadlockError(f"a defect of Loadlock: {error}"), kind=type(error).__name__)
    return FAILED
