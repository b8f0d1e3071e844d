"""`/_emulator/...`: what tests in another process (or language) do with an emulator, as JSON over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from loadlock.errors import LoadlockError
from loadlock.testing.sheets.errors import ApiError, Json, bad
from loadlock.testing.sheets.faults import Fault
from loadlock.testing.sheets.fill import add_book
from loadlock.testing.sheets.present import sheet_properties
from loadlock.testing.sheets.settings import Settings

if TYPE_CHECKING:
    from loadlock.testing.sheets.service import Answer, Request, Service

CONTROL = "/_emulator/"


def controlled(service: Service, request: Request) -> Answer:
    """Answer a control request; it needs no token and meets no fault or quota."""
    from loadlock.testing.sheets.service import Answer, error_answer

    parts = urlsplit(request.target)
    name, query = parts.path.removeprefix(CONTROL), dict(parse_qsl(parts.query))
    command = COMMANDS.get((request.method, name))
    try:
        if command is None:
            known = ", ".join(f"{method} {CONTROL}{path}" for method, path in COMMANDS)
            raise ApiError(404, f"No control request {request.method} {parts.path}; there are {known}")
        given = orjson.loads(request.body) if request.body else {}
        with service.lock:
            result = command(service, {**query, **given})
        return Answer(status=200, body=orjson.dumps(result, option=orjson.OPT_INDENT_2))
    except ApiError as error:
        return error_answer(error)
    except (LoadlockError, TypeError, KeyError, ValueError, AttributeError) as error:
        return error_answer(bad(f"{type(error).__name__}: {error}"))


def state(service: Service, _: Json) -> Json:
    """All spreadsheets: tabs, sizes, sharing, metadata."""
    return {
        "spreadsheets": [
            {
                "spreadsheetId": book.spreadsheet_id,
                "title": book.title,
                "cells": book.cells,
                "sharing": book.sharing,
                "sheets": [sheet_properties(book, tab) for tab in book.tabs],
                "namedRanges": book.named,
                "developerMetadata": [asdict(item) for item in book.metadata.values()],
            }
            for book in service.books.values()
        ]
    }


def log(service: Service, given: Json) -> Json:
    """The request log, from the entry after `since` on."""
    since = int(given.get("since", 0))
    return {"log": [asdict(entry) for entry in service.log if entry.number > since]}


def counts(service: Service, _: Json) -> Json:
    """Quota counters by account."""
    return {
        "counts": [
            {"account": email, "kind": kind, **asdict(count)} for (email, kind), count in service.quota.counts.items()
        ]
    }


def add_fault(service: Service, given: Json) -> Json:
    service.faults.append(Fault(**given))
    return {"faults": [asdict(fault) for fault in service.faults]}


def clear_faults(service: Service, _: Json) -> Json:
    service.faults.clear()
    return {"faults": []}


def clock(service: Service, given: Json) -> Json:
    """Let `advance` seconds pass."""
    service.clock.advance(float(given.get("advance", 0)))
    return {"now": service.clock.now()}


def configure(service: Service, given: Json) -> Json:
    """Change settings: `{"limits": {"cells": 1000}, "cells_per_second": 4700}`."""
    service.settings = changed(service.settings, given)
    return {"settings": asdict(service.settings)}


def changed(settings: Settings, given: Json) -> Settings:
    """The settings with some of them replaced; `limits` and `quotas` may be given in part. Raises 400 for unknown names."""
    for part, names in (("settings", given), ("limits", given.get("limits", {})), ("quotas", given.get("quotas", {}))):
        shape = settings if part == "settings" else getattr(settings, part)
        unknown_names = set(names) - {field.name for field in fields(shape)}
        if unknown_names:
            raise bad(f"no such {part}: {', '.join(sorted(unknown_names))}")
    fresh: dict[str, Any] = dict(given)
    for part in ("limits", "quotas"):
        if part in fresh:
            fresh[part] = replace(getattr(settings, part), **fresh[part])
    return replace(settings, **fresh)


def add_spreadsheet(service: Service, given: Json) -> Json:
    """Make a spreadsheet: `id`, `title`, `tabs` (title → rows), `share` (e-mail → role)."""
    book = add_book(service, **given)
    return {"spreadsheetId": book.spreadsheet_id}


def edit(service: Service, given: Json) -> Json:
    """Another writer: `spreadsheetId` and `requests` as in a batchUpdate."""
    return {"replies": service.edit(given["spreadsheetId"], given["requests"])}


def account(service: Service, given: Json) -> Json:
    """The key file of a service account (`email`, `project`), or of a `person`; made when it is new."""
    person = bool(given.get("person"))
    made = service.accounts.add(given["email"], project=given.get("project", "emulated"), person=person)
    return made.info(service.base_url)


COMMANDS: dict[tuple[str, str], Callable[[Service, Json], Json]] = {
    ("GET", "state"): state,
    ("GET", "log"): log,
    ("GET", "counts"): counts,
    ("POST", "faults"): add_fault,
    ("DELETE", "faults"): clear_faults,
    ("POST", "clock"): clock,
    ("POST", "settings"): configure,
    ("POST", "spreadsheets"): add_spreadsheet,
    ("POST", "edit"): edit,
    ("POST", "accounts"): account,
}
