"""The service without its wire: from a request to an answer, with tokens, quotas, faults, validation and the state."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson

from loadlock.testing.sheets import append, batch, discovery, kinds_metadata, masks, present, values
from loadlock.testing.sheets.accounts import Accounts, refused
from loadlock.testing.sheets.book import Book, Tab
from loadlock.testing.sheets.clock import Clock
from loadlock.testing.sheets.discovery import Method, camel, scalar, snake
from loadlock.testing.sheets.errors import TEXTS, ApiError, Json, bad, payload, unknown
from loadlock.testing.sheets.faults import Fault
from loadlock.testing.sheets.log import Entry
from loadlock.testing.sheets.quota import QuotaCounter
from loadlock.testing.sheets.settings import Settings
from loadlock.testing.sheets.work import Work

LOG_ENTRIES = 100_000
READS = frozenset(
    {
        "spreadsheets.get",
        "spreadsheets.values.get",
        "spreadsheets.values.batchGet",
        "spreadsheets.developerMetadata.get",
        "spreadsheets.developerMetadata.search",
    }
)
"""Methods that count as reads and need no right to write. All others count as writes."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """One HTTP request, its body read."""

    method: str
    target: str
    authorization: str
    body: bytes


@dataclass(kw_only=True)
class Answer:
    """What goes back. `cut`: instead of it the connection is reset, closed, or ends after half of the body."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    cut: str | None = None


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request understood: method, path parameters, query, field mask, body."""

    method: Method
    path: dict[str, str]
    query: Json
    mask: masks.Mask | None
    body: Json


class Service:
    """The state of an emulator. `answer` may be called from many threads; the work of a request is done one at a time."""

    def __init__(self, settings: Settings, base_url: str) -> None:
        self.discovery = discovery.load()
        self.settings = settings
        self.base_url = base_url
        self.clock = Clock()
        self.accounts = Accounts(self.clock)
        self.quota = QuotaCounter(self.clock)
        self.books: dict[str, Book] = {}
        self.faults: list[Fault] = []
        self.log: deque[Entry] = deque(maxlen=LOG_ENTRIES)
        self.lock = threading.RLock()
        self.stopping = threading.Event()
        self._numbers = 0

    def answer(self, request: Request) -> Answer:
        """Answer one request, with the faults that fit it. Never raises."""
        parts = urlsplit(request.target)
        found = self.discovery.match(request.method, parts.path)
        name = "token" if parts.path == "/token" else found[0].id if found else parts.path
        entry = self._logged(name, found[1] if found else {}, request)
        answer = self._faulty(entry, lambda: self._answered(request, found, parts.query, entry))
        entry.status = 0 if answer.cut in ("reset", "close") else answer.status
        entry.response_bytes = len(answer.body)
        return answer

    def _logged(self, name: str, path: dict[str, str], request: Request) -> Entry:
        with self.lock:
            self._numbers += 1
            entry = Entry(
                number=self._numbers,
                at=self.clock.now(),
                method=name,
                kinds=_kinds(request.body) if name == "spreadsheets.batchUpdate" else (),
                spreadsheet_id=path.get("spreadsheetId", ""),
                range=path.get("range", ""),
                request_bytes=len(request.body),
            )
            self.log.append(entry)
        return entry

    def _faulty(self, entry: Entry, work: Callable[[], Answer]) -> Answer:
        """The work with the faults before and after it. One that ends the request ends it."""
        ended = self._fire(entry, "before", Answer(status=0, body=b""))
        if ended is not None:
            return ended
        if self.stopping.is_set():
            return Answer(status=0, body=b"", cut="close")
        answer = work()
        return self._fire(entry, "after", answer) or answer

    def _fire(self, entry: Entry, when: str, answer: Answer) -> Answer | None:
        with self.lock:
            fitting = [fault for fault in self.faults if fault.when == when and fault.fits(entry.method, entry.kinds)]
            firing = [fault for fault in fitting if fault.fires()]
        for fault in firing:
            entry.faults += (f"{when}:{fault.do}",)
            if fault.do == "delay":
                self.stopping.wait(fault.seconds)
            elif fault.do == "expire_token":
                with self.lock:
                    self.accounts.expire()
            elif fault.do == "edit":
                try:
                    self.edit(entry.spreadsheet_id, fault.requests)
                except ApiError as error:
                    return error_answer(unknown(f"what to do: the edit of a fault failed ({error.message})"))
            else:
                return _ended(fault, answer)
        return None

    def _answered(self, request: Request, found: Any, query: str, entry: Entry) -> Answer:
        try:
            if entry.method == "token" and request.method == "POST":
                return self._token(request, entry)
            if found is None:
                raise unknown(f"{request.method} {urlsplit(request.target).path}")
            return self._called(request, found, query, entry)
        except ApiError as error:
            entry.message = error.message
            return error_answer(error, self.settings.quotas.retry_after_seconds if error.code == 429 else None)

    def _token(self, request: Request, entry: Entry) -> Answer:
        with self.lock:
            seconds = self.settings.token_seconds
            status, body = self.accounts.token(request.body, base_url=self.base_url, seconds=seconds)
        entry.applied = status == 200
        entry.message = body.get("error_description", "")
        return Answer(status=status, body=_json(body, pretty=False))

    def _called(self, request: Request, found: tuple[Method, dict[str, str]], query: str, entry: Entry) -> Answer:
        method, path = found
        with self.lock:
            account = self.accounts.check(request.authorization, method.scopes)
            entry.account = account.email
            self.quota.take(account, "read" if method.id in READS else "write", self.settings.quotas)
        if len(request.body) > self.settings.limits.payload_bytes:
            limit = self.settings.limits.payload_bytes
            raise bad(f"Request payload size exceeds the limit: {limit} bytes.")
        call = self._understood(request, method, path, query)
        result, seconds = self._applied(call, entry)
        self.stopping.wait(seconds)
        if call.mask:
            result = masks.apply(call.mask, result)
        return Answer(status=200, body=_json(result, pretty=bool(call.query.get("prettyPrint", True))))

    def _understood(self, request: Request, method: Method, path: dict[str, str], query: str) -> Call:
        options = _query(method, query)
        mask = None
        if "fields" in options:
            mask = masks.parse(options["fields"])
            masks.check(mask, method.response, self.discovery)
        body: Json = {}
        if method.request:
            try:
                given = orjson.loads(request.body or b"{}")
            except orjson.JSONDecodeError as error:
                raise payload("", f"Invalid JSON payload received. Unexpected token.\n{error}") from error
            body = self.discovery.checked(method.request, given)
        elif request.body:
            raise payload("", "Invalid JSON payload received. Request body is not expected.")
        return Call(method=method, path=path, query=options, mask=mask, body=body)

    def _applied(self, call: Call, entry: Entry) -> tuple[Json, float]:
        """Do the work on a copy and keep it when it ended well; returns the result and how long it takes by the speed model."""
        with self.lock:
            if call.method.id == "spreadsheets.create":
                entry.applied = True
                return self._create(call, entry), 0.0
            if call.method.id not in METHODS:
                raise unknown(f"the method {call.method.id}")
            book = self._book(call.path["spreadsheetId"], entry.account, writing=call.method.id not in READS)
            work = self.work(book if call.method.id in READS else book.copy(), entry.account)
            result = METHODS[call.method.id](work, call)
            entry.cells = work.cells
            seconds = work.cells / self.settings.cells_per_second if self.settings.cells_per_second else 0.0
            if seconds > self.settings.limits.request_seconds:
                raise ApiError(504, TEXTS[504])
            self.books[book.spreadsheet_id] = work.book
            entry.applied = True
            return result, seconds

    def work(self, book: Book, account: str) -> Work:
        return Work(
            book=book,
            account=account,
            settings=self.settings,
            discovery=self.discovery,
            today=self.clock.today(),
        )

    def _book(self, spreadsheet_id: str, account: str, *, writing: bool) -> Book:
        book = self.books.get(spreadsheet_id)
        if book is None:
            raise ApiError(404, TEXTS[404])
        error = refused(account, book, writing=writing)
        if error is not None:
            raise error
        return book

    def _create(self, call: Call, entry: Entry) -> Json:
        person = any(account.person for account in self.accounts.known() if account.email == entry.account)
        if not person and not self.settings.service_accounts_own_files:
            raise ApiError(403, "The caller does not have permission")
        given = call.body.get("properties", {})
        if set(call.body) - {"properties", "sheets"} or set(given) - {"title", "locale", "timeZone"}:
            raise unknown("spreadsheets.create with more than a title, time zone and tabs")
        if given.get("locale", "en_US") != "en_US":
            raise unknown(f"the locale {given['locale']}")
        book = self.new_book(title=given.get("title", "Untitled spreadsheet"), owner=entry.account)
        work = self.work(book, entry.account)
        for sheet in call.body.get("sheets", []):
            if set(sheet) - {"properties"}:
                raise unknown("spreadsheets.create with more than a tab's properties")
            batch.KINDS["addSheet"](work, {"properties": sheet.get("properties", {})})
        if call.body.get("sheets"):
            del book.tabs[0]
        self.books[book.spreadsheet_id] = book
        return present.spreadsheet(work, ranges=[], grid_data=False, mask=None)

    def new_book(self, *, title: str, owner: str) -> Book:
        """A spreadsheet with one empty tab, not yet among the others."""
        number = len(self.books) + 1
        book = Book(spreadsheet_id=f"emulated-spreadsheet-{number:04d}", title=title, sharing={owner: "owner"})
        book.tabs.append(Tab(sheet_id=0, title="Sheet1"))
        return book

    def edit(self, spreadsheet_id: str, requests: list[Json]) -> list[Json]:
        """A batchUpdate by the spreadsheet's owner, past tokens, quotas and faults. Raises ApiError; then nothing is changed."""
        with self.lock:
            book = self.books.get(spreadsheet_id)
            if book is None:
                raise ApiError(404, TEXTS[404])
            owner = next(email for email, role in book.sharing.items() if role == "owner")
            work = self.work(book.copy(), owner)
            body = self.discovery.checked("BatchUpdateSpreadsheetRequest", {"requests": requests})
            replies: list[Json] = batch.batch_update(work, body)["replies"]
            self.books[spreadsheet_id] = work.book
            return replies


