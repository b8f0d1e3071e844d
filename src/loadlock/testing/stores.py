"""Object stores and an SSH server on loopback, for tests of what is fetched from them.

S3 is moto's server and SFTP asyncssh's (both are test dependencies); for Google's and Azure's stores there is no server as a
Python package: the few requests that reading needs are answered here.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

AZURE_KEY = "c2VjcmV0LWtleS1vZi10aGUtdGVzdHM="


@contextmanager
def s3_server() -> Iterator[str]:
    """A running S3 server; its address."""
    import logging

    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()


class SftpServer:
    """An SFTP server that shows the folder `root`. `password` is the user's; `host_key` as known_hosts writes it."""

    def __init__(self, root: Path, *, user: str, password: str) -> None:
        import asyncssh

        self.root = root
        self.user = user
        self.password = password
        key = asyncssh.generate_private_key("ssh-ed25519")
        self._key = key
        self.port = 0
        self.connections: list[Any] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listener = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(20)
        self.host_key = f"[127.0.0.1]:{self.port} {key.export_public_key().decode().strip()}\n"

    @property
    def url(self) -> str:
        """Without a slash at its end and without the password."""
        return f"sftp://{self.user}@127.0.0.1:{self.port}"

    def drop_connections(self) -> None:
        """Cut all connections, as a broken line does."""
        for connection in self.connections:
            self._loop.call_soon_threadsafe(connection.abort)
        self.connections.clear()

    def stop(self) -> None:
        """End it."""
        self.drop_connections()
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._listener.close()
        await self._listener.wait_closed()
        await asyncio.sleep(0.05)

    async def _listen(self) -> Any:
        import asyncssh

        site = self

        class Login(asyncssh.SSHServer):
            def connection_made(self, conn: Any) -> None:
                site.connections.append(conn)

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == (site.user, site.password)

        def files(channel: Any) -> Any:
            return asyncssh.SFTPServer(channel, chroot=bytes(site.root))

        listener = await asyncssh.create_server(
            Login, "127.0.0.1", 0, server_host_keys=[self._key], sftp_factory=files, allow_scp=False
        )
        self.port = listener.get_port()
        return listener


@contextmanager
def sftp_server(root: Path, *, user: str = "ann", password: str = "geheim") -> Iterator[SftpServer]:  # noqa: S107 (a test's)
    """A running SFTP server, ended with the block."""
    server = SftpServer(root, user=user, password=password)
    try:
        yield server
    finally:
        server.stop()


