"""Google's own client libraries, pointed at an emulator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from loadlock.testing.sheets.errors import Json

if TYPE_CHECKING:
    from loadlock.testing.sheets.emulator import SheetsEmulator

SCOPES = ("https://www.googleapis.com/auth/spreadsheets",)
_TIMEOUT = (5, 200)


def credentials(info: Json, *, scopes: Sequence[str] = SCOPES) -> Any:
    """google-auth credentials of a service account (`emulator.service_account(...)`).

    They skip the look-up of a "regional access boundary", which would ask a Google server from a background thread.
    """
    from google.oauth2 import service_account

    class LocalCredentials(service_account.Credentials):
        def _is_regional_access_boundary_lookup_required(self) -> bool:
            return False

    make: Any = LocalCredentials.from_service_account_info
    return make(info, scopes=list(scopes))


def session(emulator: SheetsEmulator, email: str, *, scopes: Sequence[str] = SCOPES) -> Any:
    """An AuthorizedSession (requests) of a service account; give it whole URLs below `emulator.url`."""
    from google.auth.transport.requests import AuthorizedSession

    kind: Any = AuthorizedSession
    made = kind(credentials(emulator.service_account(email), scopes=scopes))
    made.trust_env = False  # no proxy stands between a test and loopback
    return made


def gspread_client(emulator: SheetsEmulator, email: str) -> Any:
    """A gspread client of a service account."""
    import gspread

    base = emulator.url

    class LocalClient(gspread.HTTPClient):
        def request(self, method: str, endpoint: str, *arguments: Any, **options: Any) -> Any:
            local = endpoint.replace("https://sheets.googleapis.com", base)
            return super().request(method, local, *arguments, **options)

    own = session(emulator, email)
    client = gspread.authorize(own.credentials, http_client=LocalClient, session=own)
    client.set_timeout(_TIMEOUT)
    return client


def google_service(emulator: SheetsEmulator, email: str) -> Any:
    """The `sheets` v4 service of google-api-python-client."""
    import google_auth_httplib2
    import httplib2
    from googleapiclient.discovery import build

    http = google_auth_httplib2.AuthorizedHttp(
        credentials(emulator.service_account(email)), http=httplib2.Http(timeout=_TIMEOUT[1], proxy_info=None)
    )
    options = {"api_endpoint": emulator.url}
    return build("sheets", "v4", http=http, client_options=options, static_discovery=True, cache_discovery=False)
