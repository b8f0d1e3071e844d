"""A web server on loopback that behaves badly on demand: for tests of what is fetched from other places."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What goes wrong with one answer."""

    status: int | None = None
    """An error status instead of the file."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers to send beside (or instead of) the usual ones."""
    stop_after: int | None = None
    """Body bytes after which the connection ends ..."""
    reset: bool = False
    """... by a reset rather than in good order."""
    pause_seconds: float = 0.0
    """Waited in the middle of the body."""
    length: int | None = None
    """Announced as Content-Length, whatever is sent."""
    swap: bytes | None = None
    """The file's content from then on: changed while it was being sent."""


@dataclass(kw_only=True)
class WebFile:
    """A file that the server gives out."""

    content: bytes
    etag: str | None = '"1"'
    ranges: bool = True
    framing: str = "length"
    """`length`, `chunked` or `close` (nothing announces the end)."""
    user: str | None = None
    """The value that Authorization must have."""
    redirect: str | None = None
    head: bool = True
    """Whether HEAD is answered."""
    faults: list[Fault] = field(default_factory=list)
    """One for each GET, in order; then all goes well."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]


class WebServer:
    """Gives out `files` (by path) and notes down what was `asked`. Use `web_server()`."""

    def __init__(self) -> None:
        self.files: dict[str, WebFile] = {}
        self.asked: list[Asked] = []
        handler = type("Handler", (_Handler,), {"site": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    @property
    def url(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def put(self, path: str, content: bytes, **known: Any) -> str:
        """Give out a file; its address."""
        self.files[path] = WebFile(content=content, **known)
        return self.url + path

    def ranges(self) -> list[str | None]:
        """The Range header of each GET so far."""
        return [asked.headers.get("range") for asked in self.asked if asked.method == "GET"]

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def web_server() -> Iterator[WebServer]:
    """A running server, ended with the block."""
    server = WebServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    site: WebServer

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self._answer()

    def do_GET(self) -> None:
        """The file, or what goes wrong."""
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.site.asked.append(Asked(method=self.command, path=self.path, headers=headers))
        file = self.site.files.get(path)
        if file is None or (self.command == "HEAD" and not file.head):
            self._plain(404 if file is None else 405, {})
        elif file.user is not None and headers.get("authorization") != file.user:
            self._plain(401, {"WWW-Authenticate": "Basic"})
        elif file.redirect:
            self._plain(302, {"Location": file.redirect})
        else:
            fault = file.faults.pop(0) if file.faults and self.command == "GET" else Fault()
            if fault.status:
                self._plain(fault.status, fault.headers)
            else:
                self._send(file, fault, headers)

    def _plain(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, file: WebFile, fault: Fault, headers: dict[str, str]) -> None:
        content, tag = file.content, file.etag
        start = 0
        wanted = headers.get("range", "")
        if file.ranges and wanted and headers.get("if-range", tag) == tag:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                self._plain(416, {"Content-Range": f"bytes */{len(content)}"})
                return
        body = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if tag:
            self.send_header("ETag", tag)
        if file.framing == "length":
            self.send_header("Content-Length", str(len(body) if fault.length is None else fault.length))
        elif file.framing == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        for name, value in fault.headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        if self.command == "GET":
            with suppress(OSError):
                self._body(file, fault, body)

    def _body(self, file: WebFile, fault: Fault, body: bytes) -> None:
        sent = body if fault.stop_after is None else body[: fault.stop_after]
        half = len(sent) // 2
        self._write(file, sent[:half])
        if fault.pause_seconds:
            time.sleep(fault.pause_seconds)
        self._write(file, sent[half:])
        if fault.swap is not None:
            file.content, file.etag = fault.swap, '"2"'
        if fault.stop_after is None and file.framing == "chunked":
            self.wfile.write(b"0\r\n\r\n")
        if fault.reset:
            # bytes still on their way would be dropped by the reset
            time.sleep(0.1)
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

    def _write(self, file: WebFile, data: bytes) -> None:
        if not data:
            return
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data) if file.framing == "chunked" else data)
        self.wfile.flush()
