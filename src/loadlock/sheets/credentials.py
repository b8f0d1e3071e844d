"""Credentials for the Sheets API: a service account's key, a person's login, a workload's federation, or the machine's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from loadlock.errors import RefusedError, UsageError

SCOPE = "https://www.googleapis.com/auth/spreadsheets"
TOKENS = "https://oauth2.googleapis.com/token"
_CLIENT = ("refresh_token", "client_id", "client_secret")
_FEDERATED = ("external_account", "impersonated_service_account")
"""Kinds of files that `gcloud` writes for machines outside Google's cloud."""
_MAKE_ONE = "Make a key in the Google Cloud console, or sign in by `gcloud auth application-default login`."


def find_credentials(path: str | None, *, local: bool) -> tuple[Any, str]:
    """Credentials of a file, or the machine's own, and the e-mail of their service account ("" where it is not known).

    `local`: another endpoint than Google's, so that no Google server may be asked besides.
    """
    try:
        import google.auth
    except ModuleNotFoundError as error:
        raise UsageError("Google Sheets needs google-auth", hint="pip install 'loadlock[sheets]'") from error
    if path is None:
        try:
            default: Any = google.auth.default
            found, _ = default(scopes=[SCOPE])
        except google.auth.exceptions.GoogleAuthError as error:
            hint = "Name a key file by `credentials:`, or set GOOGLE_APPLICATION_CREDENTIALS to its path."
            raise RefusedError("no credentials for Google Sheets were found", hint=hint) from error
        return found, email_of(found)
    info = _key_file(path)
    kind = info.get("type", "service_account")
    if kind == "authorized_user":
        return _person(info, path), ""
    if kind == "service_account":
        return _service_account(info, path, local=local), str(info.get("client_email", ""))
    if kind in _FEDERATED:
        found = _federated(info, path)
        return found, email_of(found)
    raise RefusedError(
        f"{path} holds credentials of the kind {_shown(kind)}, which can't be used for Google Sheets", hint=_MAKE_ONE
    )


def _shown(kind: Any) -> str:
    return repr(kind[:40]) if isinstance(kind, str) else "that is no text"


def email_of(found: Any) -> str:
    """Of the service account that these are for; Google's library answers `default` where it was not asked for yet."""
    email = str(getattr(found, "service_account_email", None) or "")
    return email if "@" in email else ""


def _person(info: dict[str, Any], path: str) -> Any:
    """Of somebody who signed in. `gcloud` writes no `token_uri`, and a project that is charged with the requests."""
    from google.oauth2 import credentials

    missing = [name for name in _CLIENT if not isinstance(info.get(name), str)]
    if missing:
        raise RefusedError(f"the credentials {path} lack {', '.join(missing)}", hint=_MAKE_ONE)
    make: Any = credentials.Credentials
    given = {name: info[name] for name in _CLIENT}
    return make(None, token_uri=info.get("token_uri") or TOKENS, quota_project_id=info.get("quota_project_id"), **given)


def _service_account(info: dict[str, Any], path: str, *, local: bool) -> Any:
    from google.oauth2 import service_account

    try:
        make: Any = _LocalKey.of(service_account.Credentials) if local else service_account.Credentials
        return make.from_service_account_info(info, scopes=[SCOPE])
    except (ValueError, KeyError) as error:
        raise RefusedError(f"{path} is no key of a service account", hint=_MAKE_ONE) from error


def _federated(info: dict[str, Any], path: str) -> Any:
    """Of a workload elsewhere, or of an account that another one may act for. Asks nobody anything yet."""
    import google.auth.exceptions

    try:
        return _maker(info)(info, scopes=[SCOPE])
    except (google.auth.exceptions.GoogleAuthError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise RefusedError(f"the credentials {path} can't be used: they are damaged", hint=_MAKE_ONE) from error


def _maker(info: dict[str, Any]) -> Any:
    """Google's library tells these kinds apart too, but asks a server for a project besides."""
    from google.auth import aws, identity_pool, impersonated_credentials, pluggable

    kind: Any = identity_pool.Credentials
    if info["type"] == "impersonated_service_account":
        kind = impersonated_credentials.Credentials
        return kind.from_impersonated_service_account_info
    if ":aws:" in info["subject_token_type"]:
        kind = aws.Credentials
    elif "executable" in info["credential_source"]:
        kind = pluggable.Credentials
    return kind.from_info


class _LocalKey:
    """Credentials for another endpoint than Google's skip the look-up of a region, which would ask a Google server."""

    @staticmethod
    def of(kind: Any) -> Any:
        skip = {"_is_regional_access_boundary_lookup_required": lambda _: False}
        return type("LocalCredentials", (kind,), skip)


def _key_file(path: str) -> dict[str, Any]:
    try:
        info = json.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise RefusedError(
            f"can't read the credentials {path}: {error.strerror}", hint="Look at `credentials:`."
        ) from error
    except ValueError as error:
        raise RefusedError(
            f"the credentials {path} are no JSON", hint="Give the key file as Google made it."
        ) from error
    if not isinstance(info, dict):
        raise RefusedError(f"the credentials {path} are no key file", hint="Give the key file as Google made it.")
    return info
