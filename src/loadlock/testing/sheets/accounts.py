"""Accounts and tokens: keys of service accounts, OAuth users, and the token endpoint that checks what they send."""

from __future__ import annotations

import base64
import secrets
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from loadlock.testing.sheets.clock import Clock
from loadlock.testing.sheets.errors import ApiError, Json, reason

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
"""What google-auth writes as `aud`, whatever `token_uri` says."""
JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LEEWAY_SECONDS = 300
_UNAUTHENTICATED = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who asks: a service account (with a key) or a person (with a refresh token). A project has its own quota."""

    email: str
    project: str
    secret: str
    """Key id of a service account, refresh token of a person."""
    number: int
    person: bool = False

    def info(self, base_url: str) -> Json:
        """The JSON of a service account's key file, or of an `authorized_user` file."""
        token_uri = f"{base_url}/token"
        if self.person:
            client = {"client_id": f"{self.number}.apps.example", "client_secret": "emulated"}
            return {"type": "authorized_user", **client, "refresh_token": self.secret, "token_uri": token_uri}
        return {
            "type": "service_account",
            "project_id": self.project,
            "private_key_id": self.secret,
            "private_key": _pem(private_key(self.number)),
            "client_email": self.email,
            "client_id": str(10**20 + self.number),
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        }


@dataclass(kw_only=True)
class Token:
    """An access token in use."""

    account: Account
    scopes: frozenset[str]
    expires: float


class _TokenError(Exception):
    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.body = {"error": code, "error_description": text}


class Accounts:
    """All accounts of an emulator and the tokens that it gave out. Call it under the emulator's lock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._accounts: dict[str, Account] = {}
        self._tokens: dict[str, Token] = {}

    def add(self, email: str, *, project: str, person: bool) -> Account:
        """The account with this e-mail, made when it is new."""
        if email not in self._accounts:
            secret = ("1//" if person else "") + secrets.token_hex(20)
            number = len(self._accounts) + 1
            self._accounts[email] = Account(email=email, project=project, secret=secret, number=number, person=person)
        return self._accounts[email]

    def known(self) -> list[Account]:
        return list(self._accounts.values())

    def token(self, body: bytes, *, base_url: str, seconds: int) -> tuple[int, Json]:
        """Answer the token endpoint: status and JSON. Both grants are checked: a signed JWT, a refresh token."""
        form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        try:
            if form.get("grant_type") == JWT_GRANT:
                account, scopes = self._by_assertion(form.get("assertion", ""), f"{base_url}/token")
            elif form.get("grant_type") == "refresh_token":
                account, scopes = self._by_refresh(form.get("refresh_token", "")), form.get("scope", "*")
            else:
                raise _TokenError("unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")
        except _TokenError as error:
            return 400, error.body
        text = "ya29." + secrets.token_urlsafe(40)
        self._tokens[text] = Token(
            account=account, scopes=frozenset(scopes.split()), expires=self._clock.now() + seconds
        )
        return 200, {"access_token": text, "expires_in": seconds - 1, "token_type": "Bearer"}

    def _by_assertion(self, assertion: str, own_audience: str) -> tuple[Account, str]:
        """RFC 7523: signature by the account's key, issuer, audience, life of an hour at most."""
        parts = assertion.split(".")
        try:
            header, claims = (orjson.loads(_unbase64(part)) for part in parts[:2])
            signature = _unbase64(parts[2])
        except (ValueError, IndexError):
            raise _TokenError("invalid_request", "Bad JWT assertion.") from None
        account = next((a for a in self._accounts.values() if a.email == claims.get("iss") and not a.person), None)
        if account is None:
            raise _TokenError("invalid_grant", "Invalid grant: account not found")
        right_key = header.get("alg") == "RS256" and header.get("kid") in (None, account.secret)
        if not right_key or not _signed(account, ".".join(parts[:2]).encode(), signature):
            raise _TokenError("invalid_grant", "Invalid JWT Signature.")
        _check_claims(claims, own_audience)
        return account, claims["scope"]

    def _by_refresh(self, refresh_token: str) -> Account:
        for account in self._accounts.values():
            if account.person and secrets.compare_digest(account.secret.encode(), refresh_token.encode()):
                return account
        raise _TokenError("invalid_grant", "Token has been expired or revoked.")

    def expire(self) -> None:
        """All tokens given out so far are refused from now on."""
        for token in self._tokens.values():
            token.expires = 0.0

    def check(self, authorization: str, scopes: frozenset[str]) -> Account:
        """Who asks. Raises 401 for a missing, unknown or expired token, 403 when its scopes don't suffice."""
        kind, _, text = authorization.partition(" ")
        token = self._tokens.get(text) if kind.lower() == "bearer" else None
        if token is None:
            why = "ACCESS_TOKEN_TYPE_UNSUPPORTED" if text else "CREDENTIALS_MISSING"
            raise reason(401, _UNAUTHENTICATED, why=why)
        if token.expires <= self._clock.now():
            raise reason(401, _UNAUTHENTICATED, why="ACCESS_TOKEN_EXPIRED")
        if "*" not in token.scopes and not token.scopes & scopes:
            text = "Request had insufficient authentication scopes."
            raise reason(403, text, why="ACCESS_TOKEN_SCOPE_INSUFFICIENT")
        return token.account


def _check_claims(claims: Json, own_audience: str) -> None:
    now = time.time()  # the client's clock is the real one, also when a test lets time pass here
    if claims.get("aud") not in (GOOGLE_AUDIENCE, own_audience):
        raise _TokenError("invalid_grant", "Invalid JWT: Failed audience check.")
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or not isinstance(expires, int):
        raise _TokenError("invalid_grant", "Invalid JWT: iat and exp must be set.")
    if not (issued - _LEEWAY_SECONDS <= now < expires + _LEEWAY_SECONDS) or expires - issued > 3600:
        raise _TokenError(
            "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat "
            "and exp values in the JWT claim.",
        )
    if not claims.get("scope"):
        raise _TokenError("invalid_scope", "Empty or missing scope not allowed.")


def refused(email: str, book: Any, *, writing: bool) -> ApiError | None:
    """403 when the spreadsheet isn't shared with the account, or only for reading."""
    role = book.sharing.get(email)
    if role is None or (writing and role == "reader"):
        return ApiError(403, "The caller does not have permission")
    return None


def _unbase64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@cache
def private_key(number: int) -> RSAPrivateKey:
    """A real RSA key, made once a process."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _pem(key: RSAPrivateKey) -> str:
    from cryptography.hazmat.primitives import serialization

    shape = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, shape, serialization.NoEncryption()).decode()


def _signed(account: Account, message: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    try:
        private_key(account.number).public_key().verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True
