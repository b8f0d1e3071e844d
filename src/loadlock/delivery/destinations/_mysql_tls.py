"""TLS of a connection to MySQL or MariaDB, from the URL's options."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any

from loadlock.errors import RefusedError, UsageError

MODES = ("disabled", "preferred", "required", "verify_ca", "verify_identity")
KNOWN = ("ssl_mode", "ssl_ca", "ssl_cert", "ssl_key", "unix_socket", "charset")
"""`charset` is accepted since URLs for other programs have it; here it is always utf8mb4."""


def tls_arguments(given: Mapping[str, str]) -> dict[str, Any]:
    """PyMySQL's arguments for the URL's options (`ssl_mode`, `ssl_ca`, `ssl_cert`, `ssl_key`; also written with `-`).

    Where nothing is said TLS is used if the server has it, and not verified; with `ssl_ca` the server must prove its identity.
    Raises UsageError for options that are not known (a misspelt one would leave a connection open), RefusedError for files
    that can't be read.
    """
    options = {name.lower().replace("-", "_"): value for name, value in given.items()}
    if unknown := sorted(options.keys() - set(KNOWN)):
        raise UsageError(
            f"the URL of the MySQL server has an unknown option: {', '.join(unknown)}",
            hint=f"Known: {', '.join(KNOWN)}.",
        )
    mode = options.get("ssl_mode", "verify_identity" if "ssl_ca" in options else "preferred").lower()
    if mode not in MODES:
        raise UsageError(f"ssl_mode={mode} is not known", hint=f"One of {', '.join(MODES)}.")
    if mode == "disabled":
        return {"ssl_disabled": True}
    if mode == "preferred" and "ssl_cert" not in options:
        return {}
    return {"ssl": _context(mode, options)}


@cache
def unverified() -> ssl.SSLContext:
    """A context for TLS that proves nobody's identity; without the certificates that the system trusts (30 ms to load)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _context(mode: str, options: Mapping[str, str]) -> ssl.SSLContext:
    """A context by which the driver insists on TLS."""
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_ca"))
        # MySQL's own generated certificates lack what the strict check of newer Pythons asks for
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.check_hostname = mode == "verify_identity"
        context.verify_mode = ssl.CERT_REQUIRED if mode.startswith("verify") else ssl.CERT_NONE
        if "ssl_cert" in options:
            context.load_cert_chain(options["ssl_cert"], options.get("ssl_key"))
    except OSError as error:  # ssl.SSLError is one
        files = ", ".join(value for name, value in options.items() if name in ("ssl_ca", "ssl_cert", "ssl_key"))
        raise RefusedError(
            f"the TLS files of the URL can't be used ({files}): {error.strerror or error}",
            hint="Name PEM files that can be read by ssl_ca, ssl_cert and ssl_key.",
        ) from error
    return context