METHODS: dict[str, Callable[[Work, Call], Json]] = {
    "spreadsheets.get": lambda work, call: present.get(work, call.query, call.mask),
    "spreadsheets.batchUpdate": lambda work, call: batch.batch_update(work, call.body),
    "spreadsheets.values.get": lambda work, call: values.get(work, call.path["range"], call.query),
    "spreadsheets.values.batchGet": lambda work, call: values.batch_get(work, call.query),
    "spreadsheets.values.update": lambda work, call: values.update(work, call.path["range"], call.body, call.query),
    "spreadsheets.values.batchUpdate": lambda work, call: values.batch_update(work, call.body),
    "spreadsheets.values.append": lambda work, call: append.append(work, call.path["range"], call.body, call.query),
    "spreadsheets.values.clear": lambda work, call: values.clear(work, call.path["range"]),
    "spreadsheets.values.batchClear": lambda work, call: values.batch_clear(work, call.body),
    "spreadsheets.developerMetadata.get": lambda work, call: kinds_metadata.get(work, _metadata_id(call)),
    "spreadsheets.developerMetadata.search": lambda work, call: kinds_metadata.search(work, call.body),
}
"""Method → what does it; `spreadsheets.create` apart. All others are answered with 501."""


def _metadata_id(call: Call) -> int:
    return int(scalar({"type": "integer", "format": "int32"}, call.path["metadataId"], "metadata_id"))