class BlobServer:
    """Objects by bucket (or container) and name, given out in the manner of `gs` or `az`. Use `blob_server()`."""

    def __init__(self, manner: str) -> None:
        self.objects: dict[str, dict[str, bytes]] = {}
        self.versions: dict[tuple[str, str], int] = {}
        self.asked: list[str] = []
        handler = type("Handler", (_Google if manner == "gs" else _Azure,), {"site": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def put(self, bucket: str, name: str, content: bytes) -> None:
        """Store an object, or its next version."""
        self.objects.setdefault(bucket, {})[name] = content
        self.versions[bucket, name] = self.versions.get((bucket, name), 0) + 1

    def listed(self, bucket: str, prefix: str, delimiter: str) -> tuple[list[str], list[str]]:
        """Names and common prefixes, as stores list them."""
        names, prefixes = [], set()
        for name in sorted(self.objects.get(bucket, {})):
            if name.startswith(prefix):
                rest = name[len(prefix) :]
                if delimiter and delimiter in rest:
                    prefixes.add(prefix + rest.partition(delimiter)[0] + delimiter)
                else:
                    names.append(name)
        return names, sorted(prefixes)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def blob_server(manner: str) -> Iterator[BlobServer]:
    """A running store in the manner of Google (`gs`) or Azure (`az`), ended with the block."""
    server = BlobServer(manner)
    try:
        yield server
    finally:
        server.stop()


class _Store(BaseHTTPRequestHandler, ABC):
    protocol_version = "HTTP/1.1"
    site: BlobServer

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self._route()

    def do_GET(self) -> None:
        """An object, what is known of it, or a list."""
        self._route()

    def _route(self) -> None:
        path, _, query = self.path.partition("?")
        self.site.asked.append(f"{self.command} {self.path}")
        self.answer(urllib.parse.unquote(path), dict(urllib.parse.parse_qsl(query, keep_blank_values=True)))

    @abstractmethod
    def answer(self, path: str, query: dict[str, str]) -> None:
        """Reply to a GET or HEAD of this path."""

    def reply(self, status: int, body: bytes, headers: dict[str, str], *, size: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body) if size is None else size), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            with suppress(OSError):
                self.wfile.write(body)

    def content(self, data: bytes, headers: dict[str, str]) -> None:
        """The object, or the range that is asked for."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("x-ms-range") or self.headers.get("Range") or "")
        if wanted is None:
            self.reply(200, data, headers)
            return
        start, stop = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        told = {**headers, "Content-Range": f"bytes {start}-{stop}/{len(data)}"}
        self.reply(206, data[start : stop + 1], told)


class _Google(_Store):
    def answer(self, path: str, query: dict[str, str]) -> None:
        found = re.fullmatch(r"(/download)?/storage/v1/b/([^/]+)/o(?:/(.+))?", path)
        if found is None:
            self.reply(404, b"{}", {})
        elif found[3] is None:
            names, prefixes = self.site.listed(found[2], query.get("prefix", ""), query.get("delimiter", ""))
            items = [self._known(found[2], name) for name in names]
            self._json({"kind": "storage#objects", "items": items, "prefixes": prefixes})
        elif (data := self.site.objects.get(found[2], {}).get(found[3])) is None:
            self.reply(404, b'{"error": {"code": 404, "message": "Not Found"}}', {"Content-Type": "application/json"})
        elif found[1] or query.get("alt") == "media":
            self.content(data, {})
        else:
            self._json(self._known(found[2], found[3]))

    def _known(self, bucket: str, name: str) -> dict[str, Any]:
        version = str(self.site.versions[bucket, name])
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": name,
            "size": str(len(self.site.objects[bucket][name])),
            "generation": version,
            "etag": f"v{version}",
            "updated": "2024-03-01T00:00:00Z",
            "timeCreated": "2024-03-01T00:00:00Z",
        }

    def _json(self, document: dict[str, Any]) -> None:
        self.reply(200, json.dumps(document).encode(), {"Content-Type": "application/json"})


class _Azure(_Store):
    def answer(self, path: str, query: dict[str, str]) -> None:
        _, _, container, *rest = path.split("/")
        name = "/".join(rest)
        if query.get("comp") == "list" and container:
            self._list(container, query)
        elif not name:
            self.reply(200 if container in self.site.objects else 404, b"", self._always('"c"'))
        elif (data := self.site.objects.get(container, {}).get(name)) is None:
            self.reply(404, b"", {"x-ms-error-code": "BlobNotFound"})
        else:
            headers = self._always(f'"v{self.site.versions[container, name]}"')
            headers |= {"x-ms-blob-type": "BlockBlob", "Accept-Ranges": "bytes", "Content-Type": "text/csv"}
            if self.command == "HEAD":
                self.reply(200, b"", headers, size=len(data))
            else:
                self.content(data, headers)

    def _always(self, tag: str) -> dict[str, str]:
        return {"ETag": tag, "Last-Modified": formatdate(0, usegmt=True), "x-ms-version": "2021-12-02"}

    def _list(self, container: str, query: dict[str, str]) -> None:
        names, prefixes = self.site.listed(container, query.get("prefix", ""), query.get("delimiter", ""))
        blobs = "".join(
            f"<Blob><Name>{escape(name)}</Name><Properties>"
            f"<Content-Length>{len(self.site.objects[container][name])}</Content-Length>"
            f"<Etag>v{self.site.versions[container, name]}</Etag><BlobType>BlockBlob</BlobType>"
            "<Last-Modified>Thu, 01 Jan 1970 00:00:00 GMT</Last-Modified></Properties></Blob>"
            for name in names
        )
        folders = "".join(f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" for name in prefixes)
        listed = f'<EnumerationResults ContainerName="{container}"><Blobs>{blobs}{folders}</Blobs><NextMarker/>'
        text = f'<?xml version="1.0"?>\n{listed}</EnumerationResults>'
        self.reply(200, text.encode(), {"Content-Type": "application/xml"})
