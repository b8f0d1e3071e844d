"""Requests to the Sheets API: tokens, pacing, and what is sent again.

Reads and writes of a fixed range may be repeated and are. A batchUpdate is sent again only where it was certainly not
applied (429, no connection); any other doubt is raised as UnavailableError, and the caller looks at the spreadsheet first.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import orjson

from loadlock.errors import LoadlockError, RefusedError, UnavailableError
from loadlock.sheets.credentials import email_of, find_credentials
from loadlock.sheets.pace import Pace

ENDPOINT = "LOADLOCK_SHEETS_ENDPOINT"
CREDENTIALS = ("LOADLOCK_SHEETS_CREDENTIALS", "GOOGLE_APPLICATION_CREDENTIALS")
GOOGLE = "https://sheets.googleapis.com"
TIMEOUT_SECONDS = (10.0, 200.0)
"""To connect, and between bytes of an answer: the service itself gives up after 180."""
PATIENCE_SECONDS = 600.0
LONGEST_PAUSE_SECONDS = 64.0
_TRANSIENT = frozenset({429, 500, 502, 503, 504})
Json = dict[str, Any]


@dataclass(kw_only=True)
class Wire:
    """One spreadsheet over HTTP. Not thread-safe; `close` it."""

    spreadsheet: str
    http: Any
    account: str
    """E-mail of a service account, for messages and pacing; empty where it is not known."""
    endpoint: str
    pace: Pace
    patience_seconds: float = PATIENCE_SECONDS
    seen: bool = False
    """The spreadsheet has answered before, so a 404 may be a passing one."""
    refused_bytes: int = field(default=2**62)
    """Smallest payload that was refused for its size."""

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Json:
        """A read; sent again after anything transient."""
        return self._again("GET", path, None, query)

    def search(self, body: Json) -> Json:
        """A read with a body (developer metadata)."""
        return self._again("POST", "/developerMetadata:search", orjson.dumps(body), None, kind="read")

    def put(self, a1_range: str, body: bytes) -> Json:
        """Write a fixed range, RAW: the same again changes nothing, so it is sent again after anything transient."""
        path = f"/values/{quote(a1_range, safe='')}"
        return self._again("PUT", path, body, {"valueInputOption": "RAW"})

    def batch(self, requests: list[Json]) -> list[Json]:
        """One atomic batchUpdate. Raises UnavailableError when it is not known whether it was applied."""
        body = orjson.dumps({"requests": requests})
        replies: list[Json] = self._again("POST", ":batchUpdate", body, None, once=True)["replies"]
        return replies

    def _again(
        self,
        method: str,
        path: str,
        body: bytes | None,
        query: Mapping[str, Any] | None,
        *,
        kind: str | None = None,
        once: bool = False,
    ) -> Json:
        begun, attempt, missing = time.monotonic(), 0, 0
        while True:
            attempt += 1
            self.pace.take(kind or ("read" if method == "GET" else "write"))
            try:
                return self._send(method, path, body, query)
            except _TransientError as error:
                missing += error.status == 404
                if (once and not error.unapplied) or missing > 3:
                    raise UnavailableError(str(error), wait_seconds=1.0) from error
                pause = max(error.wait_seconds, random.random() * min(LONGEST_PAUSE_SECONDS, 2.0**attempt))  # noqa: S311
                if time.monotonic() - begun + pause > self.patience_seconds:
                    raise UnavailableError(str(error), wait_seconds=pause) from error
                time.sleep(pause)

    def _send(self, method: str, path: str, body: bytes | None, query: Mapping[str, Any] | None) -> Json:
        import google.auth.exceptions
        import requests

        url = f"{self.endpoint}/v4/spreadsheets/{quote(self.spreadsheet, safe='')}{path}"
        options = {"prettyPrint": "false", **(query or {})}
        try:
            answer = self.http.request(
                method,
                f"{url}?{urlencode(options, doseq=True)}",
                data=body,
                headers={"Content-Type": "application/json"},
                timeout=TIMEOUT_SECONDS,
            )
            content = answer.content
        except requests.exceptions.ConnectTimeout as error:
            raise _TransientError("Google Sheets can't be reached", unapplied=True) from error
        except requests.exceptions.RequestException as error:
            unapplied = "NewConnectionError" in repr(error)
            raise _TransientError(
                f"no answer from Google Sheets ({type(error).__name__})", unapplied=unapplied
            ) from error
        except google.auth.exceptions.TransportError as error:
            raise _TransientError("Google's token endpoint can't be reached", unapplied=True) from error
        except google.auth.exceptions.GoogleAuthError as error:
            raise _refused_token(error, self.account) from error
        return self._read(answer.status_code, content, answer.headers, len(body or b""))

    def _read(self, status: int, content: bytes, headers: Mapping[str, str], sent: int) -> Json:
        if status == 200:
            self.seen = True
            try:
                found: Json = orjson.loads(content)
            except orjson.JSONDecodeError as error:
                raise _TransientError("Google Sheets' answer ends early", unapplied=False) from error
            return found
        message, why = _error(content)
        wait = headers.get("Retry-After", "")
        if status in _TRANSIENT or (status == 404 and self.seen) or why == "rateLimitExceeded":
            seconds = float(wait) if wait.isdigit() else 0.0
            text = f"Google Sheets answered {status}: {message}"
            raise _TransientError(text, unapplied=status == 429, wait_seconds=seconds, status=status)
        raise self._refusal(status, message, sent)

    def _refusal(self, status: int, message: str, sent: int) -> LoadlockError:
        # the machine's own account is known by name only after its first token
        account = self.account or email_of(getattr(self.http, "credentials", None))
        who = f" Share it with {account} as an editor." if account else ""
        if status == 413 or "payload size exceeds" in message:
            self.refused_bytes = min(self.refused_bytes, sent)
            return PayloadTooBigError(f"Google Sheets refused a payload of {sent:,} bytes")
        if status == 403:
            return RefusedError(
                f"spreadsheet {self.spreadsheet}: {message}", hint=f"This account may not do that.{who}"
            )
        if status == 404:
            return RefusedError(f"there is no spreadsheet {self.spreadsheet}", hint=f"Look at the address.{who}")
        if status == 401:
            return RefusedError(
                "Google refused the credentials", hint="Look at `credentials:`; is the key still valid?"
            )
        return RefusedError(f"spreadsheet {self.spreadsheet}: {message}", hint="Nothing of this request was done.")

    def close(self) -> None:
        self.http.close()


class PayloadTooBigError(RefusedError):
    """The request's body is too long: send less at once."""


