"""The command line: parse, call one library function, print. `main` alone turns errors into messages and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its documented code."""
    from loadlock.cli.app import run

    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))


def script() -> None:
    """The script `loadlock`: one command, then the process is gone.

    What is registered for the end is done, all output is written. Only the taking apart of modules is left out: it takes
    as long as some commands, and libraries written in C sometimes fail at it, after the work is done.
    """
    try:
        main()
    except SystemExit as end:
        _leave(end.code if isinstance(end.code, int) else int(end.code is not None))


def _leave(code: int) -> None:
    import atexit
    import os

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (BrokenPipeError, ValueError):  # nobody reads any more
            pass
        except OSError:  # output is lost: the code that Python gives then
            code = code or 120
    os._exit(code)
