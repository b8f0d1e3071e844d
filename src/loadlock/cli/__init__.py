"""The command line: parse, call one library function, print. `main` alone turns errors into messages and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit with its documented code."""
    from loadlock.cli.app import run

    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))