class _TransientError(Exception):
    """`unapplied`: the request was certainly not carried out."""

    def __init__(self, text: str, *, unapplied: bool, wait_seconds: float = 0.0, status: int = 0) -> None:
        super().__init__(text)
        self.unapplied = unapplied
        self.wait_seconds = wait_seconds
        self.status = status


def _error(content: bytes) -> tuple[str, str]:
    """Message and reason of an error's body."""
    try:
        error = orjson.loads(content)["error"]
        details = [*error.get("details", ()), *error.get("errors", ()), {}]
        return str(error["message"]), str(details[0].get("reason", ""))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return content[:200].decode("utf-8", "replace"), ""


def _refused_token(error: Any, account: str) -> LoadlockError:
    who = f" for {account}" if account else ""
    if getattr(error, "retryable", False):
        return UnavailableError(f"Google gives no token{who} now")
    return RefusedError(
        f"Google gives no token{who}: {str(error).splitlines()[0][:200]}",
        hint="Look at `credentials:`; is the key of the account still valid, and the machine's clock right?",
    )


def connect(spreadsheet: str, *, credentials: str | None, endpoint: str | None, per_minute: int) -> Wire:
    """A wire with credentials of a file (a key, a login, a federation), or the machine's own.

    Without a file named here, LOADLOCK_SHEETS_CREDENTIALS and GOOGLE_APPLICATION_CREDENTIALS may name one.
    LOADLOCK_SHEETS_ENDPOINT stands for another API than Google's.
    """
    endpoint = endpoint or os.environ.get(ENDPOINT) or None
    named = (os.environ.get(name) for name in CREDENTIALS)
    credentials = credentials or next(filter(None, named), None)
    found, account = find_credentials(credentials, local=endpoint is not None)
    from google.auth.transport.requests import AuthorizedSession

    kind: Any = AuthorizedSession
    http = kind(found)
    base = (endpoint or GOOGLE).rstrip("/")
    if urlsplit(base).hostname in ("127.0.0.1", "localhost", "::1"):
        http.trust_env = False  # a proxy of the machine knows nothing of loopback
    return Wire(
        spreadsheet=spreadsheet,
        http=http,
        account=account,
        endpoint=base,
        pace=Pace((account or "default") + ("" if endpoint is None else f" {endpoint}"), per_minute),
    )
