"""Credentials for Google Sheets: what each kind of file gives, and what is said of one that can't be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadlock.errors import RefusedError
from loadlock.sheets.credentials import SCOPE, email_of, find_credentials
from loadlock.testing.sheets import SheetsEmulator

PERSON = {"type": "authorized_user", "client_id": "c", "client_secret": "hush-1", "refresh_token": "hush-2"}
FEDERATED = {
    "type": "external_account",
    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
    "credential_source": {"file": "/var/run/token"},
    "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
    "loader@p.iam.gserviceaccount.com:generateAccessToken",
}


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(content: Any) -> str:
        path = tmp_path / "key.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)

    return written


def test_a_login_that_gcloud_wrote_names_no_token_endpoint(write: Any) -> None:
    found, account = find_credentials(write({**PERSON, "quota_project_id": "charged"}), local=False)
    assert (found.token_uri, found.quota_project_id, account) == ("https://oauth2.googleapis.com/token", "charged", "")


def test_a_key_of_a_service_account_names_its_e_mail(tmp_path: Path) -> None:
    with SheetsEmulator() as emulator:
        key = emulator.write_key(tmp_path / "key.json", "loader@x.iam.gserviceaccount.com")
    found, account = find_credentials(str(key), local=True)
    assert (found.scopes, account) == ([SCOPE], "loader@x.iam.gserviceaccount.com")


def test_a_workload_elsewhere_may_act_for_a_service_account(write: Any) -> None:
    found, account = find_credentials(write(FEDERATED), local=False)
    assert (found.scopes, account) == ([SCOPE], "loader@p.iam.gserviceaccount.com")


def test_the_machine_s_own_credentials_are_found(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", write(PERSON))
    found, account = find_credentials(None, local=False)
    assert (found.refresh_token, account) == (PERSON["refresh_token"], "")


def test_a_machine_s_account_has_no_e_mail_before_its_first_token() -> None:
    from google.auth import compute_engine

    make: Any = compute_engine.Credentials
    found = make()
    assert email_of(found) == ""
    found._service_account_email = "vm@developer.gserviceaccount.com"
    assert email_of(found) == "vm@developer.gserviceaccount.com"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({**PERSON, "client_id": None}, "lack client_id"),
        ({"type": "authorized_user"}, "lack refresh_token, client_id, client_secret"),
        ({"type": "service_account", "private_key": "hush-3"}, "no key of a service account"),
        ({"type": "something"}, "of the kind 'something'"),
        ({"type": ["hush-4"]}, "of the kind"),
        ({**FEDERATED, "token_url": 7, "credential_source": "hush-5"}, "are damaged"),
        ("{hush-6", "no JSON"),
        ('["hush-7"]', "no key file"),
    ],
)
def test_a_file_that_can_not_be_used_is_told_without_its_secrets(write: Any, content: Any, said: str) -> None:
    with pytest.raises(RefusedError, match=said) as caught:
        find_credentials(write(content), local=False)
    assert "hush" not in f"{caught.value} {caught.value.hint}"
