"""`python -m loadlock.testing.sheets`: an emulator as a process of its own, told what to do over `/_emulator/`."""

from __future__ import annotations

import json
import signal
import threading
from pathlib import Path

import click

from loadlock.errors import LoadlockError
from loadlock.testing.sheets.emulator import SheetsEmulator

ACCOUNT = "loader@emulated.iam.gserviceaccount.com"


@click.command()
@click.option("--port", default=0, show_default="a free one", help="Port on 127.0.0.1.")
@click.option("--key", type=click.Path(dir_okay=False, path_type=Path), help="Write a service account's key file here.")
@click.option("--account", default=ACCOUNT, show_default=True, help="E-mail of that service account.")
@click.option("--spreadsheet", default="demo", show_default=True, help="Id of an empty spreadsheet shared with it.")
def main(port: int, key: Path | None, account: str, spreadsheet: str) -> None:
    """The Google Sheets API on loopback, until SIGTERM or Ctrl-C. Prints one line of JSON when it listens."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        with SheetsEmulator(port=port) as emulator:
            emulator.add_spreadsheet(spreadsheet_id=spreadsheet, share={account: "writer"})
            if key is not None:
                emulator.write_key(key, account)
            ready = {
                "url": emulator.url,
                "spreadsheet": spreadsheet,
                "account": account,
                "key": str(key) if key else None,
            }
            click.echo(json.dumps(ready))
            ended.wait()
    except LoadlockError as error:
        raise click.ClickException(str(error) + (f"\n{error.hint}" if error.hint else "")) from error


if __name__ == "__main__":
    main()
