"""`SheetsEmulator`: the Google Sheets API on loopback, for tests of code that talks to it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from loadlock.errors import UsageError
from loadlock.testing.sheets.book import Book
from loadlock.testing.sheets.clock import Clock
from loadlock.testing.sheets.control import changed
from loadlock.testing.sheets.errors import ApiError, Json
from loadlock.testing.sheets.faults import Fault
from loadlock.testing.sheets.fill import Rows, add_book, rows_of, typed_rows
from loadlock.testing.sheets.log import Entry
from loadlock.testing.sheets.quota import Count
from loadlock.testing.sheets.server import HttpServer
from loadlock.testing.sheets.service import Service
from loadlock.testing.sheets.settings import Settings


class SheetsEmulator:
    """A Google Sheets API of its own, with its token endpoint, on a free port of 127.0.0.1 (or `port`).

    Use it as a context manager, or call `start` and `stop`. All methods may be called while clients are at work; those that
    name a spreadsheet raise ApiError (404) when there is none.

        with SheetsEmulator() as emulator:
            key = emulator.write_key(tmp_path / "key.json", "loader@demo.iam.gserviceaccount.com")
            sheet = emulator.add_spreadsheet(tabs={"Data": [["id"], [1]]}, share={"loader@demo...": "writer"})
            # the code under test talks to emulator.url with the key
            assert emulator.rows(sheet, "Data") == [["id"], [1]]
    """

    def __init__(self, *, settings: Settings | None = None, port: int = 0) -> None:
        self._settings = settings or Settings()
        self._port = port
        self._server: HttpServer | None = None
        self._service: Service | None = None

    def start(self) -> Self:
        """Listen. Raises UsageError when the port is taken or google-api-python-client is missing."""
        try:
            server = HttpServer(self._port)
        except OSError as error:
            raise UsageError(f"the emulator can't listen on 127.0.0.1:{self._port}: {error.strerror}") from error
        try:
            self._service = Service(self._settings, server.url)
        except BaseException:
            server.server_close()
            raise
        self._server = server
        server.start(self._service)
        return self

    def stop(self) -> None:
        """End all connections. What the emulator held stays readable."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def service(self) -> Service:
        if self._service is None:
            raise UsageError("the emulator has not been started")
        return self._service

    @property
    def url(self) -> str:
        """Stands for `https://sheets.googleapis.com`."""
        return self.service.base_url

    @property
    def clock(self) -> Clock:
        return self.service.clock

    def configure(self, **settings: Any) -> None:
        """Change settings from now on: `configure(limits={"cells": 1000}, cells_per_second=4700)`."""
        with self.service.lock:
            self.service.settings = changed(self.service.settings, settings)

    def service_account(self, email: str, *, project: str = "emulated") -> Json:
        """The content of a service account's key file; the account is made when it is new."""
        return self.service.accounts.add(email, project=project, person=False).info(self.url)

    def person(self, email: str, *, project: str = "emulated") -> Json:
        """The content of an `authorized_user` file of a person who signed in."""
        return self.service.accounts.add(email, project=project, person=True).info(self.url)

    def write_key(self, path: Path, email: str, *, project: str = "emulated") -> Path:
        """Write a service account's key file."""
        path.write_text(json.dumps(self.service_account(email, project=project)), encoding="utf-8")
        return path

    def add_spreadsheet(
        self,
        *,
        title: str = "Spreadsheet",
        tabs: Mapping[str, Rows] | None = None,
        share: Mapping[str, str] | None = None,
        spreadsheet_id: str | None = None,
    ) -> str:
        """Make a spreadsheet and return its id: tabs (title → rows, stored as they are), shared with e-mails as `reader` or
        `writer`. Without tabs it has one empty `Sheet1`."""
        return add_book(self.service, title=title, tabs=tabs, share=share, id=spreadsheet_id).spreadsheet_id

    def share(self, spreadsheet_id: str, email: str, role: str | None) -> None:
        """Share with an e-mail as `reader` or `writer`, or with None no longer."""
        with self.service.lock:
            sharing = self._book(spreadsheet_id).sharing
            if role is None:
                sharing.pop(email, None)
            else:
                sharing[email] = role

    def rows(self, spreadsheet_id: str, range_text: str, *, formulas: bool = False) -> list[list[Any]]:
        """Values as stored, row by row, None for empty cells: of a tab (`Data`) or a range (`Data!A2:C`)."""
        return rows_of(self.service, spreadsheet_id, range_text, formulas=formulas)

    def write(self, spreadsheet_id: str, range_text: str, rows: Rows) -> None:
        """Cells as another writer's edit, from the first cell of a range on (`Data!B2`): values as they are, None empties,
        text that begins with `=` is a formula."""
        typed_rows(self.service, spreadsheet_id, range_text, rows)

    def edit(self, spreadsheet_id: str, requests: list[Json]) -> list[Json]:
        """Another writer's batchUpdate, past tokens, quotas and faults; returns the replies."""
        return self.service.edit(spreadsheet_id, requests)

    def tabs(self, spreadsheet_id: str) -> dict[str, int]:
        """Titles and sheetIds of all tabs, hidden ones too, in order."""
        with self.service.lock:
            return {tab.title: tab.sheet_id for tab in self._book(spreadsheet_id).tabs}

    def cells(self, spreadsheet_id: str) -> int:
        """Cells by grid size, as the limit counts them."""
        with self.service.lock:
            return self._book(spreadsheet_id).cells

    def fault(self, fault: Fault) -> Fault:
        """Let something go wrong. Returns the rule: `fired` counts."""
        with self.service.lock:
            self.service.faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        with self.service.lock:
            self.service.faults.clear()

    @property
    def log(self) -> list[Entry]:
        """The requests so far, oldest first (the last 100,000)."""
        with self.service.lock:
            return list(self.service.log)

    def count(self, email: str, kind: str) -> Count:
        """How the quota saw an account's requests of the kind `read` or `write`."""
        with self.service.lock:
            return self.service.quota.counts[email, kind]

    def _book(self, spreadsheet_id: str) -> Book:
        if spreadsheet_id not in self.service.books:
            raise ApiError(404, f"there is no spreadsheet {spreadsheet_id}")
        return self.service.books[spreadsheet_id]
