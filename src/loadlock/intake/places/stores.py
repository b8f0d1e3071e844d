"""Files in object stores and on SSH servers: `s3://`, `gs://`, `az://` (also `abfs://`) and `sftp://`, through fsspec.

Each library is loaded only where an address asks for it. Credentials are found as its users know it: environment, profiles,
key files, the SSH agent.
"""

from __future__ import annotations

import importlib
import logging
import posixpath
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from loadlock.errors import LoadlockError, SourceError, UsageError
from loadlock.intake.places.base import Facts, InterruptedFetchError, Opened

_RANGE_BYTES = 8 << 20
_STREAM_BYTES = 2 << 20
_CONNECT_SECONDS = 30
_SILENT_SECONDS = 15
_MAGIC = frozenset("*?[")
_TALKERS = ("asyncio", "asyncssh", "azure", "botocore", "fsspec", "gcsfs", "s3fs")
_VERSION_KEYS = ("ETag", "etag", "generation", "VersionId", "version_id", "LastModified", "last_modified", "mtime")
_FORBIDDEN = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "ProfileNotFound",
        "DefaultCredentialsError",
        "RefreshError",
        "ClientAuthenticationError",
        "CredentialUnavailableError",
        "PermissionDenied",
        "KeyImportError",
    }
)
"""Names of the libraries' errors (and of their bases) that mean: who are you?"""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How the addresses of one scheme are reached."""

    module: str
    file_system: str
    extra: str
    credentials: str
    """Where they are looked for, for messages."""


_AZURE = Kind(
    module="adlfs",
    file_system="AzureBlobFileSystem",
    extra="azure",
    credentials="AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT_NAME with a key or a login",
)
_SFTP = Kind(
    module="sshfs",
    file_system="SSHFileSystem",
    extra="sftp",
    credentials="the user of the address, keys in ~/.ssh, the SSH agent, or a password as ${VARIABLE} in the address",
)
KINDS = {
    "s3": Kind(
        module="s3fs",
        file_system="S3FileSystem",
        extra="s3",
        credentials="AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile of ~/.aws, or the machine's role",
    ),
    "gs": Kind(
        module="gcsfs.core",  # the one that gcsfs shows asks another service first, which an emulator doesn't have
        file_system="GCSFileSystem",
        extra="gcs",
        credentials="GOOGLE_APPLICATION_CREDENTIALS, or gcloud's login",
    ),
    "az": _AZURE,
    "abfs": _AZURE,
    "abfss": _AZURE,
    "sftp": _SFTP,
}


class _Site:
    """A connection, made when first used and again after it broke, and what must be known to speak of it.

    `prefix` stands before a path in a label: scheme, user and host; `secret` is never shown.
    """

    def __init__(self, kind: Kind, prefix: str, connect: Callable[[], Any], *, secret: str = "") -> None:
        self.kind = kind
        self.prefix = prefix
        self._connect = connect
        self._secret = secret
        self._system: Any = None

    @property
    def system(self) -> Any:
        """The library's file system."""
        if self._system is None:
            self._system = self._connect()
        return self._system

    @contextmanager
    def errors(self, label: str) -> Iterator[None]:
        """The libraries' errors in our words; what they say is shown without the address's password."""
        try:
            yield
        except LoadlockError:
            raise
        except Exception as error:
            mapped = self._mapped(label, error)
            if isinstance(mapped, InterruptedFetchError):
                self._system = None
            raise mapped from None

    def _mapped(self, label: str, error: Exception) -> LoadlockError:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        said = said.replace(self._secret, "***") if self._secret else said
        names = {base.__name__ for base in type(error).__mro__}
        if isinstance(error, FileNotFoundError):
            return SourceError(f"there is no file {label}", hint="Check the address.")
        if isinstance(error, PermissionError) or names & _FORBIDDEN:
            return SourceError(
                f"no permission to read {label}: {said}", hint=f"Credentials are taken from {self.kind.credentials}."
            )
        if "HostKeyNotVerifiable" in names:
            return SourceError(
                f"{label}: the server's key is not known: {said}",
                hint="Compare its fingerprint with the one its owner gives you, then add it to ~/.ssh/known_hosts.",
            )
        if isinstance(error, ValueError | TypeError | KeyError | NotImplementedError):
            return SourceError(f"can't read {label}: {said}", hint="Check the address.")
        return InterruptedFetchError(said)


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """See `RemoteFile`."""

    site: _Site
    path: str
    """As the library names it."""
    label: str

    @property
    def name(self) -> str:
        """The last part of its path."""
        return posixpath.basename(self.path)

    @property
    def key(self) -> str:
        return self.label

    def open(self, start: int, known: Facts | None) -> Opened:
        """See `RemoteFile.open`."""
        facts = self._facts()
        first = start if facts == known else 0
        blocks = self._stream(first) if self.site.kind is _SFTP else self._ranges(first, facts.size or 0)
        return Opened(facts=facts, start=first, blocks=blocks)

    def unchanged(self, known: Facts) -> bool:
        """See `RemoteFile.unchanged`."""
        return self._facts() == known

    def _facts(self) -> Facts:
        with self.site.errors(self.label):
            self.site.system.invalidate_cache()
            info = self.site.system.info(self.path)
        if info.get("type") == "directory":
            raise SourceError(f"{self.label} is a folder", hint="Write it with a / at its end.")
        told = [f"{name}={info[name]}" for name in _VERSION_KEYS if info.get(name) is not None]
        return Facts(size=info.get("size"), version=f"{info.get('size')} {' '.join(told)}" if told else None)

    def _ranges(self, start: int, size: int) -> Iterator[bytes]:
        while start < size:
            with self.site.errors(self.label):
                data = self.site.system.cat_file(self.path, start=start, end=min(start + _RANGE_BYTES, size))
            if not data:
                return
            start += len(data)
            yield data

    def _stream(self, start: int) -> Iterator[bytes]:
        with self.site.errors(self.label), self.site.system.open(self.path, "rb") as stream:
            stream.seek(start)
            while data := stream.read(_STREAM_BYTES):
                yield data


