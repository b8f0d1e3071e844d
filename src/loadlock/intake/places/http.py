"""Files that a web server gives out: `https://`, and `http://` on this machine.

Credentials: the user and password of the address (write them as `${VARIABLE}`), else those of `~/.netrc`. Proxies are
taken from the usual variables, never for this machine.
"""

from __future__ import annotations

import base64
import http.client
import ipaddress
import netrc
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import Any

from loadlock.errors import SourceError
from loadlock.intake.places.base import Facts, InterruptedFetchError, Opened

TIMEOUT_SECONDS = 60.0
"""How long a server may be silent."""
_BLOCK_BYTES = 1 << 20
_GRACE_SECONDS = 2.0
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_PASSING_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "zstd"})
"""Content codings that intake opens by their bytes."""


@dataclass(frozen=True, kw_only=True)
class HttpFile:
    """See `RemoteFile`. `url` may hold secrets; nothing else here does."""

    url: str = field(repr=False)
    label: str
    name: str
    timeout_seconds: float = TIMEOUT_SECONDS

    @property
    def key(self) -> str:
        return self.url

    def open(self, start: int, known: Facts | None) -> Opened:
        """See `RemoteFile.open`."""
        headers = {"Range": f"bytes={start}-"} if start and known else {}
        if headers and known and known.version:
            headers["If-Range"] = known.version
        response = self._ask("GET", headers)
        if response.status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            response.close()
            return self.open(0, None)
        going_on = response.status == http.client.PARTIAL_CONTENT
        if going_on and (known is None or not _continues(response, start, known)):
            response.close()
            return self.open(0, None)
        facts = known if going_on and known else self._facts(response)
        first = start if going_on else 0
        return Opened(facts=facts, start=first, blocks=self._blocks(response))

    def unchanged(self, known: Facts) -> bool:
        """See `RemoteFile.unchanged`."""
        try:
            with closing(self._ask("HEAD", {})) as response:
                facts = self._facts(response)
        except SourceError:
            return True  # HEAD is not allowed to all who may GET: nothing can be told
        return facts.version == known.version and facts.size in (None, known.size)

    def _facts(self, response: http.client.HTTPResponse) -> Facts:
        length = response.headers.get("Content-Length", "")
        size = int(length) if length.isdecimal() and len(length) < 19 else None
        tag = response.headers.get("ETag")
        strong = tag if tag and not tag.startswith("W/") else None
        return Facts(size=size, version=strong or response.headers.get("Last-Modified"))

    def _ask(self, method: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        """The server's answer: whole, partial, or that the range is behind the end."""
        request = urllib.request.Request(_without_user(self.url), method=method, headers=headers | _always(self.url))  # noqa: S310
        try:
            answer: http.client.HTTPResponse = _opener(self.url).open(request, timeout=self.timeout_seconds)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and method == "GET":
                    return _Refused(error.code)  # type: ignore[return-value]
                raise self._refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            raise self._interrupted(error) from None
        return answer

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        said = f"the server answers {error.code} {_printable(error.reason)}"
        if error.code in _LATER:
            return InterruptedFetchError(said, wait_seconds=_retry_after(error))
        hints = {
            401: "Give user and password in the address as ${VARIABLE}, or in ~/.netrc.",
            403: "Check the rights of the user, or whether the link has expired.",
            404: "Check the address.",
            410: "Check the address.",
        }
        return SourceError(f"{self.label}: {said}", hint=hints.get(error.code, "Ask those who run the server."))

    def _interrupted(self, error: Exception) -> Exception:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            why = _printable(reason.verify_message)
            return SourceError(
                f"{self.label}: the server's certificate is not trusted: {why}",
                hint="If it is yours, name its certificate by SSL_CERT_FILE.",
            )
        if isinstance(reason, _ForbiddenRedirectError):
            return SourceError(f"{self.label}: {reason}", hint="Give the address that the server redirects to.")
        if isinstance(error, http.client.InvalidURL | UnicodeError):
            return SourceError(f"{self.label} is no valid address", hint="Write it as a browser shows it.")
        text = "no answer in time" if isinstance(reason, TimeoutError) else _printable(reason)
        return InterruptedFetchError(text or type(reason).__name__)

    def _blocks(self, response: http.client.HTTPResponse) -> Iterator[bytes]:
        """The body to its announced end. A body whose end is announced by nothing can't be told from half of one."""
        left = response.length
        if left is None and not response.chunked:
            response.close()
            raise SourceError(
                f"{self.label}: the server doesn't say how long the file is",
                hint="Fetch it by other means and load the local file.",
            )
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        if coding not in _PASSING_ENCODINGS:
            response.close()
            raise SourceError(f"{self.label}: the server packs it by {coding!r}, unasked", hint="Fetch it yourself.")
        with closing(response):
            try:
                yield from self._body(response, left)
            except (OSError, http.client.HTTPException) as error:
                raise self._interrupted(error) from None

    def _body(self, response: http.client.HTTPResponse, left: int | None) -> Iterator[bytes]:
        if left is not None:
            # http.client would stop there in silence: what the server sends beyond it must be seen
            response.length = None
        while left is None or left:
            data = response.read(_BLOCK_BYTES if left is None else min(_BLOCK_BYTES, left))
            if not data:
                return
            left = None if left is None else left - len(data)
            yield data
        if _is_more(response):
            raise SourceError(
                f"{self.label}: the server sends more bytes than it announced",
                hint="Its Content-Length is wrong: nobody can tell how long the file is.",
            )


class _Refused:
    """Stands for an answer without a body."""

    def __init__(self, status: int) -> None:
        self.status = status

    def close(self) -> None:
        pass


def http_files(pattern: str) -> list[HttpFile]:
    """The one file of an address. SourceError for a pattern, and for http to another machine."""
    try:
        parts = urllib.parse.urlsplit(pattern)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise SourceError("a source's address is not valid", hint="Write it as https://host/path/file.csv.") from error
    name = PurePosixPath(urllib.parse.unquote(parts.path)).name or host
    label = f"{parts.scheme.lower()}://{host}{f':{port}' if port else ''}{parts.path}"
    if not host:
        raise SourceError(f"{label} names no server", hint="Write it as https://host/path/file.csv.")
    if "*" in parts.path:
        raise SourceError(f"{label}: a web server has no list of its files", hint="Name each file.")
    if parts.scheme.lower() == "http" and not is_loopback(host):
        raise SourceError(f"{label}: http without encryption is for this machine only", hint="Use https://.")
    return [HttpFile(url=pattern, label=label, name=name)]


def is_loopback(host: str) -> bool:
    """Whether a host's name means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


class _ForbiddenRedirectError(Exception):
    """A server sends us where we must not go."""


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects; never from https to http, and without the password to another server."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if new.scheme not in ("https", "http") or (new.scheme == "http" and not is_loopback(new.hostname or "")):
            raise urllib.error.URLError(
                _ForbiddenRedirectError("the server redirects to an address without encryption")
            )
        follow = super().redirect_request(req, fp, code, msg, headers, newurl)
        if follow is not None:
            follow.method = req.get_method()
            if (old.hostname, old.port, old.scheme) != (new.hostname, new.port, new.scheme):
                follow.remove_header("Authorization")
        return follow


def _opener(url: str) -> urllib.request.OpenerDirector:
    host = urllib.parse.urlsplit(url).hostname or ""
    proxies = urllib.request.ProxyHandler({} if is_loopback(host) else None)
    return urllib.request.build_opener(proxies, _Redirects)


def _always(url: str) -> dict[str, str]:
    # a server that packs on the fly could not go on at a byte
    headers = {"Accept-Encoding": "identity", "User-Agent": "loadlock"}
    user = _user(url)
    if user:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()
    return headers


def _user(url: str) -> tuple[str, str] | None:
    parts = urllib.parse.urlsplit(url)
    if parts.username is not None:
        return urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
    with suppress(OSError, netrc.NetrcParseError):
        found = netrc.netrc().authenticators(parts.hostname or "")
        if found:
            return found[0], found[2] or ""
    return None


def _without_user(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    path = urllib.parse.quote(parts.path, safe="/%:@!$&'()*+,;=~-._")
    return urllib.parse.urlunsplit((parts.scheme, place, path, parts.query, ""))


def _continues(response: http.client.HTTPResponse, start: int, known: Facts) -> bool:
    """Whether a partial answer is the rest that was asked for."""
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    place, _, whole = rest.partition("/")
    size_fits = known.size is None or whole in ("*", str(known.size))
    return unit == "bytes" and place.partition("-")[0] == str(start) and size_fits


def _is_more(response: http.client.HTTPResponse) -> bool:
    """Whether bytes follow the announced end. We asked the server to hang up there; one that doesn't is not waited for."""
    if response.chunked or response.fp is None:
        return False
    with suppress(OSError, AttributeError, http.client.HTTPException):
        response.fp.raw._sock.settimeout(_GRACE_SECONDS)  # type: ignore[attr-defined]
        return bool(response.read(1))
    return False


def _retry_after(error: urllib.error.HTTPError) -> float | None:
    text = (error.headers.get("Retry-After") or "").strip()
    if text.isdecimal():
        return float(text[:6])
    with suppress(ValueError, TypeError):
        from datetime import UTC, datetime

        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    return None


def _printable(value: object) -> str:
    return "".join(char if char.isprintable() else " " for char in str(value))[:200].strip()