def _query(method: Method, text: str) -> Json:
    """The query's parameters, typed; a repeated one is a list."""
    options: Json = {}
    for given, value in parse_qsl(text, keep_blank_values=True):
        name = given if given in method.query else camel(given)
        spec = method.query.get(name)
        if spec is None:
            message = f'Invalid JSON payload received. Unknown name "{given}": Cannot bind query parameter. '
            raise payload(given, f"{message}Field '{given}' could not be found in request message.")
        # clients of the real service send `False` as Python writes it
        typed = scalar(spec, value.lower() if spec["type"] == "boolean" else value, snake(name))
        if spec.get("repeated"):
            options.setdefault(name, []).append(typed)
        else:
            options[name] = typed
    for name, only in (
        ("alt", "json"),
        ("callback", None),
        ("key", None),
        ("access_token", None),
        ("oauth_token", None),
    ):
        if name in options and options[name] != only:
            raise unknown(f"the query parameter {name}={options[name] if name == 'alt' else '...'}")
    return options


def _kinds(body: bytes) -> tuple[str, ...]:
    """The kinds of request in a batchUpdate's body, each once, as far as it can be read."""
    try:
        requests = orjson.loads(body).get("requests", [])
        return tuple(dict.fromkeys(camel(kind) for request in requests for kind in request))
    except (orjson.JSONDecodeError, AttributeError, TypeError):
        return ()


def _ended(fault: Fault, answer: Answer) -> Answer:
    if fault.do == "status":
        error = ApiError(fault.status, TEXTS.get(fault.status, "Injected fault."))
        return error_answer(error, fault.retry_after_seconds)
    return Answer(status=answer.status, body=answer.body, headers=answer.headers, cut=fault.do)


def error_answer(error: ApiError, retry_after_seconds: int | None = None) -> Answer:
    """An error as it goes back."""
    headers = {} if retry_after_seconds is None else {"Retry-After": str(retry_after_seconds)}
    return Answer(status=error.code, body=_json(error.body(), pretty=True), headers=headers)


def _json(value: Json, *, pretty: bool) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 if pretty else None)