def stored_files(pattern: str) -> list[StoredFile]:
    """The files of an address: one file, a folder (with `/` at its end, or known as one), or a glob pattern.

    Hidden files are left out of folders and patterns. SourceError where nothing is found or may be read; UsageError where
    the library is not installed.
    """
    site, path = _site_of(pattern)
    label = site.prefix + path
    with site.errors(label):
        found = _listed(site, path)
    if not found:
        raise SourceError(f"{label} holds no file", hint="Check the address; folders are not searched deeper.")
    return [StoredFile(site=site, path=name, label=site.prefix + name) for name in found]


def _listed(site: _Site, path: str) -> list[str]:
    system = site.system
    folder = path.endswith("/")
    bare = path.rstrip("/") or path
    if not folder and _MAGIC & set(bare) and not system.exists(bare):
        found = system.glob(bare, detail=True)
        return _files(system, list(found.values()))
    if folder or system.isdir(bare):
        return _files(system, system.ls(bare, detail=True))
    system.info(bare)
    return [bare]


def _files(system: Any, infos: list[dict[str, Any]]) -> list[str]:
    """Names of the visible files among them; a link counts as what it points to."""
    names = []
    for info in infos:
        name = info["name"]
        kind = system.info(name)["type"] if info["type"] == "link" else info["type"]
        if kind == "file" and not name.endswith("/") and not posixpath.basename(name).startswith("."):
            names.append(name)
    return names


def _site_of(pattern: str) -> tuple[_Site, str]:
    """The place of an address and the path there."""
    scheme, _, rest = pattern.partition("://")
    scheme = scheme.lower()
    kind = KINDS[scheme]
    make = _file_system(kind, scheme)
    if kind is _SFTP:
        return _sftp_site(kind, make, pattern)
    path = make._strip_protocol(pattern).rstrip("/") + ("/" if rest.endswith("/") else "")

    def connect() -> Any:
        return make(**make._get_kwargs_from_urls(pattern), skip_instance_cache=True, use_listings_cache=False)

    return _Site(kind, f"{scheme}://", connect), path


def _file_system(kind: Kind, scheme: str) -> Any:
    try:
        found = getattr(importlib.import_module(kind.module), kind.file_system)
    except ImportError as error:
        package = kind.module.partition(".")[0]
        raise UsageError(
            f"{scheme}:// needs the package {package}", hint=f"pip install 'loadlock[{kind.extra}]'"
        ) from error
    for name in _TALKERS:
        # what breaks is said by us, once; who sets up logging still gets all of it
        logging.getLogger(name).addHandler(logging.NullHandler())
    return found


def _sftp_site(kind: Kind, make: Callable[..., Any], pattern: str) -> tuple[_Site, str]:
    try:
        parts = urllib.parse.urlsplit(pattern.replace("?", "%3F").replace("#", "%23"))
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise SourceError(
            "an sftp:// address is not valid", hint="Write it as sftp://user@host/folder/*.csv."
        ) from error
    user = urllib.parse.unquote(parts.username) if parts.username else None
    password = urllib.parse.unquote(parts.password) if parts.password else None
    given = {"port": port, "username": user, "password": password}

    def connect() -> Any:
        return make(
            host,
            known_hosts=(),  # those of ~/.ssh/known_hosts: the library would take any server by itself
            connect_timeout=_CONNECT_SECONDS,
            login_timeout=_CONNECT_SECONDS,
            keepalive_interval=_SILENT_SECONDS,
            skip_instance_cache=True,
            **{name: value for name, value in given.items() if value is not None},
        )

    prefix = f"sftp://{user + '@' if user else ''}{host}{f':{port}' if port else ''}"
    return _Site(kind, prefix, connect, secret=password or ""), urllib.parse.unquote(parts.path) or "/"
