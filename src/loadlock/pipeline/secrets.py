"""Secrets in URLs: filled in from the environment only when connecting, and never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from loadlock.errors import UsageError
from loadlock.rows import HIDDEN as HIDDEN

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_UNENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~%]")
_USER_INFO = re.compile(r"://([^/\s]*)@")
# greedy up to the last @: a password may hold any character, also an @ or / that should have been encoded
_PASSWORD = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.\-]*://[^\s:/@]*:)(?P<secret>[^\s\"'<>]+)(?=@)")
_NAMED = re.compile(
    r"(?i)\b(?P<before>(?:ssl)?password|passwd|pwd|pass|token|access_token|api_?key|secret(?:_?key)?|sig(?:nature)?)"
    r"(?P<sign>\s*=\s*)(?P<secret>'[^']*'|\"[^\"]*\"|[^\s&;'\"]+)"
)


def variables(url: str) -> list[str]:
    """Names of the environment variables that `url` needs, in order."""
    return [match[1] for match in _VARIABLE.finditer(url)]


def malformed(url: str) -> bool:
    """Whether `url` has a `${` that is no complete `${NAME}` or `${NAME:-default}`."""
    return "${" in _VARIABLE.sub("", url)


def resolve(url: str, environment: Mapping[str, str]) -> str:
    """`url` with `${NAME}` and `${NAME:-default}` filled in; the default stands in for an unset or empty variable.

    What goes between `://` and `@` is percent-encoded as far as it is not yet. Raises UsageError naming the variable.
    """
    user_info = _USER_INFO.search(url)
    inner = user_info.span(1) if user_info else (-1, -1)

    def fill(match: re.Match[str]) -> str:
        value = environment.get(match[1]) or match[2]
        if not value:
            state = "empty" if match[1] in environment else "not set"
            raise UsageError(
                f"the environment variable {match[1]} is {state}; {redact(url)} needs it",
                hint=f"Set it, as in: export {match[1]}=...",
            )
        inside = inner[0] <= match.start() < inner[1]
        return _UNENCODED.sub(lambda m: quote(m[0], safe=""), value) if inside else value

    return _VARIABLE.sub(fill, url)


def redact(text: str) -> str:
    """`text` with the passwords of all URLs and `password=...` settings in it replaced by `***`."""
    text = _PASSWORD.sub(rf"\g<before>{HIDDEN}", text)
    return _NAMED.sub(rf"\g<before>\g<sign>{HIDDEN}", text)


def label(url: str) -> str:
    """`url` for people: scheme, host, port and path; no user, password or parameter. Paths and `${NAME}` stay."""
    if "://" not in url:
        return redact(url)
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        # an @ left in the host or path is the rest of a password that was not percent-encoded
        if "@" in parts.path or "${" in url:
            return _without_user(url)
        return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
    except ValueError:
        return _without_user(url)


def _without_user(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return redact(f"{scheme}://{rest.split('?')[0].rpartition('@')[2]}")
